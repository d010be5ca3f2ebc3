"""With everything under four eyes nobody changes alone what a second person guards, whichever endpoint or form they try.

The walk goes through the tables of endpoints and forms themselves: a new one is tried as soon as it stands there, and needs an example
here if it takes a body.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
import pytest
from aiohttp import FormData
from tests.administrator.four_eyes_parts import LEAVING, LEFT, ORDER, UNTIL, guarded, infrastructure, offer, prepare, seal
from tests.administrator.interface_parts import PASSWORD, add_user, make_desk, served
from tests.gateway.gateway_parts import GATEWAY_ID, METER_ID, meter_profile

from smgw.administrator.api import ENDPOINTS
from smgw.administrator.api.endpoints import Desk
from smgw.administrator.api.openapi import operation_id
from smgw.administrator.approvals import KINDS
from smgw.administrator.console.forms import FILES, FORMS
from smgw.administrator.console.site import endpoint_of
from smgw.administrator.orders import DEEDS
from smgw.administrator.users import Role

pytestmark = pytest.mark.req("ADM-02", "ADM-10")

NAMES = {"device_id": GATEWAY_ID, "kind": "meter", "profile_id": METER_ID, "log": "system", "number": "1", "name": "someone",
         "case": "C000001", "order": ORDER}  # fmt: skip
PROFILE = msgspec.to_builtins(meter_profile(version=2))
WAKE_UP = {"host": "gateway.invalid", "port": 15_100}
DECISIONS = {
    "post_market_orders_order_approve", "post_market_orders_order_reject", "post_proposals_number_approve", "post_proposals_number_reject",
}  # fmt: skip
"""Here one decides on what another one asked for, the participant too; that nobody does so on an own proposal is tried apart."""


def requests(desk: Desk) -> dict[str, list[tuple[dict[str, str], Any]]]:
    """Give what each endpoint is tried with: names in the path that differ, and the body."""
    document = offer()
    return {
        "put_gateways_device_id_profiles_kind_profile_id": [({}, PROFILE)],
        "post_gateways_device_id_jobs": [
            ({}, {"method": method, "resource": resource})
            for method, resource in (
                ("POST", "firmware/activate"),
                ("POST", "keys/generation"),
                ("POST", "fas/successor"),
                ("DELETE", "fas/successor"),
                ("POST", "fas/take-over"),
                ("DELETE", "rts/administrator/x"),
                ("PUT", "rts/wake-up"),
                ("POST", "life/announce-end"),
                ("POST", "life/decommission"),
                ("POST", "fas/self-test"),
            )
        ],
        "post_gateways_device_id_cosem": [({}, {"method": "DELETE", "address": f"/cosem/ldevs/{METER_ID.lower()}.sm"})],
        "post_users": [({}, {"name": "eve", "password": PASSWORD, "roles": ["approver"]})],
        "put_users_name": [({}, {"roles": ["viewer"]})],
        "put_me_password": [({}, {"old": "wrong password", "new": PASSWORD})],
        "post_me_tokens": [({}, {"purpose": "x"})],
        "delete_me_tokens_number": [({"number": "99"}, None)],
        "post_backup": [({}, {"passphrase": PASSWORD})],
        "post_gateways_device_id_cases": [({}, {"certificate": "x", "reason": "x"})],
        "post_cases_case_close": [({}, {})],
        "post_gateways_device_id_exchange": [({}, {"reason": "renewal"}), ({}, {"reason": "decommission"})],
        "post_gateways": [({}, {"seal": seal()})],
        "post_firmware_uploads": [({}, {"sha256": "0" * 64, "at": 0, "octets": "AA=="})],
        "post_firmware_releases": [({}, {"sha256": "0" * 64})],
        "post_firmware_certified": [({}, {"rows": []})],
        "post_firmware_campaigns": [({}, {"version": desk.books.releases.all()[0].version})],
        "put_gateways_device_id_wake_up": [({}, WAKE_UP), ({}, {**WAKE_UP, "set_gateway": True})],
        "post_successions": [({}, {"infrastructure": infrastructure(desk.books), "until": UNTIL, "wake_up": WAKE_UP})],
        "post_gateways_device_id_succession": [({}, {"offer": document, "until": UNTIL})],
        "delete_gateways_device_id_succession": [({"device_id": LEAVING}, None)],
        "post_gateways_device_id_succession_confirm": [({"device_id": LEFT}, None)],
        "post_gateways_device_id_succession_offer": [({}, {})],
        "post_gateways_device_id_succession_infrastructure": [({}, {"offer": document})],
        "post_notifications": [({}, {"kind": "webhook", "name": "x", "url": "https://hook.invalid"})],
    }


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = make_desk(tmp_path / "gwa", *KINDS)
    prepare(desk)
    yield desk
    desk.books.close()


def test_every_endpoint_with_a_body_has_an_example(desk: Desk) -> None:
    with_body = {operation_id(row) for row in ENDPOINTS if row.body is not None}
    assert with_body - requests(desk).keys() == set()


async def walk_endpoints(desk: Desk, token: str) -> dict[str, set[int]]:
    """Try every endpoint that may change something; gives the statuses of each."""
    tried: dict[str, set[int]] = {}
    examples = requests(desk)
    async with served(desk) as caller:
        # What deletes comes last, so that there is something to delete.
        for row in sorted((row for row in ENDPOINTS if row.method != "GET"), key=lambda row: row.method == "DELETE"):
            name = operation_id(row)
            if name in DECISIONS:
                continue
            for names, body in examples.get(name, [({}, None)]):
                path = row.path.format_map({key: quote(value, safe="") for key, value in (NAMES | names).items()})
                status, answer = await caller.ask(row.method, path, token, body)
                assert status < 500 or answer["error"] in ("wakeup.no_call_back", "administrator.notification"), (path, answer)
                tried.setdefault(name, set()).add(status)
    return tried


async def test_no_endpoint_lets_one_person_do_what_needs_two(desk: Desk) -> None:
    token = add_user(desk.books, "op1", *Role)
    before = guarded(desk.books)
    tried = await walk_endpoints(desk, token)
    assert guarded(desk.books) == before
    for row in ENDPOINTS:
        if row.may_propose and operation_id(row) != "post_gateways_device_id_profiles_read_back":
            assert 202 in tried[operation_id(row)], operation_id(row)
    proposed = [one for one in desk.books.approvals.proposals() if one.proposed_by == "op1"]
    assert {one.deed for one in proposed} | {"market-order"} == set(DEEDS)
    assert {one.kind for one in proposed} | {"order"} == set(KINDS)
    async with served(desk) as caller:
        for one in proposed:
            status, answer = await caller.ask("POST", f"/proposals/{one.id}/approve", token)
            assert (status, answer["error"]) == (409, "administrator.own_proposal")
    assert guarded(desk.books) == before


async def test_without_four_eyes_the_same_walk_changes_everything(desk: Desk) -> None:
    desk = desk._replace(four_eyes=frozenset())
    token = add_user(desk.books, "op1", *Role)
    before = guarded(desk.books)
    await walk_endpoints(desk, token)
    after = guarded(desk.books)
    assert [name for name in before if before[name] == after[name]] == ["market_order"]


def fields(desk: Desk) -> dict[str, list[dict[str, str]]]:
    """Give what each form is filled in with."""
    local = "2026-03-03T12:00"
    wake_up = {"host": "gateway.invalid", "port": "15100"}
    gateway = f"/gateways/{GATEWAY_ID}"
    return {
        f"{gateway}/jobs": [{"method": "POST", "resource": "keys/generation"}, {"method": "POST", "resource": "life/decommission"}],
        f"{gateway}/exchange": [{"reason": "renewal"}, {"reason": "decommission"}],
        f"{gateway}/profiles": [{"kind": "meter", "profile": msgspec.json.encode(PROFILE).decode()}],
        f"{gateway}/profiles/meter/{METER_ID}/delete": [{}],
        f"{gateway}/announce-end": [{"at": local}],
        f"{gateway}/wake-up": [wake_up, {**wake_up, "set_gateway": "true"}],
        "/enrolments": [{"seal": seal()}],
        "/campaigns": [{"version": desk.books.releases.all()[0].version, "stages": "100"}],
        "/successions": [{"infrastructure": "@", "until": local, **wake_up}],
        "/successions/handover": [{"device_id": GATEWAY_ID, "offer": "@", "until": local}],
        f"/successions/{GATEWAY_ID}/withdraw": [{}],
    }


async def test_no_form_lets_one_person_do_what_needs_two(desk: Desk) -> None:
    add_user(desk.books, "op1", *Role)
    files = {"infrastructure": infrastructure(desk.books), "offer": offer()}
    given, before = fields(desk), guarded(desk.books)
    async with served(desk) as caller:
        key = await caller.log_in("op1")
        for path, endpoint in [*((form.path, endpoint_of(form.handler)) for form in FORMS), *((path, None) for path, _, _ in FILES)]:
            if endpoint is not None and operation_id(endpoint) in DECISIONS:
                continue
            names = NAMES | ({"device_id": LEAVING} if path.endswith("/withdraw") else {})
            filled = path.format_map(names)
            for values in given.get(path.format_map(NAMES), [{}]):
                form = FormData()
                for name, value in {"form_key": key, **values}.items():
                    form.add_field(name, bytes_of(files[name]) if value == "@" else value, **({"filename": name} if value == "@" else {}))
                status, where = await caller.send(filled, form)  # type: ignore[arg-type]
                if endpoint is not None and endpoint.may_propose:
                    assert status == 303 and "done=proposed" in where, (filled, status, where[:2_000])
                else:
                    assert status in (200, 303, 400, 403, 404, 409, 503), filled
    assert guarded(desk.books) == before


def bytes_of(text: str) -> bytes:
    return msgspec.json.decode(f'"{text}"', type=bytes)

"""What a gateway holds beside what it shall hold: every way in which they can differ, over the real command and the interface."""

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.administrator.administrator_parts import LIMIT_S, gateway_end
from tests.administrator.interface_parts import make_desk, served
from tests.administrator.test_administrator_management import Bench
from tests.gateway.gateway_parts import GATEWAY_ID, START, all_profiles, communication_profile, evaluation_profile, meter_profile

from smgw.administrator.management import GatewaySession
from smgw.administrator.read_back import RESOURCE, Compared, compare, read_held
from smgw.codec.command import Answer
from smgw.core.errors import DecodeFault
from smgw.core.profiles import PROFILE_KINDS, profile_digest, profile_key

pytestmark = pytest.mark.req("ADM-02")


@pytest.fixture
def bench(tmp_path: Path) -> Any:
    made = Bench(tmp_path)
    yield made
    made.close()


def findings(bench: Bench) -> dict[str, tuple[str, str]]:
    """Give id -> finding and code, of what differs."""
    held = read_held(bytes(bench.commands.ask(bench.commands.command("GET", RESOURCE)).body))
    rows = compare(bench.inventory, GATEWAY_ID, held, bench.books.refusals.of(GATEWAY_ID))
    return {row.id: (row.finding, row.code) for row in rows if row.finding != "same"}


def test_every_difference_has_its_name(bench: Bench) -> None:
    assert findings(bench) == {}
    bench.note_all()
    assert set(findings(bench).values()) == {("missing", "")}
    for profile in all_profiles():
        bench.commands.put(profile)
    assert findings(bench) == {}
    partner = communication_profile()
    bench.commands.put(msgspec.structs.replace(partner, port=4711, version=2))
    assert findings(bench) == {"emt1.sm": ("newer", "")}
    bench.inventory.put_profile(GATEWAY_ID, msgspec.structs.replace(partner, port=4712, version=2), START, "test")
    assert findings(bench) == {"emt1.sm": ("another", "")}
    wanted = msgspec.structs.replace(meter_profile(), version=5, transformer_factor=50)
    bench.inventory.put_profile(GATEWAY_ID, wanted, START, "test")
    bench.inventory.remove_profile(GATEWAY_ID, "evaluation", "taf7-1.sm", START, "test")
    found = findings(bench)
    assert (found[wanted.meter_id], found["taf7-1.sm"]) == (("older", ""), ("unexpected", ""))
    bench.books.refusals.note(GATEWAY_ID, wanted, "command.profile", START)
    assert findings(bench)[wanted.meter_id] == ("refused", "command.profile")
    bench.commands.put(wanted)
    assert wanted.meter_id not in findings(bench)


async def test_a_refusal_is_remembered_until_the_gateway_takes_the_profile(bench: Bench) -> None:
    bench.note_all()
    late = evaluation_profile(version=2, metering_point_id="")
    bench.inventory.put_profile(GATEWAY_ID, late, START, "test")

    async def reconcile() -> None:
        async with asyncio.timeout(LIMIT_S), gateway_end(bench.obey) as channel:
            gateway = bench.inventory.gateway(GATEWAY_ID)
            assert gateway is not None
            await GatewaySession(bench.office, gateway, channel).reconcile()

    await reconcile()
    refusal = bench.books.refusals.of(GATEWAY_ID)[("evaluation", late.profile_id)]
    assert refusal.version == 2 and refusal.code
    assert findings(bench)[late.profile_id] == ("refused", refusal.code)
    bench.inventory.put_profile(GATEWAY_ID, evaluation_profile(version=3), START, "test")
    await reconcile()
    assert (bench.books.refusals.of(GATEWAY_ID), findings(bench)) == ({}, {})


@pytest.mark.parametrize("body", [b"", b"[]", b'{"meter":{"x":{}}}', b'{"meter":{"x":{"version":"1","sha256":""}}}'])
def test_an_answer_of_another_form_is_refused(body: bytes) -> None:
    with pytest.raises(DecodeFault, match=r"command\.structure"):
        read_held(body)


@pytest.mark.req("ADM-13", "ADM-11")
async def test_the_interface_orders_compares_and_shows_no_content(tmp_path: Path) -> None:
    desk = make_desk(tmp_path)
    address = f"/gateways/{GATEWAY_ID}/profiles"
    async with asyncio.timeout(LIMIT_S), served(desk) as caller:
        assert (await caller.ask("GET", f"{address}/comparison"))[1]["error"] == "administrator.not_read_back"
        status, job = await caller.ask("POST", f"{address}/read-back")
        assert (status, job["resource"]) == (201, RESOURCE)
        held: dict[str, Any] = {}
        for kind, type_ in PROFILE_KINDS.items():
            mine = [profile for profile in all_profiles() if isinstance(profile, type_)]
            held[kind] = {profile_key(one): {"version": one.version, "sha256": profile_digest(one)} for one in mine}
        held["meter"]["stranger"] = {"version": 1, "sha256": "00"}
        answer = Answer(job["command_id"], START, GATEWAY_ID, 200, body=msgspec.Raw(msgspec.json.encode(held)))
        desk.office.books.jobs.end(desk.office.books.jobs.job(job["id"]), answer, START)
        status, found = await caller.ask("GET", f"{address}/comparison")
    assert (status, found["job"], found["differences"]) == (200, job["id"], 1)
    assert {row["id"] for row in found["profiles"] if row["finding"] == "unexpected"} == {"stranger"}
    assert set(found["profiles"][0]) == set(Compared.__struct_fields__)

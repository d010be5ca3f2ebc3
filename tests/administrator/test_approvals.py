"""Four eyes: what is named waits, somebody else decides, and it is done as it was read or not at all."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from tests.administrator.interface_parts import add_user, make_desk, served
from tests.gateway.gateway_parts import GATEWAY_ID, METER_ID, START, consumer_profile, meter_profile

from smgw.administrator.api.endpoints import Desk
from smgw.administrator.approvals import KINDS, ORDER_KINDS, kind_of
from smgw.administrator.config import AdministratorConfig
from smgw.administrator.orders import DEEDS, Hand, JobOrder, ProfileOrder, RemovalOrder, perform
from smgw.administrator.users import Role
from smgw.core.errors import DomainFault

pytestmark = pytest.mark.req("ADM-10", "ADM-02")


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = make_desk(tmp_path / "gwa", *KINDS)
    yield desk
    desk.books.close()


def hand(desk: Desk) -> Hand:
    return Hand(desk.books, "op2", START, desk.random)


def propose(desk: Desk, deed: str, order: object) -> int:
    return desk.books.approvals.propose("profile", deed, GATEWAY_ID, "x", order, at=START, actor="op1").id


def decide(desk: Desk, number: int, approved: bool = True, actor: str = "op2") -> None:
    desk.books.approvals.decide(number, approved, START, actor, lambda proposal: perform(hand(desk), proposal))


@pytest.mark.parametrize(
    ("method", "resource", "kind"),
    [
        ("PUT", "rts/meter/x", "profile"),
        ("DELETE", "rts/evaluation/x", "profile"),
        ("GET", "rts/meter", ""),
        ("POST", "firmware/order", "firmware"),
        ("GET", "firmware/status", ""),
        ("POST", "keys/generation", "keys"),
        ("POST", "fas/successor", "change"),
        ("DELETE", "fas/successor", "change"),
        ("DELETE", "rts/administrator", "change"),
        ("POST", "life/decommission", "decommission"),
        ("POST", "fas/self-test", ""),
        ("POST", "keyside/x", ""),
    ],
)
def test_commands_have_kinds(method: str, resource: str, kind: str) -> None:
    assert kind_of(method, resource) == kind


def test_every_kind_can_be_configured_and_is_known() -> None:
    assert {kind for _, kind in ORDER_KINDS} | {"order"} == set(KINDS)
    assert msgspec.convert({"name": "x", "four_eyes": KINDS}, AdministratorConfig).four_eyes == KINDS
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"name": "x", "four_eyes": ["everything"]}, AdministratorConfig)


def test_each_deed_is_done_in_the_name_of_whoever_proposed_it(desk: Desk) -> None:
    decide(desk, propose(desk, "profile", ProfileOrder(GATEWAY_ID, "meter", msgspec.to_builtins(meter_profile(version=2)))))
    decide(desk, propose(desk, "job", JobOrder(GATEWAY_ID, "POST", "fas/self-test")))
    decide(desk, propose(desk, "removal", RemovalOrder(GATEWAY_ID, "meter", METER_ID)))
    waiting = desk.books.jobs.waiting(GATEWAY_ID)
    assert [(job.method, job.resource, job.created_by) for job in waiting] == [
        ("POST", "fas/self-test", "op1"),
        ("DELETE", f"rts/meter/{METER_ID}", "op1"),
    ]
    assert ("meter", METER_ID) not in [
        (kind, getattr(profile, "meter_id", "")) for kind, profile in desk.books.inventory.profiles(GATEWAY_ID)
    ]
    deciders = [entry["actor"] for entry in desk.books.audit.newest(20) if entry["action"].startswith("approve")]
    assert deciders == ["op2"] * 3


def test_nobody_approves_what_they_proposed_but_may_take_it_back(desk: Desk) -> None:
    number = propose(desk, "job", JobOrder(GATEWAY_ID, "GET", "state"))
    with pytest.raises(DomainFault, match=r"administrator\.own_proposal"):
        decide(desk, number, actor="op1")
    decide(desk, number, approved=False, actor="op1")
    assert desk.books.jobs.of(GATEWAY_ID) == []
    for approved in (True, False):
        with pytest.raises(DomainFault, match="is rejected"):
            decide(desk, number, approved)
    with pytest.raises(DomainFault, match=r"administrator\.unknown_proposal"):
        decide(desk, 99)


def test_what_fails_when_it_is_done_stays_a_proposal(desk: Desk) -> None:
    number = propose(desk, "profile", ProfileOrder(GATEWAY_ID, "meter", msgspec.to_builtins(meter_profile(version=1))))
    length = desk.books.audit.head().length
    with pytest.raises(DomainFault, match=r"profile\.version"):
        decide(desk, number)
    proposal = desk.books.approvals.proposal(number)
    assert (proposal.state, proposal.decided_by) == ("waiting", "")
    assert desk.books.audit.head().length == length


REQUESTS = {
    "profile": ("PUT", f"/gateways/{GATEWAY_ID}/profiles/meter/{METER_ID}", msgspec.to_builtins(meter_profile(version=2))),
    "removal": ("DELETE", f"/gateways/{GATEWAY_ID}/profiles/meter/{METER_ID}", None),
    "firmware": ("POST", f"/gateways/{GATEWAY_ID}/jobs", {"method": "POST", "resource": "firmware/activate"}),
    "keys": ("POST", f"/gateways/{GATEWAY_ID}/jobs", {"method": "POST", "resource": "keys/generation"}),
    "exchange": ("POST", f"/gateways/{GATEWAY_ID}/exchange", {"reason": "renewal"}),
    "end": ("POST", f"/gateways/{GATEWAY_ID}/exchange", {"reason": "decommission"}),
    "change": ("POST", f"/gateways/{GATEWAY_ID}/jobs", {"method": "POST", "resource": "fas/successor"}),
    "decommission": ("POST", f"/gateways/{GATEWAY_ID}/jobs", {"method": "POST", "resource": "life/decommission"}),
}


def held(desk: Desk) -> tuple[object, ...]:
    """Give everything that these requests change."""
    return desk.books.inventory.profiles(GATEWAY_ID), desk.books.jobs.of(GATEWAY_ID), desk.books.exchanges.listed()


@pytest.mark.parametrize("name", REQUESTS)
async def test_over_the_interface_it_waits_for_a_second_person(desk: Desk, name: str) -> None:
    method, path, body = REQUESTS[name]
    users = {"op1": add_user(desk.books, "op1", Role.OPERATOR, Role.APPROVER), "op2": add_user(desk.books, "op2", Role.APPROVER)}
    before = held(desk)
    async with served(desk) as caller:
        status, proposal = await caller.ask(method, path, users["op1"], body)
        kind = {"removal": "profile", "exchange": "keys", "end": "decommission"}.get(name, name)
        assert (status, proposal["state"], proposal["kind"]) == (202, "waiting", kind)
        assert held(desk) == before
        address = f"/proposals/{proposal['id']}"
        assert (await caller.ask("POST", f"{address}/approve", users["op1"]))[1]["error"] == "administrator.own_proposal"
        status, decided = await caller.ask("POST", f"{address}/approve", users["op2"])
        assert (status, decided["state"], decided["decided_by"]) == (200, "approved", "op2")
        assert held(desk) != before
        assert (await caller.ask("POST", f"{address}/approve", users["op2"]))[1]["error"] == "administrator.unknown_proposal"


async def test_a_consumer_s_digests_are_not_shown_while_they_wait(desk: Desk) -> None:
    profile = msgspec.structs.replace(consumer_profile(), version=2, digest_sha256="ab" * 32)
    token = add_user(desk.books, "op1", *Role)
    async with served(desk) as caller:
        path = f"/gateways/{GATEWAY_ID}/profiles/consumer/consumer1.sm"
        status, proposal = await caller.ask("PUT", path, token, msgspec.to_builtins(profile))
        assert (status, proposal["request"]) == (202, None)
        _, listed = await caller.ask("GET", "/proposals", token)
        await caller.log_in("op1")
        shown = [str(listed), *[(await caller.page(page))[1] for page in ("/proposals", f"/gateways/{GATEWAY_ID}", "/audit")]]
        assert not any("abab" in text for text in shown)
        assert (await caller.ask("GET", path, token))[1]["error"] == "administrator.unknown_profile"


async def test_an_operator_takes_back_only_own_proposals(desk: Desk) -> None:
    tokens = [add_user(desk.books, name, Role.OPERATOR) for name in ("op1", "eve")]
    numbers = itertools.count(1)
    async with served(desk) as caller:
        for owner, other in (tokens, tokens[::-1]):
            await caller.ask("POST", f"/gateways/{GATEWAY_ID}/jobs", owner, {"method": "POST", "resource": "keys/generation"})
            address = f"/proposals/{next(numbers)}/reject"
            assert (await caller.ask("POST", address, other))[1]["error"] == "administrator.forbidden"
            assert (await caller.ask("POST", address, owner))[1]["state"] == "rejected"


def test_every_deed_reads_what_it_was_proposed_with() -> None:
    for deed in DEEDS.values():
        assert msgspec.inspect.type_info(deed.form)

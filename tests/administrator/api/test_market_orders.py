"""Participants' orders over the REST interface: shown with what permits them, held, decided on, taken back."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.administrator.four_eyes_parts import ORDER, prepare
from tests.administrator.interface_parts import add_user, make_desk, served
from tests.gateway.gateway_parts import GATEWAY_ID, START

from smgw.administrator.api.endpoints import Desk
from smgw.administrator.users import Role
from smgw.codec.market_order import MarketOrder

pytestmark = pytest.mark.req("ADM-09", "ADM-13")
PATH = f"/market-orders/{ORDER}"


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = make_desk(tmp_path / "gwa", "order")
    prepare(desk)
    yield desk
    desk.books.close()


def sent(desk: Desk) -> list[tuple[str, str]]:
    return [(job.resource, job.created_by) for job in desk.books.jobs.waiting(GATEWAY_ID) if job.method == "POST"]


async def test_a_held_order_happens_once_an_approver_decides(desk: Desk) -> None:
    tokens = {role: add_user(desk.books, f"a-{role}", role) for role in (Role.VIEWER, Role.OPERATOR, Role.APPROVER)}
    async with served(desk) as caller:
        status, order = await caller.ask("GET", PATH, tokens[Role.VIEWER])
        assert (status, order["state"], order["permitted"], order["job"]) == (200, "held", True, 0)
        assert (await caller.ask("POST", f"{PATH}/approve", tokens[Role.OPERATOR]))[1]["error"] == "administrator.forbidden"
        assert (await caller.ask("POST", f"{PATH}/reject", tokens[Role.OPERATOR]))[1]["error"] == "administrator.forbidden"
        assert sent(desk) == []
        status, order = await caller.ask("POST", f"{PATH}/approve", tokens[Role.APPROVER])
        assert (status, order["state"]) == (200, "waiting")
        assert sent(desk) == [("fas/connect", "supplier.EMT")]
        assert (await caller.ask("POST", f"{PATH}/approve", tokens[Role.APPROVER]))[1]["error"] == "administrator.unknown_proposal"
        assert (await caller.ask("POST", f"{PATH}/reject", tokens[Role.APPROVER]))[1]["error"] == "administrator.forbidden"
        assert (await caller.ask("POST", f"{PATH}/reject", tokens[Role.OPERATOR]))[1]["state"] == "cancelled"
    assert sent(desk) == []


async def test_an_order_that_was_turned_down_never_happens(desk: Desk) -> None:
    token = add_user(desk.books, "op2", Role.APPROVER)
    async with served(desk) as caller:
        status, order = await caller.ask("POST", f"{PATH}/reject", token)
        assert (status, order["state"], order["code"]) == (200, "failed", "order.rejected")
        assert (await caller.ask("POST", f"{PATH}/approve", token))[1]["error"] == "administrator.unknown_proposal"
    book = desk.books.market_orders
    assert book.state(book.known(ORDER)).code == "order.rejected", "the participant reads it"
    assert sent(desk) == []


async def test_what_the_profiles_permit_no_longer_is_not_approved(desk: Desk) -> None:
    token = add_user(desk.books, "op2", Role.APPROVER)
    desk.books.inventory.remove_profile(GATEWAY_ID, "communication", "emt1.sm", START, "test")
    async with served(desk) as caller:
        assert (await caller.ask("GET", PATH, token))[1]["permitted"] is False
        status, answer = await caller.ask("POST", f"{PATH}/approve", token)
        assert (status, answer["error"]) == (409, "order.not_permitted")
        assert (await caller.ask("GET", PATH, token))[1]["state"] == "held"


async def test_orders_and_refusals_are_listed(desk: Desk) -> None:
    token, book = add_user(desk.books, "op1", Role.VIEWER), desk.books.market_orders
    later = MarketOrder(ORDER[:-1] + "2", "ESGW0000000031", "connect")
    book.accept(later, "", "emt1.sm", "supplier.EMT", at=START, random=bytes([3]) * 16)
    book.refused("stranger.EMT", "order.not_permitted", START)
    async with served(desk) as caller:
        _, found = await caller.ask("GET", "/market-orders", token)
        assert [order["device_id"] for order in found["orders"]] == ["ESGW0000000031", GATEWAY_ID]
        assert [(one["sender"], one["code"]) for one in found["refusals"]] == [("stranger.EMT", "order.not_permitted")]
        _, found = await caller.ask("GET", f"/market-orders?gateway={GATEWAY_ID}", token)
        assert [order["order_id"] for order in found["orders"]] == [ORDER]
        assert (await caller.ask("GET", "/market-orders/x", token))[0] == 404

"""The fleet over the interface: every condition, paging, and whatever a gateway may say of itself."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.administrator.administrator_parts import add_gateway
from tests.administrator.interface_parts import make_desk, served
from tests.gateway.gateway_parts import GATEWAY_ID, START

from smgw.administrator.api.endpoints import Desk

pytestmark = pytest.mark.req("ADM-01", "ADM-06")
FLEET = [f"ESGW{number:010d}" for number in range(1, 31)]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = make_desk(tmp_path / "gwa")
    for number, device_id in enumerate(FLEET):
        if number:
            add_gateway(desk.books.inventory, device_id)
        if number % 10 == 9:
            continue
        state = "normal" if number % 5 else "secure_state_measurement"
        told = {"state": state, "firmware": f"0.{number % 3}", "alarms": [{"condition": "clock_invalid"}] if number == 3 else []}
        desk.books.inventory.note_contact(device_id, START, state, msgspec.json.encode(told))
    yield desk
    desk.books.close()


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("", 30),
        ("search=00017", 1),
        ("search=esgw", 30),
        ("search=secure", 6),
        ("state=unknown", 3),
        ("state=normal", 21),
        ("firmware=0.1", 9),
        ("firmware=0.1&state=normal", 7),
        ("reachable=true", 1),
        ("reachable=false", 29),
        ("alarm=true", 1),
        ("days=100000", None),
        ("days=10000", 30),
        ("days=0", 0),
        ("limit=0", None),
        ("limit=1001", None),
        ("offset=-1", None),
        ("sort=colour", None),
        ("colour=red", None),
        ("reachable=perhaps", None),
    ],
)
async def test_conditions_choose(desk: Desk, query: str, count: int | None) -> None:
    async with served(desk) as caller:
        with desk.books.inventory.connected(FLEET[0]):
            status, fleet = await caller.ask("GET", f"/gateways?{query}")
    if count is None:
        assert (status, fleet["error"]) == (400, "administrator.request")
        return
    assert (status, fleet["total"], fleet["all"], len(fleet["gateways"])) == (200, count, 30, count)


async def test_pages_hold_every_gateway_once_in_order(desk: Desk) -> None:
    async with served(desk) as caller:
        for key in ("device_id", "state", "last_contact", "certificate_days_left", "firmware"):
            pages = [(await caller.ask("GET", f"/gateways?sort={key}&limit=7&offset={start}"))[1]["gateways"] for start in range(0, 35, 7)]
            rows = [row for page in pages for row in page]
            assert sorted(row["device_id"] for row in rows) == FLEET
            assert [row[key] for row in rows] == sorted(row[key] for row in rows)


ODD: list[Any] = [None, True, -1, 1.5, "x" * 500, [], {}, [[]], {"a": {"b": []}}, "<b>"]


@pytest.mark.parametrize("value", ODD, ids=repr)
async def test_a_gateway_may_say_anything_of_itself(desk: Desk, value: Any) -> None:
    names = ("state", "clock", "firmware", "phase", "alarms", "unknown", "self_test", "meters", "waiting", "unknown_meters", "fill_percent")
    desk.books.inventory.note_contact(GATEWAY_ID, START, str(value), msgspec.json.encode(dict.fromkeys(names, value)))
    async with served(desk) as caller:
        status, view = await caller.ask("GET", f"/gateways/{GATEWAY_ID}")
        assert (status, view["gateway"]["device_id"]) == (200, GATEWAY_ID)
        await caller.log_in()
        for path in ("/", f"/gateways/{GATEWAY_ID}"):
            status, page = await caller.page(path)
            assert status == 200
            assert "<b>" not in page


@pytest.mark.parametrize("facts", [b"", b"[]", b"null", b"{", b"\xff"])
async def test_facts_that_are_none_hide_nothing_else(desk: Desk, facts: bytes) -> None:
    desk.books.inventory.note_contact(GATEWAY_ID, START, "normal", facts)
    async with served(desk) as caller:
        status, view = await caller.ask("GET", f"/gateways/{GATEWAY_ID}")
    assert (status, view["facts"], len(view["certificates"])) == (200, {}, 3)

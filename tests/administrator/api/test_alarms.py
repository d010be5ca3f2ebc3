"""Alarms over the interface: in the language of the reader, acknowledged once, counted while they weigh something."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.administrator.interface_parts import add_user, make_desk, served
from tests.gateway.gateway_parts import GATEWAY_ID, METER_ID, START

from smgw.administrator.api.endpoints import Desk
from smgw.administrator.users import Role
from smgw.core.notices import Notice

pytestmark = pytest.mark.req("ADM-06", "WAN-07")


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = make_desk(tmp_path / "gwa")
    rows = [("meter_found", "INFO", {"meter": METER_ID}), ("meter_fatal", "WARNING", {"meter": METER_ID}), ("newer_event", "ERROR", {}),
            ("meter_fatal", "WARNING", {"other": "parameter"})]  # fmt: skip
    for number, (event, level, parameters) in enumerate(rows):
        notice = Notice(f"{number}", GATEWAY_ID, event, number, level, START, METER_ID, True, parameters)
        desk.books.alarms.accept(notice, START)
    yield desk
    desk.books.close()


async def test_alarms_are_sentences_and_what_is_not_known_keeps_its_name(desk: Desk) -> None:
    async with served(desk) as caller:
        _, german = await caller.ask("GET", "/alarms?language=de")
        _, english = await caller.ask("GET", "/alarms")
    assert [row["text"] for row in english][:2] == ["meter fatal", "newer event"]
    assert METER_ID in german[2]["text"] and german[2]["text"] != english[2]["text"]


async def test_an_alarm_is_acknowledged_once_by_a_person(desk: Desk) -> None:
    op1, op2 = add_user(desk.books, "op1", Role.OPERATOR), add_user(desk.books, "op2", Role.OPERATOR)
    async with served(desk) as caller:
        number = (await caller.ask("GET", "/alarms?level=ERROR"))[1][0]["id"]
        assert (await caller.ask("GET", "/gateways"))[1]["gateways"][0]["unseen"] == 3
        assert (await caller.ask("POST", f"/alarms/{number}/acknowledge", op1))[1]["seen_by"] == "op1"
        assert (await caller.ask("POST", f"/alarms/{number}/acknowledge", op2))[1]["seen_by"] == "op1"
        assert (await caller.ask("GET", "/gateways"))[1]["gateways"][0]["unseen"] == 2
        assert len((await caller.ask("GET", "/alarms?unseen=true"))[1]) == 3
        status, answer = await caller.ask("POST", "/alarms/99/acknowledge", op1)
        assert (status, answer["error"]) == (404, "administrator.unknown_alarm")
    assert [entry["action"] for entry in desk.books.audit.newest(1)] == ["acknowledge alarm newer_event"]


async def test_a_gateway_with_nothing_but_notices_is_without_alarm(desk: Desk) -> None:
    with desk.books.store.write() as database:
        database.execute("DELETE FROM alarm WHERE level <> 'INFO'")
    async with served(desk) as caller:
        assert (await caller.ask("GET", "/gateways?alarm=true"))[1]["total"] == 0
        assert (await caller.ask("GET", "/gateways?alarm=false"))[1]["total"] == 1

"""Logs over the interface: fetched piece by piece, in the language of the reader, whatever a gateway gives."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.administrator.interface_parts import make_desk, served
from tests.gateway.gateway_parts import GATEWAY_ID, START

from smgw.administrator.api.endpoints import Desk
from smgw.codec.command import Answer

pytestmark = pytest.mark.req("LOG-01", "ADM-06")
HERE = f"/gateways/{GATEWAY_ID}/logs"


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = make_desk(tmp_path / "gwa")
    yield desk
    desk.books.close()


def entry(index: int, **changes: Any) -> dict[str, Any]:
    facts = {
        "event": "meter_fatal",
        "text": "Meter M reports it",
        "time": "2026-03-01T12:00:00Z",
        "parameters": {"meter": "M"},
        "log": "system",
    }
    return {"index": index, **facts, **changes}


def answered(desk: Desk, result: Any, status: int = 200) -> None:
    """Let the gateway answer what waits."""
    for job in desk.books.jobs.waiting(GATEWAY_ID):
        answer = Answer(job.command_id, START, GATEWAY_ID, status, "", msgspec.Raw(msgspec.json.encode(result)))
        desk.books.jobs.end(job, answer, START)


async def test_a_log_is_fetched_from_where_the_last_time_ended(desk: Desk) -> None:
    async with served(desk) as caller:
        assert (await caller.ask("GET", f"{HERE}/system"))[1] == {
            "log": "system", "fetched_at": "", "complete": True, "total": 0, "entries": [],
        }  # fmt: skip
        assert (await caller.ask("POST", f"{HERE}/system"))[1]["resource"] == "log/system/1"
        answered(desk, [entry(number) for number in range(1, 4)])
        assert (await caller.ask("POST", f"{HERE}/system"))[1]["resource"] == "log/system/4"
        answered(desk, [entry(number) for number in range(3, 6)])
        _, view = await caller.ask("GET", f"{HERE}/system")
        assert ([line["index"] for line in view["entries"]], view["complete"], view["total"]) == ([5, 4, 3, 2, 1], True, 5)
        _, page = await caller.ask("GET", f"{HERE}/system?before=4&limit=2")
        assert [line["index"] for line in page["entries"]] == [3, 2]
        assert (await caller.ask("POST", f"{HERE}/calibration"))[1]["resource"] == "log/calibration/1"


async def test_a_gap_is_told(desk: Desk) -> None:
    async with served(desk) as caller:
        await caller.ask("POST", f"{HERE}/system")
        answered(desk, [entry(1), entry(3)])
        assert (await caller.ask("GET", f"{HERE}/system"))[1]["complete"] is False


async def test_entries_speak_the_reader_s_language_where_the_event_is_known(desk: Desk) -> None:
    odd = [entry(1), entry(2, event="newer_event", text="as it came"), entry(3, parameters={}), entry(4, parameters={"meter": "{meter}"})]
    async with served(desk) as caller:
        await caller.ask("POST", f"{HERE}/system")
        answered(desk, odd)
        texts = [line["text"] for line in (await caller.ask("GET", f"{HERE}/system?language=de"))[1]["entries"][::-1]]
    assert texts[0] != "Meter M reports it" and "M" in texts[0]
    assert texts[1:3] == ["as it came", "Meter M reports it"]
    assert "{meter}" in texts[3]


@pytest.mark.parametrize("result", [None, {}, 7, [7], [{}], [{**entry(1), "index": "1"}], [entry(1, parameters={"meter": 7})], "text"])
async def test_what_is_no_log_counts_for_nothing(desk: Desk, result: Any) -> None:
    async with served(desk) as caller:
        await caller.ask("POST", f"{HERE}/system")
        answered(desk, result)
        _, view = await caller.ask("GET", f"{HERE}/system")
        assert (view["entries"], view["total"]) == ([], 0)
        assert (await caller.ask("POST", f"{HERE}/system"))[1]["resource"] == "log/system/1"


async def test_a_refused_fetch_changes_nothing(desk: Desk) -> None:
    async with served(desk) as caller:
        await caller.ask("POST", f"{HERE}/system")
        answered(desk, [entry(1)], status=404)
        assert (await caller.ask("GET", f"{HERE}/system"))[1]["total"] == 0


@pytest.mark.req("ADM-11")
@pytest.mark.parametrize("name", ["consumer", "System", "system%2F1", "x"])
async def test_there_is_no_other_log(desk: Desk, name: str) -> None:
    async with served(desk) as caller:
        for method in ("GET", "POST"):
            status, answer = await caller.ask(method, f"{HERE}/{name}")
            assert (status, answer["error"]) == (404, "administrator.not_found")
    assert desk.books.jobs.of(GATEWAY_ID) == []

"""Events to log entries: each event goes to the logs of its kind, and what has happened anyway is told even when the disk is full."""

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from tests.gateway.gateway_parts import START

from smgw.core.errors import Unavailable
from smgw.core.log_event import EVENTS, Log
from smgw.gateway.logs import WAITING_LIMIT, Recorder
from smgw.net.clock import ManualClock
from smgw.storage.database import Database
from smgw.storage.journal import Journal


class Bench:
    """Hold a recorder over a real journal whose disk can fill up."""

    def __init__(self, path: Path) -> None:
        self.database = Database.open(path, bytes(32))
        self.journal = Journal(self.database)
        self.clock = ManualClock(START)
        self.recorder = Recorder(self.journal, self.clock)

    def fill(self) -> None:
        """Let the file grow no further, and use up what is left in it."""
        self.database.connection.execute("PRAGMA max_page_count=1")
        with pytest.raises(Unavailable):
            while True:
                self.recorder.record("power_returned")

    def free(self) -> None:
        self.database.connection.execute(f"PRAGMA max_page_count={1 << 30}")

    def events(self, log: Log = Log.SYSTEM, owner: str = "") -> list[str]:
        return [stored.entry.event for stored in self.journal.log(log, owner)]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path / "journal.db")
    yield bench
    bench.journal.close()


@pytest.mark.req("LOG-01")
@pytest.mark.parametrize("event", sorted(EVENTS))
def test_an_event_goes_to_the_logs_of_its_kind_and_no_other(bench: Bench, event: str) -> None:
    names = re.findall(r"{(\w+)}", EVENTS[event].en + EVENTS[event].de)
    parameters = dict.fromkeys(names, "x")
    bench.recorder.record_with(event, parameters, consumers=["flat1", "flat2", "flat1"])
    for log in (Log.SYSTEM, Log.CALIBRATION):
        assert bench.events(log) == ([event] if log in EVENTS[event].logs else [])
    for owner in ("flat1", "flat2"):
        assert bench.events(Log.CONSUMER, owner) == ([event] if Log.CONSUMER in EVENTS[event].logs else [])
    stored = [bench.journal.log(log, owner) for log, owner in ((Log.SYSTEM, ""), (Log.CALIBRATION, ""), (Log.CONSUMER, "flat1"))]
    for entry in (stored[0] or stored[1] or stored[2])[:1]:
        assert "{" not in entry.entry.text("de") + entry.entry.text("en")


@pytest.mark.req("LOG-03")
def test_an_event_without_consumers_writes_no_consumer_log(bench: Bench) -> None:
    bench.recorder.record("self_test_passed")
    assert bench.journal.log_count(Log.CONSUMER) == 0


@pytest.mark.req("LOG-01")
def test_a_record_falls_with_the_transaction_it_belongs_to(bench: Bench) -> None:
    with pytest.raises(RuntimeError), bench.journal.transaction():
        bench.recorder.record("started", version="1")
        raise RuntimeError
    assert bench.events() == []


@pytest.mark.req("OPS-05")
async def test_a_note_waits_for_the_disk_and_keeps_order_and_time(bench: Bench) -> None:
    bench.fill()
    before = len(bench.events())
    bench.recorder.note("channel_opened", partner="gwa")
    await bench.clock.advance_to(START + timedelta(hours=1))
    bench.recorder.note_with("clock_invalid", {"reason": "x"})
    assert len(bench.events()) == before
    bench.free()
    bench.recorder.write_waiting()
    told = bench.journal.log(Log.SYSTEM)[before:]
    assert [(stored.entry.event, stored.entry.time) for stored in told] == [
        ("channel_opened", START),
        ("clock_invalid", START + timedelta(hours=1)),
    ]
    bench.recorder.write_waiting()
    assert len(bench.events()) == before + 2


@pytest.mark.req("OPS-05")
def test_what_waits_is_bounded_and_the_newest_stay(bench: Bench) -> None:
    bench.fill()
    for number in range(WAITING_LIMIT + 5):
        bench.recorder.note("channel_closed", partner=f"p{number}")
    bench.free()
    bench.recorder.note("stopped")
    told = bench.journal.log(Log.SYSTEM)[-WAITING_LIMIT:]
    assert told[0].entry.parameters["partner"] == "p6"
    assert told[-1].entry.event == "stopped"

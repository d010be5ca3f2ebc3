"""Time over TLS: taken from the configured server only, marked when it fails, tried again by the plan."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from tests.gateway.gateway_parts import START, gateway_identity, identity
from tests.gateway.wan.wan_parts import LIMIT_S, Listener, administrator_config, listening, told

from smgw.administrator.time_server import serve_time
from smgw.core.instant import ClockStatus
from smgw.gateway.clock import GatewayClock
from smgw.gateway.logs import Recorder
from smgw.gateway.states import StateKeeper
from smgw.gateway.wan import time_service
from smgw.gateway.wan.time_service import JITTER_S, POLL, RETRY, TimeKeeper
from smgw.net.clock import ManualClock
from smgw.pki.names import Role
from smgw.pki.triple import ADMINISTRATOR_KEYS
from smgw.storage.journal import Journal


class Reference:
    """Tell a time that is ahead of the gateway's base clock."""

    def __init__(self, clock: ManualClock, ahead: timedelta) -> None:
        self._clock = clock
        self.ahead = ahead

    def now(self) -> datetime:
        return self._clock.now() + self.ahead


class Bench:
    """Hold a time keeper over a clock that is moved by hand."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.base = ManualClock(START)
        self.clock = GatewayClock(self.base)
        self.reference = Reference(self.base, timedelta())
        self.keeper: TimeKeeper

    @asynccontextmanager
    async def running(self, listener: Listener) -> AsyncIterator[TimeKeeper]:
        recorder = Recorder(self.journal, self.clock)
        config = administrator_config(listener.port)
        self.keeper = TimeKeeper(config, gateway_identity(), self.clock, recorder, StateKeeper(recorder, self.clock))
        task = asyncio.create_task(self.keeper.run())
        try:
            yield self.keeper
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def answer(self, listener: Listener) -> None:
        """Serve the next poll as the administrator does."""
        session = await listener.session()
        await serve_time(session.reader, session.writer, self.base, self.reference)

    async def tried(self) -> None:
        async with asyncio.timeout(LIMIT_S):
            await self.keeper.tried.wait()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with Journal.open(tmp_path / "journal.db", bytes(32)) as journal:
        yield Bench(journal)


@pytest.mark.req("TIME-01")
async def test_without_a_server_the_time_stays_unset_and_this_is_told_once(bench: Bench) -> None:
    async with listening(bench.base) as listener:
        pass
    async with bench.running(listener):
        await bench.tried()
        await bench.base.advance_to(START + 3 * RETRY + timedelta(seconds=1))
    assert bench.clock.status is ClockStatus.UNSET
    assert told(bench.journal) == [("time_server_unreachable", "net.unreachable")]


@pytest.mark.req("TIME-01", "SEC-03")
async def test_another_server_than_the_configured_one_is_not_believed(bench: Bench) -> None:
    async with listening(bench.base, identity(Role.GWA, "stranger", ADMINISTRATOR_KEYS)) as listener, bench.running(listener):
        await bench.tried()
    assert bench.clock.status is ClockStatus.UNSET
    assert told(bench.journal) == [("time_server_unreachable", "pki.not_pinned")]


@pytest.mark.req("TIME-01")
@pytest.mark.parametrize(
    ("octets", "code"), [(bytes(48), "time."), (b"\x24" + bytes(47), "time."), (b"", "net.timeout")], ids=["zeros", "no time", "end"]
)
async def test_an_answer_that_is_none_changes_nothing(bench: Bench, octets: bytes, code: str) -> None:
    async with listening(bench.base) as listener, bench.running(listener):
        session = await listener.session()
        await session.reader.readexactly(48)
        session.writer.write(octets)
        session.writer.close()
        await bench.tried()
    assert bench.clock.status is ClockStatus.UNSET
    ((event, told_code),) = told(bench.journal)
    assert event == "time_server_unreachable"
    assert told_code.startswith(code)


@pytest.mark.req("TIME-01", "TIME-02")
@pytest.mark.step("2.3.4", event="time_synchronised")
@pytest.mark.step("1.3.3", event="clock_valid")
@pytest.mark.step("1.3.3", event="clock_stepped")
async def test_the_first_answer_sets_the_clock_and_makes_it_valid(bench: Bench) -> None:
    bench.reference.ahead = timedelta(hours=1)
    async with listening(bench.base) as listener, bench.running(listener):
        await bench.answer(listener)
        await bench.tried()
        assert bench.clock.status is ClockStatus.VALID
        assert abs(bench.clock.now() - bench.reference.now()) < timedelta(milliseconds=10)
    events = [event for event, _ in told(bench.journal)]
    assert events[:2] == ["time_synchronised", "clock_stepped"]
    assert "clock_valid" in events


@pytest.mark.req("TIME-01")
async def test_a_failed_poll_is_repeated_after_a_minute_and_a_good_one_after_a_quarter_of_an_hour(bench: Bench) -> None:
    async with listening(bench.base) as listener, bench.running(listener):
        session = await listener.session()
        session.writer.close()
        await bench.tried()
        await bench.base.advance_to(START + RETRY - timedelta(seconds=1))
        assert listener.sessions.empty()
        moving = asyncio.create_task(bench.base.advance_to(START + RETRY + timedelta(seconds=1)))
        await bench.answer(listener)
        await moving
        assert bench.clock.status is ClockStatus.VALID
        earliest = START + RETRY + POLL - timedelta(seconds=JITTER_S)
        await bench.base.advance_to(earliest - timedelta(seconds=1))
        assert listener.sessions.empty()
        moving = asyncio.create_task(bench.base.advance_to(earliest + 2 * timedelta(seconds=JITTER_S) + timedelta(seconds=1)))
        await bench.answer(listener)
        await moving
    assert [event for event, _ in told(bench.journal)].count("time_synchronised") == 2


@pytest.mark.req("TIME-02")
async def test_a_time_that_jumped_by_hours_is_not_taken_from_a_valid_clock(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time_service, "JITTER_S", 0)
    async with listening(bench.base) as listener, bench.running(listener):
        await bench.answer(listener)
        await bench.tried()
        bench.reference.ahead = timedelta(hours=5)
        moving = asyncio.create_task(bench.base.advance_to(START + POLL))
        await bench.answer(listener)
        await moving
        assert abs(bench.clock.now() - bench.base.now()) < timedelta(seconds=1)
    assert ("time_server_unreachable", "time.jump") in told(bench.journal)

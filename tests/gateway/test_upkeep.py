"""The gateway's work for itself, in virtual time: tests at start, every 24 h and on demand; limits; retention; separation."""

import asyncio
import ipaddress
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from tests.gateway.gateway_parts import START, gateway_identity
from tests.gateway.wan.wan_parts import until
from tests.storage.samples import KEY, signed
from tests.storage.signing import SIGNER

from smgw.core.errors import IntegrityFault, Unavailable
from smgw.core.instant import ClockStatus, local_day
from smgw.core.log_event import Log
from smgw.core.state import Event, State
from smgw.gateway.clock import GatewayClock
from smgw.gateway.config import StorageLimits
from smgw.gateway.firmware_model import installed_files, program_hash
from smgw.gateway.limits import LimitWatch
from smgw.gateway.logs import Recorder
from smgw.gateway.self_test import CHECKS, Subject
from smgw.gateway.separation import Networks
from smgw.gateway.states import StateKeeper
from smgw.gateway.upkeep import FIRST_TEST, TEST_EVERY, TICK, LastTest, Parts, Upkeep
from smgw.net.clock import ManualClock
from smgw.net.listeners import Listener
from smgw.protocol.time_sync import TimeMeasurement
from smgw.storage.journal import Cut, Journal


class Bench:
    """Put an upkeep between real parts; a test moves the time and says what is found."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.base = ManualClock(START)
        self.journal = Journal.open(path, KEY)
        self.clock = GatewayClock(self.base)
        self.recorder = Recorder(self.journal, self.clock)
        self.states = StateKeeper(self.recorder, self.clock)
        self.states.handle(Event.BOOT_CHECKS_PASSED)
        self.listeners: list[Listener] = []
        self.store_fault: Exception | None = None
        self.walks: list[bool] = []
        self.intact: list[bool] = []
        self.deletions: list[datetime] = []
        self.delete_fault: Exception | None = None
        watch = LimitWatch(self.journal, self.recorder, StorageLimits(readings=1_000), self.states.handle)
        self.upkeep = Upkeep(
            Parts(self.clock, self.recorder, self.states, watch, self.delete, self.subject, lambda: ["consumer1.sm"], self.intact.append)
        )

    def synchronise(self) -> None:
        """Let the time become valid."""
        for event in self.clock.apply(TimeMeasurement(timedelta(), timedelta(milliseconds=2))):
            if event.name == "clock_valid":
                self.states.handle(Event.CLOCK_VALID)

    def delete(self, now: datetime) -> Iterator[Cut]:
        if self.delete_fault is not None:
            raise self.delete_fault
        self.deletions.append(now)
        if self.journal.stored_rows("readings") > 500:
            yield self.journal.cut("readings", "", self.journal.count_readings() - 500, now, SIGNER)

    def subject(self, complete: bool) -> Subject:
        def walk(journal: Journal) -> None:
            self.walks.append(complete)
            if self.store_fault is not None:
                raise self.store_fault

        identity = gateway_identity()
        return Subject(
            identity,
            lambda: Journal.open_read_only(self.path, KEY),
            walk,
            self.clock.status,
            self.clock.now(),
            program_hash(installed_files()),
            Networks("127.0.0.1", 443, "", "127.0.0.1", lambda: list(self.listeners)),
            lambda journal: [],
        )

    def events(self, log: Log = Log.SYSTEM) -> list[str]:
        return [stored.entry.event for stored in self.journal.log(log, "consumer1.sm" if log is Log.CONSUMER else "")]

    async def next_test(self) -> None:
        """Wait, in real time, for the end of the running self-test."""
        async with asyncio.timeout(60):
            await self.upkeep.tested.wait()
        self.upkeep.tested.clear()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path / "journal.db")
    yield bench
    bench.journal.close()


@asynccontextmanager
async def running(bench: Bench) -> AsyncIterator[None]:
    """Run the upkeep up to the end of its first test."""
    task = asyncio.create_task(bench.upkeep.run())
    await bench.base.advance_to(bench.base.now() + FIRST_TEST)
    await bench.next_test()
    try:
        yield
    finally:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def pass_time(bench: Bench, time: timedelta) -> None:
    await bench.base.advance_to(bench.base.now() + time, patience_s=60)


@pytest.mark.req("STATE-03")
@pytest.mark.step("3.5.3", "4.1.1", event="self_test_failed")
async def test_a_test_that_fails_says_what_was_tested_and_what_failed(bench: Bench) -> None:
    async with running(bench):
        pass
    last = bench.upkeep.last_test
    assert last is not None
    assert (last.failed, last.checks) == (("self_test.clock",), tuple(name for name, _ in CHECKS))
    for log in (Log.SYSTEM, Log.CALIBRATION, Log.CONSUMER):
        stored = bench.journal.log(log, "consumer1.sm" if log is Log.CONSUMER else "")
        (entry,) = [one.entry for one in stored if "self_test" in one.entry.event]
        assert (entry.event, entry.parameters["reason"]) == ("self_test_failed", "self_test.clock")
        assert entry.parameters["checks"] == "program, store, keys, certificates, clock, networks, limits"


@pytest.mark.req("STATE-03")
@pytest.mark.step("2.3.4", "3.2.3", "3.3.8", "3.5.3", event="self_test_passed")
async def test_a_gateway_tests_itself_at_start_every_24_hours_and_on_demand(bench: Bench) -> None:
    bench.synchronise()
    async with running(bench):
        assert bench.events(Log.CONSUMER) == ["self_test_passed"]
        await pass_time(bench, TEST_EVERY - timedelta(seconds=1))
        assert len(bench.walks) == 1
        await pass_time(bench, timedelta(seconds=1))
        await bench.next_test()
        assert len(bench.walks) == 2
        bench.upkeep.wanted.set()
        await bench.next_test()
        await pass_time(bench, TEST_EVERY - timedelta(seconds=1))
        assert bench.events(Log.CONSUMER) == ["self_test_passed"] * 3
        await pass_time(bench, timedelta(seconds=1))
        await bench.next_test()
    # Complete at start and on demand; once a day of real time has not passed since.
    assert bench.walks == [True, False, True, False]
    assert bench.intact == [True, True]
    assert bench.events(Log.CALIBRATION).count("self_test_passed") == 4


@pytest.mark.req("STATE-03", "WAN-08")
async def test_an_ordered_test_begins_after_its_order_and_tells_what_it_found(bench: Bench) -> None:
    bench.synchronise()
    told: list[tuple[LastTest, int]] = []
    async with running(bench):
        bench.upkeep.wanted.set()
        await until(lambda: len(bench.walks) == 2)
        # The second test has walked; what is ordered now gets a third, although that one is not over.
        bench.upkeep.order(lambda last: told.append((last, len(bench.walks))))
        bench.upkeep.order(lambda last: told.append((last, len(bench.walks))))
        await until(lambda: len(told) == 2)
    (first, walks), (second, _) = told
    assert first == second == bench.upkeep.last_test
    assert (first.failed, walks) == ((), 3)
    assert bench.walks == [True, True, True]


@pytest.mark.req("STATE-01", "STATE-03")
@pytest.mark.step("4.1.1", event="integrity_error")
async def test_a_broken_store_leads_to_secure_state_boot(bench: Bench) -> None:
    bench.store_fault = IntegrityFault("journal.chain", "readings: row 7 was altered")
    async with running(bench):
        pass
    assert bench.states.state is State.SECURE_BOOT
    assert bench.intact == [False]
    assert "integrity_error" in bench.events()
    (alarm,) = [one for one in bench.states.alarms() if one.condition == "integrity_lost"]
    assert alarm.reason == "journal.chain: readings: row 7 was altered"


@pytest.mark.req("STATE-03")
async def test_a_store_that_can_not_be_read_for_the_moment_is_no_broken_store(bench: Bench) -> None:
    bench.store_fault = Unavailable("journal.io", "busy")
    bench.synchronise()
    async with running(bench):
        pass
    assert bench.states.state is State.NORMAL
    assert bench.upkeep.last_test is not None
    assert bench.upkeep.last_test.failed == ("journal.io",)


@pytest.mark.req("STATE-01", "STATE-03")
async def test_joined_networks_switch_the_consumer_off_until_a_later_test(bench: Bench) -> None:
    bench.synchronise()
    bench.listeners = [Listener("tcp", ipaddress.ip_address("0.0.0.0"), 4711)]
    async with running(bench):
        assert bench.states.state is State.SECURE_CONNECTIVITY
        assert "networks_joined" in bench.events()
        await pass_time(bench, 2 * TICK)
        assert bench.states.state is State.SECURE_CONNECTIVITY
        bench.listeners = []
        await pass_time(bench, TICK)
        assert bench.states.state is State.NORMAL
    assert bench.events().count("networks_joined") == bench.events().count("networks_separate") == 1
    assert len(bench.walks) == 1


@pytest.mark.req("MEAS-04")
async def test_nothing_is_deleted_by_a_clock_that_is_not_valid(bench: Bench) -> None:
    async with running(bench):
        await pass_time(bench, timedelta(days=2))
        assert bench.deletions == []
        bench.synchronise()
        await pass_time(bench, timedelta(days=3))
    assert bench.clock.status is ClockStatus.VALID
    days = [local_day(moment) for moment in bench.deletions]
    assert days == sorted(set(days))
    assert len(days) == 4


@pytest.mark.req("MEAS-04", "STATE-04")
async def test_a_filling_store_is_cleaned_more_often(bench: Bench) -> None:
    bench.synchronise()
    async with running(bench):
        first = len(bench.deletions)
        bench.journal.append_readings([signed(number) for number in range(1, 901)])
        await pass_time(bench, TICK)
        assert len(bench.deletions) == first + 1
        assert bench.upkeep.fill["readings"] == 50
        await pass_time(bench, TICK)
        assert len(bench.deletions) == first + 1
    assert "store_filling" in bench.events()


@pytest.mark.req("STATE-04")
async def test_a_disk_that_refuses_is_tried_again(bench: Bench) -> None:
    bench.synchronise()
    bench.delete_fault = Unavailable("journal.full")
    async with running(bench):
        await pass_time(bench, TICK)
        bench.delete_fault = None
        await pass_time(bench, TICK)
    assert len(bench.deletions) == 1
    assert bench.states.state is State.NORMAL


@pytest.mark.req("STATE-01", "MEAS-04")
async def test_rows_that_are_missing_when_they_are_to_be_deleted_are_lost_integrity(bench: Bench) -> None:
    bench.synchronise()
    bench.delete_fault = IntegrityFault("journal.chain", "readings: rows up to 5 were not complete")
    async with running(bench):
        await pass_time(bench, TICK)
    assert bench.states.state is State.SECURE_BOOT

"""Clocks of one process: the system's, the one moved by hand, and the option that names one."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from smgw.core.errors import ConfigError, Unavailable
from smgw.net import clock as clock_module
from smgw.net.clock import ManualClock, OctetLedger, SteadyClock, SystemClock, open_clock, steady

START = datetime(2026, 11, 21, tzinfo=UTC)


def after(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


@pytest.mark.parametrize("spec", ["", "paced", "paced:", "systems", "http://x"])
def test_a_wrong_option_names_no_clock(spec: str) -> None:
    with pytest.raises(ConfigError) as fault:
        open_clock(spec)
    assert fault.value.code == "clock.spec"


def test_a_missing_pacemaker_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(Unavailable) as fault:
        open_clock(f"paced:{tmp_path / 'clock'}")
    assert fault.value.code == "clock.lost"


@pytest.mark.asyncio
async def test_system_clock_sleeps_and_waits() -> None:
    clock = open_clock("system")
    assert isinstance(clock, SystemClock)
    started = clock.now()
    await clock.sleep_until(started + timedelta(milliseconds=20))
    assert clock.now() >= started + timedelta(milliseconds=20)
    event = asyncio.Event()
    assert await clock.wait_until(clock.now() + timedelta(milliseconds=5), event) is True
    asyncio.get_running_loop().call_later(0.005, event.set)
    assert await clock.wait_until(None, event) is False
    with clock.hold():
        clock.sent("a", 1)
        clock.received("a", 1)
    clock.close()


@pytest.mark.req("TIME-02")
@pytest.mark.parametrize("jump", [timedelta(days=3650), timedelta(days=-3650)])
async def test_a_steady_clock_does_not_follow_when_the_computer_is_set(monkeypatch: pytest.MonkeyPatch, jump: timedelta) -> None:
    class Jumped(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:
            return datetime.now(UTC) + jump

    clock = steady(SystemClock())
    before = clock.now()
    monkeypatch.setattr(clock_module, "datetime", Jumped)
    assert abs(SystemClock().now() - before) > timedelta(days=3000)
    assert timedelta() <= clock.now() - before < timedelta(seconds=10)
    await clock.sleep_until(clock.now() + timedelta(milliseconds=5))
    assert clock.now() - before >= timedelta(milliseconds=5)


def test_a_simulated_clock_is_steady_already() -> None:
    manual = ManualClock(START)
    assert steady(manual) is manual
    assert isinstance(steady(SteadyClock()), SteadyClock)


@pytest.mark.parametrize("passes", range(8))
async def test_a_cancellation_that_comes_with_the_event_is_not_lost(passes: int) -> None:
    event = asyncio.Event()
    waiting = asyncio.create_task(SystemClock().wait_until(None, event))
    for _ in range(5):
        await asyncio.sleep(0)
    event.set()
    for _ in range(passes):
        await asyncio.sleep(0)
    accepted = waiting.cancel()
    await asyncio.wait([waiting])
    assert waiting.cancelled() == accepted


@pytest.mark.asyncio
async def test_sleepers_wake_in_order_each_at_its_own_moment() -> None:
    clock = ManualClock(START)
    seen: list[tuple[str, datetime]] = []

    async def beat(name: str, period_s: int) -> None:
        moment = START
        while True:
            moment += timedelta(seconds=period_s)
            await clock.sleep_until(moment)
            await asyncio.sleep(0)
            seen.append((name, clock.now()))

    tasks = [asyncio.create_task(beat("three", 3)), asyncio.create_task(beat("two", 2))]
    await asyncio.sleep(0)
    await clock.advance_to(after(7))
    assert seen == [("two", after(2)), ("three", after(3)), ("two", after(4)), ("three", after(6)), ("two", after(6))]
    assert clock.now() == after(7)
    for task in tasks:
        task.cancel()


@pytest.mark.asyncio
async def test_time_waits_for_a_woken_task_until_it_sleeps_again() -> None:
    clock = ManualClock(START)
    seen: list[datetime] = []
    other = asyncio.Event()

    async def slow() -> None:
        await clock.sleep_until(after(1))
        await other.wait()
        seen.append(clock.now())

    async def later() -> None:
        await clock.sleep_until(after(2))
        seen.append(clock.now())

    tasks = [asyncio.create_task(slow()), asyncio.create_task(later())]
    await asyncio.sleep(0)
    asyncio.get_running_loop().call_later(0.02, other.set)
    await clock.advance_to(after(5))
    assert seen == [after(1), after(2)]
    await asyncio.gather(*tasks)


@pytest.mark.asyncio
async def test_a_hold_and_octets_under_way_stop_the_time() -> None:
    clock = ManualClock(START)
    sleeper = asyncio.create_task(clock.sleep_until(after(1)))
    await asyncio.sleep(0)
    with clock.hold(), pytest.raises(TimeoutError):
        await clock.advance_to(after(2), patience_s=0.02)
    clock.sent("meter", 300)
    clock.received("meter", 100)
    with pytest.raises(TimeoutError):
        await clock.advance_to(after(2), patience_s=0.02)
    assert clock.now() == START
    clock.received("meter", 200)
    await clock.advance_to(after(2))
    assert sleeper.done()


@pytest.mark.asyncio
async def test_a_chain_of_tasks_runs_to_its_end_at_one_moment() -> None:
    clock = ManualClock(START)
    first: asyncio.Queue[int] = asyncio.Queue()
    event = asyncio.Event()
    seen: list[tuple[str, datetime]] = []

    async def source() -> None:
        for second in range(1, 4):
            await clock.sleep_until(after(second))
            first.put_nowait(second)

    async def relay() -> None:
        while True:
            await first.get()
            event.set()

    async def sink() -> None:
        while True:
            assert await clock.wait_until(after(100), event) is False
            event.clear()
            await asyncio.to_thread(lambda: None)
            seen.append(("sink", clock.now()))

    tasks = [asyncio.create_task(work()) for work in (sink, relay, source)]
    await asyncio.sleep(0)
    await clock.advance_to(after(10))
    assert seen == [("sink", after(1)), ("sink", after(2)), ("sink", after(3))]
    for task in tasks:
        task.cancel()


@pytest.mark.asyncio
async def test_waits_end_by_time_by_event_and_at_once() -> None:
    clock = ManualClock(START)
    event = asyncio.Event()
    timed = asyncio.create_task(clock.wait_until(after(1), event))
    await asyncio.sleep(0)
    await clock.advance_to(after(1))
    assert await timed is True
    assert await clock.wait_until(after(0), event) is True
    event.set()
    assert await clock.wait_until(after(9), event) is False
    assert await clock.wait_until(None, event) is False


@pytest.mark.asyncio
async def test_a_cancelled_sleeper_is_forgotten() -> None:
    clock = ManualClock(START)
    sleeper = asyncio.create_task(clock.sleep_until(after(1)))
    waiter = asyncio.create_task(clock.wait_until(after(1), asyncio.Event()))
    await asyncio.sleep(0)
    sleeper.cancel()
    waiter.cancel()
    await clock.advance_to(after(2))
    assert sleeper.cancelled()
    assert waiter.cancelled()


def test_late_receipt_of_written_off_octets_heals() -> None:
    ledger = OctetLedger()
    ledger.note({"a": 5, "b": 1}, {"b": 1})
    assert not ledger.settle()
    ledger.write_off()
    assert ledger.settle()
    ledger.note({}, {"a": 5})
    assert ledger.settle()
    ledger.note({"a": 2}, {})
    assert not ledger.settle()
    ledger.write_off({"a", "unknown"})
    assert ledger.settle()

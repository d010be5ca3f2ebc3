"""The gateway's time: sleeping and waiting end by corrected time, also when it is corrected meanwhile."""

import asyncio
from datetime import timedelta

import pytest
from tests.gateway.gateway_parts import START

from smgw.core.instant import ClockStatus
from smgw.gateway.clock import GatewayClock
from smgw.net.clock import ManualClock
from smgw.protocol.clock_discipline import HOLDOVER_LIMIT
from smgw.protocol.time_sync import TimeMeasurement

HOUR, SECOND = timedelta(hours=1), timedelta(seconds=1)


def measured(offset: timedelta) -> TimeMeasurement:
    return TimeMeasurement(offset, timedelta())


@pytest.mark.req("TIME-01")
def test_a_clock_that_was_never_set_says_so() -> None:
    clock = GatewayClock(ManualClock(START))
    assert clock.status is ClockStatus.UNSET
    assert clock.now() == START


@pytest.mark.req("TIME-01")
@pytest.mark.step("1.3.3", event="clock_invalid")
async def test_a_clock_left_alone_for_too_long_says_so_once() -> None:
    base = ManualClock(START)
    clock = GatewayClock(base)
    assert [event.name for event in clock.apply(measured(timedelta()))][-1] == "clock_valid"
    await base.advance_to(START + HOLDOVER_LIMIT + SECOND)
    assert clock.status is ClockStatus.INVALID
    assert [event.name for event in clock.handle_timeout()] == ["clock_invalid"]
    assert clock.handle_timeout() == []


@pytest.mark.req("TIME-02")
async def test_sleeping_ends_by_corrected_time() -> None:
    base = ManualClock(START)
    clock = GatewayClock(base)
    clock.apply(measured(HOUR))
    sleeper = asyncio.create_task(clock.sleep_until(START + HOUR + 10 * SECOND))
    await base.advance_to(START + 9 * SECOND)
    assert not sleeper.done()
    await base.advance_to(START + 10 * SECOND)
    assert sleeper.done()


@pytest.mark.req("TIME-02")
async def test_a_step_back_while_somebody_waits_makes_the_wait_longer() -> None:
    base = ManualClock(START)
    clock = GatewayClock(base)
    clock.apply(measured(timedelta()))
    waiter = asyncio.create_task(clock.wait_until(START + 3 * HOUR, asyncio.Event()))
    await base.advance_to(START + HOUR)
    clock.apply(measured(-20 * SECOND))
    await base.advance_to(START + HOUR + 61 * SECOND)
    clock.handle_timeout()
    await base.advance_to(START + 3 * HOUR + 19 * SECOND)
    assert not waiter.done()
    await base.advance_to(START + 3 * HOUR + 20 * SECOND)
    assert waiter.done()
    assert waiter.result() is True


async def test_an_event_ends_a_wait_without_limit() -> None:
    clock = GatewayClock(ManualClock(START))
    event = asyncio.Event()
    waiter = asyncio.create_task(clock.wait_until(None, event))
    await asyncio.sleep(0)
    event.set()
    assert await waiter is False


async def test_a_moment_that_has_passed_ends_a_wait_at_once() -> None:
    clock = GatewayClock(ManualClock(START))
    assert await clock.wait_until(START - HOUR, asyncio.Event()) is True
    await clock.sleep_until(START - HOUR)


async def test_what_holds_the_base_clock_holds_it() -> None:
    base = ManualClock(START)
    clock = GatewayClock(base)
    with clock.hold(), pytest.raises(TimeoutError):
        await base.advance_to(START + HOUR, patience_s=0.01)
    clock.sent("optical", 3)
    clock.received("optical", 3)
    await base.advance_to(START + HOUR)
    assert clock.now() == START + HOUR

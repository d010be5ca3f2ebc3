"""What a gateway does for itself from time to time: self-tests, looking at its limits, deleting what is past its time.

A self-test runs soon after the start, every 24 h and on demand. The walk over the store is complete in the first, in those on demand, and
in one a day of real time; it may take minutes and then runs beside the work. All others walk what came after the last seals.
Source: STATE-03, STATE-04, MEAS-04; handbook E-5.8.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from datetime import datetime, timedelta
from typing import NamedTuple

from smgw.core.errors import IntegrityFault, Unavailable
from smgw.core.instant import ClockStatus, local_day
from smgw.core.state import Condition, Event
from smgw.gateway.clock import GatewayClock
from smgw.gateway.limits import LEVELS, LimitWatch
from smgw.gateway.logs import Recorder
from smgw.gateway.self_test import Check, Subject, run_checks
from smgw.gateway.states import StateKeeper
from smgw.storage.journal import Cut

FIRST_TEST = timedelta(seconds=10)
TEST_EVERY = timedelta(hours=24)
TICK = timedelta(minutes=15)
WALK_EVERY_S = 23 * 3600.0
"""Seconds of real time between two complete walks."""

NETWORKS = frozenset({"networks"})


class LastTest(NamedTuple):
    """Hold when the last self-test ended and what it found."""

    time: datetime
    checks: tuple[str, ...]
    failed: tuple[str, ...]
    """Codes."""


class Parts(NamedTuple):
    """Hold what the upkeep works with."""

    clock: GatewayClock
    recorder: Recorder
    states: StateKeeper
    limits: LimitWatch
    delete: Callable[[datetime], Iterator[Cut]]
    """Delete block by block what may go at a moment."""
    subject: Callable[[bool], Subject]
    """Give what a self-test tests; True for a complete walk over the store."""
    consumers: Callable[[], Iterable[str]]
    """Whose logs show the results."""
    walked: Callable[[bool], None]
    """Learn that a complete walk ended, and whether it found everything intact."""


class Upkeep:
    """Work from time to time until cancelled."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self.wanted = asyncio.Event()
        """Set it to have a self-test at once."""
        self.tested = asyncio.Event()
        """Set at the end of each self-test."""
        self.last_test: LastTest | None = None
        self.fill: dict[str, int] = {}
        """Store -> percentage of its limit."""
        self._reports: list[Callable[[LastTest], None]] = []
        self._walked_s = float("-inf")
        self._deleted_on: object = None

    def order(self, report: Callable[[LastTest], None]) -> None:
        """Have a complete self-test made that begins after this, and its result told; soon after the start it is the start's own."""
        self._reports.append(report)
        if self.last_test is not None:
            self.wanted.set()

    async def run(self) -> None:
        """Wake up every quarter of an hour, and when a self-test is wanted."""
        base = self._parts.clock.base
        next_test = base.now() + FIRST_TEST
        next_tick = base.now() + FIRST_TEST
        running: asyncio.Task[None] | None = None
        async with asyncio.TaskGroup() as group:
            while True:
                due = await base.wait_until(min(next_tick, next_test), self.wanted)
                demanded = not due
                self.wanted.clear()
                if due and base.now() >= next_tick:
                    next_tick = base.now() + TICK
                    await self._tick()
                if demanded or base.now() >= next_test:
                    next_test = base.now() + TEST_EVERY
                    if running is None or running.done():
                        # A task of its own: a walk of minutes must not make simulated time stand still.
                        running = group.create_task(self._test(complete=demanded or bool(self._reports) or self._walk_is_due()))

    def _walk_is_due(self) -> bool:
        return asyncio.get_running_loop().time() - self._walked_s >= WALK_EVERY_S

    async def _tick(self) -> None:
        parts = self._parts
        if Condition.NETWORKS_JOINED in parts.states.conditions:
            self._apply(await run_checks(parts.subject(False), NETWORKS))
        try:
            self.fill = parts.limits.check()
            await self._delete()
        except Unavailable:
            # The disk takes nothing for the moment; measuring notices it, too, and the next tick tries again.
            return
        except IntegrityFault as fault:
            parts.states.handle(Event.INTEGRITY_LOST, reason=str(fault))

    async def _delete(self) -> None:
        """Delete once a day, and more often while a store fills; never by a clock that is not valid."""
        clock = self._parts.clock
        today = local_day(clock.now())
        filling = any(percent >= LEVELS[0][0] for percent in self.fill.values())
        if clock.status is not ClockStatus.VALID or (self._deleted_on == today and not filling):
            return
        cuts = 0
        for _ in self._parts.delete(clock.now()):
            cuts += 1
            await asyncio.sleep(0)
        self._deleted_on = today
        if cuts:
            self.fill = self._parts.limits.check()

    async def _test(self, *, complete: bool) -> None:
        """Test everything and write the result to the logs."""
        parts = self._parts
        reports, self._reports = self._reports, []
        with nullcontext() if complete else parts.clock.hold():
            results = await run_checks(parts.subject(complete))
            names, codes = tuple(check.name for check in results), tuple(check.code for check in results if check.code)
            if complete:
                self._walked_s = asyncio.get_running_loop().time()
                parts.walked(all(check.event is not Event.INTEGRITY_LOST for check in results))
            if codes:
                parts.recorder.note(
                    "self_test_failed", consumers=parts.consumers(), success=False, reason=", ".join(codes), checks=", ".join(names)
                )
            else:
                parts.recorder.note("self_test_passed", consumers=parts.consumers(), checks=", ".join(names))
            self._apply(results)
            self.last_test = LastTest(parts.clock.now(), names, codes)
            self.tested.set()
        for report in reports:
            report(self.last_test)
        if self._reports:
            # They came while this one was made.
            self.wanted.set()

    def _apply(self, results: Iterable[Check]) -> None:
        for check in results:
            if check.event is not None:
                self._parts.states.handle(check.event, reason=f"{check.code}: {check.detail}")

"""The gateway's clock as the rest of the gateway sees it: corrected time, its status, and sleeping by it."""

import asyncio
from contextlib import AbstractContextManager
from datetime import datetime, timedelta

from smgw.core.instant import ClockStatus
from smgw.net.clock import ClockPort, steady
from smgw.protocol.clock_discipline import ClockDiscipline, ClockEvent
from smgw.protocol.time_sync import TimeMeasurement

_SMALLEST_NAP = timedelta(milliseconds=1)


class GatewayClock:
    """Correct a base clock by what the time server said (TIME-01, TIME-02)."""

    def __init__(self, base: ClockPort) -> None:
        self.base = steady(base)
        self.discipline = ClockDiscipline()
        self.steps = 0
        """Steps of the time so far; what was heard before one carries a wrong time."""

    @property
    def status(self) -> ClockStatus:
        """Say how far the time can be trusted at this moment."""
        return self.discipline.status_at(self.base.now())

    def now(self) -> datetime:
        """Give the gateway's time."""
        return self.discipline.time_at(self.base.now())

    def apply(self, measurement: TimeMeasurement) -> list[ClockEvent]:
        """Take a measurement; gives what to log."""
        return self._counted(self.discipline.apply(measurement, self.base.now()))

    def handle_timeout(self) -> list[ClockEvent]:
        """Carry out steps and losses of validity that are due; gives what to log."""
        return self._counted(self.discipline.handle_timeout(self.base.now()))

    def _counted(self, events: list[ClockEvent]) -> list[ClockEvent]:
        self.steps += sum(event.name == "clock_stepped" for event in events)
        return events

    async def sleep_until(self, moment: datetime) -> None:
        """Sleep by gateway time, also when it is corrected meanwhile."""
        while True:
            await self.base.sleep_until(self._base_time(moment))
            if self.now() >= moment:
                return

    async def wait_until(self, moment: datetime | None, event: asyncio.Event) -> bool:
        """Wait by gateway time, or until the event; see `ClockPort.wait_until`."""
        while True:
            came = await self.base.wait_until(None if moment is None else self._base_time(moment), event)
            if not came or moment is None or self.now() >= moment:
                return came

    def _base_time(self, moment: datetime) -> datetime:
        base = self.base.now()
        left = moment - self.discipline.time_at(base)
        return base + (max(left, _SMALLEST_NAP) if left > timedelta() else timedelta())

    def hold(self) -> AbstractContextManager[None]:
        """Keep simulated time from moving while work in real time is under way."""
        return self.base.hold()

    def sent(self, link: str, octets: int) -> None:
        """Note octets written to a meter link."""
        self.base.sent(link, octets)

    def received(self, link: str, octets: int) -> None:
        """Note octets of a meter link that are fully processed."""
        self.base.received(link, octets)

    def close(self) -> None:
        """Leave the base clock to its owner."""

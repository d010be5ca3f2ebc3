"""The gateway's clock: a free-running base clock, corrected by measurements, with a status that says how far it can be trusted.

Deviations below one second are slewed, others stepped at the start of a minute. Between two steps the time never goes backwards.
Source: TIME-01, TIME-02; 20-wan-crypto-pki 1.8.
"""

from datetime import datetime, timedelta
from typing import Final, NamedTuple

from smgw.core.instant import ClockStatus
from smgw.protocol.time_sync import TimeMeasurement

SLEW_PPM: Final = 500
STEP_FROM: Final = timedelta(seconds=1)
DRIFT_PPM: Final = 20
"""Assumed drift of the base clock while it runs alone."""

HOLDOVER_LIMIT: Final = timedelta(days=7)
VALIDITY_PERCENT: Final = 3
_MINUTE: Final = timedelta(minutes=1)
_TICK: Final = timedelta(microseconds=1)


class ClockEvent(NamedTuple):
    """Tell what to log: an event of the catalogue with its parameters."""

    name: str
    parameters: dict[str, str]


class ClockDiscipline:
    """Turn base time into gateway time.

    `base_time` is the time of a clock that nobody adjusts. `smallest_period_s` is the smallest registration period that calibration law
    permits, not the smallest configured; 3 % of it is the tolerance (27 s at 900 s).
    """

    def __init__(self, smallest_period_s: int = 900) -> None:
        self.tolerance = timedelta(seconds=smallest_period_s) * VALIDITY_PERCENT / 100
        self._base: datetime | None = None
        self._offset = timedelta()
        self._slew = timedelta()
        self._step: tuple[datetime, timedelta] | None = None
        self._floor: datetime | None = None
        self._valid_until: datetime | None = None
        self._told = ClockStatus.UNSET

    def time_at(self, base_time: datetime) -> datetime:
        """Give the gateway's time; never earlier than what was given before, but for a step."""
        moment = base_time + self._offset_at(base_time)
        if self._step is not None and base_time >= self._step[0]:
            return moment
        self._floor = moment if self._floor is None else max(moment, self._floor)
        return self._floor

    def status_at(self, base_time: datetime) -> ClockStatus:
        """Say whether the time is trustworthy: within the tolerance by the last measurement and the assumed drift since."""
        if self._valid_until is None:
            return self._told if self._told is ClockStatus.UNSET else self._after_step(base_time)
        return ClockStatus.VALID if base_time < self._valid_until else ClockStatus.INVALID

    def apply(self, measurement: TimeMeasurement, base_time: datetime) -> list[ClockEvent]:
        """Take a measurement of this clock made just now; returns what to log, in order.

        It replaces whatever correction was still under way.
        """
        events = self.handle_timeout(base_time)
        deviation = measurement.offset
        self._settle(base_time)
        events.append(ClockEvent("time_synchronised", {"deviation_ms": _milliseconds(deviation)}))
        if self._told is ClockStatus.UNSET:
            self._slew = timedelta()
            events += self._jump(deviation)
            return events + self._trust(base_time, measurement.round_trip / 2)
        if abs(deviation) < STEP_FROM:
            self._slew, self._step = deviation, None
            return events + self._trust(base_time, abs(deviation) + measurement.round_trip / 2)
        gateway_time = self.time_at(base_time)
        into_minute = (gateway_time - gateway_time.replace(second=0, microsecond=0)) % _MINUTE
        step_at = base_time + (_MINUTE - into_minute)
        self._slew, self._step = timedelta(), (step_at, deviation)
        if abs(deviation) <= self.tolerance:
            events += self._trust(base_time, abs(deviation))
            self._valid_until = max(self._trusted_until(base_time, abs(deviation)), step_at + _MINUTE)
            return events
        self._valid_until = None
        if self._told is ClockStatus.VALID:
            events += self._tell(ClockStatus.INVALID, reason=f"deviation {_milliseconds(deviation)} ms")
        return events

    def next_deadline(self) -> datetime | None:
        """Give the base time at which `handle_timeout` has something to do."""
        moments = [self._step[0]] if self._step is not None else []
        if self._valid_until is not None and self._told is ClockStatus.VALID:
            moments.append(self._valid_until)
        return min(moments, default=None)

    def handle_timeout(self, base_time: datetime) -> list[ClockEvent]:
        """Carry out what is due; returns what to log."""
        events: list[ClockEvent] = []
        if self._step is not None and base_time >= self._step[0]:
            stepped_at, amount = self._step
            self._step = None
            self._settle(stepped_at)
            events += self._jump(amount)
            events += self._trust(stepped_at, timedelta())
        if self._told is ClockStatus.VALID and self.status_at(base_time) is ClockStatus.INVALID:
            events += self._tell(ClockStatus.INVALID, reason="not synchronised for too long")
        return events

    def _offset_at(self, base_time: datetime) -> timedelta:
        if self._base is None:
            return self._offset
        elapsed_us = max((base_time - self._base) // _TICK, 0)
        slewed = min(elapsed_us * SLEW_PPM // 1_000_000, abs(self._slew) // _TICK)
        offset = self._offset + timedelta(microseconds=slewed if self._slew > timedelta() else -slewed)
        if self._step is not None and base_time >= self._step[0]:
            offset += self._step[1]
        return offset

    def _settle(self, base_time: datetime) -> None:
        """Make `base_time` the moment from which corrections count, keeping what was slewed until then."""
        before = self._offset
        self._offset = self._offset_at(base_time)
        self._slew -= self._offset - before
        self._base = base_time

    def _jump(self, amount: timedelta) -> list[ClockEvent]:
        self._offset += amount
        self._floor = None
        return [ClockEvent("clock_stepped", {"step_ms": _milliseconds(amount)})] if abs(amount) >= STEP_FROM else []

    def _trusted_until(self, base_time: datetime, uncertainty: timedelta) -> datetime:
        room = max(self.tolerance - uncertainty, timedelta())
        return base_time + min(room * (1_000_000 // DRIFT_PPM), HOLDOVER_LIMIT)

    def _trust(self, base_time: datetime, uncertainty: timedelta) -> list[ClockEvent]:
        self._valid_until = self._trusted_until(base_time, uncertainty)
        return [] if self._told is ClockStatus.VALID else self._tell(ClockStatus.VALID)

    def _tell(self, status: ClockStatus, **parameters: str) -> list[ClockEvent]:
        self._told = status
        return [ClockEvent("clock_valid" if status is ClockStatus.VALID else "clock_invalid", parameters)]

    def _after_step(self, base_time: datetime) -> ClockStatus:
        """Judge a clock that is off by more than the tolerance and waits for its step."""
        return ClockStatus.VALID if self._step is not None and base_time >= self._step[0] else ClockStatus.INVALID


def _milliseconds(amount: timedelta) -> str:
    return str(round(amount / timedelta(milliseconds=1)))

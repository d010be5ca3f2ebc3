"""Book energy into stages: what the use cases priced by power, quantity and events have in common.

Two usable readings that follow each other make an interval. Its energy goes to the stage that the rule of the use case names when both
readings lie one register period apart, none between them was missing, invalid or taken by a faulty clock, and the register did not fall;
else to the error register 63. Energy between the first reading of the billing period and the first usable one goes there too. So the
stages and the error register always add up to the total.

The incremental evaluation (`step`) and the recomputation (`evaluate`) give the same state.
Source: TAF-20; 20-wan-crypto-pki 3.1.
"""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import groupby, pairwise
from typing import Final, NamedTuple

import msgspec

from smgw.core.errors import DomainFault
from smgw.core.instant import from_microseconds, local_day, local_midnight, microseconds
from smgw.core.obis import ERROR_REGISTER_TARIFF, Obis
from smgw.core.quantity import Unit
from smgw.core.reading import SignedReading
from smgw.core.register import RegisterValue
from smgw.core.status_word import GATEWAY_OK
from smgw.tariff.common import DAY_S, is_usable

MAX_DAYS: Final = 1100
SECOND_US: Final = 1_000_000


class Reason(StrEnum):
    """Say why an amount went where it went."""

    RULE = "rule"
    GAP = "gap"
    INVALID = "invalid"
    FALLING = "falling"
    OPENING = "opening"
    NO_EVENT = "no_event"
    EVENT_INSIDE = "event_inside"
    EVENT_UNKNOWN = "event_unknown"
    EVENT_LATE = "event_late"


REASONS: Final[dict[Reason, str]] = {
    Reason.RULE: "by the rule of the stage",
    Reason.GAP: "error register: a reading is missing in between",
    Reason.INVALID: "error register: an invalid reading or a clock fault in between",
    Reason.FALLING: "error register: the register fell",
    Reason.OPENING: "error register: before the first usable reading of the period",
    Reason.NO_EVENT: "error register: no event had come yet",
    Reason.EVENT_INSIDE: "error register: the stage changed between the two readings",
    Reason.EVENT_UNKNOWN: "error register: the event that holds is not known to the profile",
    Reason.EVENT_LATE: "error register: the event that holds came too late",
}


class Frame(msgspec.Struct, frozen=True):
    """Hold the billing period of one evaluation and its register period.

    Raises: DomainFault tariff.raster, tariff.period.
    """

    start: datetime
    """Aware UTC; a reading at start or end belongs to the period."""
    end: datetime
    period_s: int = 900
    """Divides a day; 86400 means local days of 23, 24 or 25 hours."""
    raster: bool = True
    """Take only readings at ends of register periods."""

    def __post_init__(self) -> None:
        if self.period_s <= 0 or DAY_S % self.period_s:
            raise DomainFault("tariff.raster", f"{self.period_s} s")
        if not timedelta() < self.end - self.start <= timedelta(days=MAX_DAYS):
            raise DomainFault("tariff.period", f"{self.start} to {self.end}")
        if not (self.is_boundary(microseconds(self.start)) and self.is_boundary(microseconds(self.end))):
            raise DomainFault("tariff.period", f"{self.start} to {self.end} is off the raster")

    def is_boundary(self, time_us: int) -> bool:
        """Tell whether a register period ends there; microseconds since 1970."""
        if self.period_s == DAY_S:
            moment = from_microseconds(time_us)
            return local_midnight(local_day(moment)) == moment
        return time_us % (self.period_s * SECOND_US) == 0

    def takes(self, time_us: int) -> bool:
        """Tell whether a reading of that target time counts."""
        return microseconds(self.start) <= time_us <= microseconds(self.end) and (not self.raster or self.is_boundary(time_us))

    def is_one_period(self, first_us: int, last_us: int) -> bool:
        """Tell whether two readings lie one register period apart, or at most one where readings off the raster count."""
        if self.period_s == DAY_S:
            following_us = microseconds(local_midnight(local_day(from_microseconds(first_us)) + timedelta(days=1)))
        else:
            following_us = first_us + self.period_s * SECOND_US
        return last_us == following_us or (not self.raster and last_us < following_us)


class Mark(msgspec.Struct, frozen=True, gc=False):
    """Hold one reading: target time (microseconds since 1970), integer value, journal number, gateway word."""

    time_us: int
    raw: int
    sequence: int
    status: int = GATEWAY_OK


class Run(msgspec.Struct, frozen=True, gc=False):
    """Hold a booking: intervals that follow each other and went to one stage for one reason."""

    stage: int
    reason: Reason
    first: Mark
    last: Mark

    @property
    def raw(self) -> int:
        """Give the booked amount in the meter's own unit and scaler."""
        return self.last.raw - self.first.raw


class State(msgspec.Struct, frozen=True):
    """Hold everything that the evaluation of one register needs to go on; a value, stored and compared like one."""

    scaler: int = 0
    unit: int = Unit.COUNT
    opening: Mark | None = None
    """The reading that the period's total counts from."""
    last: Mark | None = None
    """The latest usable reading."""
    disturbed: bool = False
    """Whether a reading since the latest usable one was missing, invalid or taken by a faulty clock."""
    closed: tuple[Run, ...] = ()
    open: Run | None = None
    """The booking that the next interval may still lengthen."""
    status: int = GATEWAY_OK
    """Gateway words of the usable readings, joined bit by bit."""

    @property
    def runs(self) -> tuple[Run, ...]:
        """Give all bookings in the order of time."""
        return self.closed if self.open is None else (*self.closed, self.open)

    @property
    def total(self) -> int:
        """Give the energy of the period so far; it equals the sum of all bookings."""
        return self.last.raw - self.opening.raw if self.last is not None and self.opening is not None else 0

    def sums(self) -> dict[int, int]:
        """Add up the bookings by stage."""
        sums: dict[int, int] = {}
        for run in self.runs:
            sums[run.stage] = sums.get(run.stage, 0) + run.raw
        return sums


class Interval(NamedTuple):
    """Hold what a rule may look at to name the stage of an interval."""

    opening: Mark
    first: Mark
    last: Mark
    disturbed: bool
    scaler: int
    unit: int


Decision = tuple[int, Reason]
Decide = Callable[[Interval], Decision]
"""Name stage and reason of one interval; without side effect."""


def doubt(frame: Frame, interval: Interval) -> Decision | None:
    """Give the error register when an interval can't be priced whatever the rule, else None."""
    if interval.disturbed:
        return ERROR_REGISTER_TARIFF, Reason.INVALID
    if not frame.is_one_period(interval.first.time_us, interval.last.time_us):
        return ERROR_REGISTER_TARIFF, Reason.GAP
    if interval.last.raw < interval.first.raw:
        return ERROR_REGISTER_TARIFF, Reason.FALLING
    return None


def step(frame: Frame, decide: Decide, state: State, signed: SignedReading) -> State:
    """Take one more stored reading of the register into account and give the new state.

    A reading outside the period, off the raster, or usable but not later than the latest usable one changes nothing.
    Raises: DomainFault tariff.unit_changed.
    """
    reading = signed.reading
    time_us = microseconds(reading.target_time)
    if not frame.takes(time_us):
        return state
    if reading.raw is None or not is_usable(reading):
        if state.last is not None:
            return state if state.disturbed else msgspec.structs.replace(state, disturbed=True)
        if reading.raw is None or state.opening is not None:
            return state
        opening = Mark(time_us, reading.raw, signed.sequence, reading.gateway_status)
        return State(scaler=reading.scaler, unit=reading.unit, opening=opening)
    mark = Mark(time_us, reading.raw, signed.sequence, reading.gateway_status)
    opening_mark, previous = state.opening, state.last
    if opening_mark is None or (previous is None and time_us <= opening_mark.time_us):
        return State(reading.scaler, reading.unit, mark, mark, status=GATEWAY_OK | mark.status)
    if previous is not None and time_us <= previous.time_us:
        return state
    if (reading.scaler, reading.unit) != (state.scaler, state.unit):
        raise DomainFault("tariff.unit_changed", f"{reading.meter_id} {reading.obis}")
    first = opening_mark if previous is None else previous
    if previous is None:
        stage, reason = ERROR_REGISTER_TARIFF, Reason.OPENING
    else:
        stage, reason = decide(Interval(opening_mark, first, mark, state.disturbed, state.scaler, state.unit))
    run, closed = state.open, state.closed
    if run is not None and (run.stage, run.reason) == (stage, reason):
        first = run.first
    elif run is not None:
        closed = (*closed, run)
    return State(
        state.scaler, state.unit, opening_mark, mark, False, closed, Run(stage, reason, first, mark), state.status | mark.status
    )  # fmt: skip


def evaluate(frame: Frame, decide: Decide, readings: Sequence[SignedReading]) -> State:
    """Recompute the state from all readings of a register in the order in which they were stored; bit for bit what `step` gives.

    Raises: DomainFault tariff.unit_changed.
    """
    taken = [signed for signed in readings if frame.takes(microseconds(signed.reading.target_time))]
    kept: list[tuple[int, Mark]] = []
    last_us = microseconds(frame.start) - 1
    for position, signed in enumerate(taken):
        time_us = microseconds(signed.reading.target_time)
        if signed.reading.raw is not None and time_us > last_us and is_usable(signed.reading):
            kept.append((position, _mark(signed)))
            last_us = time_us
    before = taken[: kept[0][0]] if kept else taken
    opening = next((signed for signed in before if signed.reading.raw is not None), None)
    if opening is None and not kept:
        return State()
    if opening is not None and kept and kept[0][1].time_us <= microseconds(opening.reading.target_time):
        opening = None
    base = opening if opening is not None else taken[kept[0][0]]
    scaler, unit = base.reading.scaler, base.reading.unit
    if not kept:
        return State(scaler, unit, _mark(base))
    for position, _ in kept:
        if (taken[position].reading.scaler, taken[position].reading.unit) != (scaler, unit):
            raise DomainFault("tariff.unit_changed", f"{base.reading.meter_id} {base.reading.obis}")
    marks = [mark for _, mark in kept]
    bad = [not is_usable(signed.reading) for signed in taken]
    intervals: list[tuple[Decision, Mark, Mark]] = []
    if opening is not None:
        intervals.append(((ERROR_REGISTER_TARIFF, Reason.OPENING), _mark(opening), marks[0]))
    for (place, first), (next_place, last) in pairwise(kept):
        disturbed = any(bad[place:next_place])
        intervals.append((decide(Interval(_mark(base), first, last, disturbed, scaler, unit)), first, last))
    runs = []
    for (stage, reason), group in groupby(intervals, key=lambda interval: interval[0]):
        members = list(group)
        runs.append(Run(stage, reason, members[0][1], members[-1][2]))
    status = GATEWAY_OK
    for mark in marks:
        status |= mark.status
    return State(
        scaler, unit, _mark(base), marks[-1], any(bad[kept[-1][0] :]), tuple(runs[:-1]), runs[-1] if runs else None, status
    )  # fmt: skip


def _mark(signed: SignedReading) -> Mark:
    reading = signed.reading
    assert reading.raw is not None
    return Mark(microseconds(reading.target_time), reading.raw, signed.sequence, reading.gateway_status)


def register_values(
    frame: Frame, stages: Collection[int], state: State, *, taf: int, profile_id: str, obis: Obis, created_at: datetime
) -> tuple[RegisterValue, ...]:
    """Give the registers of the period: each stage, the error register 63, and the total (group E = 0).

    The inputs of a register are the readings at both ends of each of its bookings, so its value is the sum of every second input less the
    one before it. Without a usable reading the registers have no value.
    """
    sums = state.sums()

    def register(tariff: int, raw: int, inputs: tuple[int, ...]) -> RegisterValue:
        return RegisterValue(
            profile_id=profile_id,
            taf=taf,
            obis=obis.with_tariff(tariff),
            raw=None if state.last is None else raw,
            scaler=state.scaler,
            unit=state.unit,
            period_start=frame.start,
            period_end=frame.end,
            gateway_status=state.status,
            inputs=inputs,
            created_at=created_at,
        )

    inputs: dict[int, list[int]] = {}
    for run in state.runs:
        inputs.setdefault(run.stage, []).extend((run.first.sequence, run.last.sequence))
    priced = (register(stage, sums.get(stage, 0), tuple(inputs.get(stage, ()))) for stage in (*sorted(set(stages)), ERROR_REGISTER_TARIFF))
    ends = (state.opening.sequence, state.last.sequence) if state.opening is not None and state.last is not None else ()
    return (*priced, register(0, state.total, ends))

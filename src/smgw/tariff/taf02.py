"""TAF 2, time-variable tariffs (German: zeitvariable Tarife).

Two valid readings on the quarter-hour raster that follow each other make an interval. Its energy goes to the stage that holds in every
quarter hour of it; where more than one holds, to the error register 63, because no reading says how much belongs to which. An interval that
touches a day without day profile is booked nowhere. Energy between the first reading of the period and the first valid one goes to the
error register: before the first known register value there is no stage.

The incremental evaluation (`step`, one reading at a time) and the recomputation (`evaluate`, a whole series at once) give the same state.
Source: TAF-02, TAF-20, TAF-21, TAF-22; 20-wan-crypto-pki 3.1, 3.2; 30-han-consumer-interface 3.6.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

import msgspec

from smgw.core.errors import DomainFault
from smgw.core.instant import microseconds
from smgw.core.obis import ERROR_REGISTER_TARIFF, Obis
from smgw.core.reading import SignedReading
from smgw.core.register import RegisterValue
from smgw.core.status_word import GATEWAY_OK
from smgw.tariff.calendar import NO_STAGE, QUARTER_HOUR_US, SwitchCalendar, quarter_of, stage_at, stages_between, timeline
from smgw.tariff.common import is_usable

if TYPE_CHECKING:
    # Arrays are imported where they are made: a gateway, which takes one reading at a time, does without.
    import numpy as np
    import numpy.typing as npt

MAX_STAGES: Final = 20
_MAX_QUARTERS: Final = 1100 * 96

Integers: TypeAlias = "npt.NDArray[np.int64]"
RawValues: TypeAlias = "npt.NDArray[Any]"
"""int64, or object with Python integers where a value needs more than 64 bits."""


class Taf02Rules(msgspec.Struct, frozen=True):
    """Hold what one register is priced by, for one billing period.

    Raises: DomainFault tariff.stage_count, tariff.stage_unknown, tariff.period.
    """

    calendar: SwitchCalendar
    stages: tuple[int, ...]
    """At most 20, the error register 63 not among them."""
    start: datetime
    """Aware UTC, on the quarter hour; a reading at start or end belongs to the period."""
    end: datetime

    def __post_init__(self) -> None:
        if not 1 <= len(set(self.stages)) <= MAX_STAGES or ERROR_REGISTER_TARIFF in self.stages:
            raise DomainFault("tariff.stage_count", f"{len(self.stages)}")
        if min(self.stages) < 0:
            raise DomainFault("tariff.stage_unknown", f"{min(self.stages)}")
        aligned = microseconds(self.start) % QUARTER_HOUR_US == 0 == microseconds(self.end) % QUARTER_HOUR_US
        if not aligned or not 0 < self.last_quarter - self.first_quarter <= _MAX_QUARTERS:
            raise DomainFault("tariff.period", f"{self.start} to {self.end}")

    @property
    def first_quarter(self) -> int:
        """Number the quarter hour that starts the period."""
        return quarter_of(self.start)

    @property
    def last_quarter(self) -> int:
        """Number the quarter hour that starts when the period ends."""
        return quarter_of(self.end)


class Mark(msgspec.Struct, frozen=True, gc=False):
    """Hold one reading on the raster: quarter hour, integer value, journal sequence number, gateway word."""

    quarter: int
    raw: int
    sequence: int
    status: int = GATEWAY_OK


class Run(msgspec.Struct, frozen=True, gc=False):
    """Hold a booking: the energy between two readings, all of it in one stage. Its value is `last.raw - first.raw`."""

    stage: int
    """NO_STAGE for days that the calendar does not cover."""
    first: Mark
    last: Mark

    @property
    def raw(self) -> int:
        """Give the booked amount in the meter's own unit and scaler."""
        return self.last.raw - self.first.raw


class State(msgspec.Struct, frozen=True):
    """Hold everything that the evaluation of one register needs to go on; a value, stored and compared like one."""

    opening: Mark | None = None
    """The reading that the period's total counts from."""
    last: Mark | None = None
    """The latest valid reading."""
    closed: tuple[Run, ...] = ()
    open: Run | None = None
    """The booking that the next interval may still lengthen."""
    status: int = GATEWAY_OK
    """Gateway words of the valid readings, joined bit by bit."""

    @property
    def runs(self) -> tuple[Run, ...]:
        """Give all bookings in the order of time."""
        return self.closed if self.open is None else (*self.closed, self.open)

    @property
    def total(self) -> int:
        """Give the energy of the period so far; it equals the sum of all bookings."""
        return self.last.raw - self.opening.raw if self.last is not None and self.opening is not None else 0

    def sums(self) -> dict[int, int]:
        """Add up the bookings by stage; NO_STAGE holds what was booked nowhere."""
        sums: dict[int, int] = {}
        for run in self.runs:
            sums[run.stage] = sums.get(run.stage, 0) + run.raw
        return sums


class Series(msgspec.Struct, frozen=True):
    """Hold the readings of one register as columns, in the order in which they came."""

    targets_us: Integers
    """Target times in microseconds since 1970."""
    raws: RawValues
    valid: "npt.NDArray[np.bool_]"
    sequences: "Integers | None" = None
    """Journal numbers; the position in the series where there are none."""
    statuses: "Integers | None" = None
    """Gateway words."""


def columns_of(readings: Iterable[SignedReading], meter_id: str, obis: Obis) -> Series:
    """Turn one register's stored readings into columns, in the order in which they were stored; missing values are left out.

    Raises: DomainFault tariff.unit_changed.
    """
    import numpy as np

    kept = []
    # A register has few different pairs of status words, so each pair is judged once.
    usable: dict[tuple[int, int], bool] = {}
    for signed in readings:
        reading = signed.reading
        if reading.raw is None or reading.obis != obis or reading.meter_id != meter_id:
            continue
        words = reading.gateway_status, reading.meter_status
        if words not in usable:
            usable[words] = is_usable(reading)
        kept.append(
            (microseconds(reading.target_time), reading.raw, usable[words], signed.sequence, words[0], reading.scaler, reading.unit)
        )
    targets, raws, valid, sequences, statuses, scalers, units = zip(*kept, strict=True) if kept else ((),) * 7
    if len(set(scalers)) > 1 or len(set(units)) > 1:
        raise DomainFault("tariff.unit_changed", f"{meter_id} {obis}")
    return Series(
        targets_us=np.array(targets, dtype=np.int64),
        raws=raw_values(raws),
        valid=np.array(valid, dtype=np.bool_),
        sequences=np.array(sequences, dtype=np.int64),
        statuses=np.array(statuses, dtype=np.int64),
    )


def raw_values(raws: Sequence[int]) -> RawValues:
    """Make a column of values: int64, or Python integers where the difference of two could need more than 64 bits."""
    import numpy as np

    return np.array(raws, dtype=np.int64 if not raws or max(max(raws), -min(raws)) < 1 << 62 else object)


def _interval_stage(rules: Taf02Rules, first: int, last: int) -> int:
    """Say where the energy between two quarter hours goes."""
    if last - first == 1:
        return stage_at(rules.calendar, first)
    stages = stages_between(rules.calendar, first, last)
    if NO_STAGE in stages:
        return NO_STAGE
    return stages.pop() if len(stages) == 1 else ERROR_REGISTER_TARIFF


def _opening_stage(rules: Taf02Rules, first: int, last: int) -> int:
    """Say where the energy before the first valid reading goes."""
    return NO_STAGE if NO_STAGE in stages_between(rules.calendar, first, last) else ERROR_REGISTER_TARIFF


def step(rules: Taf02Rules, state: State, target: datetime, raw: int, *, valid: bool, sequence: int = 0, status: int = GATEWAY_OK) -> State:
    """Take one more reading into account and give the new state.

    A reading outside the period, off the raster, or not later than the latest valid one changes nothing.
    """
    instant = microseconds(target)
    quarter = instant // QUARTER_HOUR_US
    if instant % QUARTER_HOUR_US or not rules.first_quarter <= quarter <= rules.last_quarter:
        return state
    mark = Mark(quarter, raw, sequence, status)
    if not valid:
        return state if state.opening is not None else msgspec.structs.replace(state, opening=mark)
    joined = state.status | status
    previous = state.last
    if previous is None:
        opening = state.opening
        if opening is None or quarter <= opening.quarter:
            return State(mark, mark, (), None, joined)
        return State(opening, mark, (), Run(_opening_stage(rules, opening.quarter, quarter), opening, mark), joined)
    if quarter <= previous.quarter:
        return state
    stage = _interval_stage(rules, previous.quarter, quarter)
    run = state.open
    if run is not None and run.stage == stage:
        return State(state.opening, mark, state.closed, Run(stage, run.first, mark), joined)
    closed = state.closed if run is None else (*state.closed, run)
    return State(state.opening, mark, closed, Run(stage, previous, mark), joined)


def step_reading(rules: Taf02Rules, state: State, signed: SignedReading) -> State:
    """Take one more stored reading of the register into account; a missing value changes nothing."""
    reading = signed.reading
    if reading.raw is None:
        return state
    usable, status = is_usable(reading), reading.gateway_status
    return step(rules, state, reading.target_time, reading.raw, valid=usable, sequence=signed.sequence, status=status)


def _interval_stages(rules: Taf02Rules, quarters: Integers) -> Integers:
    """Say for each two neighbouring quarter hours where the energy between them goes."""
    import numpy as np

    first = int(quarters[0])
    stages = timeline(rules.calendar, first, int(quarters[-1]))
    slots = quarters - first
    changes = np.zeros(len(stages), dtype=np.int64)
    np.cumsum(stages[1:] != stages[:-1], out=changes[1:])
    uncovered = np.zeros(len(stages) + 1, dtype=np.int64)
    np.cumsum(stages == NO_STAGE, out=uncovered[1:])
    begins, ends = slots[:-1], slots[1:]
    result: Integers = np.where(changes[begins] == changes[ends - 1], stages[begins], ERROR_REGISTER_TARIFF).astype(np.int64)
    result[uncovered[begins] != uncovered[ends]] = NO_STAGE
    return result


class _Selection(NamedTuple):
    """Hold which readings of a series count: positions, in the order of time."""

    quarters: Integers
    """Quarter hour of every reading of the series."""
    opening: int | None
    """The first reading of the period, of any status."""
    kept: "npt.NDArray[np.intp]"
    """The valid readings."""


def _select(rules: Taf02Rules, series: Series) -> _Selection:
    import numpy as np

    quarters = series.targets_us // QUARTER_HOUR_US
    on_raster = (quarters * QUARTER_HOUR_US == series.targets_us) & (quarters >= rules.first_quarter) & (quarters <= rules.last_quarter)
    usable = np.flatnonzero(on_raster)
    if not len(usable):
        return _Selection(quarters, None, usable)
    valid = usable[series.valid[usable]]
    # Only a reading later than every valid one before it counts, so a clock that went back books nothing twice.
    times = quarters[valid]
    later = np.ones(len(times), dtype=np.bool_)
    later[1:] = times[1:] > np.maximum.accumulate(times)[:-1]
    kept = valid[later]
    opening = int(usable[0])
    if len(kept) and quarters[opening] >= quarters[kept[0]]:
        opening = int(kept[0])
    return _Selection(quarters, opening, kept)


class Intervals(NamedTuple):
    """Hold the intervals between valid readings as columns: where each starts and ends, its energy and the stage it is booked to."""

    starts: Integers
    """Quarter hours since 1970."""
    ends: Integers
    amounts: RawValues
    stages: Integers


def intervals(rules: Taf02Rules, series: Series) -> Intervals:
    """Give each interval that `evaluate` books, one by one; the energy before the first valid reading is not among them."""
    quarters, _, kept = _select(rules, series)
    times = quarters[kept]
    raws = series.raws[kept]
    stages = _interval_stages(rules, times) if len(kept) > 1 else times[:0]
    return Intervals(times[:-1], times[1:], raws[1:] - raws[:-1], stages)


def evaluate(rules: Taf02Rules, series: Series) -> State:
    """Recompute the state from all readings of a register; bit for bit what `step` gives for them one after the other."""
    import numpy as np

    quarters, opening, kept = _select(rules, series)

    def mark(position: int) -> Mark:
        return Mark(
            int(quarters[position]),
            int(series.raws[position]),
            int(series.sequences[position]) if series.sequences is not None else position,
            int(series.statuses[position]) if series.statuses is not None else GATEWAY_OK,
        )

    if opening is None:
        return State()
    if not len(kept):
        return State(opening=mark(opening))
    first = int(kept[0])
    runs: list[Run] = []
    if opening != first:
        runs.append(Run(_opening_stage(rules, int(quarters[opening]), int(quarters[first])), mark(opening), mark(first)))
    if len(kept) > 1:
        stages = _interval_stages(rules, quarters[kept])
        bounds = [0, *(np.flatnonzero(stages[1:] != stages[:-1]) + 1).tolist(), len(stages)]
        marks = [mark(position) for position in kept[bounds].tolist()]
        runs.extend(Run(stage, *ends) for stage, ends in zip(stages[bounds[:-1]].tolist(), pairwise(marks), strict=True))
        # The energy before the first valid reading and the first interval are one booking when both go to the same register.
        if opening != first and runs[0].stage == runs[1].stage:
            runs[:2] = [Run(runs[0].stage, runs[0].first, runs[1].last)]
    status = GATEWAY_OK if series.statuses is None else GATEWAY_OK | int(np.bitwise_or.reduce(series.statuses[kept]))
    return State(mark(opening), mark(int(kept[-1])), tuple(runs[:-1]), runs[-1] if runs else None, status)


def register_values(
    rules: Taf02Rules, state: State, *, profile_id: str, obis: Obis, scaler: int, unit: int, created_at: datetime
) -> tuple[RegisterValue, ...]:
    """Give the registers of the period: each stage, the error register 63, and the total (group E = 0).

    The inputs of a register are the readings at both ends of each of its bookings, so its value is the sum of every second input less the
    one before it. Without a valid reading the registers have no value.
    """
    sums = state.sums()

    def register(tariff: int, raw: int, inputs: tuple[int, ...]) -> RegisterValue:
        return RegisterValue(
            profile_id=profile_id,
            taf=2,
            obis=obis.with_tariff(tariff),
            raw=None if state.last is None else raw,
            scaler=scaler,
            unit=unit,
            period_start=rules.start,
            period_end=rules.end,
            gateway_status=state.status,
            inputs=inputs,
            created_at=created_at,
        )

    def inputs_of(stage: int) -> tuple[int, ...]:
        return tuple(mark.sequence for run in state.runs if run.stage == stage for mark in (run.first, run.last))

    priced = tuple(register(stage, sums.get(stage, 0), inputs_of(stage)) for stage in (*sorted(set(rules.stages)), ERROR_REGISTER_TARIFF))
    ends = (state.opening.sequence, state.last.sequence) if state.opening is not None and state.last is not None else ()
    return (*priced, register(0, state.total, ends))

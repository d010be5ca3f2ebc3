"""From meter readings to consumption: exact differences between the counters at the bounds of each slot of a day."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from smgw.core.errors import DomainFault
from smgw.core.instant import day_bounds
from smgw.core.quantity import Quantity
from smgw.core.reading import Reading
from smgw.core.status_word import PtbStatus
from smgw.gateway.han.ports import Channel, Contract

SLOT_S = 900


class SlotState(StrEnum):
    """Tell how far the energy of a slot can be relied on."""

    MEASURED = "measured"
    INVALID = "invalid"
    MISSING = "missing"
    FUTURE = "future"


class Slot(NamedTuple):
    """Hold what went through a register between two moments."""

    start: datetime
    end: datetime
    energy: Quantity | None
    """None when one of the bounds has no value."""
    state: SlotState


class DaySeries(NamedTuple):
    """Hold one register's day."""

    channel: Channel
    slots: tuple[Slot, ...]
    total: Quantity | None
    """Exact difference between the last and the first value of the day, at the bounds `since` and `until`."""
    since: datetime | None
    until: datetime | None

    @property
    def complete(self) -> bool:
        """Tell whether the total covers the whole day."""
        return bool(self.slots) and (self.since, self.until) == (self.slots[0].start, self.slots[-1].end)


def slot_seconds(period_s: int) -> int:
    """Give the width of a slot: a quarter of an hour, or the register period where that is longer."""
    return max(SLOT_S, period_s)


def day_series(channel: Channel, readings: Iterable[Reading], day: date, step_s: int, now: datetime) -> DaySeries:
    """Difference a register's readings over a local day of 23, 24 or 25 hours."""
    start, end = day_bounds(day)
    at = {reading.target_time: reading for reading in readings if reading.obis == channel.obis and reading.raw is not None}
    slots, left = [], start
    while left < end:
        right = min(left + timedelta(seconds=step_s), end)
        slots.append(_slot(left, right, at, now))
        left = right
    within = sorted(moment for moment in at if start <= moment <= end)
    if len(within) < 2:
        return DaySeries(channel, tuple(slots), None, None, None)
    first, last = within[0], within[-1]
    return DaySeries(channel, tuple(slots), _difference(at[last], at[first]), first, last)


def _slot(left: datetime, right: datetime, at: dict[datetime, Reading], now: datetime) -> Slot:
    before, after = at.get(left), at.get(right)
    if before is None or after is None:
        return Slot(left, right, None, SlotState.FUTURE if right > now else SlotState.MISSING)
    energy = _difference(after, before)
    if energy is None:
        return Slot(left, right, None, SlotState.INVALID)
    good = max(before.ptb, after.ptb) < PtbStatus.TEMPORARY_ERROR_USABLE
    return Slot(left, right, energy, SlotState.MEASURED if good else SlotState.INVALID)


def _difference(later: Reading, earlier: Reading) -> Quantity | None:
    """Subtract counters; None when they don't belong together: another unit, or a counter that fell."""
    end, start = later.quantity, earlier.quantity
    if end is None or start is None:
        return None
    try:
        energy = end.minus(start)
    except DomainFault:
        return None
    return energy if energy.raw >= 0 else None


class Directions(NamedTuple):
    """Name the counters that a day is drawn from."""

    bought: Channel | None
    """What came in: electricity imported, gas, water or heat used."""
    sold: Channel | None
    """Electricity fed in."""


def directions(contract: Contract) -> Directions:
    """Choose the counters that tell the whole of a contract: the totals, or the only stage there is."""
    if contract.medium != "electricity":
        return Directions(contract.channels[0] if contract.channels else None, None)
    return Directions(_counter(contract.channels, 1), _counter(contract.channels, 2))


def _counter(channels: Sequence[Channel], quantity: int) -> Channel | None:
    counters = [channel for channel in channels if (channel.obis.a, channel.obis.c, channel.obis.d) == (1, quantity, 8)]
    totals = [channel for channel in counters if channel.obis.e == 0]
    # Several stages without a total would each tell only a part, so none of them stands for the whole.
    whole = totals or counters
    return whole[0] if len(whole) == 1 else None


def at_same_time(series: DaySeries, readings: Iterable[Reading], day: date, until: datetime) -> Quantity | None:
    """Give what an earlier day had used by the same time of day, or None when a value is missing there."""
    start, end = day_bounds(day)
    moment = min(start + (until - series.slots[0].start), end)
    at = {reading.target_time: reading for reading in readings if reading.obis == series.channel.obis}
    if start not in at or moment not in at:
        return None
    return _difference(at[moment], at[start])

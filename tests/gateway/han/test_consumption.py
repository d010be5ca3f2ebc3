"""Consumption: exact differences, honest gaps, days of 23, 24 and 25 hours."""

import datetime as dt
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.gateway.han.consumer_gateway import CONSUMER, METER, contract

from smgw.core.instant import day_bounds
from smgw.core.obis import ACTIVE_ENERGY_IMPORT, Obis
from smgw.core.quantity import Quantity
from smgw.core.reading import Reading
from smgw.core.status_word import GATEWAY_OK, METER_IDENTIFICATION, GatewayStatus
from smgw.gateway.han.consumption import SlotState, at_same_time, day_series, directions, slot_seconds
from smgw.gateway.han.ports import Channel, Contract

DAY = dt.date(2026, 11, 20)
IMPORT = Channel(ACTIVE_ENERGY_IMPORT, -1, 30)


def at(index: int, raw: int | None, day: dt.date = DAY, **more: Any) -> Reading:
    target = day_bounds(day)[0] + timedelta(minutes=15 * index)
    usual: dict[str, Any] = {"obis": ACTIVE_ENERGY_IMPORT, "scaler": -1, "unit": 30, "gateway_status": GATEWAY_OK}
    return Reading(meter_id=METER, raw=raw, capture_time=target, target_time=target, meter_status=METER_IDENTIFICATION, **(usual | more))


def after(day: dt.date = DAY) -> datetime:
    return day_bounds(day)[1]


@pytest.mark.parametrize("day,slots", [(DAY, 96), (dt.date(2026, 3, 29), 92), (dt.date(2026, 10, 25), 100)])
def test_days_have_their_hours(day: dt.date, slots: int) -> None:
    readings = [at(index, 100 * index, day) for index in range(slots + 1)]
    series = day_series(IMPORT, readings, day, 900, after(day))
    assert len(series.slots) == slots and series.complete
    assert series.total == Quantity(100 * slots, -1, 30)
    assert all(slot.energy == Quantity(100, -1, 30) and slot.state is SlotState.MEASURED for slot in series.slots)


def test_missing_values_leave_gaps_on_both_sides_and_the_total_stays_exact() -> None:
    readings = [at(index, 10 * index) for index in range(97) if index not in (4, 5)]
    series = day_series(IMPORT, [*readings, at(5, None)], DAY, 900, after())
    assert [index for index, slot in enumerate(series.slots) if slot.state is SlotState.MISSING] == [3, 4, 5]
    assert series.total == Quantity(960, -1, 30)


def test_the_future_is_no_gap() -> None:
    now = day_bounds(DAY)[0] + timedelta(minutes=50)
    series = day_series(IMPORT, [at(index, index) for index in range(4)], DAY, 900, now)
    assert [slot.state for slot in series.slots[:5]] == [SlotState.MEASURED] * 3 + [SlotState.FUTURE] * 2
    assert not series.complete and series.until == day_bounds(DAY)[0] + timedelta(minutes=45)


def test_invalid_bounds_make_a_slot_invalid() -> None:
    late = int(GATEWAY_OK | GatewayStatus.TIME_NOT_VALID)
    series = day_series(
        IMPORT, [at(0, 0), at(1, 5, gateway_status=late), at(2, 9), at(3, 9), at(4, 2), at(5, 4, unit=27)], DAY, 900, after()
    )
    states = [slot.state for slot in series.slots[:5]]
    assert states == [SlotState.INVALID, SlotState.INVALID, SlotState.MEASURED, SlotState.INVALID, SlotState.INVALID]
    assert [slot.energy for slot in series.slots[3:5]] == [None, None]


def test_one_value_is_no_consumption() -> None:
    series = day_series(IMPORT, [at(3, 5)], DAY, 900, after())
    assert series.total is None and series.since is None and not series.complete


@given(st.lists(st.integers(0, 10**6), min_size=96, max_size=96), st.sampled_from([-4, -1, 0, 3]))
def test_slots_add_up_to_the_total(steps: list[int], scaler: int) -> None:
    raws = [sum(steps[:index]) for index in range(97)]
    series = day_series(
        Channel(ACTIVE_ENERGY_IMPORT, scaler, 30), [at(i, raw, scaler=scaler) for i, raw in enumerate(raws)], DAY, 900, after()
    )
    assert sum(slot.energy.raw for slot in series.slots if slot.energy) == raws[-1]
    assert series.total == Quantity(raws[-1], scaler, 30)


def test_the_day_before_is_compared_at_the_same_time() -> None:
    today = dt.date(2026, 11, 21)
    readings = [at(index, 10 * index) for index in range(96)] + [at(index, 960 + 7 * index, today) for index in range(9)]
    series = day_series(IMPORT, readings, today, 900, day_bounds(today)[0] + timedelta(hours=2, minutes=5))
    assert series.total == Quantity(56, -1, 30) and series.until is not None
    assert at_same_time(series, readings, DAY, series.until) == Quantity(80, -1, 30)
    assert at_same_time(series, readings[20:], DAY, series.until) is None


def channels(*codes: str) -> tuple[Channel, ...]:
    return tuple(Channel(Obis.parse(code), -1, 30) for code in codes)


@pytest.mark.parametrize(
    "medium,codes,expected",
    [
        ("electricity", ("1-0:16.7.0", "1-0:1.8.0", "1-0:1.8.1", "1-0:2.8.0"), ("1-0:1.8.0*255", "1-0:2.8.0*255")),
        ("electricity", ("1-0:1.8.1",), ("1-0:1.8.1*255", None)),
        ("electricity", ("1-0:1.8.1", "1-0:1.8.2"), (None, None)),
        ("electricity", ("1-0:2.8.0",), (None, "1-0:2.8.0*255")),
        ("gas", ("7-0:3.0.0",), ("7-0:3.0.0*255", None)),
        ("gas", (), (None, None)),
    ],
)
def test_directions(medium: str, codes: tuple[str, ...], expected: tuple[str | None, str | None]) -> None:
    chosen = directions(Contract(profile=contract("x.sm", CONSUMER, METER), medium=medium, state="running", channels=channels(*codes)))
    assert tuple(str(channel.obis) if channel else None for channel in chosen) == expected


def test_slots_are_never_shorter_than_a_quarter_of_an_hour() -> None:
    assert [slot_seconds(period) for period in (60, 900, 3600)] == [900, 900, 3600]

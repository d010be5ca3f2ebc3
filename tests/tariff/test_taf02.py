"""TAF 2 as the gateway evaluates it: where energy goes, and that no energy gets lost."""

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from functools import reduce

import numpy as np
import pytest
from tests.trudi_files import berlin

from smgw.core.errors import DomainFault
from smgw.core.obis import ACTIVE_ENERGY_EXPORT, ACTIVE_ENERGY_IMPORT
from smgw.core.reading import Reading, SignedReading
from smgw.core.status_word import GATEWAY_OK, METER_IDENTIFICATION, GatewayStatus
from smgw.tariff.calendar import NO_STAGE, SwitchCalendar, from_switch_times
from smgw.tariff.taf02 import Series, State, Taf02Rules, columns_of, evaluate, intervals, raw_values, register_values, step, step_reading

START, END = berlin(2026, 11, 4), berlin(2026, 11, 6)
CALENDAR = SwitchCalendar({"work": from_switch_times({"06:00": 2, "21:00": 1}), "rest": (1,) * 96}, week=("work",) * 5 + ("rest",) * 2)
RULES = Taf02Rules(CALENDAR, (1, 2), START, END)
INVALID = GATEWAY_OK | GatewayStatus.TIME_NOT_VALID


def _signed(minutes: int, raw: int | None, status: int = GATEWAY_OK, *, scaler: int = -1, sequence: int | None = None) -> SignedReading:
    moment = START + timedelta(minutes=minutes)
    reading = Reading("1ABC0000000001", ACTIVE_ENERGY_IMPORT, raw, scaler, 30, moment, moment, status, METER_IDENTIFICATION)
    return SignedReading(reading, b"", minutes if sequence is None else sequence)


def _day(*, without: Iterable[int] = (), invalid: Iterable[int] = (), minutes: int = 2880) -> list[SignedReading]:
    """Give quarter hours of 10 units each from 00:00 on; leave some out, mark others."""
    return [
        _signed(minute, 1000 + minute // 15 * 10, INVALID if minute in invalid else GATEWAY_OK)
        for minute in range(0, minutes + 1, 15)
        if minute not in without
    ]


def _both(readings: list[SignedReading], rules: Taf02Rules = RULES) -> State:
    """Evaluate in both ways and give what they agree on."""
    state = reduce(lambda held, signed: step_reading(rules, held, signed), readings, State())
    assert evaluate(rules, columns_of(readings, "1ABC0000000001", ACTIVE_ENERGY_IMPORT)) == state
    assert sum(state.sums().values()) == state.total
    return state


@pytest.mark.parametrize(
    ("stages", "code"),
    [
        ((), "tariff.stage_count"),
        (tuple(range(21)), "tariff.stage_count"),
        ((1, 63), "tariff.stage_count"),
        ((-2,), "tariff.stage_unknown"),
    ],
)
@pytest.mark.req("TAF-02")
def test_refuses_stages_that_do_not_fit(stages: tuple[int, ...], code: str) -> None:
    with pytest.raises(DomainFault) as caught:
        Taf02Rules(CALENDAR, stages, START, END)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (START, START),
        (END, START),
        (START + timedelta(seconds=1), END),
        (START, END + timedelta(minutes=1)),
        (START, START + timedelta(days=1101)),
    ],
)
def test_refuses_periods_that_do_not_fit(start: datetime, end: datetime) -> None:
    with pytest.raises(DomainFault) as caught:
        Taf02Rules(CALENDAR, (1, 2), start, end)
    assert caught.value.code == "tariff.period"


def test_refuses_readings_whose_unit_changes() -> None:
    with pytest.raises(DomainFault) as caught:
        columns_of([_signed(0, 1), _signed(15, 2, scaler=0)], "1ABC0000000001", ACTIVE_ENERGY_IMPORT)
    assert caught.value.code == "tariff.unit_changed"


@pytest.mark.parametrize(
    ("readings", "sums"),
    [
        ([], {}),
        ([_signed(0, 5)], {}),
        (_day(), {1: 720, 2: 1200}),
        # The switch at 06:00 is missing, so 05:45 to 06:15 has no tariff without doubt.
        (_day(without=[360]), {1: 710, 2: 1190, 63: 20}),
        (_day(invalid=[360]), {1: 710, 2: 1190, 63: 20}),
        # A gap inside one tariff does no harm, over midnight neither.
        (_day(without=range(375, 1245, 15)), {1: 720, 2: 1200}),
        (_day(without=range(1275, 1785, 15)), {1: 720, 2: 1200}),
        # A gap over two switches and one over a whole day.
        (_day(without=range(345, 1275, 15)), {1: 690, 2: 600, 63: 630}),
        (_day(without=range(15, 2865, 15)), {1: 10, 63: 1910}),
        # Edges: what is missing is not booked, what is invalid at the start goes to the error register.
        (_day(without=range(0, 60, 15)), {1: 680, 2: 1200}),
        (_day(without=range(2835, 2895, 15)), {1: 680, 2: 1200}),
        (_day(invalid=[0, 15]), {1: 700, 2: 1200, 63: 20}),
        (_day(invalid=range(2835, 2895, 15)), {1: 680, 2: 1200}),
        (_day(invalid=range(0, 2895, 15)), {}),
        # Off the raster, before and after the period.
        ([_signed(-15, 0), _signed(0, 10), _signed(7, 11), _signed(15, 20), _signed(2880, 30), _signed(2895, 99)], {1: 10, 63: 10}),
        # Twice the same time, and a time that goes back: the first counts.
        ([_signed(0, 10), _signed(15, 20), _signed(15, 25), _signed(0, 99), _signed(30, 40)], {1: 30}),
        # A register that falls is booked as it is.
        ([_signed(0, 100), _signed(15, 90), _signed(30, 95)], {1: -5}),
        # A missing value is no reading.
        ([_signed(0, 100), _signed(15, None), _signed(30, 130)], {1: 30}),
    ],
)  # fmt: skip
@pytest.mark.req("TAF-02", "TAF-20")
def test_books_each_interval(readings: list[SignedReading], sums: dict[int, int]) -> None:
    assert {stage: value for stage, value in _both(readings).sums().items() if value} == sums


@pytest.mark.req("TAF-20")
def test_an_invalid_reading_ahead_of_its_time_does_not_hold_up_the_valid_ones() -> None:
    state = _both([_signed(0, 0), _signed(1440, 7, INVALID), _signed(15, 10), _signed(30, 20)])
    assert state.sums() == {1: 20}


def test_the_first_valid_reading_stands_in_for_an_invalid_one_of_the_same_time() -> None:
    state = _both([_signed(0, 5, INVALID), _signed(0, 6, sequence=1), _signed(15, 10)])
    assert state.sums() == {1: 4}
    assert state.opening is not None
    assert state.opening.sequence == 1


@pytest.mark.parametrize(
    ("covered", "sums"),
    [
        ({date(2026, 11, 4): "work"}, {1: 360, 2: 600, NO_STAGE: 960}),
        ({date(2026, 11, 5): "work"}, {NO_STAGE: 960, 1: 360, 2: 600}),
        ({}, {NO_STAGE: 1920}),
    ],
)
@pytest.mark.req("TAF-20")
def test_days_outside_the_calendar_are_booked_nowhere(covered: dict[date, str], sums: dict[int, int]) -> None:
    rules = Taf02Rules(SwitchCalendar(CALENDAR.day_profiles, covered), (1, 2), START, END)
    assert _both(_day(), rules).sums() == sums


def test_an_interval_that_touches_an_uncovered_day_is_booked_nowhere() -> None:
    rules = Taf02Rules(SwitchCalendar(CALENDAR.day_profiles, {date(2026, 11, 4): "work"}), (1, 2), START, END)
    assert _both([_signed(1380, 0), _signed(1500, 80)], rules).sums() == {NO_STAGE: 80}
    assert _both([_signed(1380, 0, INVALID), _signed(1500, 80)], rules).sums() == {NO_STAGE: 80}


@pytest.mark.parametrize(
    ("start", "end", "night"),
    [
        (berlin(2026, 3, 29), berlin(2026, 3, 30), 9 - 1),
        (berlin(2026, 10, 25), berlin(2026, 10, 26), 9 + 1),
        (berlin(2026, 11, 4), berlin(2026, 11, 5), 9),
    ],
)
@pytest.mark.req("TAF-21")
def test_days_on_which_the_clocks_change(start: datetime, end: datetime, night: int) -> None:
    calendar = SwitchCalendar({"work": CALENDAR.day_profiles["work"]}, week=("work",) * 7)
    rules = Taf02Rules(calendar, (1, 2), start, end)
    hours = int((end - start).total_seconds()) // 900
    targets = [start + timedelta(minutes=15 * number) for number in range(hours + 1)]
    state = reduce(lambda held, pair: step(rules, held, pair[1], pair[0], valid=True), enumerate(targets), State())
    assert state.sums() == {1: night * 4, 2: 15 * 4}


@pytest.mark.req("MEAS-03")
def test_values_beyond_64_bits_stay_exact() -> None:
    big = 1 << 70
    readings = [_signed(0, -big), _signed(15, big + 1), _signed(30, big + 2)]
    assert raw_values([1, 1 << 62]).dtype == object
    assert raw_values([1, -(1 << 62) + 1]).dtype == np.int64
    assert _both(readings).sums() == {1: 2 * big + 2}


@pytest.mark.req("TAF-20")
def test_registers_name_their_readings_so_that_each_can_be_recomputed() -> None:
    readings = _day(invalid=[360])
    state = _both(readings)
    raws = {signed.sequence: signed.reading.raw for signed in readings}
    registers = register_values(RULES, state, profile_id="taf2.sm", obis=ACTIVE_ENERGY_IMPORT, scaler=-1, unit=30, created_at=END)
    assert [str(register.obis) for register in registers] == ["1-0:1.8.1*255", "1-0:1.8.2*255", "1-0:1.8.63*255", "1-0:1.8.0*255"]
    for register in registers:
        values = [raws[sequence] or 0 for sequence in register.inputs]
        assert register.raw == sum(values[1::2]) - sum(values[::2])
    assert registers[3].raw == sum(register.raw or 0 for register in registers[:3])
    assert {register.taf for register in registers} == {2}


def test_registers_without_a_valid_reading_have_no_value() -> None:
    registers = register_values(RULES, State(), profile_id="taf2.sm", obis=ACTIVE_ENERGY_IMPORT, scaler=-1, unit=30, created_at=END)
    assert {register.raw for register in registers} == {None}
    assert {register.inputs for register in registers} == {()}


def test_the_status_of_the_registers_joins_those_of_the_readings() -> None:
    warned = GATEWAY_OK | GatewayStatus.WARNING
    state = _both([_signed(0, 0), _signed(15, 1, warned), _signed(30, 2, INVALID)])
    assert state.status == warned


def test_another_register_of_the_meter_is_left_out() -> None:
    assert len(columns_of(_day(), "1ABC0000000001", ACTIVE_ENERGY_EXPORT).raws) == 0
    assert len(columns_of(_day(), "1ABC0000000002", ACTIVE_ENERGY_IMPORT).raws) == 0


def test_intervals_add_up_to_the_bookings() -> None:
    series = columns_of(_day(without=[360]), "1ABC0000000001", ACTIVE_ENERGY_IMPORT)
    columns = intervals(RULES, series)
    assert int(columns.amounts.sum()) == evaluate(RULES, series).total
    assert int(columns.amounts[columns.stages == 63].sum()) == 20
    empty = Series(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.bool_))
    assert [len(column) for column in intervals(RULES, empty)] == [0, 0, 0, 0]

"""What the use cases that book into stages have in common: frames, intervals and doubt."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import reduce

import pytest
from tests.tariff.series import CREATED, local, reading

from smgw.core.errors import DomainFault
from smgw.core.obis import ACTIVE_ENERGY_IMPORT
from smgw.core.reading import SignedReading
from smgw.core.status_word import GATEWAY_OK, GatewayStatus
from smgw.tariff.stages import (
    REASONS,
    Decision,
    Frame,
    Interval,
    Reason,
    Run,
    State,
    doubt,
    evaluate,
    microseconds,
    register_values,
    step,
)

START, END = local(2026, 11, 4), local(2026, 11, 5)
FRAME = Frame(START, END)
INVALID = GATEWAY_OK | GatewayStatus.TIME_NOT_VALID


def _decide(interval: Interval) -> Decision:
    """Book the first half of the day to stage 1, the second to stage 2, doubtful intervals to the error register."""
    error = doubt(FRAME, interval)
    if error is not None:
        return error
    return (1 if interval.first.time_us < microseconds(START + timedelta(hours=12)) else 2), Reason.RULE


def _at(minutes: int, raw: int | None, status: int = GATEWAY_OK, **more: int) -> SignedReading:
    return reading(START + timedelta(minutes=minutes), raw, sequence=minutes, gateway_status=status, **more)


def _stepped(readings: Sequence[SignedReading]) -> State:
    return reduce(lambda held, signed: step(FRAME, _decide, held, signed), readings, State())


def _both(readings: Sequence[SignedReading]) -> State:
    """Evaluate in both ways and give what they agree on."""
    state = _stepped(readings)
    assert evaluate(FRAME, _decide, readings) == state
    assert sum(state.sums().values()) == state.total
    return state


@pytest.mark.parametrize("period_s", [0, -900, 7, 172_800])
def test_a_register_period_divides_a_day(period_s: int) -> None:
    with pytest.raises(DomainFault) as caught:
        Frame(START, END, period_s)
    assert caught.value.code == "tariff.raster"


@pytest.mark.parametrize(
    ("start", "end", "period_s"),
    [
        (START, START, 900),
        (END, START, 900),
        (START, START + timedelta(days=1101), 900),
        (START + timedelta(seconds=1), END, 900),
        (START, END + timedelta(minutes=1), 900),
        (START + timedelta(hours=1), END, 86_400),
    ],
)
def test_a_billing_period_lies_on_the_raster(start: datetime, end: datetime, period_s: int) -> None:
    with pytest.raises(DomainFault) as caught:
        Frame(start, end, period_s)
    assert caught.value.code == "tariff.period"


@pytest.mark.parametrize("both", [True, False])
def test_a_change_of_unit_or_scaler_is_refused_by_both_evaluations(both: bool) -> None:
    readings = [_at(0, 1), _at(15, 2, scaler=0)] if both else [_at(0, 1), _at(15, 2, unit=32)]
    for evaluated in (lambda: evaluate(FRAME, _decide, readings), lambda: _stepped(readings)):
        with pytest.raises(DomainFault) as caught:
            evaluated()
        assert caught.value.code == "tariff.unit_changed"


@pytest.mark.parametrize(
    ("readings", "sums"),
    [
        ([], {}),
        ([_at(0, 5)], {}),
        ([_at(0, None), _at(15, None)], {}),
        ([_at(0, 5), _at(15, 9), _at(30, 10)], {1: 5}),
        # A gap, an invalid reading and a missing value: all of the interval is in doubt.
        ([_at(0, 5), _at(30, 9), _at(45, 10)], {63: 4, 1: 1}),
        ([_at(0, 5), _at(15, 7, INVALID), _at(30, 9)], {63: 4}),
        ([_at(0, 5), _at(15, None), _at(30, 9)], {63: 4}),
        # Opened by an invalid reading: what follows up to the first usable one is in doubt.
        ([_at(0, 5, INVALID), _at(15, 6, INVALID), _at(30, 9), _at(45, 10)], {63: 4, 1: 1}),
        ([_at(0, None), _at(15, 6), _at(30, 9)], {1: 3}),
        # An invalid reading of a time that a usable one then has is no opening.
        ([_at(15, 6, INVALID), _at(15, 7), _at(30, 9)], {1: 2}),
        ([_at(15, 6, INVALID), _at(0, 5), _at(15, 7)], {1: 2}),
        # A clock that went back: the marked reading disturbs, the old time counts once.
        ([_at(0, 5), _at(15, 6), _at(0, 9, INVALID), _at(30, 12)], {1: 1, 63: 6}),
        ([_at(0, 5), _at(15, 6), _at(0, 9), _at(30, 12)], {1: 7}),
        # Off the raster and outside the period.
        ([_at(-15, 0), _at(0, 5), _at(7, 6), _at(15, 7), _at(1455, 99), _at(7, 6, INVALID)], {1: 2}),
        # A disturbance after the last usable reading books nothing yet.
        ([_at(0, 5), _at(15, 6), _at(30, None)], {1: 1}),
        # Both halves of the day.
        ([_at(705, 5), _at(720, 6), _at(735, 8), _at(750, 9)], {1: 1, 2: 3}),
    ],
)
@pytest.mark.req("TAF-20")
def test_where_energy_goes(readings: list[SignedReading], sums: dict[int, int]) -> None:
    assert {stage: raw for stage, raw in _both(readings).sums().items() if raw} == sums


def test_bookings_follow_each_other_without_hole_and_name_their_reason() -> None:
    state = _both([_at(0, 1), _at(15, 2), _at(30, 4), _at(60, 5), _at(75, None), _at(90, 7), _at(105, 8)])
    assert [(run.stage, run.reason, run.raw) for run in state.runs] == [
        (1, Reason.RULE, 3),
        (63, Reason.GAP, 1),
        (63, Reason.INVALID, 2),
        (1, Reason.RULE, 1),
    ]
    ends: list[Run] = list(state.runs)
    assert [run.first for run in ends[1:]] == [run.last for run in ends[:-1]]
    assert set(REASONS) == set(Reason)


@pytest.mark.parametrize(("day", "hours"), [((2026, 3, 29), 23), ((2026, 11, 4), 24), ((2026, 10, 25), 25)])
@pytest.mark.req("TAF-21")
def test_a_register_period_of_a_day_has_the_hours_of_the_local_day(day: tuple[int, int, int], hours: int) -> None:
    start, end = local(*day), local(*day[:2], day[2] + 1)
    frame = Frame(start, end, 86_400)
    first, last = microseconds(start), microseconds(end)
    assert last - first == hours * 3600 * 1_000_000
    assert frame.takes(first) and frame.takes(last) and not frame.takes(first + 3600 * 1_000_000)
    assert frame.is_one_period(first, last)
    assert not frame.is_one_period(first, last - 3600 * 1_000_000)


def test_off_the_raster_a_period_is_the_longest_interval() -> None:
    frame = Frame(START, END, raster=False)
    start = microseconds(START)
    assert frame.takes(start + 1)
    assert frame.is_one_period(start, start + 1)
    assert frame.is_one_period(start, start + 900_000_000)
    assert not frame.is_one_period(start, start + 900_000_001)


@pytest.mark.req("TAF-20", "MEAS-03")
def test_registers_name_the_readings_that_they_came_from() -> None:
    readings = [_at(0, 1), _at(15, 2), _at(45, 5), _at(60, 9)]
    values = register_values(FRAME, (2, 1), _both(readings), taf=3, profile_id="p.sm", obis=ACTIVE_ENERGY_IMPORT, created_at=CREATED)
    assert [(str(value.obis), value.raw, value.inputs) for value in values] == [
        ("1-0:1.8.1*255", 5, (0, 15, 45, 60)),
        ("1-0:1.8.2*255", 0, ()),
        ("1-0:1.8.63*255", 3, (15, 45)),
        ("1-0:1.8.0*255", 8, (0, 60)),
    ]
    assert {(value.period_start, value.period_end, value.scaler, value.unit, value.taf) for value in values} == {(START, END, -1, 30, 3)}
    empty = register_values(FRAME, (1,), State(), taf=3, profile_id="p.sm", obis=ACTIVE_ENERGY_IMPORT, created_at=CREATED)
    assert [value.raw for value in empty] == [None, None, None]


def test_the_gateway_words_of_the_usable_readings_are_joined() -> None:
    state = _both([_at(0, 1), _at(15, 2, GATEWAY_OK | GatewayStatus.WARNING), _at(30, 2, INVALID)])
    assert state.status == GATEWAY_OK | GatewayStatus.WARNING

"""TAF 8: highest and lowest average power, by month or over all, in a window where wanted."""

from collections.abc import Mapping
from datetime import datetime, timedelta

import pytest
from tests.tariff.series import CREATED, METER_ID, local, reading

from smgw.core.errors import DomainFault
from smgw.core.obis import ACTIVE_ENERGY_IMPORT
from smgw.core.reading import SignedReading
from smgw.core.register import RegisterValue
from smgw.core.status_word import GATEWAY_OK, GatewayStatus
from smgw.tariff.rules import ExtremeRules, Window
from smgw.tariff.stages import Frame
from smgw.tariff.taf08 import MAXIMUM, MINIMUM, evaluate

START, END = local(2026, 10, 1), local(2026, 12, 1)
FRAME = Frame(START, END)
QUARTER = timedelta(minutes=15)


def _series(start: datetime, end: datetime, peaks: Mapping[datetime, int]) -> list[SignedReading]:
    """Give readings of 10 units a quarter hour, other amounts for the quarter hours that start at the given times."""
    readings, raw, moment = [], 1000, start
    while moment <= end:
        readings.append(reading(moment, raw, sequence=len(readings) + 1))
        raw += peaks.get(moment, 10)
        moment += QUARTER
    return readings


def _extremes(readings: list[SignedReading], rules: ExtremeRules, frame: Frame = FRAME) -> list[RegisterValue]:
    return evaluate(
        frame, rules, readings, meter_id=METER_ID, obis=ACTIVE_ENERGY_IMPORT, profile_id="taf8-1.sm", created_at=CREATED
    )  # fmt: skip


def test_power_needs_a_period_that_divides_an_hour() -> None:
    with pytest.raises(DomainFault) as caught:
        _extremes([], ExtremeRules(), Frame(START, END, 86_400))
    assert caught.value.code == "tariff.power"


def test_without_usable_period_there_is_no_extreme() -> None:
    assert _extremes([], ExtremeRules()) == []
    assert _extremes([reading(START, 1), reading(START + 2 * QUARTER, 2)], ExtremeRules()) == []


@pytest.mark.req("TAF-08", "TAF-21")
def test_each_local_month_has_its_own_extremes() -> None:
    # The last quarter hour of October lies in November by UTC+2, and in October by local time.
    peaks = {local(2026, 10, 31, 23, 45): 400, local(2026, 10, 5, 7): 3, local(2026, 11, 30, 23, 45): 300, local(2026, 11, 2): 2}
    values = _extremes(_series(START, END, peaks), ExtremeRules())
    assert [(value.obis.d, value.raw, value.period_start) for value in values] == [
        (MAXIMUM, 1600, local(2026, 10, 31, 23, 45)),
        (MINIMUM, 12, local(2026, 10, 5, 7)),
        (MAXIMUM, 1200, local(2026, 11, 30, 23, 45)),
        (MINIMUM, 8, local(2026, 11, 2)),
    ]
    assert {(value.scaler, value.unit, value.taf, value.period_end - value.period_start) for value in values} == {(-1, 27, 8, QUARTER)}
    readings = _series(START, END, peaks)
    highest = values[0]
    assert [readings[number - 1].reading.target_time for number in highest.inputs] == [highest.period_start, highest.period_end]
    over_all = _extremes(readings, ExtremeRules(span="period"))
    assert [(value.obis.d, value.raw) for value in over_all] == [(MAXIMUM, 1600), (MINIMUM, 8)]


@pytest.mark.req("TAF-08")
def test_of_equal_values_the_earliest_counts() -> None:
    values = _extremes(_series(START, START + timedelta(days=1), {}), ExtremeRules())
    assert [value.period_start for value in values] == [START, START]


@pytest.mark.req("TAF-08")
def test_invalid_periods_are_left_out() -> None:
    peak = local(2026, 10, 7, 12)
    readings = _series(START, local(2026, 10, 10), {peak: 500, peak + 4 * QUARTER: 90})
    for place, signed in enumerate(readings):
        if signed.reading.target_time == peak:
            status = GATEWAY_OK | GatewayStatus.TIME_NOT_VALID
            readings[place] = reading(peak, signed.reading.raw, sequence=signed.sequence, gateway_status=status)
    highest, _ = _extremes(readings, ExtremeRules())
    assert (highest.raw, highest.period_start) == (360, peak + 4 * QUARTER)


@pytest.mark.parametrize(
    ("window", "highest"),
    [
        (("17:00", "20:00"), local(2026, 10, 9, 17)),
        (("22:00", "06:00"), local(2026, 10, 8, 5, 45)),
        (("02:00", "03:00"), local(2026, 10, 25, 2, 15, fold=1)),
    ],
)
@pytest.mark.req("TAF-08", "TAF-21")
def test_only_periods_inside_the_window_of_local_time_count(window: tuple[str, str], highest: datetime) -> None:
    peaks = {
        local(2026, 10, 9, 12): 900,
        local(2026, 10, 9, 17): 100,
        local(2026, 10, 9, 20): 800,
        local(2026, 10, 8, 5, 45): 50,
        local(2026, 10, 25, 2, 15, fold=1): 40,
    }
    values = _extremes(_series(START, END, peaks), ExtremeRules(span="period", window=Window(start=window[0], end=window[1])))
    assert values[0].period_start == highest

"""TAF 7: every period end of the day, values as they are, gaps as gaps."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.tariff.series import local, profile, reading

from smgw.core.errors import DomainFault
from smgw.core.obis import ACTIVE_ENERGY_EXPORT, ACTIVE_ENERGY_IMPORT
from smgw.core.status_word import GATEWAY_OK, GatewayStatus, PtbStatus
from smgw.tariff.common import boundaries
from smgw.tariff.taf07 import evaluate

START, END = local(2026, 11, 21), local(2026, 11, 22)
QUARTER = timedelta(minutes=15)


def test_a_period_that_divides_no_day_is_refused() -> None:
    with pytest.raises(DomainFault) as fault:
        evaluate(profile(7, period_s=1000), [], START, END)
    assert fault.value.code == "tariff.raster"


@pytest.mark.req("TAF-07", "MEAS-02")
def test_without_readings_every_place_is_a_gap() -> None:
    series = evaluate(profile(7), [], START, END)
    assert len(series) == 96
    for value in series:
        assert value.source is None
        assert value.reading.raw is None
        assert value.reading.gateway_status == GATEWAY_OK | GatewayStatus.NO_VALUE
        assert value.reading.ptb is PtbStatus.TEMPORARY_ERROR


@pytest.mark.req("TAF-07", "MEAS-02", "TAF-21")
@pytest.mark.parametrize(("day", "places"), [((2026, 3, 29), 92), ((2026, 11, 21), 96), ((2026, 10, 25), 100)])
def test_a_whole_day_is_given_as_it_is(day: tuple[int, int, int], places: int) -> None:
    start, end = local(*day), local(*day[:2], day[2] + 1)
    readings = [reading(moment, place, sequence=place) for place, moment in enumerate(boundaries(start, end, 900), 1)]
    outside = [reading(start, 0, sequence=500), reading(end + QUARTER, 999, sequence=501)]
    series = evaluate(profile(7), [*outside, *readings], start, end)
    assert [value.source for value in series] == readings
    assert [value.reading for value in series] == [signed.reading for signed in readings]
    assert len(series) == places


@pytest.mark.req("TAF-07", "MEAS-02")
def test_gaps_and_marked_values_stay_visible() -> None:
    early = reading(START + QUARTER, 100, sequence=1, scaler=-2)
    between = reading(START + QUARTER * 3 // 2, 150, sequence=2)
    marked = reading(START + QUARTER * 3, 300, sequence=3, gateway_status=GATEWAY_OK | GatewayStatus.TIME_NOT_VALID)
    stored_gap = reading(START + QUARTER * 4, None, sequence=4, gateway_status=GATEWAY_OK | GatewayStatus.NO_VALUE)
    series = evaluate(profile(7), [early, between, marked, stored_gap], START, START + QUARTER * 5)
    assert [value.source for value in series] == [early, None, marked, stored_gap, None]
    assert [(value.reading.raw, value.reading.scaler, value.reading.unit) for value in series] == [
        (100, -2, 30), (None, -2, 30), (300, -1, 30), (None, -1, 30), (None, -1, 30),
    ]  # fmt: skip
    assert [value.reading.target_time for value in series] == [START + QUARTER * place for place in range(1, 6)]


@pytest.mark.req("TAF-07", "LMN-07")
def test_registers_follow_each_other_in_the_profiles_order() -> None:
    both = profile(7, str(ACTIVE_ENERGY_EXPORT), str(ACTIVE_ENERGY_IMPORT), period_s=3600)
    readings = [reading(END, 5, obis=ACTIVE_ENERGY_IMPORT), reading(END, 6, obis=ACTIVE_ENERGY_EXPORT)]
    series = evaluate(both, readings, START, END)
    assert [value.reading.obis for value in series] == [ACTIVE_ENERGY_EXPORT] * 24 + [ACTIVE_ENERGY_IMPORT] * 24
    assert [value.reading.raw for value in series if value.source] == [6, 5]


@given(
    start=st.datetimes(datetime(2025, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 (hypothesis adds the zone)
    minutes=st.integers(0, 1500),
    kept=st.sets(st.integers(0, 100)),
)
def test_nothing_is_invented_and_nothing_left_out(start: datetime, minutes: int, kept: set[int]) -> None:
    end = start + timedelta(minutes=minutes)
    raster = list(boundaries(start, end, 900))
    readings = [reading(moment, place, sequence=place + 1) for place, moment in enumerate(raster) if place in kept]
    series = evaluate(profile(7), readings, start, end)
    assert [value.reading.target_time for value in series] == raster
    assert [value.source for value in series if value.source] == readings
    assert all((value.source is None) == (value.reading.raw is None) for value in series)

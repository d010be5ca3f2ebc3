"""TAF 4: which stage the energy since the start of the billing period has reached."""

from collections.abc import Sequence
from datetime import timedelta
from functools import reduce

import pytest
from tests.tariff.series import CREATED, local, reading

from smgw.core.obis import ACTIVE_ENERGY_IMPORT
from smgw.core.reading import SignedReading
from smgw.core.status_word import GATEWAY_OK, GatewayStatus
from smgw.tariff.rules import Bands
from smgw.tariff.stages import Frame, Reason
from smgw.tariff.taf04 import State, evaluate, register_values, step

START, END = local(2026, 11, 1), local(2026, 12, 1)
FRAME = Frame(START, END)
BANDS = Bands(thresholds=(100, 250), stages=(1, 2, 3))


def _series(*amounts: int | None, scaler: int = 0) -> list[SignedReading]:
    readings, raw = [reading(START, 7000, sequence=0, scaler=scaler)], 7000
    for number, amount in enumerate(amounts, 1):
        if amount is not None:
            raw += amount
            readings.append(reading(START + timedelta(minutes=15 * number), raw, sequence=number, scaler=scaler))
    return readings


def _both(readings: Sequence[SignedReading], bands: Bands = BANDS, frame: Frame = FRAME) -> State:
    state = reduce(lambda held, signed: step(frame, bands, held, signed), readings, State())
    assert evaluate(frame, bands, readings) == state
    assert sum(state.sums().values()) == state.total
    return state


@pytest.mark.parametrize(
    ("amounts", "sums"),
    [
        ((0,), {1: 0}),
        ((60, 40), {1: 100}),
        # Up to and with the threshold; the interval that passes it goes wholly into the new stage.
        ((60, 41), {1: 60, 2: 41}),
        ((60, 41, 149, 1), {1: 60, 2: 190, 3: 1}),
        # Past two thresholds at once.
        ((60, 500, 1), {1: 60, 3: 501}),
        ((1000,), {3: 1000}),
        # A gap goes to the error register, but its energy counts for the bands.
        ((60, None, 41, 10), {1: 60, 63: 41, 2: 10}),
        ((60, None, 10, 10), {1: 70, 63: 10}),
        # A register that falls.
        ((60, 50, -20, 5), {1: 65, 2: 50, 63: -20}),
        ((90, -5, 10), {1: 100, 63: -5}),
    ],
)
@pytest.mark.req("TAF-04", "TAF-20")
def test_the_interval_that_passes_a_threshold_goes_wholly_into_the_new_stage(amounts: tuple[int | None, ...], sums: dict[int, int]) -> None:
    assert _both(_series(*amounts)).sums() == sums


@pytest.mark.req("TAF-04")
def test_the_change_lies_at_the_reading_that_opens_the_interval() -> None:
    state = _both(_series(60, 41, 5))
    assert [(run.stage, run.first.sequence, run.last.sequence) for run in state.runs] == [(1, 0, 1), (2, 1, 3)]


@pytest.mark.req("TAF-04", "TIME-01")
def test_a_clock_fault_leads_to_the_error_register_even_within_one_band() -> None:
    readings = _series(10, 10, 10, 10)
    status = GATEWAY_OK | GatewayStatus.TIME_NOT_VALID
    readings[2] = reading(START + timedelta(minutes=30), 7020, sequence=2, scaler=0, gateway_status=status)
    state = _both(readings)
    assert state.sums() == {1: 20, 63: 20}
    assert state.runs[1].reason is Reason.INVALID


@pytest.mark.req("TAF-04")
def test_an_invalid_opening_reading_is_where_the_quantity_counts_from() -> None:
    readings = _series(60, 30, 30)
    readings[0] = reading(START, 7000, sequence=0, scaler=0, gateway_status=GATEWAY_OK | GatewayStatus.NOT_FOR_BILLING)
    assert _both(readings).sums() == {63: 60, 1: 30, 2: 30}


@pytest.mark.req("TAF-04", "MEAS-03")
def test_thresholds_in_kwh_and_readings_in_tenths_of_a_wh() -> None:
    bands = Bands(thresholds=(1,), stages=(1, 2), scaler=3)
    assert _both(_series(9_999, 1, 1, scaler=-1), bands).sums() == {1: 10_000, 2: 1}


@pytest.mark.parametrize("day", [(2026, 3, 28), (2026, 10, 24)])
@pytest.mark.req("TAF-04", "TAF-21")
def test_daily_readings_around_a_change_of_the_clocks(day: tuple[int, int, int]) -> None:
    days = [local(*day[:2], day[2] + number) for number in range(4)]
    readings = [reading(moment, 70 * number, sequence=number, scaler=0) for number, moment in enumerate(days)]
    assert _both(readings, frame=Frame(days[0], days[-1], 86_400)).sums() == {1: 70, 2: 140}


def test_registers_of_all_bands() -> None:
    state = _both(_series(60, 41))
    values = register_values(FRAME, BANDS, state, profile_id="taf4-1.sm", obis=ACTIVE_ENERGY_IMPORT, created_at=CREATED)
    assert [(value.taf, value.obis.e, value.raw) for value in values] == [(4, 1, 60), (4, 2, 41), (4, 3, 0), (4, 63, 0), (4, 0, 101)]

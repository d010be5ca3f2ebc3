"""TAF 3: which band the average power of a register period lies in."""

from collections.abc import Sequence
from datetime import timedelta
from functools import reduce

import pytest
from tests.tariff.series import CREATED, local, reading

from smgw.core.errors import DomainFault
from smgw.core.obis import ACTIVE_ENERGY_IMPORT
from smgw.core.reading import SignedReading
from smgw.core.status_word import GATEWAY_OK, GatewayStatus
from smgw.tariff.rules import Bands
from smgw.tariff.stages import Frame, Reason
from smgw.tariff.taf03 import State, evaluate, register_values, step

START, END = local(2026, 11, 4), local(2026, 11, 5)
FRAME = Frame(START, END)
HOUR = timedelta(hours=1)
BANDS = Bands(thresholds=(500, 2000), stages=(1, 2, 3))


def _series(*amounts: int | None, period_s: int = 900, unit: int = 30, scaler: int = -1) -> list[SignedReading]:
    """Give readings from the start on, each higher by an amount; None leaves one out."""
    readings, raw = [reading(START, 1000, sequence=0, unit=unit, scaler=scaler)], 1000
    for number, amount in enumerate(amounts, 1):
        if amount is not None:
            raw += amount
            readings.append(reading(START + timedelta(seconds=number * period_s), raw, sequence=number, unit=unit, scaler=scaler))
    return readings


def _both(readings: Sequence[SignedReading], bands: Bands = BANDS, frame: Frame = FRAME) -> State:
    state = reduce(lambda held, signed: step(frame, bands, held, signed), readings, State())
    assert evaluate(frame, bands, readings) == state
    assert sum(state.sums().values()) == state.total
    return state


@pytest.mark.parametrize(
    ("frame", "readings"),
    [
        (Frame(START, END, 86_400), _series(1)),
        (Frame(START + HOUR, END + HOUR, 7200), _series(1)),
        (FRAME, _series(1, unit=35)),
    ],
)
def test_no_power_without_a_period_that_divides_an_hour_or_a_unit_of_energy(frame: Frame, readings: list[SignedReading]) -> None:
    for refused in (lambda: evaluate(frame, BANDS, readings), lambda: _both(readings, frame=frame)):
        with pytest.raises(DomainFault) as caught:
            refused()
        assert caught.value.code == "tariff.power"


@pytest.mark.parametrize(
    ("amounts", "sums"),
    [
        # 0.1 Wh in a quarter hour are 0.4 W: 1249 is 499.6 W, 1250 is 500 W, 4999 is 1999.6 W, 5000 is 2000 W.
        ((0,), {1: 0}),
        ((1249,), {1: 1249}),
        ((1250,), {2: 1250}),
        ((4999,), {2: 4999}),
        ((5000,), {3: 5000}),
        ((10**12,), {3: 10**12}),
        # No average power over a gap, and none of a register that falls.
        ((100, None, 100, 100), {1: 200, 63: 100}),
        ((100, -3, 100), {1: 200, 63: -3}),
    ],
)
@pytest.mark.req("TAF-03", "TAF-20")
def test_a_threshold_belongs_to_the_band_above_it(amounts: tuple[int | None, ...], sums: dict[int, int]) -> None:
    assert _both(_series(*amounts)).sums() == sums


@pytest.mark.parametrize("status", [GatewayStatus.TIME_NOT_VALID, GatewayStatus.NOT_FOR_BILLING, GatewayStatus.ERROR])
@pytest.mark.req("TAF-03", "TIME-01")
def test_a_clock_fault_or_an_invalid_reading_leads_to_the_error_register(status: GatewayStatus) -> None:
    readings = _series(1250, 1250, 1250, 1250)
    readings[2] = reading(START + timedelta(minutes=30), 3500, sequence=2, gateway_status=GATEWAY_OK | status)
    state = _both(readings)
    assert state.sums() == {2: 2500, 63: 2500}
    assert [run.reason for run in state.runs] == [Reason.RULE, Reason.INVALID, Reason.RULE]


@pytest.mark.parametrize(
    ("bands", "scaler", "period_s", "amounts", "stages"),
    [
        # Thresholds in kW, registers in Wh: 500 Wh in a quarter hour are 2 kW.
        (Bands(thresholds=(2,), stages=(1, 2), scaler=3), 0, 900, (499, 500), [1, 2]),
        # Thresholds in mW.
        (Bands(thresholds=(1999,), stages=(1, 2), scaler=-3), -4, 3600, (19_989, 19_990), [1, 2]),
        # Registers in kWh, minutes: 1 kWh in a minute is 60 kW.
        (Bands(thresholds=(60_000,), stages=(4, 7)), 3, 60, (0, 1), [4, 7]),
        (Bands(thresholds=(), stages=(9,)), -1, 900, (0, 5), [9]),
    ],
)
@pytest.mark.req("TAF-03", "MEAS-03")
def test_scalers_are_compared_exactly(bands: Bands, scaler: int, period_s: int, amounts: tuple[int, ...], stages: list[int]) -> None:
    state = _both(_series(*amounts, period_s=period_s, scaler=scaler), bands, Frame(START, END, period_s))
    assert [run.stage for run in state.runs] == stages


@pytest.mark.parametrize(("day", "quarters"), [((2026, 3, 29), 92), ((2026, 10, 25), 100)])
@pytest.mark.req("TAF-03", "TAF-21")
def test_days_on_which_the_clocks_change_lose_nothing(day: tuple[int, int, int], quarters: int) -> None:
    start, end = local(*day), local(*day[:2], day[2] + 1)
    readings = [reading(start + timedelta(minutes=15 * n), 1250 * n, sequence=n) for n in range(quarters + 1)]
    assert readings[-1].reading.target_time == end
    assert _both(readings, frame=Frame(start, end)).sums() == {2: 1250 * quarters}


def test_registers_of_all_bands() -> None:
    values = register_values(FRAME, BANDS, _both(_series(100, 1250)), profile_id="taf3-1.sm", obis=ACTIVE_ENERGY_IMPORT, created_at=CREATED)
    assert [(value.taf, value.obis.e, value.raw) for value in values] == [(3, 1, 100), (3, 2, 1250), (3, 3, 0), (3, 63, 0), (3, 0, 1350)]

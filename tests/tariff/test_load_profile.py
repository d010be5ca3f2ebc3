"""Load profiles: exact average power, gaps that stay gaps, and a transformer factor on derived values only."""

from datetime import timedelta

import pytest
from tests.tariff.series import METER_ID, local, numbered, reading

from smgw.core.errors import DomainFault
from smgw.core.obis import ACTIVE_ENERGY_EXPORT, ACTIVE_ENERGY_IMPORT
from smgw.core.quantity import Quantity, Unit
from smgw.core.status_word import GATEWAY_OK, GatewayStatus
from smgw.tariff.load_profile import average_power, check_power, load_profile

START = local(2026, 11, 4)
QUARTER = timedelta(minutes=15)


@pytest.mark.parametrize(("period_s", "unit"), [(0, 30), (-900, 30), (7, 30), (7200, 30), (86_400, 30), (900, 35), (900, 255)])
def test_power_needs_a_period_that_divides_an_hour_and_a_unit_of_energy(period_s: int, unit: int) -> None:
    with pytest.raises(DomainFault) as caught:
        check_power(period_s, unit)
    assert caught.value.code == "tariff.power"


def test_a_factor_below_one_is_refused() -> None:
    with pytest.raises(DomainFault) as caught:
        load_profile([], METER_ID, ACTIVE_ENERGY_IMPORT, START, START + QUARTER, factor=0)
    assert caught.value.code == "tariff.rules"


@pytest.mark.parametrize(
    ("energy", "period_s", "power"),
    [
        (Quantity(125, -1, Unit.WATT_HOUR), 900, Quantity(500, -1, Unit.WATT)),
        (Quantity(125, -1, Unit.WATT_HOUR), 60, Quantity(7500, -1, Unit.WATT)),
        (Quantity(125, -1, Unit.WATT_HOUR), 3600, Quantity(125, -1, Unit.WATT)),
        (Quantity(7, 0, Unit.VAR_HOUR), 1800, Quantity(14, 0, Unit.VAR)),
        (Quantity(3, -2, Unit.CUBIC_METRE), 3600, Quantity(3, -2, Unit.CUBIC_METRE_PER_HOUR)),
    ],
)
@pytest.mark.req("MEAS-05", "MEAS-03")
def test_average_power_is_exact(energy: Quantity, period_s: int, power: Quantity) -> None:
    assert average_power(energy, period_s) == power


@pytest.mark.req("MEAS-05")
def test_each_period_stands_for_itself_and_a_gap_stays_one() -> None:
    readings = numbered(
        [
            reading(START, 1000),
            reading(START + QUARTER, 1010),
            reading(START + 3 * QUARTER, 1050),
            reading(START + 4 * QUARTER, 1060, gateway_status=GATEWAY_OK | GatewayStatus.TIME_NOT_VALID),
            reading(START + 5 * QUARTER, 1070),
            reading(START + 6 * QUARTER, 1065),
            reading(START + 7 * QUARTER, 1080, gateway_status=GATEWAY_OK | GatewayStatus.WARNING),
            reading(START + 8 * QUARTER, 109, unit=32),
            reading(START + 7 * QUARTER, 9999, obis=ACTIVE_ENERGY_EXPORT),
        ]
    )
    loads = load_profile(readings, METER_ID, ACTIVE_ENERGY_IMPORT, START, START + 8 * QUARTER)
    assert [load.power.raw if load.power else None for load in loads] == [40, None, None, None, None, None, 60, None]
    assert [load.energy.raw if load.energy else None for load in loads] == [10, None, None, None, None, None, 15, None]
    assert [load.inputs for load in loads] == [(1, 2), (2,), (3,), (3, 4), (4, 5), (5, 6), (6, 7), (7, 8)]
    assert [(load.start, load.end) for load in loads] == [(START + n * QUARTER, START + (n + 1) * QUARTER) for n in range(8)]
    marked = [bool(load.gateway_status & GatewayStatus.NO_VALUE) for load in loads]
    assert marked == [load.power is None for load in loads]
    assert loads[3].gateway_status & GatewayStatus.TIME_NOT_VALID
    assert loads[6].gateway_status == GATEWAY_OK | GatewayStatus.WARNING


@pytest.mark.req("MEAS-05")
def test_the_transformer_factor_changes_derived_values_and_no_reading() -> None:
    readings = [reading(START, 1000), reading(START + QUARTER, 1010)]
    before = [signed.reading for signed in readings]
    (load,) = load_profile(readings, METER_ID, ACTIVE_ENERGY_IMPORT, START, START + QUARTER, factor=40)
    assert (load.energy, load.power) == (Quantity(400, -1, 30), Quantity(1600, -1, 27))
    assert [signed.reading for signed in readings] == before


@pytest.mark.parametrize(("day", "periods"), [((2026, 3, 29), 92), ((2026, 11, 4), 96), ((2026, 10, 25), 100)])
@pytest.mark.req("MEAS-05", "TAF-21")
def test_a_day_has_its_own_number_of_periods(day: tuple[int, int, int], periods: int) -> None:
    start, end = local(*day), local(*day[:2], day[2] + 1)
    readings = [reading(start + number * QUARTER, number * 5) for number in range(periods + 1)]
    loads = load_profile(readings, METER_ID, ACTIVE_ENERGY_IMPORT, start, end)
    assert [load.power for load in loads] == [Quantity(20, -1, 27)] * periods


@pytest.mark.req("MEAS-05", "MEAS-03")
def test_a_changed_scaler_loses_no_digit() -> None:
    readings = [reading(START, 100, scaler=0), reading(START + QUARTER, 1013, scaler=-1)]
    (load,) = load_profile(readings, METER_ID, ACTIVE_ENERGY_IMPORT, START, START + QUARTER)
    assert load.power == Quantity(52, -1, 27)

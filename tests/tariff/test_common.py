"""Boundaries of register periods, across changes of the clock."""

from datetime import timedelta

import pytest
from tests.tariff.series import METER_ID, local, reading

from smgw.core.errors import DomainFault
from smgw.core.obis import ACTIVE_ENERGY_EXPORT, ACTIVE_ENERGY_IMPORT
from smgw.core.status_word import GATEWAY_OK, METER_FATAL, METER_IDENTIFICATION, GatewayStatus
from smgw.tariff.common import boundaries, is_usable, series_of

DAY = local(2026, 11, 21)


@pytest.mark.parametrize("period_s", [0, -900, 7, 86_401, 172_800])
def test_a_period_must_divide_the_day(period_s: int) -> None:
    with pytest.raises(DomainFault) as fault:
        list(boundaries(DAY, DAY, period_s))
    assert fault.value.code == "tariff.raster"


@pytest.mark.req("MEAS-02", "TAF-21")
@pytest.mark.parametrize(("day", "hours"), [((2026, 3, 29), 23), ((2026, 11, 21), 24), ((2026, 10, 25), 25)])
def test_a_day_has_its_own_number_of_periods(day: tuple[int, int, int], hours: int) -> None:
    start, end = local(*day), local(*day[:2], day[2] + 1)
    for period_s in (60, 900, 1800, 3600):
        ends = list(boundaries(start, end, period_s))
        assert len(ends) == hours * 3600 // period_s
        assert (ends[0], ends[-1]) == (start + timedelta(seconds=period_s), end)
    assert list(boundaries(start, end, 86_400)) == [end]


def test_start_is_outside_and_end_inside() -> None:
    assert list(boundaries(DAY, DAY, 900)) == []
    assert list(boundaries(DAY - timedelta(seconds=1), DAY, 900)) == [DAY]
    assert list(boundaries(DAY - timedelta(seconds=1), DAY, 86_400)) == [DAY]
    assert list(boundaries(DAY, DAY + timedelta(seconds=899), 900)) == []


@pytest.mark.parametrize(
    ("raw", "gateway_status", "meter_status", "usable"),
    [
        (1, GATEWAY_OK, METER_IDENTIFICATION, True),
        (1, GATEWAY_OK | GatewayStatus.WARNING, METER_IDENTIFICATION, True),
        (None, GATEWAY_OK, METER_IDENTIFICATION, False),
        (1, GATEWAY_OK | GatewayStatus.TIME_NOT_VALID, METER_IDENTIFICATION, False),
        (1, GATEWAY_OK | GatewayStatus.NOT_FOR_BILLING, METER_IDENTIFICATION, False),
        (1, GATEWAY_OK, METER_IDENTIFICATION | METER_FATAL, False),
    ],
)
def test_only_unmarked_values_are_billed(raw: int | None, gateway_status: int, meter_status: int, usable: bool) -> None:
    assert is_usable(reading(DAY, raw, gateway_status=gateway_status, meter_status=meter_status).reading) is usable


def test_a_series_is_one_register_of_one_meter_in_order() -> None:
    first, second = DAY, DAY + timedelta(minutes=15)
    kept = [reading(first, 1, sequence=7), reading(second, 2, sequence=3)]
    others = [
        reading(first, 9, sequence=8),
        reading(first, 9, sequence=1, obis=ACTIVE_ENERGY_EXPORT),
        reading(first, 9, sequence=2, meter_id="1SGW0010000002"),
    ]
    assert list(series_of([*others, *reversed(kept)], METER_ID, ACTIVE_ENERGY_IMPORT).values()) == kept

"""Findings: whatever does not count is counted aloud."""

from datetime import timedelta

import pytest
from tests.tariff.series import METER_ID, local, reading

from smgw.core.errors import DomainFault
from smgw.core.obis import ACTIVE_ENERGY_EXPORT, ACTIVE_ENERGY_IMPORT
from smgw.core.status_word import GATEWAY_OK, GatewayStatus
from smgw.tariff.outcome import amount_text, choose_meter, findings_of, local_text
from smgw.tariff.profile_file import Taf01Profile, Taf07Profile, Taf13Profile, read_profile

HEAD = 'tariff_use_case = %d\nname = "t.sm"\nregisters = ["1-0:1.8.0*255"]\nstart = 2026-11-04\nend = 2026-11-05\n'
START = local(2026, 11, 4)
SERIES = read_profile((HEAD % 7).encode())
QUARTER = timedelta(minutes=15)


@pytest.mark.parametrize(
    ("meter_id", "readings", "code"),
    [
        ("", [], "tariff.no_readings"),
        ("", [reading(START, 1), reading(START, 1, meter_id="1SGW0010000002")], "tariff.meter"),
        ("1SGW0010000003", [reading(START, 1)], "tariff.no_readings"),
        ("", [reading(START, 1, obis=ACTIVE_ENERGY_EXPORT)], "tariff.no_readings"),
    ],
)
def test_the_meter_must_be_clear_and_have_readings(meter_id: str, readings: list[object], code: str) -> None:
    profile = read_profile((HEAD % 7 + f'meter_id = "{meter_id}"\n').encode())
    with pytest.raises(DomainFault) as caught:
        choose_meter(profile, readings)  # type: ignore[arg-type]
    assert caught.value.code == code


def test_a_named_meter_is_taken_from_many() -> None:
    profile = read_profile((HEAD % 7 + f'meter_id = "{METER_ID}"\n').encode())
    assert choose_meter(profile, [reading(START, 1), reading(START, 1, meter_id="1SGW0010000002")]) == METER_ID
    assert choose_meter(SERIES, [reading(START, 1)]) == METER_ID


@pytest.mark.req("MEAS-02")
def test_every_reading_that_does_not_count_is_found() -> None:
    assert isinstance(SERIES, Taf07Profile)
    readings = [
        *(reading(START + number * QUARTER, number) for number in range(97) if number not in (40, 41)),
        reading(START - QUARTER, 0),
        reading(START + 98 * QUARTER, 0),
        reading(START + 365 * 96 * QUARTER, 0),
        reading(START + 2 * QUARTER, 2),
        reading(START + timedelta(minutes=7), 2),
        reading(START + 40 * QUARTER, None, gateway_status=GATEWAY_OK | GatewayStatus.NO_VALUE),
        reading(START + 40 * QUARTER, 40, gateway_status=GATEWAY_OK | GatewayStatus.TIME_NOT_VALID),
        reading(START, 5, obis=ACTIVE_ENERGY_EXPORT),
    ]
    found = {finding.name: int(finding.text.split()[0]) for finding in findings_of(SERIES, ACTIVE_ENERGY_IMPORT, readings)}
    assert found == {
        "missing": 1,
        "invalid": 1,
        "clock_fault": 1,
        "repeated": 2,
        "out_of_order": 2,
        "off_raster": 1,
        "outside_period": 3,
    }


def test_a_use_case_without_raster_misses_nothing() -> None:
    data_saving = read_profile((HEAD % 1).encode())
    assert isinstance(data_saving, Taf01Profile)
    assert findings_of(data_saving, ACTIVE_ENERGY_IMPORT, [reading(START, 1), reading(START + timedelta(minutes=7), 1)]) == []
    portal = read_profile((HEAD % 13 + 'source = 7\nrecipient = "p.sm"\n').encode())
    assert isinstance(portal, Taf13Profile)
    assert [finding.name for finding in findings_of(portal, ACTIVE_ENERGY_IMPORT, [reading(START, 1)])] == ["missing"]


@pytest.mark.req("TIME-02")
def test_the_hour_that_comes_twice_can_be_told_apart() -> None:
    first, second = local(2026, 10, 25, 2, 30), local(2026, 10, 25, 2, 30, fold=1)
    assert [local_text(moment) for moment in (first, second, START)] == ["2026-10-25 02:30A", "2026-10-25 02:30B", "2026-11-04 00:00"]
    assert local_text(START + timedelta(seconds=5)) == "2026-11-04 00:00:05"
    assert local_text(local(2026, 3, 29, 3, 0)) == "2026-03-29 03:00"


def test_amounts_are_written_exactly() -> None:
    assert [amount_text(12345, -1, 30), amount_text(-5, 0, 27), amount_text(None, 0, 30), amount_text(7, 3, 255)] == [
        "1,234.5 Wh",
        "-5 W",
        "no value",
        "7,000",
    ]

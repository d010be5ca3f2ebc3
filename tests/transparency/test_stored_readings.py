"""Readings of a device file as a gateway stores them."""

from datetime import timedelta

import pytest
from tests import trudi_files as files
from tests.shared import shared_path

from smgw.codec.trudi_xml import read_device_file
from smgw.core.errors import PeerFault
from smgw.core.obis import ACTIVE_ENERGY_EXPORT, ACTIVE_ENERGY_IMPORT
from smgw.core.status_word import PtbStatus
from smgw.transparency.stored_readings import stored_readings

MINUTE = timedelta(minutes=1)


def test_a_file_without_original_list_is_refused() -> None:
    with pytest.raises(PeerFault) as caught:
        stored_readings(files.device(files.meter_reading([files.reading(files.START, 1)], middle="taf2-1")))
    assert caught.value.code == "trudi.no_original_list"


def test_a_unit_that_no_reading_can_have_is_refused() -> None:
    with pytest.raises(PeerFault) as caught:
        stored_readings(files.device(files.meter_reading([files.reading(files.START, 1)], uom=65)))
    assert (caught.value.code, caught.value.detail) == ("readings.unit", "65")


@pytest.mark.req("CON-06", "MEAS-01")
def test_readings_keep_value_unit_and_order() -> None:
    rows = [files.reading(files.START + number * 15 * MINUTE, 100 + number, status) for number, status in enumerate((0, 1, 2, 3, 4))]
    rows.append(files.reading(files.START + 15 * MINUTE, 101))
    exported = files.meter_reading(files.quarter_hours(files.START, files.START + 15 * MINUTE), files.EXPORT, multiplier=3, scaler=-2)
    readings = stored_readings(files.device(files.meter_reading(rows), exported))
    assert [signed.sequence for signed in readings] == list(range(1, 9))
    assert [signed.reading.raw for signed in readings] == [100, 101, 102, 103, 104, 101, 1000, 1010]
    assert {(s.reading.obis, s.reading.scaler, s.reading.unit) for s in readings[:6]} == {(ACTIVE_ENERGY_IMPORT, -1, 30)}
    assert {(s.reading.obis, s.reading.scaler, s.reading.unit) for s in readings[6:]} == {(ACTIVE_ENERGY_EXPORT, 1, 30)}
    ranks = [PtbStatus.NONE, PtbStatus.WARNING, PtbStatus.WARNING, PtbStatus.TEMPORARY_ERROR, PtbStatus.FATAL, PtbStatus.NONE]
    assert [signed.reading.ptb for signed in readings[:6]] == ranks


@pytest.mark.req("MEAS-02")
def test_a_capture_time_near_the_end_of_its_period_stands_for_it() -> None:
    near, far, told = timedelta(seconds=5), timedelta(seconds=20), files.START + 30 * MINUTE
    rows = [
        files.reading(files.START + near, 1),
        files.reading(files.START + 15 * MINUTE + far, 2),
        files.reading(told + far, 3, target_time=told),
    ]
    readings = stored_readings(files.device(files.meter_reading(rows, measurement_period_s=900)))
    assert [signed.reading.target_time for signed in readings] == [files.START, files.START + 15 * MINUTE + far, told]
    assert [signed.reading.capture_time for signed in readings] == [files.START + near, files.START + 15 * MINUTE + far, told + far]


@pytest.mark.shared
@pytest.mark.req("CON-06")
def test_a_recorded_read_out() -> None:
    document = read_device_file(shared_path("trudi", "taf2", "result_single_day_2h_PTBstatus3.xml").read_bytes())
    readings = stored_readings(document)
    assert len(readings) == 97
    assert sum(signed.reading.ptb is PtbStatus.TEMPORARY_ERROR for signed in readings) == 8

"""The simulated meter's telegrams, read back by the gateway's codec."""

from datetime import UTC, datetime, timedelta

import pytest

from smgw.codec.sml import GetListResponse, decode_frame
from smgw.core.identifiers import DeviceId, meter_id_of
from smgw.core.obis import ACTIVE_ENERGY_EXPORT, ACTIVE_ENERGY_IMPORT, ACTIVE_POWER, Obis
from smgw.core.status_word import METER_EXPORT, METER_FATAL, METER_MAGNETIC, meter_word
from smgw.simulation.household import Household
from smgw.simulation.meters.sml_meter import DEVICE, MANUFACTURER, SmlMeter

DEVICE_ID = DeviceId.parse("1SGW0010000001")
NOON, NIGHT = datetime(2026, 6, 21, 11, 0, 2, tzinfo=UTC), datetime(2026, 6, 21, 23, 0, 2, tzinfo=UTC)


def values(telegram: bytes) -> GetListResponse:
    _, message, _ = decode_frame(telegram)
    assert isinstance(message.body, GetListResponse)
    return message.body


@pytest.mark.req("LMN-02")
@pytest.mark.parametrize("moment", [NOON, NIGHT])
def test_a_telegram_carries_the_households_registers(moment: datetime) -> None:
    household = Household("solar", 2)
    body = values(SmlMeter(DEVICE_ID, household).telegram(moment))
    assert meter_id_of(body.server_id) == str(DEVICE_ID)
    entries = {Obis.from_bytes(entry.obis): entry for entry in body.entries}
    assert list(entries) == [MANUFACTURER, DEVICE, ACTIVE_ENERGY_IMPORT, ACTIVE_ENERGY_EXPORT, ACTIVE_POWER]
    assert entries[MANUFACTURER].value == b"SGW"
    assert entries[DEVICE].value == body.server_id
    registers = household.registers_at(moment)
    for obis, scaler, unit in ((ACTIVE_ENERGY_IMPORT, -1, 30), (ACTIVE_ENERGY_EXPORT, -1, 30), (ACTIVE_POWER, 0, 27)):
        entry = entries[obis]
        assert (entry.value, entry.scaler, entry.unit) == (registers[obis], scaler, unit)


def test_the_status_word_tells_direction_tampering_and_failure() -> None:
    meter = SmlMeter(DEVICE_ID, Household("solar", 2))
    assert meter.status_at(NIGHT) == 0x1C0104
    assert meter.status_at(NOON) == 0x1C7904
    assert meter.status_at(NOON) & METER_EXPORT
    meter.tampered = meter.broken = True
    (status,) = {entry.status for entry in values(meter.telegram(NIGHT)).entries if entry.status is not None}
    assert meter_word(status) == 0x1C0104 | METER_MAGNETIC | METER_FATAL


def test_a_restarted_meter_goes_on_where_it_was() -> None:
    first, second = (SmlMeter(DEVICE_ID, Household("household", 4)) for _ in range(2))
    first.telegram(NOON - timedelta(days=3))
    assert first.telegram(NOON) == second.telegram(NOON)
    assert first.telegram(NOON + timedelta(seconds=2)) != second.telegram(NOON)

"""A simulated modern meter that pushes SML through its optical head, as a moderne Messeinrichtung does."""

from datetime import UTC, datetime, timedelta
from typing import Final

from smgw.codec.sml import (
    Body,
    GetListResponse,
    ListEntry,
    PublicCloseResponse,
    PublicOpenResponse,
    SmlMessage,
    SmlTime,
    TimeKind,
    encode_frame,
)
from smgw.core.identifiers import DeviceId, server_id_of
from smgw.core.obis import ACTIVE_ENERGY_EXPORT, ACTIVE_ENERGY_IMPORT, ACTIVE_POWER, Obis
from smgw.core.quantity import Unit
from smgw.core.status_word import METER_EXPORT, METER_FATAL, METER_IDENTIFICATION, METER_MAGNETIC
from smgw.simulation.household import BEGIN, REGISTER_SCALER, Household

MANUFACTURER: Final = Obis(1, 0, 96, 50, 1, 1)
DEVICE: Final = Obis(1, 0, 96, 1, 0)

_LIST_NAME: Final = bytes.fromhex("0100620affff")
_LOAD: Final = 1 << 8
_PHASES_EXPORT: Final = 0b111 << 12
_PHASES_PRESENT: Final = 0b111 << 18
_INT32: Final = 0x55
_UNSIGNED64: Final = 0x69


class SmlMeter:
    """Show a household's registers as the telegrams of one meter.

    The extended data set is sent (registers in tenths of a watt-hour, present power); the clock is a count of seconds since
    installation, as these meters have no calendar. `tampered` and `broken` set the flags of the status word.
    Source: LMN-02; 10-lmn-meter-protocols 9.
    """

    def __init__(self, device_id: DeviceId, household: Household) -> None:
        self.server_id = server_id_of(device_id)
        self.tampered = False
        self.broken = False
        self._maker = device_id.manufacturer.encode()
        self._household = household
        self._installed = datetime(BEGIN.year, BEGIN.month, BEGIN.day, tzinfo=UTC)

    def status_at(self, moment: datetime) -> int:
        """Give the meter's status word: three phases present, load, direction and the flags."""
        watts = self._household.power_at(moment)
        word = METER_IDENTIFICATION | _PHASES_PRESENT
        word |= _LOAD if watts else 0
        word |= METER_EXPORT | _PHASES_EXPORT if watts < 0 else 0
        return word | (METER_MAGNETIC if self.tampered else 0) | (METER_FATAL if self.broken else 0)

    def telegram(self, moment: datetime) -> bytes:
        """Give the whole transport frame that the meter sends at `moment`."""
        registers = self._household.registers_at(moment)
        second = (moment - self._installed) // timedelta(seconds=1)
        entries = (
            ListEntry(bytes(MANUFACTURER), value=self._maker),
            ListEntry(bytes(DEVICE), value=self.server_id),
            _energy(ACTIVE_ENERGY_IMPORT, registers, self.status_at(moment)),
            _energy(ACTIVE_ENERGY_EXPORT, registers),
            ListEntry(bytes(ACTIVE_POWER), unit=Unit.WATT, scaler=0, value=registers[ACTIVE_POWER], value_format=_INT32),
        )
        return frame_of(self.server_id, second, entries)


def frame_of(server_id: bytes, second: int, entries: tuple[ListEntry, ...]) -> bytes:
    """Give the transport frame of a list of entries; `second` counts since the meter was installed."""
    number, index = second.to_bytes(6, "big"), SmlTime(TimeKind.SEC_INDEX, second)
    bodies: tuple[Body, ...] = (
        PublicOpenResponse(req_file_id=number, server_id=server_id, ref_time=index, sml_version=1),
        GetListResponse(server_id, entries, list_name=_LIST_NAME, act_sensor_time=index),
        PublicCloseResponse(),
    )
    return encode_frame(SmlMessage(number + bytes((place,)), body) for place, body in enumerate(bodies))


def _energy(obis: Obis, registers: dict[Obis, int], status: int | None = None) -> ListEntry:
    return ListEntry(
        bytes(obis), status=status, unit=Unit.WATT_HOUR, scaler=REGISTER_SCALER, value=registers[obis], value_format=_UNSIGNED64
    )

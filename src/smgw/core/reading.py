"""Meter readings as the gateway keeps them: unchanged integers with everything needed to judge them."""

import struct
from datetime import datetime

import msgspec

from smgw.core.instant import from_microseconds, microseconds
from smgw.core.obis import Obis
from smgw.core.quantity import Quantity
from smgw.core.status_word import PtbStatus, ptb_status

_HEAD = struct.Struct(">6sbBqqII")


class Reading(msgspec.Struct, frozen=True, gc=False):
    """Hold one original value of one register (German: originärer Messwert).

    Source: MEAS-01; TR-03109-1 Annex VI, chapter 3.
    """

    meter_id: str
    """Printable meter id, see `identifiers.meter_id_of`."""
    obis: Obis
    raw: int | None
    """The integer as the meter sent it; None marks a missing value (status NO_VALUE)."""
    scaler: int
    """The amount is raw * 10**scaler."""
    unit: int
    """DLMS unit code."""
    capture_time: datetime
    """When the gateway received the value's first byte, gateway time, aware UTC."""
    target_time: datetime
    """The period end the value was assigned to, aware UTC."""
    gateway_status: int
    """32-bit gateway word."""
    meter_status: int
    """32-bit meter word (identification only when the meter sent none)."""

    @property
    def quantity(self) -> Quantity | None:
        """Give the amount, or None when the value is missing."""
        return None if self.raw is None else Quantity(self.raw, self.scaler, self.unit)

    @property
    def ptb(self) -> PtbStatus:
        """Rank the value on the PTB scale."""
        return ptb_status(self.gateway_status, self.meter_status)


def canonical_bytes(reading: Reading) -> bytes:
    """Give the octets of a reading that are hashed and signed: the same reading always gives the same octets.

    Layout, big-endian: OBIS (6), scaler (int8), unit (uint8), capture and target time (int64 microseconds since 1970), gateway and meter
    word (uint32 each), flag 00/01 value present, value (9 octets, signed, when present: every 64-bit value of either sign fits), meter id
    (UTF-8, to the end).
    """
    head = _HEAD.pack(
        bytes(reading.obis),
        reading.scaler,
        reading.unit,
        microseconds(reading.capture_time),
        microseconds(reading.target_time),
        reading.gateway_status,
        reading.meter_status,
    )
    value = b"\0" if reading.raw is None else b"\1" + reading.raw.to_bytes(9, "big", signed=True)
    return head + value + reading.meter_id.encode()


def reading_from_canonical(data: bytes) -> Reading:
    """Read back what `canonical_bytes` wrote; only for octets whose origin is already verified."""
    obis, scaler, unit, captured, target, gateway_word, meter_word = _HEAD.unpack_from(data)
    rest = data[_HEAD.size :]
    raw = int.from_bytes(rest[1:10], "big", signed=True) if rest[0] else None
    return Reading(
        meter_id=rest[10 if rest[0] else 1 :].decode(),
        obis=Obis.from_bytes(obis),
        raw=raw,
        scaler=scaler,
        unit=unit,
        capture_time=from_microseconds(captured),
        target_time=from_microseconds(target),
        gateway_status=gateway_word,
        meter_status=meter_word,
    )


class SignedReading(msgspec.Struct, frozen=True, gc=False):
    """Join a reading to the gateway's signature over its canonical octets (r‖s, 64 octets on a 256-bit curve) and its journal number."""

    reading: Reading
    signature: bytes
    sequence: int

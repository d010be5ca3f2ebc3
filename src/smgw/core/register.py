"""Derived register values: what a tariff use case made of readings, with the readings named."""

import struct
from datetime import datetime

import msgspec

from smgw.core.instant import from_microseconds, microseconds
from smgw.core.obis import Obis
from smgw.core.quantity import Quantity

_HEAD = struct.Struct(">B6sbBqqqIB")
_COUNT = struct.Struct(">I")


class RegisterValue(msgspec.Struct, frozen=True, gc=False):
    """Hold one value of one derived register (German: abgeleitetes Register, Tarifstufe) and the readings it came from.

    Source: TAF-20, TAF-24; MEAS-03.
    """

    profile_id: str
    """Id of the evaluation profile that asked for it."""
    taf: int
    """Number of the tariff use case, 1 to 14."""
    obis: Obis
    raw: int | None
    """None when the readings do not allow a value."""
    scaler: int
    """The amount is raw * 10**scaler."""
    unit: int
    """DLMS unit code."""
    period_start: datetime
    period_end: datetime
    gateway_status: int
    """32-bit gateway word, joined from the inputs."""
    inputs: tuple[int, ...]
    """Journal sequence numbers of the readings used, in the order used."""
    created_at: datetime

    @property
    def quantity(self) -> Quantity | None:
        """Give the amount, or None when there is no value."""
        return None if self.raw is None else Quantity(self.raw, self.scaler, self.unit)


def register_canonical_bytes(value: RegisterValue) -> bytes:
    """Give the octets of a register value that are stored and hashed: the same value always gives the same octets.

    Layout, big-endian: tariff use case (uint8), OBIS (6), scaler (int8), unit (uint8), period start, period end and creation (int64
    microseconds since 1970), gateway word (uint32), length of the value in octets (uint8, 0 for no value), value (signed), number of inputs
    (uint32), inputs (uint64 each), profile id (UTF-8, to the end).
    """
    raw = b"" if value.raw is None else value.raw.to_bytes(value.raw.bit_length() // 8 + 1, "big", signed=True)
    head = _HEAD.pack(
        value.taf,
        bytes(value.obis),
        value.scaler,
        value.unit,
        microseconds(value.period_start),
        microseconds(value.period_end),
        microseconds(value.created_at),
        value.gateway_status,
        len(raw),
    )
    inputs = struct.pack(f">I{len(value.inputs)}Q", len(value.inputs), *value.inputs)
    return head + raw + inputs + value.profile_id.encode()


def register_from_canonical(data: bytes) -> RegisterValue:
    """Read back what `register_canonical_bytes` wrote; only for octets whose origin is already verified."""
    taf, obis, scaler, unit, start, end, created, status, length = _HEAD.unpack_from(data)
    raw_end = _HEAD.size + length
    (count,) = _COUNT.unpack_from(data, raw_end)
    inputs_end = raw_end + _COUNT.size + 8 * count
    return RegisterValue(
        profile_id=data[inputs_end:].decode(),
        taf=taf,
        obis=Obis.from_bytes(obis),
        raw=int.from_bytes(data[_HEAD.size : raw_end], "big", signed=True) if length else None,
        scaler=scaler,
        unit=unit,
        period_start=from_microseconds(start),
        period_end=from_microseconds(end),
        gateway_status=status,
        inputs=struct.unpack_from(f">{count}Q", data, raw_end + _COUNT.size),
        created_at=from_microseconds(created),
    )

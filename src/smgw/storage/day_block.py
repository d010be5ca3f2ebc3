"""Pack the values of one register and one day into octets, exactly, and back.

A block is a version octet, the number of values, and one column after the other: target time, value present, value, scaler, unit,
gateway word, meter word, capture time (relative to the target), sequence, message. A column holds the differences of its integers as
variable-length zigzag numbers, either one after the other (mode 0) or as pairs of run length and difference (mode 1), whichever is shorter.
Source: EMT-01, MEAS-03; 50-headend-scale 1 and 6.2.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import groupby
from typing import NamedTuple

from smgw.core.errors import IntegrityFault
from smgw.core.instant import from_microseconds, microseconds
from smgw.core.quantity import Quantity
from smgw.core.reading import Reading, SignedReading
from smgw.core.status_word import PtbStatus, ptb_status

_VERSION = 1
_PLAIN, _RUNS = 0, 1
MAX_BLOCK_VALUES = 2_000
"""Most values of one register and day: a day of minutes has 1,501 with the opening boundary."""


class StoredValue(NamedTuple):
    """Hold one value as the participant keeps it; `message` is the inbox number of the evidence."""

    target_time: datetime
    raw: int | None
    scaler: int
    unit: int
    gateway_status: int
    meter_status: int
    capture_time: datetime
    sequence: int
    message: int

    @property
    def valid(self) -> bool:
        """Tell whether the value may be used for a bill: present, and marked by a warning at most."""
        return self.raw is not None and ptb_status(self.gateway_status, self.meter_status) <= PtbStatus.WARNING

    @property
    def quantity(self) -> Quantity | None:
        """Give the amount, or None when the value is missing."""
        return None if self.raw is None else Quantity(self.raw, self.scaler, self.unit)

    def says_the_same(self, other: "StoredValue") -> bool:
        """Tell whether two values agree in all that a reading states; evidence and journal number may differ."""
        return self[:7] == other[:7]


def stored_value(signed: SignedReading, message: int) -> StoredValue:
    """Give the stored form of a verified reading."""
    reading: Reading = signed.reading
    return StoredValue(
        reading.target_time,
        reading.raw,
        reading.scaler,
        reading.unit,
        reading.gateway_status,
        reading.meter_status,
        reading.capture_time,
        signed.sequence,
        message,
    )


def pack_block(values: Sequence[StoredValue]) -> bytes:
    """Write values that are sorted by target time."""
    targets = [microseconds(value.target_time) for value in values]
    columns: tuple[Iterable[int], ...] = (
        targets,
        [value.raw is not None for value in values],
        [value.raw for value in values if value.raw is not None],
        [value.scaler for value in values],
        [value.unit for value in values],
        [value.gateway_status for value in values],
        [value.meter_status for value in values],
        [microseconds(value.capture_time) - target for value, target in zip(values, targets, strict=True)],
        [value.sequence for value in values],
        [value.message for value in values],
    )
    out = bytearray((_VERSION,))
    _put_number(out, len(values))
    for column in columns:
        _put_column(out, column)
    return bytes(out)


def unpack_block(data: bytes) -> list[StoredValue]:
    """Read back what `pack_block` wrote. Raises: IntegrityFault series.damaged."""
    reader = _Reader(data)
    if reader.octet() != _VERSION:
        raise IntegrityFault("series.damaged", "version")
    count = reader.number()
    if count > MAX_BLOCK_VALUES:
        raise IntegrityFault("series.damaged", "size")
    targets, present = reader.column(count), reader.column(count)
    if any(flag not in (0, 1) for flag in present):
        raise IntegrityFault("series.damaged", "presence")
    raws = iter(reader.column(sum(present)))
    scalers, units, gateway_words, meter_words, delays, sequences, messages = (reader.column(count) for _ in range(7))
    reader.end()
    try:
        return [
            StoredValue(
                from_microseconds(targets[i]),
                next(raws) if present[i] else None,
                scalers[i],
                units[i],
                gateway_words[i],
                meter_words[i],
                from_microseconds(targets[i] + delays[i]),
                sequences[i],
                messages[i],
            )
            for i in range(count)
        ]
    except OverflowError as problem:
        raise IntegrityFault("series.damaged", "time") from problem


def _put_number(out: bytearray, value: int) -> None:
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)


def _put_column(out: bytearray, values: Iterable[int]) -> None:
    plain, runs = bytearray((_PLAIN,)), bytearray((_RUNS,))
    differences, before = [], 0
    for value in values:
        difference = value - before
        differences.append(difference << 1 if difference >= 0 else (-difference << 1) - 1)
        before = value
    for number in differences:
        _put_number(plain, number)
    for number, run in groupby(differences):
        _put_number(runs, len(list(run)))
        _put_number(runs, number)
    out += min(plain, runs, key=len)


class _Reader:
    """Read numbers and columns; whatever does not fit means that the store is damaged."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def octet(self) -> int:
        if self._at == len(self._data):
            raise IntegrityFault("series.damaged", "short")
        self._at += 1
        return self._data[self._at - 1]

    def number(self) -> int:
        value = shift = 0
        while True:
            octet = self.octet()
            value |= (octet & 0x7F) << shift
            if octet < 0x80:
                return value
            shift += 7
            if shift > 70:
                raise IntegrityFault("series.damaged", "number")

    def column(self, count: int) -> list[int]:
        mode = self.octet()
        if mode not in (_PLAIN, _RUNS):
            raise IntegrityFault("series.damaged", "column")
        values: list[int] = []
        before = 0
        while len(values) < count:
            run = self.number() if mode == _RUNS else 1
            if not 0 < run <= count - len(values):
                raise IntegrityFault("series.damaged", "run")
            number = self.number()
            difference = number >> 1 if number & 1 == 0 else -(number + 1 >> 1)
            for _ in range(run):
                before += difference
                values.append(before)
        return values

    def end(self) -> None:
        if self._at != len(self._data):
            raise IntegrityFault("series.damaged", "long")

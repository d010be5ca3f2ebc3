"""Tables of readings as a user writes them, in UTF-8, one reading a row: fields separated by comma, semicolon or tab, as the header is.

The columns may stand in any order and their names in capitals. `value` is the integer that the meter showed, empty for a missing value; the
amount is value * 10**scaler. `unit` is a DLMS unit code or its symbol. `target_time` is the end of the register period with `Z` or an
offset. `status` may be empty: 16 hex digits, gateway word, then meter word, bit 31 left-most. Rows stay in the order of the file, and their
line number is their journal number; what is doubled or out of order is for the evaluation to judge.
Source: MEAS-01.
"""

import csv
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Final

from smgw.core.errors import DecodeFault, LimitFault, PeerFault
from smgw.core.instant import parse_time, utc_text
from smgw.core.obis import Obis
from smgw.core.quantity import UNIT_SYMBOLS, unit_symbol
from smgw.core.reading import Reading, SignedReading
from smgw.core.status_word import GATEWAY_OK, METER_IDENTIFICATION, GatewayStatus, from_hex, to_hex_msb_first

HEADER: Final = ("meter_id", "obis", "target_time", "value", "scaler", "unit", "status")
MAX_BYTES: Final = 64 << 20
MAX_ROWS: Final = 2_000_000
_METER_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,63}")
_INTEGER = re.compile(r"[+-]?[0-9]{1,19}")
_ZONE = re.compile(r"[T ].*(Z|[+-]\d{1,2}:\d\d)")
_UNIT_CODES: Final = {symbol: code for code, symbol in UNIT_SYMBOLS.items() if symbol}
_BOUND: Final = 1 << 63
_SEPARATORS: Final = ",;\t"

_WANTED: Final = {
    "meter_id": "letters, digits and ._-",
    "obis": "an OBIS code like 1-0:1.8.0*255",
    "target_time": "a time with zone like 2026-11-04T00:15:00+01:00",
    "value": "an integer as the meter shows it without the point; the scaler says where it stands",
    "scaler": "a power of ten, -128 to 127",
    "unit": "a DLMS unit code or its symbol, like Wh",
    "status": "16 hex digits or nothing",
}
"""Column -> what it takes, as faults say it."""


def read_readings(data: bytes) -> list[SignedReading]:
    """Read a table; the header's `status` column may be missing, and so may the last field of a row.

    Raises: DecodeFault readings.header, readings.row with the line; LimitFault readings.size.
    """
    if len(data) > MAX_BYTES:
        raise LimitFault("readings.size", f"{len(data)} octets")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        before = data.count(b"\n", 0, problem.start)
        raise DecodeFault("readings.row", f"line {before + 1}: not UTF-8", offset=problem.start) from problem
    lines = text.split("\n")
    separator = max(_SEPARATORS, key=lines[0].count)
    header = [name.strip().lower() for name in _fields(lines[0], 1, separator)]
    if sorted(header) not in (sorted(HEADER), sorted(HEADER[:-1])):
        raise DecodeFault("readings.header", ",".join(header)[:80])
    order = None if header == list(HEADER[: len(header)]) else [header.index(name) for name in HEADER[: len(header)]]
    readings: list[SignedReading] = []
    for number, line in enumerate(lines[1:], 2):
        row = _fields(line, number, separator)
        if not row:
            continue
        if len(readings) >= MAX_ROWS:
            raise LimitFault("readings.size", f"line {number}")
        if not (len(HEADER) - 1 if order is None else len(header)) <= len(row) <= len(header):
            raise DecodeFault("readings.row", f"line {number}: {len(row)} fields")
        readings.append(SignedReading(_reading(row if order is None else [row[place] for place in order], number), b"", number))
    return readings


def _fields(line: str, number: int, separator: str) -> list[str]:
    # A quoted field never goes over the end of a line here, so that one bad quote can't swallow the rows after it.
    try:
        return next(csv.reader([line.removesuffix("\r")], delimiter=separator, strict=True), [])
    except csv.Error as problem:
        raise DecodeFault("readings.row", f"line {number}: {problem}") from problem


def _reading(row: list[str], line: int) -> Reading:
    meter_id, obis, target, value, scaler, unit = row[:6]
    field = "meter_id"
    try:
        if _METER_ID.fullmatch(meter_id) is None:
            raise ValueError(meter_id)
        field = "obis"
        code = Obis.parse(obis)
        field = "target_time"
        moment = _time(target)
        field = "value"
        raw = _integer(value, -_BOUND, _BOUND) if value else None
        field = "scaler"
        exponent = _integer(scaler, -128, 127)
        field = "unit"
        unit_code = _UNIT_CODES[unit] if unit in _UNIT_CODES else _integer(unit, 1, 255)
        field = "status"
        gateway, meter = from_hex(row[6]) if row[6:] and row[6] else (GATEWAY_OK, METER_IDENTIFICATION)
    except (ValueError, PeerFault) as problem:
        shown = row[HEADER.index(field)]
        raise DecodeFault("readings.row", f"line {line}: {field} {shown[:40]!r} is not {_WANTED[field]}") from problem
    if raw is None:
        gateway |= GatewayStatus.NO_VALUE
    return Reading(meter_id, code, raw, exponent, unit_code, moment, moment, int(gateway), meter)


def _integer(text: str, low: int, high: int) -> int:
    if _INTEGER.fullmatch(text) is None or not low <= int(text) <= high:
        raise ValueError(text)
    return int(text)


def _time(text: str) -> datetime:
    # Without zone a time would be taken for UTC, and a local time would be priced an hour or two off.
    if _ZONE.search(text) is None:
        raise ValueError(text)
    moment = parse_time(text.replace(" ", "T", 1))
    if not datetime(1970, 1, 1, tzinfo=UTC) <= moment < datetime(2200, 1, 1, tzinfo=UTC):
        raise ValueError(text)
    return moment


def write_readings(readings: Iterable[Reading]) -> Iterator[str]:
    """Give the lines of a table, header first, each with its line end; an unmarked status stays empty."""
    yield ",".join(HEADER) + "\n"
    for reading in readings:
        plain = (reading.gateway_status, reading.meter_status) == (GATEWAY_OK, METER_IDENTIFICATION)
        status = "" if plain else to_hex_msb_first(reading.gateway_status, reading.meter_status)
        value = "" if reading.raw is None else str(reading.raw)
        unit = unit_symbol(reading.unit) if UNIT_SYMBOLS.get(reading.unit) else str(reading.unit)
        yield f"{reading.meter_id},{reading.obis},{utc_text(reading.target_time)},{value},{reading.scaler},{unit},{status}\n"

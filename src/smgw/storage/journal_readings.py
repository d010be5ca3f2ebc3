"""The journal's readings and derived registers: append-only rows in two hash chains."""

from collections.abc import Iterator, Sequence
from datetime import datetime

import apsw

from smgw.core.errors import DomainFault
from smgw.core.instant import from_microseconds, microseconds, utc_text
from smgw.core.obis import Obis
from smgw.core.reading import Reading, SignedReading, canonical_bytes
from smgw.core.register import RegisterValue, register_canonical_bytes, register_from_canonical
from smgw.storage.database import Database, Row

READINGS = "readings"
REGISTERS = "registers"

_COLUMNS = "sequence, signature, meter_id, obis, raw, scaler, unit, capture_time, target_time, gateway_status, meter_status"
_BY_SERIES = f"SELECT {_COLUMNS} FROM series JOIN readings ON readings.series = series.id"  # noqa: S608
_INSERT_READING = "INSERT INTO readings VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"

# A cross join keeps the order of its tables, so that nothing has to be sorted.
WALK_READINGS = (
    f"SELECT '', sequence, hash, {_COLUMNS} FROM readings CROSS JOIN series ON series.id = readings.series"  # noqa: S608
    " WHERE sequence > ? ORDER BY sequence"
)
WALK_REGISTERS = "SELECT '', sequence, hash, profile_id, period_end, record FROM registers WHERE sequence > ? ORDER BY sequence"


def _stored_raw(raw: int | None) -> int | bytes | None:
    """Keep what fits into 64 bits as a number, and the upper half of the unsigned 64-bit values as nine octets."""
    if raw is None or -(1 << 63) <= raw < 1 << 63:
        return raw
    return raw.to_bytes(9, "big", signed=True)


def reading_of_row(row: Row) -> SignedReading:
    """Read a row of `WALK_READINGS` from its fourth column on."""
    sequence, signature, meter_id, obis, raw, scaler, unit, captured, target, gateway_word, meter_word = row
    reading = Reading(
        meter_id=meter_id,
        obis=Obis.from_bytes(obis),
        raw=int.from_bytes(raw, "big", signed=True) if isinstance(raw, bytes) else raw,
        scaler=scaler,
        unit=unit,
        capture_time=from_microseconds(captured),
        target_time=from_microseconds(target),
        gateway_status=gateway_word,
        meter_status=meter_word,
    )
    return SignedReading(reading, signature, sequence)


def canonical_reading_row(row: Row) -> bytes:
    """Give the hashed octets of a row of `WALK_READINGS` from its fourth column on: canonical reading, signature."""
    signed = reading_of_row(row)
    return canonical_bytes(signed.reading) + signed.signature


def canonical_register_row(row: Row) -> bytes:
    """Give the hashed octets of a row of `WALK_REGISTERS` from its fourth column on. Raises: ValueError when its columns disagree."""
    profile_id, period_end, record = row
    value = register_from_canonical(record)
    if (value.profile_id, microseconds(value.period_end)) != (profile_id, period_end):
        raise ValueError("columns and record disagree")
    return bytes(record)


def _series(database: Database, meter_id: str, obis: bytes) -> int:
    key = (meter_id, obis)
    if key not in database.series:
        row = database.row("SELECT id FROM series WHERE meter_id = ? AND obis = ?", key)
        if row is None:
            database.execute("INSERT INTO series (meter_id, obis) VALUES (?, ?)", key)
        database.series[key] = database.connection.last_insert_rowid() if row is None else row[0]
    return database.series[key]


def append_readings(database: Database, items: Sequence[tuple[Reading, bytes]]) -> list[int]:
    """Append readings with their signatures, all or none; returns their sequence numbers. Raises: DomainFault journal.duplicate."""
    sequences: list[int] = []

    def rows() -> Iterator[Row]:
        for reading, signature in items:
            head = database.advance(READINGS, "", canonical_bytes(reading) + signature)
            sequences.append(head.length)
            yield (
                head.length,
                _series(database, reading.meter_id, bytes(reading.obis)),
                microseconds(reading.target_time),
                microseconds(reading.capture_time),
                _stored_raw(reading.raw),
                reading.scaler,
                reading.unit,
                reading.gateway_status,
                reading.meter_status,
                signature,
                head.digest,
            )

    with database.transaction():
        try:
            database.execute_many(_INSERT_READING, rows())
        except apsw.ConstraintError as problem:
            if not _is_duplicate(problem):
                raise
            refused = items[len(sequences) - 1][0]
            raise DomainFault("journal.duplicate", f"{refused.meter_id} {refused.obis} {utc_text(refused.target_time)}") from problem
    return sequences


def _is_duplicate(problem: apsw.Error) -> bool:
    return bool(vars(problem).get("extendedresult") == apsw.SQLITE_CONSTRAINT_UNIQUE)


def select_readings(
    database: Database,
    meter_id: str,
    obis: Sequence[Obis] | None,
    after: datetime | None,
    until: datetime | None,
    limit: int | None,
) -> list[SignedReading]:
    """Read a meter's readings by target time, then OBIS; `after` is exclusive, `until` inclusive."""
    lower, upper = _bounds(after, until)
    codes = () if obis is None else tuple(bytes(code) for code in obis)
    choice = "" if obis is None else f" AND obis IN ({', '.join('?' * len(codes))})"
    query = f"{_BY_SERIES} WHERE meter_id = ? AND target_time > ? AND target_time <= ?{choice} ORDER BY target_time, obis LIMIT ?"
    values = (meter_id, lower, upper, *codes, -1 if limit is None else limit)
    return [reading_of_row(row) for row in database.rows(query, values)]


def _bounds(after: datetime | None, until: datetime | None) -> tuple[int, int]:
    lower = -(1 << 63) if after is None else microseconds(after)
    return lower, (1 << 63) - 1 if until is None else microseconds(until)


def end_reading(database: Database, meter_id: str, obis: Obis, *, newest: bool) -> SignedReading | None:
    """Read the reading of a register with the newest or the oldest target time."""
    order = "DESC" if newest else "ASC"
    query = (
        f"{_BY_SERIES} WHERE series.id = (SELECT id FROM series WHERE meter_id = ? AND obis = ?)"  # noqa: S608
        f" ORDER BY target_time {order} LIMIT 1"
    )
    row = database.row(query, (meter_id, bytes(obis)))
    return None if row is None else reading_of_row(row)


def recent_readings(database: Database, count: int) -> list[SignedReading]:
    """Read the readings stored last, in the order they were stored."""
    with database.snapshot():
        return [reading_of_row(tuple(row[3:])) for row in database.rows(WALK_READINGS, (_last(database, READINGS) - count,))]


def recent_registers(database: Database, count: int) -> list[RegisterValue]:
    """Read the register values stored last, in the order they were stored."""
    with database.snapshot():
        return [register_from_canonical(row[5]) for row in database.rows(WALK_REGISTERS, (_last(database, REGISTERS) - count,))]


def _last(database: Database, kind: str) -> int:
    row = database.row("SELECT length FROM heads WHERE kind = ? AND scope = ''", (kind,))
    return int(row[0]) if row else 0


def count_readings(database: Database) -> int:
    """Count all readings."""
    return _last(database, READINGS)


def append_registers(database: Database, values: Sequence[RegisterValue]) -> list[int]:
    """Append register values, all or none; returns their sequence numbers."""
    sequences = []
    with database.transaction():
        for value in values:
            record = register_canonical_bytes(value)
            head = database.advance(REGISTERS, "", record)
            row = (head.length, value.profile_id, microseconds(value.period_end), record, head.digest)
            database.execute("INSERT INTO registers VALUES (?, ?, ?, ?, ?)", row)
            sequences.append(head.length)
    return sequences


def select_registers(database: Database, profile_id: str, after: datetime | None, until: datetime | None) -> list[RegisterValue]:
    """Read a profile's register values by period end, then age; `after` is exclusive, `until` inclusive."""
    query = "SELECT record FROM registers WHERE profile_id = ? AND period_end > ? AND period_end <= ? ORDER BY period_end, sequence"
    rows = database.rows(query, (profile_id, *_bounds(after, until)))
    return [register_from_canonical(record) for (record,) in rows]

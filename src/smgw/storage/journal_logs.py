"""The journal's logs: one append-only hash chain for the system log, one for the calibration log, one for each consumer."""

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from smgw.core.errors import UsageError
from smgw.core.instant import microseconds
from smgw.core.log_event import EVENTS, Log, LogEntry
from smgw.storage.database import Database, Row

_ENCODER = msgspec.json.Encoder(order="deterministic")
_DECODER = msgspec.json.Decoder(LogEntry)


class StoredLogEntry(msgspec.Struct, frozen=True):
    """Join a log entry to its number in its log; numbers start at 1 and have no holes."""

    index: int
    entry: LogEntry


def walk_log(log: Log) -> str:
    """Give the query that walks all chains of one log, by consumer and number, after a given number."""
    columns = "scope, number, log_entries.hash, kind, scope, time, body"
    where = f"kind = '{log.value}' AND number > ?"
    return f"SELECT {columns} FROM heads JOIN log_entries ON head = id WHERE {where} ORDER BY scope, number"  # noqa: S608


def canonical_log_row(row: Row) -> bytes:
    """Give the hashed octets of a row of `walk_log` from its fourth column on. Raises: ValueError when its columns disagree."""
    kind, scope, time, body = row
    entry = _DECODER.decode(body)
    if (entry.log.value, entry.consumer_id, microseconds(entry.time)) != (kind, scope, time):
        raise ValueError("columns and entry disagree")
    return bytes(body)


def append_log(database: Database, entries: Sequence[LogEntry]) -> None:
    """Append entries, each to its log, all or none. Raises: UsageError journal.log_entry."""
    with database.transaction():
        for entry in entries:
            if entry.event not in EVENTS or (entry.log is Log.CONSUMER) != bool(entry.consumer_id):
                raise UsageError("journal.log_entry", f"{entry.event} in {entry.log.value} log of {entry.consumer_id!r}")
            body = _ENCODER.encode(msgspec.structs.replace(entry, time=entry.time.astimezone(UTC)))
            head = database.advance(entry.log.value, entry.consumer_id, body)
            row = (head.identity, head.length, microseconds(entry.time), body, head.digest)
            database.execute("INSERT INTO log_entries VALUES (?, ?, ?, ?, ?)", row)


def select_log(
    database: Database,
    log: Log,
    consumer_id: str,
    since: datetime | None,
    until: datetime | None,
    from_index: int | None,
    count: int | None,
) -> list[StoredLogEntry]:
    """Read one log, oldest first; `since` and `from_index` are inclusive, `until` is exclusive."""
    where, values = ["head = (SELECT id FROM heads WHERE kind = ? AND scope = ?)"], [log.value, consumer_id]  # type: tuple[list[str], list[str | int]]
    for condition, bound in (("time >= ?", since), ("time < ?", until)):
        if bound is not None:
            where.append(condition)
            values.append(microseconds(bound))
    if from_index is not None:
        where.append("number >= ?")
        values.append(from_index)
    query = f"SELECT number, body FROM log_entries WHERE {' AND '.join(where)} ORDER BY number LIMIT ?"  # noqa: S608
    rows = database.rows(query, (*values, -1 if count is None else count))
    return [StoredLogEntry(number, _DECODER.decode(body)) for number, body in rows]


def count_log(database: Database, log: Log | None, consumer_id: str | None) -> int:
    """Count the entries of one log, of one consumer, or of all logs."""
    kinds = [kind.value for kind in Log if log is None or kind is log]
    where, values = f"kind IN ({', '.join('?' * len(kinds))})", list(kinds)
    if consumer_id is not None:
        where += " AND scope = ?"
        values.append(consumer_id)
    row = database.row(f"SELECT coalesce(sum(length), 0) FROM heads WHERE {where}", tuple(values))  # noqa: S608
    return int(row[0]) if row else 0

"""The outbox: messages wait here, in order and across power loss, until their receipt is stored. Source: WAN-05."""

import hashlib
from datetime import datetime

import msgspec

from smgw.core.errors import DomainFault
from smgw.core.instant import from_microseconds, microseconds
from smgw.storage.database import Database, Row

_SELECT = "SELECT message_id, partner_id, profile_id, body, created_at, attempts, last_code FROM outbox"


class OutboxMessage(msgspec.Struct, frozen=True):
    """Hold one message on its way to a partner."""

    message_id: str
    """Unique for ever; putting the same id in again does nothing."""
    partner_id: str
    profile_id: str
    body: bytes
    """What goes over the wire, already signed and encrypted."""
    created_at: datetime
    attempts: int = 0
    last_code: str = ""
    """Error code of the last failed attempt."""


def enqueue(database: Database, message: OutboxMessage) -> None:
    """Put a message at the end of the queue; an id that was ever in it is left as it is."""
    row = (
        message.message_id,
        message.partner_id,
        message.profile_id,
        message.body,
        hashlib.sha256(message.body).digest(),
        microseconds(message.created_at),
        message.attempts,
        message.last_code,
    )
    with database.transaction():
        if not _known(database, message.message_id):
            database.execute(
                "INSERT INTO outbox (message_id, partner_id, profile_id, body, body_hash, created_at, attempts, last_code)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                row,
            )


def _known(database: Database, message_id: str) -> bool:
    return database.row("SELECT 1 FROM outbox WHERE message_id = ?", (message_id,)) is not None


def pending(database: Database, limit: int, partner_id: str | None = None) -> list[OutboxMessage]:
    """Read the oldest messages without receipt, to all partners or one, in the order they were put in."""
    query = f"{_SELECT} WHERE acknowledged_at IS NULL AND (?1 IS NULL OR partner_id = ?1) ORDER BY number LIMIT ?2"
    return [_message(row) for row in database.rows(query, (partner_id, limit))]


def pending_count(database: Database, partner_id: str) -> int:
    """Count the messages to one partner that have no receipt."""
    row = database.row("SELECT count(*) FROM outbox WHERE acknowledged_at IS NULL AND partner_id = ?", (partner_id,))
    return int(row[0]) if row else 0


def _message(row: Row) -> OutboxMessage:
    message_id, partner_id, profile_id, body, created_at, attempts, last_code = row
    return OutboxMessage(message_id, partner_id, profile_id, body, from_microseconds(created_at), attempts, last_code)


def acknowledge(database: Database, message_id: str, receipt: bytes, at: datetime) -> None:
    """Store the receipt and give up the body; the first receipt stays. Raises: DomainFault journal.unknown_message."""
    _update(database, "receipt = ?, acknowledged_at = ?, body = x''", message_id, (receipt, microseconds(at)))


def note_attempt(database: Database, message_id: str, code: str, at: datetime) -> None:
    """Count a failed attempt with its error code. Raises: DomainFault journal.unknown_message."""
    _update(database, "attempts = attempts + 1, last_code = ?, last_attempt_at = ?", message_id, (code, microseconds(at)))


def _update(database: Database, change: str, message_id: str, values: tuple[bytes | str | int, ...]) -> None:
    with database.transaction():
        if not _known(database, message_id):
            raise DomainFault("journal.unknown_message", message_id)
        statement = f"UPDATE outbox SET {change} WHERE message_id = ? AND acknowledged_at IS NULL"  # noqa: S608
        database.execute(statement, (*values, message_id))


def receipt(database: Database, message_id: str) -> bytes | None:
    """Read the receipt of a message, or None while there is none."""
    row = database.row("SELECT receipt FROM outbox WHERE message_id = ?", (message_id,))
    return None if row is None else row[0]


def delivery_counts(database: Database) -> tuple[int, int]:
    """Count the messages ever put in and those acknowledged."""
    numbered = database.row("SELECT seq FROM sqlite_sequence WHERE name = 'outbox'")
    waiting = database.row("SELECT count(*) FROM outbox WHERE acknowledged_at IS NULL")
    put_in = int(numbered[0]) if numbered else 0
    return put_in, put_in - (int(waiting[0]) if waiting else 0)


def oldest_pending(database: Database, profile_id: str) -> OutboxMessage | None:
    """Read the oldest message of a profile that has no receipt yet, whoever it is for."""
    query = f"{_SELECT} WHERE acknowledged_at IS NULL AND profile_id = ? ORDER BY number LIMIT 1"
    row = database.row(query, (profile_id,))
    return None if row is None else _message(row)


def forget(database: Database, before: datetime, limit: int) -> int:
    """Delete the oldest messages, at most `limit`, whose receipt came before a moment; returns how many."""
    with database.transaction():
        database.execute(
            "DELETE FROM outbox WHERE number IN (SELECT number FROM outbox ORDER BY number LIMIT ?) AND acknowledged_at < ?",
            (limit, microseconds(before)),
        )
        return int(database.connection.changes())

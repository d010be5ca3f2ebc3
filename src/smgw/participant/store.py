"""What the participant keeps of deliveries: evidence, series, registers, findings and refusals, each message in one transaction.

A message id is remembered for ever, so a repeated message has one effect however late it comes; age plays no part, because a gateway
may hold its messages back through a long outage.
Source: EMT-01, EMT-02, WAN-05; 20-wan-crypto-pki 1.6 (replay); 50-headend-scale 6.4.
"""

import sqlite3
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from smgw.core.delivery import Delivery
from smgw.core.errors import Replay
from smgw.core.instant import from_microseconds, microseconds
from smgw.core.obis import Obis
from smgw.core.quantity import Quantity
from smgw.participant.database import transaction
from smgw.participant.notices import NoticeStore
from smgw.storage.series import Contradiction, SeriesStore

REFUSALS_KEPT = 10_000
"""Older refusals are forgotten, so that no stranger can fill the disk; the count goes on."""


class Arrival(NamedTuple):
    """Join a verified delivery to what proves it."""

    delivery: Delivery
    message: bytes
    """The CMS message as it came."""
    content_digest: bytes
    """SHA-256 of the XML body, which is the same however often it is sealed anew."""
    signer: str
    """Common name of the SIG certificate."""
    signer_fingerprint: bytes
    received_at: datetime


class Stored(NamedTuple):
    """Tell what became of a delivery."""

    number: int
    stored_at: datetime
    values: int
    """Readings and register values of the message."""
    repeated: bool
    """It was stored before, and this time had no effect."""
    contradictions: tuple[Contradiction, ...] = ()


class InboxEntry(NamedTuple):
    """Describe one accepted message."""

    number: int
    message_id: str
    sender: str
    signer: str
    contract: str
    taf: int
    meter_id: str
    metering_point_id: str
    period_start: datetime
    period_end: datetime
    created_at: datetime
    received_at: datetime
    readings: int
    stored: int
    """Readings that were new."""
    registers: int


class Refusal(NamedTuple):
    """Describe one refused message or connection."""

    number: int
    refused_at: datetime
    peer: str
    code: str


class Finding(NamedTuple):
    """Describe a value that came although another one stood."""

    number: int
    found_at: datetime
    kind: str
    meter_id: str
    obis: Obis
    target: datetime
    revision: int
    message: int


class RegisterRow(NamedTuple):
    """Hold one stated value of a derived register."""

    contract: str
    taf: int
    obis: Obis
    period_start: datetime
    period_end: datetime
    raw: int | None
    scaler: int
    unit: int
    gateway_status: int
    created_at: datetime
    message: int

    @property
    def quantity(self) -> Quantity | None:
        """Give the amount, or None when there is no value."""
        return None if self.raw is None else Quantity(self.raw, self.scaler, self.unit)


class Totals(NamedTuple):
    """Count what came."""

    deliveries: int
    readings: int
    rejected: int


class ParticipantStore:
    """Read and write one database; give each thread its own connection."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.series = SeriesStore(connection)
        self.notices = NoticeStore(connection)

    def accept(self, arrival: Arrival) -> Stored:
        """Store a verified delivery durably; one that is stored already has no further effect.

        Raises: Replay delivery.replayed for a known message id with another content or sender; LimitFault series.too_many;
        Unavailable participant.store, and then nothing is stored.
        """
        with transaction(self._connection):
            known = self._known(arrival)
            if known is not None:
                return known
            number = self._put_message(arrival)
            merged = self.series.merge(arrival.delivery.readings, number)
            self._connection.execute("UPDATE inbox SET stored = ? WHERE number = ?", (merged.stored, number))
            self._put_registers(arrival.delivery, number)
            for contradiction in merged.contradictions:
                self._put_finding(contradiction, arrival.received_at, number)
        return Stored(number, arrival.received_at, _values(arrival.delivery), False, merged.contradictions)

    def _known(self, arrival: Arrival) -> Stored | None:
        query = "SELECT number, content_digest, sender, received_at FROM inbox WHERE message_id = ?"
        row = self._connection.execute(query, (arrival.delivery.message_id,)).fetchone()
        if row is None:
            return None
        number, content_digest, sender, received_at = row
        if content_digest != arrival.content_digest or sender != arrival.delivery.sender:
            raise Replay("delivery.replayed", arrival.delivery.message_id)
        return Stored(number, from_microseconds(received_at), _values(arrival.delivery), True)

    def _put_message(self, arrival: Arrival) -> int:
        delivery = arrival.delivery
        row = (
            delivery.message_id,
            arrival.content_digest,
            arrival.message,
            delivery.sender,
            arrival.signer,
            arrival.signer_fingerprint,
            delivery.contract,
            delivery.taf,
            delivery.meter_id,
            delivery.metering_point_id,
            microseconds(delivery.period_start),
            microseconds(delivery.period_end),
            microseconds(delivery.created_at),
            microseconds(arrival.received_at),
            len(delivery.readings),
            len(delivery.registers),
        )
        cursor = self._connection.execute(
            "INSERT INTO inbox (message_id, content_digest, message, sender, signer, signer_fingerprint, contract, taf, meter_id,"
            " metering_point_id, period_start, period_end, created_at, received_at, readings, stored, registers)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?)",
            row,
        )
        assert cursor.lastrowid is not None
        return cursor.lastrowid

    def _put_registers(self, delivery: Delivery, number: int) -> None:
        for value in delivery.registers:
            row = (
                delivery.sender,
                value.profile_id,
                value.obis.hex,
                microseconds(value.period_start),
                microseconds(value.period_end),
                microseconds(value.created_at),
                delivery.meter_id,
                value.taf,
                "" if value.raw is None else str(value.raw),
                value.scaler,
                value.unit,
                value.gateway_status,
                " ".join(map(str, value.inputs)),
                number,
            )
            self._connection.execute("INSERT OR IGNORE INTO register_value VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)

    def _put_finding(self, contradiction: Contradiction, found_at: datetime, number: int) -> None:
        row = (
            microseconds(found_at),
            "late" if contradiction.late else "contradiction",
            contradiction.meter_id,
            contradiction.obis.hex,
            microseconds(contradiction.target_time),
            contradiction.revision,
            number,
        )
        self._connection.execute(
            "INSERT INTO finding (found_at, kind, meter_id, obis, target, revision, message) VALUES (?, ?, ?, ?, ?, ?, ?)", row
        )

    def refuse(self, refused_at: datetime, peer: str, code: str, digest: bytes | None = None) -> None:
        """Note a refused message or connection. Raises: Unavailable participant.store."""
        with transaction(self._connection):
            row = (microseconds(refused_at), peer[:80], code, digest)
            cursor = self._connection.execute("INSERT INTO refusal (refused_at, peer, code, digest) VALUES (?, ?, ?, ?)", row)
            self._connection.execute("DELETE FROM refusal WHERE number <= ?", ((cursor.lastrowid or 0) - REFUSALS_KEPT,))

    def totals(self) -> Totals:
        """Count accepted deliveries, the new readings in them, and refusals."""
        deliveries, readings = self._connection.execute("SELECT count(*), coalesce(sum(stored), 0) FROM inbox").fetchone()
        (rejected,) = self._connection.execute("SELECT coalesce(max(number), 0) FROM refusal").fetchone()
        return Totals(deliveries, readings, rejected)

    def inbox(self, limit: int, before: int | None = None) -> list[InboxEntry]:
        """List accepted messages, newest first."""
        rows = self._connection.execute(
            "SELECT number, message_id, sender, signer, contract, taf, meter_id, metering_point_id, period_start, period_end, created_at,"
            " received_at, readings, stored, registers FROM inbox WHERE number < ? ORDER BY number DESC LIMIT ?",
            (_before(before), limit),
        )
        return [InboxEntry(*row[:8], *map(from_microseconds, row[8:12]), *row[12:]) for row in rows]

    def signers(self, numbers: Sequence[int]) -> list[str]:
        """Name the certificates that signed some messages, each once."""
        marks = ",".join("?" * len(numbers))
        query = f"SELECT DISTINCT signer FROM inbox WHERE number IN ({marks}) ORDER BY signer"  # noqa: S608 - only marks are put in
        return [signer for (signer,) in self._connection.execute(query, tuple(numbers))]

    def message(self, number: int) -> bytes | None:
        """Give an accepted message as it came."""
        row = self._connection.execute("SELECT message FROM inbox WHERE number = ?", (number,)).fetchone()
        return None if row is None else bytes(row[0])

    def refusals(self, limit: int, before: int | None = None) -> list[Refusal]:
        """List refusals, newest first."""
        query = "SELECT number, refused_at, peer, code FROM refusal WHERE number < ? ORDER BY number DESC LIMIT ?"
        rows = self._connection.execute(query, (_before(before), limit))
        return [Refusal(number, from_microseconds(at), peer, code) for number, at, peer, code in rows]

    def findings(self, limit: int, meter_id: str | None = None) -> list[Finding]:
        """List findings, newest first."""
        rows = self._connection.execute(
            "SELECT number, found_at, kind, meter_id, obis, target, revision, message FROM finding"
            " WHERE ?1 IS NULL OR meter_id = ?1 ORDER BY number DESC LIMIT ?2",
            (meter_id, limit),
        )
        return [
            Finding(number, from_microseconds(at), kind, meter, Obis.parse(obis), from_microseconds(target), revision, message)
            for number, at, kind, meter, obis, target, revision, message in rows
        ]

    def registers(self, meter_id: str, limit: int) -> list[RegisterRow]:
        """List the derived register values of a meter, newest period first."""
        rows = self._connection.execute(
            "SELECT contract, taf, obis, period_start, period_end, raw, scaler, unit, gateway_status, created_at, message"
            " FROM register_value WHERE meter_id = ? ORDER BY period_end DESC, contract, obis LIMIT ?",
            (meter_id, limit),
        )
        return [
            RegisterRow(
                contract,
                taf,
                Obis.parse(obis),
                from_microseconds(start),
                from_microseconds(end),
                int(raw) if raw else None,
                scaler,
                unit,
                status,
                from_microseconds(created),
                message,
            )
            for contract, taf, obis, start, end, raw, scaler, unit, status, created, message in rows
        ]


def _values(delivery: Delivery) -> int:
    return len(delivery.readings) + len(delivery.registers)


def _before(number: int | None) -> int:
    return (1 << 62) if number is None else number

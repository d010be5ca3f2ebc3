"""The gateway's journal: readings, registers, logs, profiles and outbox in one encrypted, append-only file."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from smgw.core.errors import UsageError
from smgw.core.instant import Clock
from smgw.core.log_event import Log, LogEntry
from smgw.core.obis import Obis
from smgw.core.profiles import Profile
from smgw.core.reading import Reading, SignedReading
from smgw.core.register import RegisterValue
from smgw.storage import journal_logs, journal_profiles, journal_readings, outbox, retention
from smgw.storage.chain import ChainHead, JournalReport, SignatureCheck, Signed, Signer
from smgw.storage.database import Database
from smgw.storage.journal_export import ExportAbout, ExportItem, chosen_heads, export_lines
from smgw.storage.journal_logs import StoredLogEntry
from smgw.storage.journal_seals import SEALS, Sealer, SignedSeal, select_seals
from smgw.storage.journal_verify import heads_of, signed_of, verify, verify_recent
from smgw.storage.outbox import OutboxMessage
from smgw.storage.retention import Cut

__all__ = ["Cut", "Journal", "JournalReport", "OutboxMessage", "RegisterValue", "StoredLogEntry"]


class Journal:
    """Keep everything the gateway must not lose; what a call has returned from is on the disk.

    Every writing call raises Unavailable (journal.full, journal.io) with nothing half written when the disk refuses, and IntegrityFault
    journal.damaged when a page is not what was written. Several calls become one step inside `transaction`.
    Source: MEAS-01, LOG-02, WAN-05.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._sealer: Sealer | None = None

    @classmethod
    def open(cls, path: Path, key: bytes) -> Self:
        """Open for writing with a key of 32 octets; creates a missing file. One writer at a time.

        Raises: SecurityFault journal.key, IntegrityFault journal.damaged, Unavailable journal.locked, journal.full, journal.io,
        ConfigError journal.version.
        """
        return cls(Database.open(path, key))

    @classmethod
    def open_read_only(cls, path: Path, key: bytes) -> Self:
        """Open for reading, also while a gateway writes. Raises: ConfigError journal.missing; otherwise as `open`."""
        return cls(Database.open_read_only(path, key))

    def close(self) -> None:
        """Close the file; closing twice does nothing."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Make everything written inside durable together, or nothing of it when an exception leaves the block.

        Inside another transaction it is a part of that one. Never await inside: what another task writes meanwhile would join.
        """
        with self._database.transaction():
            yield

    # readings and registers

    def append_readings(self, items: Sequence[tuple[Reading, bytes]]) -> list[int]:
        """Append readings with their signatures, all or none; returns their sequence numbers (from 1, without holes).

        Raises: DomainFault journal.duplicate for a second reading of the same meter, OBIS and target time.
        """
        return journal_readings.append_readings(self._database, items)

    def readings(
        self,
        meter_id: str,
        obis: Sequence[Obis] | None = None,
        *,
        after: datetime | None = None,
        until: datetime | None = None,
        limit: int | None = None,
    ) -> list[SignedReading]:
        """Read a meter's readings by target time, then OBIS; `after` is exclusive, `until` inclusive."""
        return journal_readings.select_readings(self._database, meter_id, obis, after, until, limit)

    def last_reading(self, meter_id: str, obis: Obis) -> SignedReading | None:
        """Read the reading of a register with the newest target time."""
        return journal_readings.end_reading(self._database, meter_id, obis, newest=True)

    def first_reading(self, meter_id: str, obis: Obis) -> SignedReading | None:
        """Read the reading of a register with the oldest target time."""
        return journal_readings.end_reading(self._database, meter_id, obis, newest=False)

    def count_readings(self) -> int:
        """Count all readings ever stored."""
        return journal_readings.count_readings(self._database)

    def recent_readings(self, count: int) -> list[SignedReading]:
        """Read the readings stored last, of all meters, in the order they were stored."""
        return journal_readings.recent_readings(self._database, count)

    def append_registers(self, values: Sequence[RegisterValue]) -> list[int]:
        """Append register values, all or none; returns their sequence numbers. A correction is a new row."""
        return journal_readings.append_registers(self._database, values)

    def registers(self, profile_id: str, *, after: datetime | None = None, until: datetime | None = None) -> list[RegisterValue]:
        """Read a profile's register values by period end, then age; `after` is exclusive, `until` inclusive."""
        return journal_readings.select_registers(self._database, profile_id, after, until)

    def recent_registers(self, count: int) -> list[RegisterValue]:
        """Read the register values stored last, of all profiles, in the order they were stored."""
        return journal_readings.recent_registers(self._database, count)

    # logs

    def append_log(self, entries: Sequence[LogEntry]) -> None:
        """Append entries, each to its log, all or none.

        Raises: UsageError journal.log_entry for an event outside the catalogue, or a consumer named in another than a consumer log.
        """
        journal_logs.append_log(self._database, entries)

    def log(
        self,
        log: Log,
        consumer_id: str = "",
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        from_index: int | None = None,
        count: int | None = None,
    ) -> list[StoredLogEntry]:
        """Read one log, oldest first; `since` and `from_index` are inclusive, `until` is exclusive; numbers start at 1 in each log."""
        return journal_logs.select_log(self._database, log, consumer_id, since, until, from_index, count)

    def log_count(self, log: Log | None = None, consumer_id: str | None = None) -> int:
        """Count the entries ever made in one log, for one consumer, or in all logs: the number of the newest entry of a log."""
        return journal_logs.count_log(self._database, log, consumer_id)

    # profiles

    def put_profile(self, profile: Profile, document: bytes, installed_at: datetime) -> None:
        """Install a new version with the signed document it came in; the stored version with the same document does nothing.

        Raises: DomainFault profile.version unless the version is greater than the stored one.
        """
        journal_profiles.put_profile(self._database, profile, document, installed_at)

    def delete_profile(self, kind: str, profile_id: str) -> None:
        """Let a profile hold no more; its versions stay. Raises: DomainFault profile.unknown."""
        journal_profiles.delete_profile(self._database, kind, profile_id)

    def profiles(self, kind: str) -> list[Profile]:
        """Read the newest version of each profile of a kind (a key of `PROFILE_KINDS`), sorted by id."""
        return journal_profiles.select_profiles(self._database, kind)

    def profile_history(self, kind: str) -> list[Profile]:
        """Read every version of each profile of a kind, sorted by id and version."""
        return journal_profiles.select_profile_history(self._database, kind)

    def profile_document(self, kind: str, profile_id: str) -> bytes | None:
        """Read the signed document of the newest version."""
        return journal_profiles.profile_document(self._database, kind, profile_id)

    # outbox

    def enqueue(self, message: OutboxMessage) -> None:
        """Put a message at the end of the queue; an id that was ever in it is left as it is."""
        outbox.enqueue(self._database, message)

    def pending(self, limit: int = 100, partner_id: str | None = None) -> list[OutboxMessage]:
        """Read the oldest messages without receipt, to all partners or one, in the order they were put in."""
        return outbox.pending(self._database, limit, partner_id)

    def pending_count(self, partner_id: str) -> int:
        """Count the messages to one partner that have no receipt."""
        return outbox.pending_count(self._database, partner_id)

    def acknowledge(self, message_id: str, receipt: bytes, at: datetime) -> None:
        """Store the receipt and give up the body; the first receipt stays. Raises: DomainFault journal.unknown_message."""
        outbox.acknowledge(self._database, message_id, receipt, at)

    def note_attempt(self, message_id: str, code: str, at: datetime) -> None:
        """Count a failed attempt with its error code. Raises: DomainFault journal.unknown_message."""
        outbox.note_attempt(self._database, message_id, code, at)

    def receipt(self, message_id: str) -> bytes | None:
        """Read the receipt of a message, or None while there is none."""
        return outbox.receipt(self._database, message_id)

    def delivery_counts(self) -> tuple[int, int]:
        """Count the messages ever put in and those acknowledged."""
        return outbox.delivery_counts(self._database)

    def oldest_pending(self, profile_id: str) -> OutboxMessage | None:
        """Read the oldest message of a profile that has no receipt yet, whoever it is for."""
        return outbox.oldest_pending(self._database, profile_id)

    # retention

    def stored_rows(self, kind: str, scope: str = "") -> int:
        """Count the rows that a chain holds now, those deleted not among them."""
        return retention.stored_rows(self._database, kind, scope)

    def scopes(self, kind: str) -> list[str]:
        """List the scopes of the chains of a kind, for example the consumers that have a log, sorted."""
        return retention.scopes_of(self._database, kind)

    def series(self) -> list[tuple[str, Obis]]:
        """List meter and register of every reading ever stored."""
        return retention.series_of(self._database)

    def released_readings(self, releases: Mapping[tuple[str, Obis], datetime], now: datetime, limit: int) -> int:
        """Give the last of the oldest readings, at most `limit`, that are all for a time before the release of their meter and register."""
        return retention.released_readings(self._database, releases, now, limit)

    def released_registers(self, releases: Mapping[str, datetime], now: datetime, limit: int) -> int:
        """Give the last of the oldest register values, at most `limit`, whose periods all ended before the release of their profile."""
        return retention.released_registers(self._database, releases, now, limit)

    def released_log(self, log: Log, scope: str, before: datetime, now: datetime, limit: int) -> int:
        """Give the last of a log's oldest entries, at most `limit`, that were all written before a moment."""
        return retention.released_log(self._database, log, scope, before, now, limit)

    def cut(self, kind: str, scope: str, number: int, at: datetime, signer: Signer) -> Cut:
        """Delete the rows of a chain up to and including `number`, and say so in a signed cut; both or nothing.

        Raises: UsageError journal.cut for a chain that is never deleted, or a number that it does not hold.
        """
        return retention.cut_chain(self._database, kind, scope, number, at, signer)

    def forget_deliveries(self, before: datetime, limit: int) -> int:
        """Delete the oldest messages, at most `limit`, whose receipt came before a moment; returns how many."""
        return outbox.forget(self._database, before, limit)

    # small changing state

    def get_state(self, key: str) -> bytes | None:
        """Read a watermark, a counter or another small value."""
        row = self._database.row("SELECT value FROM state WHERE key = ?", (key,))
        return None if row is None else row[0]

    def set_state(self, key: str, value: bytes) -> None:
        """Store a small value in place of the old one; it stands in no chain."""
        with self._database.transaction():
            self._database.execute("INSERT INTO state VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value", (key, value))

    def seal_by(self, signer: Signer, clock: Clock) -> None:
        """From now on seal each chain whenever it passes a multiple of 256 rows, and each exported chain at its end."""
        self._sealer = Sealer(self._database, signer, clock)
        self._database.before_commit = self._sealer

    def seal(self, kinds: Iterable[str], consumer: str = "") -> None:
        """Seal the present end of the chains that an export of the same kinds holds. Raises: UsageError journal.no_signer."""
        with self.transaction():
            self._need_sealer().seal(chosen_heads(self._database, kinds, consumer), "export")

    def seal_ends(self) -> None:
        """Seal every chain that grew since its last seal: then the chain of seals says how far all of them reach."""
        with self.transaction():
            self._need_sealer().seal_grown(heads_of(self._database).values())

    def _need_sealer(self) -> Sealer:
        if self._sealer is None:
            raise UsageError("journal.no_signer")
        return self._sealer

    def seals(self, kind: str, scope: str = "") -> list[SignedSeal]:
        """Read the seals of one chain, oldest first."""
        return select_seals(self._database, kind, scope)

    def seal_head(self) -> ChainHead | None:
        """Give the state of the chain of seals, or None while there is none; kept elsewhere, it shows a journal that was set back."""
        return self._database.head(SEALS, "")

    def seal_hash(self, number: int) -> bytes | None:
        """Read the hash of one seal, or None when there is none of that number."""
        return retention.row_hash(self._database, SEALS, "", number)

    def verify(self) -> JournalReport:
        """Walk every chain and recompute every hash, check triggers, pages and indexes; returns counts and heads.

        It takes turns with the writer of this object; beside a running gateway, verify through `open_read_only`.
        Raises: IntegrityFault journal.chain (the detail names chain and row), journal.schema, journal.damaged.
        """
        return verify(self._database)

    def verify_recent(self, check: SignatureCheck) -> JournalReport:
        """Verify file rules, cuts, seals, the last seal of each chain and every row after it; what is older is left to `verify`.

        Raises: as `verify`; what `check` raises.
        """
        return verify_recent(self._database, check)

    def signed(self) -> Iterator[Signed]:
        """Read every seal and every cut with its signature, all of one moment."""
        return signed_of(self._database)

    def export(
        self,
        kinds: Iterable[str],
        about: ExportAbout = ExportAbout(),  # noqa: B008 - an immutable value
        *,
        items: Iterable[ExportItem] = (),
        seal_here: bool = False,
    ) -> Iterator[bytes]:
        """Write the chains of some kinds as lines that anyone can check without the key (see `journal_export`); in bounded memory.

        With `seal_here` the end of each chain is sealed in the lines alone, for whoever may not write the journal.
        Raises: UsageError journal.no_signer.
        """
        sealer = self._need_sealer() if seal_here else None
        sign = None if sealer is None else lambda heads: sealer.sign(heads, "export")
        return export_lines(self._database, kinds, about, sign=sign, items=items)

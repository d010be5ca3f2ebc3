"""Deletion after the retention time: a signed cut says up to which row a chain was deleted and with which hash it goes on.

Rows go oldest first and without holes, because a chain can only be cut at its beginning. The cut and the deletion are one transaction;
a rule in the file lets no row go that no cut covers. Walks over a chain begin at its last cut, so what was deleted without one is missed.
Source: MEAS-04, LOG-02; 20-wan-crypto-pki 3.4.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime

import msgspec

from smgw.core.errors import IntegrityFault, UsageError
from smgw.core.instant import from_microseconds, microseconds, utc_text
from smgw.core.log_event import Log
from smgw.core.obis import Obis
from smgw.storage.chain import GENESIS, ChainHead, Signer
from smgw.storage.database import Database, Row

CUTS = "cuts"
WALK_CUTS = (
    "SELECT '', sequence, hash, kind, scope, number, removed, row_hash, time, signer, signature FROM cuts"
    " WHERE sequence > ? ORDER BY sequence"
)

_MARK = b"smgw-cut-1\0"
"""Stands before the signed octets, so that they can never be taken for anything else that the same key signs."""

_READING_KIND, _REGISTER_KIND = "readings", "registers"
_HEAD = "(SELECT id FROM heads WHERE kind = '{kind}' AND scope = ?1)"


def _of_rows(table: str) -> tuple[str, str, str]:
    return (
        f"SELECT hash FROM {table} WHERE sequence = ?2 AND ?1 = ''",  # noqa: S608
        f"SELECT min(sequence) FROM {table} WHERE ?1 = ''",  # noqa: S608
        f"DELETE FROM {table} WHERE sequence <= ?2 AND ?1 = ''",  # noqa: S608
    )


def _of_log(log: Log) -> tuple[str, str, str]:
    head = _HEAD.format(kind=log.value)
    return (
        f"SELECT hash FROM log_entries WHERE head = {head} AND number = ?2",  # noqa: S608
        f"SELECT min(number) FROM log_entries WHERE head = {head}",  # noqa: S608
        f"DELETE FROM log_entries WHERE head = {head} AND number <= ?2",  # noqa: S608
    )


_QUERIES: dict[str, tuple[str, str, str]] = {
    **{table: _of_rows(table) for table in (_READING_KIND, _REGISTER_KIND, "profiles", "seals", CUTS)},
    **{log.value: _of_log(log) for log in Log},
}
"""Kind of chain -> the hash of row ?2 of scope ?1; the first row of scope ?1; the deletion of scope ?1 up to row ?2."""

DELETABLE = frozenset({_READING_KIND, _REGISTER_KIND, Log.SYSTEM.value, Log.CONSUMER.value})
"""Chains that may be cut. The calibration log is not among them, nor are profiles, seals and cuts."""


class Cut(msgspec.Struct, frozen=True):
    """Say that the beginning of one chain was deleted."""

    chain: str
    scope: str
    number: int
    """Number of the last row deleted; the chain goes on with the next."""
    removed: int
    """How many rows this cut deleted, oldest first."""
    row_hash: str
    """Hash of the last row deleted, hex: what the next row is linked to."""
    time: str
    """When, `2026-11-21T00:15:00Z`."""
    signer: str
    """Id of the key that signed, lower-case hex."""


def signed_octets(cut: Cut) -> bytes:
    """Give the octets of a cut that are signed and, followed by the signature, hashed."""
    return _MARK + msgspec.json.encode(cut, order="deterministic")


def cut_from_octets(octets: bytes) -> Cut:
    """Read back what `signed_octets` wrote. Raises: ValueError for anything else."""
    if not octets.startswith(_MARK):
        raise ValueError("no cut")
    return msgspec.json.decode(octets[len(_MARK) :], type=Cut)


def cut_of_row(row: Row) -> tuple[Cut, bytes]:
    """Read a row of `WALK_CUTS` from its fourth column on: the cut and its signature."""
    kind, scope, number, removed, row_hash, time, signer, signature = row
    return Cut(kind, scope, number, removed, row_hash.hex(), utc_text(from_microseconds(time)), signer.hex()), signature


def canonical_cut_row(row: Row) -> bytes:
    """Give the hashed octets of a row of `WALK_CUTS` from its fourth column on."""
    cut, signature = cut_of_row(row)
    return signed_octets(cut) + signature


def starts_of(database: Database) -> dict[tuple[str, str], ChainHead]:
    """Tell where each chain that was ever cut begins now: the number and hash of the last row deleted, by kind and scope.

    Raises: IntegrityFault journal.chain when a cut does not follow the one before it.
    """
    starts: dict[tuple[str, str], ChainHead] = {}
    for _, sequence, _, *columns in database.rows(WALK_CUTS, (0,)):
        kind, scope, number, removed, row_hash, *_ = columns
        before = starts.get((kind, scope))
        if kind not in DELETABLE or number - removed != (before.length if before else 0):
            raise IntegrityFault("journal.chain", f"cuts: row {sequence} does not follow the cut before it")
        starts[kind, scope] = ChainHead(kind, scope, number, row_hash)
    return starts


def start_of(database: Database, kind: str, scope: str) -> ChainHead:
    """Tell where one chain begins now; GENESIS and 0 when it was never cut."""
    query = "SELECT number, row_hash FROM cuts WHERE kind = ? AND scope = ? ORDER BY number DESC LIMIT 1"
    row = database.row(query, (kind, scope))
    return ChainHead(kind, scope, 0, GENESIS) if row is None else ChainHead(kind, scope, *row)


def row_hash(database: Database, kind: str, scope: str, number: int) -> bytes | None:
    """Read the stored hash of one row, or None when there is no such row."""
    row = database.row(_QUERIES[kind][0], (scope, number))
    return None if row is None else bytes(row[0])


def first_number(database: Database, kind: str, scope: str) -> int | None:
    """Read the number of the oldest row held, or None when there is none."""
    row = database.row(_QUERIES[kind][1], (scope,))
    return None if row is None else row[0]


def stored_rows(database: Database, kind: str, scope: str) -> int:
    """Count the rows that a chain holds now; takes no longer for a longer chain."""
    row = database.row("SELECT length FROM heads WHERE kind = ? AND scope = ?", (kind, scope))
    return (int(row[0]) if row else 0) - start_of(database, kind, scope).length


def scopes_of(database: Database, kind: str) -> list[str]:
    """List the scopes of a kind that ever had a row, sorted."""
    return [scope for (scope,) in database.rows("SELECT scope FROM heads WHERE kind = ? ORDER BY scope", (kind,))]


def series_of(database: Database) -> list[tuple[str, Obis]]:
    """List meter and register of every reading ever stored, in the order of their first."""
    return [(meter_id, Obis.from_bytes(code)) for meter_id, code in database.rows("SELECT meter_id, obis FROM series ORDER BY id")]


def cut_chain(database: Database, kind: str, scope: str, number: int, at: datetime, signer: Signer) -> Cut:
    """Delete the rows of a chain up to and including `number`, and say so in a signed cut; both or nothing.

    Whether they may go is the caller's decision. Raises: UsageError journal.cut for a chain that is never deleted, or a number that it does
    not hold; IntegrityFault journal.chain when rows were missing before.
    """
    with database.transaction():
        start = start_of(database, kind, scope)
        digest = row_hash(database, kind, scope, number) if kind in DELETABLE else None
        if digest is None or number <= start.length:
            raise UsageError("journal.cut", f"{kind} {scope} up to {number}")
        removed = number - start.length
        cut = Cut(kind, scope, number, removed, digest.hex(), utc_text(at), signer.key_id.hex())
        signature = signer.sign(signed_octets(cut))
        head = database.advance(CUTS, "", signed_octets(cut) + signature)
        row = (head.length, kind, scope, number, removed, digest, microseconds(at), signer.key_id, signature, head.digest)
        database.execute("INSERT INTO cuts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
        database.execute(_QUERIES[kind][2], (scope, number))
        if database.connection.changes() != removed:
            raise IntegrityFault("journal.chain", f"{kind} {scope}: rows up to {number} were not complete")
    return cut


# How far a chain may be cut: the longest beginning in which every row is old enough. A row that claims to be from the future was stamped by
# a wrong clock: it neither holds up what is older nor goes before a later row shows that its time has come.


def released_readings(database: Database, releases: Mapping[tuple[str, Obis], datetime], now: datetime, limit: int) -> int:
    """Give the last of the oldest readings, at most `limit`, that are all for a time before the release of their meter and register.

    A series without release stays. Returns 0 when none may go.
    """
    bounds = {(meter_id, bytes(code)): microseconds(moment) for (meter_id, code), moment in releases.items()}
    source = "readings CROSS JOIN series ON series.id = readings.series"
    query = f"SELECT sequence, target_time, meter_id, obis FROM {source} ORDER BY sequence LIMIT ?"  # noqa: S608
    rows = database.rows(query, (limit,))
    return _prefix(((number, time, bounds.get((meter_id, obis))) for number, time, meter_id, obis in rows), now)


def released_registers(database: Database, releases: Mapping[str, datetime], now: datetime, limit: int) -> int:
    """Give the last of the oldest register values, at most `limit`, whose periods all ended before the release of their profile.

    A profile without release keeps its values. Returns 0 when none may go.
    """
    rows = database.rows("SELECT sequence, period_end, profile_id FROM registers ORDER BY sequence LIMIT ?", (limit,))
    bounds = {profile_id: microseconds(moment) for profile_id, moment in releases.items()}
    return _prefix(((number, time, bounds.get(profile_id)) for number, time, profile_id in rows), now)


def released_log(database: Database, log: Log, scope: str, before: datetime, now: datetime, limit: int) -> int:
    """Give the last of a log's oldest entries, at most `limit`, that were all written before a moment; 0 when none may go."""
    query = f"SELECT number, time FROM log_entries WHERE head = {_HEAD.format(kind=log.value)} ORDER BY number LIMIT ?2"  # noqa: S608
    bound = microseconds(before)
    return _prefix(((number, time, bound) for number, time in database.rows(query, (scope, limit))), now)


def _prefix(rows: Iterable[tuple[int, int, int | None]], now: datetime) -> int:
    last, present = 0, microseconds(now)
    for number, time, bound in rows:
        if time > present and bound is not None:
            continue
        if bound is None or time >= bound:
            break
        last = number
    return last

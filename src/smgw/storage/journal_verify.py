"""The walk over a whole journal: every hash is computed again, in bounded memory."""

import struct
from collections.abc import Callable, Iterator
from itertools import groupby
from typing import NamedTuple

import apsw

from smgw.core.errors import IntegrityFault, SmgwError
from smgw.core.log_event import Log
from smgw.storage.chain import GENESIS, ChainHead, JournalReport, chain_tag, link
from smgw.storage.database import Database, Row
from smgw.storage.journal_logs import canonical_log_row, walk_log
from smgw.storage.journal_profiles import PROFILES, WALK_PROFILES, canonical_profile_row
from smgw.storage.journal_readings import (
    READINGS,
    REGISTERS,
    WALK_READINGS,
    WALK_REGISTERS,
    canonical_reading_row,
    canonical_register_row,
)
from smgw.storage.outbox import delivery_counts
from smgw.storage.schema import MIGRATIONS


class Chained(NamedTuple):
    """Say how the chains of one kind are walked.

    `walk` takes the number after which to start; it gives scope, number, hash and the columns that `canonical` turns into hashed octets.
    """

    walk: str
    canonical: Callable[[Row], bytes]


CHAINED: dict[str, Chained] = {
    READINGS: Chained(WALK_READINGS, canonical_reading_row),
    REGISTERS: Chained(WALK_REGISTERS, canonical_register_row),
    PROFILES: Chained(WALK_PROFILES, canonical_profile_row),
    **{log.value: Chained(walk_log(log), canonical_log_row) for log in Log},
}

UNREADABLE = (ValueError, OverflowError, TypeError, AttributeError, IndexError, KeyError, RecursionError, struct.error, SmgwError)
"""What an altered row makes its reader raise."""


def verify(database: Database) -> JournalReport:
    """Recompute every chain, compare it with its head, and check the pages, indexes and rules of the file.

    Raises: IntegrityFault journal.chain (the detail names chain and row), journal.schema, journal.damaged.
    """
    with database.snapshot():
        heads = heads_of(database)
        for kind in CHAINED:
            _verify_kind(database, kind, {scope: head for (of, scope), head in heads.items() if of == kind})
        _verify_schema(database)
        _verify_pages(database)
        messages, acknowledged = delivery_counts(database)
    return JournalReport(tuple(heads[key] for key in sorted(heads)), messages, acknowledged)


def heads_of(database: Database) -> dict[tuple[str, str], ChainHead]:
    """Read the heads of all chains by kind and scope."""
    rows = database.rows("SELECT kind, scope, length, hash FROM heads")
    for kind, scope, _, _ in rows:
        if kind not in CHAINED:
            raise broken(kind, scope, 0, "is no chain of a journal")
    return {(kind, scope): ChainHead(kind, scope, length, digest) for kind, scope, length, digest in rows}


def _verify_kind(database: Database, kind: str, heads: dict[str, ChainHead]) -> None:
    ends = {scope: ChainHead(kind, scope, 0, GENESIS) for scope in heads}
    for scope, rows in groupby(database.scan(CHAINED[kind].walk, (0,)), key=lambda row: row[0]):
        ends[scope] = _walk(kind, scope, rows)
    for scope, end in ends.items():
        head = heads.get(scope)
        if head is None:
            raise broken(kind, scope, end.length, "has no head")
        if end.length != head.length:
            raise broken(kind, scope, end.length + 1, f"is missing, the head counts {head.length}")
        if end.digest != head.digest:
            raise broken(kind, scope, end.length, "is not what the head says")


def _walk(kind: str, scope: str, rows: Iterator[Row]) -> ChainHead:
    tag, canonical = chain_tag(kind, scope), CHAINED[kind].canonical
    length, digest = 0, GENESIS
    for _, number, stored, *columns in rows:
        length += 1
        if number != length:
            raise broken(kind, scope, length, "is missing")
        try:
            digest = link(digest, tag, canonical(tuple(columns)))
        except UNREADABLE as problem:
            raise broken(kind, scope, length, "can't be read") from problem
        if digest != stored:
            raise broken(kind, scope, length, "was altered")
    return ChainHead(kind, scope, length, digest)


def broken(kind: str, scope: str, number: int, what: str) -> IntegrityFault:
    """Make the fault that names chain and row."""
    return IntegrityFault("journal.chain", f"{f'{kind} of {scope}' if scope else kind}: row {number} {what}")


def _verify_schema(database: Database) -> None:
    """Compare tables, indexes and triggers with those of a new journal: without its triggers a table is not append-only."""
    query = "SELECT type, name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY type, name"
    model = apsw.Connection(":memory:")
    for script in MIGRATIONS:
        model.execute(script)
    expected, found = set(model.execute(query)), set(database.rows(query))
    model.close()
    differing = sorted({str(name) for _, name, _ in expected ^ found})
    if differing:
        raise IntegrityFault("journal.schema", ", ".join(differing))


def _verify_pages(database: Database) -> None:
    row = database.row("PRAGMA integrity_check(1)")
    if row != ("ok",):
        raise IntegrityFault("journal.damaged", str(row[0]) if row else "")

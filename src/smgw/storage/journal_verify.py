"""The walk over a whole journal, or over what came after its last seals: hashes are computed again, in bounded memory."""

import struct
from collections.abc import Callable, Iterator
from itertools import groupby
from typing import NamedTuple

import apsw

from smgw.core.errors import IntegrityFault, SmgwError
from smgw.core.log_event import Log
from smgw.storage.chain import GENESIS, ChainHead, JournalReport, SignatureCheck, Signed, chain_tag, link
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
from smgw.storage.journal_seals import SEALS, WALK_SEALS, canonical_seal_row, seal_of
from smgw.storage.outbox import delivery_counts
from smgw.storage.retention import CUTS, WALK_CUTS, canonical_cut_row, cut_of_row, first_number, row_hash, signed_octets, starts_of
from smgw.storage.schema import MIGRATIONS


class Chained(NamedTuple):
    """Say how the chains of one kind are walked.

    `walk` takes the number after which to start; it gives scope, number, hash and the columns that `canonical` turns into hashed octets.
    """

    walk: str
    canonical: Callable[[Row], bytes]
    scope: str = "''"
    """SQL for the scope of a row."""

    @property
    def tail(self) -> str:
        """Give the walk over one scope (?2) from a number (?1) on."""
        return self.walk.replace("> ?", f"> ?1 AND {self.scope} = ?2")


CHAINED: dict[str, Chained] = {
    CUTS: Chained(WALK_CUTS, canonical_cut_row),
    SEALS: Chained(WALK_SEALS, canonical_seal_row),
    READINGS: Chained(WALK_READINGS, canonical_reading_row),
    REGISTERS: Chained(WALK_REGISTERS, canonical_register_row),
    PROFILES: Chained(WALK_PROFILES, canonical_profile_row),
    **{log.value: Chained(walk_log(log), canonical_log_row, "scope") for log in Log},
}

STATEMENTS = (CUTS, SEALS)
"""Chains of what the gateway says about the others."""

UNREADABLE = (ValueError, OverflowError, TypeError, AttributeError, IndexError, KeyError, RecursionError, struct.error, SmgwError)
"""What an altered row makes its reader raise."""

_Key = tuple[str, str]
_Marks = dict[_Key, dict[int, bytes]]


def verify(database: Database) -> JournalReport:
    """Recompute every chain from its beginning or last cut, compare it with its head and every seal, and check the file.

    Signatures are another matter: `signed_of` gives them with what they are over.
    Raises: IntegrityFault journal.chain (the detail names chain and row), journal.schema, journal.damaged.
    """
    with database.snapshot():
        heads = heads_of(database)
        for kind in STATEMENTS:
            _verify_kind(database, kind, heads, {}, {})
        starts, marks = starts_of(database), _marks(database)
        for kind in CHAINED:
            if kind not in STATEMENTS:
                _verify_kind(database, kind, heads, starts, marks)
        _verify_marks(heads, marks)
        _verify_schema(database)
        _verify_pages(database)
        messages, acknowledged = delivery_counts(database)
    return JournalReport(tuple(heads[key] for key in sorted(heads)), messages, acknowledged)


def verify_recent(database: Database, check: SignatureCheck) -> JournalReport:
    """Verify what every start needs to know, in a time that hardly grows with the journal.

    Checked are the rules of the file; all cuts and seals; the signatures of the last cut and the last seal of each chain; that each chain
    still begins where it was cut; the row that its last seal names, and every row after it up to the head. A change in an older row does
    not show here; it shows in `verify`.
    Raises: as `verify`; what `check` raises.
    """
    with database.snapshot():
        _verify_schema(database)
        heads = heads_of(database)
        for kind in STATEMENTS:
            _verify_kind(database, kind, heads, {}, {})
        starts, marks = starts_of(database), _last_marks(database, check)
        _verify_marks(heads, marks)
        for one in {(row[3], row[4]): _signed_cut(row) for row in database.rows(WALK_CUTS, (0,))}.values():
            check(one.key_id, one.octets, one.signature)
        for key in heads.keys() | starts.keys():
            if key[0] not in STATEMENTS:
                _verify_tail(database, key, heads.get(key), starts.get(key), marks.get(key, {}))
        messages, acknowledged = delivery_counts(database)
    return JournalReport(tuple(heads[key] for key in sorted(heads)), messages, acknowledged)


def heads_of(database: Database) -> dict[_Key, ChainHead]:
    """Read the heads of all chains by kind and scope."""
    rows = database.rows("SELECT kind, scope, length, hash FROM heads")
    for kind, scope, _, _ in rows:
        if kind not in CHAINED:
            raise broken(kind, scope, 0, "is no chain of a journal")
    return {(kind, scope): ChainHead(kind, scope, length, digest) for kind, scope, length, digest in rows}


def signed_of(database: Database) -> Iterator[Signed]:
    """Read every seal and every cut with its signature, all of one moment, in bounded memory.

    Whether the chains around them are intact is another question (`verify`).
    """
    with database.snapshot():
        for row in database.scan(WALK_SEALS, (0,)):
            record, signature = bytes(row[6]), bytes(row[7])
            yield Signed(SEALS, row[1], bytes.fromhex(seal_of(record).signer), record, signature)
        for row in database.scan(WALK_CUTS, (0,)):
            yield _signed_cut(row)


def _signed_cut(row: Row) -> Signed:
    cut, signature = cut_of_row(row[3:])
    return Signed(CUTS, row[1], bytes.fromhex(cut.signer), signed_octets(cut), signature)


def _marks(database: Database) -> _Marks:
    """Collect what all seals say: by chain, the hash of each row that one names."""
    marks: _Marks = {}
    for (record,) in database.scan("SELECT record FROM seals"):
        seal = seal_of(bytes(record))
        marks.setdefault((seal.chain, seal.scope), {})[seal.length] = bytes.fromhex(seal.hash)
    return marks


def _last_marks(database: Database, check: SignatureCheck) -> _Marks:
    marks: _Marks = {}
    for record, signature, _ in database.rows("SELECT record, signature, max(length) FROM seals GROUP BY chain, scope"):
        seal = seal_of(bytes(record))
        check(bytes.fromhex(seal.signer), bytes(record), bytes(signature))
        marks[seal.chain, seal.scope] = {seal.length: bytes.fromhex(seal.hash)}
    return marks


def _verify_marks(heads: dict[_Key, ChainHead], marks: _Marks) -> None:
    """Notice chains that are shorter than a seal says: a journal that was set back."""
    for (kind, scope), numbers in marks.items():
        head = heads.get((kind, scope))
        if head is None or max(numbers) > head.length:
            raise broken(kind, scope, max(numbers), "is missing, but was sealed")


def _verify_tail(database: Database, key: _Key, head: ChainHead | None, start: ChainHead | None, marks: dict[int, bytes]) -> None:
    kind, scope = key
    if head is None:
        raise broken(kind, scope, 0, "has no head")
    start = start or ChainHead(kind, scope, 0, GENESIS)
    first = first_number(database, kind, scope)
    if first is not None and first <= start.length:
        raise broken(kind, scope, first, "stands before the cut")
    if first != start.length + 1 and head.length > start.length:
        raise broken(kind, scope, start.length + 1, "is missing")
    for number, digest in marks.items():
        if number > start.length:
            if row_hash(database, kind, scope, number) != digest:
                raise broken(kind, scope, number, "is not what was sealed")
            start = ChainHead(kind, scope, number, digest)
    rows = database.scan(CHAINED[kind].tail, (start.length, scope))
    _require_head(_walk(start, rows, marks), head)


def _verify_kind(database: Database, kind: str, heads: dict[_Key, ChainHead], starts: dict[_Key, ChainHead], marks: _Marks) -> None:
    own = {scope: head for (of, scope), head in heads.items() if of == kind}
    ends = {scope: ChainHead(kind, scope, 0, GENESIS) for scope in own}
    ends |= {scope: start for (of, scope), start in starts.items() if of == kind}
    for scope, rows in groupby(database.scan(CHAINED[kind].walk, (0,)), key=lambda row: row[0]):
        ends[scope] = _walk(ends.get(scope, ChainHead(kind, scope, 0, GENESIS)), rows, marks.get((kind, scope), {}))
    for scope, end in ends.items():
        head = own.get(scope)
        if head is None:
            raise broken(kind, scope, end.length, "has no head")
        _require_head(end, head)


def _require_head(end: ChainHead, head: ChainHead) -> None:
    if end.length != head.length:
        raise broken(head.kind, head.scope, end.length + 1, f"is missing, the head counts {head.length}")
    if end.digest != head.digest:
        raise broken(head.kind, head.scope, end.length, "is not what the head says")


def _walk(start: ChainHead, rows: Iterator[Row], marks: dict[int, bytes]) -> ChainHead:
    kind, scope, length, digest = start.kind, start.scope, start.length, start.digest
    tag, canonical = chain_tag(kind, scope), CHAINED[kind].canonical
    if marks.get(length, digest) != digest:
        raise broken(kind, scope, length, "is not what was sealed")
    for _, number, stored, *columns in rows:
        length += 1
        if number != length:
            raise broken(kind, scope, min(number, length), "is missing" if number > length else "stands before the cut")
        try:
            digest = link(digest, tag, canonical(tuple(columns)))
        except UNREADABLE as problem:
            raise broken(kind, scope, length, "can't be read") from problem
        if digest != stored:
            raise broken(kind, scope, length, "was altered")
        if marks.get(length, digest) != digest:
            raise broken(kind, scope, length, "is not what was sealed")
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

"""The administrator's audit trail: who did what to whom, and what came of it; a hash chain from its first entry on.

Whoever can write the store could make a new chain; so its head is told at each start and stop and with each export, and a trail
that does not hold a head that was seen before is found out. Source: ADM-10.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

import msgspec

from smgw.administrator.store import Store
from smgw.core.errors import DecodeFault, IntegrityFault
from smgw.core.instant import utc_text
from smgw.storage.chain import GENESIS, chain_tag, link

_SCHEMA = """
CREATE TABLE IF NOT EXISTS audit (
  id INTEGER PRIMARY KEY, at TEXT NOT NULL, actor TEXT NOT NULL, action TEXT NOT NULL, subject TEXT NOT NULL, result TEXT NOT NULL,
  hash BLOB NOT NULL DEFAULT x''
) STRICT;
"""
_TAG = chain_tag("audit")
_COLUMNS = "id, at, actor, action, subject, result"
_PAGE = 1_000
_LAST = "SELECT id, hash FROM audit ORDER BY id DESC LIMIT 1"
_AFTER = f"SELECT {_COLUMNS}, hash FROM audit WHERE id > ? ORDER BY id LIMIT {_PAGE}"  # noqa: S608 - constants only
_UNLINKED = f"SELECT {_COLUMNS} FROM audit ORDER BY id"  # noqa: S608 - constants only
_NEWEST = (
    f"SELECT {_COLUMNS} FROM audit WHERE id < ? AND (?='' OR actor=?) AND (?='' OR instr(subject, ?)) "  # noqa: S608 - constants only
    "ORDER BY id DESC LIMIT ?"
)


class Entry(NamedTuple):
    """Hold one entry; its number counts from 1 without gaps."""

    id: int
    at: str
    actor: str
    action: str
    subject: str
    result: str

    def digest(self, previous: bytes) -> bytes:
        """Give the hash of this entry after the one with the hash `previous`."""
        return link(previous, _TAG, msgspec.json.encode(tuple(self)))


class Head(NamedTuple):
    """Hold how long the trail is and the hash of its last entry: `length:hex` as text."""

    length: int
    digest: bytes

    def __str__(self) -> str:
        return f"{self.length}:{self.digest.hex()}"

    @classmethod
    def parse(cls, text: str) -> "Head":
        """Read a head as it is printed. Raises: DecodeFault administrator.audit_head."""
        length, _, digest = text.strip().partition(":")
        try:
            head = cls(int(length), bytes.fromhex(digest))
        except ValueError as problem:
            raise DecodeFault("administrator.audit_head", text[:80]) from problem
        if str(head) != text.strip() or len(head.digest) != len(GENESIS) or head.length < 0:
            raise DecodeFault("administrator.audit_head", text[:80])
        return head


class Audit:
    """Append to the trail, show it and prove it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        store.install(_SCHEMA)
        if store.add_column("audit", "hash", "BLOB NOT NULL DEFAULT x''"):
            self._link_all()

    def note(self, at: datetime, actor: str, action: str, subject: str, result: str) -> None:
        """Append one entry; within `Store.write` it counts with the rest of that block or not at all."""
        with self._store.write() as database:
            last, previous = database.execute(_LAST).fetchone() or (0, GENESIS)
            entry = Entry(last + 1, utc_text(at), actor, action, subject, result)
            database.execute("INSERT INTO audit VALUES (?,?,?,?,?,?,?)", (*entry, entry.digest(previous)))

    def newest(self, limit: int = 200, *, before: int = 0, actor: str = "", subject: str = "") -> list[dict[str, str]]:
        """Give the newest entries, newest first; `before` an entry's number, of one actor, about subjects that contain a text."""
        rows = self._store.rows(_NEWEST, (before or 1 << 62, actor, actor, subject, subject, limit))
        return [{**Entry(*row)._asdict(), "id": str(row[0])} for row in rows]

    def entries(self, after: int = 0) -> Iterator[tuple[Entry, bytes]]:
        """Give all entries with their hashes as they are stored, oldest first."""
        while rows := self._store.rows(_AFTER, (after,)):
            yield from ((Entry(*row[:6]), row[6]) for row in rows)
            after = rows[-1][0]

    def head(self) -> Head:
        """Give the head as it is stored."""
        rows = self._store.rows(_LAST)
        return Head(*rows[0]) if rows else Head(0, GENESIS)

    def verify(self, known: Head | None = None) -> Head:
        """Walk the whole chain and give its head; with a head that was seen before, prove that the trail still goes on from it.

        Raises: IntegrityFault administrator.audit_chain with the number of the first entry that does not fit.
        """
        length, digest = 0, GENESIS
        known_seen = known is None or known == Head(0, GENESIS)
        for entry, stored in self.entries():
            digest = entry.digest(digest)
            length += 1
            if entry.id != length or digest != stored:
                raise IntegrityFault("administrator.audit_chain", f"entry {length}")
            known_seen = known_seen or known == Head(length, digest)
        if not known_seen:
            raise IntegrityFault("administrator.audit_chain", f"the trail has {length} entries and does not go on from the known head")
        return Head(length, digest)

    def _link_all(self) -> None:
        """Make a chain of what was written before the trail was one."""
        with self._store.write() as database:
            digest = GENESIS
            for number, row in enumerate(database.execute(_UNLINKED).fetchall(), start=1):
                digest = Entry(number, *row[1:]).digest(digest)
                database.execute("UPDATE audit SET id=?, hash=? WHERE id=?", (number, digest, row[0]))

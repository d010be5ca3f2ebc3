"""The encrypted file under the journal: opening, keying, locking, transactions, chain heads, and one translation of all faults.

SQLite3 Multiple Ciphers with ChaCha20-Poly1305 (every page carries a MAC), WAL, full sync at each commit.
Source: 40-crypto-stack 4; WAN-05; STATE-04.
"""

import fcntl
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import RLock
from typing import Any, NamedTuple, Self

import apsw

from smgw.core.errors import ConfigError, IntegrityFault, SecurityFault, SmgwError, Unavailable, UsageError
from smgw.storage.chain import GENESIS, ChainHead, chain_tag, link
from smgw.storage.schema import MIGRATIONS, SCHEMA_VERSION

KEY_OCTETS = 32
BUSY_TIMEOUT_MS = 5_000
WAL_LIMIT_OCTETS = 4 << 20

_SETTINGS = (
    f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}",
    "PRAGMA foreign_keys=ON",
    "PRAGMA recursive_triggers=ON",
    "PRAGMA trusted_schema=OFF",
    "PRAGMA cell_size_check=ON",
    "PRAGMA secure_delete=ON",
    "PRAGMA synchronous=FULL",
    f"PRAGMA journal_size_limit={WAL_LIMIT_OCTETS}",
)

_FAULTS: tuple[tuple[type[apsw.Error], type[SmgwError], str], ...] = (
    (apsw.FullError, Unavailable, "journal.full"),
    (apsw.CorruptError, IntegrityFault, "journal.damaged"),
    (apsw.NotADBError, IntegrityFault, "journal.damaged"),
    (apsw.BusyError, Unavailable, "journal.locked"),
    (apsw.IOError, Unavailable, "journal.io"),
    (apsw.CantOpenError, Unavailable, "journal.io"),
    (apsw.PermissionsError, Unavailable, "journal.io"),
    (apsw.ReadOnlyError, Unavailable, "journal.io"),
)
"""What SQLite reports -> what the program raises. Anything else is an error of this package and stays as it is."""

Row = tuple[Any, ...]


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except apsw.Error as problem:
        for kind, fault, code in _FAULTS:
            if isinstance(problem, kind):
                raise fault(code, str(problem)) from problem
        raise


class _Head(NamedTuple):
    identity: int
    length: int
    digest: bytes


class Database:
    """Own one connection to one journal file; threads take turns, whole transactions at a time."""

    def __init__(self, connection: apsw.Connection, lock_descriptor: int | None) -> None:
        self._connection = connection
        self._lock_descriptor = lock_descriptor
        self._turn = RLock()
        self._depth = 0
        self._heads: dict[tuple[str, str], _Head] = {}
        self._moved: set[tuple[str, str]] = set()
        self._lengthened: set[tuple[str, str]] = set()
        self.before_commit: Callable[[Sequence[ChainHead]], None] | None = None
        """Called inside each outermost transaction just before it ends, with the heads of the chains that it lengthened."""
        self.series: dict[tuple[str, bytes], int] = {}
        """Rows of `series` by meter and OBIS as far as seen; forgotten when anything is undone."""

    @classmethod
    def open(cls, path: Path, key: bytes) -> Self:
        """Open for writing, creating the file when missing, and bring it to the present schema.

        Raises: SecurityFault journal.key, IntegrityFault journal.damaged, Unavailable journal.locked, journal.full, journal.io,
        ConfigError journal.version.
        """
        lock = _lock_for_writing(path)
        try:
            with _translated():
                connection = _connect(path, key, apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE)
                try:
                    connection.execute("PRAGMA journal_mode=WAL")
                    _migrate(connection)
                except BaseException:
                    connection.close()
                    raise
        except BaseException:
            os.close(lock)
            raise
        return cls(connection, lock)

    @classmethod
    def open_read_only(cls, path: Path, key: bytes) -> Self:
        """Open for reading beside a running writer.

        Raises: ConfigError journal.missing, journal.version; otherwise as `open`.
        """
        if not path.is_file():
            raise ConfigError("journal.missing", str(path))
        with _translated():
            connection = _connect(path, key, apsw.SQLITE_OPEN_READONLY)
            version = _version(connection)
        if version != SCHEMA_VERSION:
            connection.close()
            raise ConfigError("journal.version", f"file {version}, program {SCHEMA_VERSION}")
        return cls(connection, None)

    def close(self) -> None:
        """Close the file and let the next writer in; closing twice does nothing."""
        with self._turn, _translated():
            try:
                self._connection.close()
            finally:
                if self._lock_descriptor is not None:
                    os.close(self._lock_descriptor)
                    self._lock_descriptor = None

    @property
    def connection(self) -> apsw.Connection:
        """Give the connection itself, for settings and measurements."""
        return self._connection

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Make everything written inside durable together, or nothing of it.

        Inside another transaction it is a part of that one: it becomes durable with the outer one, and an exception that leaves it undoes
        this part even if the outer one goes on. Never give up control inside (no await): what another task writes meanwhile would join.
        """
        if self._lock_descriptor is None:
            raise UsageError("journal.read_only")
        with self._turn, _translated():
            outermost = self._depth == 0
            self._begin(outermost)
            self._depth += 1
            try:
                yield
                self._end(outermost)
            except BaseException:
                self._undo(outermost)
                raise
            finally:
                self._depth -= 1
                if outermost:
                    self._lengthened.clear()

    def _begin(self, outermost: bool) -> None:
        if outermost:
            self._connection.execute("BEGIN IMMEDIATE")
            return
        self._check_alive()
        self._store_heads()
        self._connection.execute(f"SAVEPOINT part{self._depth}")

    def _end(self, outermost: bool) -> None:
        self._check_alive()
        if outermost and self.before_commit is not None:
            self.before_commit([head for key in sorted(self._lengthened) if (head := self.head(*key)) is not None])
        self._store_heads()
        self._connection.execute("COMMIT" if outermost else f"RELEASE part{self._depth - 1}")

    def _undo(self, outermost: bool) -> None:
        # What is remembered may be of rows that are undone now.
        self._heads.clear()
        self._moved.clear()
        self.series.clear()
        # A full disk or a failed write makes SQLite undo the whole transaction by itself.
        if not self._active():
            return
        if outermost:
            self._connection.execute("ROLLBACK")
        else:
            self._connection.execute(f"ROLLBACK TO part{self._depth - 1}")
            self._connection.execute(f"RELEASE part{self._depth - 1}")

    def _check_alive(self) -> None:
        # Without this, what is written after a transaction undid itself would be stored alone.
        if not self._active():
            raise Unavailable("journal.io", "the transaction was undone before")

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Let all reads inside see the same state."""
        with self._turn, _translated():
            if self._active():
                yield
                return
            self._connection.execute("BEGIN")
            try:
                yield
            finally:
                if self._active():
                    self._connection.execute("ROLLBACK")

    def _active(self) -> bool:
        return self._connection.in_transaction

    def execute(self, sql: str, values: Row = ()) -> None:
        """Run one writing statement; only inside `transaction`."""
        self._connection.execute(sql, values)

    def execute_many(self, sql: str, values: Iterable[Row]) -> None:
        """Run one writing statement for each row of values; only inside `transaction`."""
        self._connection.executemany(sql, values)

    def rows(self, sql: str, values: Row = ()) -> list[Row]:
        """Read all rows of a query."""
        with self._turn, _translated():
            return self._connection.execute(sql, values).fetchall()

    def row(self, sql: str, values: Row = ()) -> Row | None:
        """Read the first row of a query."""
        with self._turn, _translated():
            found: Row | None = self._connection.execute(sql, values).fetchone()
            return found

    def scan(self, sql: str, values: Row = ()) -> Iterator[Row]:
        """Read row by row in bounded memory; only inside `snapshot`."""
        return iter(self._connection.execute(sql, values))

    def advance(self, kind: str, scope: str, canonical: bytes) -> _Head:
        """Lengthen a chain by one row; returns its row in `heads`, the new row's number (from 1) and hash. Only inside `transaction`."""
        key = (kind, scope)
        head = self._heads.get(key) or self._load_head(kind, scope)
        digest = link(head.digest, chain_tag(kind, scope), canonical)
        self._heads[key] = advanced = _Head(head.identity, head.length + 1, digest)
        self._moved.add(key)
        self._lengthened.add(key)
        return advanced

    def head(self, kind: str, scope: str) -> ChainHead | None:
        """Give the present state of a chain, or None when it has no row."""
        known = self._heads.get((kind, scope))
        row = self.row("SELECT id, length, hash FROM heads WHERE kind = ? AND scope = ?", (kind, scope)) if known is None else known
        return None if row is None or not row[1] else ChainHead(kind, scope, row[1], row[2])

    def _load_head(self, kind: str, scope: str) -> _Head:
        query = "SELECT id, length, hash FROM heads WHERE kind = ? AND scope = ?"
        row = self.row(query, (kind, scope))
        if row is None:
            self.execute("INSERT INTO heads (kind, scope, length, hash) VALUES (?, ?, 0, ?)", (kind, scope, GENESIS))
            return _Head(self._connection.last_insert_rowid(), 0, GENESIS)
        return _Head(*row)

    def _store_heads(self) -> None:
        for key in self._moved:
            head = self._heads[key]
            self.execute("UPDATE heads SET length = ?, hash = ? WHERE id = ?", (head.length, head.digest, head.identity))
        self._moved.clear()


def _lock_for_writing(path: Path) -> int:
    """Take the writer's lock in a file of its own: SQLite's locks on the journal itself must stay untouched."""
    try:
        descriptor = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as problem:
        raise Unavailable("journal.io", problem.strerror or "") from problem
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as problem:
        os.close(descriptor)
        raise Unavailable("journal.locked", str(path)) from problem
    return descriptor


def _connect(path: Path, key: bytes, flags: int) -> apsw.Connection:
    if len(key) != KEY_OCTETS:
        raise UsageError("journal.key", f"{len(key)} octets")
    if flags & apsw.SQLITE_OPEN_CREATE:
        _create_private(path)
    connection = apsw.Connection(str(path), flags=flags)
    try:
        connection.execute("PRAGMA cipher='chacha20'")
        # The prefix says that these octets are the key itself; without it they would be stretched like a passphrase.
        connection.execute(f"PRAGMA hexkey='{(b'raw:' + key).hex()}'")
        for setting in _SETTINGS:
            connection.execute(setting)
        _version(connection)
    except apsw.NotADBError as problem:
        connection.close()
        raise SecurityFault("journal.key", str(path)) from problem
    except BaseException:
        connection.close()
        raise
    return connection


def _create_private(path: Path) -> None:
    """Make the file readable by its owner alone; SQLite gives its companions the same rights.

    A file that exists is not touched: closing it here would drop the locks of another connection of this process.
    """
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        return
    except OSError as problem:
        raise Unavailable("journal.io", problem.strerror or "") from problem


def _version(connection: apsw.Connection) -> int:
    version = connection.pragma("user_version")
    assert isinstance(version, int)
    return version


def _migrate(connection: apsw.Connection) -> None:
    version = _version(connection)
    if version > SCHEMA_VERSION:
        raise ConfigError("journal.version", f"file {version}, program {SCHEMA_VERSION}")
    for number, script in enumerate(MIGRATIONS[version:], version + 1):
        with connection:
            connection.execute(script)
            connection.execute(f"PRAGMA user_version={number}")

"""The administrator's store: one SQLite file, written with full sync; each module of the administrator owns its own tables in it."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from smgw.core.errors import IntegrityFault, Unavailable


@contextmanager
def _translated() -> Iterator[None]:
    """Turn what the database reports into faults with a code."""
    try:
        yield
    except sqlite3.OperationalError as problem:
        raise Unavailable("administrator.store", str(problem)) from problem
    except sqlite3.DatabaseError as problem:
        raise IntegrityFault("administrator.damaged", str(problem)) from problem


class Store:
    """Own the connection to the file.

    Every call raises Unavailable administrator.store when the disk refuses, with nothing half written, and IntegrityFault
    administrator.damaged when the file is none of an administrator. No consumption value has a place here (ADM-11).
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with _translated():
            self._database = sqlite3.connect(path, isolation_level=None)
            try:
                for setting in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
                    self._database.execute(f"PRAGMA {setting}")
            except BaseException:
                self._database.close()
                raise
        path.chmod(0o600)

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def install(self, schema: str) -> None:
        """Make the tables of one module where they are missing; `schema` holds `CREATE … IF NOT EXISTS` statements only."""
        with _translated():
            self._database.executescript(schema)

    def add_column(self, table: str, name: str, definition: str) -> bool:
        """Add a column to a table of an older version; tells whether it was missing."""
        if name in {row[1] for row in self.rows(f"PRAGMA table_info({table})")}:
            return False
        with self.write() as database:
            database.execute(f"ALTER TABLE {table} ADD COLUMN {name} {definition}")
        return True

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """Run statements that count all or not at all; a block within another is a part of that one."""
        if self._database.in_transaction:
            yield self._database
            return
        with _translated():
            try:
                self._database.execute("BEGIN IMMEDIATE")
                yield self._database
                self._database.execute("COMMIT")
            except BaseException:
                self._undo()
                raise

    def _undo(self) -> None:
        # A full disk may have undone it already.
        if self._database.in_transaction:
            self._database.execute("ROLLBACK")

    def rows(self, sql: str, values: tuple[object, ...] = ()) -> list[tuple[Any, ...]]:
        """Give all rows that a query finds."""
        with _translated():
            return self._database.execute(sql, values).fetchall()

"""The participant's SQLite database: opened durably, changed in whole transactions, and unavailable rather than half written.

Source: EMT-01, EMT-07; 50-headend-scale 1 and 3.1.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import resources
from pathlib import Path

from smgw.core.errors import ConfigError, Unavailable
from smgw.storage.series import SCHEMA as SERIES_SCHEMA

VERSION = 2
_BUSY_TIMEOUT_S = 10.0


def connect(path: Path) -> sqlite3.Connection:
    """Open the database to write and make it where there is none, for its owner alone; each commit reaches the disk.

    Raises: Unavailable participant.store; ConfigError participant.version.
    """
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=_BUSY_TIMEOUT_S)
    except (OSError, sqlite3.Error) as problem:
        raise Unavailable("participant.store", f"{path}: {problem}") from problem
    try:
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
            connection.execute(f"PRAGMA {pragma}")
        with transaction(connection):
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version == 0:
                _create(connection)
            elif version == 1:
                _run(connection, NOTICES)
    except sqlite3.Error as problem:
        connection.close()
        raise Unavailable("participant.store", f"{path}: {problem}") from problem
    except Unavailable:
        connection.close()
        raise
    if version > VERSION:
        connection.close()
        raise ConfigError("participant.version", f"{path}: version {version}")
    return connection


def connect_read_only(path: Path) -> sqlite3.Connection:
    """Open the database to read beside a writer. Raises: ConfigError participant.not_initialised."""
    try:
        connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, isolation_level=None, timeout=_BUSY_TIMEOUT_S)
        connection.execute("SELECT 1 FROM inbox").close()
    except sqlite3.Error as problem:
        raise ConfigError("participant.not_initialised", f"{path}: {problem}") from problem
    return connection


NOTICES = """
CREATE TABLE notice (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  message_id TEXT NOT NULL UNIQUE,
  gateway_id TEXT NOT NULL,
  event TEXT NOT NULL,
  level TEXT NOT NULL,
  told_at INTEGER NOT NULL,
  received_at INTEGER NOT NULL,
  subject TEXT NOT NULL,
  success INTEGER NOT NULL,
  parameters TEXT NOT NULL
) STRICT;
"""
"""What gateways told by themselves; new in version 2."""


def _create(connection: sqlite3.Connection) -> None:
    _run(connection, resources.files(__package__).joinpath("schema.sql").read_text() + SERIES_SCHEMA + NOTICES)


def _run(connection: sqlite3.Connection, script: str) -> None:
    for statement in script.split(";"):
        if statement.strip():
            connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {VERSION}")


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Do everything inside or nothing of it. Raises: Unavailable participant.store when the database takes nothing."""
    try:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("COMMIT")
    except sqlite3.Error as problem:
        raise Unavailable("participant.store", str(problem)) from problem
    finally:
        if connection.in_transaction:
            with suppress(sqlite3.Error):
                connection.execute("ROLLBACK")

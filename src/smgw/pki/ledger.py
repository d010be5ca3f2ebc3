"""The books of a certification authority: what it issued, revoked and published, append only.

One SQLite file, synced at every commit; triggers refuse changes and deletions.
Source: PKI-01.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from smgw.core.errors import ConfigError
from smgw.core.instant import from_microseconds, microseconds

_SCHEMA_VERSION = 1
_SCHEMA = """
CREATE TABLE setting (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT;
CREATE TABLE certificate (
  serial TEXT PRIMARY KEY, common_name TEXT NOT NULL, kind TEXT NOT NULL, not_after_us INTEGER NOT NULL, issued_us INTEGER NOT NULL,
  der BLOB NOT NULL
) STRICT;
CREATE INDEX certificate_name ON certificate (common_name);
CREATE TABLE revocation (
  id INTEGER PRIMARY KEY, serial TEXT NOT NULL REFERENCES certificate (serial), reason TEXT NOT NULL, time_us INTEGER NOT NULL
) STRICT;
CREATE TABLE revocation_list (
  number INTEGER PRIMARY KEY, this_update_us INTEGER NOT NULL, next_update_us INTEGER NOT NULL, last_revocation INTEGER NOT NULL,
  der BLOB NOT NULL
) STRICT;
"""
_TABLES = ("setting", "certificate", "revocation", "revocation_list")


class IssuedCertificate(NamedTuple):
    """Hold one row of the books."""

    certificate: x509.Certificate
    common_name: str
    kind: str
    """`tls`, `sig` or `enc` of a triple; otherwise the role of the authority."""
    reason: str
    """Reason of the last revocation, `remove_from_crl` after a release, empty while never revoked."""


class Revocation(NamedTuple):
    """Hold a certificate's present revocation."""

    serial: int
    reason: x509.ReasonFlags
    time: datetime


class PublishedList(NamedTuple):
    """Hold the newest revocation list."""

    number: int
    this_update: datetime
    next_update: datetime
    last_revocation: int
    der: bytes


class Ledger:
    """Keep the books of one authority."""

    def __init__(self, path: Path, *, create: bool = False) -> None:
        """Open or create the books. Raises: ConfigError pki.authority, pki.authority_exists."""
        self._path = path
        if path.exists() == create:
            raise ConfigError("pki.authority_exists" if create else "pki.authority", str(path))
        if create:
            path.parent.mkdir(parents=True, exist_ok=True)
            triggers = (
                f"CREATE TRIGGER {table}_no_{what} BEFORE {what} ON {table} BEGIN SELECT RAISE(ABORT, 'append only'); END;"
                for table in _TABLES
                for what in ("UPDATE", "DELETE")
            )
            with closing(self._connect()) as connection:
                connection.executescript(f"BEGIN;{_SCHEMA}{''.join(triggers)}PRAGMA user_version={_SCHEMA_VERSION};COMMIT;")
        try:
            with closing(self._connect()) as connection:
                version = connection.execute("PRAGMA user_version").fetchone()[0]
        except sqlite3.DatabaseError as problem:
            raise ConfigError("pki.authority", str(path)) from problem
        if version != _SCHEMA_VERSION:
            raise ConfigError("pki.authority", f"{path}: version {version}")

    @contextmanager
    def transaction(self) -> Iterator["LedgerTransaction"]:
        """Work on the books alone; everything is committed and synced at the end, or nothing is."""
        with closing(self._connect()) as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield LedgerTransaction(connection)
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=10, isolation_level=None)
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")
        return connection


class LedgerTransaction:
    """Read and append rows within one transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def put_setting(self, name: str, value: bytes) -> None:
        """Note a fact about the authority, once."""
        self._connection.execute("INSERT INTO setting VALUES (?, ?)", (name, value))

    def setting(self, name: str) -> bytes | None:
        """Read a fact about the authority."""
        row = self._connection.execute("SELECT value FROM setting WHERE name = ?", (name,)).fetchone()
        return None if row is None else bytes(row[0])

    def add_certificate(self, certificate: x509.Certificate, common_name: str, kind: str, now: datetime) -> None:
        """Enter an issued certificate."""
        der = certificate.public_bytes(serialization.Encoding.DER)
        end = microseconds(certificate.not_valid_after_utc)
        row = (_serial_text(certificate.serial_number), common_name, kind, end, microseconds(now), der)
        self._connection.execute("INSERT INTO certificate VALUES (?, ?, ?, ?, ?, ?)", row)

    def certificates(self, common_name: str | None = None) -> list[IssuedCertificate]:
        """List issued certificates in the order of issue, all or those of one name."""
        rows = self._connection.execute(
            "SELECT der, common_name, kind,"
            " coalesce((SELECT reason FROM revocation r WHERE r.serial = c.serial ORDER BY id DESC LIMIT 1), '')"
            " FROM certificate c WHERE ?1 IS NULL OR common_name = ?1 ORDER BY rowid",
            (common_name,),
        )
        return [IssuedCertificate(x509.load_der_x509_certificate(der), name, kind, reason) for der, name, kind, reason in rows]

    def has_certificate(self, serial: int) -> bool:
        """Tell whether a serial number was issued."""
        return self._connection.execute("SELECT 1 FROM certificate WHERE serial = ?", (_serial_text(serial),)).fetchone() is not None

    def add_revocation(self, serial: int, reason: x509.ReasonFlags, now: datetime) -> None:
        """Enter a revocation, or a release as `remove_from_crl`."""
        row = (_serial_text(serial), reason.name, microseconds(now))
        self._connection.execute("INSERT INTO revocation (serial, reason, time_us) VALUES (?, ?, ?)", row)

    def revocation_of(self, serial: int) -> x509.ReasonFlags | None:
        """Give the present reason of a certificate's revocation, None in good standing."""
        query = "SELECT reason FROM revocation WHERE serial = ? ORDER BY id DESC LIMIT 1"
        row = self._connection.execute(query, (_serial_text(serial),)).fetchone()
        reason = None if row is None else x509.ReasonFlags[row[0]]
        return None if reason is x509.ReasonFlags.remove_from_crl else reason

    def revocations(self) -> list[Revocation]:
        """List present revocations in the order of entry."""
        rows = self._connection.execute(
            "SELECT serial, reason, time_us FROM revocation WHERE id IN (SELECT max(id) FROM revocation GROUP BY serial)"
            " AND reason != 'remove_from_crl' ORDER BY id"
        )
        return [Revocation(int(serial, 16), x509.ReasonFlags[reason], from_microseconds(time)) for serial, reason, time in rows]

    def last_revocation(self) -> int:
        """Give the number of the last entry about revocations, 0 for none."""
        return int(self._connection.execute("SELECT coalesce(max(id), 0) FROM revocation").fetchone()[0])

    def add_list(self, number: int, this_update: datetime, next_update: datetime, der: bytes) -> None:
        """Enter a published revocation list."""
        row = (number, microseconds(this_update), microseconds(next_update), self.last_revocation(), der)
        self._connection.execute("INSERT INTO revocation_list VALUES (?, ?, ?, ?, ?)", row)

    def newest_list(self) -> PublishedList | None:
        """Give the published list of the highest number."""
        row = self._connection.execute("SELECT * FROM revocation_list ORDER BY number DESC LIMIT 1").fetchone()
        return None if row is None else PublishedList(row[0], from_microseconds(row[1]), from_microseconds(row[2]), row[3], row[4])


def _serial_text(serial: int) -> str:
    return f"{serial:040x}"

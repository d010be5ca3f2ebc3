"""Cases of diagnosis on site: who was sent where, what came back, and what was deleted afterwards.

The diagnosis is signed by the gateway and encrypted for us, so the technician's device can only carry it. Source: DIAG-02; TR-03109-1
Annex VI, table 4.
"""

from datetime import datetime
from typing import Literal

import msgspec

from smgw.administrator.audit import Audit
from smgw.administrator.store import Store
from smgw.core.errors import DomainFault
from smgw.core.instant import utc_text

_SCHEMA = """
CREATE TABLE IF NOT EXISTS service_case (
  number TEXT PRIMARY KEY, device_id TEXT NOT NULL, technician TEXT NOT NULL, fingerprint TEXT NOT NULL, reason TEXT NOT NULL,
  opened_at TEXT NOT NULL, opened_by TEXT NOT NULL, until TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('open', 'reported', 'closed')),
  reported_at TEXT NOT NULL DEFAULT '', diagnosis BLOB, report TEXT NOT NULL DEFAULT '', closed_at TEXT NOT NULL DEFAULT '',
  closed_by TEXT NOT NULL DEFAULT ''
) STRICT;
"""
REPORT_LIMIT = 20_000
"""Most characters of a technician's report."""


class Case(msgspec.Struct, frozen=True):
    """Hold one case, in the order of the table's columns."""

    number: str
    device_id: str
    technician: str
    fingerprint: str
    """SHA-256 of the technician's TLS certificate, hex."""
    reason: str
    opened_at: str
    opened_by: str
    until: str
    state: Literal["open", "reported", "closed"]
    reported_at: str
    diagnosis: msgspec.Raw | None
    """What the gateway told about itself; None before the report, and after it was deleted."""
    report: str
    closed_at: str
    closed_by: str


class Cases:
    """Keep the cases."""

    def __init__(self, store: Store, audit: Audit) -> None:
        self._store = store
        self._audit = audit
        store.install(_SCHEMA)

    def open(self, device_id: str, technician: str, fingerprint: str, reason: str, *, until: datetime, at: datetime, actor: str) -> Case:
        """Open a case; its number counts through."""
        with self._store.write() as database:
            count = database.execute("SELECT count(*) FROM service_case").fetchone()[0]
            number = f"C{count + 1:06d}"
            database.execute(
                "INSERT INTO service_case (number, device_id, technician, fingerprint, reason, opened_at, opened_by, until, state) "
                "VALUES (?,?,?,?,?,?,?,?,'open')",
                (number, device_id, technician, fingerprint, reason, utc_text(at), actor, utc_text(until)),
            )
            self._audit.note(at, actor, f"open case {number}: {reason}", f"{device_id}/{technician}", "done")
        return self.case(number)

    def case(self, number: str) -> Case:
        """Give one case. Raises: DomainFault administrator.unknown_case."""
        found = self._rows("SELECT * FROM service_case WHERE number=?", number)
        if not found:
            raise DomainFault("administrator.unknown_case", number[:20])
        return found[0]

    def newest(self, device_id: str = "", limit: int = 100) -> list[Case]:
        """List cases, newest first."""
        return self._rows("SELECT * FROM service_case WHERE ?1 = '' OR device_id = ?1 ORDER BY number DESC LIMIT ?2", device_id, limit)

    def report(self, number: str, diagnosis: bytes, report: str, *, at: datetime, by: str) -> None:
        """Store diagnosis and report of an open case durably; the same once more has no effect.

        Raises: DomainFault administrator.unknown_case, administrator.case_state for a case that is not open.
        """
        held = self.case(number)
        if held.state == "reported" and held.diagnosis is not None and bytes(held.diagnosis) == diagnosis and held.report == report:
            return
        if held.state != "open":
            raise DomainFault("administrator.case_state", f"{number} is {held.state}")
        with self._store.write() as database:
            database.execute(
                "UPDATE service_case SET state='reported', reported_at=?, diagnosis=?, report=? WHERE number=?",
                (utc_text(at), diagnosis, report, number),
            )
            self._audit.note(at, by, f"report on case {number}", held.device_id, "done")

    def close(self, number: str, *, keep_diagnosis: bool, at: datetime, actor: str) -> Case:
        """Close a case; the diagnosis is deleted unless it is needed further. Raises: DomainFault administrator.*."""
        held = self.case(number)
        if held.state == "closed":
            raise DomainFault("administrator.case_state", f"{number} is closed")
        with self._store.write() as database:
            database.execute(
                "UPDATE service_case SET state='closed', closed_at=?, closed_by=?, diagnosis=CASE WHEN ? THEN diagnosis END WHERE number=?",
                (utc_text(at), actor, int(keep_diagnosis), number),
            )
            what = "diagnosis archived" if keep_diagnosis else "diagnosis deleted"
            self._audit.note(at, actor, f"close case {number}, {what}", held.device_id, "done")
        return self.case(number)

    def _rows(self, query: str, *values: object) -> list[Case]:
        names = Case.__struct_fields__
        rows = (dict(zip(names, row, strict=True)) for row in self._store.rows(query, values))
        return [Case(**{**row, "diagnosis": None if row["diagnosis"] is None else msgspec.Raw(row["diagnosis"])}) for row in rows]

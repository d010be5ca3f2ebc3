"""Commands that wait for their gateway: each is sent when the gateway's channel is open, in order, and obeyed once.

A job keeps its command id from the beginning, so that sending it again after a cut gives the answer that was lost.
Source: WAN-08; ADM-02.
"""

from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec

from smgw.administrator.audit import Audit
from smgw.administrator.store import Store
from smgw.codec.command import Answer
from smgw.core.errors import DomainFault
from smgw.core.instant import utc_text

_SCHEMA = """
CREATE TABLE IF NOT EXISTS job (
  id INTEGER PRIMARY KEY, command_id TEXT NOT NULL UNIQUE, device_id TEXT NOT NULL, method TEXT NOT NULL, resource TEXT NOT NULL,
  body BLOB NOT NULL, state TEXT NOT NULL CHECK (state IN ('waiting', 'done', 'failed', 'cancelled')), created_at TEXT NOT NULL,
  created_by TEXT NOT NULL, ended_at TEXT NOT NULL DEFAULT '', status INTEGER NOT NULL DEFAULT 0, code TEXT NOT NULL DEFAULT '',
  result BLOB NOT NULL DEFAULT x'6e756c6c', attempts INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX IF NOT EXISTS job_of_gateway ON job (device_id, state, id);
"""
_BY_COMMAND = "SELECT * FROM job WHERE command_id=?"
_BY_ID = "SELECT * FROM job WHERE id=?"
_WAITING = "SELECT * FROM job WHERE state='waiting' AND device_id=? ORDER BY id"
_NEWEST = "SELECT * FROM job WHERE device_id=? AND id < ? ORDER BY id DESC LIMIT ?"
_DONE = "SELECT * FROM job WHERE device_id=? AND state='done' AND method=? AND (resource=? OR resource LIKE ? || '/%') ORDER BY id"

ATTEMPTS = 3
"""So often a gateway may refuse a command before it could be read; then the job has failed, and the next one has its turn."""

JobState = Literal["waiting", "done", "failed", "cancelled"]


class Job(msgspec.Struct, frozen=True):
    """Hold one command and what became of it, in the order of the table's columns."""

    id: int
    command_id: str
    device_id: str
    method: Literal["GET", "PUT", "POST", "DELETE"]
    resource: str
    """Below the administrator's prefix, for example `fas/self-test`."""
    body: msgspec.Raw
    state: JobState
    created_at: str
    created_by: str
    ended_at: str
    status: int
    code: str
    result: msgspec.Raw
    attempts: int
    """How often the gateway refused it without an answer that it signed."""


class Jobs:
    """Keep the queue of each gateway."""

    def __init__(self, store: Store, audit: Audit) -> None:
        self._store = store
        self._audit = audit
        store.install(_SCHEMA)
        store.add_column("job", "attempts", "INTEGER NOT NULL DEFAULT 0")

    def add(self, device_id: str, method: str, resource: str, body: object, *, at: datetime, actor: str, random: bytes) -> Job:
        """Queue one command; `random` are 16 octets for its id. Returns the job as it waits."""
        command_id = str(UUID(bytes=random, version=4))
        with self._store.write() as database:
            database.execute(
                "INSERT INTO job (command_id, device_id, method, resource, body, state, created_at, created_by) "
                "VALUES (?,?,?,?,?,'waiting',?,?)",
                (command_id, device_id, method, resource, msgspec.json.encode(body), utc_text(at), actor),
            )
            self._audit.note(at, actor, f"order {method} {resource}", device_id, "queued")
        return self._find(_BY_COMMAND, command_id)[0]

    def waiting(self, device_id: str) -> list[Job]:
        """Give what waits for one gateway, oldest first."""
        return self._find(_WAITING, device_id)

    def of(self, device_id: str, limit: int = 100, before: int = 0) -> list[Job]:
        """Give a gateway's jobs, newest first; `before` the number of a job."""
        return self._find(_NEWEST, device_id, before or 1 << 62, limit)

    def done(self, device_id: str, method: str, resource: str) -> list[Job]:
        """Give the jobs that a gateway answered well, of one resource and what lies below it, oldest first."""
        return self._find(_DONE, device_id, method, resource, resource)

    def job(self, job_id: int) -> Job:
        """Give one job. Raises: DomainFault administrator.unknown_job."""
        found = self._find(_BY_ID, job_id)
        if not found:
            raise DomainFault("administrator.unknown_job", str(job_id))
        return found[0]

    def end(self, job: Job, answer: Answer, at: datetime) -> None:
        """Note a gateway's answer."""
        state = "done" if answer.status < 300 else "failed"
        with self._store.write() as database:
            database.execute(
                "UPDATE job SET state=?, ended_at=?, status=?, code=?, result=? WHERE id=? AND state='waiting'",
                (state, utc_text(at), answer.status, answer.code, bytes(answer.body), job.id),
            )
            self._audit.note(at, job.created_by, f"order {job.method} {job.resource}", job.device_id, answer.code or state)

    def refuse(self, job: Job, code: str, at: datetime) -> bool:
        """Note that a gateway refused a command without a signed answer; tells whether the job has failed by that."""
        attempts = self.job(job.id).attempts + 1
        failed = attempts >= ATTEMPTS
        with self._store.write() as database:
            database.execute("UPDATE job SET attempts=? WHERE id=?", (attempts, job.id))
            if failed:
                database.execute(
                    "UPDATE job SET state='failed', ended_at=?, code=? WHERE id=? AND state='waiting'", (utc_text(at), code, job.id)
                )
                self._audit.note(at, job.created_by, f"order {job.method} {job.resource}", job.device_id, code)
        return failed

    def cancel(self, job_id: int, at: datetime, actor: str) -> None:
        """Take back a job that still waits. Raises: DomainFault administrator.unknown_job."""
        job = self.job(job_id)
        with self._store.write() as database:
            cursor = database.execute("UPDATE job SET state='cancelled', ended_at=? WHERE id=? AND state='waiting'", (utc_text(at), job_id))
            if cursor.rowcount == 0:
                raise DomainFault("administrator.unknown_job", f"{job_id} is {job.state}")
            self._audit.note(at, actor, f"cancel {job.method} {job.resource}", job.device_id, "done")

    def revision(self, device_id: str = "") -> int:
        """Give the number of the job queued last, of all or of one gateway's: a change means that there is something to send."""
        if device_id:
            return int(self._store.rows("SELECT coalesce(max(id), 0) FROM job WHERE device_id=?", (device_id,))[0][0])
        return int(self._store.rows("SELECT coalesce(max(id), 0) FROM job")[0][0])

    def queued_since(self, number: int) -> list[tuple[int, str]]:
        """Give number and gateway of each job that was queued after one."""
        return self._store.rows("SELECT id, device_id FROM job WHERE id > ?", (number,))

    def _find(self, query: str, *values: object) -> list[Job]:
        names = Job.__struct_fields__
        rows = (dict(zip(names, row, strict=True)) for row in self._store.rows(query, values))
        return [Job(**{**row, "body": msgspec.Raw(row["body"]), "result": msgspec.Raw(row["result"])}) for row in rows]

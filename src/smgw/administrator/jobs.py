"""Commands that wait for their gateway: each is sent when the gateway's channel is open, in order, and obeyed once.

A job keeps its command id from the beginning, so that sending it again after a cut gives the answer that was lost. A gateway may accept a
command whose work takes longer, and tell its result later, by itself; until then the job waits no more, and has not ended.
Source: WAN-08; ADM-02; 20-wan-crypto-pki 1.4.
"""

from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

import msgspec

from smgw.administrator.audit import Audit
from smgw.administrator.store import Store
from smgw.codec.command import Answer
from smgw.codec.result import Result
from smgw.core.errors import DomainFault, SecurityFault
from smgw.core.instant import parse_time, utc_text

_SCHEMA = """
CREATE TABLE IF NOT EXISTS job (
  id INTEGER PRIMARY KEY, command_id TEXT NOT NULL UNIQUE, device_id TEXT NOT NULL, method TEXT NOT NULL, resource TEXT NOT NULL,
  body BLOB NOT NULL, state TEXT NOT NULL CHECK (state IN ('waiting', 'done', 'failed', 'cancelled')), created_at TEXT NOT NULL,
  created_by TEXT NOT NULL, ended_at TEXT NOT NULL DEFAULT '', status INTEGER NOT NULL DEFAULT 0, code TEXT NOT NULL DEFAULT '',
  result BLOB NOT NULL DEFAULT x'6e756c6c', attempts INTEGER NOT NULL DEFAULT 0, accepted_at TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX IF NOT EXISTS job_of_gateway ON job (device_id, state, id);
"""
_BY_COMMAND = "SELECT * FROM job WHERE command_id=?"
_BY_ID = "SELECT * FROM job WHERE id=?"
_WAITING = "SELECT * FROM job WHERE state='waiting' AND accepted_at='' AND device_id=? ORDER BY id"
_ACCEPTED = "SELECT * FROM job WHERE state='waiting' AND accepted_at!='' ORDER BY id"
_NEWEST = "SELECT * FROM job WHERE device_id=? AND id < ? ORDER BY id DESC LIMIT ?"
_DONE = "SELECT * FROM job WHERE device_id=? AND state='done' AND method=? AND (resource=? OR resource LIKE ? || '/%') ORDER BY id"

ATTEMPTS = 3
"""So often a gateway may refuse a command before it could be read; then the job has failed, and the next one has its turn."""
RESULT_WITHIN = timedelta(hours=24)
"""A gateway that accepted a command has so long to tell its result; then the job has failed, unless the result comes after all."""
FIRMWARE_WITHIN = timedelta(days=7)
"""So long for commands to its firmware: a package may come slowly, and a new version is first tried."""
NO_RESULT = "administrator.no_result"

JobState = Literal["waiting", "accepted", "done", "failed", "cancelled"]


class Job(msgspec.Struct, frozen=True):
    """Hold one command and what became of it."""

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
    accepted_at: str
    """When the gateway answered that the result follows; empty for what was answered at once."""


class Jobs:
    """Keep the queue of each gateway."""

    def __init__(self, store: Store, audit: Audit) -> None:
        self._store = store
        self._audit = audit
        store.install(_SCHEMA)
        store.add_column("job", "attempts", "INTEGER NOT NULL DEFAULT 0")
        store.add_column("job", "accepted_at", "TEXT NOT NULL DEFAULT ''")
        self._columns = [row[1] for row in store.rows("PRAGMA table_info(job)")]

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

    def accept(self, job: Job, answer: Answer, at: datetime) -> None:
        """Note that a gateway has taken a command, and that its result follows; a job whose result came first stays as it is."""
        with self._store.write() as database:
            cursor = database.execute(
                "UPDATE job SET accepted_at=?, status=?, result=? WHERE id=? AND state='waiting'",
                (utc_text(at), answer.status, bytes(answer.body), job.id),
            )
            if cursor.rowcount:
                self._audit.note(at, job.created_by, f"order {job.method} {job.resource}", job.device_id, "accepted")

    def conclude(self, result: Result, device_id: str, at: datetime) -> bool:
        """End a job by what its gateway tells later; tells whether it ended by this, for a repetition counts for nothing.

        A job that has no result in time takes the late one. Raises: SecurityFault delivery.sender for a job of another gateway.
        """
        job = next(iter(self._find(_BY_COMMAND, result.message_id)), None)
        if job is None:
            # One of the books before a backup was restored, or of the administrator before.
            return False
        if job.device_id != device_id:
            raise SecurityFault("delivery.sender", f"{device_id} on job {job.id}")
        state = "done" if result.status < 300 else "failed"
        with self._store.write() as database:
            cursor = database.execute(
                "UPDATE job SET state=?, ended_at=?, status=?, code=?, result=? "
                "WHERE id=? AND (state='waiting' OR (state='failed' AND code=?))",
                (state, utc_text(at), result.status, result.code, bytes(result.body), job.id, NO_RESULT),
            )
            if cursor.rowcount:
                self._audit.note(at, job.created_by, f"result of {job.method} {job.resource}", job.device_id, result.code or state)
        return bool(cursor.rowcount)

    def give_up(self, at: datetime) -> list[Job]:
        """Let jobs fail whose gateway has accepted them and did not tell their result in time; gives them."""
        late = [job for job in self._find(_ACCEPTED) if at - parse_time(job.accepted_at) > _within(job)]
        for job in late:
            with self._store.write() as database:
                database.execute("UPDATE job SET state='failed', ended_at=?, code=? WHERE id=?", (utc_text(at), NO_RESULT, job.id))
                self._audit.note(at, job.created_by, f"result of {job.method} {job.resource}", job.device_id, NO_RESULT)
        return late

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
            cursor = database.execute(
                "UPDATE job SET state='cancelled', ended_at=? WHERE id=? AND state='waiting' AND accepted_at=''", (utc_text(at), job_id)
            )
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
        return [_job(dict(zip(self._columns, row, strict=True))) for row in self._store.rows(query, values)]


def _job(row: dict[str, Any]) -> Job:
    # A table can't be taught another state; so one that waits and was accepted stands for it.
    state = "accepted" if row["state"] == "waiting" and row["accepted_at"] else row["state"]
    return Job(**{**row, "state": state, "body": msgspec.Raw(row["body"]), "result": msgspec.Raw(row["result"])})


def _within(job: Job) -> timedelta:
    return FIRMWARE_WITHIN if job.resource.startswith("firmware/") else RESULT_WITHIN

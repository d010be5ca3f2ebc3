"""What gateways tell by themselves: each notice once, with whom has looked at it. Source: ADM-06, WAN-07; 20-wan-crypto-pki 1.11."""

from datetime import datetime
from typing import NamedTuple

import msgspec

from smgw.administrator.audit import Audit
from smgw.administrator.store import Store
from smgw.core.errors import DomainFault
from smgw.core.instant import utc_text
from smgw.core.notices import Notice

_SCHEMA = """
CREATE TABLE IF NOT EXISTS alarm (
  id INTEGER PRIMARY KEY, message_id TEXT NOT NULL UNIQUE, device_id TEXT NOT NULL, event TEXT NOT NULL, level TEXT NOT NULL,
  raised_at TEXT NOT NULL, received_at TEXT NOT NULL, subject TEXT NOT NULL, success INTEGER NOT NULL, parameters TEXT NOT NULL,
  seen_by TEXT NOT NULL DEFAULT '', seen_at TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX IF NOT EXISTS alarm_of_gateway ON alarm (device_id, id);
CREATE INDEX IF NOT EXISTS alarm_unseen ON alarm (id) WHERE seen_by = '';
"""
_ONE = "SELECT * FROM alarm WHERE id=?"
_NEWEST = (
    "SELECT * FROM alarm WHERE (?1 = '' OR device_id = ?1) AND (?2 = '' OR level = ?2) AND (NOT ?3 OR seen_by = '') "
    "ORDER BY id DESC LIMIT ?4"
)


class Alarm(msgspec.Struct, frozen=True):
    """Hold one notice as it came, in the order of the table's columns."""

    id: int
    message_id: str
    device_id: str
    event: str
    """Name of the event in the gateway's log catalogue."""
    level: str
    raised_at: str
    received_at: str
    subject: str
    success: bool
    parameters: dict[str, str]
    seen_by: str
    """Who has acknowledged it; empty while nobody has."""
    seen_at: str


class Pending(NamedTuple):
    """Name a kind of alarm that nobody has acknowledged."""

    device_id: str
    event: str
    subject: str
    level: str


class Alarms:
    """Keep and acknowledge alarms."""

    def __init__(self, store: Store, audit: Audit) -> None:
        self._store = store
        self._audit = audit
        store.install(_SCHEMA)

    def accept(self, notice: Notice, at: datetime) -> tuple[Alarm, bool]:
        """Store a verified notice durably; gives the alarm and whether it is new."""
        row = (
            notice.message_id,
            notice.device,
            notice.event,
            notice.level,
            utc_text(notice.time),
            utc_text(at),
            notice.subject,
            int(notice.success),
            msgspec.json.encode(notice.parameters).decode(),
        )
        with self._store.write() as database:
            cursor = database.execute(
                "INSERT OR IGNORE INTO alarm (message_id, device_id, event, level, raised_at, received_at, subject, success, parameters) "
                "VALUES (?,?,?,?,?,?,?,?,?)",
                row,
            )
        (stored,) = self._rows("SELECT * FROM alarm WHERE message_id=?", notice.message_id)
        return stored, cursor.rowcount == 1

    def newest(self, device_id: str = "", level: str = "", *, unseen: bool = False, limit: int = 200) -> list[Alarm]:
        """List alarms, newest first; an empty filter lets all pass."""
        return self._rows(_NEWEST, device_id, level, int(unseen), limit)

    def unseen(self) -> dict[str, int]:
        """Count the alarms from a warning on that nobody has acknowledged, by gateway: that a meter was heard again alarms nobody."""
        return dict(self._store.rows("SELECT device_id, count(*) FROM alarm WHERE seen_by = '' AND level <> 'INFO' GROUP BY device_id"))

    def pending(self) -> list[Pending]:
        """List the kinds of alarms that nobody has acknowledged, by gateway, event and subject."""
        return [
            Pending(*row)
            for row in self._store.rows("SELECT DISTINCT device_id, event, subject, level FROM alarm WHERE seen_by = '' ORDER BY 1, 2, 3")
        ]

    def acknowledge(self, alarm_id: int, at: datetime, actor: str) -> Alarm:
        """Note that somebody has looked at an alarm; the first one counts. Raises: DomainFault administrator.unknown_alarm."""
        if not self._rows(_ONE, alarm_id):
            raise DomainFault("administrator.unknown_alarm", str(alarm_id))
        with self._store.write() as database:
            cursor = database.execute("UPDATE alarm SET seen_by=?, seen_at=? WHERE id=? AND seen_by=''", (actor, utc_text(at), alarm_id))
            (alarm,) = self._rows(_ONE, alarm_id)
            if cursor.rowcount:
                self._audit.note(at, actor, f"acknowledge alarm {alarm.event}", alarm.device_id, "done")
        return alarm

    def acknowledge_all(self, device_id: str, event: str, subject: str, at: datetime, actor: str) -> int:
        """Note that somebody has looked at all alarms of one kind of a gateway; gives how many nobody had looked at before."""
        with self._store.write() as database:
            cursor = database.execute(
                "UPDATE alarm SET seen_by=?, seen_at=? WHERE device_id=? AND event=? AND subject=? AND seen_by=''",
                (actor, utc_text(at), device_id, event, subject),
            )
            if cursor.rowcount:
                self._audit.note(at, actor, f"acknowledge {cursor.rowcount} alarms {event}", device_id, "done")
        return cursor.rowcount

    def _rows(self, query: str, *values: object) -> list[Alarm]:
        names = Alarm.__struct_fields__
        rows = (dict(zip(names, row, strict=True)) for row in self._store.rows(query, values))
        return [Alarm(**{**row, "success": bool(row["success"]), "parameters": msgspec.json.decode(row["parameters"])}) for row in rows]

"""Notices of gateways: what they tell by themselves about disturbances, each kept once.

Source: WAN-07; TR-03109-1 Annex VI, table 2 step 4.1.
"""

import sqlite3
from datetime import datetime

import msgspec

from smgw.core.instant import from_microseconds, microseconds, utc_text
from smgw.core.notices import Notice
from smgw.participant.database import transaction


class NoticeStore:
    """Keep notices in a database that the caller owns."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def accept(self, notice: Notice, at: datetime) -> datetime:
        """Store a verified notice durably; a repetition has no effect. Gives when it was stored first.

        Raises: Unavailable participant.store.
        """
        row = (
            notice.message_id,
            notice.device,
            notice.event,
            notice.level,
            microseconds(notice.time),
            microseconds(at),
            notice.subject,
            notice.success,
            msgspec.json.encode(notice.parameters).decode(),
        )
        with transaction(self._connection):
            self._connection.execute(
                "INSERT OR IGNORE INTO notice (message_id, gateway_id, event, level, told_at, received_at, subject, success, parameters)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                row,
            )
            (stored,) = self._connection.execute("SELECT received_at FROM notice WHERE message_id = ?", (notice.message_id,)).fetchone()
        return from_microseconds(stored)

    def newest(self, limit: int) -> list[dict[str, object]]:
        """List notices, newest first."""
        rows = self._connection.execute(
            "SELECT number, gateway_id, event, level, told_at, received_at, subject, success, parameters FROM notice"
            " ORDER BY number DESC LIMIT ?",
            (limit,),
        )
        return [
            {
                "number": number,
                "gateway_id": gateway,
                "event": event,
                "level": level,
                "told_at": utc_text(from_microseconds(told)),
                "received_at": utc_text(from_microseconds(received)),
                "subject": subject,
                "success": bool(success),
                "parameters": msgspec.json.decode(parameters),
            }
            for number, gateway, event, level, told, received, subject, success, parameters in rows
        ]

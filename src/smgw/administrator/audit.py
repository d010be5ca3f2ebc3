"""The administrator's audit trail: who did what to whom, and what came of it. Source: ADM-10."""

from datetime import datetime

from smgw.administrator.store import Store
from smgw.core.instant import utc_text

_SCHEMA = """
CREATE TABLE IF NOT EXISTS audit (
  id INTEGER PRIMARY KEY, at TEXT NOT NULL, actor TEXT NOT NULL, action TEXT NOT NULL, subject TEXT NOT NULL, result TEXT NOT NULL
) STRICT;
"""


class Audit:
    """Append to the trail and show it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        store.install(_SCHEMA)

    def note(self, at: datetime, actor: str, action: str, subject: str, result: str) -> None:
        """Append one entry; within `Store.write` it counts with the rest of that block or not at all."""
        with self._store.write() as database:
            database.execute(
                "INSERT INTO audit (at, actor, action, subject, result) VALUES (?,?,?,?,?)", (utc_text(at), actor, action, subject, result)
            )

    def newest(self, limit: int = 200) -> list[dict[str, str]]:
        """Give the newest entries, newest first."""
        rows = self._store.rows("SELECT at, actor, action, subject, result FROM audit ORDER BY id DESC LIMIT ?", (limit,))
        return [dict(zip(("at", "actor", "action", "subject", "result"), row, strict=True)) for row in rows]

"""Four eyes: what the configuration names waits as a proposal until another user lets it happen.

A proposal holds the whole request, so that what is done is what was read. Each kind of deed has one row in `DEEDS`; a module that adds
one registers it there. Source: ADM-02, ADM-10.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Literal

import msgspec

from smgw.administrator.audit import Audit
from smgw.administrator.store import Store
from smgw.core.errors import DomainFault
from smgw.core.instant import utc_text
from smgw.core.profiles import PROFILE_KINDS

KINDS = ("profile", "firmware", "keys", "change", "wake-up", "decommission", "order")
"""What can be put under four eyes."""

ORDER_KINDS: tuple[tuple[str, str], ...] = (
    *((f"rts/{kind}", "profile") for kind in PROFILE_KINDS),
    ("firmware", "firmware"),
    ("keys", "keys"),
    ("rts/administrator", "change"),
    ("rts/wake-up", "wake-up"),
    ("fas/successor", "change"),
    ("fas/take-over", "change"),
    ("life", "decommission"),
)
"""Begin of the resource of a command that changes something -> its kind; what stands nowhere is of no kind and needs nobody."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS proposal (
  id INTEGER PRIMARY KEY, kind TEXT NOT NULL, deed TEXT NOT NULL, device_id TEXT NOT NULL, summary TEXT NOT NULL, request BLOB NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('waiting', 'approved', 'rejected')), proposed_at TEXT NOT NULL, proposed_by TEXT NOT NULL,
  decided_at TEXT NOT NULL DEFAULT '', decided_by TEXT NOT NULL DEFAULT ''
) STRICT;
"""


class Proposal(msgspec.Struct, frozen=True):
    """Hold one proposal, in the order of the table's columns."""

    id: int
    kind: str
    deed: str
    device_id: str
    summary: str
    request: msgspec.Raw
    state: Literal["waiting", "approved", "rejected"]
    proposed_at: str
    proposed_by: str
    decided_at: str
    decided_by: str


def kind_of(method: str, resource: str) -> str:
    """Name the kind of a command; empty when it is of none."""
    found = (kind for begin, kind in ORDER_KINDS if f"{resource}/".startswith(f"{begin}/"))
    return "" if method == "GET" else next(found, "")


class Approvals:
    """Keep proposals."""

    def __init__(self, store: Store, audit: Audit) -> None:
        self._store = store
        self._audit = audit
        store.install(_SCHEMA)

    def propose(self, kind: str, deed: str, device_id: str, summary: str, request: object, *, at: datetime, actor: str) -> Proposal:
        """Keep a request until it is decided on."""
        with self._store.write() as database:
            cursor = database.execute(
                "INSERT INTO proposal (kind, deed, device_id, summary, request, state, proposed_at, proposed_by) "
                "VALUES (?,?,?,?,?,'waiting',?,?)",
                (kind, deed, device_id, summary, msgspec.json.encode(request), utc_text(at), actor),
            )
            self._audit.note(at, actor, f"propose {summary}", device_id, "waiting")
        return self.proposal(cursor.lastrowid or 0)

    def proposals(self, *, waiting: bool = False, limit: int = 200) -> list[Proposal]:
        """List proposals, newest first."""
        where = "WHERE state='waiting'" if waiting else ""
        return [_proposal(row) for row in self._store.rows(f"SELECT * FROM proposal {where} ORDER BY id DESC LIMIT ?", (limit,))]  # noqa: S608

    def waiting(self) -> int:
        """Count what waits."""
        return int(self._store.rows("SELECT count(*) FROM proposal WHERE state='waiting'")[0][0])

    def proposal(self, number: int) -> Proposal:
        """Give one proposal. Raises: DomainFault administrator.unknown_proposal."""
        rows = self._store.rows("SELECT * FROM proposal WHERE id=?", (number,))
        if not rows:
            raise DomainFault("administrator.unknown_proposal", str(number))
        return _proposal(rows[0])

    def decide(self, number: int, approved: bool, at: datetime, actor: str, perform: Callable[[Proposal], Any]) -> Any:
        """Let a proposal happen or not; `perform` does it in the same transaction, so that it is decided and done, or neither.

        Whoever proposed may take it back, but not approve it.
        Raises: DomainFault administrator.unknown_proposal, administrator.own_proposal, and what `perform` raises.
        """
        with self._store.write() as database:
            proposal = self.proposal(number)
            if proposal.state != "waiting":
                raise DomainFault("administrator.unknown_proposal", f"{number} is {proposal.state}")
            if approved and proposal.proposed_by == actor:
                raise DomainFault("administrator.own_proposal", str(number))
            state = "approved" if approved else "rejected"
            database.execute("UPDATE proposal SET state=?, decided_at=?, decided_by=? WHERE id=?", (state, utc_text(at), actor, number))
            verb = "approve" if approved else "reject"
            self._audit.note(at, actor, f"{verb} {proposal.summary}, proposed by {proposal.proposed_by}", proposal.device_id, "done")
            return perform(proposal) if approved else None


def _proposal(row: tuple[Any, ...]) -> Proposal:
    values = dict(zip(Proposal.__struct_fields__, row, strict=True))
    return Proposal(**{**values, "request": msgspec.Raw(values["request"])})

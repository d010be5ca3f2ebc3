"""The audit trail: shown, proved, exported. Source: ADM-10."""

import msgspec

from smgw.administrator.api.endpoints import AUDITING, Call, Endpoint, Limit, Number, ShortText
from smgw.administrator.audit import Head
from smgw.core.errors import IntegrityFault


class AuditQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Choose entries, newest first."""

    limit: Limit = 100
    before: Number = 0
    """Number of an entry; 0 begins with the newest."""
    actor: ShortText = ""
    subject: ShortText = ""
    """Part of what an entry is about."""


class HeadQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Name a head that was seen before."""

    head: ShortText = ""


class AuditRow(msgspec.Struct, frozen=True):
    """Show one entry."""

    id: int
    at: str
    actor: str
    action: str
    subject: str
    result: str


class Trail(msgspec.Struct, frozen=True):
    """Show a part of the trail and its head."""

    head: str
    entries: list[AuditRow]


class ChainCheck(msgspec.Struct, frozen=True):
    """Tell whether the whole trail is what was written."""

    intact: bool
    head: str
    """Length and hash; keep it elsewhere to notice later that entries were taken off the end."""
    problem: str


def trail(call: Call) -> Trail:
    """Show entries."""
    query: AuditQuery = call.query
    rows = call.books.audit.newest(query.limit, before=query.before, actor=query.actor, subject=query.subject)
    return Trail(str(call.books.audit.head()), [AuditRow(**{**row, "id": int(row["id"])}) for row in rows])  # type: ignore[arg-type]


def check(call: Call) -> ChainCheck:
    """Prove the chain. Raises: DecodeFault administrator.audit_head."""
    known = Head.parse(call.query.head) if call.query.head else None
    try:
        return ChainCheck(True, str(call.books.audit.verify(known)), "")
    except IntegrityFault as fault:
        return ChainCheck(False, str(call.books.audit.head()), fault.detail)


def export(call: Call) -> bytes:
    """Give the whole trail, one JSON object a line, each with its hash; the last line is the head."""
    lines = [msgspec.json.encode({**entry._asdict(), "hash": digest.hex()}) for entry, digest in call.books.audit.entries()]
    lines.append(msgspec.json.encode({"head": str(call.books.audit.head())}))
    return b"\n".join(lines) + b"\n"


ENDPOINTS = (
    Endpoint("GET", "/audit", AUDITING, trail, "Show the audit trail", Trail, query=AuditQuery),
    Endpoint("GET", "/audit/check", AUDITING, check, "Prove the chain of the audit trail", ChainCheck, query=HeadQuery),
    Endpoint("GET", "/audit/export", AUDITING, export, "Export the audit trail", bytes, media="application/x-ndjson"),
)

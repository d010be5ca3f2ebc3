"""Cases of diagnosis on site: a technician is sent, the gateway lets it in, its report comes back. Source: DIAG-01, DIAG-02, ADM-13."""

from datetime import timedelta
from typing import Annotated, Literal

import msgspec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from smgw.administrator.api.endpoints import OPERATING, SEEING, Call, Endpoint, Limit, ShortText
from smgw.administrator.api.gateways import status_of
from smgw.administrator.cases import Case
from smgw.core.errors import PeerFault
from smgw.core.instant import utc_text
from smgw.pki.names import Role, common_name_of, role_of
from smgw.pki.triple import read_certificates


class CaseQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Choose cases, newest first."""

    gateway: ShortText = ""
    limit: Limit = 100


class NewCase(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Send a technician."""

    certificate: Annotated[str, msgspec.Meta(max_length=16_384)]
    """The technician's TLS certificate, PEM."""
    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=500)]
    hours: Annotated[int, msgspec.Meta(ge=1, le=168)] = 8
    """So long the gateway lets the technician in."""


class Closing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """End a case."""

    keep_diagnosis: bool = False
    """Whether the diagnosis is needed further; else it is deleted, as the process asks."""


class CaseRow(msgspec.Struct, frozen=True):
    """Show one case."""

    number: str
    device_id: str
    technician: str
    reason: str
    opened_at: str
    opened_by: str
    until: str
    state: Literal["open", "reported", "closed"]
    reported_at: str
    closed_at: str
    closed_by: str


class CaseView(msgspec.Struct, frozen=True):
    """Show one case with what came back."""

    case: CaseRow
    report: str
    diagnosis: msgspec.Raw
    """What the gateway told about itself; null before the report and once it was deleted."""


def case_row(case: Case) -> CaseRow:
    """Show a case."""
    return CaseRow(**{name: getattr(case, name) for name in CaseRow.__struct_fields__})


def case_view(case: Case) -> CaseView:
    """Show a case with report and diagnosis."""
    return CaseView(case_row(case), case.report, msgspec.Raw(b"null") if case.diagnosis is None else case.diagnosis)


def cases(call: Call) -> list[CaseRow]:
    """List cases."""
    query: CaseQuery = call.query
    return [case_row(case) for case in call.books.cases.newest(query.gateway, query.limit)]


def case(call: Call) -> CaseView:
    """Show one case. Raises: DomainFault administrator.unknown_case."""
    return case_view(call.books.cases.case(call.path["case"]))


def open_case(call: Call) -> CaseRow:
    """Open a case, and order the gateway to let the technician in. Raises: PeerFault administrator.request, pki.*."""
    device_id, wanted, books = status_of(call).device_id, call.body, call.books
    tls = read_certificates(wanted.certificate.encode())[0]
    if role_of(tls) is not Role.TECHNICIAN:
        raise PeerFault("administrator.request", "certificate: not a technician's")
    until = call.now + timedelta(hours=wanted.hours)
    who = {"fingerprint": tls.fingerprint(SHA256()).hex(), "technician": common_name_of(tls)}
    with books.store.write():
        opened = books.cases.open(device_id, reason=wanted.reason, until=until, at=call.now, actor=call.user.name, **who)
        admission = {"case": opened.number, "tls_certificate": tls.public_bytes(Encoding.DER).hex(), "until": utc_text(until)}
        _order(call, device_id, "POST", "fas/technician", admission)
    return case_row(opened)


def close_case(call: Call) -> CaseRow:
    """Close a case, and order the gateway to let the technician in no longer. Raises: DomainFault administrator.*_case, case_state."""
    books, wanted = call.books, call.body
    with books.store.write():
        closed = books.cases.close(call.path["case"], keep_diagnosis=wanted.keep_diagnosis, at=call.now, actor=call.user.name)
        if closed.until > utc_text(call.now):
            _order(call, closed.device_id, "DELETE", f"fas/technician/{closed.number}", None)
    return case_row(closed)


def _order(call: Call, device_id: str, method: str, resource: str, body: object) -> None:
    call.books.jobs.add(device_id, method, resource, body, at=call.now, actor=call.user.name, random=call.desk.random(16))


ENDPOINTS = (
    Endpoint("GET", "/cases", SEEING, cases, "List cases of diagnosis on site", list[CaseRow], query=CaseQuery),
    Endpoint("GET", "/cases/{case}", SEEING, case, "Show a case with report and diagnosis", CaseView),
    Endpoint("POST", "/gateways/{device_id}/cases", OPERATING, open_case, "Send a technician to a gateway", CaseRow, NewCase, status=201),
    Endpoint("POST", "/cases/{case}/close", OPERATING, close_case, "Close a case", CaseRow, Closing),
)

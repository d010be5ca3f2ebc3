"""New keys for a gateway, and its end: ordered here, done when its channel is open. Source: ADM-03, LIFE-10, LIFE-11."""

from typing import Annotated, Literal

import msgspec

from smgw.administrator.api.endpoints import OPERATING, SEEING, Call, Endpoint, ProposalRow
from smgw.administrator.api.gateways import status_of
from smgw.administrator.api.submit import submit
from smgw.administrator.enrolment import check_seal, require_new
from smgw.administrator.exchanges import DECOMMISSION, Exchange
from smgw.administrator.orders import EnrolmentOrder, ExchangeOrder, seal_of
from smgw.core.errors import DomainFault, PeerFault, SecurityFault
from smgw.pki.triple import read_certificates, triple_of
from smgw.security.policy import Use, preferred_curve, require_curve


class NewExchange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Order new keys, or the end."""

    reason: Literal["renewal", "decommission"]
    curve: Annotated[str, msgspec.Meta(max_length=40)] = ""
    """Of the new keys; the crypto policy's when left out."""


class Enrolment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Take a new gateway in."""

    seal: Annotated[str, msgspec.Meta(max_length=32_768)]
    """The gateway's seal certificates (PEM): TLS, SIG, ENC."""
    curve: Annotated[str, msgspec.Meta(max_length=40)] = ""
    """Of its first keys; the crypto policy's when left out."""


class ExchangeRow(msgspec.Struct, frozen=True):
    """Show what waits for a gateway."""

    device_id: str
    reason: str
    curve: str
    ordered_at: str
    ordered_by: str
    issued: bool
    """Whether the new certificates are there."""


def exchange_row(exchange: Exchange) -> ExchangeRow:
    """Show an exchange."""
    values = {name: getattr(exchange, name) for name in ("device_id", "reason", "curve", "ordered_at", "ordered_by")}
    return ExchangeRow(**values, issued=bool(exchange.certificates))


def exchanges(call: Call) -> list[ExchangeRow]:
    """List what is under way."""
    return [exchange_row(exchange) for exchange in call.books.exchanges.listed()]


def _curve(call: Call, wanted: str) -> str:
    curve = wanted or preferred_curve(Use.END_ENTITY, call.now.year)
    try:
        require_curve(curve, Use.END_ENTITY, call.now.year)
    except SecurityFault as problem:
        raise DomainFault(problem.code, problem.detail) from problem
    return curve


def order(call: Call) -> ExchangeRow | ProposalRow:
    """Order it, or propose it. Raises: DomainFault pki.curve for a curve outside the policy."""
    device_id, wanted = status_of(call).device_id, call.body
    curve = "" if wanted.reason == DECOMMISSION else _curve(call, wanted.curve)
    summary = f"order new keys on {curve}" if curve else "order the end"
    done = submit(call, "exchange", summary, ExchangeOrder(device_id, wanted.reason, curve))
    return done if isinstance(done, ProposalRow) else exchange_row(done)


def enrol(call: Call) -> ExchangeRow | ProposalRow:
    """Take a new gateway in by its seal certificates, or propose it.

    Raises: CertificateRejected, DomainFault administrator.known_gateway, PeerFault pki.*, administrator.request.
    """
    found = read_certificates(call.body.seal.encode())[:3]
    if len(found) < 3:
        raise PeerFault("administrator.request", "seal: three certificates are needed")
    triple = triple_of(found)
    check_seal(triple, call.desk.identity.trust, call.now)
    require_new(call.books.inventory, call.books.exchanges, str(triple.device_id))
    curve = _curve(call, call.body.curve)
    done = submit(call, "enrolment", "enrol a new gateway", EnrolmentOrder(str(triple.device_id), seal_of(triple), curve))
    return done if isinstance(done, ProposalRow) else exchange_row(done)


ENDPOINTS = (
    Endpoint("GET", "/exchanges", SEEING, exchanges, "List exchanges of keys, and ends, under way", list[ExchangeRow]),
    Endpoint(
        "POST", "/gateways/{device_id}/exchange", OPERATING, order, "Order new keys for a gateway, or its end", ExchangeRow, NewExchange,
        status=202, may_propose=True,
    ),
    Endpoint("POST", "/gateways", OPERATING, enrol, "Take a new gateway in", ExchangeRow, Enrolment, status=202, may_propose=True),
)  # fmt: skip

"""New keys for a gateway, and its end: ordered here, done when its channel is open. Source: ADM-03, LIFE-10, LIFE-11."""

from typing import Annotated, Literal

import msgspec

from smgw.administrator.api.endpoints import OPERATING, SEEING, Call, Endpoint, ProposalRow
from smgw.administrator.api.gateways import status_of
from smgw.administrator.api.submit import submit
from smgw.administrator.exchanges import DECOMMISSION, Exchange
from smgw.administrator.orders import ExchangeOrder
from smgw.core.errors import DomainFault, SecurityFault
from smgw.security.policy import Use, preferred_curve, require_curve


class NewExchange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Order new keys, or the end."""

    reason: Literal["renewal", "decommission"]
    curve: Annotated[str, msgspec.Meta(max_length=40)] = ""
    """Of the new keys; the crypto policy's when left out."""


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


def order(call: Call) -> ExchangeRow | ProposalRow:
    """Order it, or propose it. Raises: DomainFault pki.curve for a curve outside the policy."""
    device_id, wanted = status_of(call).device_id, call.body
    curve = "" if wanted.reason == DECOMMISSION else wanted.curve or preferred_curve(Use.END_ENTITY, call.now.year)
    if curve:
        try:
            require_curve(curve, Use.END_ENTITY, call.now.year)
        except SecurityFault as problem:
            raise DomainFault(problem.code, problem.detail) from problem
    summary = f"order new keys on {curve}" if curve else "order the end"
    done = submit(call, "exchange", summary, ExchangeOrder(device_id, wanted.reason, curve))
    return done if isinstance(done, ProposalRow) else exchange_row(done)


ENDPOINTS = (
    Endpoint("GET", "/exchanges", SEEING, exchanges, "List exchanges of keys, and ends, under way", list[ExchangeRow]),
    Endpoint(
        "POST", "/gateways/{device_id}/exchange", OPERATING, order, "Order new keys for a gateway, or its end", ExchangeRow, NewExchange,
        status=202, may_propose=True,
    ),
)  # fmt: skip

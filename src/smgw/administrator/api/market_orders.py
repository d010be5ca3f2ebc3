"""Orders of market participants: what came, whether the gateway's profiles permit it, what came of it, and who decides.

Source: ADM-09, ADM-13.
"""

from typing import Literal

import msgspec

from smgw.administrator.api.approvals import decide
from smgw.administrator.api.endpoints import APPROVING, OPERATING, SEEING, Call, Endpoint, Limit, ShortText, require_any
from smgw.administrator.market_orders import Kept


class MarketOrderQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Choose orders, newest first."""

    gateway: ShortText = ""
    limit: Limit = 100


class MarketOrderRow(msgspec.Struct, frozen=True):
    """Show one order that was permitted when it came."""

    order_id: str
    sender: str
    """Common name in the SM-PKI."""
    partner: str
    """The sender's id in the gateway's profiles."""
    device_id: str
    kind: str
    contract: str
    state: Literal["held", "waiting", "done", "failed", "cancelled"]
    """`held` until somebody decides on it; `waiting` until the gateway has obeyed."""
    code: str
    accepted_at: str
    ended_at: str
    permitted: bool
    """Whether the gateway's profiles permit it now."""
    proposal: int
    """Number of the proposal that is decided on; 0 where nobody had to."""
    job: int
    """Number of the command to the gateway; 0 while there is none."""


class RefusalRow(msgspec.Struct, frozen=True):
    """Show one order that was not permitted."""

    at: str
    sender: str
    code: str


class MarketOrders(msgspec.Struct, frozen=True):
    """List orders, and what was refused lately."""

    orders: list[MarketOrderRow]
    refusals: list[RefusalRow]
    """The newest; of a flood of them one a minute is kept."""


def market_order_row(call: Call, kept: Kept) -> MarketOrderRow:
    """Show an order with how far it is."""
    book = call.books.market_orders
    state = book.state(kept)
    same = {name: getattr(kept, name) for name in ("order_id", "sender", "partner", "device_id", "kind", "contract", "proposal", "job")}
    return MarketOrderRow(
        **same,
        state="held" if state.state == "waiting" and not kept.job else state.state,
        code=state.code,
        accepted_at=kept.accepted_at,
        ended_at=state.ended_at,
        permitted=book.is_permitted(kept),
    )


def orders(call: Call) -> MarketOrders:
    """List orders."""
    query: MarketOrderQuery = call.query
    book = call.books.market_orders
    rows = [market_order_row(call, kept) for kept in book.newest(query.gateway, query.limit)]
    return MarketOrders(rows, [RefusalRow(*refusal) for refusal in book.refusals()])


def order(call: Call) -> MarketOrderRow:
    """Show one order. Raises: DomainFault administrator.unknown_order."""
    return market_order_row(call, call.books.market_orders.known(call.path["order"]))


def approve(call: Call) -> MarketOrderRow:
    """Let a held order happen. Raises: DomainFault administrator.unknown_order, unknown_proposal, order.not_permitted."""
    kept = call.books.market_orders.known(call.path["order"])
    decide(call, kept.proposal, approved=True)
    return order(call)


def reject(call: Call) -> MarketOrderRow:
    """Turn a held order down, or take one back that still waits for its gateway.

    Raises: SecurityFault administrator.forbidden, DomainFault administrator.unknown_order, unknown_proposal, unknown_job.
    """
    kept = call.books.market_orders.known(call.path["order"])
    if kept.job:
        require_any(OPERATING, call.user, "take an order back")
        call.books.jobs.cancel(kept.job, call.now, call.user.name)
    else:
        require_any(APPROVING, call.user, "decide on an order")
        decide(call, kept.proposal, approved=False)
    return order(call)


_ONE = "/market-orders/{order}"

ENDPOINTS = (
    Endpoint("GET", "/market-orders", SEEING, orders, "List orders of market participants", MarketOrders, query=MarketOrderQuery),
    Endpoint("GET", _ONE, SEEING, order, "Show an order of a market participant", MarketOrderRow),
    Endpoint("POST", f"{_ONE}/approve", APPROVING, approve, "Let a held order of a participant happen", MarketOrderRow),
    Endpoint(
        "POST", f"{_ONE}/reject", APPROVING | OPERATING, reject, "Turn an order of a participant down, or take it back", MarketOrderRow
    ),
)

"""What a market participant asks of a gateway's administrator, and the administrator's answer, as JSON inside a CMS message.

Our choice: the annex asks for a contract between both sides and leaves the form open. Source: ADM-09; TR-03109-1 Annex VI, table 2 steps
2.2.1 to 2.2.4 and 2.3.1.
"""

import re
from datetime import date
from typing import Annotated, Literal, TypeVar

import msgspec

from smgw.core.errors import DecodeFault

TARGET = "/smgw/gwa/v1/orders"
"""Where orders are taken; below it, each order's state."""
CONTENT_TYPE = "application/cms"
ORDER_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)

_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
Reason = Literal["move", "supplier_change", "tariff_change", "meter_exchange", "contract_dispute"]
_T = TypeVar("_T")


class MarketOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """Ask for one thing. A repetition with the same id is the same order."""

    order_id: Annotated[str, msgspec.Meta(pattern=f"^{ORDER_ID.pattern}$")]
    """UUID in lower case, of the participant's choice."""
    gateway: _Name
    """Device id."""
    kind: Literal["connect", "read-out"]
    """Have the gateway call the participant, or send values of past days."""
    contract: Annotated[str, msgspec.Meta(max_length=64)] = ""
    """For a read-out: the contract (TAF 6) whose recipient the participant is."""
    first: date | None = None
    """For a read-out: first local day whose value at 00:00 is asked for."""
    last: date | None = None
    reason: Reason | None = None
    """For a read-out: why."""


class MarketOrderState(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """Tell how far an order is; signed by the administrator."""

    order_id: str
    digest: str
    """SHA-256 of the order, hex."""
    state: Literal["waiting", "done", "failed", "cancelled"]
    """`waiting` until the gateway has obeyed; values come from the gateway itself."""
    code: str
    """Why it failed."""
    accepted_at: str
    ended_at: str


def decode_order(data: bytes) -> MarketOrder:
    """Read an order that is complete for its kind. Raises: DecodeFault order.structure."""
    order = _decoded(data, MarketOrder)
    parts = (order.contract or None, order.first, order.last, order.reason)
    wanted = order.kind == "read-out"
    if any((part is not None) is not wanted for part in parts):
        raise DecodeFault("order.structure", order.kind)
    return order


def decode_order_state(data: bytes) -> MarketOrderState:
    """Read the administrator's answer. Raises: DecodeFault order.structure."""
    return _decoded(data, MarketOrderState)


def _decoded(data: bytes, kind: type[_T]) -> _T:
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as problem:
        raise DecodeFault("order.structure", str(problem)[:80]) from problem

"""Where gateways are called, calls, and how long gateways took to come. Source: WAN-04, ADM-04."""

from typing import Literal

import msgspec

from smgw.administrator.api.endpoints import OPERATING, SEEING, Call, Endpoint, ProposalRow
from smgw.administrator.api.gateways import status_of
from smgw.administrator.api.submit import submit
from smgw.administrator.orders import WakeUpOrder
from smgw.administrator.wakeup import Address, Statistics, require_address
from smgw.core.errors import Unavailable


class NewAddress(Address, frozen=True, forbid_unknown_fields=True):
    """Set where a gateway is called."""

    set_gateway: bool = False
    """Order the gateway, too, to receive on that port and in that order of the time."""


class CallView(msgspec.Struct, frozen=True):
    """Show one call that was answered."""

    device_id: str
    waited_ms: int | None
    """From the first packet to the open channel; 0 when it stood already, null when nobody waited for it."""


class WakeQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Say whether the answer waits for the gateway."""

    wait: bool = True


class WakeUpRow(msgspec.Struct, frozen=True):
    """Show what became of one call."""

    started_at: str
    packets: int
    waited_ms: int
    state: Literal["calling", "answered", "given_up"]


class WakeUpState(msgspec.Struct, frozen=True):
    """Show whether a gateway is being called, and its last calls."""

    calling: bool
    calls: list[WakeUpRow]
    """Newest first."""


def statistics(call: Call) -> Statistics:
    """Sum up all calls."""
    return call.books.wake_ups.statistics()


def address(call: Call) -> Address:
    """Show where a gateway is called."""
    return call.books.wake_ups.address(status_of(call).device_id)


def set_address(call: Call) -> Address | ProposalRow:
    """Set where a gateway is called, or propose it; the order to the gateway waits like any other."""
    device_id, wanted = status_of(call).device_id, call.body
    noted = require_address(Address(wanted.host, wanted.port, wanted.timestamp_order, wanted.on_wake_up))
    done = submit(call, "wake-up", f"call it at {noted.host}:{noted.port}", WakeUpOrder(device_id, noted, wanted.set_gateway))
    return done if isinstance(done, ProposalRow) else noted


def calls(call: Call) -> WakeUpState:
    """Show whether a gateway is being called, and its last calls."""
    device_id, caller = status_of(call).device_id, call.desk.office.caller
    rows = [WakeUpRow(*row) for row in call.books.wake_ups.calls(device_id)]
    return WakeUpState(caller is not None and caller.service.is_calling(device_id), rows)


async def wake(call: Call) -> CallView:
    """Call a gateway, and wait until it comes, about two minutes at most. Raises: Unavailable wakeup.no_call_back."""
    device_id = status_of(call).device_id
    if call.books.inventory.is_connected(device_id):
        return CallView(device_id, 0)
    call.books.wake_ups.address(device_id)
    caller = call.desk.office.caller
    if caller is None:
        raise Unavailable("wakeup.no_call_back", "calls are not made here")
    call.books.audit.note(call.now, call.user.name, "call by wake-up packet", device_id, "sent")
    if not call.query.wait:
        caller.service.ask(device_id)
        return CallView(device_id, None)
    return CallView(device_id, await caller.service.call(device_id))


_ONE = "/gateways/{device_id}/wake-up"

ENDPOINTS = (
    Endpoint("GET", "/wake-ups", SEEING, statistics, "Sum up the calls by wake-up packet", Statistics),
    Endpoint("GET", _ONE, SEEING, address, "Show where a gateway is called", Address),
    Endpoint("PUT", _ONE, OPERATING, set_address, "Set where a gateway is called", Address, NewAddress, may_propose=True),
    Endpoint("GET", f"{_ONE}/calls", SEEING, calls, "Show the last calls of a gateway", WakeUpState),
    Endpoint("POST", _ONE, OPERATING, wake, "Call a gateway by wake-up packet", CallView, query=WakeQuery),
)

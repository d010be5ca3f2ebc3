"""Where gateways are called, calls, and how long gateways took to come. Source: WAN-04, ADM-03."""

import msgspec

from smgw.administrator.api.endpoints import OPERATING, SEEING, Call, Endpoint
from smgw.administrator.api.gateways import status_of
from smgw.administrator.wakeup import Address, Statistics
from smgw.core.errors import Unavailable


class NewAddress(Address, frozen=True, forbid_unknown_fields=True):
    """Set where a gateway is called."""

    set_gateway: bool = False
    """Order the gateway, too, to receive on that port and in that order of the time."""


class CallView(msgspec.Struct, frozen=True):
    """Show one call that was answered."""

    device_id: str
    waited_ms: int
    """From the first packet to the open channel; 0 when it stood already."""


def statistics(call: Call) -> Statistics:
    """Sum up all calls."""
    return call.books.wake_ups.statistics()


def address(call: Call) -> Address:
    """Show where a gateway is called."""
    return call.books.wake_ups.address(status_of(call).device_id)


def set_address(call: Call) -> Address:
    """Set where a gateway is called; the order to the gateway waits like any other."""
    device_id, wanted = status_of(call).device_id, call.body
    noted = Address(wanted.host, wanted.port, wanted.timestamp_order, wanted.on_wake_up)
    with call.books.store.write():
        call.books.wake_ups.set_address(device_id, noted, call.now, call.user.name)
        if wanted.set_gateway:
            settings = {"port": wanted.port, "timestamp_order": wanted.timestamp_order}
            random = call.desk.random(16)
            call.books.jobs.add(device_id, "PUT", "rts/wake-up", settings, at=call.now, actor=call.user.name, random=random)
    return noted


async def wake(call: Call) -> CallView:
    """Call a gateway and wait until it comes, about two minutes at most. Raises: Unavailable wakeup.no_call_back."""
    device_id = status_of(call).device_id
    if call.books.inventory.is_connected(device_id):
        return CallView(device_id, 0)
    call.books.wake_ups.address(device_id)
    caller = call.desk.office.caller
    if caller is None:
        raise Unavailable("wakeup.no_call_back", "calls are not made here")
    call.books.audit.note(call.now, call.user.name, "call by wake-up packet", device_id, "sent")
    return CallView(device_id, await caller.service.call(device_id))


ENDPOINTS = (
    Endpoint("GET", "/wake-ups", SEEING, statistics, "Sum up the calls by wake-up packet", Statistics),
    Endpoint("GET", "/gateways/{device_id}/wake-up", SEEING, address, "Show where a gateway is called", Address),
    Endpoint("PUT", "/gateways/{device_id}/wake-up", OPERATING, set_address, "Set where a gateway is called", Address, NewAddress),
    Endpoint("POST", "/gateways/{device_id}/wake-up", OPERATING, wake, "Call a gateway by wake-up packet", CallView),
)

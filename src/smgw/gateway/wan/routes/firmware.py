"""Order, activate, cancel and follow an update of the gateway's own program. Source: ADM-05."""

import msgspec

from smgw.core.errors import DomainFault
from smgw.gateway.firmware import Firmware
from smgw.gateway.firmware_record import Order
from smgw.gateway.pending import Pending
from smgw.gateway.wan.context import Call, Context, Outcome, Routes


class Activation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Name the version to activate."""

    version: str


def _firmware(context: Context, call: Call) -> Firmware:
    call.require_no_rest()
    if context.firmware is None:
        raise DomainFault("firmware.no_restart")
    return context.firmware


def _order(context: Context, call: Call) -> Outcome:
    firmware = _firmware(context, call)
    order = call.read(Order)
    firmware.order(order, call.command.message_id)
    return Outcome(202, firmware.facts(), pending=Pending("firmware-order", firmware.update.order_id))


def _activate(context: Context, call: Call) -> Outcome:
    firmware = _firmware(context, call)
    wanted = call.read(Activation).version
    firmware.activate(wanted)
    return Outcome(202, firmware.facts(), pending=Pending("firmware-activation", firmware.update.order_id))


def _cancel(context: Context, call: Call) -> Outcome:
    firmware = _firmware(context, call)
    firmware.cancel()
    return Outcome(200, firmware.facts(), after=firmware.wake)


def _status(context: Context, call: Call) -> Outcome:
    return Outcome(200, _firmware(context, call).facts())


ROUTES: Routes = {
    ("POST", "firmware", "order"): _order,
    ("POST", "firmware", "activate"): _activate,
    ("POST", "firmware", "cancel"): _cancel,
    ("GET", "firmware", "status"): _status,
}

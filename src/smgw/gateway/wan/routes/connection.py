"""How administrator and gateway come together: the wake-up receiver's settings, and the end of a channel. Source: WAN-04, WAN-09."""

import msgspec

from smgw.gateway.wan.context import Call, Context, Outcome, Routes
from smgw.gateway.wan.wakeup import SETTINGS, read_settings


def _put_wake_up(context: Context, call: Call) -> Outcome:
    call.require_no_rest()
    settings = read_settings(bytes(call.command.body))
    context.journal.set_state(SETTINGS, msgspec.json.encode(settings))
    context.recorder.record("wake_up_configured", subject=context.administrator_name, address=f"port {settings.port}")
    return Outcome(200, after=lambda: context.wake_up_set(settings))


def _break_up(context: Context, call: Call) -> Outcome:
    call.require_no_rest()
    return Outcome(200, after=context.break_up)


ROUTES: Routes = {("PUT", "rts", "wake-up"): _put_wake_up, ("POST", "fas", "break-up"): _break_up}

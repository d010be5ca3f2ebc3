"""How much the gateway may store, as the administrator sets it. Source: STATE-04; handbook D-2.2."""

import msgspec

from smgw.gateway.limits import SETTINGS, check_room, read_limits
from smgw.gateway.wan.context import Call, Context, Outcome, Routes


def _put_limits(context: Context, call: Call) -> Outcome:
    call.require_no_rest()
    settings = read_limits(bytes(call.command.body))
    check_room(context.journal, settings)
    context.journal.set_state(SETTINGS, msgspec.json.encode(settings))
    told = ", ".join(f"{name} {rows}" for name, rows in msgspec.to_builtins(settings).items()) or "as configured"
    context.recorder.record("limits_set", subject=context.administrator_name, limits=told)
    return Outcome(200, after=context.limits_set)


ROUTES: Routes = {("PUT", "rts", "storage-limits"): _put_limits}

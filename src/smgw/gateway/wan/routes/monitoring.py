"""Read state, system log and calibration log; never a reading. Source: ADM-06, ADM-11."""

import msgspec

from smgw.core.errors import PeerFault
from smgw.core.log_event import Log
from smgw.gateway.wan.context import Call, Context, Outcome, Routes

LOG_PAGE = 500
"""At most so many log entries in one answer."""


def _get_log(context: Context, call: Call) -> Outcome:
    try:
        start = int(call.rest[0]) if call.rest else 1
    except ValueError as problem:
        raise PeerFault("command.resource", "index") from problem
    entries = context.journal.log(Log(call.words[1]), from_index=start, count=LOG_PAGE)
    return Outcome(
        200, [{"index": stored.index, "text": stored.entry.text("en"), **msgspec.to_builtins(stored.entry)} for stored in entries]
    )


def _get_state(context: Context, call: Call) -> Outcome:
    return Outcome(200, context.facts())


ROUTES: Routes = {("GET", "log", Log.SYSTEM): _get_log, ("GET", "log", Log.CALIBRATION): _get_log, ("GET", "state"): _get_state}

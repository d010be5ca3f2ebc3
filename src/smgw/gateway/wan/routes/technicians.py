"""Admit a service technician to the HAN, and end that. Source: DIAG-01; TR-03109-1 Annex VI, table 4 step 2.1."""

import msgspec

from smgw.core.errors import PeerFault
from smgw.gateway.technicians import Admission, admit, dismiss
from smgw.gateway.wan.context import Call, Context, Outcome, Routes


def _admit(context: Context, call: Call) -> Outcome:
    call.require_no_rest()
    try:
        admission = msgspec.json.decode(call.command.body, type=Admission)
    except msgspec.MsgspecError as problem:
        raise PeerFault("command.technician", str(problem)[:200]) from problem
    admit(context.journal, context.recorder, context.administrator_name, admission, call.now)
    return Outcome(201, after=context.technicians_changed)


def _dismiss(context: Context, call: Call) -> Outcome:
    (case,) = call.rest if len(call.rest) == 1 else ("",)
    dismiss(context.journal, case, call.now)
    return Outcome(200, after=context.technicians_changed)


ROUTES: Routes = {("POST", "fas", "technician"): _admit, ("DELETE", "fas", "technician"): _dismiss}

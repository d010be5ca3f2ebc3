"""Announce, check and complete a change of the administrator. Source: ADM-12; TR-03109-1 Annex VI, table 5."""

from smgw.core.errors import DomainFault
from smgw.gateway.pending import Pending
from smgw.gateway.succession import Announcement, CheckResult, Successions
from smgw.gateway.wan.context import Call, Context, Outcome, Routes

EXAMINER_MAY = frozenset({
    ("GET", "rts"),
    ("GET", "state"),
    ("POST", "fas", "configuration-check"),
    ("POST", "fas", "take-over"),
    ("POST", "fas", "break-up"),
})  # fmt: skip
"""What an administrator to be may ask, by the first words of the route."""


def _desk(context: Context) -> Successions:
    if context.successions is None:
        raise DomainFault("succession.none")
    return context.successions


def _announce(context: Context, call: Call) -> Outcome:
    _desk(context).announce(context.administrator_name, call.read(Announcement))
    return Outcome(201)


def _withdraw(context: Context, call: Call) -> Outcome:
    call.require_no_rest()
    _desk(context).withdraw(context.administrator_name)
    return Outcome(200)


def _check(context: Context, call: Call) -> Outcome:
    if not context.is_examiner:
        raise DomainFault("succession.none", "not the administrator to be")
    _desk(context).enter_check(context.administrator_name, call.read(CheckResult))
    return Outcome(200)


def _take_over(context: Context, call: Call) -> Outcome:
    """Take over without a wake-up call, where the gateway has no receiver for one."""
    call.require_no_rest()
    if not context.is_examiner or not context.may_take_over():
        raise DomainFault("succession.none", "by wake-up call only")
    return Outcome(202, pending=Pending("take-over"))


def _remove_former(context: Context, call: Call) -> Outcome:
    _desk(context).remove_former("/".join(call.rest))
    return Outcome(200)


ROUTES: Routes = {
    ("POST", "fas", "successor"): _announce,
    ("DELETE", "fas", "successor"): _withdraw,
    ("POST", "fas", "configuration-check"): _check,
    ("POST", "fas", "take-over"): _take_over,
    ("DELETE", "rts", "administrator"): _remove_former,
}

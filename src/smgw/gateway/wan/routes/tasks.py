"""What the administrator has the gateway do or tell: a self-test, a connection to a partner, a notice to a consumer.

Source: WAN-06, STATE-03, LOG-01; TR-03109-1 Annex VI, table 2 step 2.2.5, table 3 steps 2.3, 5.7, 5.8.
"""

from typing import Annotated

import msgspec

from smgw.core.errors import DomainFault
from smgw.core.profiles import EvaluationProfile, profile_key
from smgw.gateway.pending import Pending
from smgw.gateway.wan.context import Call, Context, Outcome, Route, Routes

_Text = Annotated[str, msgspec.Meta(min_length=1, max_length=500)]


class ConnectionOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Have a partner dialled now, for which it asked the administrator."""

    partner: str
    ordered_by: _Text


class ConsumerNotice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Tell a consumer of maintenance, or of an incident that concerns it."""

    consumer: str
    text: _Text


def _self_test(context: Context, call: Call) -> Outcome:
    call.require_no_rest()
    name = context.administrator_name
    context.recorder.record("command_obeyed", subject=name, command="self-test", partner=name)
    return Outcome(202, pending=Pending("self-test"))


def _connect(context: Context, call: Call) -> Outcome:
    order = call.read(ConnectionOrder)
    if order.partner not in map(profile_key, context.journal.profiles("communication")):
        raise DomainFault("profile.unknown", f"communication {order.partner[:64]}")
    contracts = (c for c in context.journal.profiles("evaluation") if isinstance(c, EvaluationProfile))
    owners = {contract.consumer_id for contract in contracts if order.partner in contract.recipients}
    context.recorder.record("connection_ordered", consumers=owners, subject=order.partner, partner=order.ordered_by, target=order.partner)
    return Outcome(202, pending=Pending("connect", order.partner))


def _tell(event: str, parameter: str) -> Route:
    def route(context: Context, call: Call) -> Outcome:
        notice = call.read(ConsumerNotice)
        if notice.consumer not in map(profile_key, context.journal.profiles("consumer")):
            raise DomainFault("profile.unknown", f"consumer {notice.consumer[:64]}")
        facts = {"partner": context.administrator_name, parameter: notice.text}
        context.recorder.record_with(event, facts, consumers=[notice.consumer], subject=notice.consumer)
        return Outcome(201)

    return route


ROUTES: Routes = {
    ("POST", "fas", "self-test"): _self_test,
    ("POST", "fas", "connect"): _connect,
    ("POST", "fas", "maintenance"): _tell("maintenance_done", "what"),
    ("POST", "fas", "notice"): _tell("incident_notice", "text"),
}

"""Orders about events, credits, switching and read-outs. Source: TAF-05, TAF-06, TAF-11, TAF-12."""

from smgw.gateway.tariff_orders import ORDERS, Desk, obey_order
from smgw.gateway.wan.context import Call, Context, Outcome, Routes


def _order(context: Context, call: Call) -> Outcome:
    call.require_no_rest()
    desk = Desk(context.journal, context.recorder, context.evaluation, context.administrator_name)
    body = obey_order(desk, call.words[1], bytes(call.command.body), call.now)
    return Outcome(200, body, after=context.queued)


ROUTES: Routes = {("POST", "fas", name): _order for name in ORDERS}

"""Whether the gateway takes a command now: the one check before every route, whatever form the command came in.

Source: LIFE-09, ADM-11, ADM-12.
"""

import msgspec

from smgw.core.errors import DomainFault, PeerFault, SmgwError
from smgw.core.state import Permission, require
from smgw.gateway.wan.context import PREFIX, Call, Context, Method, Outcome, Route
from smgw.gateway.wan.routes import ROUTES, action_of
from smgw.gateway.wan.routes.succession import EXAMINER_MAY

STATUSES: dict[str, int] = {
    "command.resource": 404,
    "cosem.verb": 405,
    "cosem.accept": 406,
    "cosem.unsealed": 411,
    "cosem.too_much": 413,
    "xml.size": 413,
    "http.target_size": 414,
    "cosem.media": 415,
    "cosem.range": 416,
    "cosem.not_implemented": 501,
}
"""Code of a fault -> status of the answer; for all others see `status_of`. Source: 20-wan-crypto-pki 1.4."""


def permitted(context: Context, method: str, words: tuple[str, ...]) -> Route:
    """Find the route of a command that may be obeyed now.

    Raises: PeerFault command.resource for what is not offered, or not to this administrator; UsageError state.refused;
    DomainFault lifecycle.phase, lifecycle.order.
    """
    route = ROUTES.get((method, *words))
    if route is None:
        raise PeerFault("command.resource", method)
    if context.is_examiner and not {(method, *words[:1]), (method, *words)} & EXAMINER_MAY:
        raise PeerFault("command.resource", "not for an administrator to be")
    require(context.state(), Permission.OBEY_ADMINISTRATOR)
    if (action := action_of((method, *words))) is not None:
        context.allows(action)
    return route


def routed(context: Context, call: Call, method: Method, words: tuple[str, ...], body: bytes, rest: tuple[str, ...] = ()) -> Outcome:
    """Obey a command that came in another form as its route does. Raises: as the route; as `permitted`."""
    resource = PREFIX + "/".join((*words, *rest))
    command = msgspec.structs.replace(call.command, method=method, resource=resource, body=msgspec.Raw(body))
    return permitted(context, method, words)(context, Call(command, words, rest, call.document, call.now))


def status_of(fault: SmgwError) -> int:
    """Give the status with which a command is refused."""
    return STATUSES.get(fault.code, 409 if isinstance(fault, DomainFault) else 400)

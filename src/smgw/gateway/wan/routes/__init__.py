"""What the administrator can ask of a gateway: one module per kind of resource, each with its table of routes.

The consumer log has no route: only the consumer reads it.
"""

from smgw.core.life_cycle import Action
from smgw.gateway.wan.context import Routes
from smgw.gateway.wan.routes import connection, firmware, keys, monitoring, orders, profiles, storage, succession, tasks, technicians

_MODULES = (profiles, monitoring, orders, connection, firmware, keys, succession, tasks, technicians, storage)

ROUTES: Routes = {words: route for module in _MODULES for words, route in module.ROUTES.items()}
"""Every route of the management channel."""

_ACTIONS: dict[tuple[str, ...], Action] = {
    ("PUT", "rts"): Action.INSTALL_PROFILE,
    ("DELETE", "rts"): Action.INSTALL_PROFILE,
    ("POST", "fas"): Action.OBEY_ORDER,
    ("DELETE", "fas"): Action.OBEY_ORDER,
    ("POST", "firmware"): Action.UPDATE_FIRMWARE,
}
_ALWAYS: frozenset[tuple[str, ...]] = frozenset({("POST", "fas", "break-up"), ("POST", "fas", "self-test")})


def action_of(route: tuple[str, ...]) -> Action | None:
    """Give the action of the table of life that a route is; reading has none, and the key desk asks for its own. Source: LIFE-09."""
    return None if route in _ALWAYS else _ACTIONS.get(route[:2])

"""What the administrator can ask of a gateway: one module per kind of resource, each with its table of routes.

The consumer log has no route: only the consumer reads it.
"""

from smgw.gateway.wan.context import Routes
from smgw.gateway.wan.routes import connection, firmware, monitoring, orders, profiles

ROUTES: Routes = profiles.ROUTES | monitoring.ROUTES | orders.ROUTES | connection.ROUTES | firmware.ROUTES
"""Every route of the management channel."""

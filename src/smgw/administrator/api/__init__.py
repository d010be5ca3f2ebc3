"""The administrator's REST interface: a table of endpoints for each kind of resource.

A new kind of resource is a module with `ENDPOINTS`, added to the tuple below: routes, roles and the OpenAPI document follow from it.
"""

from smgw.administrator.api import (
    alarms,
    approvals,
    audit,
    backup,
    cases,
    channels,
    cosem,
    exchanges,
    firmware,
    gateways,
    incidents,
    jobs,
    logs,
    market_orders,
    profiles,
    successions,
    users,
    wake_ups,
)
from smgw.administrator.api.endpoints import Endpoint

ENDPOINTS: tuple[Endpoint, ...] = (
    *gateways.ENDPOINTS,
    *profiles.ENDPOINTS,
    *jobs.ENDPOINTS,
    *logs.ENDPOINTS,
    *alarms.ENDPOINTS,
    *incidents.ENDPOINTS,
    *approvals.ENDPOINTS,
    *audit.ENDPOINTS,
    *users.ENDPOINTS,
    *backup.ENDPOINTS,
    *cases.ENDPOINTS,
    *exchanges.ENDPOINTS,
    *firmware.ENDPOINTS,
    *wake_ups.ENDPOINTS,
    *successions.ENDPOINTS,
    *market_orders.ENDPOINTS,
    *channels.ENDPOINTS,
    *cosem.ENDPOINTS,
)
"""Every endpoint below `/api/v1`."""

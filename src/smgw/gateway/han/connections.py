"""Connections of the consumer interface: how many, how long, and what a peer gets that doesn't speak HTTP.

Source: CON-01; 30-han-consumer-interface 1.1 (session).
"""

import asyncio
from collections.abc import Callable
from typing import Any

import structlog
from aiohttp import web

from smgw.gateway.han.session import LONGEST_S

MAX_CONNECTIONS = 256
KEEP_ALIVE_S = 120.0
SERVER_NAME = "smgw"

_log = structlog.get_logger()


class Connection(web.RequestHandler):
    """Serve one connection; broken requests get a constant reply that names no library and repeats nothing."""

    __slots__ = ()

    def handle_error(
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        """Answer what can't be parsed, and close."""
        _log.info("han.request_broken", status=status, code=type(exc).__name__)
        response = web.Response(status=status, text="bad request\n", headers={"Server": SERVER_NAME})
        response.force_close()
        return response

    def log_exception(self, *args: Any, **kw: Any) -> None:
        """Note that a connection broke; what it carried is not written down."""
        _log.warning("han.connection_failed", code=type(kw.get("exc_info")).__name__)


class _Refusal(asyncio.Protocol):
    """Drop a connection beyond the limit."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.abort()


def bounded(server: web.Server) -> Callable[[], asyncio.Protocol]:
    """Make the protocols of a listener: at most 256 at a time, headers and idle time bounded."""
    loop = asyncio.get_running_loop()

    def protocol() -> asyncio.Protocol:
        if len(server.connections) >= MAX_CONNECTIONS:
            return _Refusal()
        # aiohttp types the logger as required, but reads None as no access log.
        return Connection(server, loop=loop, keepalive_timeout=KEEP_ALIVE_S, auto_decompress=False, max_headers=64, **_NO_ACCESS_LOG)

    return protocol


_NO_ACCESS_LOG: dict[str, Any] = {"access_log": None}


class Ages:
    """Cut connections that are older than a session may be."""

    def __init__(self) -> None:
        self._since: dict[web.RequestHandler, float] = {}

    def sweep(self, server: web.Server, now: float) -> None:
        """Look at all connections; to be called every now and then."""
        self._since = {connection: self._since.get(connection, now) for connection in server.connections}
        for connection, since in self._since.items():
            if now - since > LONGEST_S:
                connection.force_close()

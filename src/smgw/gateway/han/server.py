"""The HTTPS server of the consumer interface: limits, routes and error replies.

Source: CON-01, CON-02; 30-han-consumer-interface 1.1–1.3.
"""

import asyncio
import ssl
import time
import traceback
from collections.abc import Awaitable, Callable
from contextlib import suppress
from http import HTTPStatus

import msgspec
import structlog
from aiohttp import web
from aiohttp.typedefs import Middleware

from smgw.core.errors import SmgwError
from smgw.gateway.han.access import Access, refuse_cross_site
from smgw.gateway.han.connections import SERVER_NAME, Ages, bounded
from smgw.gateway.han.m2m import MAX_BODY, M2mCalls, user_id
from smgw.gateway.han.pages import Pages
from smgw.gateway.han.ports import ConsumerData
from smgw.gateway.han.session import Shown, ShownValues
from smgw.net.clock import ClockPort
from smgw.protocol.digest_auth import Algorithm

HANDSHAKE_S = 10.0
BODY_S = 15.0
SWEEP_S = 30.0

_log = structlog.get_logger()

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_M2M_ERRORS = {
    400: "bad request",
    401: "log-in needed: HTTP digest, or a registered client certificate",
    403: "refused: sent by a foreign web page",
    404: "no such path",
    405: "no such verb here",
    408: "request took too long",
    413: "request is larger than 64 KiB",
    500: "internal error",
}
_HEADERS = {
    "Server": SERVER_NAME,
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    ),
}


class RunningServer:
    """Hold a listening consumer server."""

    def __init__(self, runner: web.AppRunner, listener: asyncio.Server, sweeper: "asyncio.Task[None]", flush: Callable[[], None]) -> None:
        self._runner = runner
        self._listener = listener
        self._sweeper = sweeper
        self._flush = flush
        self.host, self.port = listener.sockets[0].getsockname()[:2]

    async def close(self) -> None:
        """Stop listening, end all connections and write what is still to be logged."""
        self._listener.close()
        self._sweeper.cancel()
        with suppress(asyncio.CancelledError):
            await self._sweeper
        server = self._runner.server
        transports = [connection.transport for connection in server.connections if connection.transport] if server else []
        await self._runner.cleanup()
        for transport in transports:
            # A peer that keeps silent would hold the TLS closing open.
            transport.abort()
        self._flush()
        await asyncio.sleep(0)


async def start_consumer_server(
    data: ConsumerData,
    *,
    host: str,
    port: int,
    ssl_context: ssl.SSLContext,
    clock: ClockPort,
    random: Callable[[int], bytes],
    digest_algorithm: str = "MD5",
    seconds: Callable[[], float] = time.monotonic,
) -> RunningServer:
    """Serve pages and M2M calls on `host`:`port` (0 takes a free port).

    `seconds` only ever grows and measures sessions, challenges and locks; `clock` gives the gateway time. Answers to both digest algorithms
    are accepted whatever is challenged.
    """
    shown = ShownValues()

    def log_shown(values: list[Shown]) -> None:
        for item in values:
            data.record("values_shown", item.consumer_id, subject=item.contract, count=item.values, contract=item.contract, user=item.user)

    calls = M2mCalls(data, seconds=seconds, shown=lambda item: log_shown(shown.add(seconds(), item)))
    access = Access(data, random=random, seconds=seconds, algorithm=Algorithm(digest_algorithm))
    pages = Pages(data, access, calls, clock=clock, seconds=seconds, shown=lambda item: log_shown(shown.add(seconds(), item)))
    app = web.Application(middlewares=[_edge(pages, clock)], client_max_size=MAX_BODY)
    app.add_routes(_m2m_routes(access, calls))
    app.add_routes(pages.routes())
    app.on_response_prepare.append(_add_headers)
    runner = web.AppRunner(app, shutdown_timeout=2.0)
    await runner.setup()
    server = runner.server
    assert server is not None
    listener = await asyncio.get_running_loop().create_server(
        bounded(server), host, port, ssl=ssl_context, ssl_handshake_timeout=HANDSHAKE_S, ssl_shutdown_timeout=2.0
    )
    sweeper = asyncio.create_task(_sweep(server, seconds, lambda: log_shown(shown.due(seconds()))))
    return RunningServer(runner, listener, sweeper, lambda: log_shown(shown.due(seconds(), everything=True)))


async def _sweep(server: web.Server, seconds: Callable[[], float], flush: Callable[[], None]) -> None:
    """Cut connections that are too old, and write log entries that waited long enough."""
    ages = Ages()
    while True:
        await asyncio.sleep(SWEEP_S)
        ages.sweep(server, seconds())
        try:
            flush()
        except SmgwError as fault:
            _log.warning("han.log_not_written", code=fault.code)


async def _add_headers(request: web.Request, response: web.StreamResponse) -> None:
    for name, value in _HEADERS.items():
        if name not in response.headers or name == "Server":
            response.headers[name] = value


def _edge(pages: Pages, clock: ClockPort) -> Middleware:
    """Turn whatever goes wrong into a reply of constant text."""

    @web.middleware
    async def edge(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            with clock.hold():
                return await handler(request)
        except web.HTTPException as answer:
            if answer.status < HTTPStatus.BAD_REQUEST:
                raise
            status, extra = answer.status, answer
        except TimeoutError:
            status, extra = 408, web.HTTPRequestTimeout()
        except SmgwError as fault:
            _log.error("han.request_failed", path=request.path, code=fault.code)
            status, extra = 500, web.HTTPInternalServerError()
        except Exception as problem:
            # Written out here, because a renderer that prints local variables would print secrets.
            trace = "".join(traceback.format_exception(problem))
            _log.error("han.request_failed", path=request.path, code=type(problem).__name__, trace=trace)
            status, extra = 500, web.HTTPInternalServerError()
        reply = _m2m_error(status) if request.path.startswith("/smgw/m2m") else pages.error(request, status)
        for name in ("WWW-Authenticate", "Allow", "Set-Cookie"):
            reply.headers.extend((name, value) for value in extra.headers.getall(name, []))
        for cookie in extra.cookies.values():
            reply.headers.add("Set-Cookie", cookie.OutputString())
        return reply

    return edge


def _m2m_error(status: int) -> web.Response:
    body = {"method": "", "version": "1.3.0", "error": _M2M_ERRORS.get(status, HTTPStatus(status).phrase)}
    return web.Response(status=status, body=msgspec.json.encode(body), content_type="application/json")


def _m2m_routes(access: Access, calls: M2mCalls) -> list[web.RouteDef]:
    async def root(request: web.Request) -> web.Response:
        refuse_cross_site(request)
        consumer = access.machine(request)
        return web.Response(status=307, headers={"Location": f"/smgw/m2m/{user_id(consumer)}/json"})

    async def call(request: web.Request) -> web.Response:
        refuse_cross_site(request)
        consumer = access.machine(request)
        if not calls.is_named(consumer, request.match_info["user"]):
            raise web.HTTPNotFound
        if request.method != "POST":
            raise web.HTTPMethodNotAllowed(request.method, ["POST"])
        async with asyncio.timeout(BODY_S):
            body = await request.read()
        reply = calls.call(consumer, body)
        return web.Response(status=reply.status, body=reply.body, content_type="application/json")

    async def other_verb(request: web.Request) -> web.Response:
        access.machine(request)
        raise web.HTTPMethodNotAllowed(request.method, ["GET", "POST"])

    async def unknown(request: web.Request) -> web.Response:
        access.machine(request)
        raise web.HTTPNotFound

    roots = [route for path in ("/smgw/m2m", "/smgw/m2m/") for route in _root_routes(path, root, other_verb)]
    return [*roots, web.route("*", "/smgw/m2m/{user}/json", call), web.route("*", "/smgw/m2m/{rest:.*}", unknown)]


def _root_routes(path: str, root: Handler, other_verb: Handler) -> list[web.RouteDef]:
    return [web.get(path, root, allow_head=False), web.post(path, root), web.route("*", path, other_verb)]

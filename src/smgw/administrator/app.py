"""The administrator's interface for people and programs on loopback: console, REST interface, health.

Source: ADM-13, OPS-02.
"""

import asyncio
from contextlib import AsyncExitStack

import msgspec
from aiohttp import web

from smgw.administrator.access import Access, guard, operator_token
from smgw.administrator.api.endpoints import Desk
from smgw.administrator.api.routes import add_api
from smgw.administrator.console.site import Console
from smgw.core.errors import Unavailable

BODY_LIMIT = 320 << 10
"""Largest request in octets."""
SHUTDOWN_S = 5.0


async def start_interface(stack: AsyncExitStack, desk: Desk, port: int) -> int:
    """Listen on loopback; returns the port. Raises: Unavailable net.unreachable."""
    token = operator_token(desk.folder.token, desk.random(32))
    runner = web.AppRunner(make_app(desk, token), access_log=None, shutdown_timeout=SHUTDOWN_S)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
    except OSError as problem:
        raise Unavailable("net.unreachable", f"127.0.0.1:{port}") from problem
    return int(runner.addresses[0][1])


def make_app(desk: Desk, token: str) -> web.Application:
    """Make the application for one desk and folder token."""
    access = Access(desk, token, lambda: asyncio.get_running_loop().time())
    console = Console(desk)
    app = web.Application(middlewares=[guard(access, console.fault)], client_max_size=BODY_LIMIT)
    app.router.add_get("/healthz", _health)
    add_api(app, desk)
    console.add(app, access)
    return app


async def _health(_: web.Request) -> web.Response:
    return web.Response(body=msgspec.json.encode({"status": "ok"}), content_type="application/json")

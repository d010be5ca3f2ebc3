"""Serve HTTP/1.1 over a channel whose peer is already authenticated, with bounded waiting.

Source: WAN-03; 20-wan-crypto-pki 1.4, 1.5 (limits and status codes).
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import NamedTuple

from smgw.core.errors import PeerFault
from smgw.protocol.tunnel_http import BODY_LIMIT, Headers, Request, TunnelServer

REQUEST_TIMEOUT_S = 20.0
"""Real time that a request may take to arrive once it has begun."""
IDLE_TIMEOUT_S = 300.0
"""Real time between two requests after which the connection is closed."""
_LINGER_S = 2.0
_CHUNK = 65_536


class Reply(NamedTuple):
    """Hold a whole response; Content-Length is added."""

    status: int
    body: bytes = b""
    headers: Headers = ()


async def serve_http(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    respond: Callable[[Request], Awaitable[Reply]],
    *,
    on_fault: Callable[[PeerFault], None],
    request_timeout_s: float = REQUEST_TIMEOUT_S,
    idle_timeout_s: float = IDLE_TIMEOUT_S,
) -> None:
    """Answer one request after another until the peer closes, breaks the rules or falls silent; bodies reach 1 MiB.

    `on_fault` is told of a request that never became whole; the peer gets its bare status, and the connection ends.
    """
    server = TunnelServer()
    with suppress(OSError, TimeoutError):
        while not server.is_over:
            try:
                request = await _next_request(reader, server, request_timeout_s, idle_timeout_s)
            except PeerFault as fault:
                on_fault(fault)
                writer.write(server.refuse(fault))
                await writer.drain()
                await _linger(reader)
                return
            if request is None:
                return
            reply = await respond(request)
            writer.write(server.send_response(reply.status, reply.headers, reply.body))
            await writer.drain()


async def _next_request(
    reader: asyncio.StreamReader, server: TunnelServer, request_timeout_s: float, idle_timeout_s: float
) -> Request | None:
    """Give the next request, or None when the peer closed between two."""
    async with asyncio.timeout(idle_timeout_s):
        data = await reader.read(_CHUNK)
    async with asyncio.timeout(request_timeout_s):
        while data:
            for request in server.receive_data(data):
                return request
            data = await reader.read(_CHUNK)
    server.receive_eof()
    return None


async def _linger(reader: asyncio.StreamReader) -> None:
    """Take in some of what a refused peer still sends, so that the refusal reaches it before the connection is torn down."""
    left = 4 * BODY_LIMIT
    async with asyncio.timeout(_LINGER_S):
        while left > 0 and (data := await reader.read(_CHUNK)):
            left -= len(data)

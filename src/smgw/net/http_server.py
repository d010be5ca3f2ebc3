"""Serve HTTP/1.1 over a channel whose peer is already authenticated: bounded heads and bodies, bounded waiting, no pipelining.

Source: WAN-03; 20-wan-crypto-pki 1.4, 1.5 (limits and status codes).
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from http import HTTPStatus
from typing import NamedTuple

import h11

from smgw.core.errors import LimitFault, PeerFault

HEAD_LIMIT = 16_384
"""Octets of a request's head."""
REQUEST_TIMEOUT_S = 20.0
"""Real time that a request may take to arrive once it has begun."""
IDLE_TIMEOUT_S = 300.0
"""Real time between two requests after which the connection is closed."""
_LINGER_S = 2.0
_CHUNK = 65_536


class Request(NamedTuple):
    """Hold a whole request; header names are lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


class Reply(NamedTuple):
    """Hold a whole response; `close` ends the connection after it."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = {}
    close: bool = False


async def serve_http(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    respond: Callable[[Request], Awaitable[Reply]],
    *,
    body_limit: int,
    refuse: Callable[[PeerFault], Reply],
    request_timeout_s: float = REQUEST_TIMEOUT_S,
    idle_timeout_s: float = IDLE_TIMEOUT_S,
) -> None:
    """Answer one request after another until the peer closes, breaks the rules or falls silent.

    `refuse` gives the reply to a request that never became whole: PeerFault http.malformed, LimitFault http.size.
    """
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_LIMIT)
    with suppress(OSError, TimeoutError):
        while True:
            head = await asyncio.wait_for(_wait_for_request(reader, connection), idle_timeout_s)
            if not head:
                return
            try:
                async with asyncio.timeout(request_timeout_s):
                    request = await _read_request(reader, writer, connection, body_limit)
                reply = await respond(request)
            except PeerFault as fault:
                await _send(writer, connection, refuse(fault)._replace(close=True))
                await _linger(reader, body_limit)
                return
            await _send(writer, connection, reply)
            if reply.close or connection.our_state is not h11.DONE or connection.their_state is not h11.DONE:
                return
            connection.start_next_cycle()


async def _wait_for_request(reader: asyncio.StreamReader, connection: h11.Connection) -> bool:
    """Wait for the first octets of a request; False when the peer closed instead."""
    if connection.trailing_data[0]:
        return True
    data = await reader.read(_CHUNK)
    connection.receive_data(data)
    return bool(data)


async def _read_request(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, connection: h11.Connection, body_limit: int) -> Request:
    request: h11.Request | None = None
    body = bytearray()
    while True:
        try:
            event = connection.next_event()
        except h11.RemoteProtocolError as problem:
            raise PeerFault("http.malformed", str(problem)[:80]) from problem
        if event is h11.NEED_DATA:
            if connection.they_are_waiting_for_100_continue:
                go_on = connection.send(h11.InformationalResponse(status_code=100, headers=[]))
                writer.write(go_on or b"")
            connection.receive_data(await reader.read(_CHUNK))
        elif isinstance(event, h11.Request):
            request = event
            length = int(dict(event.headers).get(b"content-length", b"0"))
            if length > body_limit:
                raise LimitFault("http.size", f"{length} octets announced")
        elif isinstance(event, h11.Data):
            body += event.data
            if len(body) > body_limit:
                raise LimitFault("http.size", f"more than {body_limit} octets")
        elif isinstance(event, h11.EndOfMessage):
            assert request is not None, "a message ends only after it began"
            headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in request.headers}
            return Request(request.method.decode("latin-1"), request.target.decode("latin-1"), headers, bytes(body))
        else:
            raise PeerFault("http.malformed", "closed")


async def _linger(reader: asyncio.StreamReader, limit: int) -> None:
    """Take in some of what a refused peer still sends, so that the refusal reaches it before the connection is torn down."""
    async with asyncio.timeout(_LINGER_S):
        left = 2 * limit
        while left > 0 and (data := await reader.read(_CHUNK)):
            left -= len(data)


async def _send(writer: asyncio.StreamWriter, connection: h11.Connection, reply: Reply) -> None:
    if connection.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
        return
    headers = [*reply.headers.items(), ("Content-Length", str(len(reply.body)))]
    if reply.close:
        headers.append(("Connection", "close"))
    head = h11.Response(status_code=reply.status, headers=headers, reason=HTTPStatus(reply.status).phrase)
    for event in (head, h11.Data(data=reply.body), h11.EndOfMessage()):
        writer.write(connection.send(event) or b"")
    await writer.drain()

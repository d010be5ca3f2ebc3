"""One HTTP/1.1 exchange over a channel that is already authenticated: the peer is known before the first octet is sent."""

import asyncio
from typing import NamedTuple

import h11

from smgw.core.errors import LimitFault, PeerFault, Unavailable

RESPONSE_LIMIT = 1 << 20
"""Largest response body in octets."""

RESPONSE_TIMEOUT_S = 20.0
"""Source: 20-wan-crypto-pki 0, HTTP response deadline."""


class Streams(NamedTuple):
    """Hold both directions of a connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


class Response(NamedTuple):
    """Hold a whole response."""

    status: int
    headers: dict[str, str]
    body: bytes


class HttpClient:
    """Send requests one after another over one channel (no pipelining)."""

    def __init__(self, channel: Streams, host: str, *, timeout_s: float = RESPONSE_TIMEOUT_S) -> None:
        self._channel = channel
        self._host = host
        self._timeout_s = timeout_s
        self._connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=16_384)

    async def request(self, method: str, target: str, headers: dict[str, str], body: bytes) -> Response:
        """Send one request and read its whole response.

        Raises: Unavailable http.no_answer, PeerFault http.malformed, LimitFault http.size.
        """
        try:
            return await asyncio.wait_for(self._exchange(method, target, headers, body), self._timeout_s)
        except h11.RemoteProtocolError as problem:
            raise PeerFault("http.malformed", str(problem)[:80]) from problem
        except (OSError, TimeoutError, asyncio.IncompleteReadError) as problem:
            raise Unavailable("http.no_answer", type(problem).__name__) from problem

    async def _exchange(self, method: str, target: str, headers: dict[str, str], body: bytes) -> Response:
        if self._connection.our_state is not h11.IDLE:
            self._connection.start_next_cycle()
        lines = [("Host", self._host), *headers.items(), ("Content-Length", str(len(body)))]
        out = self._connection.send(h11.Request(method=method, target=target, headers=lines)) or b""
        if body:
            out += self._connection.send(h11.Data(data=body)) or b""
        out += self._connection.send(h11.EndOfMessage()) or b""
        self._channel.writer.write(out)
        await self._channel.writer.drain()
        status, response_headers = 0, {}
        chunks: list[bytes] = []
        size = 0
        while True:
            event = self._connection.next_event()
            if event is h11.NEED_DATA:
                self._connection.receive_data(await self._channel.reader.read(65_536))
            elif isinstance(event, h11.Response):
                status = event.status_code
                response_headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in event.headers}
            elif isinstance(event, h11.Data):
                size += len(event.data)
                if size > RESPONSE_LIMIT:
                    raise LimitFault("http.size", f"more than {RESPONSE_LIMIT} octets")
                chunks.append(bytes(event.data))
            elif isinstance(event, h11.EndOfMessage):
                return Response(status, response_headers, b"".join(chunks))
            elif isinstance(event, h11.ConnectionClosed):
                raise Unavailable("http.no_answer", "closed")

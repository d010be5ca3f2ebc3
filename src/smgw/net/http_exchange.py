"""One HTTP/1.1 exchange after another over a channel that is already authenticated: the peer is known before the first octet is sent."""

import asyncio
from typing import NamedTuple

from smgw.core.errors import Unavailable
from smgw.protocol.tunnel_http import Response, TunnelClient

RESPONSE_TIMEOUT_S = 20.0
"""Source: 20-wan-crypto-pki 0, HTTP response deadline."""

_CHUNK = 65_536


class Streams(NamedTuple):
    """Hold both directions of a connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


class HttpClient:
    """Ask over one channel, whoever dialled it."""

    def __init__(self, channel: Streams, host: str, *, timeout_s: float = RESPONSE_TIMEOUT_S) -> None:
        self._channel = channel
        self._timeout_s = timeout_s
        self._protocol = TunnelClient(host)

    async def request(self, method: str, target: str, headers: dict[str, str], body: bytes) -> Response:
        """Send one request and read its whole response; after a fault the channel has to be closed.

        Raises: Unavailable http.no_answer; PeerFault, LimitFault http.*; UsageError http.usage.
        """
        out = self._protocol.send_request(method, target, list(headers.items()), body)
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._exchange(out)
        except (OSError, TimeoutError) as problem:
            raise Unavailable("http.no_answer", type(problem).__name__) from problem

    async def _exchange(self, out: bytes) -> Response:
        self._channel.writer.write(out)
        await self._channel.writer.drain()
        while data := await self._channel.reader.read(_CHUNK):
            for response in self._protocol.receive_data(data):
                return response
        self._protocol.receive_eof()
        raise Unavailable("http.no_answer", "closed")

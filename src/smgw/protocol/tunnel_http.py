"""HTTP with reversed roles inside an open channel: who dialled answers, who was dialled asks (MANAGEMENT).

Sans-IO on h11; one exchange after another, never two at once. Source: WAN-08; 20-wan-crypto-pki 1.2, 1.4.
"""

from typing import NamedTuple

import h11

from smgw.core.errors import LimitFault, PeerFault, UsageError

TARGET_LIMIT = 4000
HEADER_LINE_LIMIT = 255
HEADERS_LIMIT = 16_384
BODY_LIMIT = 1 << 20


class Request(NamedTuple):
    """Hold one whole request; header names are lower case."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes


class TunnelServer:
    """Answer requests that come in over the channel that we dialled."""

    def __init__(self) -> None:
        self._connection = h11.Connection(h11.SERVER, max_incomplete_event_size=HEADERS_LIMIT)
        self._head: h11.Request | None = None
        self._body = bytearray()

    def receive_data(self, data: bytes) -> list[Request]:
        """Take octets in any slices; gives the request that they complete, if any.

        Raises: PeerFault http.malformed, also for a second request before the first is answered; LimitFault http.size.
        """
        try:
            self._connection.receive_data(data)
            return self._requests()
        except h11.RemoteProtocolError as problem:
            raise PeerFault("http.malformed", str(problem)[:80]) from problem

    def send_response(self, status: int, headers: list[tuple[str, str]], body: bytes) -> bytes:
        """Give the octets of the response to the request that is open. Raises: UsageError http.malformed when none is."""
        if self._connection.our_state is not h11.SEND_RESPONSE:
            raise UsageError("http.malformed", "no request is open")
        lines = [*headers, ("Content-Length", str(len(body)))]
        parts = [self._connection.send(h11.Response(status_code=status, headers=lines))]
        if body:
            parts.append(self._connection.send(h11.Data(data=body)))
        parts.append(self._connection.send(h11.EndOfMessage()))
        self._head, self._body = None, bytearray()
        if self._connection.our_state is h11.DONE and self._connection.their_state is h11.DONE:
            self._connection.start_next_cycle()
        return b"".join(part for part in parts if part)

    def _requests(self) -> list[Request]:
        while True:
            event = self._connection.next_event()
            if event is h11.NEED_DATA:
                return []
            if event is h11.PAUSED:
                if self._connection.trailing_data[0]:
                    raise PeerFault("http.malformed", "pipelined request")
                return []
            if isinstance(event, h11.Request):
                self._check_head(event)
                self._head = event
            elif isinstance(event, h11.Data):
                self._body += event.data
                if len(self._body) > BODY_LIMIT:
                    raise LimitFault("http.size", "body")
            elif isinstance(event, h11.EndOfMessage) and self._head is not None:
                headers = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in self._head.headers)
                request = Request(self._head.method.decode("ascii"), self._head.target.decode("ascii"), headers, bytes(self._body))
                return [request]
            elif isinstance(event, h11.ConnectionClosed):
                return []

    @staticmethod
    def _check_head(head: h11.Request) -> None:
        if len(head.target) > TARGET_LIMIT:
            raise LimitFault("http.size", "target")
        if any(len(name) + len(value) + 2 > HEADER_LINE_LIMIT for name, value in head.headers):
            raise LimitFault("http.size", "header line")

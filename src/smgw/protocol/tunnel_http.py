"""HTTP with the roles reversed inside a channel that the gateway opened: the administrator asks, the gateway answers.

Each end takes octets and gives whole messages; sockets, TLS and what a message means are the caller's. Messages follow each other without
pipelining, and bodies come with Content-Length only, so however the octets are cut, the messages and the faults are the same.
After a fault the channel has to be closed.

Source: WAN-08; 20-wan-crypto-pki 1.2, 1.4, 1.5.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Generic, NamedTuple, TypeVar

import h11

from smgw.core.errors import LimitFault, PeerFault, UsageError

TARGET_LIMIT: Final = 4000
HEADER_LINE_LIMIT: Final = 255
"""Octets of a header line: name, colon, blank and value."""

HEAD_LIMIT: Final = 16_384
"""Octets of request or status line and all header lines together."""

BODY_LIMIT: Final = 1 << 20
METHODS: Final = ("GET", "PUT", "POST", "DELETE")

Headers = Sequence[tuple[str, str]]

_HEAD_END = re.compile(rb"\n\r?\n")
_WITHOUT_BODY = (204, 304)


class Request(NamedTuple):
    """Hold a whole request; header names are in lower case."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes


class Response(NamedTuple):
    """Hold a whole response; header names are in lower case."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


REFUSALS: Final[dict[str, int]] = {
    "http.malformed": 400,
    "http.pipelined": 400,
    "http.method": 405,
    "http.length": 411,
    "http.body_size": 413,
    "http.target_size": 414,
    "http.header_size": 431,
}
"""Code of a fault -> status with which a server refuses. Source: 20-wan-crypto-pki 1.4."""

_Message = TypeVar("_Message", Request, Response)
_Head = TypeVar("_Head", h11.Request, h11.Response)


class _End(Generic[_Head, _Message]):
    """Collect one message at a time: first the head, then as many octets of body as it announces."""

    def __init__(self, role: type[h11.SERVER] | type[h11.CLIENT]) -> None:
        self._connection = h11.Connection(role, max_incomplete_event_size=2 * HEAD_LIMIT)
        self._buffer = bytearray()
        self._searched = 0
        self._head: tuple[_Head, int] | None = None
        self._fault: PeerFault | None = None

    def receive_eof(self) -> None:
        """Learn that the other side sends no more. Raises: PeerFault http.malformed when that cuts a message."""
        if self._fault is None and (self._buffer or self._head is not None):
            self._fault = PeerFault("http.malformed", "end inside a message")
        if self._fault is not None:
            raise self._fault

    def _receive(self, data: bytes) -> list[_Message]:
        if self._fault is not None:
            raise self._fault
        try:
            self._buffer += data
            return self._take()
        except h11.RemoteProtocolError as problem:
            self._fault = PeerFault("http.malformed", str(problem)[:80])
            raise self._fault from problem
        except PeerFault as fault:
            self._fault = fault
            raise

    def _take(self) -> list[_Message]:
        messages: list[_Message] = []
        while self._buffer or self._head is not None:
            if not self._may_take():
                raise PeerFault("http.pipelined")
            if self._head is None and not self._take_head():
                break
            if self._head is None:
                continue
            head, length = self._head
            if len(self._buffer) < length:
                break
            body = bytes(self._buffer[:length])
            del self._buffer[:length]
            self._head = None
            self._drain(body)
            messages.append(self._message(head, body))
        return messages

    def _take_head(self) -> bool:
        end = _HEAD_END.search(self._buffer, max(self._searched - 2, 0))
        self._searched = len(self._buffer)
        if end is None or end.end() > HEAD_LIMIT:
            if len(self._buffer) > HEAD_LIMIT:
                raise LimitFault("http.header_size", f"more than {HEAD_LIMIT} octets")
            return False
        self._searched = 0
        self._connection.receive_data(bytes(self._buffer[: end.end()]))
        del self._buffer[: end.end()]
        event = self._connection.next_event()
        if isinstance(event, h11.InformationalResponse):
            return True
        assert isinstance(event, h11.Request | h11.Response)
        for name, value in event.headers:
            if len(name) + 2 + len(value) > HEADER_LINE_LIMIT:
                raise LimitFault("http.header_size", f"more than {HEADER_LINE_LIMIT} octets in a line")
        fields = dict(event.headers)
        if b"transfer-encoding" in fields:
            raise PeerFault("http.length", "transfer encoding")
        length = fields.get(b"content-length")
        if length is not None and (len(length) > 10 or int(length) > BODY_LIMIT):
            raise LimitFault("http.body_size", f"more than {BODY_LIMIT} octets")
        self._head = self._checked(event, None if length is None else int(length))
        return True

    def _drain(self, body: bytes) -> None:
        """Let the connection's own state follow the body that was taken."""
        if body:
            self._connection.receive_data(body)
        while not isinstance(self._connection.next_event(), h11.EndOfMessage):
            continue

    def _may_take(self) -> bool:
        raise NotImplementedError

    def _checked(self, event: h11.Request | h11.Response, length: int | None) -> tuple[_Head, int]:
        raise NotImplementedError

    def _message(self, head: _Head, body: bytes) -> _Message:
        raise NotImplementedError

    def _write(self, head: Callable[[], h11.Request | h11.Response], body: bytes) -> bytes:
        try:
            out = self._connection.send(head()) or b""
            if body:
                out += self._connection.send(h11.Data(data=body)) or b""
            return out + (self._connection.send(h11.EndOfMessage()) or b"")
        except (h11.LocalProtocolError, UnicodeEncodeError) as problem:
            raise UsageError("http.usage", str(problem)[:80]) from problem


def _text(headers: Iterable[tuple[bytes, bytes]]) -> tuple[tuple[str, str], ...]:
    return tuple((name.decode("ascii"), value.decode("latin-1")) for name, value in headers)


def _lines(headers: Headers, body: bytes) -> list[tuple[str, str]]:
    if len(body) > BODY_LIMIT or any(len(name) + 2 + len(value) > HEADER_LINE_LIMIT for name, value in headers):
        raise UsageError("http.usage", "body or header line too long")
    return [*headers, ("Content-Length", str(len(body)))]


class TunnelServer(_End[h11.Request, Request]):
    """Answer requests: the gateway's end."""

    def __init__(self) -> None:
        super().__init__(h11.SERVER)
        self._pending = False

    @property
    def is_over(self) -> bool:
        """Tell whether the channel has to be closed: the last exchange said so, or a fault."""
        return self._fault is not None or self._connection.our_state in (h11.MUST_CLOSE, h11.ERROR)

    def receive_data(self, data: bytes) -> list[Request]:
        """Take octets; returns the request they complete, if any.

        Raises: PeerFault http.malformed, http.method, http.length, http.pipelined (octets behind a request that is not answered yet);
        LimitFault http.target_size, http.header_size, http.body_size. Nothing of the faulty request is given away.
        """
        return self._receive(data)

    def send_response(self, status: int, headers: Headers, body: bytes) -> bytes:
        """Answer the request; Content-Length is added. Raises: UsageError http.usage without a request or for an impossible answer."""
        if not self._pending or not 200 <= status <= 599 or (body and status in _WITHOUT_BODY):
            raise UsageError("http.usage", f"status {status}")
        lines = list(headers) if status in _WITHOUT_BODY else _lines(headers, body)
        out = self._write(lambda: h11.Response(status_code=status, headers=lines), body)
        self._pending = False
        if self._connection.our_state is h11.DONE and self._connection.their_state is h11.DONE:
            self._connection.start_next_cycle()
        return out

    def refuse(self, fault: PeerFault) -> bytes:
        """Give the last octets to send after a fault: a bare status and `Connection: close`; empty when it is too late for one."""
        status = REFUSALS.get(fault.code, 400)
        try:
            head = h11.Response(status_code=status, headers=[("Connection", "close"), ("Content-Length", "0")])
            return (self._connection.send(head) or b"") + (self._connection.send(h11.EndOfMessage()) or b"")
        except h11.LocalProtocolError:
            return b""

    def _may_take(self) -> bool:
        return not self._pending and not self.is_over

    def _checked(self, event: h11.Request | h11.Response, length: int | None) -> tuple[h11.Request, int]:
        assert isinstance(event, h11.Request)
        if event.http_version != b"1.1":
            raise PeerFault("http.malformed", "not HTTP/1.1")
        if event.method.decode("ascii") not in METHODS:
            raise PeerFault("http.method", repr(event.method[:10]))
        if len(event.target) > TARGET_LIMIT:
            raise LimitFault("http.target_size", f"{len(event.target)} octets")
        if length is None and event.method in (b"PUT", b"POST"):
            raise PeerFault("http.length")
        return event, length or 0

    def _message(self, head: h11.Request, body: bytes) -> Request:
        self._pending = True
        return Request(head.method.decode("ascii"), head.target.decode("ascii"), _text(head.headers), body)


class TunnelClient(_End[h11.Response, Response]):
    """Ask and take answers: the administrator's end. `host` is the gateway's canonical name."""

    def __init__(self, host: str) -> None:
        super().__init__(h11.CLIENT)
        self._host = host
        self._pending = False

    @property
    def is_over(self) -> bool:
        """Tell whether the channel can't carry another request."""
        return self._fault is not None or self._connection.our_state in (h11.MUST_CLOSE, h11.CLOSED, h11.ERROR)

    def send_request(self, method: str, target: str, headers: Headers, body: bytes = b"") -> bytes:
        """Ask; Host and Content-Length are added.

        Raises: UsageError http.usage while an answer is outstanding or for an impossible request.
        """
        if self._pending or self.is_over or method not in METHODS or len(target) > TARGET_LIMIT:
            raise UsageError("http.usage", method)
        lines = _lines([("Host", self._host), *headers], body)
        if not body and method in ("GET", "DELETE"):
            lines.pop()
        out = self._write(lambda: h11.Request(method=method, target=target, headers=lines), body)
        self._pending = True
        return out

    def receive_data(self, data: bytes) -> list[Response]:
        """Take octets; returns the answer they complete, if any. Interim answers are passed over.

        Raises: PeerFault http.malformed, http.length, http.pipelined (octets that nothing asked for); LimitFault http.header_size,
        http.body_size.
        """
        return self._receive(data)

    def _may_take(self) -> bool:
        return self._pending

    def _checked(self, event: h11.Request | h11.Response, length: int | None) -> tuple[h11.Response, int]:
        assert isinstance(event, h11.Response)
        if length is None and event.status_code not in _WITHOUT_BODY:
            raise PeerFault("http.length")
        return event, 0 if event.status_code in _WITHOUT_BODY else length or 0

    def _message(self, head: h11.Response, body: bytes) -> Response:
        self._pending = False
        if self._connection.our_state is h11.DONE and self._connection.their_state is h11.DONE:
            self._connection.start_next_cycle()
        return Response(head.status_code, _text(head.headers), body)

"""The HTTP server on authenticated channels: good requests in a row, bad ones end the connection with a bare status."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from smgw.core.errors import PeerFault
from smgw.net.http_server import Reply, serve_http
from smgw.protocol.tunnel_http import Request

GOOD = b"POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc"


class Served:
    """Hold one end of a connection to the server, and what the server saw."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.requests: list[Request] = []
        self.faults: list[str] = []

    async def answer(self) -> bytes:
        async with asyncio.timeout(60):
            head = await self.reader.readuntil(b"\r\n\r\n")
            length = next(int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length"))
            return head.split(b" ")[1] + b" " + await self.reader.readexactly(length)


@asynccontextmanager
async def serving(**limits: float) -> AsyncIterator[Served]:
    """Serve one connection over loopback."""
    ended = asyncio.Event()
    served: list[Served] = []

    async def respond(request: Request) -> Reply:
        served[0].requests.append(request)
        return Reply(200, request.body.upper(), [("x-seen", "yes")])

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        def on_fault(fault: PeerFault) -> None:
            served[0].faults.append(fault.code)

        await serve_http(reader, writer, respond, on_fault=on_fault, **limits)
        writer.close()
        ended.set()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    served.append(Served(reader, writer))
    try:
        yield served[0]
    finally:
        writer.close()
        async with asyncio.timeout(60):
            await ended.wait()
        server.close()


@pytest.mark.parametrize(
    ("octets", "status", "code"),
    [
        (b"\x16\x03\x01\x00\r\n\r\n", b"400 ", "http.malformed"),
        (b"POST /x HTTP/1.1\r\nHost: h\r\n\r\n", b"411 ", "http.length"),
        (b"POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999\r\n\r\n", b"413 ", "http.body_size"),
        (b"GET /x HTTP/1.1\r\nHost: h\r\nx: " + b"a" * 20_000 + b"\r\n\r\n", b"431 ", "http.header_size"),
    ],
)
async def test_a_bad_request_gets_a_bare_status_and_ends_the_connection(octets: bytes, status: bytes, code: str) -> None:
    async with serving() as served:
        served.writer.write(octets)
        assert await served.answer() == status
        served.writer.write_eof()
        assert await served.reader.read() == b""
        assert (served.requests, served.faults) == ([], [code])


@pytest.mark.parametrize("octets", [b"", GOOD[:-1], GOOD[:20]])
async def test_a_peer_that_falls_silent_is_let_go(octets: bytes) -> None:
    async with serving(request_timeout_s=0.05, idle_timeout_s=0.05) as served:
        served.writer.write(octets)
        async with asyncio.timeout(60):
            assert await served.reader.read() == b""
        assert served.requests == []


async def test_a_request_cut_off_is_a_fault() -> None:
    async with serving() as served:
        served.writer.write(GOOD[:-1])
        served.writer.write_eof()
        async with asyncio.timeout(60):
            await served.reader.read()
        assert (served.requests, served.faults) == ([], ["http.malformed"])


async def test_requests_follow_each_other_on_one_connection() -> None:
    async with serving() as served:
        for _ in range(3):
            for octet in GOOD:
                served.writer.write(bytes((octet,)))
            assert await served.answer() == b"200 ABC"
        assert [request.body for request in served.requests] == [b"abc"] * 3
        assert served.faults == []

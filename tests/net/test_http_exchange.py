"""One HTTP exchange over a channel: whatever the other side does, there is an answer, or a fault with a code in bounded time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from smgw.core.errors import LimitFault, PeerFault, SmgwError, Unavailable, UsageError
from smgw.net.http_exchange import HttpClient, Streams
from smgw.protocol.tunnel_http import BODY_LIMIT

LIMIT_S = 60.0
GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


@asynccontextmanager
async def peer(*parts: bytes, close: bool = True) -> AsyncIterator[Streams]:
    """Connect to a peer that reads a request head, then sends some octets in pieces."""
    gone, silence = asyncio.Event(), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            for part in parts:
                writer.write(part)
                await writer.drain()
            if not close:
                await silence.wait()
        await hang_up(writer)
        gone.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server, asyncio.timeout(LIMIT_S):
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
        try:
            yield Streams(reader, writer)
        finally:
            silence.set()
            await hang_up(writer)
            await gone.wait()


async def hang_up(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()


async def fault_of(*parts: bytes) -> SmgwError:
    async with peer(*parts) as streams:
        with pytest.raises(SmgwError) as fault:
            await HttpClient(streams, "x").request("POST", "/", {}, b"body")
    return fault.value


@pytest.mark.req("WAN-03")
@pytest.mark.parametrize(
    ("parts", "kind", "code"),
    [
        ((), Unavailable, "http.no_answer"),
        ((GOOD[:-1],), PeerFault, "http.malformed"),
        ((b"SSH-2.0-x\r\n\r\n",), PeerFault, "http.malformed"),
        ((b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",), PeerFault, "http.length"),
        ((b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (BODY_LIMIT + 1),), LimitFault, "http.body_size"),
        ((b"HTTP/1.1 200 OK\r\nx: " + b"y" * 20_000,), LimitFault, "http.header_size"),
    ],
    ids=["closes", "half an answer", "another protocol", "chunked", "too large", "endless head"],
)
async def test_what_is_no_answer_is_a_fault_with_a_code(parts: tuple[bytes, ...], kind: type[SmgwError], code: str) -> None:
    fault = await fault_of(*parts)
    assert isinstance(fault, kind)
    assert fault.code == code


async def test_silence_ends_in_time() -> None:
    async with peer(close=False) as streams:
        with pytest.raises(Unavailable, match=r"http\.no_answer: TimeoutError"):
            await HttpClient(streams, "x", timeout_s=0.02).request("GET", "/", {}, b"")


async def test_half_an_answer_and_silence_end_in_time() -> None:
    async with peer(GOOD[:20], close=False) as streams:
        with pytest.raises(Unavailable, match=r"http\.no_answer"):
            await HttpClient(streams, "x", timeout_s=0.02).request("GET", "/", {}, b"")


async def test_a_second_question_before_the_first_answer_is_our_mistake() -> None:
    async with peer(close=False) as streams:
        client = HttpClient(streams, "x")
        first = asyncio.create_task(client.request("GET", "/", {}, b""))
        await asyncio.sleep(0)
        with pytest.raises(UsageError, match=r"http\.usage"):
            await client.request("GET", "/", {}, b"")
        first.cancel()


@pytest.mark.parametrize("cut", [1, 9, 17, 38, 40])
async def test_an_answer_in_pieces_is_one_answer(cut: int) -> None:
    async with peer(GOOD[:cut], GOOD[cut:], close=False) as streams:
        response = await HttpClient(streams, "x").request("GET", "/", {}, b"")
    assert (response.status, response.body) == (200, b"hello")

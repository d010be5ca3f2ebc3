"""The time server: one packet each way, and whoever sends anything else loses the connection."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from structlog.testing import capture_logs
from tests.administrator.administrator_parts import hang_up
from tests.gateway.gateway_parts import START

from smgw.administrator import time_server
from smgw.administrator.time_server import REQUESTS_PER_CONNECTION, serve_time
from smgw.net.clock import ManualClock
from smgw.protocol.time_sync import TimeClient

LIMIT_S = 60.0


@asynccontextmanager
async def connection() -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    clock = ManualClock(START)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await serve_time(reader, writer, clock, clock)
        await hang_up(writer)
        gone.set()

    gone = asyncio.Event()
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server, asyncio.timeout(LIMIT_S):
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
        yield reader, writer
        await hang_up(writer)
        await gone.wait()


def request() -> bytes:
    return TimeClient().request(START, bytes)


@pytest.mark.req("ADM-07")
@pytest.mark.parametrize("octets", [bytes(48), b"\xff" * 48, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" + bytes(21)])
async def test_what_is_no_request_ends_the_connection_and_is_logged(octets: bytes) -> None:
    with capture_logs() as logs:
        async with connection() as (reader, writer):
            writer.write(octets)
            assert await reader.read() == b""
    assert [entry["event"] for entry in logs] == ["time_request_refused"]
    assert logs[0]["code"].startswith("time.")


async def test_half_a_request_is_no_reason_to_log() -> None:
    with capture_logs() as logs:
        async with connection() as (reader, writer):
            writer.write(request()[:47])
            writer.write_eof()
            assert await reader.read() == b""
    assert logs == []


async def test_a_silent_connection_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time_server, "IDLE_S", 0.01)
    async with connection() as (reader, _):
        assert await reader.read() == b""


@pytest.mark.req("ADM-07", "TIME-01")
async def test_each_request_gets_its_answer_up_to_the_limit() -> None:
    async with connection() as (reader, writer):
        for _ in range(REQUESTS_PER_CONNECTION):
            client = TimeClient()
            writer.write(client.request(START, bytes))
            measured = client.response(await reader.readexactly(48), START, synchronised=False)
            assert measured.offset.total_seconds() == 0
        assert await reader.read() == b""

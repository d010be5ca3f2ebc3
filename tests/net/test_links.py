"""Links on real terminals, sockets and files."""

import asyncio
import os
import pty
import select
import socket
import struct
from pathlib import Path

import pytest

from smgw.core.errors import ConfigError, Unavailable
from smgw.net.links import CHUNK, Link, open_link, open_pty


async def read_exactly(link: Link, octets: int) -> bytes:
    data = b""
    while len(data) < octets:
        chunk = await asyncio.wait_for(link.read(), 60)
        assert chunk, "early end"
        data += chunk
    return data


@pytest.mark.parametrize(
    "url",
    [
        "",
        "/dev/ttyUSB0",
        "telnet://host:1",
        "tcp://host",
        "tcp://:80",
        "tcp://host:99999",
        "tcp://host:80/path",
        "tcp://host:80?x=1",
        "pty://relative/path",
        "pty:///",
        "pty:///dev/null?baud=9600",
        "serial:///dev/ttyUSB0?baud=1234",
        "serial:///dev/ttyUSB0?baud=x",
        "serial:///dev/ttyUSB0?parity=X",
        "serial:///dev/ttyUSB0?bits=5",
        "serial:///dev/ttyUSB0?speed=9600",
        "file:///dump?pace=0",
        "file:///dump?pace=-1",
        "file:///dump#part",
        "file:///du%00mp",
    ],
)
@pytest.mark.asyncio
async def test_a_wrong_url_is_a_configuration_error(url: str) -> None:
    with pytest.raises(ConfigError) as fault:
        await open_link(url)
    assert fault.value.code == "link.url"


@pytest.mark.parametrize("scheme", ["serial", "pty", "file"])
@pytest.mark.asyncio
async def test_a_missing_device_is_unavailable(scheme: str, tmp_path: Path) -> None:
    with pytest.raises(Unavailable) as fault:
        await open_link(f"{scheme}://{tmp_path}/absent")
    assert fault.value.code == "link.lost"
    assert fault.value.retryable


@pytest.mark.asyncio
async def test_a_file_is_no_terminal_and_a_folder_no_dump(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.write_bytes(b"x")
    for url in (f"pty://{plain}", f"serial://{plain}"):
        with pytest.raises(Unavailable):
            await open_link(url)
    link = await open_link(f"file://{tmp_path}")
    with pytest.raises(Unavailable):
        await link.read()
    link.close()


@pytest.mark.asyncio
async def test_a_refused_connection_is_unavailable() -> None:
    server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    with pytest.raises(Unavailable) as fault:
        await open_link(f"tcp://127.0.0.1:{port}")
    assert fault.value.code == "link.lost"


@pytest.mark.req("LMN-02")
@pytest.mark.asyncio
async def test_tcp_carries_octets_both_ways_and_ends() -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readexactly(5))
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    link = await open_link(f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    await link.write(b"\x1b\x00\xff\r\n")
    assert await read_exactly(link, 5) == b"\x1b\x00\xff\r\n"
    assert await asyncio.wait_for(link.read(), 60) == b""
    link.close()
    link.close()
    server.close()
    await server.wait_closed()


@pytest.mark.asyncio
async def test_a_reset_connection_is_lost() -> None:
    async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(1)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    server = await asyncio.start_server(reset, "127.0.0.1", 0)
    link = await open_link(f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    await link.write(b"xyz")
    with pytest.raises(Unavailable) as fault:
        await asyncio.wait_for(link.read(), 60)
    assert fault.value.code == "link.lost"
    link.close()
    server.close()
    await server.wait_closed()


async def received(handle: int, count: int) -> bytes:
    """Read what a terminal carries: the kernel passes it on when it gets to it."""
    data = b""
    while len(data) < count:
        ready, _, _ = await asyncio.to_thread(select.select, [handle], [], [], 60)
        assert ready
        data += os.read(handle, 100)
    return data


@pytest.mark.req("LMN-02")
@pytest.mark.asyncio
async def test_a_terminal_carries_every_octet_unchanged(tmp_path: Path) -> None:
    port = open_pty(tmp_path / "meter")
    link = await open_link(f"pty://{tmp_path}/meter")
    telegram = bytes(range(256)) * 64
    writing = asyncio.create_task(port.write(telegram))
    assert await read_exactly(link, len(telegram)) == telegram
    assert await writing == len(telegram)
    await link.write(b"\x03\x04\x11\x13\r\n")
    assert await received(port._handle, 6) == b"\x03\x04\x11\x13\r\n"
    waiting = asyncio.create_task(link.read())
    await asyncio.sleep(0)
    port.close()
    assert await asyncio.wait_for(waiting, 60) == b""
    with pytest.raises(Unavailable):
        await link.write(b"x")
    link.close()
    link.close()
    assert not (tmp_path / "meter").is_symlink()


@pytest.mark.asyncio
async def test_a_line_keeps_nothing_for_an_absent_reader_and_serves_the_next(tmp_path: Path) -> None:
    port = open_pty(tmp_path / "meter")
    for word in (b"first", b"second"):
        assert not port.has_reader
        assert await port.write(b"lost" * 5000) == 0
        link = await open_link(f"pty://{tmp_path}/meter")
        assert port.has_reader
        assert await port.write(word) == len(word)
        assert await read_exactly(link, len(word)) == word
        link.close()
    port.close()
    assert await port.write(b"x") == 0


@pytest.mark.asyncio
async def test_a_reader_that_leaves_frees_the_writer(tmp_path: Path) -> None:
    port = open_pty(tmp_path / "meter")
    link = await open_link(f"pty://{tmp_path}/meter")
    writing = asyncio.create_task(port.write(b"x" * 1_000_000))
    await read_exactly(link, 1000)
    link.close()
    assert 1000 <= await asyncio.wait_for(writing, 60) < 1_000_000
    port.close()


@pytest.mark.asyncio
async def test_closing_ends_a_pending_read(tmp_path: Path) -> None:
    port = open_pty(tmp_path / "meter")
    link = await open_link(f"pty://{tmp_path}/meter")
    reading = asyncio.create_task(link.read())
    await asyncio.sleep(0)
    link.close()
    assert await asyncio.wait_for(reading, 60) == b""
    port.close()


@pytest.mark.asyncio
async def test_a_terminal_takes_no_place_but_its_own(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("precious")
    with pytest.raises(ConfigError) as fault:
        open_pty(tmp_path / "file")
    assert fault.value.code == "link.url"
    old = open_pty(tmp_path / "meter")
    new = open_pty(tmp_path / "meter")
    old.close()
    assert (tmp_path / "meter").exists()
    new.close()
    assert not (tmp_path / "meter").exists()


@pytest.mark.req("LMN-02")
@pytest.mark.asyncio
async def test_a_serial_port_carries_octets_and_is_lost_with_its_device() -> None:
    master, slave = pty.openpty()
    link = await open_link(f"serial://{os.ttyname(slave)}?baud=9600&parity=N")
    os.close(slave)
    os.write(master, b"\x1b\x1b\x1b\x1b\x01\x01\x01\x01")
    assert await read_exactly(link, 8) == b"\x1b\x1b\x1b\x1b\x01\x01\x01\x01"
    await link.write(b"/?!\r\n")
    assert os.read(master, 100) == b"/?!\r\n"
    os.close(master)
    with pytest.raises(Unavailable) as fault:
        await asyncio.wait_for(link.read(), 60)
    assert fault.value.code == "link.lost"
    link.close()


@pytest.mark.req("LMN-02")
@pytest.mark.parametrize("pace", ["", "?pace=1000000"])
@pytest.mark.asyncio
async def test_a_dump_is_read_to_its_end(tmp_path: Path, pace: str) -> None:
    dump = tmp_path / "dump äöü.bin"
    dump.write_bytes(bytes(range(256)) * 40)
    link = await open_link(f"file://{dump}{pace}")
    assert await read_exactly(link, 10_240) == dump.read_bytes()
    assert await link.read() == b""
    await link.write(b"ignored")
    link.close()
    assert await link.read() == b""


@pytest.mark.asyncio
async def test_a_read_is_bounded(tmp_path: Path) -> None:
    dump = tmp_path / "dump"
    dump.write_bytes(bytes(100_000))
    link = await open_link(f"file://{dump}")
    assert len(await link.read()) == CHUNK
    link.close()

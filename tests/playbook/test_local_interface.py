"""The local interface as a socket: who reaches it, what it says to nonsense, and that it is gone at the end of installation."""

import asyncio
import stat
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.playbook.life_world import CONFIGURATOR, INTEGRATOR, SEAL_FIRST, TO_INSTALLATION, World, copy_of

from smgw.core.errors import Unavailable
from smgw.core.life_cycle import Phase
from smgw.gateway.local_interface import LINE_LIMIT, SOCKET, LocalSession, Opening, Order, serve_local_interface

pytestmark = pytest.mark.req("LIFE-06", "LIFE-07")
Act = Callable[[Path], Awaitable[None]]


def exists(path: Path) -> bool:
    """Tell whether a file is there."""
    return path.exists()


async def until(path: Path, *, there: bool) -> None:
    """Wait until a file is there, or gone."""
    for _ in range(1_000_000):
        if exists(path) is there:
            return
        await asyncio.sleep(0)


def serving(world: World, act: Act) -> None:
    """Serve a gateway's interface while something is done to it; it must end by itself or be stopped."""

    async def run() -> None:
        stop = asyncio.Event()
        task = asyncio.create_task(serve_local_interface(world.shop, stop))
        async with asyncio.timeout(60):
            await until(world.folder.path / SOCKET, there=True)
            await act(world.folder.path)
            stop.set()
            await task

    asyncio.run(run())
    world.keeper.close()


def test_the_socket_is_its_owner_s_alone_and_goes_with_the_end_of_installation(tmp_path: Path) -> None:
    world = copy_of(tmp_path / ("a" * 120) / "gateway", *SEAL_FIRST, *TO_INSTALLATION)

    async def act(path: Path) -> None:
        assert stat.S_IMODE((path / SOCKET).stat().st_mode) == 0o600
        async with LocalSession.connect(path) as session:
            opened = await session.ask(Opening("first_configurator", world.pins[CONFIGURATOR]))
            assert opened["ok"] and opened["phase"] == Phase.INSTALLATION and "finish_installation" in opened["possible"]
            assert (await session.ask(Order("read_system_log")))["result"]["log"]
            assert (await session.ask(Order("reset_pin")))["code"] == "local.role"
            assert (await session.ask(Order("finish_installation")))["phase"] == Phase.PERSONALISATION
        await until(path / SOCKET, there=False)
        with pytest.raises(Unavailable, match=r"local\.unreachable"):
            async with LocalSession.connect(path):
                pass

    serving(world, act)


def test_nonsense_is_refused_and_a_session_without_pin_does_not_begin(tmp_path: Path) -> None:
    world = copy_of(tmp_path / "gateway")

    async def act(path: Path) -> None:
        for line in (b"\n", b"[]\n", b'{"role":"manufacturer","pin":"1"}\n', b'{"action":"make_storage_key"}\n', b"\xff\n"):
            assert (await raw(path, line))["code"] == "local.request"
        assert await raw(path, b"x" * (LINE_LIMIT + 10) + b"\n") == {}
        async with LocalSession.connect(path) as session:
            assert (await session.ask(Opening("integrator", world.pins[INTEGRATOR])))["ok"]
            assert (await session.ask(Order("destroy")))["code"] == "local.request"
            assert (await session.ask(Order("authenticate")))["code"] == "local.request"
            assert (await session.ask(Order("import_root", certificates="?")))["code"] == "local.request"
        assert world.phase is Phase.MANUFACTURED

    serving(world, act)


async def raw(path: Path, line: bytes) -> dict[str, Any]:
    """Send octets as they are; gives the answer, or nothing where the connection was closed without one."""
    reader, writer = await asyncio.open_unix_connection(str(path / SOCKET))
    try:
        writer.write(line)
        answer = await reader.readline()
    except ConnectionError:
        answer = b""
    finally:
        writer.close()
    return dict(msgspec.json.decode(answer)) if answer else {}

"""Parts run while the operating state allows them, stop when it does not, and come back."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.gateway.gateway_parts import START

from smgw.core.state import Event, Permission
from smgw.gateway.logs import Recorder
from smgw.gateway.permitted import SwitchedServer, run_while_allowed
from smgw.gateway.states import StateKeeper
from smgw.net.clock import ManualClock
from smgw.simulation.free_ports import free_port
from smgw.storage.journal import Journal

pytestmark = pytest.mark.req("STATE-01")


@pytest.fixture
def states(tmp_path: Path) -> Iterator[StateKeeper]:
    with Journal.open(tmp_path / "journal.db", bytes(32)) as journal:
        clock = ManualClock(START)
        keeper = StateKeeper(Recorder(journal, clock), clock)
        for event in (Event.BOOT_CHECKS_PASSED, Event.CLOCK_VALID):
            keeper.handle(event)
        yield keeper


async def settled() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_work_stops_and_begins_anew_with_the_state(states: StateKeeper) -> None:
    runs: list[str] = []

    async def work() -> None:
        runs.append("begun")
        try:
            await asyncio.Event().wait()
        finally:
            runs.append("ended")

    task = asyncio.create_task(run_while_allowed(states, Permission.DELIVER, work))
    await settled()
    assert runs == ["begun"]
    states.handle(Event.NETWORKS_JOINED)
    await settled()
    assert runs == ["begun"]
    states.handle(Event.READINGS_FULL)
    await settled()
    assert runs == ["begun", "ended"]
    states.handle(Event.READINGS_HAVE_ROOM)
    await settled()
    assert runs == ["begun", "ended", "begun"]
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert runs[-1] == "ended"


async def test_what_remains_of_a_work_is_done_only_while_the_work_is_forbidden(states: StateKeeper) -> None:
    runs: list[str] = []

    async def work() -> None:
        runs.append("begun")
        try:
            await asyncio.Event().wait()
        finally:
            runs.append("ended")

    obeying = Permission.OBEY_ADMINISTRATOR
    task = asyncio.create_task(run_while_allowed(states, obeying, work, unless=Permission.DELIVER))
    await settled()
    assert runs == []
    states.handle(Event.READINGS_FULL)
    await settled()
    assert runs == ["begun"]
    states.handle(Event.READINGS_HAVE_ROOM)
    await settled()
    assert runs == ["begun", "ended"]
    states.handle(Event.LOGS_FULL)
    await settled()
    assert runs == ["begun", "ended"]
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_fault_of_the_work_is_not_swallowed(states: StateKeeper) -> None:
    async def work() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await run_while_allowed(states, Permission.DELIVER, work)


async def test_work_that_is_not_allowed_does_not_begin(states: StateKeeper) -> None:
    states.handle(Event.READINGS_FULL)
    begun = asyncio.Event()

    async def work() -> None:
        begun.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(run_while_allowed(states, Permission.DELIVER, work))
    await settled()
    assert not begun.is_set()
    states.handle(Event.READINGS_HAVE_ROOM)
    await settled()
    assert begun.is_set()
    task.cancel()


class Listening:
    """Stand in for the consumer server: a real socket on loopback."""

    def __init__(self, server: asyncio.Server) -> None:
        self._server = server
        self.port = int(server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        self._server.close()
        await self._server.wait_closed()


async def start(port: int) -> Listening:
    return Listening(await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", port))


async def reachable(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


async def until(port: int, *, wanted: bool) -> None:
    async with asyncio.timeout(60):
        while await reachable(port) is not wanted:
            await settled()


async def test_the_consumer_interface_is_off_while_the_networks_are_joined_and_comes_back_on_its_port(states: StateKeeper) -> None:
    # Who asks for a closed port of those that the kernel hands out may be given that very one, and so meet itself.
    server = SwitchedServer(start, free_port())
    port = await server.open()
    assert await server.open() == port
    follower = asyncio.create_task(server.follow(states, Permission.SERVE_CONSUMER))
    await until(port, wanted=True)
    states.handle(Event.NETWORKS_JOINED)
    await until(port, wanted=False)
    states.handle(Event.NETWORKS_SEPARATE)
    await until(port, wanted=True)
    assert server.port == port
    follower.cancel()
    await server.close()
    await server.close()
    assert not await reachable(port)

"""An administrator's listener over real TLS for tests of the gateway's WAN side."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from tests.gateway.gateway_parts import administrator_identity, pki

from smgw.core.log_event import Log
from smgw.gateway.config import AdministratorConfig
from smgw.net.clock import ManualClock
from smgw.net.http_exchange import Streams
from smgw.net.identity import Identity
from smgw.net.smpki_tls import listen
from smgw.pki.chain import ValidatedCertificate
from smgw.pki.names import Role
from smgw.simulation.provisioning import hex_der
from smgw.storage.journal import Journal

LIMIT_S = 60.0


def administrator_config(port: int) -> AdministratorConfig:
    """Say that both of the administrator's services are on one port."""
    triple = administrator_identity().triple
    return AdministratorConfig("test.GWA", "127.0.0.1", port, port, hex_der(triple.tls), hex_der(triple.sig), hex_der(triple.enc))


class Listener:
    """Hold what came in."""

    def __init__(self) -> None:
        self.port = 0
        self.sessions: asyncio.Queue[Streams] = asyncio.Queue()
        self.refused: asyncio.Queue[str] = asyncio.Queue()

    async def session(self) -> Streams:
        """Give the next gateway that came in."""
        async with asyncio.timeout(LIMIT_S):
            return await self.sessions.get()

    async def refusal(self) -> str:
        """Give the code of the next refusal."""
        async with asyncio.timeout(LIMIT_S):
            return await self.refused.get()


@asynccontextmanager
async def listening(clock: ManualClock, own: Identity | None = None, port: int = 0) -> AsyncIterator[Listener]:
    """Listen as the administrator, or as somebody else."""
    identity, state, over = own or administrator_identity(), Listener(), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: ValidatedCertificate) -> None:
        state.sessions.put_nowait(Streams(reader, writer))
        await over.wait()

    server = await listen(
        serve,
        "127.0.0.1",
        port,
        module=identity.module,
        identity=identity.tls,
        trust=pki().trust(clock.now()),
        clock=clock,
        roles=frozenset({Role.SMGW}),
        on_refused=lambda code, _: state.refused.put_nowait(code),
    )
    state.port = server.sockets[0].getsockname()[1]
    try:
        async with server:
            yield state
    finally:
        over.set()


async def until(condition: Callable[[], bool]) -> None:
    """Let the event loop work until something holds."""
    for _ in range(int(LIMIT_S * 1000)):
        if condition():
            return
        await asyncio.sleep(0.001)
    raise AssertionError("it never held")


def told(journal: Journal) -> list[tuple[str, str]]:
    """List (event, code) of the system log."""
    return [(entry.entry.event, entry.entry.parameters.get("code", "")) for entry in journal.log(Log.SYSTEM)]

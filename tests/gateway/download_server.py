"""An update server over real TLS, which can break off after so many octets, lie, or go away."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

from tests.gateway.connections import Connections
from tests.gateway.gateway_parts import administrator_identity, pki

from smgw.administrator.releases import piece
from smgw.core.instant import Clock
from smgw.net.http_server import Reply, serve_http
from smgw.net.identity import Identity
from smgw.net.smpki_tls import listen
from smgw.pki.chain import ValidatedCertificate
from smgw.pki.names import Role
from smgw.protocol.tunnel_http import Request


class _Cutting:
    """Write so many octets, then tear the connection down."""

    def __init__(self, writer: asyncio.StreamWriter, octets: int) -> None:
        self._writer = writer
        self._left = octets

    def write(self, data: bytes) -> None:
        self._writer.write(data[: self._left])
        self._left -= len(data)

    async def drain(self) -> None:
        await self._writer.drain()
        if self._left <= 0:
            self._writer.close()
            raise ConnectionResetError


class Server:
    """Hold what the server serves and how it misbehaves."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.port = 0
        self.ranges: list[str] = []
        self.cuts: list[int] = []
        """Octets after which each of the next connections breaks off."""
        self.change: Callable[[Reply], Reply] = lambda reply: reply

    def answer(self, request: Request) -> Reply:
        """Answer one request for a piece."""
        self.ranges.append(dict(request.headers)["range"])
        return self.change(piece(lambda _: self.path, self.path.stat().st_size, request))


@asynccontextmanager
async def serving(path: Path, clock: Clock, own: Identity | None = None) -> AsyncIterator[Server]:
    """Serve one file as the administrator, or as somebody else."""
    identity, state, connections = own or administrator_identity(), Server(path), Connections()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: ValidatedCertificate) -> None:
        async def respond(request: Request) -> Reply:
            return state.answer(request)

        out: Any = _Cutting(writer, state.cuts.pop(0)) if state.cuts else writer
        await serve_http(reader, cast("asyncio.StreamWriter", out), respond, on_fault=lambda _: None)

    server = await listen(
        connections.watched(serve), "127.0.0.1", 0, module=identity.module, identity=identity.tls, trust=pki().trust(clock.now()),
        clock=clock,
        roles=frozenset({Role.SMGW}),
    )  # fmt: skip
    state.port = server.sockets[0].getsockname()[1]
    async with connections.closing(server):
        yield state

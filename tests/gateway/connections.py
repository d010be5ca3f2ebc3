"""Connections of a test's TLS server, of which none outlives the server."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from smgw.net.smpki_tls import Handler
from smgw.pki.chain import ValidatedCertificate


class Connections:
    """Watch the connections of one server."""

    def __init__(self) -> None:
        self._writers: list[asyncio.StreamWriter] = []

    def watched(self, handler: Handler) -> Handler:
        """Give a handler that is watched."""

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, peer: ValidatedCertificate) -> None:
            self._writers.append(writer)
            await handler(reader, writer, peer)

        return serve

    @asynccontextmanager
    async def closing(self, server: asyncio.Server) -> AsyncIterator[None]:
        """Close the server at the end, and wait until every connection is gone.

        A client that was stopped while it dialled leaves one behind whose handler never began. The wait begins before the server is
        closed: afterwards it would end at once.
        """
        ended = asyncio.ensure_future(server.wait_closed())
        try:
            async with server:
                yield
        finally:
            for writer in self._writers:
                writer.transport.abort()
            async with asyncio.timeout(60):
                await ended

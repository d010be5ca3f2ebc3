"""An administrator's office over a real inventory, and a gateway's end of its channel that answers as told."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from tests.gateway.gateway_parts import GATEWAY_ID, START, administrator_identity, gateway_identity

from smgw.administrator.books import Books
from smgw.administrator.inventory import Inventory
from smgw.administrator.lookout import lookout_for
from smgw.administrator.management import Office
from smgw.net.clock import ManualClock
from smgw.net.http_exchange import Streams
from smgw.protocol.tunnel_http import Request, TunnelServer

LIMIT_S = 60.0
Respond = Callable[[Request], tuple[int, bytes]]


def add_gateway(inventory: Inventory, device_id: str = GATEWAY_ID) -> None:
    """Add the test gateway."""
    triple = gateway_identity().triple
    inventory.add_gateway(device_id, triple.tls, triple.sig, triple.enc, START, "test")


def office(books: Books, clock: ManualClock) -> Office:
    """Give the office of the test administrator."""
    identity = administrator_identity()
    return Office("test.GWA", identity.module, identity.signer, identity.recipient, books, clock, lookout_for(books, None))


@asynccontextmanager
async def gateway_end(respond: Respond) -> AsyncIterator[Streams]:
    """Connect to a gateway that answers each request as `respond` says; gives the administrator's end."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server = TunnelServer()
        with suppress(ConnectionError):
            while data := await reader.read(65_536):
                for request in server.receive_data(data):
                    status, body = respond(request)
                    writer.write(server.send_response(status, [("Content-Type", "application/cms")], body))
        await hang_up(writer)
        gone.set()

    gone = asyncio.Event()
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
        try:
            yield Streams(reader, writer)
        finally:
            await hang_up(writer)
            await gone.wait()


async def hang_up(writer: asyncio.StreamWriter) -> None:
    """Close a connection and wait until it is."""
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()

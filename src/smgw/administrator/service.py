"""The administrator as a running whole: management listener, time server, operator's API."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import cast

import structlog

from smgw.administrator.api import start_api
from smgw.administrator.books import open_books
from smgw.administrator.config import AdministratorFolder
from smgw.administrator.management import Office, serve_gateway
from smgw.administrator.time_server import serve_time
from smgw.net.clock import ClockPort
from smgw.net.http_exchange import Streams
from smgw.net.identity import load_identity
from smgw.net.revocation import keep_fresh
from smgw.net.smpki_tls import listen
from smgw.pki.chain import CertificateUse, ValidatedCertificate
from smgw.pki.names import Role
from smgw.pki.triple import ADMINISTRATOR_KEYS

GATEWAYS = frozenset({Role.SMGW})
SESSION_END_S = 5.0
"""So long open sessions have to end when the administrator stops."""

log = structlog.get_logger(__name__)


async def run_administrator(
    folder: AdministratorFolder, clock: ClockPort, ready: Callable[[dict[str, object]], None], stop: asyncio.Event
) -> dict[str, object]:
    """Serve the fleet until the event is set; gives the closing counters."""
    config = folder.load()
    identity = load_identity(folder.path, ADMINISTRATOR_KEYS)
    books = open_books(folder.inventory)
    office = Office(config.name, identity.module, identity.signer, identity.recipient, books, clock)
    sessions: set[asyncio.Task[None]] = set()
    refused = 0

    def require_standing(peer: ValidatedCertificate) -> None:
        identity.trust.validate(peer.certificate, now=clock.now(), use=CertificateUse.TLS_CLIENT, roles=GATEWAYS)

    async def on_management(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, peer: ValidatedCertificate) -> None:
        sessions.add(task := cast("asyncio.Task[None]", asyncio.current_task()))
        try:
            await serve_gateway(office, peer, Streams(reader, writer), stop, lambda: require_standing(peer))
        finally:
            sessions.discard(task)

    async def on_time(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _peer: ValidatedCertificate) -> None:
        await serve_time(reader, writer, clock, clock)

    def on_refused(code: str, address: str) -> None:
        nonlocal refused
        refused += 1
        log.warning("connection_refused", code=code, address=address)

    async with AsyncExitStack() as stack:
        stack.callback(books.close)
        await keep_fresh(stack, identity.trust, config.crl_url, clock)
        ports = []
        for handler, port in ((on_management, config.management_port), (on_time, config.time_port)):
            server = await listen(
                handler,
                config.host,
                port,
                module=identity.module,
                identity=identity.tls,
                trust=identity.trust,
                clock=clock,
                roles=GATEWAYS,
                on_refused=on_refused,
            )
            stack.callback(server.close)
            ports.append(server.sockets[0].getsockname()[1])
        api_port = await start_api(stack, office, folder, config.api_port)
        ready({"role": "administrator", "management_port": ports[0], "time_port": ports[1], "api_port": api_port})
        await stop.wait()
        if sessions:
            await asyncio.wait(sessions, timeout=SESSION_END_S)
    return {"role": "administrator", "refused": refused}

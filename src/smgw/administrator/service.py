"""The administrator as a running whole: management listener, time server, operator's API."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import cast

import structlog

from smgw.administrator.alarms import Alarm
from smgw.administrator.api.endpoints import Desk
from smgw.administrator.app import start_interface
from smgw.administrator.books import Books, open_books
from smgw.administrator.caller import Caller
from smgw.administrator.campaigns import conduct
from smgw.administrator.channels import Channels
from smgw.administrator.config import AdministratorConfig, AdministratorFolder
from smgw.administrator.exchanges import Exchanges
from smgw.administrator.initial_configuration import AUTHENTICATION_FILE, load_authentication
from smgw.administrator.lookout import lookout_for
from smgw.administrator.management import Office, known_gateway, serve_gateway
from smgw.administrator.monitoring import Watch, monitor
from smgw.administrator.notifications import notify, require_usable
from smgw.administrator.personalisation import KeyOffice
from smgw.administrator.releases import serve_downloads
from smgw.administrator.service_point import PEERS, ServicePoint
from smgw.administrator.time_server import serve_time
from smgw.administrator.wakeup import WakeUpService
from smgw.net.clock import ClockPort
from smgw.net.http_exchange import Streams
from smgw.net.identity import Identity, load_identity
from smgw.net.pki_service import request_certificates
from smgw.net.revocation import keep_fresh
from smgw.net.smpki_tls import listen
from smgw.pki.chain import CertificateUse, ValidatedCertificate
from smgw.pki.names import Role
from smgw.pki.triple import ADMINISTRATOR_KEYS

GATEWAYS = frozenset({Role.SMGW})
SESSION_END_S = 5.0
"""So long open sessions have to end when the administrator stops."""

log = structlog.get_logger(__name__)


def _key_office(folder: AdministratorFolder, config: AdministratorConfig, identity: Identity, books: Books) -> KeyOffice | None:
    """Give what exchanges of keys need, where there is an AUT certificate and an SM-PKI to ask."""
    if not config.crl_url or not (folder.path / AUTHENTICATION_FILE).exists():
        return None
    exchanges = Exchanges(books.store, books.audit, books.inventory)
    return KeyOffice(
        identity.module,
        identity.signer,
        load_authentication(folder.path),
        lambda document: request_certificates(document, config.crl_url),
        exchanges,
    )


def _watch(
    stack: AsyncExitStack,
    folder: AdministratorFolder,
    config: AdministratorConfig,
    books: Books,
    clock: ClockPort,
    occasion: asyncio.Event,
    channels: Channels,
) -> None:
    """Look after the fleet, and tell of incidents, until the stack closes."""
    watch = Watch(books.inventory, books.alarms, books.campaigns, books.wake_ups, books.incidents, books.jobs, books.successions)
    work = [
        monitor(watch, config.monitoring, clock, occasion, lambda one: books.notifications.put(one, channels.names(), clock.now())),
        channels.run(lambda channel: notify(books.notifications, channel, config.name, folder.path, clock)),
    ]
    for task in [asyncio.create_task(one) for one in work]:
        stack.callback(task.cancel)


async def run_administrator(
    folder: AdministratorFolder, clock: ClockPort, ready: Callable[[dict[str, object]], None], stop: asyncio.Event
) -> dict[str, object]:
    """Serve the fleet until the event is set; gives the closing counters."""
    config = folder.load()
    require_usable(config.notifications)
    identity = load_identity(folder.path, ADMINISTRATOR_KEYS)
    books = open_books(folder.inventory)
    keys = _key_office(folder, config, identity, books)
    exchanges = None if keys is None else keys.exchanges
    caller = Caller(books, WakeUpService(books.wake_ups, identity.module, identity.signer, clock))
    office = Office(
        config.name, identity.module, identity.signer, identity.recipient, books, clock, lookout_for(books, exchanges), keys, caller
    )
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

    async def on_firmware(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, peer: ValidatedCertificate) -> None:
        await serve_downloads(books.releases, reader, writer, peer, lambda one: known_gateway(books.inventory, one))

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
        occasion = asyncio.Event()

        def raised(alarm: Alarm) -> None:
            occasion.set()
            books.successions.told(alarm, clock.now())

        point = ServicePoint(identity, books, clock, raised, holds_orders="order" in config.four_eyes)
        listeners = (
            (on_management, config.management_port, GATEWAYS),
            (on_time, config.time_port, GATEWAYS),
            (point.serve, config.service_port, PEERS),
            (on_firmware, config.firmware_port, GATEWAYS),
        )
        for handler, port, roles in listeners:
            server = await listen(
                handler,
                config.host,
                port,
                module=identity.module,
                identity=identity.tls,
                trust=identity.trust,
                clock=clock,
                roles=roles,
                on_refused=on_refused,
                max_connections=config.max_gateways,
            )
            stack.callback(server.close)
            ports.append(server.sockets[0].getsockname()[1])
        channels = Channels(folder, books.audit, config.notifications)
        desk = Desk(office, folder, identity, channels, frozenset(config.four_eyes))
        api_port = await start_interface(stack, desk, config.api_port)
        ready(
            {
                "role": "administrator",
                "audit_head": str(books.audit.head()),
                "management_port": ports[0],
                "time_port": ports[1],
                "service_port": ports[2],
                "firmware_port": ports[3],
                "api_port": api_port,
            }
        )
        calls = asyncio.create_task(caller.service.run(caller.waiting))
        stack.callback(calls.cancel)
        campaigns = asyncio.create_task(conduct(books.campaigns, clock, identity.module.random, (config.host, ports[3])))
        stack.callback(campaigns.cancel)
        _watch(stack, folder, config, books, clock, occasion, channels)
        await stop.wait()
        if sessions:
            await asyncio.wait(sessions, timeout=SESSION_END_S)
        head = str(books.audit.head())
    return {"role": "administrator", "audit_head": head, "refused": refused}

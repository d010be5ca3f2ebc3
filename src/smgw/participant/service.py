"""The participant as a running whole: WAN endpoint for gateways, operator's interface and portal on loopback."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack

from aiohttp import web

from smgw.core.errors import Unavailable
from smgw.net.clock import ClockPort
from smgw.net.identity import load_identity
from smgw.net.relay import Relay, Target
from smgw.net.revocation import keep_fresh
from smgw.net.smpki_tls import listen
from smgw.participant.access import Access
from smgw.participant.api import make_app
from smgw.participant.config import ParticipantFolder, PassedOn
from smgw.participant.database import connect
from smgw.participant.inbox import GATEWAYS, RELAYS, Inbox
from smgw.participant.records import Records
from smgw.participant.registry import Registry
from smgw.participant.server import Endpoint
from smgw.participant.store import ParticipantStore
from smgw.pki.chain import ValidatedCertificate
from smgw.pki.parsing import load_certificate
from smgw.pki.triple import PARTICIPANT_KEYS

SHUTDOWN_S = 5.0


async def run_participant(
    folder: ParticipantFolder, clock: ClockPort, ready: Callable[[dict[str, object]], None], stop: asyncio.Event
) -> dict[str, object]:
    """Receive and show deliveries until the event is set; gives the closing counters.

    Raises: ConfigError participant.*, identity.*; Unavailable participant.store, net.unreachable.
    """
    config = folder.load()
    identity = load_identity(folder.path, PARTICIPANT_KEYS)
    async with AsyncExitStack() as stack:
        writing, reading = connect(folder.store), connect(folder.store)
        stack.callback(writing.close)
        stack.callback(reading.close)
        worker = stack.enter_context(ThreadPoolExecutor(1, "store"))
        registry = Registry(reading)
        inbox = Inbox(config.name, identity, registry, clock, config.relays)
        relay = Relay(identity, clock, relay_targets(config.passes_on, registry))
        endpoint = Endpoint(inbox, ParticipantStore(writing), worker, clock, relay)
        await keep_fresh(stack, identity.trust, config.crl_url, clock)
        server = await listen(
            endpoint.serve,
            config.host,
            config.deliveries_port,
            module=identity.module,
            identity=identity.tls,
            trust=identity.trust,
            clock=clock,
            roles=GATEWAYS | (RELAYS if config.relays else frozenset()),
            on_refused=endpoint.note_refusal,
            max_connections=config.max_gateways,
        )
        stack.callback(server.close)
        records = Records(config.name, ParticipantStore(reading), registry, clock)
        app = make_app(records, Access(folder.operator_token(), config.api_host), lambda: endpoint.available)
        api_port = await _serve_operator(stack, app, config.api_host, config.api_port)
        ready({"role": "participant", "deliveries_port": server.sockets[0].getsockname()[1], "api_port": api_port})
        await stop.wait()
        totals = records.store.totals()
    return {"role": "participant", "deliveries": totals.deliveries, "readings": totals.readings, "rejected": totals.rejected}


def relay_targets(passes_on: Sequence[PassedOn], registry: Registry) -> Callable[[ValidatedCertificate, str], Target | None]:
    """Say for which partner a gateway may send through us, and where that partner is."""
    listed = {entry.partner_id: entry for entry in passes_on}

    def target(peer: ValidatedCertificate, partner: str) -> Target | None:
        entry = listed.get(partner)
        if entry is None or (entry.gateways and str(peer.device_id) not in entry.gateways) or not registry.knows(str(peer.device_id)):
            return None
        return Target(entry.host, entry.port, load_certificate(bytes.fromhex(entry.tls_certificate)))

    return target


async def _serve_operator(stack: AsyncExitStack, app: web.Application, host: str, port: int) -> int:
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_S)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as problem:
        raise Unavailable("net.unreachable", f"{host}:{port}") from problem
    return int(runner.addresses[0][1])

"""The WAN's handshake: both ends of ours over loopback, beside OpenSSL's with the same keys, certificates and parameters in memory.

Mutual authentication on brainpoolP256r1, chains of an SM-PKI with two levels. Ours adds the socket, the validation of each peer's whole
chain with roles, times and revocation lists, and the orderly end. Ends of all parties share a thread, so every figure is CPU time of both.
Promise: at least half of bare OpenSSL's rate.
"""

import asyncio
import ssl
import statistics
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import structlog

from bench.result import BenchResult
from smgw.net.clock import ManualClock
from smgw.net.identity import Identity, load_identity
from smgw.net.smpki_tls import client_ssl_context, dial, listen, server_ssl_context
from smgw.pki.chain import ValidatedCertificate
from smgw.pki.names import Role
from smgw.pki.triple import ADMINISTRATOR_KEYS, GATEWAY_KEYS
from smgw.simulation.provisioning import Layout, found_identities

ROUNDS = 5
HANDSHAKES = 40
"""In a round, of each party."""
PROMISED = 0.5
_NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
_GATEWAY = "ESGW0000000001"
_STEPS = 20
"""More than any handshake has."""


def run() -> BenchResult:
    """Measure rounds of both in turns; medians."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    with TemporaryDirectory() as name:
        layout, clock = Layout(Path(name)), ManualClock(_NOW)
        found_identities(layout, _GATEWAY, _NOW)
        administrator, gateway = load_identity(layout.administrator, ADMINISTRATOR_KEYS), load_identity(layout.gateway, GATEWAY_KEYS)
        rounds = [(asyncio.run(_ours(administrator, gateway, clock)), *_bare(administrator, gateway, clock)) for _ in range(ROUNDS)]
    ours, bare, context = (statistics.median(column) for column in zip(*rounds, strict=True))
    kept = "promise kept" if bare / ours >= PROMISED else "PROMISE MISSED"
    rates = {"ours_per_s": 1 / ours, "openssl_per_s": 1 / bare}
    rates |= {"ours_cpu_ms": 1000 * ours, "openssl_cpu_ms": 1000 * bare, "context_ms": 1000 * context}
    notes = [
        f"both ends, CPU time, {ROUNDS} rounds of {HANDSHAKES}; brainpoolP256r1, certificates on both sides",
        "ours: contexts made anew by the dialling end, loopback, chain, roles and revocation judged, orderly end",
        "openssl: contexts made once, octets handed over in memory, chains checked by OpenSSL alone; context_ms is one dialler's",
        f"promise: {PROMISED:.0%} of bare OpenSSL; {kept}",
    ]
    return BenchResult("handshake", rates, {"ours_of_openssl": bare / ours}, notes)


async def _ours(administrator: Identity, gateway: Identity, clock: ManualClock) -> float:
    """Give the seconds of CPU that one connection takes at both its ends."""

    async def serve(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter, _peer: ValidatedCertificate) -> None:
        with suppress(OSError):
            await reader.read(1)

    server = await listen(
        serve, "127.0.0.1", 0, module=administrator.module, identity=administrator.tls, trust=administrator.trust, clock=clock,
        roles=frozenset({Role.SMGW}),
    )  # fmt: skip
    port = server.sockets[0].getsockname()[1]
    async with server:
        started = time.process_time()
        for _ in range(HANDSHAKES):
            channel = await dial(
                "127.0.0.1", port, module=gateway.module, identity=gateway.tls, trust=gateway.trust, clock=clock,
                roles=frozenset({Role.GWA}), pinned=administrator.triple.tls,
            )  # fmt: skip
            await channel.close()
        return (time.process_time() - started) / HANDSHAKES


def _bare(administrator: Identity, gateway: Identity, clock: ManualClock) -> tuple[float, float]:
    """Give the seconds of CPU of one handshake in memory, and of making one client's context."""
    server = server_ssl_context(module=administrator.module, identity=administrator.tls, trust=administrator.trust)
    started = time.process_time()
    client = client_ssl_context(
        module=gateway.module, identity=gateway.tls, trust=gateway.trust, clock=clock, roles=frozenset({Role.GWA}),
        pinned=administrator.triple.tls,
    )  # fmt: skip
    context_s = time.process_time() - started
    started = time.process_time()
    for _ in range(HANDSHAKES):
        _shake(client, server)
    return (time.process_time() - started) / HANDSHAKES, context_s


def _shake(client: ssl.SSLContext, server: ssl.SSLContext) -> None:
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [client.wrap_bio(to_client, to_server), server.wrap_bio(to_server, to_client, server_side=True)]
    for _ in range(_STEPS):
        for end in tuple(ends):
            with suppress(ssl.SSLWantReadError):
                end.do_handshake()
                ends.remove(end)
        if not ends:
            return
    raise TimeoutError("the handshake does not end")

"""Wake-up: from the packet to the open management channel over loopback, and packets judged beside the bare signature check.

Promise: a valid packet is judged at no less than 85 % of the rate of the ECDSA check it can't do without, and a flood of packets that need
none (for others, or out of time) is passed over at least ten times as fast. The call goes over real UDP and real TLS with an SM-PKI of two
levels; both ends share a process and a thread, so half of the handshake's time is the other end's. The journal writes the time of the
packet and its log entry with full sync before the gateway dials.
"""

import asyncio
import json
import statistics
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import structlog
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from bench.result import BenchResult
from smgw.administrator.audit import Audit
from smgw.administrator.store import Store
from smgw.administrator.wakeup import Address, WakeUps, WakeUpService, percentile
from smgw.codec.wakeup import ALGORITHM_OF_KEY_BITS, encode_packet, plain_signature, signed_part
from smgw.core.identifiers import DeviceId
from smgw.gateway.config import GatewayFolder
from smgw.gateway.service import Gateway
from smgw.net.clock import ManualClock
from smgw.net.identity import Identity, load_identity
from smgw.net.smpki_tls import dial, listen
from smgw.pki.chain import ValidatedCertificate
from smgw.pki.names import Role
from smgw.pki.parsing import load_certificate
from smgw.pki.triple import ADMINISTRATOR_KEYS
from smgw.protocol.time_sync import TimeMeasurement
from smgw.protocol.wakeup_guard import WakeUpGuard, WakeUpRules
from smgw.simulation.provisioning import Layout, Ports, System, found_identities, provision_gateway

CALLS = 100
SAMPLE_SECONDS = 0.05
SAMPLES = 20
PROMISED = {"valid_of_verify": 0.85, "foreign_of_verify": 10.0, "old_of_verify": 10.0}

_NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
_GATEWAY = "ESGW0000000001"
_LIMIT_S = 20.0


def run() -> BenchResult:
    """Measure judging by thread CPU time, the best of each in turns; calls by the wall clock."""
    seconds = _judging()
    waits_ms, dials_ms = asyncio.run(_calls())
    rates = {f"{name}_per_s": 1 / value for name, value in seconds._asdict().items()}
    rates |= {"call_p50_ms": percentile(waits_ms, 50) / 1000, "call_p99_ms": percentile(waits_ms, 99) / 1000}
    rates["handshake_p50_ms"] = statistics.median(dials_ms) / 1000
    ratios = {f"{name}_of_verify": seconds.verify / getattr(seconds, name) for name in ("valid", "forged", "foreign", "old")}
    ratios["call_of_handshake"] = rates["call_p50_ms"] / rates["handshake_p50_ms"]
    missed = [f"{name} {ratios[name]:.3f} < {least:g}" for name, least in PROMISED.items() if ratios[name] < least]
    notes = [
        f"packets on brainpoolP256r1, CPU time of one thread; {len(waits_ms)} calls over loopback, TLS and journal included",
        "promises missed: " + ", ".join(missed) if missed else "promises kept",
    ]
    return BenchResult("wakeup", rates, ratios, notes)


# ------------------------------------------------------------------------------------------------------------- judging


class _Seconds(NamedTuple):
    """Hold the seconds that one call of each kind takes."""

    verify: float
    valid: float
    forged: float
    foreign: float
    old: float


def _judging() -> _Seconds:
    key = ec.generate_private_key(ec.BrainpoolP256R1())
    own, other = DeviceId.parse(_GATEWAY), DeviceId.parse("ESGW0000000002")
    rules = WakeUpRules(own.to_wake_up(), key.public_key(), _NOW - timedelta(days=1), _NOW + timedelta(days=1))
    algorithm, seconds = ALGORITHM_OF_KEY_BITS[256], int(_NOW.timestamp())

    def packet(at: int, device: DeviceId = own) -> bytes:
        signed = signed_part(device, at)
        return encode_packet(signed, algorithm, plain_signature(key.sign(signed, ec.ECDSA(algorithm.hash)), 32))

    good = packet(seconds)
    forged = good[:-1] + bytes((good[-1] ^ 1,))
    message, public_key, ecdsa = b"x" * 32, key.public_key(), ec.ECDSA(hashes.SHA256())
    signature = key.sign(message, ecdsa)
    calls: tuple[Callable[[], object], ...] = (
        lambda: public_key.verify(signature, message, ecdsa),
        _judge(rules, good),
        _judge(rules, forged),
        _judge(rules, packet(seconds, other)),
        _judge(rules, packet(seconds - 1000)),
    )
    samples = [[_sample(call) for call in calls] for _ in range(SAMPLES)]
    return _Seconds(*(min(column) for column in zip(*samples, strict=True)))


def _judge(rules: WakeUpRules, data: bytes) -> Callable[[], object]:
    return lambda: WakeUpGuard(rules).judge(data, _NOW, clock_valid=True)


def _sample(call: Callable[[], object]) -> float:
    """Give the seconds that one call takes."""
    done = 0
    start = time.thread_time()
    while (spent := time.thread_time() - start) < SAMPLE_SECONDS:
        for _ in range(8):
            call()
        done += 8
    return spent / done


# --------------------------------------------------------------------------------------------------------------- calls


async def _calls() -> tuple[list[int], list[float]]:
    """Call a gateway again and again; gives the waits in microseconds, sorted, and what the handshake alone took."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    with TemporaryDirectory() as folder:
        layout, clock = Layout(Path(folder)), ManualClock(_NOW)
        triples = found_identities(layout, _GATEWAY, _NOW)
        administrator = load_identity(layout.administrator, ADMINISTRATOR_KEYS)
        came, go = asyncio.Queue[None](), asyncio.Queue[None]()

        async def serve(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter, _peer: ValidatedCertificate) -> None:
            came.put_nowait(None)
            await go.get()

        server = await listen(
            serve, "127.0.0.1", 0, module=administrator.module, identity=administrator.tls, trust=administrator.trust, clock=clock,
            roles=frozenset({Role.SMGW}),
        )  # fmt: skip
        port = server.sockets[0].getsockname()[1]
        ports = Ports(pki=1, management=port, time=port, administrator=1, deliveries=1, participant=1, han=0)
        provision_gateway(layout, System(_GATEWAY, _NOW, ports, ()), triples[Role.GWA], ())
        _open_on_wake_up(GatewayFolder(layout.gateway))
        gateway = Gateway(GatewayFolder(layout.gateway), clock)
        gateway.clock.apply(TimeMeasurement(timedelta(), timedelta()))
        tasks = [asyncio.create_task(work) for work in (gateway.channel.run(), gateway.receiver.run())]
        try:
            async with server:
                return await _measured(gateway, administrator, clock, came, go, Path(folder), port)
        finally:
            for task in tasks:
                task.cancel()
            with suppress(asyncio.CancelledError):
                await asyncio.gather(*tasks)
            gateway.journal.close()


async def _measured(
    gateway: Gateway,
    administrator: Identity,
    clock: ManualClock,
    came: "asyncio.Queue[None]",
    go: "asyncio.Queue[None]",
    folder: Path,
    port: int,
) -> tuple[list[int], list[float]]:
    store = Store(folder / "inventory.db")
    service = WakeUpService(WakeUps(store, Audit(store)), administrator.module, administrator.signer, clock)
    waits_us, dials_us = [], []
    try:
        await _next(came, go, gateway)
        service.book.set_address(_GATEWAY, Address("127.0.0.1", gateway.receiver.port), _NOW, "bench")
        for number in range(1, CALLS + 1):
            await clock.advance_to(_NOW + timedelta(seconds=2 * number))
            start = time.perf_counter()
            calling = asyncio.create_task(service.call(_GATEWAY))
            await came.get()
            waits_us.append(round((time.perf_counter() - start) * 1e6))
            service.answered(_GATEWAY)
            await calling
            await _over(go, gateway)
            dials_us.append(await _dialled(gateway, clock, came, go, port))
        return sorted(waits_us), dials_us
    finally:
        store.close()


async def _next(came: "asyncio.Queue[None]", go: "asyncio.Queue[None]", gateway: Gateway) -> None:
    """Let the gateway's first call of itself pass."""
    await came.get()
    await _over(go, gateway)


async def _over(go: "asyncio.Queue[None]", gateway: Gateway) -> None:
    go.put_nowait(None)
    for _ in range(int(_LIMIT_S * 1000)):
        if gateway.receiver.port and not gateway.channel.connected:
            return
        await asyncio.sleep(0.001)
    raise TimeoutError("the channel did not close")


async def _dialled(gateway: Gateway, clock: ManualClock, came: "asyncio.Queue[None]", go: "asyncio.Queue[None]", port: int) -> float:
    """Give the microseconds of the same handshake without anything around it."""
    identity = gateway.identity
    start = time.perf_counter()
    channel = await dial(
        "127.0.0.1", port, module=identity.module, identity=identity.tls, trust=identity.trust, clock=clock, roles=frozenset({Role.GWA}),
        pinned=load_certificate(bytes.fromhex(gateway.config.administrator.tls_certificate)),
    )  # fmt: skip
    await came.get()
    spent = (time.perf_counter() - start) * 1e6
    go.put_nowait(None)
    await channel.close()
    return spent


def _open_on_wake_up(folder: GatewayFolder) -> None:
    config = json.loads(folder.config.read_bytes())
    config["administrator"]["connection"] = "on_wake_up"
    config["wake_up"] = {"host": "127.0.0.1", "port": 0}
    folder.config.write_text(json.dumps(config))

"""Commands of an administrator: sealed, sent to a gateway's process over the real channel, its signed answer opened and checked.

Counted is the administrator's CPU time alone, for the gateway is a process of its own. Beside it stands the curve arithmetic that nobody
can do without: a throw-away key, a key agreement and a signature for the command, a key agreement and a check for the answer.
Promise: at least half of that limit.
"""

import asyncio
import itertools
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import AsyncExitStack, closing
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import structlog
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from bench.result import BenchResult
from smgw.administrator.books import Books, open_books
from smgw.administrator.config import AdministratorFolder
from smgw.administrator.lookout import lookout_for
from smgw.administrator.management import GatewaySession, Office, known_gateway
from smgw.administrator.time_server import serve_time
from smgw.core.errors import Unavailable
from smgw.net.clock import SystemClock
from smgw.net.http_exchange import Streams
from smgw.net.identity import Identity, load_identity
from smgw.net.smpki_tls import listen
from smgw.pki.chain import ValidatedCertificate
from smgw.pki.names import Role
from smgw.pki.triple import ADMINISTRATOR_KEYS
from smgw.simulation.provisioning import Layout, Ports, System, found_identities, provision_gateway

ROUNDS = 9
COMMANDS = 40
"""In a round."""
WARM_UP = 5
PROMISED = 0.5
LIMIT_S = 60.0
_GATEWAY = "ESGW0000000001"
_OPERATIONS = 200


def run() -> BenchResult:
    """Send commands one after another; medians of the rounds."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    with TemporaryDirectory() as name:
        rounds = asyncio.run(_run(Layout(Path(name))))
    cpu, wall, limit = (statistics.median(column) for column in zip(*rounds, strict=True))
    # Both are taken by turns: a machine that runs slower for a while then slows both.
    share = statistics.median(limit / cpu for cpu, _, limit in rounds)
    kept = "promise kept" if share >= PROMISED else "PROMISE MISSED"
    rates = {"commands_per_administrator_core_s": 1 / cpu, "limit_per_core_s": 1 / limit}
    rates |= {"administrator_cpu_ms": 1000 * cpu, "there_and_back_ms": 1000 * wall}
    notes = [
        f"{ROUNDS} rounds of {COMMANDS} commands over loopback, brainpoolP256r1; the gateway is a process of its own",
        "there_and_back_ms includes the gateway's share: opening, checking, noting, signing, sealing",
        f"promise: {PROMISED:.0%} of the limit; {kept}",
    ]
    return BenchResult("commands", rates, {"of_limit": share}, notes)


async def _run(layout: Layout) -> list[tuple[float, float, float]]:
    """Serve one gateway's process; gives CPU and wall seconds of a command in each round, and CPU seconds of the arithmetic."""
    clock, now = SystemClock(), datetime.now(UTC)
    triples = found_identities(layout, _GATEWAY, now)
    identity = load_identity(layout.administrator, ADMINISTRATOR_KEYS)
    done: asyncio.Future[list[tuple[float, float, float]]] = asyncio.get_running_loop().create_future()
    async with AsyncExitStack() as stack:
        books = stack.enter_context(closing(open_books(AdministratorFolder(layout.administrator).inventory)))
        gateway = triples[Role.SMGW]
        books.inventory.add_gateway(_GATEWAY, gateway.tls, gateway.sig, gateway.enc, now, "bench")

        async def on_management(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, peer: ValidatedCertificate) -> None:
            session = GatewaySession(_office(identity, books, clock), known_gateway(books.inventory, peer), Streams(reader, writer))
            await _measured(session, done)

        async def on_time(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _peer: ValidatedCertificate) -> None:
            await serve_time(reader, writer, clock, clock)

        ports = []
        for handler in (on_management, on_time):
            server = await listen(
                handler, "127.0.0.1", 0, module=identity.module, identity=identity.tls, trust=identity.trust, clock=clock,
                roles=frozenset({Role.SMGW}),
            )  # fmt: skip
            stack.callback(server.close)
            ports.append(server.sockets[0].getsockname()[1])
        place = Ports(pki=1, management=ports[0], time=ports[1], administrator=1, deliveries=1, participant=1, han=0)
        provision_gateway(layout, System(_GATEWAY, now, place, ()), triples[Role.GWA], ())
        words = ["-m", "smgw", "gateway", "run", "--data", str(layout.gateway), "--stop-on-eof"]
        pipe, null = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
        process = await asyncio.create_subprocess_exec(sys.executable, *words, stdin=pipe, stdout=null, stderr=null)
        try:
            async with asyncio.timeout(LIMIT_S):
                return await done
        except TimeoutError as problem:
            raise Unavailable("net.timeout", "the gateway's process does not come") from problem
        finally:
            process.kill()
            await process.wait()


def _office(identity: Identity, books: Books, clock: SystemClock) -> Office:
    return Office("smgw.GWA", identity.module, identity.signer, identity.recipient, books, clock, lookout_for(books, None))


async def _measured(session: GatewaySession, done: "asyncio.Future[list[tuple[float, float, float]]]") -> None:
    rounds = []
    for number in range(ROUNDS + 1):
        count = COMMANDS if number else WARM_UP
        cpu, wall = time.process_time(), time.perf_counter()
        for _ in range(count):
            await session.command("GET", "rts/meter")
        rounds.append(((time.process_time() - cpu) / count, (time.perf_counter() - wall) / count, _limit()))
    if not done.done():
        done.set_result(rounds[1:])


def _limit() -> float:
    """Give the seconds of CPU that the arithmetic of one command takes."""
    key, ecdsa, ecdh = ec.generate_private_key(ec.BrainpoolP256R1()), ec.ECDSA(hashes.SHA256()), ec.ECDH()
    public = key.public_key()
    peers = itertools.cycle([ec.generate_private_key(ec.BrainpoolP256R1()).public_key() for _ in range(8)])
    signature = key.sign(b"octets", ecdsa)
    works: tuple[tuple[int, Callable[[], object]], ...] = (
        (1, lambda: ec.generate_private_key(ec.BrainpoolP256R1())),
        (2, lambda: key.exchange(ecdh, next(peers))),
        (1, lambda: key.sign(b"octets", ecdsa)),
        (1, lambda: public.verify(signature, b"octets", ecdsa)),
    )
    return sum(count * _cpu(work) for count, work in works)


def _cpu(work: Callable[[], object]) -> float:
    started = time.process_time()
    for _ in range(_OPERATIONS):
        work()
    return (time.process_time() - started) / _OPERATIONS

"""Gateway's start with a journal of years: from the start of the process to Normal, time fetched over mutual TLS included.

Promise: less than 2 s with 24 months of ten meters (two registers, quarter hours, logs and receipts). The peer is the same start with an
empty journal: what is between them is what the journal costs. Beside it stands what a start would cost that walked over everything: the
complete walk that the gateway makes soon afterwards beside its work.

The journal is written through its own interface, with seals; the readings' signatures are random octets, because nothing looks at them.
Measured on whatever disk holds the temporary folder, with warm caches.
"""

import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from bench.result import BenchResult
from smgw.administrator.time_server import serve_time
from smgw.core.log_event import EVENTS, Log, LogEntry
from smgw.core.obis import ACTIVE_ENERGY_EXPORT, ACTIVE_ENERGY_IMPORT
from smgw.core.profiles import EvaluationProfile, MeterProfile, RegisterProfile
from smgw.core.reading import Reading
from smgw.gateway.boot import sign_program
from smgw.gateway.config import AdministratorConfig, GatewayConfig, GatewayFolder
from smgw.gateway.journal_signature import journal_signer
from smgw.net.clock import ManualClock, SystemClock
from smgw.net.identity import load_identity
from smgw.net.smpki_tls import listen
from smgw.pki.names import Role
from smgw.pki.triple import ADMINISTRATOR_KEYS, GATEWAY_KEYS
from smgw.simulation.provisioning import DEFAULT_GATEWAY_ID, Layout, consumer_profile, found_identities, hex_der
from smgw.storage.journal import Journal, OutboxMessage

DAYS = 731
METERS = 10
ROUNDS = 5
PROMISED_S = 2.0
NORMAL_WITHIN_S = 60.0
LOG_ENTRIES_A_DAY = 120
"""Entries of the system log: time every quarter of an hour, deliveries, log-ins."""

_CODES = (ACTIVE_ENERGY_IMPORT, ACTIVE_ENERGY_EXPORT)
_RECEIPT = os.urandom(1_500)
_PERIOD = timedelta(minutes=15)


class _Start(NamedTuple):
    """Hold the seconds from the start of a process to two of its lines, and the CPU time it took."""

    ready_s: float
    normal_s: float
    cpu_s: float
    """CPU time of the process until Normal, user and system."""


def run() -> BenchResult:
    """Build both journals, start a gateway on each in turns; wall time, median of the rounds."""
    with tempfile.TemporaryDirectory(prefix="smgw-bench-") as name:
        return asyncio.run(_run(Path(name).resolve()))


async def _run(folder: Path) -> BenchResult:
    now = datetime.now(UTC)
    layouts = {name: Layout(folder / name) for name in ("empty", "years")}
    async with AsyncExitStack() as stack:
        for layout in layouts.values():
            await _found(layout, now, stack)
        _fill(layouts["empty"], now, days=0)
        began = time.perf_counter()
        rows = _fill(layouts["years"], now, days=DAYS)
        built_s = time.perf_counter() - began
        starts: dict[str, list[_Start]] = {name: [] for name in layouts}
        for _ in range(ROUNDS):
            for name, layout in layouts.items():
                # The program may be a checkout that somebody works on; a start refuses files that are not the signed ones.
                sign_program(GatewayFolder(layout.gateway), now)
                starts[name].append(await _start(layout.gateway))
        walk_s = _walk(layouts["years"].gateway)
    return _result(starts, rows, built_s, walk_s, (layouts["years"].gateway / "journal.db").stat().st_size)


async def _found(layout: Layout, now: datetime, stack: AsyncExitStack) -> None:
    """Found a gateway and a time server that it can ask; nobody answers at the management port."""
    triples = found_identities(layout, DEFAULT_GATEWAY_ID, now)
    administrator = load_identity(layout.administrator, ADMINISTRATOR_KEYS)
    clock = SystemClock()
    server = await listen(
        lambda reader, writer, _peer: serve_time(reader, writer, clock, clock),
        "127.0.0.1",
        0,
        module=administrator.module,
        identity=administrator.tls,
        trust=administrator.trust,
        clock=clock,
        roles=frozenset({Role.SMGW}),
    )
    stack.callback(server.close)
    triple = triples[Role.GWA]
    port = int(server.sockets[0].getsockname()[1])
    config = AdministratorConfig("smgw-bench.GWA", "127.0.0.1", 9, port, hex_der(triple.tls), hex_der(triple.sig), hex_der(triple.enc))
    GatewayFolder(layout.gateway).save(GatewayConfig(DEFAULT_GATEWAY_ID, config, ()))


def _fill(layout: Layout, now: datetime, *, days: int) -> int:
    """Write a journal that ends now; gives its rows."""
    identity = load_identity(layout.gateway, GATEWAY_KEYS)
    start = (now - timedelta(days=days)).replace(hour=0, minute=0, second=0, microsecond=0)
    with Journal.open(GatewayFolder(layout.gateway).journal, identity.module.storage_key("journal")) as journal:
        # While it is built nobody relies on it.
        journal._database.connection.execute("PRAGMA synchronous=OFF")
        journal.seal_by(journal_signer(identity.module, GATEWAY_KEYS.sig), ManualClock(now))
        meters = [f"1SGW{10_000_000 + number:010d}" for number in range(METERS)]
        _put_profiles(journal, meters, start)
        for day in range(days):
            with journal.transaction():
                _put_day(journal, meters, start + timedelta(days=day), day)
        return sum(chain.length for chain in journal.verify_recent(lambda *_: None).chains)


def _put_profiles(journal: Journal, meters: list[str], start: datetime) -> None:
    journal.put_profile(consumer_profile("bench", 1), b"document", start)
    registers = tuple(RegisterProfile(str(code)) for code in _CODES)
    for number, meter in enumerate(meters):
        journal.put_profile(MeterProfile(meter, f"0a01534757{number:010x}", registers, "optical"), b"document", start)
        codes = tuple(str(code) for code in _CODES)
        contract = EvaluationProfile(f"taf7-{number}.sm", 7, meter, codes, "consumer1.sm", "TAF7", f"DE{number:031d}", start)
        journal.put_profile(contract, b"document", start)


def _put_day(journal: Journal, meters: list[str], midnight: datetime, day: int) -> None:
    signature = os.urandom(64)
    items = []
    for slot in range(96):
        target = midnight + slot * _PERIOD
        raw = 1_000_000 + 100 * (96 * day + slot)
        items += [(Reading(meter, code, raw, -1, 30, target, target, 5, 4), signature) for meter in meters for code in _CODES]
    journal.append_readings(items)
    entries = []
    for number in range(LOG_ENTRIES_A_DAY):
        moment = midnight + number * timedelta(minutes=12)
        entries.append(LogEntry(Log.SYSTEM, "time_synchronised", moment, parameters={"deviation_ms": "3"}))
    for number in range(len(meters)):
        facts = {"count": "192", "contract": f"taf7-{number}.sm", "partner": "emt1.sm", "message": f"m{day}-{number}"}
        entries += [
            LogEntry(log, "acknowledged", midnight, consumer_id=_owner(log), parameters=facts) for log in EVENTS["acknowledged"].logs
        ]
    entries.append(LogEntry(Log.CALIBRATION, "self_test_passed", midnight, parameters={"checks": "all"}))
    journal.append_log(entries)
    for number in range(len(meters)):
        journal.enqueue(OutboxMessage(f"m{day}-{number}", "emt1.sm", f"taf7-{number}.sm", b"", midnight))
        journal.acknowledge(f"m{day}-{number}", _RECEIPT, midnight)


def _owner(log: Log) -> str:
    return "consumer1.sm" if log is Log.CONSUMER else ""


async def _start(folder: Path) -> _Start:
    """Start a gateway and measure until it says that it is Normal."""
    began = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "smgw",
        "gateway",
        "run",
        "--data",
        str(folder),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(NORMAL_WITHIN_S):
            first = json.loads(await process.stdout.readline())
            ready_s = time.perf_counter() - began
            assert "han_port" in first, first
            while json.loads(await process.stdout.readline())["event"] != "normal":
                pass
        return _Start(ready_s, time.perf_counter() - began, _cpu_s(process.pid))
    finally:
        process.terminate()
        await process.communicate()


def _cpu_s(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _walk(folder: Path) -> float:
    identity = load_identity(folder, GATEWAY_KEYS)
    with Journal.open_read_only(GatewayFolder(folder).journal, identity.module.storage_key("journal")) as journal:
        began = time.perf_counter()
        journal.verify()
        return time.perf_counter() - began


def _result(starts: dict[str, list[_Start]], rows: int, built_s: float, walk_s: float, octets: int) -> BenchResult:
    def median(name: str, field: str) -> float:
        return statistics.median(getattr(one, field) for one in starts[name])

    empty_s, years_s = median("empty", "normal_s"), median("years", "normal_s")
    kept = "promise kept" if years_s < PROMISED_S else f"PROMISE MISSED: {years_s:.2f} s"
    return BenchResult(
        "gateway_boot",
        rates={
            "empty_to_normal_s": empty_s,
            "years_to_ready_s": median("years", "ready_s"),
            "years_to_normal_s": years_s,
            "empty_cpu_s": median("empty", "cpu_s"),
            "years_cpu_s": median("years", "cpu_s"),
            "complete_walk_s": walk_s,
            "walked_rows_per_s": rows / walk_s,
            "built_rows_per_s": rows / built_s,
            "journal_rows": rows,
            "journal_mb": octets / 1e6,
        },
        ratios={
            "start_vs_empty_journal": years_s / empty_s,
            "complete_walk_vs_start": walk_s / years_s,
            "start_vs_promise": PROMISED_S / years_s,
        },
        notes=[
            f"{METERS} meters, {DAYS} days; wall time of the process from its first instruction, median of {ROUNDS} starts in turns",
            "to Normal: checks passed, time fetched over mutual TLS on brainpoolP256r1; the complete walk runs later, beside the work",
            f"promise: less than {PROMISED_S:g} s to Normal; {kept}",
        ],
    )

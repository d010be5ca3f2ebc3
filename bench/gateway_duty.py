"""Gateway process at the duty of the Raspberry Pi paper: one meter every 30 s, delivery every minute.

Promise: less than 90 MB resident. A whole system runs in accelerated time; measured is the gateway's process alone, as the system counts
it: CPU time over simulated time, which is the share of one core at real speed, and resident memory once the load is steady. Each delivery
is signed, sealed, sent over mutual TLS on brainpoolP256r1 and taken off the queue by a signed receipt.

The paper's gateway ran on a Raspberry Pi 1 with 512 MB and used 20 % of its processor and 52 % of its memory for reader, data processor,
watcher, VPN, database and web server together (its table 1). No such machine is here: the memory can be compared, the processor can't.
"""

import asyncio
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp

from bench.process import cpu_s, memory_mb, process_of
from bench.result import BenchResult
from smgw.net.clock import open_clock
from smgw.simulation.system import Launcher, Options

SPEED = 60.0
WARM_UP_S = 8.0
MEASURED_S = 45.0
METER_INTERVAL_S = 30
PERIOD_S = 60
PAPER_CPU_PERCENT = 20.0
PAPER_MEMORY_MB = 0.52 * 512
PROMISED_MB = 90.0


class _Sample(NamedTuple):
    """Hold the counters of one moment."""

    simulated_s: float
    cpu_s: float
    deliveries: int


def run() -> BenchResult:
    """Run the system for about a minute and measure the gateway's process in it."""
    with tempfile.TemporaryDirectory(prefix="smgw-bench-") as name:
        return asyncio.run(_run(Path(name).resolve()))


async def _run(folder: Path) -> BenchResult:
    """Start the system, measure, stop it; whatever goes wrong in it ends the measurement too."""
    stop, ready = asyncio.Event(), asyncio.get_running_loop().create_future()
    options = Options(data=folder, meters=("sim:household",), interval_s=METER_INTERVAL_S, period_s=PERIOD_S, speed=SPEED)
    system = asyncio.create_task(Launcher(options, ready.set_result, stop).run())
    measuring = asyncio.create_task(_measure(folder, ready))
    await asyncio.wait((system, measuring), return_when=asyncio.FIRST_COMPLETED)
    stop.set()
    if not measuring.done():
        measuring.cancel()
    await system
    return measuring.result()


async def _measure(folder: Path, ready: "asyncio.Future[dict[str, Any]]") -> BenchResult:
    line = await ready
    process = process_of(folder / "gateway")
    clock = open_clock(f"paced:{folder / 'run' / 'clock'}")
    start_s = cpu_s(process)
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {_token(line)}"}) as session:

        async def sample() -> _Sample:
            async with session.get(f"{line['participant']['url']}/api/v1/summary") as response:
                totals = await response.json()
            return _Sample(clock.now().timestamp(), cpu_s(process), totals["deliveries"])

        await asyncio.sleep(WARM_UP_S)
        before, early = await sample(), memory_mb(process)
        await asyncio.sleep(MEASURED_S)
        after, memory = await sample(), memory_mb(process)
    return _result(before, after, early, memory, start_s)


def _result(before: _Sample, after: _Sample, early: dict[str, float], memory: dict[str, float], start_s: float) -> BenchResult:
    simulated_s, cpu_s = after.simulated_s - before.simulated_s, after.cpu_s - before.cpu_s
    deliveries = after.deliveries - before.deliveries
    share, resident = 100 * cpu_s / simulated_s, memory["VmRSS"]
    kept = "promise kept" if resident < PROMISED_MB else f"PROMISE MISSED: {resident:.1f} MB"
    return BenchResult(
        "gateway_duty",
        rates={
            "cpu_share_percent": share,
            "cpu_ms_a_delivery": 1000 * cpu_s / max(deliveries, 1),
            "cpu_start_s": start_s,
            "deliveries_per_minute": 60 * deliveries / simulated_s,
            "resident_mb": resident,
            "resident_growth_mb": resident - early["VmRSS"],
            "resident_peak_mb": memory["VmHWM"],
            "paper_cpu_share_percent": PAPER_CPU_PERCENT,
            "paper_memory_mb": PAPER_MEMORY_MB,
        },
        ratios={
            "cpu_vs_paper": PAPER_CPU_PERCENT / share,
            "memory_vs_paper": PAPER_MEMORY_MB / resident,
            "memory_vs_promise": PROMISED_MB / resident,
        },
        notes=[
            f"{simulated_s:.0f} simulated seconds at {SPEED:g} times real speed, {deliveries} deliveries; MB = 1,000,000 octets",
            "ratios say how many times less we take; the paper's machine is a Raspberry Pi 1, this one is not: its cores are many times",
            "faster, so cpu_vs_paper says little, while memory_vs_paper can be compared",
            f"promise: less than {PROMISED_MB:g} MB resident; {kept}",
        ],
    )


def _token(line: dict[str, Any]) -> str:
    return Path(line["participant"]["token_file"]).read_text().strip()

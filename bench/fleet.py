"""Virtual gateways in one process, held by one administrator: memory, processor at rest, and a changed profile for all of them.

Each gateway has its own keys, journal, TLS connections and meter; everything goes over real connections on this machine. `SMGW_BENCH_FLEET`
says how many there are, 1000 for the promise; `SMGW_BENCH_FLEET_FOLDER` names a folder that keeps the founded system for the next run.
Promise: less than 2.5 MB and 0.05 % of a core at rest for each gateway in the fleet's process.
"""

import asyncio
import os
import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic, process_time
from typing import Any, NamedTuple

import msgspec

from bench.process import cpu_s, memory_mb, process_of
from bench.result import BenchResult
from smgw.administrator.books import open_books
from smgw.administrator.config import AdministratorFolder
from smgw.core.errors import Unavailable
from smgw.core.instant import utc_text
from smgw.core.profiles import ConsumerProfile
from smgw.simulation.fleet import Member, members
from smgw.simulation.provisioning import Layout
from smgw.simulation.system import Launcher, Options

COUNT = int(os.environ.get("SMGW_BENCH_FLEET", "200"))
FOLDER = os.environ.get("SMGW_BENCH_FLEET_FOLDER", "")
REST_S = 60.0
"""At rest is measured for so long, with one telegram of each meter in it."""
INTERVAL_S = 60
SETTLE_S = 20.0
LIMIT_S = 1200.0
LOOK_S = 0.25
PROMISED_MB = 2.5
PROMISED_PERCENT = 0.05


class _Process(NamedTuple):
    """Hold what a process took so far."""

    cpu_s: float
    resident_mb: float
    files: int


def run() -> BenchResult:
    """Found, start, rest, roll out, stop."""
    if FOLDER:
        return asyncio.run(_run(Path(FOLDER).resolve()))
    with tempfile.TemporaryDirectory(prefix="smgw-fleet-") as name:
        return asyncio.run(_run(Path(name).resolve()))


async def _run(folder: Path) -> BenchResult:
    """Run the system beside the measurement; whatever goes wrong in it ends the measurement too."""
    stop, ready = asyncio.Event(), asyncio.get_running_loop().create_future()
    options = Options(data=folder, meters=("sim:household",), interval_s=INTERVAL_S, fleet=COUNT + 1)
    system = asyncio.create_task(Launcher(options, ready.set_result, stop).run())
    measuring = asyncio.create_task(_measure(Layout(folder), ready))
    await asyncio.wait((system, measuring), return_when=asyncio.FIRST_COMPLETED)
    stop.set()
    if not measuring.done():
        measuring.cancel()
    await system
    return measuring.result()


async def _measure(layout: Layout, ready: "asyncio.Future[dict[str, Any]]") -> BenchResult:
    rates: dict[str, float] = {}
    founded = not layout.state.exists()
    began, spent, now = monotonic(), process_time(), utc_text(datetime.now(UTC))
    for old in (layout.path / "log").glob("*.log"):
        old.unlink()
    await _until((layout.path / "log" / "fleet.log").exists)
    if founded:
        rates |= {"founding_s": monotonic() - began, "founding_cpu_ms_a_gateway": 1000 * (process_time() - spent) / COUNT}
    began = monotonic()
    with closing(sqlite3.connect(f"file:{AdministratorFolder(layout.administrator).inventory}?mode=ro", uri=True)) as database:

        def count(query: str, *values: object) -> int:
            return int(database.execute(query, values).fetchone()[0])

        await _until(
            lambda: count("SELECT count(*) FROM contact WHERE state='normal' AND last_contact > ?", now) > COUNT
        )  # fmt: skip
        rates["all_normal_s"] = monotonic() - began
        await ready
        fleet, administrator = process_of(layout.fleet), process_of(layout.administrator)
        rates["start_cpu_ms_a_gateway"] = 1000 * cpu_s(fleet) / COUNT
        rates["start_administrator_cpu_ms_a_gateway"] = 1000 * cpu_s(administrator) / COUNT
        await asyncio.sleep(SETTLE_S)
        before = _taken(fleet), _taken(administrator)
        await asyncio.sleep(REST_S)
        after = _taken(fleet), _taken(administrator)
        for name, one, other in zip(("fleet", "administrator"), before, after, strict=True):
            rates[f"{name}_mb"] = other.resident_mb
            rates[f"{name}_files"] = other.files
            rates[f"{name}_at_rest_percent_of_core"] = 100 * (other.cpu_s - one.cpu_s) / REST_S
        rates["fleet_kb_a_gateway"] = 1000 * after[0].resident_mb / COUNT
        rates["administrator_kb_a_gateway"] = 1000 * after[1].resident_mb / COUNT
        installed = "SELECT count(*) FROM audit WHERE action='install consumer profile' AND result='done'"
        wanted, began, cpu = count(installed) + COUNT, monotonic(), cpu_s(administrator)
        _change(layout)
        rates["put_s"] = monotonic() - began
        await _until(lambda: count(installed) >= wanted)
        rates["rolled_out_s"] = monotonic() - began
        rates["rolled_out_administrator_cpu_ms_a_gateway"] = 1000 * (cpu_s(administrator) - cpu) / COUNT
    return _result(rates)


def _change(layout: Layout) -> None:
    """Put the next version of each member's consumer profile into the inventory, as an operator's import does."""
    now = datetime.now(UTC)
    with closing(open_books(AdministratorFolder(layout.administrator).inventory)) as books:
        for member in members(COUNT):
            _put_next(books.inventory, member, now)


def _put_next(inventory: Any, member: Member, now: datetime) -> None:
    (held,) = (profile for _, profile in inventory.profiles(member.device_id) if isinstance(profile, ConsumerProfile))
    changed = msgspec.structs.replace(held, version=held.version + 1, language="en" if held.language == "de" else "de")
    inventory.put_profile(member.device_id, changed, now, "bench")


def _result(rates: dict[str, float]) -> BenchResult:
    # Linux counts in clock ticks: a small fleet may show none in the time it is looked at, which means "less than one".
    one_tick = 100 / os.sysconf("SC_CLK_TCK") / REST_S
    a_gateway_mb, share = rates["fleet_kb_a_gateway"] / 1000, max(rates["fleet_at_rest_percent_of_core"], one_tick) / COUNT
    ratios = {"memory_vs_promise": PROMISED_MB / a_gateway_mb, "rest_vs_promise": PROMISED_PERCENT / share}
    missed = [name for name, value in ratios.items() if value < 1]
    notes = [
        f"{COUNT} virtual gateways in one process and one whole gateway, one administrator, on this machine; MB = 1,000,000 octets",
        f"at rest: {REST_S:.0f} s with one telegram of each meter in a minute, quarter-hour registers, states fetched by turns",
        "roll-out: from the first changed profile in the inventory to the last gateway's signed answer",
        "promises missed: " + ", ".join(missed) if missed else f"promises kept: {PROMISED_MB} MB and {PROMISED_PERCENT} % a gateway",
    ]
    return BenchResult("fleet", rates, ratios, notes)


def _taken(process: int) -> _Process:
    return _Process(cpu_s(process), memory_mb(process)["VmRSS"], sum(1 for _ in Path(f"/proc/{process}/fd").iterdir()))


async def _until(reached: Callable[[], bool]) -> None:
    """Wait until something holds. Raises: Unavailable up.not_delivered after the time limit."""
    limit = timedelta(seconds=LIMIT_S).total_seconds() + monotonic()
    while not reached():
        if monotonic() > limit:
            raise Unavailable("up.not_delivered", f"after {LIMIT_S:.0f} s")
        await asyncio.sleep(LOOK_S)

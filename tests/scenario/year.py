"""A simulated year with faults: `python -m tests.scenario.year --out DIR` runs it and writes a report page.

A gateway with four meters, contracts of all use cases and two participants lives through a leap year, both changes of the clocks, a change
of year, of calendars and of a meter, while a seeded plan lets things go wrong. At the end everything must add up (see `year_check`).
"""

import argparse
import logging
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import structlog
from tests.scenario.year_check import Check, Evidence, check_all, evidence_of
from tests.scenario.year_contracts import (
    DEVICES,
    FLAT,
    FLAT_NEW,
    GAS,
    GATEWAY_ID,
    HOUSE,
    Span,
    consumers,
    first_contracts,
    second_contracts,
    span_of,
)
from tests.scenario.year_faults import Fault, inject, plan
from tests.scenario.year_report import report_page
from tests.scenario.year_world import SYNCHRONISE, YearWorld, year_world

from smgw.core.instant import local_day, local_midnight, period_floor
from smgw.core.log_event import Log
from smgw.core.profiles import EvaluationProfile
from smgw.participant.database import connect_read_only

FIRST_DAY = date(2027, 10, 1)
DAYS = 366
SEED = 1

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


class Run(NamedTuple):
    """Hold what a run was and what it gave."""

    span: Span
    seed: int
    faults: list[Fault]
    evidence: Evidence
    checks: list[Check]
    starts: int
    sent: dict[str, tuple[int, int]]
    """Contract -> messages and readings that the participants have."""
    told: dict[tuple[Log, str], Counter[str]]
    """Log and consumer -> how often each event stands there."""
    spent_s: float


def run(
    folder: Path,
    *,
    first: date = FIRST_DAY,
    days: int = DAYS,
    seed: int = SEED,
    kinds: Sequence[str] = (),
    tell: Callable[[str], None] = lambda _: None,
) -> Run:
    """Let the time pass and look at what is left; with `kinds` each of them goes wrong once."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    began = time.perf_counter()
    span = span_of(first, days)
    faults = plan(span, seed, kinds)
    with year_world(folder, span.start - HOUR) as world:
        _install(world, span)
        _plan_life(world, span)
        for fault in faults:
            inject(world, fault)
        for day in range(1, days + 1):
            world.run_until(local_midnight(first + timedelta(days=day)) if day < days else span.end + 2 * HOUR)
            if not world.disk_full:
                tell(f"\r{local_day(span.start) + timedelta(days=day)}  {len(world.readings):,} readings  {world.starts} starts ")
        tell("\nlooking at what is left …\n")
        world.deliver()
        world.collect()
        world.self_test(complete=True)
        evidence = evidence_of(world, faults)
        checks = check_all(world, evidence)
        world.collect()
        told = {log: Counter(one.entry.event for one in entries) for log, entries in world.log.items()}
        return Run(span, seed, faults, evidence, checks, world.starts, _sent(world), told, time.perf_counter() - began)


def _sent(world: YearWorld) -> dict[str, tuple[int, int]]:
    found: dict[str, tuple[int, int]] = {}
    for partner in world.partners.values():
        with closing(connect_read_only(partner.store_path)) as connection:
            for contract, messages, readings in connection.execute("SELECT contract, count(*), sum(readings) FROM inbox GROUP BY contract"):
                found[contract] = (messages, readings)
    return found


def _install(world: YearWorld, span: Span) -> None:
    """Start the gateway for the first time and give it its first profiles."""
    contracts = [*first_contracts(span), *(p for p in second_contracts(span) if isinstance(p, EvaluationProfile))]
    for partner in world.partners.values():
        for device in DEVICES:
            partner.registry.register(GATEWAY_ID, [device.meter_id], [one.profile_id for one in contracts], period_s=device.period_s)
    world.boot()
    partners = [world.partner_profile(partner) for partner in world.partners.values()]
    meters = [device.profile() for device in (HOUSE, FLAT, GAS)]
    for profile in (*partners, *consumers(), *meters, *first_contracts(span)):
        world.install(profile)


def _plan_life(world: YearWorld, span: Span) -> None:
    """Plan what happens without any fault."""
    world.every(span.start - 40 * MINUTE, SYNCHRONISE, world.synchronise)
    for minute, action in ((25, world.upkeep), (26, world.self_test), (27, world.deliver)):
        world.every(span.start + minute * MINUTE, DAY, action)
    # Tariff events, credits, switching and read-outs come at noon, so that no fault of a few minutes meets them.
    world.every(span.start + 12 * HOUR + 31 * MINUTE, 2 * DAY, _Orders(world).next)
    world.at(span.start + HOUR, lambda: [world.install(one) for one in second_contracts(span)])
    world.at(span.middle + 5 * MINUTE, lambda: _when_up(world, lambda: _exchange(world)))


def _when_up(world: YearWorld, action: Callable[[], object]) -> None:
    """Do something as soon as the gateway runs and takes it."""
    if world.gateway is None or world.disk_full:
        world.at(world.now + 5 * MINUTE, lambda: _when_up(world, action))
    else:
        action()


def _exchange(world: YearWorld) -> None:
    """Take the flat's meter away and put another in its place."""
    world.install(FLAT.profile(2, active=False))
    world.connected[FLAT.link] = world.meters[FLAT_NEW.meter_id]
    world.replan()


class _Orders:
    """Give the administrator's orders in turn."""

    def __init__(self, world: YearWorld) -> None:
        self._world = world
        self._number = 0

    def next(self) -> None:
        """Give the next ones, unless the gateway takes none."""
        world = self._world
        if world.gateway is None or world.disk_full:
            return
        self._number += 1
        now = world.up.clock.now()
        running = {
            (p.taf, p.meter_id): p.profile_id
            for p in world.up.evaluation_profiles()
            if p.valid_from < now and (p.valid_to is None or now < p.valid_to)
        }
        flat = world.connected[FLAT.link].device.meter_id
        name = ("high", "low")[self._number % 2]
        at = period_floor(now, 900)
        self._order("event", running.get((5, flat)), name=name, at=at)
        if self._number % 7 == 1:
            self._order("credit", running.get((12, flat)), credit_id=f"C{self._number}", amount=60_000)
        if self._number % 5 == 0:
            details = {"action": "limit", "limit_w": 4_200} if self._number % 2 else {"action": "release"}
            self._order("switch", running.get((11, HOUSE.meter_id)), at=at, device="wallbox", ordered_by="grid operator", **details)
        if self._number % 20 == 5:
            last = local_day(now)
            spell = {"first": last - timedelta(days=3), "last": last}
            self._order("read-out", running.get((6, HOUSE.meter_id)), reason="contract_dispute", requested_by="supplier", **spell)

    def _order(self, order: str, contract: str | None, /, **details: object) -> None:
        if contract is not None:
            texts = {key: value.isoformat() if isinstance(value, date | datetime) else value for key, value in details.items()}
            self._world.command("POST", f"fas/{order}", {"contract": contract, **texts})


def main() -> int:
    """Read the command line, run, write the page; 0 when every check passed."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.scenario.year", description="Simulate a year with faults and write a report page."
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for report.html")
    parser.add_argument("--seed", type=int, default=SEED, help="another seed lets other things go wrong")
    parser.add_argument("--days", type=int, default=DAYS, help="local days; the first of a month must lie inside")
    parser.add_argument("--first", type=date.fromisoformat, default=FIRST_DAY, help="first local day")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    tell = sys.stderr.write if sys.stderr.isatty() else lambda _: None
    with tempfile.TemporaryDirectory(prefix="smgw-year-") as name:
        done = run(Path(name), first=options.first, days=options.days, seed=options.seed, tell=tell)
    page = options.out / "report.html"
    page.write_text(report_page(done), encoding="utf-8")
    for check in done.checks:
        print(f"{'passed' if check.passed else 'FAILED'}  {check.name}: {check.found}")
        for line in check.problems[:10]:
            print(f"        {line}")
    print(f"{page}  ({done.spent_s:.0f} s)")
    return 0 if all(check.passed for check in done.checks) else 1


if __name__ == "__main__":
    sys.exit(main())

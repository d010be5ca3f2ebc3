"""What must hold at the end of the simulated year, each from nothing but what the gateway, its participants and the plan of faults say."""

from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import closing
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, NamedTuple

import msgspec
from tests.scenario.year_contracts import DEVICES, FLAT, OWNER, STRANGER, TENANT
from tests.scenario.year_faults import Fault
from tests.scenario.year_world import YearWorld

from smgw.core.instant import from_microseconds, local_day, local_midnight
from smgw.core.log_event import EVENTS, Level, Log
from smgw.core.obis import ERROR_REGISTER_TARIFF, Obis
from smgw.core.profiles import EvaluationProfile
from smgw.core.reading import SignedReading
from smgw.core.register import RegisterValue
from smgw.core.state import State
from smgw.core.status_word import PtbStatus
from smgw.gateway.boot import verify_completely
from smgw.gateway.contracts import contract_terms
from smgw.gateway.journal_signature import verify_statements
from smgw.gateway.tariffs import METHODS, CalendarState, Tariffs, frame_of, registers_of
from smgw.participant.database import connect_read_only
from smgw.storage.journal import JournalReport
from smgw.tariff import taf01, taf02, taf03, taf04, taf05, taf08, taf12
from smgw.tariff.calendar import moment_of
from smgw.tariff.common import contract_period, contract_start
from smgw.tariff.contract_rules import rules_of
from smgw.tariff.stages import Frame

QUARTER = timedelta(minutes=15)
SLACK = timedelta(minutes=100)
"""So much may the time of an entry differ from the true one: a start is told of before the time is set, by an old oscillator."""

AFTER = timedelta(hours=3)
"""So long after its end a fault may be told of or leave a mark: the gateway learns of the time once an hour."""


class Booking(NamedTuple):
    """Hold one booking to an error register, and the fault that explains it."""

    contract: str
    obis: Obis
    start: datetime
    end: datetime
    raw: int
    reason: str
    fault: Fault | None


class Evidence(NamedTuple):
    """Hold what the checks and the report look at."""

    contracts: list[EvaluationProfile]
    readings: dict[tuple[str, Obis], list[SignedReading]]
    """As they were stored, those deleted since among them."""
    registers: dict[str, list[RegisterValue]]
    recomputed: dict[str, list[RegisterValue]]
    bookings: list[Booking]
    report: JournalReport
    statements: int
    """Seals and cuts whose signatures verify."""
    cuts: int
    deliveries: tuple[int, int]
    faults: list[Fault]


class Check(NamedTuple):
    """Hold one check's result."""

    name: str
    found: str
    problems: list[str]

    @property
    def passed(self) -> bool:
        """Tell whether nothing was found."""
        return not self.problems


def evidence_of(world: YearWorld, faults: list[Fault]) -> Evidence:
    """Verify the journal and recompute everything. Raises: IntegrityFault, SecurityFault when a chain or a signature does not verify."""
    gateway = world.up
    journal = gateway.journal
    verify_completely(journal, gateway.identity)
    statements = verify_statements(journal, [gateway.identity.triple.sig])
    contracts = contract_terms(journal)
    readings: dict[tuple[str, Obis], list[SignedReading]] = {}
    for _, signed in sorted(world.readings.items()):
        readings.setdefault((signed.reading.meter_id, signed.reading.obis), []).append(signed)
    registers: dict[str, list[RegisterValue]] = {contract.profile_id: [] for contract in contracts}
    for value in world.registers:
        registers[value.profile_id].append(value)
    recomputed: dict[str, list[RegisterValue]] = {}
    bookings: list[Booking] = []
    for contract in contracts:
        recompute = _RECOMPUTE.get(contract.taf)
        if recompute is not None:
            recomputed[contract.profile_id] = recompute(world, contract, readings, registers[contract.profile_id], bookings)
    explained = [booking._replace(fault=_explain(booking, contracts, faults)) for booking in bookings]
    cuts = sum(one.entry.event == "retention_deleted" for one in world.log.get((Log.SYSTEM, ""), []))
    return Evidence(
        contracts, readings, registers, recomputed, explained, journal.verify(), statements, cuts, journal.delivery_counts(), faults
    )  # fmt: skip


def _of(contract: EvaluationProfile, readings: dict[tuple[str, Obis], list[SignedReading]]) -> list[SignedReading]:
    found = [signed for text in contract.registers for signed in readings.get((contract.meter_id, Obis.parse(text)), [])]
    return sorted(found, key=lambda signed: signed.sequence)


def _created(booked: Iterable[RegisterValue], start: datetime, end: datetime, otherwise: datetime) -> datetime:
    return next((value.created_at for value in booked if (value.period_start, value.period_end) == (start, end)), otherwise)


def _recompute_methods(
    world: YearWorld,
    contract: EvaluationProfile,
    readings: dict[tuple[str, Obis], list[SignedReading]],
    booked: list[RegisterValue],
    bookings: list[Booking],
) -> list[RegisterValue]:
    """Recompute every ended period of a contract that is priced reading by reading, and list what went to the error register."""
    method, rules = METHODS[contract.taf], rules_of(contract)
    grace = timedelta(seconds=rules.latency_s) if contract.taf == 5 else timedelta()
    entries = [
        (stored.after, 1, msgspec.json.decode(stored.content, type=method.entry))
        for stored in (Tariffs(world.up.journal).entries(contract) if method.entry is not None else ())
    ]
    expected: list[RegisterValue] = []
    start = contract.valid_from
    while (frame := frame_of(contract, start)) is not None and start < world.up.clock.now():
        states: dict[str, Any] = {}
        for text in contract.registers:
            series = readings.get((contract.meter_id, Obis.parse(text)), [])
            states[text] = state = _state_of(contract, frame, rules, series, entries)
            bookings += _error_bookings(contract, Obis.parse(text), state)
        if frame.end + grace > world.up.clock.now() - timedelta(hours=1):
            break
        now = _created(booked, frame.start, frame.end, frame.end)
        expected += registers_of(contract, frame, rules, states, now)
        start = frame.end
    return expected


def _state_of(
    contract: EvaluationProfile, frame: Frame, rules: Any, series: list[SignedReading], entries: list[tuple[int, int, Any]]
) -> Any:
    if contract.taf == 2:
        plan = METHODS[2].plan(frame, rules)
        some = [one for one in series if one.reading.raw is not None and frame.start <= one.reading.target_time <= frame.end]
        state = taf02.evaluate(plan, taf02.columns_of(some, contract.meter_id, series[0].reading.obis))
        return CalendarState(state, some[0].reading.scaler, some[0].reading.unit) if some else CalendarState(state)
    numbered = sorted([*((one.sequence, 0, one) for one in series), *entries], key=lambda item: item[:2])
    if contract.taf == 12:
        return _prepaid(contract, frame, rules, numbered)
    evaluate: Callable[..., Any] = {3: taf03.evaluate, 4: taf04.evaluate, 5: taf05.evaluate}[contract.taf]
    return evaluate(frame, rules, [entry for *_, entry in numbered])


def _prepaid(contract: EvaluationProfile, frame: Frame, rules: Any, numbered: list[tuple[int, int, Any]]) -> taf12.State:
    """Go through all periods up to this one; each takes what was stored before the first reading of the next."""
    state, now = taf12.State(), frame_of(contract, contract.valid_from)
    while now is not None:
        after = (at for at, item in enumerate(numbered) if not item[1] and item[2].reading.target_time > now.end)
        border = next(after, len(numbered))
        state, _ = taf12.evaluate(now, rules, [entry for *_, entry in numbered[:border]], state)
        if now == frame:
            break
        state, numbered, now = taf12.roll_over(state), numbered[border:], frame_of(contract, now.end)
    return state


def _error_bookings(contract: EvaluationProfile, obis: Obis, state: Any) -> list[Booking]:
    state = getattr(state, "booked", state)
    found = []
    for run in getattr(state, "runs", ()):
        if run.stage != ERROR_REGISTER_TARIFF:
            continue
        if contract.taf == 2:
            times, reason = (moment_of(run.first.quarter), moment_of(run.last.quarter)), "more than one stage between two usable readings"
        else:
            times, reason = (from_microseconds(run.first.time_us), from_microseconds(run.last.time_us)), str(run.reason)
        found.append(Booking(contract.profile_id, obis, *times, run.raw, reason, None))
    return found


def _recompute_taf1(
    world: YearWorld,
    contract: EvaluationProfile,
    readings: dict[tuple[str, Obis], list[SignedReading]],
    booked: list[RegisterValue],
    _: list[Booking],
) -> list[RegisterValue]:
    expected: list[RegisterValue] = []
    mine = _of(contract, readings)
    start, end = contract_period(contract, contract_start(contract))
    last = min(contract.valid_to or world.up.clock.now(), world.up.clock.now() - timedelta(hours=1))
    while start < end <= last:
        for value in taf01.evaluate(contract, mine, start, end, end):
            created = _created(booked, value.period_start, value.period_end, end)
            expected.append(msgspec.structs.replace(value, created_at=created))
        start, end = end, contract_period(contract, end)[1]
    return expected


def _recompute_taf8(
    world: YearWorld,
    contract: EvaluationProfile,
    readings: dict[tuple[str, Obis], list[SignedReading]],
    booked: list[RegisterValue],
    _: list[Booking],
) -> list[RegisterValue]:
    expected: list[RegisterValue] = []
    start = contract.valid_from
    while (frame := frame_of(contract, start)) is not None and frame.end <= world.up.clock.now() - timedelta(hours=1):
        for text in contract.registers:
            obis = Obis.parse(text)
            series = readings[contract.meter_id, obis]
            about: dict[str, Any] = {"meter_id": contract.meter_id, "obis": obis, "profile_id": contract.profile_id}
            for value in taf08.evaluate(frame, rules_of(contract), series, created_at=frame.end, **about):
                created = _created(booked, value.period_start, value.period_end, frame.end)
                expected.append(msgspec.structs.replace(value, created_at=created))
        start = frame.end
    return expected


_RECOMPUTE: dict[int, Callable[..., list[RegisterValue]]] = {
    1: _recompute_taf1,
    8: _recompute_taf8,
    **dict.fromkeys(METHODS, _recompute_methods),
}


def _explain(booking: Booking, contracts: list[EvaluationProfile], faults: list[Fault]) -> Fault | None:
    meter = next(contract.meter_id for contract in contracts if contract.profile_id == booking.contract)
    return explanation(faults, meter, booking.start, booking.end)


def explanation(faults: Iterable[Fault], meter_id: str, start: datetime, end: datetime) -> Fault | None:
    """Give the fault that touched a meter's readings at a time, if any did."""
    fits = (
        f for f in faults if f.done and meter_id in f.meters and f.start - timedelta(hours=1, minutes=20) <= end and start <= f.end + AFTER
    )
    return min(fits, key=lambda fault: abs(fault.start - start), default=None)


# what must hold


def _sums(_: YearWorld, evidence: Evidence) -> Check:
    """Σ stages + error register = total = last usable reading less the first, for every register and period."""
    count, problems = 0, []
    for contract in evidence.contracts:
        for total in (v for v in evidence.registers[contract.profile_id] if v.taf in (2, 3, 4, 5) and v.obis.e == 0):
            parts = [
                v for v in evidence.registers[contract.profile_id]
                if v.period_end == total.period_end and v.obis.e and v.obis.with_tariff(0) == total.obis
            ]  # fmt: skip
            series = [
                one.reading for one in evidence.readings[contract.meter_id, total.obis]
                if total.period_start <= one.reading.target_time <= total.period_end and one.reading.raw is not None
                and not one.reading.target_time.timestamp() % contract.period_s
            ]  # fmt: skip
            usable = [one for one in series if one.ptb < PtbStatus.TEMPORARY_ERROR]
            plain = (usable[-1].raw or 0) - (series[0].raw or 0) if usable else None
            count += 1
            if sum(part.raw or 0 for part in parts) != (total.raw or 0) or total.raw != plain:
                problems.append(f"{contract.profile_id} {total.obis} {total.period_end}: {[p.raw for p in parts]}, {total.raw}, {plain}")
            if ERROR_REGISTER_TARIFF not in {part.obis.e for part in parts}:
                problems.append(f"{contract.profile_id} {total.obis} {total.period_end}: no error register")
    return Check("Σ stages + error register = total", f"{count} registers and periods, exactly", problems)


def _recomputation(_: YearWorld, evidence: Evidence) -> Check:
    count, problems = 0, []
    key = lambda value: (value.period_end, value.period_start, value.obis)  # noqa: E731
    for name, expected in evidence.recomputed.items():
        booked = sorted(evidence.registers[name], key=key)
        count += len(booked)
        if booked != sorted(expected, key=key):
            problems.append(f"{name}: {len(booked)} booked, {len(expected)} recomputed")
            there, wanted = {key(v): v for v in booked}, {key(v): v for v in expected}
            problems += [
                f"{name}: {there.get(one)} != {wanted.get(one)}" for one in {*there, *wanted} if there.get(one) != wanted.get(one)
            ][:3]
    return Check("Every billing value is what a recomputation gives", f"{count} values, bit for bit", problems)


def _errors(_: YearWorld, evidence: Evidence) -> Check:
    problems = [f"{b.contract} {b.obis} {b.start} – {b.end}: {b.raw} ({b.reason})" for b in evidence.bookings if b.fault is None]
    kinds = Counter(booking.fault.kind for booking in evidence.bookings if booking.fault)
    return Check(
        "Every booking to an error register has a fault that explains it",
        f"{len(evidence.bookings)} by {len(kinds)} kinds of fault",
        problems,
    )


def _readings(world: YearWorld, evidence: Evidence) -> Check:
    """Nothing is stored that was not sent, nothing is marked or missing without a reason, and no period stands twice or is left out."""
    problems, marked = [], 0
    for (meter_id, obis), series in evidence.readings.items():
        sent = world.meters[meter_id].sent.get(obis, set())
        targets = Counter(one.reading.target_time for one in series)
        problems += [f"{meter_id} {obis}: {target} twice" for target, number in targets.items() if number > 1]
        for before, one in pairwise(series):
            step = one.reading.target_time - before.reading.target_time
            period = timedelta(seconds=world.meters[meter_id].device.period_s)
            if step > period and explanation(evidence.faults, meter_id, before.reading.target_time, one.reading.target_time) is None:
                problems.append(f"{meter_id} {obis}: nothing between {before.reading.target_time} and {one.reading.target_time}")
        for reading in (one.reading for one in series):
            if reading.raw is not None and reading.raw not in sent:
                problems.append(f"{meter_id} {obis} {reading.target_time}: {reading.raw} was never sent")
            if reading.ptb is not PtbStatus.NONE:
                marked += 1
                if explanation(evidence.faults, meter_id, reading.target_time, reading.target_time) is None:
                    problems.append(f"{meter_id} {obis} {reading.target_time}: {reading.ptb.name} without a fault")
    count = sum(map(len, evidence.readings.values()))
    return Check("Readings are what the meters sent", f"{count:,} stored, {marked:,} of them missing or marked, each explained", problems)


def _chains(_: YearWorld, evidence: Evidence) -> Check:
    rows = sum(chain.length for chain in evidence.report.chains)
    cuts = f"{evidence.statements} signed seals and cuts, {evidence.cuts} cuts by retention"
    found = f"{len(evidence.report.chains)} chains over {rows:,} rows; {cuts}"
    return Check("Every chain and every signature verifies", found, [] if evidence.statements else ["no seal"])


def _deliveries(world: YearWorld, evidence: Evidence) -> Check:
    queued, acknowledged = evidence.deliveries
    problems = [] if queued == acknowledged else [f"{queued - acknowledged} messages wait"]
    stored = 0
    for partner in world.partners.values():
        with closing(connect_read_only(partner.store_path)) as connection:
            stored += connection.execute("SELECT count(*) FROM inbox").fetchone()[0]
            problems += [f"{partner.name} refused: {code}" for (code,) in connection.execute("SELECT DISTINCT code FROM refusal")]
            problems += [f"{partner.name} found: {kind}" for (kind,) in connection.execute("SELECT DISTINCT kind FROM finding")]
            for contract in (c for c in evidence.contracts if partner.name in c.recipients):
                problems += _delivered(connection, contract, evidence, world)
    if stored != queued:
        problems.append(f"{queued} messages queued, {stored} stored by the participants")
    return Check("Every message arrived once", f"{queued:,} queued, acknowledged and stored", problems)


def _delivered(connection: Any, contract: EvaluationProfile, evidence: Evidence, world: YearWorld) -> list[str]:
    """Compare what a participant has of a contract with what the gateway stored for it."""
    problems = []
    (sent,) = connection.execute("SELECT coalesce(sum(readings), 0) FROM inbox WHERE contract = ?", (contract.profile_id,)).fetchone()
    if contract.taf in (7, 13):
        until = min(local_midnight(local_day(world.up.clock.now())), contract.valid_to or world.up.clock.now())
        due = [one for one in _of(contract, evidence.readings) if contract.valid_from <= one.reading.target_time <= until]
        if sent != len(due):
            problems.append(f"{contract.profile_id}: {len(due)} readings due, {sent} sent")
    # Warnings and signals of a prepaid contract are of a moment; everything that is billed is of a period.
    query = "SELECT obis, period_start, period_end, raw FROM register_value WHERE contract = ? AND (taf <> 12 OR period_start < period_end)"
    there = Counter(connection.execute(query, (contract.profile_id,)).fetchall())
    booked = Counter(
        (v.obis.hex, _us(v.period_start), _us(v.period_end), "" if v.raw is None else str(v.raw))
        for v in evidence.registers[contract.profile_id]
    )
    if there != booked:
        problems.append(f"{contract.profile_id}: {booked.total()} register values booked, {there.total()} at the participant")
    return problems


def _us(moment: datetime) -> int:
    return round(moment.timestamp() * 1_000_000)


def _told(world: YearWorld, evidence: Evidence) -> Check:
    """Each fault stands in each log that must tell of it, and in no other consumer's."""
    count, problems = 0, []
    for fault in evidence.faults:
        if not fault.done:
            problems.append(f"{fault.kind} at {fault.start} never happened")
        for log, event in fault.expected:
            owner = (TENANT if FLAT.link == fault.link or fault.kind.startswith("event") else OWNER) if log is Log.CONSUMER else ""
            entries = [one.entry for one in world.log.get((log, owner), []) if one.entry.event == event]
            count += 1
            meters = {device.meter_id for device in (*DEVICES, STRANGER) if device.link == fault.link}
            if not any(
                fault.start - SLACK <= entry.time <= fault.end + AFTER
                and (not meters or entry.parameters.get("meter") is None or entry.parameters["meter"] in meters)
                for entry in entries
            ):
                problems.append(f"{fault.kind} at {fault.start}: {event} is not in the {log} log {owner}")
    for owner, other in ((OWNER, "flat"), (TENANT, "")):
        strange = {m for m, played in world.meters.items() if (played.device.link == "flat") == (other == "flat")}
        for one in world.log.get((Log.CONSUMER, owner), []):
            if one.entry.parameters.get("meter") in strange:
                problems.append(f"{owner} reads of {one.entry.parameters['meter']}: {one.entry.event}")
    return Check("Each fault stands in the logs that must tell of it", f"{count} entries looked for and found", problems)


_BY_DESIGN = frozenset({"special_functions", "clock_not_set"})


def _alarms(world: YearWorld, evidence: Evidence) -> Check:
    """No warning stands in a log without a fault."""
    count, problems = 0, []
    for (log, owner), entries in world.log.items():
        for entry in (one.entry for one in entries):
            if EVENTS[entry.event].level < Level.WARNING or entry.event in _BY_DESIGN or entry.event.startswith("credit_"):
                continue
            count += 1
            if not any(fault.start - SLACK <= entry.time <= fault.end + AFTER for fault in evidence.faults):
                problems.append(f"{log} {owner} {entry.time}: {entry.event} {entry.parameters}")
    return Check("No warning without a fault", f"{count} warnings and errors", problems)


def _state(world: YearWorld, evidence: Evidence) -> Check:
    gateway = world.up
    problems = [] if gateway.states.state is State.NORMAL else [str(gateway.states.state)]
    test = gateway.guard.upkeep.last_test
    if test is None or test.failed:
        problems.append(f"self-test: {test}")
    failing = [one.entry.parameters for one in world.log[Log.SYSTEM, ""] if one.entry.event in ("evaluation_failed", "integrity_error")]
    problems += [str(facts) for facts in failing]
    return Check("The gateway ends in Normal", f"{world.starts} starts, complete self-test passed, no contract failed", problems)


CHECKS: tuple[Callable[[YearWorld, Evidence], Check], ...] = (
    _sums, _recomputation, _errors, _readings, _chains, _deliveries, _told, _alarms, _state,
)  # fmt: skip


def check_all(world: YearWorld, evidence: Evidence) -> list[Check]:
    """Make every check."""
    return [check(world, evidence) for check in CHECKS]

"""Contracts that change while they run: each version is evaluated in its own time, and nothing is lost, doubled or billed twice."""

from collections import Counter
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.gateway.gateway_parts import GATEWAY_ID, METER_ID, all_profiles, evaluation_profile

from smgw.codec.delivery_xml import decode_delivery
from smgw.core.errors import DomainFault
from smgw.core.instant import local_midnight
from smgw.core.log_event import Log
from smgw.core.obis import ACTIVE_ENERGY_IMPORT
from smgw.core.profiles import PROFILE_KINDS, EvaluationProfile
from smgw.core.reading import Reading
from smgw.core.status_word import GATEWAY_OK
from smgw.gateway.contracts import contract_terms
from smgw.gateway.evaluation import Evaluation
from smgw.gateway.logs import Recorder
from smgw.net.clock import ManualClock
from smgw.pki.profile_rules import check_profile
from smgw.storage.journal import Journal

IMPORT = "1-0:1.8.0*255"
QUARTER = timedelta(minutes=15)
FIRST = local_midnight(datetime(2026, 3, 28).date())  # noqa: DTZ001
LAST = FIRST + 200 * QUARTER
INSTALLED = {name: [profile for profile in all_profiles() if isinstance(profile, kind)] for name, kind in PROFILE_KINDS.items()}
RULES: dict[int, dict[str, Any]] = {
    1: {},
    2: {"stages": [1, 2], "days": {"all": {"00:00": 1, "06:00": 2}}, "week": ["all"] * 7},
    4: {"stages": [1, 2, 3], "thresholds": [100, 300]},
    5: {"stages": [1, 2], "events": {"low": 1, "high": 2}, "default": 1, "latency_s": 1800},
    7: {},
}

changes = st.lists(st.tuples(st.integers(0, 190), st.integers(-3, 40), st.none() | st.integers(1, 80), st.booleans()), max_size=5)
"""When the change is installed, in how many quarter hours it begins, how long it holds, and whether the gateway starts anew."""


class World:
    """Hold a journal with one contract and store a reading of ten units each quarter hour."""

    def __init__(self, path: Path, taf: int) -> None:
        self.path, self.taf, self.serial = path, taf, count()
        self.open()
        self.put(self.version(1, FIRST, None), FIRST)

    def open(self) -> None:
        self.journal = Journal.open(self.path, bytes(32))
        recorder = Recorder(self.journal, ManualClock(FIRST))
        self.evaluation = Evaluation(self.journal, recorder, GATEWAY_ID, lambda n: next(self.serial).to_bytes(n, "big"))

    def version(self, number: int, start: datetime, end: datetime | None) -> EvaluationProfile:
        about: dict[str, Any] = {"rules": RULES[self.taf], "valid_from": start, "valid_to": end, "version": number, "registers": (IMPORT,)}
        return evaluation_profile(self.taf, "billing", **about)

    def put(self, profile: EvaluationProfile, now: datetime) -> None:
        check_profile(profile, {**INSTALLED, "evaluation": list(contract_terms(self.journal))}, now)
        self.journal.put_profile(profile, f"document {profile.version}".encode(), now)

    def change(self, version: int, number: int, ahead: int, length: int | None) -> bool:
        """Install a version that begins some quarter hours ahead; with none ahead it moves the end of the one that holds."""
        now = FIRST + number * QUARTER
        start = max((t.valid_from for t in contract_terms(self.journal) if t.valid_from <= now), default=FIRST)
        end = None if length is None else now + length * QUARTER
        profile = self.version(version, start, end)
        if ahead > 0:
            end = None if length is None else now + (ahead + length) * QUARTER
            profile = self.version(version, now + ahead * QUARTER, end)
        try:
            self.put(profile, now)
        except DomainFault as fault:
            assert fault.code == "tariff.profile_past"
            return False
        return True

    def store(self, number: int) -> None:
        target = FIRST + number * QUARTER
        with self.journal.transaction():
            reading = Reading(METER_ID, ACTIVE_ENERGY_IMPORT, 10 * number, 0, 30, target, target, int(GATEWAY_OK), 4)
            self.journal.append_readings([(reading, bytes(64))])
            self.evaluation.run(contract_terms(self.journal), METER_ID, target, target)


@pytest.mark.req("TAF-20", "TAF-24", "WAN-05")
@pytest.mark.parametrize("taf", sorted(RULES))
@settings(max_examples=8, deadline=None)
@given(drawn=changes)
@example(drawn=[(159, 40, None, False)])
def test_each_version_is_evaluated_in_its_own_time(
    tmp_path_factory: pytest.TempPathFactory, taf: int, drawn: list[tuple[int, int, int | None, bool]]
) -> None:
    world = World(tmp_path_factory.mktemp("journal") / "journal.db", taf)
    planned = {at: (ahead, length, restart) for at, ahead, length, restart in drawn}
    version = 1
    for number in range(201):
        world.store(number)
        if number in planned:
            ahead, length, restart = planned[number]
            version += world.change(version + 1, number, ahead, length)
            if restart:
                world.journal.close()
                world.open()
    # What begins so late that its first interval still waits for events has not begun yet.
    settled = LAST - timedelta(seconds=RULES[taf].get("latency_s", 0))
    found = [(t.valid_from, min(t.valid_to or LAST, LAST), t) for t in contract_terms(world.journal) if t.valid_from < settled]
    deliveries = [decode_delivery(message.body) for message in world.journal.pending(1000)]
    active = [e.entry.parameters["version"] for e in world.journal.log(Log.SYSTEM) if e.entry.event == "profile_activated"]
    assert len(active) == len(set(active))
    assert {str(t.version) for *_, t in found} <= set(active)
    if taf == 7:
        sent = Counter(signed.reading.target_time for delivery in deliveries for signed in delivery.readings)
        ended = [(start, end) for start, end, t in found if t.valid_to is not None and t.valid_to <= LAST]
        due = {FIRST + n * QUARTER for n in range(201) if any(start <= FIRST + n * QUARTER <= end for start, end in ended)}
        assert set(sent.values()) <= {1}
        assert due <= set(sent)
        assert all(any(start <= moment <= end for start, end, _ in found) for moment in sent)
        world.journal.close()
        return
    booked = world.journal.registers(f"taf{taf}-1.sm")
    for start, end, term in found:
        check_term(taf, start, end, term, booked)
    sent_registers = Counter(value for delivery in deliveries for value in delivery.registers)
    assert sent_registers == Counter(booked)
    world.journal.close()


def check_term(taf: int, start: datetime, end: datetime, term: EvaluationProfile, booked: list[Any]) -> None:
    """Assert that the periods of a term follow each other up to its end, and that their sums are what the register says."""
    mine = [value for value in booked if start <= value.period_start and value.period_end <= end]
    totals = sorted((value for value in mine if value.obis.e == 0), key=lambda value: value.period_start)
    cursor = start
    for value in totals:
        assert value.period_start == cursor
        assert value.raw == (value.period_end - value.period_start) // QUARTER * 10
        parts = [v.raw for v in mine if v.period_start == cursor and v.obis.e]
        assert taf == 1 or sum(parts) == value.raw
        cursor = value.period_end
    grace = timedelta(minutes=30 if taf == 5 else 0)
    if term.valid_to is not None and term.valid_to + grace <= LAST:
        assert cursor == term.valid_to


def test_a_plan_leaves_the_version_that_holds_alone(tmp_path: Path) -> None:
    world = World(tmp_path / "journal.db", 4)
    world.put(world.version(2, FIRST + 40 * QUARTER, None), FIRST)
    for number in range(20):
        world.store(number)
    (state,) = world.evaluation.tariffs.states(contract_terms(world.journal)[0]).values()
    assert state != msgspec.UNSET
    assert not world.journal.registers("taf4-1.sm")
    for number in range(20, 41):
        world.store(number)
    assert {v.obis.e: v.raw for v in world.journal.registers("taf4-1.sm")} == {0: 400, 1: 100, 2: 200, 3: 100, 63: 0}

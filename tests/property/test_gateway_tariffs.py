"""Tariffs in the gateway: reading by reading, over restarts and failed commits, gives bit for bit what a recomputation gives."""

from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.gateway.gateway_parts import GATEWAY_ID, METER_ID, evaluation_profile

from smgw.core.instant import local_midnight
from smgw.core.log_event import Log
from smgw.core.obis import ACTIVE_ENERGY_EXPORT, ACTIVE_ENERGY_IMPORT, ERROR_REGISTER_TARIFF, Obis
from smgw.core.profiles import EvaluationProfile
from smgw.core.reading import Reading, SignedReading
from smgw.core.register import RegisterValue
from smgw.core.status_word import GATEWAY_OK, GatewayStatus
from smgw.gateway.evaluation import Evaluation
from smgw.gateway.logs import Recorder
from smgw.gateway.tariffs import METHODS, CalendarState, Tariffs, frame_of, registers_of
from smgw.net.clock import ManualClock
from smgw.storage.journal import Journal
from smgw.tariff import taf02, taf03, taf04, taf05, taf12
from smgw.tariff.contract_rules import rules_of
from smgw.tariff.rules import Credit, Event
from smgw.tariff.stages import Frame

KEY = bytes(32)
QUARTER = timedelta(minutes=15)
IMPORT, EXPORT = "1-0:1.8.0*255", "1-0:2.8.0*255"
FIRST = local_midnight(datetime(2026, 3, 28).date())  # noqa: DTZ001
"""Three days before a billing period ends; the clocks change in between."""

DAY = {"00:00": 1, "06:00": 2, "22:00": 1}
RULES: dict[int, dict[str, Any]] = {
    2: {"stages": [1, 2], "days": {"all": DAY}, "week": ["all"] * 7},
    3: {"stages": [1, 2, 3], "thresholds": [40, 400]},
    4: {"stages": [1, 2, 3], "thresholds": [100, 300]},
    5: {"stages": [1, 2], "events": {"low": 1, "high": 2}, "latency_s": 1800},
    12: {"warning": 50, "scaler": 0},
}
RECOMPUTE: dict[int, Callable[[Frame, Any, list[Any]], Any]] = {
    3: taf03.evaluate,
    4: taf04.evaluate,
    5: taf05.evaluate,
}


class Step(NamedTuple):
    """One thing that happens: a reading after some quarter hours, an event or credit, a restart, or a commit that fails."""

    kind: str
    quarters: int = 1
    amount: int = 0
    status: int = 0


steps = st.lists(
    st.one_of(
        st.builds(
            Step,
            st.just("reading"),
            st.sampled_from([1, 1, 1, 1, 1, 2, 9, 96]),
            st.integers(-5, 300),
            st.sampled_from([0, 0, 0, 0, 0, int(GatewayStatus.TIME_NOT_VALID), int(GatewayStatus.NO_VALUE)]),
        ),
        st.builds(Step, st.just("entry"), st.integers(-8, 4), st.integers(0, 2)),
        st.builds(Step, st.just("restart")),
        st.builds(Step, st.just("failure"), st.just(1), st.integers(0, 300)),
    ),
    min_size=5,
    max_size=60,
)


class Bench:
    """Hold a real journal and an evaluation that can be started anew."""

    def __init__(self, path: Path, profile: EvaluationProfile) -> None:
        self.path, self.profile, self.serial = path, profile, count()
        self.target, self.raw = FIRST, 1000
        self.open()

    def open(self) -> None:
        self.journal = Journal.open(self.path, KEY)
        recorder = Recorder(self.journal, ManualClock(FIRST))
        self.evaluation = Evaluation(self.journal, recorder, GATEWAY_ID, lambda n: next(self.serial).to_bytes(n, "big"))

    def commit(self, target: datetime, raw: int, status: int, *, fail: bool = False) -> None:
        missing = status == GatewayStatus.NO_VALUE
        with self.journal.transaction():
            for code in (ACTIVE_ENERGY_IMPORT, ACTIVE_ENERGY_EXPORT):
                word = int(GATEWAY_OK) | status
                reading = Reading(METER_ID, code, None if missing else raw * code.c, -1, 30, target, target, word, 4)
                self.journal.append_readings([(reading, bytes(64))])
            self.evaluation.run([self.profile], METER_ID, target, target)
            if fail:
                raise InterruptedError

    def play(self, step: Step, number: int) -> None:
        if step.kind == "restart":
            self.journal.close()
            self.open()
        elif step.kind == "entry":
            self.enter(step, number)
        elif step.kind == "failure":
            with pytest.raises(InterruptedError):
                self.commit(self.target + QUARTER, self.raw + step.amount, 0, fail=True)
        else:
            self.target += QUARTER * step.quarters
            self.raw = max(0, self.raw + step.amount)
            self.commit(self.target, self.raw, step.status)

    def enter(self, step: Step, number: int) -> None:
        """Give an event or a credit to a use case that takes one."""
        kind = METHODS[self.profile.taf].entry
        if kind is None:
            return
        at = self.target + QUARTER * step.quarters
        entry: Event | Credit = Event(name=("low", "high", "other")[step.amount], at=at, received_at=self.target + timedelta(seconds=5))
        if kind is Credit:
            entry = Credit(credit_id=str(number), at=at, amount=100 * step.amount + 1)
        with self.journal.transaction():
            Tariffs(self.journal).append(self.profile, entry)
            self.evaluation.run([self.profile], METER_ID, self.target, self.target)

    def recomputed(self, frame: Frame, now: datetime) -> list[RegisterValue]:
        """Give the registers of a period from nothing but what the journal holds."""
        rules = rules_of(self.profile)
        entries = [
            (stored.after, 1, msgspec.json.decode(stored.content, type=METHODS[self.profile.taf].entry))
            for stored in Tariffs(self.journal).entries(self.profile)
        ]
        states: dict[str, Any] = {}
        for text in self.profile.registers:
            readings: list[SignedReading] = sorted(self.journal.readings(METER_ID, [Obis.parse(text)]), key=lambda s: s.sequence)
            if self.profile.taf == 2:
                plan = METHODS[2].plan(frame, rules)
                state = taf02.evaluate(plan, taf02.columns_of(readings, METER_ID, Obis.parse(text)))
                some = any(s.reading.raw is not None and frame.start <= s.reading.target_time <= frame.end for s in readings)
                states[text] = CalendarState(state, -1, 30) if some else CalendarState(state)
            elif self.profile.taf == 12:
                numbered = sorted([*((s.sequence, 0, s) for s in readings), *entries], key=lambda item: item[:2])
                states[text] = self.prepaid(frame, rules, numbered)
            else:
                log = [entry for *_, entry in sorted([*((s.sequence, 0, s) for s in readings), *entries], key=lambda item: item[:2])]
                states[text] = RECOMPUTE[self.profile.taf](frame, rules, log)
        return list(registers_of(self.profile, frame, rules, states, now))

    def prepaid(self, frame: Frame, rules: Any, numbered: list[Any]) -> taf12.State:
        """Go through all periods up to this one; each takes what was stored before the first reading of the next."""
        state, now = taf12.State(), frame_of(self.profile, self.profile.valid_from)
        while True:
            assert now is not None
            after = (at for at, item in enumerate(numbered) if not item[1] and item[2].reading.target_time > now.end)
            border = next(after, len(numbered))
            state, _ = taf12.evaluate(now, rules, [entry for *_, entry in numbered[:border]], state)
            if now == frame:
                return state
            state, numbered, now = taf12.roll_over(state), numbered[border:], frame_of(self.profile, now.end)


def bench_of(folder: Path, taf: int) -> Bench:
    registers = (IMPORT,) if taf == 12 else (IMPORT, EXPORT)
    end = FIRST + timedelta(days=200)
    profile = evaluation_profile(taf, "billing", rules=RULES[taf], valid_from=FIRST, valid_to=end, registers=registers)
    return Bench(folder / "journal.db", profile)


@pytest.mark.req("TAF-02", "TAF-03", "TAF-04", "TAF-05", "TAF-12", "TAF-20")
@pytest.mark.parametrize("taf", sorted(METHODS))
@settings(max_examples=25, deadline=None)
@given(played=steps)
def test_the_gateway_gives_what_a_recomputation_gives(tmp_path_factory: pytest.TempPathFactory, taf: int, played: list[Step]) -> None:
    bench = bench_of(tmp_path_factory.mktemp("journal"), taf)
    bench.commit(FIRST, 1000, 0)
    for number, step in enumerate(played):
        bench.play(step, number)
    bench.commit(bench.target + timedelta(days=32), bench.raw + 7, 0)
    booked = bench.journal.registers(bench.profile.profile_id)
    grace = timedelta(minutes=30 if taf == 5 else 0)
    start, expected = FIRST, []
    while (frame := frame_of(bench.profile, start)) is not None and frame.end + grace <= bench.target + timedelta(days=32):
        now = next(value.created_at for value in booked if value.period_end == frame.end)
        expected += bench.recomputed(frame, now)
        start = frame.end
    key = lambda value: (value.period_end, value.obis)  # noqa: E731
    assert sorted(booked, key=key) == sorted(expected, key=key)
    assert booked
    check_sums(booked)
    assert bench.journal.log_count(Log.CONSUMER) == 0 or taf == 12
    bench.journal.close()


def check_sums(booked: list[RegisterValue]) -> None:
    """Assert that stages and error register add up to the total of each register and period."""
    totals = [value for value in booked if value.obis.e == 0 and value.taf != 12]
    for total in totals:
        parts = [v for v in booked if v.period_end == total.period_end and v.obis.with_tariff(0) == total.obis and v.obis.e]
        assert {part.obis.e for part in parts} > {ERROR_REGISTER_TARIFF}
        assert sum(part.raw or 0 for part in parts) == (total.raw or 0)

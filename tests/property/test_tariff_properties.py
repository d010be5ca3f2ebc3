"""TAF 3, 4, 5 and 12 over random logs with gaps, invalid values, clock faults, late events and restarts: nothing lost, both ways alike."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.tariff.series import METER_ID, local

from smgw.core.instant import microseconds
from smgw.core.obis import ACTIVE_ENERGY_IMPORT
from smgw.core.reading import Reading, SignedReading
from smgw.core.status_word import GATEWAY_OK, METER_IDENTIFICATION, GatewayStatus
from smgw.tariff import stages, taf03, taf04, taf05, taf12
from smgw.tariff.common import is_usable
from smgw.tariff.rules import Bands, Credit, CreditRules, Event, EventRules
from smgw.tariff.stages import Frame, Reason

_DAYS = ((2026, 3, 28), (2026, 10, 24), (2025, 12, 30), (2028, 2, 27), (2026, 6, 10))
_STATUSES = (
    *(GATEWAY_OK,) * 9,
    GATEWAY_OK | GatewayStatus.WARNING,
    GATEWAY_OK | GatewayStatus.TIME_NOT_VALID,
    GATEWAY_OK | GatewayStatus.ERROR,
)
_MINUTES = (*(15,) * 14, 30, 45, 60, 180, 600, 1500, -15, -60, 0, 7, 1)
Log = list[SignedReading | Event]


@st.composite
def frames(draw: st.DrawFn) -> Frame:
    """Give three local days, most often around a change of the clocks."""
    year, month, day = draw(st.sampled_from(_DAYS))
    start = local(year, month, day)
    return Frame(start, start + timedelta(days=3), draw(st.sampled_from((900, 900, 900, 1800, 3600))))


@st.composite
def logs(draw: st.DrawFn, frame: Frame, *, events: bool = False) -> Log:
    """Give what a gateway stored, in its order; its clock may jump both ways, and time stamps of events wander about."""
    log: Log = []
    target, raw = frame.start - timedelta(minutes=30), draw(st.integers(-100, 10**6))
    rows = st.tuples(
        st.sampled_from(_MINUTES),
        st.one_of(st.integers(-3, 300), st.none()),
        st.sampled_from(_STATUSES),
        st.sampled_from((0, 0, 0, 2, -5, 20, 1000)),
    )
    for minutes, amount, status, delay in draw(st.lists(rows, max_size=120)):
        if events and draw(st.integers(0, 3)) == 0:
            at = target + timedelta(minutes=draw(st.sampled_from((0, 0, 1, 5, 15, 90, -5, -20, -40))))
            received = target + timedelta(seconds=draw(st.sampled_from((0, 1, 30, 600, 1200))))
            log.append(Event(name=draw(st.sampled_from(("low", "mid", "high", "storm"))), at=at, received_at=received))
        target += timedelta(minutes=minutes)
        raw += amount or 0
        captured = target + timedelta(seconds=delay)
        value = None if amount is None else raw
        reading = Reading(METER_ID, ACTIVE_ENERGY_IMPORT, value, -1, 30, captured, target, int(status), METER_IDENTIFICATION)
        log.append(SignedReading(reading, b"", len(log) + 1))
    return log


@st.composite
def bands(draw: st.DrawFn) -> Bands:
    """Give up to five bands."""
    thresholds = tuple(sorted(draw(st.sets(st.integers(1, 400), max_size=4))))
    return Bands(thresholds=thresholds, stages=tuple(range(1, len(thresholds) + 2)), scaler=draw(st.sampled_from((-2, -1, 0))))


@st.composite
def event_rules(draw: st.DrawFn) -> EventRules:
    """Give rules with and without default and latency."""
    latency, default = draw(st.sampled_from((0, 60, 900, 1800))), draw(st.sampled_from((None, 1)))
    return EventRules(stages=(1, 2, 3), events={"low": 1, "mid": 2, "high": 3}, latency_s=latency, default=default)


def _restarted(state: Any) -> Any:
    """Write a state down and read it back, as over a restart."""
    return msgspec.msgpack.decode(msgspec.msgpack.encode(state), type=type(state))


def _stepped(step: Callable[[Any, Any], Any], state: Any, log: Sequence[Any], restarts: set[int]) -> Any:
    for place, entry in enumerate(log):
        state = step(_restarted(state) if place in restarts else state, entry)
    return state


_RESTARTS = st.sets(st.integers(0, 120), max_size=4)


def _check_books(state: stages.State, known: set[int]) -> None:
    """See that the bookings follow each other without hole, each in a stage of the profile, and add up to the total."""
    assert sum(state.sums().values()) == state.total
    assert set(state.sums()) <= {*known, 63}
    for before, after in zip(state.runs, state.runs[1:], strict=False):
        assert before.last == after.first
        assert (before.stage, before.reason) != (after.stage, after.reason)
    for run in state.runs:
        assert (run.stage == 63) == (run.reason is not Reason.RULE)
    if state.runs:
        assert (state.runs[0].first, state.runs[-1].last) == (state.opening, state.last)


@pytest.mark.parametrize("use_case", [taf03, taf04])
@given(st.data())
@settings(max_examples=150, deadline=None)
@pytest.mark.req("TAF-03", "TAF-04", "TAF-20")
def test_bands_step_by_step_and_over_restarts_give_what_a_recomputation_gives(use_case: Any, data: st.DataObject) -> None:
    frame, rules = data.draw(frames()), data.draw(bands())
    log = data.draw(logs(frame))
    state = _stepped(lambda held, entry: use_case.step(frame, rules, held, entry), use_case.State(), log, data.draw(_RESTARTS))
    assert state == use_case.evaluate(frame, rules, log)
    _check_books(state, set(rules.stages))


@given(st.data())
@settings(max_examples=300, deadline=None)
@pytest.mark.req("TAF-05", "TAF-20")
def test_events_step_by_step_and_over_restarts_give_what_a_recomputation_gives(data: st.DataObject) -> None:
    frame, rules = data.draw(frames()), data.draw(event_rules())
    log = data.draw(logs(frame, events=True))
    state = _stepped(lambda held, entry: taf05.step(frame, rules, held, entry), taf05.State(), log, data.draw(_RESTARTS))
    assert state == taf05.evaluate(frame, rules, log)
    booked = taf05.booked_with_pending(frame, rules, state)
    _check_books(booked, set(rules.stages))
    assert booked.runs[: len(state.booked.closed)] == state.booked.closed


@given(st.data())
@settings(max_examples=100, deadline=None)
@pytest.mark.req("TAF-05")
def test_what_is_booked_no_later_event_changes(data: st.DataObject) -> None:
    frame, rules = data.draw(frames()), data.draw(event_rules())
    log = data.draw(logs(frame, events=True))
    cut = data.draw(st.integers(0, len(log)))
    early, late = taf05.evaluate(frame, rules, log[:cut]).booked, taf05.evaluate(frame, rules, log).booked
    assert late.runs[: len(early.closed)] == early.closed
    if early.open is not None:
        follower = late.runs[len(early.closed)]
        assert (follower.stage, follower.reason, follower.first) == (early.open.stage, early.open.reason, early.open.first)


@given(st.data())
@settings(max_examples=100, deadline=None)
@pytest.mark.req("TAF-03", "TAF-21")
def test_each_period_of_a_whole_series_is_booked_by_its_own_power(data: st.DataObject) -> None:
    frame, rules = data.draw(frames()), data.draw(bands())
    period = timedelta(seconds=frame.period_s)
    count = (frame.end - frame.start) // period
    amounts = data.draw(st.lists(st.integers(0, 200), min_size=count, max_size=count))
    raws = [sum(amounts[:place]) for place in range(count + 1)]
    log = [_reading(frame.start + place * period, raw, place) for place, raw in enumerate(raws)]
    expected: dict[int, int] = {}
    for amount in amounts:
        watts_times_ten = amount * 3600 // frame.period_s
        limits = [threshold * 10 ** (rules.scaler + 2) for threshold in rules.thresholds]
        stage = rules.stages[sum(limit <= watts_times_ten * 10 for limit in limits)]
        expected[stage] = expected.get(stage, 0) + amount
    assert taf03.evaluate(frame, rules, log).sums() == expected


def _reading(target: datetime, raw: int, number: int) -> SignedReading:
    return SignedReading(
        Reading(METER_ID, ACTIVE_ENERGY_IMPORT, raw, -1, 30, target, target, GATEWAY_OK, METER_IDENTIFICATION), b"", number
    )  # fmt: skip


@given(st.data())
@settings(max_examples=150, deadline=None)
@pytest.mark.req("TAF-12")
def test_credit_is_what_was_loaded_less_what_was_used_whatever_happened_in_between(data: st.DataObject) -> None:
    frame = data.draw(frames())
    rules = CreditRules(warning=data.draw(st.integers(0, 50)), scaler=data.draw(st.sampled_from((-2, -1, 0, 3))))
    log: list[SignedReading | Credit] = [entry for entry in data.draw(logs(frame)) if not isinstance(entry, Event)]
    for number, amount in enumerate(data.draw(st.lists(st.integers(1, 500), max_size=5))):
        log.insert(data.draw(st.integers(0, len(log))), Credit(credit_id=str(number), at=frame.start, amount=amount))
    state, signals = taf12.evaluate(frame, rules, log)
    restarts = data.draw(_RESTARTS)
    assert _stepped(lambda held, entry: taf12.step(frame, rules, held, entry)[0], taf12.State(), log, restarts) == state
    usable = [entry for entry in log if isinstance(entry, SignedReading) and is_usable(entry.reading)]
    usable = [entry for entry in usable if frame.takes(microseconds(entry.reading.target_time))]
    latest = max(usable, key=lambda entry: entry.reading.target_time, default=None)
    first_raw, last_raw = (usable[0].reading.raw, latest.reading.raw) if latest is not None else (0, 0)
    used = (last_raw or 0) - (first_raw or 0)
    loaded = sum(entry.amount for entry in log if isinstance(entry, Credit))
    assert state.used == used
    assert state.remaining(rules).decimal() * 100 == loaded * 10 ** (rules.scaler + 2) - used * 10
    cut = [signal.kind for signal in signals if signal.kind is not taf12.SignalKind.WARNING]
    assert cut == [taf12.SignalKind.CUT_OFF, taf12.SignalKind.RELEASE] * (len(cut) // 2) + cut[len(cut) // 2 * 2 :]
    assert all((signal.remaining.raw <= 0) == (signal.kind is taf12.SignalKind.CUT_OFF) for signal in signals)

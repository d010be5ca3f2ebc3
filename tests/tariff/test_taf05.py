"""TAF 5: which stage the events leave holding, and what doubt they leave."""

from collections.abc import Sequence
from datetime import timedelta
from functools import reduce

import pytest
from tests.tariff.series import CREATED, local, reading

from smgw.core.errors import DomainFault
from smgw.core.obis import ACTIVE_ENERGY_IMPORT
from smgw.core.reading import SignedReading
from smgw.core.status_word import GATEWAY_OK, GatewayStatus
from smgw.tariff.rules import Event, EventRules
from smgw.tariff.stages import Frame, Reason
from smgw.tariff.taf05 import MAX_AHEAD, State, booked_with_pending, evaluate, register_values, step

START, END = local(2026, 11, 4), local(2026, 11, 5)
FRAME = Frame(START, END)
RULES = EventRules(stages=(1, 2), events={"low": 1, "high": 2}, default=1, latency_s=900)
NO_DEFAULT = EventRules(stages=(1, 2), events={"low": 1, "high": 2}, latency_s=900)
Entry = SignedReading | Event


def _at(minutes: int, raw: int | None = None, status: int = GATEWAY_OK) -> SignedReading:
    """Give a reading; without value given, ten units a quarter hour."""
    return reading(START + timedelta(minutes=minutes), minutes * 10 // 15 if raw is None else raw, sequence=minutes, gateway_status=status)


def _event(name: str, minutes: int, received: int | None = None) -> Event:
    at = START + timedelta(minutes=minutes)
    return Event(name=name, at=at, received_at=None if received is None else START + timedelta(minutes=received))


def _both(log: Sequence[Entry], rules: EventRules = RULES) -> State:
    state = reduce(lambda held, entry: step(FRAME, rules, held, entry), log, State())
    assert evaluate(FRAME, rules, log) == state
    booked = booked_with_pending(FRAME, rules, state)
    assert sum(booked.sums().values()) == booked.total
    return state


def _sums(log: Sequence[Entry], rules: EventRules = RULES) -> dict[int, int]:
    return {stage: raw for stage, raw in booked_with_pending(FRAME, rules, _both(log, rules)).sums().items() if raw}


def _reasons(log: Sequence[Entry], rules: EventRules = RULES) -> list[tuple[int, Reason]]:
    return [(run.stage, run.reason) for run in booked_with_pending(FRAME, rules, _both(log, rules)).runs]


def _hour(*events: Event) -> list[Entry]:
    """Give readings of the first hours, each event where it was received."""
    log: list[Entry] = [*(_at(minutes) for minutes in range(0, 195, 15)), *events]
    return sorted(log, key=lambda entry: entry.received if isinstance(entry, Event) else entry.reading.target_time)


@pytest.mark.parametrize(
    ("events", "sums"),
    [
        ((), {1: 120}),
        ((_event("high", 60),), {1: 40, 2: 80}),
        ((_event("high", 60), _event("low", 120)), {1: 80, 2: 40}),
        # Before the billing period, and announced ahead.
        ((_event("high", -600),), {2: 120}),
        ((_event("high", 120, 0),), {1: 80, 2: 40}),
        ((_event("high", 60, 0), _event("low", 120, 0)), {1: 80, 2: 40}),
        # Inside an interval nobody knows how much was used before and after.
        ((_event("high", 67),), {1: 40, 63: 10, 2: 70}),
        ((_event("low", 67),), {1: 120}),
        # In time, though the interval's reading came first.
        ((_event("high", 60, 75),), {1: 40, 2: 80}),
        ((_event("high", 61, 75),), {1: 40, 63: 10, 2: 70}),
        # Too late: doubt from the last booked reading on, until the next event.
        ((_event("high", 60, 80),), {1: 40, 63: 80}),
        ((_event("high", 30, 80),), {1: 40, 63: 80}),
        ((_event("high", 30, 80), _event("low", 120)), {1: 80, 63: 40}),
        # Not known to the profile.
        ((_event("storm", 60),), {1: 40, 63: 80}),
        ((_event("storm", 60), _event("low", 90)), {1: 100, 63: 20}),
        # An older event that comes after a newer one matters only before that one; one with the same time stamp corrects it.
        ((_event("high", 60), _event("low", 30, 90)), {1: 40, 2: 80}),
        ((_event("high", 60), _event("low", 30, 61)), {1: 30, 63: 10, 2: 80}),
        ((_event("high", 60), _event("low", 60, 61)), {1: 120}),
        ((_event("high", 120, 10), _event("low", 120, 20)), {1: 120}),
    ],
)
@pytest.mark.req("TAF-05", "TAF-20")
def test_a_stage_holds_from_an_event_to_the_next(events: tuple[Event, ...], sums: dict[int, int]) -> None:
    assert _sums(_hour(*events)) == sums


@pytest.mark.req("TAF-05")
def test_before_the_first_event_the_profile_decides() -> None:
    log = _hour(_event("high", 60))
    assert _sums(log, NO_DEFAULT) == {63: 40, 2: 80}
    assert _reasons(log, NO_DEFAULT) == [(63, Reason.NO_EVENT), (2, Reason.RULE)]
    assert _reasons(log) == [(1, Reason.RULE), (2, Reason.RULE)]


@pytest.mark.req("TAF-05")
def test_each_doubt_has_its_reason() -> None:
    assert _reasons(_hour(_event("storm", 60))) == [(1, Reason.RULE), (63, Reason.EVENT_UNKNOWN)]
    assert _reasons(_hour(_event("high", 60, 90))) == [(1, Reason.RULE), (63, Reason.EVENT_LATE)]
    assert _reasons(_hour(_event("high", 67))) == [(1, Reason.RULE), (63, Reason.EVENT_INSIDE), (2, Reason.RULE)]


@pytest.mark.req("TAF-05")
def test_a_reading_at_the_event_leaves_no_doubt() -> None:
    log: list[Entry] = [_at(0), _at(15), _at(22, 14), _event("high", 22), _at(30), _at(45)]
    assert _sums(log) == {1: 14, 2: 16}


_NO_VALUE = reading(START + timedelta(minutes=45), None, sequence=45, gateway_status=GATEWAY_OK | GatewayStatus.NO_VALUE)


@pytest.mark.parametrize(
    "fault",
    [[], [_NO_VALUE], [_at(45, 30, GATEWAY_OK | GatewayStatus.TIME_NOT_VALID)], [_at(31, 29, GATEWAY_OK | GatewayStatus.ERROR)]],
)
@pytest.mark.req("TAF-05", "TIME-01")
def test_gaps_invalid_readings_and_clock_faults_lead_to_the_error_register(fault: list[SignedReading]) -> None:
    log = [_at(0), _at(15), _at(30), *fault, _at(60), _at(75)]
    assert _sums(log) == {1: 30, 63: 20}


@pytest.mark.req("TAF-05")
def test_a_register_that_falls_leads_to_the_error_register() -> None:
    log = [_at(0), _at(15), _at(30, 5), _at(45, 9)]
    assert _sums(log) == {1: 14, 63: -5}
    assert _reasons(log) == [(1, Reason.RULE), (63, Reason.FALLING), (1, Reason.RULE)]


def test_intervals_wait_until_no_event_can_come_in_time() -> None:
    state = _both([_at(0), _at(15), _at(30)])
    assert (state.booked.total, len(state.pending)) == (10, 1)
    assert booked_with_pending(FRAME, RULES, state).total == 20
    assert booked_with_pending(FRAME, RULES, State()) == State().booked
    at_once = EventRules(stages=(1,), events={"low": 1}, latency_s=0)
    assert _both([_at(0), _at(15), _at(30)], at_once).pending == ()


def test_too_many_events_ahead_are_refused() -> None:
    state = State()
    for number in range(MAX_AHEAD):
        state = step(FRAME, RULES, state, _event("high", 60 + number, 0))
    with pytest.raises(DomainFault) as caught:
        step(FRAME, RULES, state, _event("high", 2000, 0))
    assert caught.value.code == "tariff.event_count"


def test_an_empty_log_is_an_empty_state() -> None:
    assert _both([]) == State()


def test_registers_count_pending_intervals_by_the_events_known() -> None:
    values = register_values(
        FRAME, RULES, _both(_hour(_event("high", 60))), profile_id="taf5-1.sm", obis=ACTIVE_ENERGY_IMPORT, created_at=CREATED
    )
    assert [(value.taf, value.obis.e, value.raw) for value in values] == [(5, 1, 40), (5, 2, 80), (5, 63, 0), (5, 0, 120)]

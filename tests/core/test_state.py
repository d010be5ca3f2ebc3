"""The tables of the operating states are complete and fit together; conditions begin, end and join as they say."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smgw.core.errors import UsageError
from smgw.core.log_event import EVENTS
from smgw.core.state import (
    ALLOWED,
    CONDITIONS,
    INITIAL,
    STATES,
    TRANSITIONS,
    Condition,
    Event,
    Permission,
    State,
    allowed_by,
    change_of,
    require,
    state_of,
)

pytestmark = pytest.mark.req("STATE-01")

NOTHING: frozenset[Condition] = frozenset()


def test_what_a_state_does_not_allow_is_refused_with_a_code() -> None:
    require(State.NORMAL, Permission.MEASURE)
    with pytest.raises(UsageError, match=r"state\.refused"):
        require(State.SECURE_APPLICATION, Permission.MEASURE)


def test_every_state_is_described_and_can_be_reached() -> None:
    assert set(STATES) == set(ALLOWED) == set(State)
    reached = {step.after for step in TRANSITIONS.values()} | {state_of(INITIAL)}
    assert reached == set(State)


def test_every_condition_has_a_rule_and_every_event_a_condition() -> None:
    assert set(CONDITIONS) == set(Condition)
    used = [event for rule in CONDITIONS.values() for event in (rule.begins, rule.ends) if event is not None]
    assert sorted(used) == sorted(Event)


def test_what_is_told_stands_in_the_catalogue() -> None:
    for rule in CONDITIONS.values():
        assert {rule.logged, rule.logged_end} <= {"", *EVENTS}
        assert bool(rule.over) == (rule.ends is not None)


def test_graver_conditions_come_first() -> None:
    order = [
        State.SECURE_BOOT,
        State.RESTART_LOOP,
        State.BOOT,
        State.SECURE_APPLICATION,
        State.SECURE_CONNECTIVITY,
        State.SECURE_MEASUREMENT,
    ]
    assert [state for state, _ in itertools.groupby(rule.state for rule in CONDITIONS.values())] == order


def test_the_states_of_the_handbook_allow_what_it_says() -> None:
    assert ALLOWED[State.SECURE_BOOT] == ALLOWED[State.RESTART_LOOP] == frozenset()
    assert not ALLOWED[State.SECURE_APPLICATION] & {Permission.MEASURE, Permission.DELIVER}
    assert Permission.OBEY_ADMINISTRATOR in ALLOWED[State.SECURE_APPLICATION]
    assert ALLOWED[State.SECURE_CONNECTIVITY] == set(Permission) - {Permission.SERVE_CONSUMER}
    assert ALLOWED[State.SECURE_MEASUREMENT] == ALLOWED[State.NORMAL] == set(Permission)


@pytest.mark.parametrize(
    ("before", "event", "after"),
    [
        (State.BOOT, Event.BOOT_CHECKS_PASSED, State.SECURE_MEASUREMENT),
        (State.BOOT, Event.BOOT_CHECKS_FAILED, State.RESTART_LOOP),
        (State.BOOT, Event.PROGRAM_DAMAGED, State.SECURE_BOOT),
        (State.BOOT, Event.VERSION_DIFFERS, State.SECURE_BOOT),
        (State.BOOT, Event.SLOT_FAULTY, State.SECURE_BOOT),
        (State.NORMAL, Event.LOGS_FULL, State.SECURE_BOOT),
        (State.NORMAL, Event.INTEGRITY_LOST, State.SECURE_BOOT),
        (State.NORMAL, Event.READINGS_FULL, State.SECURE_APPLICATION),
        (State.NORMAL, Event.CALIBRATION_FULL, State.SECURE_APPLICATION),
        (State.SECURE_APPLICATION, Event.READINGS_HAVE_ROOM, State.NORMAL),
        (State.NORMAL, Event.NETWORKS_JOINED, State.SECURE_CONNECTIVITY),
        (State.SECURE_CONNECTIVITY, Event.NETWORKS_SEPARATE, State.NORMAL),
        (State.NORMAL, Event.CLOCK_INVALID, State.SECURE_MEASUREMENT),
        (State.SECURE_MEASUREMENT, Event.CLOCK_VALID, State.NORMAL),
        (State.SECURE_MEASUREMENT, Event.NETWORKS_JOINED, State.SECURE_CONNECTIVITY),
    ],
)
def test_the_handbook_s_transitions(before: State, event: Event, after: State) -> None:
    assert TRANSITIONS[before, event].after is after


def test_nothing_leads_out_of_what_needs_a_new_start() -> None:
    assert not [pair for pair in TRANSITIONS if pair[0] in (State.SECURE_BOOT, State.RESTART_LOOP)]


def test_checks_of_a_start_can_not_fail_later() -> None:
    for event in (Event.BOOT_CHECKS_FAILED, Event.PROGRAM_DAMAGED, Event.VERSION_DIFFERS, Event.SLOT_FAULTY):
        assert change_of(NOTHING, event) is None
        assert change_of(INITIAL, event) is not None


def test_a_fault_that_ends_leads_back_to_what_holds_besides() -> None:
    held = frozenset({Condition.CLOCK_INVALID, Condition.STORAGE_FULL})
    change = change_of(held, Event.STORAGE_AVAILABLE)
    assert change is not None
    assert state_of(change.conditions) is State.SECURE_MEASUREMENT
    change = change_of(held, Event.CLOCK_VALID)
    assert change is not None
    assert state_of(change.conditions) is State.SECURE_APPLICATION
    change = change_of(change.conditions, Event.STORAGE_AVAILABLE)
    assert change is not None
    assert state_of(change.conditions) is State.NORMAL


def test_joined_networks_keep_the_consumer_interface_off_also_in_a_graver_state() -> None:
    held = frozenset({Condition.NETWORKS_JOINED, Condition.READINGS_FULL})
    assert state_of(held) is State.SECURE_APPLICATION
    assert allowed_by(held) == {Permission.OBEY_ADMINISTRATOR, Permission.KEEP_TIME}


@given(st.lists(st.sampled_from(Event)))
def test_in_any_order_of_events_a_gateway_may_do_what_all_its_conditions_allow(events: list[Event]) -> None:
    conditions = INITIAL
    for event in events:
        change = change_of(conditions, event)
        if change is not None:
            assert (change.condition in conditions) is not change.began
            assert bool(change.reason)
            conditions = change.conditions
    states = [CONDITIONS[condition].state for condition in conditions]
    assert state_of(conditions) in (states or [State.NORMAL])
    for permission in Permission:
        assert (permission in allowed_by(conditions)) == all(permission in ALLOWED[state] for state in states)

"""The operating states: every transition of the table is carried out and logged, everything else changes nothing."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from smgw.core.errors import UsageError
from smgw.core.instant import ClockStatus
from smgw.core.log_event import Log
from smgw.core.state import ALLOWED, TRANSITIONS, Event, Permission, State, next_state, require
from smgw.gateway.leds import leds_of
from smgw.gateway.logs import Recorder
from smgw.gateway.states import StateKeeper
from smgw.net.clock import ManualClock
from smgw.storage.journal import Journal
from tests.gateway.gateway_parts import START


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal.open(tmp_path / "journal.db", bytes(32)) as journal:
        yield journal


@pytest.fixture
def keeper(journal: Journal) -> StateKeeper:
    return StateKeeper(Recorder(journal, ManualClock(START)))


def events(journal: Journal) -> list[str]:
    return [stored.entry.event for stored in journal.log(Log.SYSTEM)]


@pytest.mark.req("STATE-01")
@pytest.mark.parametrize(("state", "event"), sorted(TRANSITIONS))
def test_every_transition_of_the_table_is_carried_out_and_logged(
    state: State, event: Event, keeper: StateKeeper, journal: Journal
) -> None:
    keeper.state = state
    keeper.handle(event)
    assert keeper.state is TRANSITIONS[state, event].after
    assert events(journal)[0] == "state_changed"
    assert [stored.entry.event for stored in journal.log(Log.CALIBRATION)][0] == "state_changed"


@pytest.mark.req("STATE-01")
def test_a_pair_that_is_not_in_the_table_changes_nothing(keeper: StateKeeper, journal: Journal) -> None:
    for state in State:
        for event in Event:
            if (state, event) not in TRANSITIONS:
                keeper.state = state
                keeper.handle(event)
                assert keeper.state is state
    assert events(journal) == []


@pytest.mark.req("STATE-01")
def test_a_gateway_measures_normally_only_after_its_checks_and_with_valid_time(keeper: StateKeeper) -> None:
    keeper.handle(Event.CLOCK_VALID)
    assert keeper.state is State.BOOT
    keeper.handle(Event.BOOT_CHECKS_PASSED)
    assert keeper.state is State.SECURE_MEASUREMENT
    keeper.handle(Event.CLOCK_VALID)
    assert keeper.state is State.NORMAL
    keeper.handle(Event.CLOCK_INVALID)
    assert keeper.state is State.SECURE_MEASUREMENT


def test_every_state_but_boot_and_normal_can_be_reached_and_each_has_its_rights() -> None:
    reached = {step.after for step in TRANSITIONS.values()}
    assert reached >= {State.NORMAL, State.SECURE_BOOT, State.SECURE_APPLICATION, State.SECURE_MEASUREMENT}
    assert set(ALLOWED) == set(State)


@pytest.mark.req("STATE-01")
def test_what_a_state_does_not_allow_is_refused_with_a_code() -> None:
    require(State.NORMAL, Permission.MEASURE)
    with pytest.raises(UsageError, match=r"state\.refused"):
        require(State.SECURE_APPLICATION, Permission.MEASURE)


def test_full_storage_is_told_and_so_is_its_end(keeper: StateKeeper, journal: Journal) -> None:
    keeper.state = State.NORMAL
    keeper.handle(Event.STORAGE_FULL)
    assert keeper.storage_full
    keeper.handle(Event.STORAGE_AVAILABLE)
    assert events(journal) == ["state_changed", "storage_full", "state_changed", "storage_available"]


def test_a_transition_to_the_same_state_is_none() -> None:
    assert next_state(State.NORMAL, Event.CLOCK_VALID) is None


@pytest.mark.req("STATE-02")
@pytest.mark.parametrize(
    ("state", "clock", "heard", "connected", "patterns"),
    [
        (State.BOOT, ClockStatus.UNSET, False, False, ["blink_500", "off", "off", "off"]),
        (State.NORMAL, ClockStatus.VALID, True, True, ["on", "on", "on", "off"]),
        (State.NORMAL, ClockStatus.VALID, False, True, ["on", "on", "off", "off"]),
        (State.SECURE_MEASUREMENT, ClockStatus.INVALID, True, False, ["on", "off", "off", "off"]),
        (State.SECURE_APPLICATION, ClockStatus.VALID, True, True, ["blink_50", "on", "on", "off"]),
        (State.SECURE_BOOT, ClockStatus.VALID, True, True, ["blink_50"] * 4),
    ],
)
def test_the_lamps_show_the_state(state: State, clock: ClockStatus, heard: bool, connected: bool, patterns: list[str]) -> None:
    lamps = leds_of(state, clock, meters_heard=heard, administrator_connected=connected)
    assert [lamp.name for lamp in lamps] == ["PWR", "TLS", "LMC", "wMT"]
    assert [lamp.pattern for lamp in lamps] == patterns

"""The keeper of the operating state: it follows the tables, logs each change, tells its watchers and lists alarms."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from tests.gateway.gateway_parts import START

from smgw.core.log_event import Log
from smgw.core.state import CONDITIONS, TRANSITIONS, Condition, Event, Permission, State
from smgw.gateway.logs import Recorder
from smgw.gateway.states import StateKeeper
from smgw.net.clock import ManualClock
from smgw.storage.journal import Journal

pytestmark = pytest.mark.req("STATE-01")

WAY = {
    State.BOOT: (),
    State.SECURE_MEASUREMENT: (Event.BOOT_CHECKS_PASSED,),
    State.NORMAL: (Event.BOOT_CHECKS_PASSED, Event.CLOCK_VALID),
    State.SECURE_CONNECTIVITY: (Event.BOOT_CHECKS_PASSED, Event.CLOCK_VALID, Event.NETWORKS_JOINED),
    State.SECURE_APPLICATION: (Event.BOOT_CHECKS_PASSED, Event.CLOCK_VALID, Event.STORAGE_FULL),
}


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal.open(tmp_path / "journal.db", bytes(32)) as journal:
        yield journal


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
def keeper(journal: Journal, clock: ManualClock) -> StateKeeper:
    return StateKeeper(Recorder(journal, clock), clock)


def events(journal: Journal, log: Log = Log.SYSTEM) -> list[str]:
    return [stored.entry.event for stored in journal.log(log)]


def test_an_event_that_changes_nothing_is_not_logged(keeper: StateKeeper, journal: Journal) -> None:
    for event in (Event.STORAGE_AVAILABLE, Event.CLOCK_INVALID, Event.NETWORKS_SEPARATE, Event.READINGS_HAVE_ROOM):
        keeper.handle(event)
    assert keeper.state is State.BOOT
    assert events(journal) == []


@pytest.mark.parametrize(("state", "event"), sorted(pair for pair in TRANSITIONS if pair[0] in WAY))
@pytest.mark.step("4.1.1", event="state_changed")
def test_every_transition_of_the_table_is_carried_out_and_logged_twice(
    state: State, event: Event, keeper: StateKeeper, journal: Journal
) -> None:
    for step in WAY[state]:
        keeper.handle(step)
    assert keeper.state is state
    if state is State.SECURE_APPLICATION and CONDITIONS[Condition.STORAGE_FULL].ends is not event and event.endswith("room"):
        keeper.handle(Event.STORAGE_AVAILABLE)
        keeper.handle(next(rule.begins for rule in CONDITIONS.values() if rule.ends is event and rule.begins is not None))
    count = len(events(journal))
    keeper.handle(event, reason="tested", store="readings")
    assert keeper.state is TRANSITIONS[state, event].after
    entry = journal.log(Log.SYSTEM)[count].entry
    assert (entry.event, entry.parameters["after"]) == ("state_changed", keeper.state)
    assert entry.parameters["reason"] == TRANSITIONS[state, event].reason
    assert events(journal)[count:] == events(journal, Log.CALIBRATION)[-len(events(journal)[count:]) :]
    assert all(stored.entry.text("de") for stored in journal.log(Log.SYSTEM))


def test_a_gateway_measures_normally_only_after_its_checks_and_with_valid_time(keeper: StateKeeper) -> None:
    keeper.handle(Event.CLOCK_VALID)
    assert keeper.state is State.BOOT
    keeper.handle(Event.CLOCK_INVALID)
    keeper.handle(Event.BOOT_CHECKS_PASSED)
    assert keeper.state is State.SECURE_MEASUREMENT
    keeper.handle(Event.CLOCK_VALID)
    assert keeper.state is State.NORMAL
    keeper.handle(Event.CLOCK_INVALID)
    assert keeper.state is State.SECURE_MEASUREMENT


def test_time_that_was_valid_all_along_counts_once_the_storage_is_back(keeper: StateKeeper) -> None:
    for event in (Event.BOOT_CHECKS_PASSED, Event.CLOCK_VALID, Event.STORAGE_FULL, Event.STORAGE_AVAILABLE):
        keeper.handle(event)
    assert keeper.state is State.NORMAL


@pytest.mark.step("1.4.1", event="storage_full")
@pytest.mark.step("1.4.1", event="storage_available")
def test_full_storage_is_told_and_so_is_its_end(keeper: StateKeeper, journal: Journal) -> None:
    for event in WAY[State.NORMAL]:
        keeper.handle(event)
    keeper.handle(Event.STORAGE_FULL)
    assert keeper.storage_full
    assert not keeper.allows(Permission.MEASURE)
    keeper.handle(Event.STORAGE_AVAILABLE)
    assert not keeper.storage_full
    assert events(journal)[-4:] == ["state_changed", "storage_full", "state_changed", "storage_available"]


def test_measuring_is_tried_again_only_when_nothing_but_the_disk_stops_it(keeper: StateKeeper) -> None:
    for event in (*WAY[State.NORMAL], Event.READINGS_FULL, Event.STORAGE_FULL):
        keeper.handle(event)
    assert not keeper.storage_full
    keeper.handle(Event.READINGS_HAVE_ROOM)
    assert keeper.storage_full


def test_a_second_condition_of_the_same_state_is_told_without_a_change_of_state(keeper: StateKeeper, journal: Journal) -> None:
    for event in WAY[State.SECURE_APPLICATION]:
        keeper.handle(event)
    count = len(events(journal))
    keeper.handle(Event.CALIBRATION_FULL)
    assert events(journal)[count:] == ["calibration_log_full"]


def test_only_a_new_start_leads_out_of_secure_state_boot(keeper: StateKeeper) -> None:
    assert not keeper.is_dead
    keeper.handle(Event.BOOT_CHECKS_PASSED)
    keeper.handle(Event.INTEGRITY_LOST, reason="journal.chain")
    assert keeper.is_dead
    for event in Event:
        keeper.handle(event, reason="x", store="readings")
        assert keeper.state is State.SECURE_BOOT
    assert not any(keeper.allows(permission) for permission in Permission)


def test_alarms_name_what_holds_since_when_and_why(keeper: StateKeeper, clock: ManualClock) -> None:
    assert [alarm.condition for alarm in keeper.alarms()] == [Condition.CLOCK_INVALID]
    clock._us += 60_000_000
    for event in (Event.BOOT_CHECKS_PASSED, Event.NETWORKS_JOINED):
        keeper.handle(event, reason="0.0.0.0:443 listens")
    assert keeper.alarms() == [
        (Condition.NETWORKS_JOINED, START + timedelta(minutes=1), "0.0.0.0:443 listens"),
        (Condition.CLOCK_INVALID, START, "time is not valid"),
    ]
    keeper.handle(Event.NETWORKS_SEPARATE)
    keeper.handle(Event.CLOCK_VALID)
    assert keeper.alarms() == []


def test_watchers_learn_of_each_change_and_of_nothing_else(keeper: StateKeeper) -> None:
    seen: list[State] = []
    keeper.watch(lambda: seen.append(keeper.state))
    keeper.handle(Event.BOOT_CHECKS_PASSED)
    keeper.handle(Event.BOOT_CHECKS_PASSED)
    keeper.handle(Event.CLOCK_VALID)
    assert seen == [State.SECURE_MEASUREMENT, State.NORMAL]

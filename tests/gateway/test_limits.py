"""How full the stores are: each level is told once, also over restarts, and a full store changes the operating state."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.gateway.gateway_parts import START
from tests.gateway.management_channel import Channel
from tests.storage.samples import KEY, entry, signed
from tests.storage.signing import SIGNER

from smgw.core.errors import PeerFault
from smgw.core.log_event import Log
from smgw.core.state import Event, State
from smgw.gateway.config import StorageLimits
from smgw.gateway.limits import FULL, LEVELS, STORES, LimitSettings, LimitWatch, check_room, fills, full_stores, limits_in_force
from smgw.gateway.logs import Recorder
from smgw.gateway.states import StateKeeper
from smgw.net.clock import ManualClock
from smgw.storage.journal import Journal

pytestmark = pytest.mark.req("STATE-04")

LIMITS = StorageLimits(readings=100, system_log=1000, calibration_log=1000, consumer_log=1000)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal.open(tmp_path / "journal.db", KEY) as journal:
        yield journal


class Bench:
    """Watch a journal's limits."""

    def __init__(self, journal: Journal, limits: StorageLimits = LIMITS) -> None:
        clock = ManualClock(START)
        recorder = Recorder(journal, clock)
        self.states = StateKeeper(recorder, clock)
        for event in (Event.BOOT_CHECKS_PASSED, Event.CLOCK_VALID):
            self.states.handle(event)
        self.journal = journal
        self.watch = LimitWatch(journal, recorder, limits, self.states.handle)

    def told(self) -> list[tuple[str, str]]:
        names = {"store_filling", "store_nearly_full", "readings_full", "calibration_log_full", "logs_full", "storage_available"}
        entries = [stored.entry for stored in self.journal.log(Log.SYSTEM)]
        return [(one.event, one.parameters.get("store", "")) for one in entries if one.event in names]


def fill_readings(journal: Journal, count: int) -> None:
    first = journal.count_readings() + 1
    journal.append_readings([signed(number) for number in range(first, first + count)])


def test_each_level_of_the_readings_is_told_once_and_the_limit_stops_measuring(journal: Journal) -> None:
    bench = Bench(journal)
    for count, expected in (
        (79, []),
        (1, [("store_filling", "readings")]),
        (14, []),
        (1, [("store_nearly_full", "readings")]),
        (4, []),
        (1, [("readings_full", "readings")]),
        (1, []),
    ):
        before = len(bench.told())
        fill_readings(journal, count)
        bench.watch.check()
        assert bench.told()[before:] == expected
    assert bench.states.state is State.SECURE_APPLICATION
    assert full_stores(journal, LIMITS) == ["readings"]


def test_measuring_goes_on_only_below_95_percent(journal: Journal) -> None:
    bench = Bench(journal)
    fill_readings(journal, 100)
    bench.watch.check()
    for number, state in ((1, State.SECURE_APPLICATION), (5, State.SECURE_APPLICATION), (6, State.NORMAL)):
        journal.cut("readings", "", number, START, SIGNER)
        bench.watch.check()
        assert bench.states.state is state
    assert bench.told()[-1] == ("storage_available", "")


def test_a_level_that_was_left_is_told_again_when_it_is_reached_again(journal: Journal) -> None:
    bench = Bench(journal)
    fill_readings(journal, 80)
    bench.watch.check()
    journal.cut("readings", "", 10, START, SIGNER)
    bench.watch.check()
    fill_readings(journal, 10)
    bench.watch.check()
    assert bench.told() == [("store_filling", "readings")] * 2


def test_what_was_told_is_not_told_again_after_a_restart(journal: Journal) -> None:
    fill_readings(journal, 96)
    Bench(journal).watch.check()
    bench = Bench(journal)
    bench.watch.check()
    assert bench.told() == [("store_filling", "readings"), ("store_nearly_full", "readings")]


def test_a_full_calibration_log_stops_measuring_and_tells_the_administrator(journal: Journal) -> None:
    bench = Bench(journal)
    journal.append_log([entry(number, Log.CALIBRATION) for number in range(1000)])
    bench.watch.check()
    assert bench.states.state is State.SECURE_APPLICATION
    assert bench.told()[-1] == ("calibration_log_full", "calibration log")
    assert [str(alarm.condition) for alarm in bench.states.alarms()] == ["calibration_full"]
    Bench(journal, LIMITS)
    higher = Bench(journal, StorageLimits())
    higher.watch.check()
    assert higher.states.state is State.NORMAL


@pytest.mark.parametrize(("log", "consumer", "name"), [(Log.SYSTEM, "", "system log"), (Log.CONSUMER, "flat1", "consumer log flat1")])
def test_full_log_books_lead_to_secure_state_boot(journal: Journal, log: Log, consumer: str, name: str) -> None:
    bench = Bench(journal)
    journal.append_log([entry(number, log, consumer) for number in range(1000)])
    found = bench.watch.check()
    assert found[name] >= FULL
    assert bench.states.state is State.SECURE_BOOT
    assert bench.told()[-1] == ("logs_full", name)


def test_each_consumer_s_log_has_a_limit_of_its_own(journal: Journal) -> None:
    journal.append_log([entry(number, Log.CONSUMER, who) for number in range(400) for who in ("flat1", "flat2")])
    assert {fill.name: fill.percent for fill in fills(journal, LIMITS)} == {"consumer log flat1": 40, "consumer log flat2": 40}


def test_the_levels_are_those_of_the_specification() -> None:
    assert [percent for percent, _ in LEVELS] == [80, 95]
    assert {kind.kind for kind in STORES.values()} == {"readings", *Log}


def test_the_administrator_makes_room_by_a_higher_limit(tmp_path: Path) -> None:
    channel = Channel(tmp_path / "journal.db")
    with channel.journal:
        bench = Bench(channel.journal)
        channel.context = channel.context._replace(limits_set=bench.watch.check, state=lambda: bench.states.state)
        fill_readings(channel.journal, 100)
        bench.watch.check()
        assert bench.states.state is State.SECURE_APPLICATION
        assert channel.ask(channel.command("PUT", "rts/storage-limits", {"readings": 1_000})).status == 200
        assert bench.states.state is State.NORMAL
        assert limits_in_force(channel.journal, LIMITS) == StorageLimits(1_000, 1_000, 1_000, 1_000)
        told = {log: [stored.entry.parameters for stored in channel.journal.log(log) if stored.entry.event == "limits_set"] for log in Log}
        assert told[Log.SYSTEM] == told[Log.CALIBRATION] == [{"limits": "readings 1000"}]
        assert channel.ask(channel.command("PUT", "rts/storage-limits", {})).status == 200
        assert limits_in_force(channel.journal, LIMITS) == LIMITS


@pytest.mark.parametrize("body", [None, [], {"readings": 999}, {"system_log": 100_000_001}, {"readings": "5000"}, {"outbox": 5_000}])
def test_limits_that_can_not_be_are_refused_and_change_nothing(tmp_path: Path, body: object) -> None:
    channel = Channel(tmp_path / "journal.db")
    with channel.journal:
        answer = channel.ask(channel.command("PUT", "rts/storage-limits", body))
        assert (answer.status, answer.code) == (400, "limits.settings")
        assert limits_in_force(channel.journal, LIMITS) == LIMITS


@pytest.mark.parametrize(("stored", "refused"), [(999, False), (1_000, True)])
def test_a_limit_that_is_reached_already_is_refused(journal: Journal, stored: int, refused: bool) -> None:
    fill_readings(journal, stored)
    if refused:
        with pytest.raises(PeerFault, match="readings holds 1000 rows"):
            check_room(journal, LimitSettings(readings=1_000))
    check_room(journal, LimitSettings(readings=1_000 if not refused else 1_001, system_log=1_000))

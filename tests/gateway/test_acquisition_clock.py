"""Readings out of order, doubled or far ahead, and a clock that jumps both ways: named events, right state, right log, nothing mended."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.gateway.gateway_parts import GATEWAY_ID, METER_ID, SERVER_ID, START, evaluation_profile, gateway_identity, meter_profile

from smgw.core.instant import ClockStatus, period_floor
from smgw.core.log_event import Log
from smgw.core.obis import ACTIVE_ENERGY_EXPORT, ACTIVE_ENERGY_IMPORT
from smgw.core.profiles import EvaluationProfile
from smgw.core.reading import Reading
from smgw.core.state import Event as StateEvent
from smgw.core.state import State
from smgw.core.status_word import GATEWAY_OK, GatewayStatus
from smgw.gateway.acquisition import BACKFILL_LIMIT, Acquisition, Outcome, Record, Value
from smgw.gateway.clock import GatewayClock
from smgw.gateway.evaluation import Evaluation
from smgw.gateway.logs import Recorder
from smgw.gateway.states import StateKeeper
from smgw.gateway.store import BACKLOG_LIMIT, ReadingStore
from smgw.net.clock import ManualClock
from smgw.pki.triple import GATEWAY_KEYS
from smgw.protocol.clock_discipline import ClockEvent
from smgw.protocol.time_sync import TimeMeasurement
from smgw.storage.journal import Journal

QUARTER = timedelta(minutes=15)
MINUTE = timedelta(minutes=1)
STATE_EVENTS = {"clock_valid": StateEvent.CLOCK_VALID, "clock_invalid": StateEvent.CLOCK_INVALID}


class Rig:
    """Join clock, states, acquisition and store as the gateway does, without network and meters."""

    def __init__(self, path: Path, *contracts: EvaluationProfile) -> None:
        self.journal = Journal.open(path, bytes(32))
        self.base = ManualClock(START)
        self.clock = GatewayClock(self.base)
        self.recorder = Recorder(self.journal, self.clock)
        self.states = StateKeeper(self.recorder, self.clock)
        self.states.handle(StateEvent.BOOT_CHECKS_PASSED)
        self.acquisition = Acquisition(lambda: self.clock.steps)
        module = gateway_identity().module
        self.store = ReadingStore(
            journal=self.journal,
            recorder=self.recorder,
            evaluation=Evaluation(self.journal, self.recorder, GATEWAY_ID, module.random),
            module=module,
            key_name=GATEWAY_KEYS.sig,
            clock=self.clock,
            evaluation_profiles=lambda: list(contracts or (evaluation_profile(recipients=()),)),
            state_event=self.states.handle,
            queued=lambda: None,
        )
        self.admit()

    def admit(self) -> None:
        """Take up the meter where its series ended, as a start does."""
        last = self.journal.last_reading(METER_ID, ACTIVE_ENERGY_IMPORT)
        newest = period_floor(last.reading.target_time, 900) if last else None
        self.acquisition.admit(meter_profile(), newest, {})

    async def wait(self, duration: timedelta) -> None:
        """Let real time pass; the gateway closes what falls due."""
        await self.base.advance_to(self.base.now() + duration)
        self.tell(self.clock.handle_timeout())
        self.store.commit(self.acquisition.tick(self.clock.now(), self.clock.status))

    def measure(self, offset: timedelta) -> None:
        """Let the time server find the clock off by `offset`."""
        self.tell(self.clock.apply(TimeMeasurement(offset, timedelta())))

    async def step(self, offset: timedelta) -> None:
        """Let the time server set the clock by `offset`; it is stepped at the next full minute."""
        self.measure(offset)
        await self.wait(MINUTE)

    def tell(self, events: list[ClockEvent]) -> None:
        for event in events:
            self.recorder.note_with(event.name, event.parameters)
            if event.name in STATE_EVENTS:
                self.states.handle(STATE_EVENTS[event.name])

    def telegram(self, imported: int = 100, *, at: datetime | None = None) -> Outcome:
        values = {ACTIVE_ENERGY_IMPORT: Value(imported, -1, 30), ACTIVE_ENERGY_EXPORT: Value(7, -1, 30)}
        record = Record(SERVER_ID, at or self.clock.now(), values, 0x1C0104, self.clock.now())
        outcome = self.acquisition.receive(record, "optical", self.clock.status)
        self.store.commit(outcome)
        return outcome

    async def run(self, duration: timedelta, first: int = 100) -> None:
        """Let the meter send every 5 s."""
        for number in range(int(duration.total_seconds()) // 5):
            self.telegram(first + number)
            await self.wait(timedelta(seconds=5))

    def events(self, log: Log = Log.SYSTEM, consumer: str = "consumer1.sm") -> list[str]:
        return [stored.entry.event for stored in self.journal.log(log, consumer if log is Log.CONSUMER else "")]

    def count(self, event: str, log: Log = Log.SYSTEM, consumer: str = "consumer1.sm") -> int:
        return self.events(log, consumer).count(event)

    def values(self) -> list[tuple[datetime, int | None, int]]:
        """Give target time, value and gateway word of what is stored of the import register."""
        stored = self.journal.readings(METER_ID, [ACTIVE_ENERGY_IMPORT])
        return [(signed.reading.target_time, signed.reading.raw, signed.reading.gateway_status) for signed in stored]


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(tmp_path / "journal.db")
    yield rig
    rig.journal.verify()
    rig.journal.close()


@pytest.mark.req("TIME-01", "MEAS-01")
@pytest.mark.step("1.3.3", event="clock_not_set")
async def test_before_the_time_was_ever_set_nothing_is_stored_and_it_is_said_once(rig: Rig) -> None:
    for _ in range(3):
        rig.telegram()
        await rig.wait(QUARTER)
    assert rig.values() == []
    assert rig.count("clock_not_set") == rig.count("clock_not_set", Log.CALIBRATION) == 1
    assert rig.states.state is State.SECURE_MEASUREMENT
    assert rig.acquisition.next_deadline() is None
    rig.measure(timedelta(days=-300))
    assert rig.states.state is State.NORMAL
    rig.telegram(55)
    assert [value for _, value, _ in rig.values()] == [55]


@pytest.mark.req("TIME-01", "MEAS-02")
async def test_a_clock_that_starts_far_ahead_closes_no_period_of_the_future(rig: Rig) -> None:
    rig.measure(timedelta())
    rig.telegram()
    rig.clock = GatewayClock(rig.base)
    rig.acquisition = Acquisition(lambda: rig.clock.steps)
    rig.admit()
    # The computer starts with a time four years off, and no time server answers yet.
    await rig.wait(timedelta(days=1461))
    rig.telegram()
    await rig.wait(QUARTER)
    assert len(rig.values()) == 1
    assert rig.count("clock_not_set") == 1
    rig.measure(-timedelta(days=1461) + QUARTER)
    rig.telegram(120)
    await rig.wait(QUARTER)
    targets = [target for target, _, _ in rig.values()]
    assert max(targets) <= START + 3 * QUARTER
    assert "clock_stepped" in rig.events(Log.CALIBRATION)


@pytest.mark.req("TIME-01", "TIME-02", "STATE-01")
async def test_a_step_forward_leaves_marked_periods_and_takes_no_value_heard_before_it(rig: Rig) -> None:
    rig.measure(timedelta())
    await rig.run(QUARTER)
    rig.measure(timedelta(minutes=17))
    assert rig.states.state is State.SECURE_MEASUREMENT
    rig.telegram(5000)
    # At the step the clock goes from 12:16:00 to 12:33:00, past 12:30:00.
    await rig.wait(MINUTE)
    assert rig.states.state is State.NORMAL
    rig.telegram(6000)
    await rig.wait(QUARTER - 3 * MINUTE)
    rig.telegram(7000)
    missing = GATEWAY_OK | GatewayStatus.NO_VALUE
    assert rig.values()[-2:] == [(START + 2 * QUARTER, None, missing), (START + 3 * QUARTER, 7000, GATEWAY_OK)]
    assert rig.count("value_missing") == rig.count("value_missing", Log.CONSUMER) == 1
    for log in (Log.SYSTEM, Log.CALIBRATION):
        told = [event for event in rig.events(log) if event in ("clock_invalid", "clock_stepped", "clock_valid")]
        assert told == ["clock_valid", "clock_invalid", "clock_stepped", "clock_valid"]


@pytest.mark.req("TIME-01", "MEAS-01")
async def test_values_taken_while_the_time_is_not_valid_are_marked(rig: Rig) -> None:
    rig.measure(timedelta())
    await rig.run(QUARTER - MINUTE)
    rig.measure(timedelta(seconds=40))
    assert rig.clock.status is ClockStatus.INVALID
    await rig.run(MINUTE - timedelta(seconds=10))
    rig.telegram(900, at=START + QUARTER)
    assert rig.values()[-1] == (START + QUARTER, 900, GATEWAY_OK | GatewayStatus.TIME_NOT_VALID)


@pytest.mark.req("TIME-02", "MEAS-01")
@pytest.mark.step("1.3.3", event="clock_behind_values")
async def test_a_step_back_over_stored_values_is_told_and_doubles_nothing(rig: Rig) -> None:
    rig.measure(timedelta())
    await rig.run(4 * QUARTER + MINUTE)
    before = rig.values()
    await rig.step(timedelta(minutes=-40))
    await rig.run(30 * MINUTE, first=2000)
    assert rig.values() == before
    assert rig.count("clock_behind_values") == rig.count("clock_behind_values", Log.CALIBRATION) == 1
    assert rig.count("telegram_out_of_order") == 0
    await rig.run(30 * MINUTE, first=4000)
    added = rig.values()[len(before) :]
    assert [target for target, _, _ in added] == [START + 5 * QUARTER]
    assert all(value is not None for _, value, _ in added)
    assert rig.count("reading_refused") == 0


@pytest.mark.req("LMN-04", "MEAS-02")
@pytest.mark.step("1.3.2", event="telegram_out_of_order")
async def test_telegrams_out_of_order_are_told_once_and_neither_is_used(rig: Rig) -> None:
    rig.measure(timedelta())
    rig.telegram(1)
    await rig.wait(QUARTER - timedelta(seconds=3))
    rig.telegram(20)
    earlier = rig.clock.now() - timedelta(minutes=2)
    assert [event.name for event in rig.telegram(19, at=earlier).events] == ["telegram_out_of_order"]
    rig.telegram(18, at=earlier - timedelta(minutes=2))
    await rig.wait(timedelta(seconds=20))
    assert rig.values()[1:] == [(START + QUARTER, None, GATEWAY_OK | GatewayStatus.NO_VALUE)]
    assert rig.count("telegram_out_of_order") == 1
    assert rig.count("telegram_out_of_order", Log.CALIBRATION) == 0
    rig.telegram(21)
    await rig.wait(timedelta(seconds=5))
    rig.telegram(22, at=rig.clock.now() - timedelta(minutes=1))
    assert rig.count("telegram_out_of_order") == 2


@pytest.mark.req("LMN-04")
async def test_a_telegram_a_little_late_is_no_disorder(rig: Rig) -> None:
    rig.measure(timedelta())
    rig.telegram(1)
    await rig.wait(QUARTER)
    rig.telegram(30)
    rig.telegram(29, at=rig.clock.now() - timedelta(seconds=4))
    assert rig.values()[1:] == [(START + QUARTER, 30, GATEWAY_OK)]
    assert rig.count("telegram_out_of_order") == 0


@pytest.mark.req("MEAS-01")
async def test_a_doubled_telegram_gives_one_reading(rig: Rig) -> None:
    rig.measure(timedelta())
    rig.telegram(1)
    await rig.wait(QUARTER)
    for _ in range(3):
        rig.telegram(2)
    assert rig.values() == [(START, 1, GATEWAY_OK), (START + QUARTER, 2, GATEWAY_OK)]


def stored(target: datetime, raw: int) -> Reading:
    return Reading(METER_ID, ACTIVE_ENERGY_IMPORT, raw, -1, 30, target, target, GATEWAY_OK, 4)


@pytest.mark.req("MEAS-01", "LOG-01")
@pytest.mark.step("1.3.2", event="reading_refused")
async def test_a_second_value_of_a_period_is_refused_alone_and_told(rig: Rig) -> None:
    rig.store.commit(Outcome([stored(START, 1), stored(START + QUARTER, 2)], []))
    rig.store.commit(Outcome([stored(START + QUARTER, 99), stored(START + 2 * QUARTER, 3)], []))
    assert [value for _, value, _ in rig.values()] == [1, 2, 3]
    for log in (Log.SYSTEM, Log.CALIBRATION):
        (entry,) = [found.entry for found in rig.journal.log(log) if found.entry.event == "reading_refused"]
        assert entry.text("en") == f"Meter {METER_ID}: second value for 2026-03-01T12:15:00Z of register 1-0:1.8.0*255 refused"
        assert not entry.success
    rig.store.commit(Outcome([stored(START + 3 * QUARTER, 4)], []))
    assert len(rig.values()) == 4


@pytest.mark.req("MEAS-01", "TIME-02")
async def test_a_value_far_in_the_future_stops_the_series_audibly(rig: Rig) -> None:
    rig.measure(timedelta())
    rig.store.commit(Outcome([stored(START + timedelta(days=400), 1)], []))
    rig.admit()
    rig.telegram()
    await rig.wait(QUARTER)
    assert len(rig.values()) == 1
    (entry,) = [found.entry for found in rig.journal.log(Log.CALIBRATION) if found.entry.event == "clock_behind_values"]
    assert entry.parameters == {"meter": METER_ID, "seconds": str(400 * 86_400)}


@pytest.mark.req("MEAS-02")
@pytest.mark.step("1.3.4", event="values_missing")
async def test_a_standstill_is_told_in_one_entry_with_its_length(rig: Rig) -> None:
    rig.measure(timedelta())
    rig.telegram()
    await rig.wait(10 * QUARTER)
    (entry,) = [found.entry for found in rig.journal.log(Log.CONSUMER, "consumer1.sm") if found.entry.event.startswith("value")]
    assert entry.event == "values_missing"
    assert entry.parameters["count"] == "9"
    assert (entry.parameters["first"], entry.parameters["last"]) == ("2026-03-01T12:15:00Z", "2026-03-01T14:15:00Z")
    assert len(rig.values()) == 10


@pytest.mark.req("MEAS-02")
@pytest.mark.step("1.3.4", event="periods_skipped")
async def test_periods_too_far_back_to_be_marked_are_told(rig: Rig) -> None:
    rig.measure(timedelta())
    rig.telegram()
    rig.admit()
    rig.store.commit(rig.acquisition.tick(START + QUARTER * (BACKFILL_LIMIT + 50), ClockStatus.VALID))
    assert rig.count("periods_skipped") == rig.count("periods_skipped", Log.CALIBRATION) == 1
    assert len(rig.values()) == BACKFILL_LIMIT + 1


@pytest.mark.req("MEAS-01", "STATE-04")
@pytest.mark.step("1.4.1", event="values_given_up")
async def test_what_a_full_disk_made_the_gateway_give_up_is_told(rig: Rig) -> None:
    connection = rig.journal._database.connection
    connection.execute("PRAGMA max_page_count=1")
    for block in range(5):
        rig.store.commit(Outcome([stored(START + QUARTER * number, number) for number in range(block * 500, block * 500 + 500)], []))
    assert rig.states.state is State.SECURE_APPLICATION
    connection.execute(f"PRAGMA max_page_count={1 << 30}")
    rig.store.commit(Outcome([stored(START + QUARTER * 2500, 2500)], []))
    assert len(rig.values()) == BACKLOG_LIMIT + 1
    for log in (Log.SYSTEM, Log.CALIBRATION):
        (entry,) = [found.entry for found in rig.journal.log(log) if found.entry.event == "values_given_up"]
        assert entry.parameters == {"count": "500"}


@pytest.mark.req("LOG-01")
@pytest.mark.step("1.4.1", event="values_stored")
async def test_each_complete_day_is_summed_up_for_the_administrator(rig: Rig) -> None:
    rig.measure(timedelta())
    rig.telegram()
    midnight = datetime(2026, 3, 1, 23, tzinfo=UTC)
    while rig.clock.now() < midnight - QUARTER:
        await rig.wait(QUARTER)
        rig.telegram()
    await rig.wait(QUARTER + MINUTE)
    (entry,) = [found.entry for found in rig.journal.log(Log.SYSTEM) if found.entry.event == "values_stored"]
    assert entry.parameters == {"meter": METER_ID, "day": "2026-03-01", "stored": "88", "missing": "2", "marked": "0"}
    assert rig.count("values_stored", Log.CONSUMER) == 0


@pytest.mark.req("CON-03")
async def test_a_consumer_is_told_only_of_the_time_of_an_own_contract(tmp_path: Path) -> None:
    moved = START + 8 * QUARTER
    rig = Rig(
        tmp_path / "journal.db",
        evaluation_profile(profile_id="old.sm", consumer_id="old.sm", valid_to=moved, recipients=()),
        evaluation_profile(profile_id="new.sm", consumer_id="new.sm", valid_from=moved, recipients=()),
    )
    rig.measure(timedelta())
    rig.telegram()
    await rig.wait(3 * QUARTER)
    assert (rig.count("value_missing", Log.CONSUMER, "old.sm"), rig.events(Log.CONSUMER, "new.sm")) == (2, [])
    rig.telegram()
    await rig.wait(10 * QUARTER)
    # The standstill spans both tenants, so neither is told where the other's part began or ended.
    assert rig.count("values_missing", Log.CONSUMER, "old.sm") == rig.count("values_missing", Log.CONSUMER, "new.sm") == 0
    assert rig.count("values_missing") == 1
    rig.telegram()
    await rig.wait(2 * QUARTER)
    assert rig.count("value_missing", Log.CONSUMER, "old.sm") == 2
    assert rig.count("value_missing", Log.CONSUMER, "new.sm") == 1
    rig.journal.close()


@pytest.mark.req("MEAS-01")
async def test_a_wired_gas_meter_keeps_its_own_status_word(rig: Rig) -> None:
    rig.measure(timedelta())
    rig.acquisition.admit(msgspec.structs.replace(meter_profile(), medium="gas"), None, {})
    record = Record(SERVER_ID, rig.clock.now(), {ACTIVE_ENERGY_IMPORT: Value(1, -1, 30)}, 0x1108)
    first = rig.acquisition.receive(record, "optical", ClockStatus.VALID)
    assert {reading.meter_status for reading in first.readings} == {0x1108}
    missing = rig.acquisition.tick(rig.clock.now() + QUARTER + MINUTE, ClockStatus.VALID)
    assert {reading.meter_status for reading in missing.readings} == {0x8}


ACTIONS = st.one_of(
    st.tuples(st.just("wait"), st.integers(1, 1500)),
    st.tuples(st.just("run"), st.integers(5, 200)),
    st.tuples(st.just("step"), st.sampled_from([-3000, -900, -400, -28, -5, -0.4, 0.4, 5, 28, 400, 900, 3000])),
    st.tuples(st.just("late"), st.integers(1, 900)),
)


@pytest.mark.req("MEAS-01", "MEAS-02", "TIME-02")
@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(ACTIONS, min_size=3, max_size=12))
async def test_whatever_the_clock_does_every_period_is_decided_once_in_order_and_every_gap_is_told(
    actions: list[tuple[str, float]],
) -> None:
    with TemporaryDirectory() as folder:
        rig = Rig(Path(folder) / "journal.db")
        rig.measure(timedelta())
        rig.telegram()
        for action, amount in actions:
            match action:
                case "wait":
                    await rig.wait(timedelta(seconds=amount))
                case "run":
                    await rig.run(timedelta(seconds=amount))
                case "step":
                    await rig.step(timedelta(seconds=amount))
                case "late":
                    rig.telegram(at=rig.clock.now() - timedelta(seconds=amount))
        rows = [signed.reading for signed in rig.journal.readings(METER_ID, [ACTIVE_ENERGY_IMPORT])]
        sequences = [signed.sequence for signed in rig.journal.readings(METER_ID, [ACTIVE_ENERGY_IMPORT])]
        targets = [row.target_time for row in rows]
        assert sequences == sorted(sequences)
        assert targets == [START + QUARTER * number for number in range(len(rows))]
        for row in rows[1:]:
            assert row.raw is None or abs(row.capture_time - row.target_time) <= QUARTER / 100
            assert (row.raw is None) == bool(row.gateway_status & GatewayStatus.NO_VALUE)
        entries = [found.entry for found in rig.journal.log(Log.SYSTEM)]
        told = sum(int(entry.parameters.get("count", "1")) for entry in entries if entry.event in ("value_missing", "values_missing"))
        assert told == sum(row.raw is None for row in rows)
        names = Counter(entry.event for entry in entries)
        assert names["reading_refused"] == names["periods_skipped"] == 0
        assert names["clock_stepped"] == rig.clock.steps
        rig.journal.verify()
        rig.journal.close()

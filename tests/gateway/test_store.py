"""Committing readings: all that follows from them in one step, nothing half when the disk refuses, nothing lost when it takes again."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from tests.gateway.gateway_parts import GATEWAY_ID, METER_ID, START, evaluation_profile, gateway_identity
from tests.storage.test_journal_disk_full import largest_file

from smgw.core.log_event import Log
from smgw.core.obis import ACTIVE_ENERGY_IMPORT
from smgw.core.reading import Reading
from smgw.core.state import Event as StateEvent
from smgw.core.status_word import GATEWAY_OK
from smgw.gateway.acquisition import Event, Outcome
from smgw.gateway.evaluation import Evaluation
from smgw.gateway.logs import Recorder
from smgw.gateway.store import BACKLOG_LIMIT, ReadingStore
from smgw.net.clock import ManualClock
from smgw.pki.triple import GATEWAY_KEYS
from smgw.security.reading_signature import verify_reading
from smgw.storage.journal import Journal

QUARTER = timedelta(minutes=15)


class Bench:
    """Hold a reading store over a real journal."""

    def __init__(self, path: Path) -> None:
        self.journal = Journal.open(path, bytes(32))
        self.states: list[StateEvent] = []
        self.queued = 0
        self.clock = clock = ManualClock(START)
        recorder = Recorder(self.journal, clock)
        module = gateway_identity().module
        self.store = ReadingStore(
            journal=self.journal,
            recorder=recorder,
            evaluation=Evaluation(self.journal, recorder, GATEWAY_ID, module.random),
            module=module,
            key_name=GATEWAY_KEYS.sig,
            clock=clock,
            evaluation_profiles=lambda: [evaluation_profile(registers=("1-0:1.8.0*255",))],
            state_event=self.states.append,
            queued=self.count,
        )

    def count(self) -> None:
        self.queued += 1

    def limit_pages(self, pages: int) -> None:
        """Let the file grow no further than it is, as a full disk does; 0 lifts the limit."""
        self.journal._database._connection.execute(f"PRAGMA max_page_count={pages or 1 << 30}")


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path / "journal.db")
    yield bench
    bench.journal.close()


def reading(index: int) -> Reading:
    target = START + QUARTER * index
    return Reading(METER_ID, ACTIVE_ENERGY_IMPORT, 1000 + index, -1, 30, target, target, GATEWAY_OK, 4)


@pytest.mark.req("MEAS-01")
def test_each_reading_is_stored_with_a_signature_that_verifies(bench: Bench) -> None:
    bench.store.commit(Outcome([reading(1)], []))
    (signed,) = bench.journal.readings(METER_ID)
    key = gateway_identity().triple.sig.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert verify_reading(signed, key) == reading(1)
    assert len(signed.signature) == 64


@pytest.mark.req("WAN-05")
@pytest.mark.step("1.2.1", event="meter_found")
@pytest.mark.step("3.2.2", event="profile_activated")
def test_reading_event_and_message_are_one_step(bench: Bench) -> None:
    bench.store.commit(Outcome([reading(1)], [Event("meter_found", {"meter": METER_ID})]))
    assert (bench.journal.count_readings(), bench.journal.delivery_counts()) == (1, (1, 0))
    events = [stored.entry.event for stored in bench.journal.log(Log.SYSTEM)]
    assert events == ["meter_found", "profile_activated"]
    assert bench.queued == 1


def test_nothing_to_store_touches_nothing(bench: Bench) -> None:
    bench.store.commit(Outcome([], []))
    assert bench.states == []


@pytest.mark.req("OPS-05", "MEAS-01")
def test_a_full_disk_leaves_nothing_half_done_and_nothing_lost(bench: Bench) -> None:
    bench.store.commit(Outcome([reading(1)], []))
    bench.limit_pages(1)
    stored = 1
    for index in range(2, 400):
        bench.store.commit(Outcome([reading(index)], [Event("value_missing", {"meter": METER_ID, "target": "x"})]))
        if bench.states[-1] is StateEvent.STORAGE_FULL:
            break
        stored = index
    assert bench.states[-1] is StateEvent.STORAGE_FULL
    assert bench.journal.count_readings() == stored
    assert bench.journal.delivery_counts()[0] == stored
    bench.limit_pages(0)
    bench.store.commit(Outcome([reading(stored + 2)], []))
    assert bench.states[-1] is StateEvent.STORAGE_AVAILABLE
    assert [signed.reading.raw for signed in bench.journal.readings(METER_ID)] == [1000 + index for index in range(1, stored + 3)]
    bench.journal.verify()


@pytest.mark.req("STATE-04")
def test_while_the_disk_takes_nothing_what_waits_is_not_evaluated_again_with_each_telegram(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str] = []
    run = bench.store._evaluation.run
    monkeypatch.setattr(bench.store._evaluation, "run", lambda *about: tried.append("run") or run(*about))
    for first in (1, 31):
        tried.clear()
        with largest_file(4096):
            for index in range(first, first + 29):
                bench.clock._us += 1_000_000
                bench.store.commit(Outcome([reading(index)], []))
        assert len(tried) == 1
        assert bench.states[-29:] == [StateEvent.STORAGE_FULL] * 29
        bench.store.commit(Outcome([reading(first + 29)], []))
        assert bench.journal.count_readings() == first + 29
    assert bench.states[-1] is StateEvent.STORAGE_AVAILABLE


def test_what_waits_for_the_disk_is_bounded(bench: Bench) -> None:
    bench.limit_pages(1)
    for start in range(1, 3 * BACKLOG_LIMIT, 500):
        bench.store.commit(Outcome([reading(index) for index in range(start, start + 500)], []))
    assert bench.states[-1] is StateEvent.STORAGE_FULL
    assert len(bench.store._backlog) == BACKLOG_LIMIT

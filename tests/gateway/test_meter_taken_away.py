"""A contract whose meter was taken away comes to its end all the same: it is billed, and the bill is sent."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from tests.gateway.gateway_parts import GATEWAY_ID, METER_ID, START, evaluation_profile, gateway_identity

from smgw.core.obis import ACTIVE_ENERGY_IMPORT
from smgw.core.reading import Reading
from smgw.core.status_word import GATEWAY_OK
from smgw.gateway.acquisition import Outcome
from smgw.gateway.evaluation import Evaluation
from smgw.gateway.logs import Recorder
from smgw.gateway.store import ReadingStore
from smgw.net.clock import ManualClock
from smgw.pki.triple import GATEWAY_KEYS
from smgw.storage.journal import Journal

pytestmark = pytest.mark.req("MEAS-03", "TAF-05")

QUARTER = timedelta(minutes=15)
EVENTS = {"stages": [1, 2], "events": {"low": 1, "high": 2}, "default": 1, "latency_s": 900}
CONTRACT = evaluation_profile(
    5, "billing", registers=("1-0:1.8.0*255",), valid_from=START, valid_to=START + 4 * QUARTER, rules=EVENTS, recipients=("emt1.sm",)
)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal.open(tmp_path / "journal.db", bytes(32)) as journal:
        yield journal


def store_of(journal: Journal) -> ReadingStore:
    clock = ManualClock(START + timedelta(days=1))
    recorder, module = Recorder(journal, clock), gateway_identity().module
    return ReadingStore(
        journal=journal,
        recorder=recorder,
        evaluation=Evaluation(journal, recorder, GATEWAY_ID, module.random),
        module=module,
        key_name=GATEWAY_KEYS.sig,
        clock=clock,
        evaluation_profiles=lambda: [CONTRACT],
        state_event=lambda _: None,
        queued=lambda: None,
    )


def test_time_alone_ends_the_last_period(journal: Journal) -> None:
    store = store_of(journal)
    for number in range(5):
        target = START + number * QUARTER
        store.commit(Outcome([Reading(METER_ID, ACTIVE_ENERGY_IMPORT, 1000 + 10 * number, -1, 30, target, target, GATEWAY_OK, 4)], []))
    assert journal.registers(CONTRACT.profile_id) == [], "events of the last quarter of an hour may still come"
    store.commit(Outcome([], [], {METER_ID: START + 5 * QUARTER}))
    assert {value.obis.e: value.raw for value in journal.registers(CONTRACT.profile_id)} == {1: 40, 2: 0, 63: 0, 0: 40}
    assert journal.delivery_counts() == (1, 0)
    store.commit(Outcome([], [], {METER_ID: START + 6 * QUARTER}))
    assert journal.delivery_counts() == (1, 0)

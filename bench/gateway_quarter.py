"""What a quarter hour of one meter costs the gateway: signing, storing, and evaluating it, in CPU time.

A month of quarter hours of one meter with two registers goes through the gateway's own store, each quarter in a transaction of its own with
full sync: the readings are signed and appended, TAF 2 (calendar of two stages) and TAF 7 (delivery each day) are carried on, each day is
summed up in the log. The peer is the same without contracts: what is between them is what evaluation costs. The far limit is the same
readings appended to a journal of the same kind, neither signed nor evaluated; most of what is between these two is the signatures.
Promise: the two contracts at most double what a quarter hour costs without them.
"""

import os
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bench.result import BenchResult
from smgw.core.obis import ACTIVE_ENERGY_EXPORT, ACTIVE_ENERGY_IMPORT
from smgw.core.profiles import EvaluationProfile
from smgw.core.reading import Reading
from smgw.core.status_word import GATEWAY_OK, METER_IDENTIFICATION
from smgw.gateway.acquisition import Outcome
from smgw.gateway.evaluation import Evaluation
from smgw.gateway.journal_signature import journal_signer
from smgw.gateway.logs import Recorder
from smgw.gateway.store import ReadingStore
from smgw.net.clock import ManualClock
from smgw.net.identity import create_keys, open_module
from smgw.pki.names import Role
from smgw.pki.triple import GATEWAY_KEYS
from smgw.security.module import SecurityModule
from smgw.storage.journal import Journal

DAYS = 31
ROUNDS = 3
PROMISED = 2.0

_START = datetime(2026, 1, 31, 23, 0, tzinfo=UTC)
"""A local midnight that begins a month."""
_QUARTER = timedelta(minutes=15)
_METER = "1SGW0010000001"
_CODES = (ACTIVE_ENERGY_IMPORT, ACTIVE_ENERGY_EXPORT)
_SIGNATURE = os.urandom(64)
_KEY = bytes(range(32))


def run() -> BenchResult:
    """Measure all three in turns, each on a journal of its own; CPU time of the process, median of the rounds."""
    ways: dict[str, Callable[[Path, SecurityModule], float]] = {
        "bare_append": _bare,
        "signed_and_stored": lambda path, module: _stored(path, module, []),
        "with_taf_2_and_7": lambda path, module: _stored(path, module, _contracts()),
    }
    samples: dict[str, list[float]] = {name: [] for name in ways}
    with tempfile.TemporaryDirectory(prefix="smgw-bench-") as name:
        folder = Path(name)
        create_keys(folder / "gateway", GATEWAY_KEYS, Role.SMGW, "ESGW0000000001")
        module = open_module(folder / "gateway")
        for number in range(ROUNDS):
            for way, measure in ways.items():
                samples[way].append(measure(folder / f"{way}-{number}.db", module) * 1e3 / (DAYS * 96))
    cost = {way: statistics.median(values) for way, values in samples.items()}
    ratio = cost["with_taf_2_and_7"] / cost["signed_and_stored"]
    kept = "promise kept" if ratio <= PROMISED else f"PROMISE MISSED: {ratio:.2f} times"
    return BenchResult(
        "gateway_quarter",
        rates={
            **{f"{way}_cpu_ms": value for way, value in cost.items()},
            "evaluation_cpu_ms": cost["with_taf_2_and_7"] - cost["signed_and_stored"],
            "cpu_ms_a_day_and_meter": 96 * cost["with_taf_2_and_7"],
        },
        ratios={"with_contracts_vs_without": ratio, "with_contracts_vs_bare_append": cost["with_taf_2_and_7"] / cost["bare_append"]},
        notes=[
            f"{DAYS} days of one meter, two registers, a transaction each quarter hour; CPU ms a quarter hour, median of {ROUNDS} rounds",
            f"{kept}: at most {PROMISED:g} times the cost without contracts",
        ],
    )


def _readings(slot: int) -> list[Reading]:
    target = _START + slot * _QUARTER
    captured = target + timedelta(microseconds=1_234_567)
    return [Reading(_METER, code, 5_000_000 + 117 * slot, -1, 30, captured, target, GATEWAY_OK, METER_IDENTIFICATION) for code in _CODES]


def _cpu_s(step: Callable[[int], object]) -> float:
    began = time.process_time()
    for slot in range(DAYS * 96):
        step(slot)
    return time.process_time() - began


def _bare(path: Path, _: SecurityModule) -> float:
    with Journal.open(path, _KEY) as journal:
        return _cpu_s(lambda slot: journal.append_readings([(reading, _SIGNATURE) for reading in _readings(slot)]))


def _contracts() -> list[EvaluationProfile]:
    days = {"work": {"00:00": 1, "06:00": 2, "21:00": 1}, "rest": {"00:00": 1}}
    calendar = {"stages": [1, 2], "days": days, "week": ["work"] * 5 + ["rest"] * 2}
    about = (_METER, tuple(str(code) for code in _CODES), "consumer1.sm", "BENCH", "DE0001", _START)
    partners = ("emt1.sm",)
    ends = _START + timedelta(days=365)
    return [
        EvaluationProfile("taf2-1.sm", 2, *about, valid_to=ends, rules=calendar, delivery="billing", recipients=partners),
        EvaluationProfile("taf7-1.sm", 7, *about, delivery="daily", recipients=partners),
    ]


def _stored(path: Path, module: SecurityModule, contracts: list[EvaluationProfile]) -> float:
    clock = ManualClock(_START)
    with Journal.open(path, _KEY) as journal:
        journal.seal_by(journal_signer(module, GATEWAY_KEYS.sig), clock)
        for contract in contracts:
            journal.put_profile(contract, b"document", _START)
        recorder = Recorder(journal, clock)
        store = ReadingStore(
            journal=journal,
            recorder=recorder,
            evaluation=Evaluation(journal, recorder, "ESGW0000000001", module.random),
            module=module,
            key_name=GATEWAY_KEYS.sig,
            clock=clock,
            evaluation_profiles=lambda: [profile for profile in journal.profiles("evaluation") if isinstance(profile, EvaluationProfile)],
            state_event=lambda _event: None,
            queued=lambda: None,
        )
        spent = _cpu_s(lambda slot: store.commit(Outcome(_readings(slot), [])))
        assert journal.count_readings() == DAYS * 96 * len(_CODES)
        assert not contracts or journal.delivery_counts()[0] >= DAYS - 1, "the readings were not evaluated"
    return spent

"""Journal: appending readings durably, beside bare inserts of the same columns into the same kind of file.

Each transaction ends with a full sync. The peer is apsw alone with the same cipher and settings: no hash chain, no heads, no register
lookup, no values to turn into columns. The limit is the disk: 4 KiB written and synced, again and again. The faster the disk syncs, the
more the chain's work shows.
Promise: at least 0.6 of the bare inserts with one reading or four in a transaction, at least 0.3 with a hundred; at most 200 octets a
reading, signature (64) and hash (32) included.
"""

import os
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import apsw

from bench.result import BenchResult
from smgw.core.obis import ACTIVE_ENERGY_EXPORT, ACTIVE_ENERGY_IMPORT
from smgw.core.reading import Reading
from smgw.storage.journal import Journal

BATCHES = (1, 4, 100)
ROUNDS = 5
ROUND_SECONDS = 0.4
PROMISED = {"1_a_transaction_vs_bare_apsw": 0.6, "4_a_transaction_vs_bare_apsw": 0.6, "100_a_transaction_vs_bare_apsw": 0.3}
PROMISED_OCTETS = 200
_KEY = bytes(range(32))
_START = datetime(2026, 1, 1, tzinfo=UTC)
_CODES = tuple(code.with_tariff(tariff) for code in (ACTIVE_ENERGY_IMPORT, ACTIVE_ENERGY_EXPORT) for tariff in (0, 1))
_METER = "1EMH0010599732"
_SIGNATURE = os.urandom(64)
_HASH = os.urandom(32)
_BARE_TABLE = """
CREATE TABLE readings (sequence INTEGER PRIMARY KEY, series INTEGER NOT NULL, target_time INTEGER NOT NULL, capture_time INTEGER NOT NULL,
  raw ANY, scaler INTEGER NOT NULL, unit INTEGER NOT NULL, gateway_status INTEGER NOT NULL, meter_status INTEGER NOT NULL,
  signature BLOB NOT NULL, hash BLOB NOT NULL) STRICT;
CREATE UNIQUE INDEX readings_by_time ON readings (series, target_time);
"""


def run() -> BenchResult:
    """Measure all batch sizes on both sides in turns; wall time, since the disk is what is waited for; median of the rounds."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rates, octets = _rates(folder)
    ratios = {
        f"{size}_a_transaction_vs_bare_apsw": rates[f"journal_{size}_a_transaction_readings_per_s"]
        / rates[f"bare_apsw_{size}_a_transaction_readings_per_s"]
        for size in BATCHES
    }
    ratios["commits_vs_syncs_of_the_disk"] = rates["journal_1_a_transaction_readings_per_s"] / rates["disk_syncs_per_s"]
    rates["stored_octets_a_reading"] = octets
    missed = [f"{name} {ratios[name]:.2f} < {least:g}" for name, least in PROMISED.items() if ratios[name] < least]
    if octets > PROMISED_OCTETS:
        missed.append(f"{octets:.0f} octets a reading > {PROMISED_OCTETS}")
    notes = [f"full sync at each commit, ChaCha20-Poly1305, wall time, median of {ROUNDS} rounds of {ROUND_SECONDS} s in turns"]
    notes.append("promises missed: " + ", ".join(missed) if missed else "promises kept: 0.6 / 0.6 / 0.3 of bare apsw, 200 octets a reading")
    return BenchResult("journal_append", rates, ratios, notes)


def _rates(folder: Path) -> tuple[dict[str, float], float]:
    path = folder / "journal.db"
    bare = _bare_file(folder / "bare.db")
    numbers, bare_numbers = count(), count()
    with Journal.open(path, _KEY) as journal, (folder / "synced").open("wb", buffering=0) as disk:
        steps: dict[str, tuple[Callable[[], None], int]] = {"disk_syncs_per_s": (lambda: _sync(disk.fileno()), 1)}
        for size in BATCHES:
            steps[f"journal_{size}_a_transaction_readings_per_s"] = (_journal_step(journal, numbers, size), size)
            steps[f"bare_apsw_{size}_a_transaction_readings_per_s"] = (_bare_step(bare, bare_numbers, size), size)
        samples: dict[str, list[float]] = {name: [] for name in steps}
        for _ in range(ROUNDS):
            for name, (step, size) in steps.items():
                samples[name].append(size * _rate(step))
        rates = {name: statistics.median(values) for name, values in samples.items()}
        readings = journal.count_readings()
        rates["days_of_96_read_per_s"] = _rate(lambda: journal.readings(_METER, _CODES[:1], after=_START, until=_START + timedelta(days=1)))
        start = time.perf_counter()
        journal.verify()
        rates["verified_readings_per_s"] = readings / (time.perf_counter() - start)
    bare.close()
    return rates, path.stat().st_size / readings


def _rate(step: Callable[[], object]) -> float:
    done, start = 0, time.perf_counter()
    while (spent := time.perf_counter() - start) < ROUND_SECONDS:
        step()
        done += 1
    return done / spent


def _sync(descriptor: int) -> None:
    os.pwrite(descriptor, bytes(4096), 0)
    os.fdatasync(descriptor)


def _reading(number: int) -> Reading:
    target = _START + timedelta(minutes=15 * (number // len(_CODES) + 1))
    return Reading(
        _METER, _CODES[number % len(_CODES)], 123_456_789 + number, -1, 30, target + timedelta(microseconds=1_234_567), target, 5, 4
    )


def _journal_step(journal: Journal, numbers: "count[int]", size: int) -> Callable[[], None]:
    def step() -> None:
        journal.append_readings([(_reading(next(numbers)), _SIGNATURE) for _ in range(size)])

    return step


def _bare_file(path: Path) -> apsw.Connection:
    bare = apsw.Connection(str(path))
    bare.execute("PRAGMA cipher='chacha20'")
    bare.execute(f"PRAGMA hexkey='{(b'raw:' + _KEY).hex()}'")
    bare.execute("PRAGMA journal_mode=WAL")
    bare.execute("PRAGMA synchronous=FULL")
    bare.execute(_BARE_TABLE)
    return bare


def _bare_step(bare: apsw.Connection, numbers: "count[int]", size: int) -> Callable[[], None]:
    origin = int(_START.timestamp()) * 1_000_000

    def row(number: int) -> tuple[object, ...]:
        target = origin + 900_000_000 * (number // len(_CODES) + 1)
        series = 1 + number % len(_CODES)
        return number + 1, series, target, target + 1_234_567, 123_456_789 + number, -1, 30, 5, 4, _SIGNATURE, _HASH

    def step() -> None:
        bare.execute("BEGIN IMMEDIATE")
        bare.executemany("INSERT INTO readings VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", [row(next(numbers)) for _ in range(size)])
        bare.execute("COMMIT")

    return step

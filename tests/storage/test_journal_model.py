"""Any sequence of steps, nested and undone in any way, gives what a plain model in memory gives, also after reopening."""

import copy
import itertools
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.storage.samples import (
    EXPORT,
    IMPORT,
    KEY,
    METER,
    OTHER_METER,
    START,
    entry,
    meter_profile,
    quarter,
    reading,
    register,
    signature,
)

from smgw.core.errors import DomainFault
from smgw.core.log_event import Log, LogEntry
from smgw.core.profiles import MeterProfile
from smgw.core.reading import SignedReading
from smgw.core.register import RegisterValue
from smgw.storage.journal import Journal, OutboxMessage

pytestmark = pytest.mark.req("MEAS-01", "LOG-02", "WAN-05")

METERS, CODES = (METER, OTHER_METER), (IMPORT, EXPORT)
Step = tuple[str, Any]


class Undone(Exception):
    """Leave a transaction so that it is undone."""


@dataclass
class Model:
    """Hold what a journal should hold."""

    readings: list[SignedReading] = field(default_factory=list)
    registers: list[RegisterValue] = field(default_factory=list)
    logs: list[LogEntry] = field(default_factory=list)
    profiles: dict[str, MeterProfile] = field(default_factory=dict)
    outbox: dict[str, OutboxMessage] = field(default_factory=dict)
    receipts: dict[str, bytes] = field(default_factory=dict)
    state: dict[str, bytes] = field(default_factory=dict)


_small = st.integers(0, 12)
_simple: st.SearchStrategy[Step] = st.one_of(
    st.tuples(st.just("readings"), st.lists(st.tuples(st.sampled_from(METERS), st.sampled_from(CODES), _small), max_size=4)),
    st.tuples(st.just("registers"), st.lists(_small, max_size=3)),
    st.tuples(st.just("log"), st.tuples(_small, st.sampled_from([(Log.SYSTEM, ""), (Log.CONSUMER, "a"), (Log.CONSUMER, "b")]))),
    st.tuples(st.just("profile"), st.tuples(st.sampled_from(METERS), st.integers(1, 4), st.sampled_from([b"x", b"y"]))),
    st.tuples(st.just("enqueue"), _small),
    st.tuples(st.just("acknowledge"), _small),
    st.tuples(st.just("attempt"), _small),
    st.tuples(st.just("state"), st.tuples(st.sampled_from("kl"), st.binary(max_size=3))),
    st.tuples(st.just("reopen"), st.none()),
)
_steps = st.recursive(
    st.lists(_simple, max_size=8),
    lambda inner: st.lists(_simple | st.tuples(st.sampled_from(["transaction", "undone"]), inner), max_size=6),
    max_leaves=6,
)


class Pair:
    """Do every step to a journal and to its model."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.journal = Journal.open(path, KEY)
        self.model = Model()
        self.depth = 0

    def run(self, steps: list[Step]) -> None:
        for name, detail in steps:
            getattr(self, name)(detail)

    def readings(self, items: list[tuple[str, Any, int]]) -> None:
        batch = [(reading(number, meter=meter, obis=obis), signature(number)) for meter, obis, number in items]
        known = [(item.reading.meter_id, item.reading.obis, item.reading.target_time) for item in self.model.readings]
        keys = [*known, *((item.meter_id, item.obis, item.target_time) for item, _ in batch)]
        if len(set(keys)) < len(keys):
            with pytest.raises(DomainFault, match=r"journal\.duplicate"):
                self.journal.append_readings(batch)
            return
        numbers = list(range(len(known) + 1, len(keys) + 1))
        assert self.journal.append_readings(batch) == numbers
        self.model.readings += [SignedReading(item, sign, number) for (item, sign), number in zip(batch, numbers, strict=True)]

    def registers(self, numbers: list[int]) -> None:
        values = [register(number) for number in numbers]
        self.journal.append_registers(values)
        self.model.registers += values

    def log(self, detail: tuple[int, tuple[Log, str]]) -> None:
        number, (log, consumer) = detail
        self.journal.append_log([entry(number, log, consumer)])
        self.model.logs.append(entry(number, log, consumer))

    def profile(self, detail: tuple[str, int, bytes]) -> None:
        meter, version, document = detail
        profile, stored = meter_profile(version, meter), self.model.profiles.get(meter)
        same = stored is not None and version == stored.version and document == self.journal.profile_document("meter", meter)
        if stored is not None and version <= stored.version and not same:
            with pytest.raises(DomainFault, match=r"profile\.version"):
                self.journal.put_profile(profile, document, START)
            return
        self.journal.put_profile(profile, document, START)
        self.model.profiles[meter] = profile

    def enqueue(self, number: int) -> None:
        message = OutboxMessage(f"m{number}", "emt1.sm", "taf7-1.sm", bytes(number), quarter(number))
        self.journal.enqueue(message)
        self.model.outbox.setdefault(message.message_id, message)

    def acknowledge(self, number: int) -> None:
        name = f"m{number}"
        if name in self.model.outbox:
            self.journal.acknowledge(name, b"receipt %d" % len(self.model.receipts), START)
            self.model.receipts.setdefault(name, b"receipt %d" % len(self.model.receipts))
        else:
            with pytest.raises(DomainFault, match=r"journal\.unknown_message"):
                self.journal.acknowledge(name, b"", START)

    def attempt(self, number: int) -> None:
        name = f"m{number}"
        if name in self.model.outbox:
            self.journal.note_attempt(name, "http.refused", START)
            old = self.model.outbox[name]
            self.model.outbox[name] = msgspec.structs.replace(old, attempts=old.attempts + 1, last_code="http.refused")

    def state(self, detail: tuple[str, bytes]) -> None:
        self.journal.set_state(*detail)
        self.model.state[detail[0]] = detail[1]

    def reopen(self, _: None) -> None:
        if self.depth == 0:
            self.journal.close()
            self.journal = Journal.open(self.path, KEY)

    def transaction(self, steps: list[Step]) -> None:
        self.depth += 1
        with self.journal.transaction():
            self.run(steps)
        self.depth -= 1

    def undone(self, steps: list[Step]) -> None:
        before = copy.deepcopy(self.model)
        self.depth += 1
        with pytest.raises(Undone), self.journal.transaction():
            self.run(steps)
            raise Undone
        self.depth -= 1
        self.model = before

    def compare(self) -> None:
        journal, model = self.journal, self.model
        for meter, code in itertools.product(METERS, CODES):
            expected = sorted(
                (item for item in model.readings if (item.reading.meter_id, item.reading.obis) == (meter, code)),
                key=lambda item: item.reading.target_time,
            )
            assert journal.readings(meter, [code]) == expected
            assert journal.first_reading(meter, code) == (expected[0] if expected else None)
            assert journal.last_reading(meter, code) == (expected[-1] if expected else None)
            inside = [item for item in expected if quarter(3) < item.reading.target_time <= quarter(9)]
            assert journal.readings(meter, [code], after=quarter(3), until=quarter(9)) == inside
        assert journal.recent_readings(1000) == model.readings
        assert journal.registers("taf1-1.sm") == sorted(model.registers, key=lambda value: value.period_end)
        for log, consumer in ((Log.SYSTEM, ""), (Log.CONSUMER, "a"), (Log.CONSUMER, "b")):
            expected_log = [item for item in model.logs if (item.log, item.consumer_id) == (log, consumer)]
            assert [(item.index, item.entry) for item in journal.log(log, consumer)] == list(enumerate(expected_log, 1))
            assert journal.log_count(log, consumer) == len(expected_log)
        assert journal.log_count() == len(model.logs)
        assert journal.profiles("meter") == [model.profiles[meter] for meter in sorted(model.profiles)]
        assert journal.pending(1000) == [message for name, message in model.outbox.items() if name not in model.receipts]
        assert all(journal.receipt(name) == model.receipts.get(name) for name in model.outbox)
        assert journal.delivery_counts() == (len(model.outbox), len(model.receipts))
        assert all(journal.get_state(key) == model.state.get(key) for key in "kl")
        report = journal.verify()
        assert (report.rows("readings"), report.rows("registers")) == (journal.count_readings(), len(model.registers))


@settings(max_examples=120, deadline=None)
@given(_steps)
def test_a_journal_is_its_model(steps: list[Step]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        pair = Pair(Path(folder) / "journal.db")
        try:
            pair.run(steps)
            pair.compare()
            pair.reopen(None)
            pair.compare()
        finally:
            pair.journal.close()

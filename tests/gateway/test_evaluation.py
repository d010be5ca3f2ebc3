"""Readings to messages: what is due when, exactly once, across restarts."""

from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.gateway.gateway_parts import GATEWAY_ID, METER_ID, START, evaluation_profile

from smgw.codec.delivery_xml import decode_delivery
from smgw.core.instant import BERLIN, local_midnight, month_bounds
from smgw.core.obis import ACTIVE_ENERGY_EXPORT, ACTIVE_ENERGY_IMPORT
from smgw.core.profiles import EvaluationProfile
from smgw.core.reading import Reading, SignedReading
from smgw.core.register import RegisterValue
from smgw.core.status_word import GATEWAY_OK
from smgw.gateway.evaluation import OCTETS_PER_MESSAGE, Evaluation, billing_period, due_until, parts_of
from smgw.gateway.logs import Recorder
from smgw.net.clock import ManualClock
from smgw.storage.journal import Journal

QUARTER = timedelta(minutes=15)
KEY = bytes(32)
PARTNERS_LIMIT = 2 * 1024 * 1024
"""What a participant takes; see `smgw.participant.inbox`."""


def reading(target: datetime, raw: int) -> list[tuple[Reading, bytes]]:
    codes = (ACTIVE_ENERGY_IMPORT, ACTIVE_ENERGY_EXPORT)
    return [(Reading(METER_ID, code, raw + code.c, -1, 30, target, target, GATEWAY_OK, 4), bytes(64)) for code in codes]


class Bench:
    """Hold an evaluation over a real journal."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.serial = count()
        self.open()

    def open(self) -> None:
        self.journal = Journal.open(self.path, KEY)
        recorder = Recorder(self.journal, ManualClock(START))
        self.evaluation = Evaluation(self.journal, recorder, GATEWAY_ID, lambda n: next(self.serial).to_bytes(n, "big"))

    def store(self, profile: EvaluationProfile, target: datetime, raw: int) -> int:
        with self.journal.transaction():
            self.journal.append_readings(reading(target, raw))
            return self.evaluation.run([profile], METER_ID, target, target)

    def sent(self) -> list[tuple[datetime, int]]:
        """List (target, raw) of the import register over all messages, in the order of sending."""
        deliveries = [decode_delivery(message.body) for message in self.journal.pending(10_000)]
        return [
            (s.reading.target_time, s.reading.raw or 0) for d in deliveries for s in d.readings if s.reading.obis == ACTIVE_ENERGY_IMPORT
        ]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "journal.db")


@pytest.mark.req("WAN-05", "WAN-06")
def test_each_period_is_sent_once_and_the_opening_value_first(bench: Bench) -> None:
    profile = evaluation_profile()
    opening = START + timedelta(seconds=33)
    targets = [opening, START + QUARTER, START + 2 * QUARTER]
    assert [bench.store(profile, target, index) for index, target in enumerate(targets)] == [1, 1, 1]
    assert bench.sent() == [(target, index + 1) for index, target in enumerate(targets)]


@pytest.mark.req("WAN-05")
def test_nothing_is_sent_twice_after_a_restart(bench: Bench) -> None:
    profile = evaluation_profile()
    bench.store(profile, START + QUARTER, 1)
    bench.journal.close()
    bench.open()
    bench.store(profile, START + 2 * QUARTER, 2)
    assert [target for target, _ in bench.sent()] == [START + QUARTER, START + 2 * QUARTER]


@pytest.mark.req("WAN-05")
def test_a_failed_transaction_leaves_neither_reading_nor_message(bench: Bench) -> None:
    profile = evaluation_profile()
    with pytest.raises(RuntimeError), bench.journal.transaction():
        bench.journal.append_readings(reading(START + QUARTER, 1))
        bench.evaluation.run([profile], METER_ID, START + QUARTER, START + QUARTER)
        raise RuntimeError
    assert bench.journal.count_readings() == 0
    assert bench.sent() == []
    assert bench.store(profile, START + QUARTER, 1) == 1


@pytest.mark.req("TAF-21")
@pytest.mark.parametrize("day", [datetime(2026, 3, 28), datetime(2026, 3, 29), datetime(2026, 10, 25)], ids=["24 h", "23 h", "25 h"])  # noqa: DTZ001
def test_a_daily_contract_sends_whole_local_days(bench: Bench, day: datetime) -> None:
    first, last = local_midnight(day.date()), local_midnight(day.date() + timedelta(days=1))
    profile = evaluation_profile(delivery="daily", valid_from=first)
    target, queued = first, []
    while target <= last:
        queued.append(bench.store(profile, target, 1))
        target += QUARTER
    assert sum(queued[1:-1]) == 0
    assert queued[-1] == 1
    assert len(bench.sent()) == (last - first) // QUARTER + 1


@pytest.mark.req("TAF-24")
def test_values_from_before_the_contract_are_not_sent(bench: Bench) -> None:
    with bench.journal.transaction():
        bench.journal.append_readings(reading(START - QUARTER, 1))
    bench.store(evaluation_profile(), START + QUARTER, 2)
    assert [target for target, _ in bench.sent()] == [START + QUARTER]


@pytest.mark.req("TAF-24")
def test_values_after_the_contract_are_not_sent(bench: Bench) -> None:
    profile = evaluation_profile(valid_to=START + QUARTER)
    bench.store(profile, START + QUARTER, 1)
    bench.store(profile, START + 2 * QUARTER, 2)
    assert [target for target, _ in bench.sent()] == [START + QUARTER]


@pytest.mark.req("TAF-01")
def test_a_month_is_billed_from_its_boundary_values(bench: Bench) -> None:
    start, end = month_bounds(START.date())
    profile = evaluation_profile(1, "billing", valid_from=start)
    bench.store(profile, start, 1000)
    assert bench.store(profile, end - QUARTER, 4000) == 0
    assert bench.store(profile, end, 5000) == 1
    (message,) = bench.journal.pending(10)
    registers = decode_delivery(message.body).registers
    assert [(value.obis, value.raw, value.period_start, value.period_end) for value in registers] == [
        (ACTIVE_ENERGY_IMPORT, 4000, start, end),
        (ACTIVE_ENERGY_EXPORT, 4000, start, end),
    ]


@pytest.mark.req("WAN-05")
def test_a_long_standstill_is_sent_in_messages_of_bounded_size(bench: Bench) -> None:
    profile = evaluation_profile(delivery="daily")
    with bench.journal.transaction():
        for index in range(3000):
            bench.journal.append_readings(reading(START + QUARTER * index, index))
        bench.evaluation.run([profile], METER_ID, START + QUARTER * 2999, START)
    sizes = [len(decode_delivery(message.body).readings) for message in bench.journal.pending(100)]
    assert max(sizes) <= 1000
    assert len(sizes) >= 3
    targets = [target for target, _ in bench.sent()]
    assert targets == sorted(set(targets))


def test_billing_periods_are_counted_from_the_contracts_month() -> None:
    profile = evaluation_profile(1, "billing", valid_from=datetime(2026, 2, 10, tzinfo=UTC), billing_months=3)
    start, end = billing_period(profile, datetime(2026, 6, 1, tzinfo=UTC))
    assert (start.astimezone(BERLIN).month, end.astimezone(BERLIN).month) == (5, 8)


def test_what_is_due_depends_on_the_schedule() -> None:
    moment = datetime(2026, 3, 5, 11, 15, tzinfo=UTC)
    assert due_until(evaluation_profile(delivery="period"), moment) == moment
    assert due_until(evaluation_profile(delivery="daily"), moment) == datetime(2026, 3, 4, 23, tzinfo=UTC)
    assert due_until(evaluation_profile(1, "billing"), moment) == datetime(2026, 2, 28, 23, tzinfo=UTC)


@pytest.mark.req("WAN-05")
@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 5), st.booleans()), min_size=1, max_size=15), st.sampled_from(["period", "daily"]))
def test_every_value_is_sent_exactly_once(tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, bool]], delivery: str) -> None:
    bench = Bench(tmp_path_factory.mktemp("journal") / "journal.db")
    profile, target, stored = evaluation_profile(delivery=delivery), START, []
    for quarters, restart in steps:
        target += QUARTER * quarters * 7
        bench.store(profile, target, len(stored))
        stored.append(target)
        if restart:
            bench.journal.close()
            bench.open()
    due = due_until(profile, target)
    assert [moment for moment, _ in bench.sent()] == [moment for moment in stored if moment <= due]
    bench.journal.close()


@given(st.lists(st.integers(0, 60_000), max_size=12), st.integers(0, 1000))
def test_registers_of_a_long_period_go_in_several_messages_in_their_order(inputs: list[int], readings: int) -> None:
    """A year of quarter hours names up to 70 000 readings in a register; nothing is lost, doubled or put behind another."""
    start, end = month_bounds(START.date(), 12)
    code = ACTIVE_ENERGY_IMPORT
    values = tuple(
        RegisterValue("taf3-1.sm", 3, code.with_tariff(number), number, -1, 30, start, end, int(GATEWAY_OK), (9_999_999,) * count, end)
        for number, count in enumerate(inputs)
    )
    signed = tuple(SignedReading(item, bytes(64), 7) for item, _ in reading(START, 1) * readings)
    parts = parts_of(signed, values)
    assert tuple(value for _, part in parts for value in part) == values
    assert [len(part) for part, _ in parts] == [len(signed)] + [0] * (len(parts) - 1)
    assert all(part for _, part in parts) or len(parts) == 1 or readings
    assert all(sum(8 * len(value.inputs) for value in part) <= OCTETS_PER_MESSAGE for _, part in parts)


@pytest.mark.req("TAF-03", "WAN-05")
def test_a_year_of_registers_fits_the_partners_limit(bench: Bench) -> None:
    start, end = month_bounds(START.date(), 12)
    profile = evaluation_profile(3, "billing", valid_from=start, billing_months=12)
    values = [
        RegisterValue(
            profile.profile_id, 3, ACTIVE_ENERGY_IMPORT.with_tariff(n), n, -1, 30, start, end, GATEWAY_OK, (9_999_999,) * 70_000, end
        )
        for n in range(5)
    ]
    with bench.journal.transaction():
        ids = bench.evaluation.send(profile, (start, end), end, registers=values)
    messages = bench.journal.pending(100)
    assert [message.message_id for message in messages] == ids
    assert all(len(message.body) <= PARTNERS_LIMIT for message in messages)
    assert [value for message in messages for value in decode_delivery(message.body).registers] == values

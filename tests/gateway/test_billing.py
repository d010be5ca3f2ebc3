"""TAF 1 at the gateway: a period is booked once, and a boundary value that came late is booked once beside it."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.gateway.gateway_parts import METER_ID, START, evaluation_profile

from smgw.core.instant import month_bounds
from smgw.core.obis import ACTIVE_ENERGY_EXPORT, ACTIVE_ENERGY_IMPORT, Obis
from smgw.core.profiles import EvaluationProfile
from smgw.core.reading import Reading
from smgw.core.status_word import GATEWAY_OK, GatewayStatus
from smgw.gateway.billing import OPEN_LIMIT, book_billing_periods
from smgw.storage.journal import Journal

QUARTER = timedelta(minutes=15)
BEGIN, END = month_bounds(START.date())
MISSING = GATEWAY_OK | GatewayStatus.NO_VALUE
CODES = (ACTIVE_ENERGY_IMPORT, ACTIVE_ENERGY_EXPORT)
PROFILE = evaluation_profile(1, "billing", valid_from=BEGIN)

Booked = tuple[Obis, int | None, datetime, datetime]


class Bench:
    """Store readings and book after each, as the gateway does."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal

    def store(
        self, target: datetime, raw: int | None, code: Obis | None = None, profile: EvaluationProfile = PROFILE, unit: int = 30
    ) -> datetime | None:
        status = MISSING if raw is None else GATEWAY_OK
        codes = CODES if code is None else (code,)
        with self.journal.transaction():
            readings = [Reading(METER_ID, one, raw, -1, unit, target, target, int(status), 4) for one in codes]
            self.journal.append_readings([(reading, bytes(64)) for reading in readings])
            return book_billing_periods(self.journal, profile, target, target)

    def booked(self, code: Obis = ACTIVE_ENERGY_IMPORT) -> list[Booked]:
        values = self.journal.registers(PROFILE.profile_id)
        return [(value.obis, value.raw, value.period_start, value.period_end) for value in values if value.obis == code]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with Journal.open(tmp_path / "journal.db", bytes(32)) as journal:
        yield Bench(journal)


@pytest.mark.req("TAF-01")
def test_a_bad_value_at_the_end_gets_a_second_one_once_a_usable_reading_comes(bench: Bench) -> None:
    bench.store(BEGIN, 1000)
    assert bench.store(END, None) == END
    assert bench.booked() == [(CODES[0], None, BEGIN, END)]
    assert bench.store(END + QUARTER, None) is None
    assert bench.store(END + 2 * QUARTER, 5000) == END + 2 * QUARTER
    assert bench.booked() == [(CODES[0], None, BEGIN, END), (CODES[0], 4000, BEGIN, END + 2 * QUARTER)]


@pytest.mark.req("TAF-01")
def test_the_second_value_is_booked_once_also_after_a_restart(tmp_path: Path) -> None:
    steps = [(BEGIN, 1000), (END, None), (END + QUARTER, 5000), (END + 2 * QUARTER, 5100), (END + 3 * QUARTER, 5200)]
    for target, raw in steps:
        with Journal.open(tmp_path / "journal.db", bytes(32)) as journal:
            Bench(journal).store(target, raw)
    with Journal.open(tmp_path / "journal.db", bytes(32)) as journal:
        assert [(raw, end) for _, raw, _, end in Bench(journal).booked()] == [(None, END), (4000, END + QUARTER)]


@pytest.mark.req("TAF-01")
def test_a_bad_value_at_the_start_moves_the_opening(bench: Bench) -> None:
    bench.store(BEGIN, None)
    bench.store(BEGIN + QUARTER, 1000)
    bench.store(END, 5000)
    assert bench.booked() == [(CODES[0], None, BEGIN, END), (CODES[0], 4000, BEGIN + QUARTER, END)]


@pytest.mark.req("TAF-01")
def test_registers_settle_one_by_one(bench: Bench) -> None:
    bench.store(BEGIN, 1000)
    bench.store(END, 5000, CODES[1])
    bench.store(END + QUARTER, 6000, CODES[0])
    assert [raw for _, raw, _, _ in bench.booked(CODES[1])] == [4000]
    assert [raw for _, raw, _, _ in bench.booked(CODES[0])] == [None, 5000]


@pytest.mark.req("TAF-01")
def test_a_gateway_that_slept_over_the_end_books_both_values_at_once(bench: Bench) -> None:
    bench.store(BEGIN, 1000)
    assert bench.store(END + QUARTER, 5000) == END + QUARTER
    assert [(raw, end) for _, raw, _, end in bench.booked()] == [(None, END), (4000, END + QUARTER)]


@pytest.mark.req("TAF-01")
def test_a_period_without_any_usable_reading_is_given_up(bench: Bench) -> None:
    bench.store(BEGIN, None)
    bench.store(END, None)
    bench.store(END + QUARTER, 5000)
    bench.store(END + 2 * QUARTER, 5100)
    assert [raw for _, raw, _, _ in bench.booked()] == [None]
    assert bench.journal.get_state(f"open/{PROFILE.profile_id}") == b"[]"


@pytest.mark.req("TAF-01")
def test_a_second_value_between_two_units_is_none_and_final(bench: Bench) -> None:
    bench.store(BEGIN, 1000)
    bench.store(END, None)
    bench.store(END + QUARTER, 5000, unit=32)
    bench.store(END + 2 * QUARTER, 5100, unit=32)
    assert [(raw, end) for _, raw, _, end in bench.booked()] == [(None, END), (None, END + QUARTER)]


@pytest.mark.req("TAF-01")
def test_a_new_version_of_the_contract_takes_its_open_registers_along_or_drops_them(bench: Bench) -> None:
    bench.store(BEGIN, 1000)
    bench.store(END, None)
    fewer = evaluation_profile(1, "billing", valid_from=BEGIN, registers=("1-0:1.8.0*255",))
    bench.store(END + QUARTER, 5000, profile=fewer)
    assert [raw for _, raw, _, _ in bench.booked(CODES[0])] == [None, 4000]
    assert [raw for _, raw, _, _ in bench.booked(CODES[1])] == [None]


def test_periods_that_wait_are_bounded(bench: Bench) -> None:
    first, _ = month_bounds(START.date().replace(year=2020))
    profile = evaluation_profile(1, "billing", valid_from=first)
    bench.store(first, 1, profile=profile)
    bench.store(END, None, profile=profile)
    stored = bench.journal.get_state(f"open/{profile.profile_id}")
    assert stored is not None
    assert stored.count(b"1-0:1.8.0*255") == OPEN_LIMIT


@pytest.mark.req("TAF-01")
@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=10))
def test_every_period_gets_its_own_value_once_and_a_second_at_most_once(
    tmp_path_factory: pytest.TempPathFactory, months: list[tuple[bool, bool]]
) -> None:
    """Each month has a boundary reading and one a quarter hour later, usable or not; what is booked adds up without a gap."""
    bounds = [BEGIN]
    with Journal.open(tmp_path_factory.mktemp("journal") / "journal.db", bytes(32)) as journal:
        bench = Bench(journal)
        for index, (at_boundary, later) in enumerate(months):
            bench.store(bounds[-1], 100 * index if at_boundary else None)
            bench.store(bounds[-1] + QUARTER, 100 * index + 1 if later else None)
            bounds.append(month_bounds(bounds[-1].date() + timedelta(days=2))[1])
        booked = bench.booked()
    own = [item for item in booked if (item[2], item[3]) in set(pairwise(bounds))]
    assert [item[2] for item in own] == bounds[: len(months) - 1]
    for (_, raw, _, _), before, after in zip(own, months, months[1:], strict=False):
        assert (raw is not None) == (before[0] and after[0])
    seconds = [item for item in booked if item not in own]
    assert len({(item[2], item[3]) for item in seconds}) == len(seconds)
    assert all(item[1] is not None for item in seconds)

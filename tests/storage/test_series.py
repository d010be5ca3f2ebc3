"""Series of a market participant: nothing is lost, doubled or overwritten, and a day says truly whether it is complete."""

import sqlite3
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smgw.core.errors import IntegrityFault, LimitFault
from smgw.core.instant import day_bounds
from smgw.core.obis import ACTIVE_ENERGY_EXPORT, ACTIVE_ENERGY_IMPORT
from smgw.core.reading import Reading, SignedReading
from smgw.core.status_word import GATEWAY_OK, METER_IDENTIFICATION, GatewayStatus
from smgw.storage.day_block import MAX_BLOCK_VALUES, StoredValue, pack_block, unpack_block
from smgw.storage.series import SCHEMA, SeriesStore, days_of

METER = "1EMH0010599732"
DAY = date(2026, 11, 21)
QUARTER = timedelta(minutes=15)


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    database = sqlite3.connect(":memory:", isolation_level=None)
    database.executescript(SCHEMA)
    yield database
    database.close()


@pytest.fixture
def store(connection: sqlite3.Connection) -> SeriesStore:
    return SeriesStore(connection)


def reading(target: datetime, raw: int | None = 1000, **changes: object) -> SignedReading:
    word = GATEWAY_OK if raw is not None else GATEWAY_OK | GatewayStatus.NO_VALUE
    whole = Reading(METER, ACTIVE_ENERGY_IMPORT, raw, -1, 30, target + timedelta(seconds=1), target, word, METER_IDENTIFICATION)
    return SignedReading(msgspec.structs.replace(whole, **changes), bytes(64), 7)


def whole_day(day: date) -> list[SignedReading]:
    opening, closing = day_bounds(day)
    count = int((closing - opening) / QUARTER)
    return [reading(opening + number * QUARTER, 1000 + 3 * number) for number in range(count + 1)]


# -- what is refused or marked ----------------------------------------------------------------------------------------------------------


def test_a_contradicting_value_is_kept_beside_the_first(store: SeriesStore) -> None:
    target = day_bounds(DAY)[0] + QUARTER
    store.merge([reading(target, 1000)], 1)
    merged = store.merge([reading(target, 1001)], 2)
    assert merged.stored == 1
    assert [(c.target_time, c.revision, c.late) for c in merged.contradictions] == [(target, 1, False)]
    (effective,) = store.day(METER, ACTIVE_ENERGY_IMPORT, DAY)
    assert (effective.value.raw, effective.revision, effective.contradicted) == (1001, 1, True)
    assert store.merge([reading(target, 1000), reading(target, 1001)], 3).stored == 0


def test_a_contradicted_day_is_not_complete(store: SeriesStore) -> None:
    store.merge(whole_day(DAY), 1)
    assert store.status(METER, ACTIVE_ENERGY_IMPORT, DAY).complete
    store.merge([reading(day_bounds(DAY)[0], 999)], 2)
    assert not store.status(METER, ACTIVE_ENERGY_IMPORT, DAY).complete


def test_a_late_value_takes_the_place_of_a_missing_one(store: SeriesStore) -> None:
    target = day_bounds(DAY)[0] + QUARTER
    store.merge([reading(target, None)], 1)
    merged = store.merge([reading(target, 1000)], 2)
    assert [c.late for c in merged.contradictions] == [True]
    status = store.status(METER, ACTIVE_ENERGY_IMPORT, DAY)
    assert (status.present, status.valid, status.contradicted) == (1, 1, 0)


@pytest.mark.parametrize("flag", [GatewayStatus.TIME_NOT_VALID, GatewayStatus.ERROR, GatewayStatus.NOT_FOR_BILLING])
def test_marked_values_are_present_but_not_valid(store: SeriesStore, flag: GatewayStatus) -> None:
    day = whole_day(DAY)
    day[5] = msgspec.structs.replace(day[5], reading=msgspec.structs.replace(day[5].reading, gateway_status=int(GATEWAY_OK | flag)))
    store.merge(day, 1)
    status = store.status(METER, ACTIVE_ENERGY_IMPORT, DAY)
    assert (status.expected, status.present, status.valid, status.complete) == (96, 96, 95, False)


def test_the_number_of_values_of_a_day_is_bounded(store: SeriesStore, connection: sqlite3.Connection) -> None:
    opening = day_bounds(DAY)[0]
    with pytest.raises(LimitFault, match=r"series\.too_many"):
        store.merge([reading(opening + timedelta(seconds=number)) for number in range(MAX_BLOCK_VALUES + 1)], 1)
    assert connection.execute("SELECT count(*) FROM day_series").fetchone() == (0,)


@pytest.mark.parametrize("missing", [0, 1, 96])
def test_a_day_with_a_hole_is_not_complete(store: SeriesStore, missing: int) -> None:
    day = whole_day(DAY)
    del day[missing]
    store.merge(day, 1)
    status = store.status(METER, ACTIVE_ENERGY_IMPORT, DAY)
    assert not status.complete
    assert status.opening is (missing != 0)


def test_a_damaged_block_is_noticed(store: SeriesStore, connection: sqlite3.Connection) -> None:
    store.merge(whole_day(DAY), 1)
    (block,) = connection.execute("SELECT v FROM day_series WHERE day = ?", (DAY.isoformat(),)).fetchone()
    for data in (b"", b"\x02" + block[1:], block[:-1], block + b"\0", b"\x01" + b"\xff" * 20, block[:3] + b"\x02" + block[4:]):
        with pytest.raises(IntegrityFault, match=r"series\.damaged"):
            unpack_block(data)


# -- what is kept -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.req("EMT-01")
@pytest.mark.parametrize(("day", "expected"), [(date(2026, 3, 29), 92), (DAY, 96), (date(2026, 10, 25), 100)])
def test_a_day_has_as_many_quarter_hours_as_its_clock_shows(store: SeriesStore, day: date, expected: int) -> None:
    store.merge(whole_day(day), 1)
    status = store.status(METER, ACTIVE_ENERGY_IMPORT, day)
    assert (status.expected, status.valid, status.complete) == (expected, expected, True)
    assert [done.day for done in store.complete_days(10, lambda _meter: 900)] == [day]


def test_the_summary_columns_tell_start_and_total(store: SeriesStore, connection: sqlite3.Connection) -> None:
    store.merge(whole_day(DAY)[:-1], 1)
    closing = day_bounds(DAY)[1]
    store.merge([reading(closing, 129_012, scaler=-3)], 1)
    row = connection.execute("SELECT start, total, scaler, unit, valid FROM day_series WHERE day = ?", (DAY.isoformat(),)).fetchone()
    assert row == (100_000, 29_012, -3, 30, 96)


def test_hourly_registers_have_their_own_completeness(store: SeriesStore) -> None:
    opening = day_bounds(DAY)[0]
    store.merge([reading(opening + timedelta(hours=hour)) for hour in range(25)], 1)
    assert store.status(METER, ACTIVE_ENERGY_IMPORT, DAY, period_s=3600).complete
    assert store.status(METER, ACTIVE_ENERGY_IMPORT, DAY).valid == 24


def test_midnight_closes_one_day_and_opens_the_next(store: SeriesStore) -> None:
    midnight = day_bounds(DAY)[0]
    assert days_of(midnight) == (DAY - timedelta(days=1), DAY)
    assert store.merge([reading(midnight)], 1).stored == 1
    assert store.merge([reading(midnight)], 1).known == 1
    for day in days_of(midnight):
        assert [effective.value.target_time for effective in store.day(METER, ACTIVE_ENERGY_IMPORT, day)] == [midnight]


def test_readings_of_a_span_come_once_and_in_order(store: SeriesStore) -> None:
    store.merge([*whole_day(DAY), *whole_day(DAY + timedelta(days=1))[1:]], 1)
    start, end = day_bounds(DAY)[0], day_bounds(DAY + timedelta(days=1))[1]
    targets = [effective.value.target_time for effective in store.readings(METER, ACTIVE_ENERGY_IMPORT, start, end + QUARTER)]
    assert targets == [start + number * QUARTER for number in range(193)]
    assert len(list(store.readings(METER, ACTIVE_ENERGY_IMPORT, start, end))) == 192
    assert not list(store.readings(METER, ACTIVE_ENERGY_EXPORT, start, end))


def test_registers_are_listed_with_their_last_value(store: SeriesStore) -> None:
    store.merge(whole_day(DAY), 1)
    (span,) = store.registers()
    assert (span.meter_id, span.obis, span.last_target) == (METER, ACTIVE_ENERGY_IMPORT, day_bounds(DAY)[1])
    last = store.last(span)
    assert last is not None and last.value.raw == 1000 + 3 * 96
    assert store.registers("other") == []


def test_a_block_of_a_day_is_small(store: SeriesStore, connection: sqlite3.Connection) -> None:
    store.merge(whole_day(DAY), 1)
    (size,) = connection.execute("SELECT max(length(v)) FROM day_series").fetchone()
    assert size < 97 * 3


# -- properties -------------------------------------------------------------------------------------------------------------------------

instants = st.datetimes(min_value=datetime(2000, 1, 1), max_value=datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
words = st.integers(0, (1 << 32) - 1)
numbers = st.integers(0, (1 << 63) - 1)
raws = st.one_of(st.none(), st.integers(-(1 << 63), (1 << 64) - 1))
stored_values = st.builds(
    StoredValue, instants, raws, st.integers(-128, 127), st.integers(0, 255), words, words, instants, numbers, numbers
)


@given(st.lists(stored_values, max_size=30, unique_by=lambda value: value.target_time))
def test_unpack_undoes_pack(values: list[StoredValue]) -> None:
    ordered = sorted(values, key=lambda value: value.target_time)
    assert unpack_block(pack_block(ordered)) == ordered


@given(st.binary(max_size=200))
def test_other_octets_are_damage(data: bytes) -> None:
    try:
        values = unpack_block(data)
    except IntegrityFault:
        return
    assert unpack_block(pack_block(values)) == values


@given(st.permutations(range(12)), st.lists(st.integers(0, 11), max_size=12), st.integers(1, 5))
@settings(max_examples=60, deadline=None)
def test_order_and_repetition_do_not_matter(order: list[int], repeated: list[int], size: int) -> None:
    opening = day_bounds(DAY)[0] - 6 * QUARTER
    pool = [reading(opening + number * QUARTER, 1000 + number) for number in range(12)]
    databases = []
    for sequence in (range(12), [*order, *repeated]):
        database = sqlite3.connect(":memory:", isolation_level=None)
        database.executescript(SCHEMA)
        values = [pool[number] for number in sequence]
        for start in range(0, len(values), size):
            assert not SeriesStore(database).merge(values[start : start + size], 1).contradictions
        databases.append(list(database.execute("SELECT * FROM day_series ORDER BY day, meter_id, obis, revision")))
        database.close()
    assert databases[0] == databases[1]

"""The logs as objects of class 7: rows by number, time and column, of logs that were really written."""

from datetime import datetime, timedelta

import msgspec
import pytest
from tests.gateway.gateway_parts import START
from tests.gateway.wan.cosem.cosem_parts import CALIBRATION_LOG, SYSTEM_LOG, CosemChannel

from smgw.codec.cosem_elements import Attribute
from smgw.codec.cosem_resources import Selection, Target, format_target, parse_target
from smgw.codec.cosem_values import Value, read_moment, write_moment
from smgw.core.log_event import Log, LogEntry
from smgw.gateway.wan.cosem.logs import COLUMNS, ROWS_LIMIT, definition

pytestmark = pytest.mark.req("WAN-08", "ADM-06", "LOG-01")

BUFFER = f"{SYSTEM_LOG}/attributes/2"
HOUR = timedelta(hours=1)
Row = tuple[Value, ...]


async def written(channel: CosemChannel, count: int = 10) -> None:
    """Write one entry an hour."""
    for number in range(count):
        await channel.clock.advance_to(START + number * HOUR)
        channel.context.recorder.record("integrity_error", subject=f"row {number}", success=number % 2 == 0, reason=f"<{number}>")
    channel.context.recorder.record("clock_valid", subject="both")


def selected(**selection: object) -> str:
    """Give the address of the buffer with a selection."""
    target = parse_target(f"/cosem/{BUFFER}")
    return format_target(Target(target.resource, Selection(**selection))).removeprefix("/cosem/")  # type: ignore[arg-type]


def rows(channel: CosemChannel, resource: str = BUFFER) -> list[Row]:
    answer = channel.cosem("GET", resource)
    assert (answer.status, answer.code) == (200, "")
    assert isinstance(answer.document, Attribute) and answer.document.value is not None
    content = answer.document.value.content
    assert isinstance(content, tuple)
    return [row.content for row in content]  # type: ignore[union-attr, misc]


def numbers(found: list[Row]) -> list[int]:
    return [row[0].content for row in found]  # type: ignore[misc]


def moment(at: datetime) -> Value:
    return Value("date_time", write_moment(at))


def column(number: int) -> Value:
    return definition(COLUMNS[number - 1], parse_target(f"/cosem/{SYSTEM_LOG}").resource.instance)  # type: ignore[arg-type]


async def test_a_row_says_all_that_stands_in_its_entry(channel: CosemChannel) -> None:
    await written(channel)
    found = rows(channel, selected(rows=2))
    stored = channel.journal.log(Log.SYSTEM)[:2]
    for row, one in zip(found, stored, strict=True):
        told = [value.content for value in row]
        assert [value.type for value in row] == [one.type for one in COLUMNS]
        assert isinstance(told[1], bytes) and read_moment(told[1]) == one.entry.time
        level, text = int(one.entry.kind.level), one.entry.text("en")
        assert [told[0], *told[2:8]] == [one.index, 1006, "integrity_error", level, one.entry.success, one.entry.subject, text]
        assert msgspec.json.decode(str(told[8])) == one.entry.parameters


async def test_the_columns_are_those_that_the_capture_objects_define(channel: CosemChannel) -> None:
    defined = channel.value(f"{SYSTEM_LOG}/attributes/3").content
    assert defined == tuple(column(number) for number in range(1, 10))
    assert channel.value(f"{SYSTEM_LOG}/attributes/6") == column(2)


async def test_the_two_logs_are_two_objects(channel: CosemChannel) -> None:
    await written(channel, 1)
    assert [row[3].content for row in rows(channel)] == ["integrity_error", "clock_valid"]
    calibration = channel.value(f"{CALIBRATION_LOG}/attributes/2").content
    assert isinstance(calibration, tuple)
    assert [row.content[3].content for row in calibration] == [stored.entry.event for stored in channel.journal.log(Log.CALIBRATION)]  # type: ignore[union-attr, index, misc]


async def test_as_many_entries_are_in_use_as_are_held(channel: CosemChannel) -> None:
    await written(channel)
    held = len(channel.journal.log(Log.SYSTEM))
    assert channel.value(f"{SYSTEM_LOG}/attributes/7").content == held


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("sa.fromidx=3&sa.toidx=5", [3, 4, 5]),
        ("sa.fromidx=3&sa.count=2", [3, 4]),
        ("sa.fromidx=3&sa.toidx=9&sa.count=2", [3, 4]),
        ("sa.toidx=2", [1, 2]),
        ("sa.count=3", [1, 2, 3]),
        ("sa.count=0", []),
        ("sa.fromidx=5&sa.toidx=4", []),
        ("sa.fromidx=0&sa.toidx=1", [1]),
        ("sa.fromidx=4294967295", []),
        ("q.fromidx=9&q.count=2", [9, 10]),
        ("q.fromtime=2026-03-01T14:00:00Z&q.totime=2026-03-01T16:00:00Z", [3, 4]),
        ("q.fromtime=2026-03-01T14:00:00Z&sa.count=1", [3]),
        ("q.totime=2026-03-01T12:00:00Z", []),
        ("sa.fromidx=2&q.totime=2026-03-01T14:00:00Z", [2]),
    ],
)
async def test_rows_are_chosen_by_number_and_time(channel: CosemChannel, query: str, expected: list[int]) -> None:
    await written(channel)
    assert numbers(rows(channel, f"{BUFFER}?{query}")) == expected


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [(2, 4, [3, 4, 5]), (2, 2, [3]), (None, 1, [1, 2]), (8, None, [9, 10, 11])],
)
async def test_rows_are_chosen_by_the_value_of_their_time_both_ends_included(
    channel: CosemChannel, first: int | None, last: int | None, expected: list[int]
) -> None:
    await written(channel)
    low, high = (None if one is None else moment(START + one * HOUR) for one in (first, last))
    assert numbers(rows(channel, selected(from_value=low, to_value=high))) == expected
    assert numbers(rows(channel, selected(from_value=low, to_value=high, filter_column=column(2))))[: len(expected)] == expected


async def test_no_row_is_between_two_times_in_the_wrong_order(channel: CosemChannel) -> None:
    await written(channel)
    late, early = moment(START + 4 * HOUR), moment(START + 2 * HOUR)
    assert rows(channel, selected(from_value=late, to_value=early, filter_column=column(2))) == []


async def test_a_time_counts_as_it_is_shown(channel: CosemChannel) -> None:
    await channel.clock.advance_to(START + timedelta(microseconds=1_239_999))
    channel.context.recorder.record("integrity_error", reason="1")
    shown = moment(START + timedelta(milliseconds=1_230))
    assert rows(channel, selected(from_value=shown, to_value=shown))[0][1] == shown
    assert rows(channel, selected(from_value=moment(START + timedelta(milliseconds=1_240)))) == []
    assert rows(channel, selected(to_value=moment(START + timedelta(milliseconds=1_220)))) == []


async def test_rows_are_chosen_by_the_value_of_their_number(channel: CosemChannel) -> None:
    await written(channel)
    bounds = {"from_value": Value("unsigned", 4), "to_value": Value("long64", 5)}
    assert numbers(rows(channel, selected(filter_column=column(1), **bounds))) == [4, 5]
    assert numbers(rows(channel, selected(filter_column=column(1), to_value=Value("long", -4)))) == []


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        ({"from_column": 1, "to_column": 2}, [1, 2]),
        ({"from_column": 8}, [8, 9]),
        ({"to_column": 1}, [1]),
        ({"from_column": 3, "to_column": 2}, []),
        ({"columns": Value("array", (column(8), column(1)))}, [8, 1]),
        ({"columns": Value("array", ())}, []),
    ],
)
async def test_columns_are_chosen_by_place_and_definition(channel: CosemChannel, selection: dict[str, object], expected: list[int]) -> None:
    await written(channel)
    whole, chosen = rows(channel, selected(rows=1)), rows(channel, selected(rows=1, **selection))
    assert chosen == [tuple(whole[0][number - 1] for number in expected)]


@pytest.mark.parametrize(
    "selection",
    [
        {"columns": Value("unsigned", 1)},
        {"columns": Value("array", (Value("unsigned", 1),))},
        {"columns": Value("array", (column(1),)), "from_column": 1},
        {"filter_column": column(8), "from_value": Value("UTF8-string", "a")},
        {"filter_column": Value("unsigned", 2)},
        {"from_value": Value("unsigned", 4)},
        {"from_value": Value("octet-string", write_moment(START))},
        {"filter_column": column(1), "to_value": Value("boolean", content=True)},
        {"filter_column": column(1), "from_value": moment(START)},
    ],
)
async def test_a_selection_that_means_nothing_is_refused(channel: CosemChannel, selection: dict[str, object]) -> None:
    await written(channel, 1)
    assert channel.cosem("GET", selected(**selection))[:2] == (400, "cosem.selection")


async def test_a_time_that_is_none_is_refused(channel: CosemChannel) -> None:
    answer = channel.cosem("GET", selected(from_value=Value("date_time", b"\xff" * 12)))
    assert (answer.status, answer.code) == (400, "xml.structure")


async def test_more_rows_than_an_answer_takes_are_not_cut_off_in_silence(channel: CosemChannel) -> None:
    with channel.journal.transaction():
        for number in range(ROWS_LIMIT):
            channel.context.recorder.record("integrity_error", reason=str(number))
    assert len(rows(channel)) == ROWS_LIMIT
    channel.context.recorder.record("integrity_error", reason="one more")
    for resource in (BUFFER, f"{BUFFER}?sa.count=100000", f"{BUFFER}?sa.toidx=4294967295"):
        assert channel.cosem("GET", resource)[:2] == (413, "cosem.too_much")
    assert len(rows(channel, f"{BUFFER}?sa.count={ROWS_LIMIT}")) == ROWS_LIMIT
    assert numbers(rows(channel, f"{BUFFER}?sa.fromidx={ROWS_LIMIT + 1}"))[0] == ROWS_LIMIT + 1


async def test_text_of_any_kind_comes_through(channel: CosemChannel) -> None:
    channel.context.recorder.record("integrity_error", subject="<&\r\n\0\ud7ff\ufffe ü", reason="\1 <b>")
    row = rows(channel, selected(rows=1))[0]
    assert row[7].content == "Stored data is not intact: \ufffd <b>"
    assert row[6].content == "<&\r\n\ufffd\ud7ff\ufffd ü"
    assert msgspec.json.decode(str(row[8].content)) == {"reason": "\1 <b>"}


async def test_the_first_read_of_a_day_is_logged(channel: CosemChannel) -> None:
    for _ in range(3):
        channel.cosem("GET", f"{SYSTEM_LOG}/attributes/5")
        channel.cosem("GET", f"{SYSTEM_LOG}/attributes/4")
    told = [stored.entry.parameters["resource"] for stored in channel.journal.log(Log.SYSTEM) if stored.entry.event == "administrator_read"]
    assert told == [f"cosem/{SYSTEM_LOG}"]


async def test_an_entry_whose_sentence_lacks_something_is_named(channel: CosemChannel) -> None:
    channel.journal.append_log([LogEntry(Log.SYSTEM, "integrity_error", START)])
    assert rows(channel, selected(rows=1))[0][7].content == "integrity_error"

from datetime import UTC, timedelta, timezone

import pytest
from tests.storage.samples import entry, quarter

from smgw.core.errors import UsageError
from smgw.core.log_event import Log, LogEntry
from smgw.storage.journal import Journal, StoredLogEntry

pytestmark = pytest.mark.req("LOG-01", "LOG-02")


@pytest.mark.parametrize(
    "wrong",
    [
        LogEntry(Log.SYSTEM, "no_such_event", quarter(0)),
        LogEntry(Log.CONSUMER, "self_test_passed", quarter(0)),
        LogEntry(Log.SYSTEM, "self_test_passed", quarter(0), consumer_id="consumer1.sm"),
    ],
)
def test_an_entry_that_fits_no_log_is_refused_with_its_whole_batch(journal: Journal, wrong: LogEntry) -> None:
    with pytest.raises(UsageError, match=r"journal\.log_entry"):
        journal.append_log([entry(1), wrong])
    assert journal.log_count() == 0
    journal.verify()


def test_each_log_and_each_consumer_counts_from_one(journal: Journal) -> None:
    journal.append_log([entry(1), entry(2, Log.CALIBRATION), entry(3, Log.CONSUMER, "flat1"), entry(4, Log.CONSUMER, "flat2"), entry(5)])
    assert journal.log(Log.SYSTEM) == [StoredLogEntry(1, entry(1)), StoredLogEntry(2, entry(5))]
    assert journal.log(Log.CALIBRATION) == [StoredLogEntry(1, entry(2, Log.CALIBRATION))]
    assert journal.log(Log.CONSUMER, "flat2") == [StoredLogEntry(1, entry(4, Log.CONSUMER, "flat2"))]
    assert journal.log(Log.CONSUMER, "nobody") == []


def test_counts(journal: Journal) -> None:
    journal.append_log([entry(1), entry(2, Log.CALIBRATION), entry(3, Log.CONSUMER, "flat1"), entry(4, Log.CONSUMER, "flat2"), entry(5)])
    assert journal.log_count() == 5
    assert journal.log_count(Log.SYSTEM) == 2
    assert journal.log_count(Log.CONSUMER) == 2
    assert journal.log_count(Log.CONSUMER, "flat1") == 1
    assert journal.log_count(consumer_id="flat2") == 1
    assert journal.log_count(Log.CONSUMER, "nobody") == 0


def test_a_time_range_includes_its_start_and_excludes_its_end(journal: Journal) -> None:
    journal.append_log([entry(number) for number in range(6)])
    assert [stored.index for stored in journal.log(Log.SYSTEM, since=quarter(1), until=quarter(4))] == [2, 3, 4]


def test_entries_stay_in_the_order_written_when_the_clock_is_set_back(journal: Journal) -> None:
    journal.append_log([entry(5), entry(2), entry(6)])
    assert [stored.index for stored in journal.log(Log.SYSTEM, since=quarter(2), until=quarter(6))] == [1, 2]


def test_pages(journal: Journal) -> None:
    journal.append_log([entry(number) for number in range(10)])
    assert [stored.index for stored in journal.log(Log.SYSTEM, from_index=4, count=3)] == [4, 5, 6]
    assert [stored.index for stored in journal.log(Log.SYSTEM, since=quarter(2), from_index=9)] == [9, 10]
    assert journal.log(Log.SYSTEM, from_index=11) == []


def test_parameters_and_zone_do_not_change_an_entry(journal: Journal) -> None:
    written = LogEntry(
        Log.SYSTEM,
        "dispatched",
        quarter(1).astimezone(timezone(timedelta(hours=1))),
        subject="emt1.sm",
        parameters={"b": "2", "a": "ü\n\0"},
    )
    journal.append_log([written])
    (stored,) = journal.log(Log.SYSTEM)
    assert stored.entry == written
    assert stored.entry.time.tzinfo is UTC or stored.entry.time.utcoffset() == timedelta()
    assert journal.log(Log.SYSTEM, since=quarter(1), until=quarter(1) + timedelta(microseconds=1)) == [stored]
    journal.verify()


@pytest.mark.parametrize("name", ["a'b", "a%", "a\0b", "Ä" * 500])
def test_any_consumer_name_is_only_a_name(journal: Journal, name: str) -> None:
    journal.append_log([entry(1, Log.CONSUMER, name), entry(2, Log.CONSUMER, "a")])
    assert [stored.entry.consumer_id for stored in journal.log(Log.CONSUMER, name)] == [name]
    journal.verify()

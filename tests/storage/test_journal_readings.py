from datetime import timedelta, timezone

import msgspec
import pytest
from tests.storage.samples import EXPORT, IMPORT, METER, OTHER_METER, quarter, reading, register, signature, signed

from smgw.core.errors import DomainFault
from smgw.core.reading import SignedReading
from smgw.storage.journal import Journal

pytestmark = pytest.mark.req("MEAS-01")


@pytest.mark.parametrize("in_between", [[], [signed(7)]])
def test_a_second_reading_of_a_register_and_time_is_refused_with_its_whole_batch(journal: Journal, in_between: list) -> None:
    journal.append_readings([signed(1)])
    with pytest.raises(DomainFault, match=rf"journal\.duplicate: {METER} 1-0:1\.8\.0\*255 2026-11-21T00:15:00Z"):
        journal.append_readings([signed(2), *in_between, signed(1, raw=5), signed(3)])
    assert [found.sequence for found in journal.readings(METER)] == [1]
    assert journal.append_readings([signed(2)]) == [2]
    journal.verify()


def test_a_refused_batch_leaves_the_rest_of_the_transaction(journal: Journal) -> None:
    with journal.transaction():
        journal.append_readings([signed(1)])
        with pytest.raises(DomainFault):
            journal.append_readings([signed(2), signed(1)])
        journal.append_readings([signed(3)])
    assert [found.signature for found in journal.readings(METER)] == [signature(1), signature(3)]
    journal.verify()


def test_the_same_time_of_another_register_or_meter_is_another_reading(journal: Journal) -> None:
    batch = [signed(1), signed(1, obis=EXPORT), signed(1, meter=OTHER_METER)]
    assert journal.append_readings(batch) == [1, 2, 3]


@pytest.mark.req("MEAS-03")
@pytest.mark.parametrize("raw", [0, -1, 2**63 - 1, -(2**63), 2**63, 2**64 - 1])
def test_values_come_back_exactly(journal: Journal, raw: int) -> None:
    journal.append_readings([signed(1, raw=raw)])
    assert journal.readings(METER) == [SignedReading(reading(1, raw=raw), signature(1), 1)]
    journal.verify()


@pytest.mark.req("MEAS-02")
def test_a_missing_value_stays_missing(journal: Journal) -> None:
    missing = msgspec.structs.replace(reading(1), raw=None)
    journal.append_readings([(missing, b"")])
    assert journal.readings(METER)[0].reading == missing


def test_times_of_another_zone_are_the_same_times(journal: Journal) -> None:
    zone = timezone(timedelta(hours=1))
    journal.append_readings([signed(4)])
    assert journal.readings(METER, after=quarter(3).astimezone(zone), until=quarter(4).astimezone(zone))
    found = journal.readings(METER)[0].reading
    assert found.target_time.utcoffset() == timedelta()


def test_readings_come_by_target_time_then_obis_whatever_the_order_of_storing(journal: Journal) -> None:
    journal.append_readings([signed(3), signed(1, obis=EXPORT), signed(2), signed(1), signed(1, meter=OTHER_METER)])
    found = [(item.reading.target_time, item.reading.obis) for item in journal.readings(METER)]
    assert found == [(quarter(1), IMPORT), (quarter(1), EXPORT), (quarter(2), IMPORT), (quarter(3), IMPORT)]


def test_a_range_excludes_its_start_and_includes_its_end(journal: Journal) -> None:
    journal.append_readings([signed(number) for number in range(6)])
    found = journal.readings(METER, after=quarter(1), until=quarter(4))
    assert [item.reading.target_time for item in found] == [quarter(2), quarter(3), quarter(4)]


def test_registers_and_number_can_be_limited(journal: Journal) -> None:
    journal.append_readings([signed(number, obis=obis) for number in range(3) for obis in (IMPORT, EXPORT)])
    assert [item.reading.obis for item in journal.readings(METER, [EXPORT])] == [EXPORT] * 3
    assert len(journal.readings(METER, [EXPORT, IMPORT], limit=4)) == 4
    assert journal.readings(METER, []) == []
    assert journal.readings("unknown") == []


def test_first_and_last_go_by_target_time(journal: Journal) -> None:
    assert (journal.first_reading(METER, IMPORT), journal.last_reading(METER, IMPORT)) == (None, None)
    journal.append_readings([signed(5), signed(9), signed(2), signed(1, obis=EXPORT), signed(10, meter=OTHER_METER)])
    first, last = journal.first_reading(METER, IMPORT), journal.last_reading(METER, IMPORT)
    assert first == SignedReading(reading(2), signature(2), 3)
    assert last == SignedReading(reading(9), signature(9), 2)


def test_recent_readings_go_by_the_order_of_storing(journal: Journal) -> None:
    journal.append_readings([signed(5), signed(9), signed(2)])
    assert [item.sequence for item in journal.recent_readings(2)] == [2, 3]
    assert len(journal.recent_readings(10)) == journal.count_readings() == 3


@pytest.mark.req("TAF-24")
def test_registers_come_by_period_end_then_age_and_a_correction_is_a_new_row(journal: Journal) -> None:
    assert journal.append_registers([register(2), register(1), register(2, raw=43)]) == [1, 2, 3]
    assert journal.registers("taf1-1.sm") == [register(1), register(2), register(2, raw=43)]
    assert journal.registers("taf1-1.sm", after=quarter(1), until=quarter(2)) == [register(2), register(2, raw=43)]
    assert journal.registers("taf1-1.sm", until=quarter(1)) == [register(1)]
    assert journal.registers("other") == []
    assert journal.recent_registers(1) == [register(2, raw=43)]
    assert journal.verify().rows("registers") == 3


def test_a_day_is_found_through_an_index(journal: Journal) -> None:
    """Of many readings only the asked ones are touched."""
    journal.append_readings([signed(number, obis=obis) for number in range(3000) for obis in (IMPORT, EXPORT)])
    connection = journal._database.connection
    steps = 0

    def count() -> bool:
        nonlocal steps
        steps += 1
        return False

    connection.set_progress_handler(count, 1)
    assert len(journal.readings(METER, [IMPORT], after=quarter(1000), until=quarter(1096))) == 96
    assert steps < 96 * 60
    steps = 0
    assert journal.last_reading(METER, IMPORT) is not None
    assert steps < 200

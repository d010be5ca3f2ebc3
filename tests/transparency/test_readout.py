"""Device files: what is refused beyond the schema, and what an original list becomes."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace
from tests.trudi_files import CERTIFICATE, IMPORT, METER, START, berlin, device, meter_reading, quarter_hours, reading

from smgw.codec.trudi_model import (
    AnalysisProfile,
    Certificate,
    Document,
    EventType,
    Interval,
    IntervalBlock,
    IntervalReading,
    LogEntry,
    LogEvent,
    MeterReading,
    ReadingType,
    Smgw,
    TariffStage,
)
from smgw.core.errors import PeerFault
from smgw.core.instant import from_microseconds, microseconds
from smgw.core.status_word import PtbStatus
from smgw.transparency.readout import align, check_readout, original_list, ptb_status_of, status_word

LIST = meter_reading(quarter_hours(START, berlin(2026, 11, 5)))
OK = "A000000020000000"


def _with_type(**changes: object) -> Document:
    assert LIST.reading_type is not None
    return device(replace(LIST, reading_type=replace(LIST.reading_type, **changes)))


def _with_reading(held: IntervalReading) -> Document:
    return device(replace(LIST, blocks=(IntervalBlock(Interval(900, START), (held,)),)))


def _with_event(**changes: object) -> Document:
    return device(LIST, log_entries=(LogEntry(1, replace(LogEvent(level=1, outcome=0), **changes)),))


def _blocks(*spans: tuple[int, int]) -> Document:
    blocks = []
    for start, length in spans:
        captured = START + timedelta(seconds=start)
        blocks.append(IntervalBlock(Interval(length, captured), (reading(captured, 1),)))
    return device(replace(LIST, blocks=tuple(blocks)))


@pytest.mark.parametrize(
    ("document", "code"),
    [
        (Document(device(LIST).usage_points * 2), "trudi.usage_points"),
        (device(LIST, usage_point_id=None), "trudi.usage_point_id"),
        (device(LIST, usage_point_id="  "), "trudi.usage_point_id"),
        (device(LIST, tariff_name=""), "trudi.tariff_name"),
        (device(LIST, invoicing_party_id=None), "trudi.invoicing_party"),
        (device(LIST, smgw=None), "trudi.smgw"),
        (device(LIST, smgw=Smgw(" ", (1,))), "trudi.smgw"),
        (device(LIST, kind=None), "trudi.kind"),
        (device(LIST, kind=3), "trudi.kind"),
        (device(LIST, customer_id=None), "trudi.customer"),
        (device(LIST, certificates=()), "trudi.certificate_missing"),
        (device(LIST, smgw=Smgw("E", ())), "trudi.certificate_ids"),
        (device(LIST, smgw=Smgw("E", (2,))), "trudi.certificate_ids"),
        (device(LIST, smgw=Smgw("E", (1, 2))), "trudi.certificate_ids"),
        (device(LIST, certificates=(Certificate(1, 4, CERTIFICATE),)), "trudi.certificate_type"),
        (device(LIST, certificates=(Certificate(1, 1, b"\x00\x11\x22\x33\xff"),)), "trudi.certificate_content"),
        (device(LIST, certificates=(Certificate(1, 1, b"-----BEGIN CERTIFICATE-----\nAA\n"),)), "trudi.certificate_content"),
        (device(replace(LIST, reading_id=None)), "trudi.meter_reading"),
        (device(replace(LIST, meter_id=None)), "trudi.meter_reading"),
        (device(replace(LIST, reading_type=None)), "trudi.meter_reading"),
        (_with_type(obis_code=None), "trudi.obis"),
        (_with_type(obis_code="1-0:1.8.0*255"), "trudi.obis"),
        (_with_type(obis_code="0100010800"), "trudi.obis"),
        (_with_type(qualified_logical_name=None), "trudi.reading_type"),
        (_with_type(multiplier=None), "trudi.reading_type"),
        (_with_type(multiplier=4), "trudi.reading_type"),
        (_with_type(uom=None), "trudi.reading_type"),
        (_with_type(uom=1), "trudi.reading_type"),
        (_with_type(description="energy"), "trudi.element_refused"),
        (device(replace(LIST, blocks=(IntervalBlock(None, LIST.blocks[0].readings),))), "trudi.interval_block"),
        (device(replace(LIST, blocks=(IntervalBlock(Interval(None, START), LIST.blocks[0].readings),))), "trudi.interval_block"),
        (device(replace(LIST, blocks=(IntervalBlock(Interval(900, None), LIST.blocks[0].readings),))), "trudi.interval_block"),
        (device(replace(LIST, blocks=(IntervalBlock(Interval(900, START), ()),))), "trudi.interval_block"),
        (_with_reading(IntervalReading(None, Interval(0, START), status_ptb=0)), "trudi.reading"),
        (_with_reading(IntervalReading(1, None, status_ptb=0)), "trudi.reading"),
        (_with_reading(IntervalReading(1, Interval(None, START), status_ptb=0)), "trudi.reading"),
        (_with_reading(IntervalReading(1, Interval(0, None), status_ptb=0)), "trudi.reading"),
        (_with_reading(reading(START, 1, None)), "trudi.status"),
        (_with_reading(reading(START, 1, 5)), "trudi.status"),
        (_with_reading(reading(START, 1, None, status_fnn="")), "trudi.status"),
        (_with_reading(reading(START, 1, None, status_fnn="ABC")), "trudi.status"),
        (_with_reading(reading(START, 1, None, status_fnn=OK + "00")), "trudi.status"),
        (_with_reading(reading(START, 1, 0, status_fnn="xy")), "trudi.status"),
        # Alone, a status word must carry both patterns, bit 0 left-most.
        (_with_reading(reading(START, 1, None, status_fnn="0000000500000004")), "trudi.status"),
        (_with_reading(reading(START, 1, None, status_fnn="A000000000000000")), "trudi.status"),
        (_with_reading(reading(START, 1, None, status_fnn="0000000020000000")), "trudi.status"),
        (_blocks((0, 900), (901, 900)), "trudi.block_gap"),
        (_blocks((0, 900), (899, 900)), "trudi.block_overlap"),
        (_with_event(level=None), "trudi.log_event"),
        (_with_event(level=6), "trudi.log_event"),
        (_with_event(outcome=3), "trudi.log_event"),
        (_with_event(type=EventType(version=1)), "trudi.element_refused"),
    ],
)  # fmt: skip
@pytest.mark.req("CON-06")
def test_refuses_a_device_file_with_a_named_reason(document: Document, code: str) -> None:
    with pytest.raises(PeerFault) as caught:
        check_readout(document)
    assert caught.value.code == code
    assert caught.value.exit_code == 4


def test_takes_what_transparency_software_takes() -> None:
    check_readout(device(LIST))
    check_readout(device())
    check_readout(device(replace(LIST, blocks=())))
    check_readout(_blocks((900, 900), (0, 900)))
    check_readout(device(LIST, log_entries=(LogEntry(1), LogEntry(2, LogEvent(level=5)))))
    analysis = AnalysisProfile(7, "x", Interval(0, START), 0, (TariffStage(0, "010000000FF"),))
    check_readout(Document((replace(_with_type(description="energy").usage_points[0], analysis_profile=analysis),)))


@pytest.mark.parametrize(
    ("text", "ptb", "identified"),
    [
        (OK, PtbStatus.NONE, True),
        (OK.lower(), PtbStatus.NONE, True),
        ("A080000020000000", PtbStatus.FATAL, True),
        ("A000000020004000", PtbStatus.FATAL, True),
        ("A040000020000000", PtbStatus.TEMPORARY_ERROR, True),
        ("A002000020000000", PtbStatus.TEMPORARY_ERROR, True),
        ("A000000020400000", PtbStatus.TEMPORARY_ERROR, True),
        ("A000000020200000", PtbStatus.TEMPORARY_ERROR, True),
        ("A004000020000000", PtbStatus.TEMPORARY_ERROR_USABLE, True),
        ("A008000020000000", PtbStatus.WARNING, True),
        ("0000010500100504", PtbStatus.NONE, False),
        ("20000000", PtbStatus.NONE, False),
    ],
)
@pytest.mark.req("MEAS-01", "CON-06")
def test_reads_status_words_as_transparency_software_does(text: str, ptb: PtbStatus, identified: bool) -> None:
    assert status_word(text) == (ptb, identified)


@pytest.mark.parametrize(
    ("ptb", "word", "expected"),
    [
        (None, "A040000020000000", PtbStatus.TEMPORARY_ERROR),
        (0, "A040000020000000", PtbStatus.TEMPORARY_ERROR),
        (4, OK, PtbStatus.FATAL),
        (1, None, PtbStatus.WARNING),
        # Beside a statusPTB a word in another bit order does not count.
        (0, "0000010500100504", PtbStatus.NONE),
    ],
)
def test_the_worse_of_two_statuses_counts(ptb: int | None, word: str | None, expected: PtbStatus) -> None:
    assert ptb_status_of(reading(START, 1, ptb, status_fnn=word)) == expected


@pytest.mark.parametrize(
    ("moment", "period_s", "percent", "expected"),
    [
        (berlin(2026, 11, 4, 6, 0, 9), 900, 1, berlin(2026, 11, 4, 6)),
        (berlin(2026, 11, 4, 5, 59, 51), 900, 1, berlin(2026, 11, 4, 6)),
        (berlin(2026, 11, 4, 6, 0, 10), 900, 1, berlin(2026, 11, 4, 6, 0, 10)),
        (berlin(2026, 11, 4, 6, 0, 10), 900, 3, berlin(2026, 11, 4, 6)),
        (berlin(2026, 11, 4, 6, 0, 30), 3600, 1, berlin(2026, 11, 4, 6)),
        (berlin(2026, 11, 4, 6, 15, 5), 3600, 1, berlin(2026, 11, 4, 6, 15, 5)),
        (berlin(2026, 11, 4, 0, 10), 86400, 1, berlin(2026, 11, 4)),
        (berlin(2026, 11, 4, 23, 50), 86400, 1, berlin(2026, 11, 5)),
        (berlin(2026, 11, 4, 12), 86400, 1, berlin(2026, 11, 4, 12)),
        (berlin(2026, 7, 4, 0, 0, 5), 6 * 3600, 1, berlin(2026, 7, 4)),
        (berlin(2026, 11, 4, 6, 0, 1), 0, 1, berlin(2026, 11, 4, 6, 0, 1)),
        (berlin(2026, 11, 4, 6, 0, 1), 2_592_000, 1, berlin(2026, 11, 4, 6, 0, 1)),
        (datetime(2026, 11, 4, 6, 0, 0, 500_000, UTC), 900, 1, datetime(2026, 11, 4, 6, tzinfo=UTC)),
    ],
)
@pytest.mark.req("MEAS-02")
def test_moves_a_time_onto_the_raster_only_within_the_tolerance(moment: datetime, period_s: int, percent: int, expected: datetime) -> None:
    assert from_microseconds(align(microseconds(moment), period_s, percent)) == expected


@pytest.mark.parametrize(
    ("step_s", "period_s"),
    [(900, 900), (905, 900), (60, 60), (1800, 1800), (3600, 3600), (10800, 10800), (86400, 86400), (2700, 0), (7, 0)],
)
def test_tells_the_register_period_from_the_readings(step_s: int, period_s: int) -> None:
    held = [reading(START + timedelta(seconds=step_s * number), number) for number in range(20)]
    assert original_list(meter_reading(held)).period_s == period_s
    assert original_list(meter_reading(held, measurement_period_s=1800)).period_s == 1800
    assert original_list(meter_reading([replace(row, status_ptb=4) for row in held])).period_s == period_s


def test_a_list_of_one_reading_has_no_period() -> None:
    assert original_list(meter_reading([reading(START, 1)])).period_s == 0


def _list(*rows: IntervalReading, blocks: Callable[[tuple[IntervalReading, ...]], tuple[IntervalBlock, ...]] | None = None) -> MeterReading:
    span = Interval(86400, START)
    return meter_reading(rows, blocks=blocks(rows) if blocks else (IntervalBlock(span, rows),), measurement_period_s=900)


@pytest.mark.req("CON-06")
def test_an_original_list_is_ordered_and_has_one_reading_a_time() -> None:
    quarter = timedelta(minutes=15)
    held = original_list(
        _list(
            reading(START + 2 * quarter, 30),
            reading(START + timedelta(seconds=5), 10),
            reading(START + quarter, 20),
            reading(START + quarter + timedelta(seconds=2), 21),
            reading(START + 3 * quarter + timedelta(seconds=20), 40),
            reading(START + timedelta(seconds=900 * 4 + 400), 50, target_time=START + 4 * quarter),
        )
    )
    assert [(row.target_us - microseconds(START)) / 900e6 for row in held.readings] == pytest.approx([0, 1, 2, 3 + 20 / 900, 4])
    assert [row.value for row in held.readings] == [10, 20, 30, 40, 50]
    assert held.duplicates == (START + quarter,)
    assert held.late == (START + 3 * quarter + timedelta(seconds=20),)


def test_readings_outside_their_block_are_not_found() -> None:
    def blocks(rows: tuple[IntervalReading, ...]) -> tuple[IntervalBlock, ...]:
        return (IntervalBlock(Interval(1800, START - timedelta(seconds=5)), rows),)

    rows = (reading(START, 1), reading(START + timedelta(minutes=30), 2), reading(START + timedelta(minutes=45), 3))
    held = original_list(_list(*rows, blocks=blocks))
    assert [row.value for row in held.readings] == [1, 2]
    assert held.outside == (START + timedelta(minutes=45),)


@pytest.mark.parametrize(
    ("name", "original"),
    [
        (f"{IMPORT}.{METER}.sm", True),
        (f"{IMPORT}.{METER.lower()}.sm", False),
        (f"{IMPORT}.taf2-1.sm", False),
        (f"{IMPORT}.{METER}", False),
        (f"{IMPORT}.{METER}.sm.x", False),
        ("", False),
    ],
)
@pytest.mark.req("CON-06")
def test_tells_original_lists_from_derived_registers(name: str, original: bool) -> None:
    assert replace(LIST, reading_type=ReadingType(qualified_logical_name=name)).is_original is original


def test_a_list_without_meter_is_not_original() -> None:
    assert not replace(LIST, meter_id="", reading_type=ReadingType(qualified_logical_name=f"{IMPORT}..sm")).is_original
    assert not replace(LIST, reading_type=None).is_original

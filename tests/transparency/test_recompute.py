"""A bill recomputed: TRuDI's own numbers on its files, and the rules one by one on files made here."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta

import pytest
from msgspec.structs import replace
from tests.shared import shared_path
from tests.trudi_files import (
    DAY,
    EXPORT,
    IMPORT,
    NIGHT,
    START,
    berlin,
    day_night,
    days_of,
    device,
    meter_reading,
    quarter_hours,
    reading,
    stage,
    supplier,
)

from smgw.codec.trudi_model import Document, Interval, IntervalBlock, IntervalReading, MeterReading, TariffStage
from smgw.codec.trudi_xml import read_device_file, read_supplier_file
from smgw.core.errors import PeerFault
from smgw.transparency.recompute import Verification, verify

END = berlin(2026, 11, 5)
FULL = quarter_hours(START, END)
QUARTER = timedelta(minutes=15)


def _registers(verification: Verification) -> dict[str, int]:
    return {str(register.obis): register.value for register in verification.registers}


def _codes(verification: Verification) -> list[str]:
    return [finding.code for finding in verification.findings]


def _readout(readings: Sequence[IntervalReading], **kind: object) -> Document:
    """Make a read-out of one list whose block covers the day."""
    captures = [held.period.start for held in readings if held.period is not None and held.period.start is not None]
    start, end = min(START, *captures), max(END, *captures)
    block = IntervalBlock(Interval(int((end - start).total_seconds()), start), tuple(readings))
    return device(meter_reading(readings, blocks=(block,), **kind))


def _without(*minutes: int) -> list[IntervalReading]:
    return [held for number, held in enumerate(FULL) if number * 15 not in minutes]


def _marked(status: int, *minutes: int) -> list[IntervalReading]:
    return [replace(held, status_ptb=status) if number * 15 in minutes else held for number, held in enumerate(FULL)]


def _refusal(tariff: Document, readout: Document) -> str:
    with pytest.raises(PeerFault) as caught:
        verify(tariff, readout)
    assert caught.value.exit_code == 4
    return caught.value.code


GOLDEN = [
    ("taf1/supplier_1_month", "taf1/result_1_month", {1: 29800}),
    ("taf2/supplier_single_day", "taf2/result_single_day", {1: 360, 2: 600, 63: 0}),
    ("taf2/supplier_single_day_dst_march", "taf2/result_single_day_dst_march", {1: 320, 2: 600, 63: 0}),
    ("taf2/supplier_single_day_dst_oct", "taf2/result_single_day_dst_oct", {1: 360, 2: 600, 63: 0}),
    ("taf2/supplier_single_day", "taf2/result_single_day_1_missing_period_at_tariff_switch", {1: 350, 2: 590, 63: 20}),
    ("taf2/supplier_single_day", "taf2/result_single_day_2h_PTBstatus3", {1: 310, 2: 560, 63: 90}),
    ("taf2/supplier_3_day", "taf2/result_3_days", {1: 1160, 2: 1800, 63: 0}),
    ("taf2/supplier_1_month", "taf2/result_1_month_period_1hour", {1: 2700, 2: 4500, 63: 0}),
    ("january-2018/Lieferanten-XML_Jan_2018", "january-2018/TAF-7-Ablesung_Jan_2018", {1: 3283142100, 2: 1597711000, 63: 21225000}),
]
REFUSED = [
    ("taf1/supplier_1_month", "taf1/result_1_month_start_statusPTB4", "trudi.taf1_boundary_status"),
    ("taf1/supplier_1_month", "taf1/result_1_month_without_end", "trudi.taf1_boundary_missing"),
    ("taf1/supplier_1_month_without_dayProfile", "taf1/result_1_month", "trudi.day_profile"),
    ("taf1/supplier_InvalidBillingPeriod1", "taf1/result_1_month", "trudi.taf1_period"),
    ("taf2/supplier_1_month_wrongDayId", "taf2/result_1_month_period_1hour", "trudi.day_id"),
    ("taf2/supplier_single_day", "models/IF_Adapter_TRuDI_DatenTAF7", "trudi.certificate_content"),
    ("taf2/supplier_single_day", "models/cc_2_5_reading_gaps_inside_loaded_period", "trudi.other_usage_point"),
    ("taf2/supplier_single_day", "taf2/result_single_day_dst_oct", "trudi.no_reading"),
]


def _verify_files(supplier_name: str, readout_name: str) -> Verification:
    tariff = read_supplier_file(shared_path("trudi", f"{supplier_name}.xml").read_bytes())
    return verify(tariff, read_device_file(shared_path("trudi", f"{readout_name}.xml").read_bytes()))


@pytest.mark.shared
@pytest.mark.parametrize(("supplier_name", "readout_name", "code"), REFUSED)
@pytest.mark.req("TAF-22", "CON-06")
def test_refuses_the_example_files_that_trudi_refuses(supplier_name: str, readout_name: str, code: str) -> None:
    with pytest.raises(PeerFault) as caught:
        _verify_files(supplier_name, readout_name)
    assert caught.value.code == code


@pytest.mark.shared
@pytest.mark.parametrize(("supplier_name", "readout_name", "expected"), GOLDEN)
@pytest.mark.req("TAF-22", "CON-06")
def test_gives_the_numbers_that_trudi_gives(supplier_name: str, readout_name: str, expected: dict[int, int]) -> None:
    result = _verify_files(supplier_name, readout_name)
    assert {register.tariff: register.value for register in result.registers} == expected
    assert [str(register.obis) for register in result.registers] == [f"1-0:1.8.{tariff}*255" for tariff in expected]
    assert sum(expected.values()) == sum(held.total or 0 for held in result.lists)


@pytest.mark.shared
@pytest.mark.req("TAF-22")
def test_adds_up_two_months() -> None:
    result = _verify_files("taf1/supplier_2_month", "taf1/result_2_month")
    assert _registers(result) == {"1-0:1.8.1*255": 73600 - 15000}


def test_a_full_day_has_no_findings() -> None:
    result = verify(supplier(), _readout(FULL))
    assert _registers(result) == {"1-0:1.8.1*255": 360, "1-0:1.8.2*255": 600, "1-0:1.8.63*255": 0}
    assert result.findings == ()
    assert [(amount.tariff, amount.value) for amount in result.days] == [(1, 360), (2, 600)]
    assert (result.lists[0].readings, result.lists[0].usable, result.lists[0].total) == (97, 97, 960)


@pytest.mark.parametrize(
    ("readings", "expected", "codes"),
    [
        (_without(30), (360, 600, 0), {"gap"}),
        (_without(360), (350, 590, 20), {"gap", "error_register"}),
        (_without(*range(345, 400, 15)), (340, 570, 50), {"gap", "error_register"}),
        (_marked(2, 360), (360, 600, 0), set()),
        (_marked(3, 30), (360, 600, 0), {"invalid_status"}),
        (_marked(3, 360), (350, 590, 20), {"invalid_status", "error_register"}),
        (_marked(4, 1260), (350, 590, 20), {"invalid_status", "error_register"}),
        (_without(0), (350, 600, 0), {"no_valid_start"}),
        (_without(1440), (350, 600, 0), {"no_valid_end"}),
        (_marked(3, 0), (350, 600, 10), {"invalid_status", "error_register", "trudi_opening"}),
        (_marked(3, 1440), (350, 600, 0), {"invalid_status", "no_valid_end"}),
        (_without(*range(15, 1440, 15)), (0, 0, 960), {"error_register"}),
        ([*_without(30), reading(START + timedelta(minutes=31), 1021)], (360, 600, 0), {"off_raster"}),
        ([*_without(360), reading(START + timedelta(minutes=361), 1241)], (350, 590, 20), {"error_register", "off_raster"}),
        ([*_without(360), reading(START + timedelta(seconds=21609), 1240)], (360, 600, 0), set()),
        ([*_without(360), reading(START + timedelta(seconds=21620), 1240)], (350, 590, 20), {"error_register", "trudi_tolerance"}),
        ([*FULL, reading(START + QUARTER, 999)], (360, 600, 0), {"duplicate"}),
        ([*FULL, reading(END + QUARTER, 9999), reading(START - QUARTER, 0)], (360, 600, 0), set()),
        ([replace(held, status_ptb=None, status_fnn="A000000020000000") for held in FULL], (360, 600, 0), set()),
        ([replace(held, status_fnn="0000000500000004") for held in FULL], (360, 600, 0), {"status_word"}),
        ([replace(held, value=2000 - (held.value or 0)) for held in FULL], (-360, -600, 0), {"decreasing"}),
    ],
)  # fmt: skip
@pytest.mark.req("TAF-02", "TAF-20", "TAF-22")
def test_books_by_the_rule_and_says_what_it_found(readings: list[IntervalReading], expected: tuple[int, int, int], codes: set[str]) -> None:
    result = verify(supplier(), _readout(readings))
    assert tuple(_registers(result).values()) == expected
    assert set(_codes(result)) == codes
    assert result.lists[0].total == sum(expected)


@pytest.mark.parametrize(
    ("period_s", "expected"),
    [
        *((period_s, (540, 900, 0)) for period_s in (60, 300, 900, 1800, 2700, 3600, 3 * 3600)),
        (6 * 3600, (360, 720, 360)),
        (24 * 3600, (0, 0, 1440)),
    ],
)
@pytest.mark.req("MEAS-02", "TAF-22")
def test_lists_of_any_register_period(period_s: int, expected: tuple[int, int, int]) -> None:
    readings = quarter_hours(START, END, step=period_s // 60, first=0, period_s=period_s)
    result = verify(supplier(), _readout(readings))
    assert tuple(_registers(result).values()) == expected
    assert "gap" not in _codes(result)


def test_targets_count_before_capture_times() -> None:
    readings = [
        replace(held, target_time=held.period.start, period=Interval(0, held.period.start - timedelta(seconds=200)))
        for held in FULL
        if held.period is not None and held.period.start is not None
    ]
    assert tuple(_registers(verify(supplier(), _readout(readings))).values()) == (360, 600, 0)


def test_import_and_export_have_calendars_of_their_own() -> None:
    tariff = supplier(
        stages=(stage(1), stage(2), stage(3, "02"), stage(4, "02", 4)),
        profiles={"1": day_night(), "2": day_night(3, 4, 8, 20)},
        special_days=[(date(2026, 11, 4), "1"), (date(2026, 11, 4), "2")],
    )
    readout = device(meter_reading(FULL), meter_reading(quarter_hours(START, END, step=1), EXPORT))
    assert _registers(verify(tariff, readout)) == {
        "1-0:1.8.1*255": 360,
        "1-0:1.8.2*255": 600,
        "1-0:1.8.63*255": 0,
        "1-0:2.8.3*255": 48,
        "1-0:2.8.4*255": 48,
        "1-0:2.8.63*255": 0,
    }


def test_a_direction_without_stage_is_not_billed() -> None:
    result = verify(supplier(), device(meter_reading(FULL), meter_reading(FULL, EXPORT)))
    assert _registers(result) == {"1-0:1.8.1*255": 360, "1-0:1.8.2*255": 600, "1-0:1.8.63*255": 0}
    assert _codes(result) == ["list_not_billed"]
    assert [held.total for held in result.lists] == [960, None]


def test_two_meters_of_one_direction_are_added() -> None:
    other = replace(meter_reading(FULL, middle="1ABC0000000002"), meter_id="1ABC0000000002")
    result = verify(supplier(), device(meter_reading(FULL), other))
    assert tuple(_registers(result).values()) == (720, 1200, 0)
    assert _codes(result) == []


def test_a_list_that_stands_twice_in_the_file_is_told_of() -> None:
    result = verify(supplier(), device(meter_reading(FULL), meter_reading(FULL)))
    assert tuple(_registers(result).values()) == (720, 1200, 0)
    assert [finding.as_json() for finding in result.findings] == [
        {
            "code": "list_twice",
            "register": "1-0:1.8.0*255",
            "count": 2,
            "text": "The file holds the list of this register and meter more than once, and each is billed: 2",
        }
    ]


def test_an_error_register_of_the_supplier_takes_the_error_energy_under_63() -> None:
    stages = (stage(NIGHT), stage(DAY), TariffStage(3, "010001083fff", "Fehlerregister"))
    result = verify(supplier(stages=stages), _readout(_without(360)))
    assert [(str(held.obis), held.tariff, held.value) for held in result.registers][2] == ("1-0:1.8.63*255", 63, 20)
    priced = supplier(stages=stages, profiles={"1": day_night(first=3)})
    assert tuple(_registers(verify(priced, _readout(FULL))).values()) == (0, 600, 360)


def test_derived_registers_are_left_out() -> None:
    result = verify(supplier(), device(meter_reading(FULL), meter_reading(FULL[:2], "0100010801ff", middle="taf2-1")))
    assert tuple(_registers(result).values()) == (360, 600, 0)
    assert _codes(result) == ["list_derived"]


def test_days_outside_the_calendar_are_booked_nowhere() -> None:
    tariff = supplier(
        stages=(stage(1), stage(2, "02")),
        profiles={"1": (1,) * 96, "2": (2,) * 96},
        end=berlin(2026, 11, 6),
        special_days=[(date(2026, 11, 4), "1"), (date(2026, 11, 5), "2")],
    )
    result = verify(tariff, _readout(quarter_hours(START, berlin(2026, 11, 6))))
    assert _registers(result) == {"1-0:1.8.1*255": 960, "1-0:1.8.63*255": 0, "1-0:2.8.2*255": 0, "1-0:2.8.63*255": 0}
    assert _codes(result) == ["not_booked"]


def test_a_period_between_the_quarter_hours_holds_what_lies_inside() -> None:
    start, end = START + timedelta(minutes=7), berlin(2026, 11, 5, 0, 7)
    tariff = supplier(start=start, end=end, special_days=[(date(2026, 11, 4), "1"), (date(2026, 11, 5), "1")])
    result = verify(tariff, _readout(quarter_hours(START, END)))
    assert tuple(_registers(result).values()) == (350, 600, 0)


@pytest.mark.parametrize(
    ("start", "end", "night"),
    [
        (berlin(2026, 3, 29), berlin(2026, 3, 30), 8),
        (berlin(2026, 10, 25), berlin(2026, 10, 26), 10),
        (berlin(2028, 2, 29), berlin(2028, 3, 1), 9),
    ],
)
@pytest.mark.req("TAF-21")
def test_days_of_23_25_and_24_hours(start: datetime, end: datetime, night: int) -> None:
    result = verify(supplier(start=start, end=end), device(meter_reading(quarter_hours(start, end))))
    assert tuple(_registers(result).values()) == (night * 40, 600, 0)
    assert result.findings == ()


@pytest.mark.parametrize(
    ("tariff", "readout", "code"),
    [
        (supplier(use_case=7), _readout(FULL), "trudi.no_calculator"),
        (supplier(use_case=6), _readout(FULL), "trudi.no_calculator"),
        (supplier(), device(), "trudi.no_original_list"),
        (supplier(), device(meter_reading(FULL, middle="taf7-1")), "trudi.no_original_list"),
        (supplier(), _readout(FULL[:1]), "trudi.no_reading"),
        (supplier(), device(replace(meter_reading(FULL), blocks=())), "trudi.no_reading"),
        (
            supplier(),
            device(meter_reading(FULL), meter_reading(quarter_hours(berlin(2025, 1, 1), berlin(2025, 1, 2)), EXPORT)),
            "trudi.no_reading",
        ),
        (supplier(), _readout([replace(held, status_ptb=3) for held in FULL]), "trudi.no_valid_reading"),
        (supplier(), device(meter_reading(FULL), meter_reading(FULL, scaler=0)), "trudi.units"),
        (
            supplier(profiles={"1": day_night(), "2": (1,) * 96}, special_days=[(date(2026, 11, 4), "1"), (date(2026, 11, 4), "2")]),
            _readout(FULL),
            "trudi.calendar_ambiguous",
        ),
    ],
)
@pytest.mark.req("CON-06")
def test_refuses_what_can_not_be_computed(tariff: Document, readout: Document, code: str) -> None:
    assert _refusal(tariff, readout) == code


# TAF 1


def _month(months: int = 1, **changes: object) -> Document:
    end = berlin(2026 + (10 + months - 1) // 12, (10 + months - 1) % 12 + 1, 1)
    fields = {"start": berlin(2026, 10, 1), "end": end, "use_case": 1, "stages": (stage(1),), "profiles": {"1": (1,) * 96}}
    return supplier(**(fields | changes))  # type: ignore[arg-type]


def _ends(*values: tuple[datetime, int], obis: str = IMPORT, status: int = 0) -> MeterReading:
    return meter_reading([reading(moment, value, status) for moment, value in values], obis)


OCTOBER = _ends((berlin(2026, 10, 1), 100), (berlin(2026, 11, 1), 400))


@pytest.mark.parametrize("months", [1, 2, 3, 6, 12])
@pytest.mark.req("TAF-01", "TAF-22")
def test_taf1_takes_the_readings_at_both_ends(months: int) -> None:
    end = berlin(2026 + (10 + months - 1) // 12, (10 + months - 1) % 12 + 1, 1)
    result = verify(_month(months), device(_ends((berlin(2026, 10, 1), 100), (end, 1234))))
    assert [(str(held.obis), held.tariff, held.value) for held in result.registers] == [("1-0:1.8.1*255", 1, 1134)]
    assert (result.start, result.end) == (berlin(2026, 10, 1), end)


def test_taf1_takes_import_and_export() -> None:
    days = days_of(berlin(2026, 10, 1), 31)
    tariff = _month(
        stages=(stage(1), stage(2, "02", 1)),
        profiles={"1": (1,) * 96, "2": (2,) * 96},
        special_days=[(day, day_id) for day in days for day_id in ("1", "2")],
    )
    export = _ends((berlin(2026, 10, 1), 5), (berlin(2026, 11, 1), 12), obis=EXPORT)
    assert _registers(verify(tariff, device(OCTOBER, export))) == {"1-0:1.8.1*255": 300, "1-0:2.8.1*255": 7}


@pytest.mark.parametrize(
    ("tariff", "readout", "code"),
    [
        (_month(), device(*[OCTOBER] * 4), "trudi.taf1_lists"),
        (_month(), device(OCTOBER, meter_reading(FULL[:2], middle="taf1-1")), "trudi.taf1_derived"),
        (_month(stages=(stage(1), stage(2))), device(OCTOBER), "trudi.taf1_stages"),
        (_month(4), device(OCTOBER), "trudi.taf1_period"),
        (_month(start=berlin(2026, 10, 2)), device(OCTOBER), "trudi.taf1_period"),
        (_month(end=berlin(2026, 11, 2)), device(OCTOBER), "trudi.taf1_period"),
        (_month(end=berlin(2026, 11, 1, 1)), device(OCTOBER), "trudi.taf1_period"),
        (_month(), device(_ends((berlin(2026, 10, 1), 1), (berlin(2026, 10, 31), 2))), "trudi.taf1_boundary_missing"),
        (_month(), device(_ends((berlin(2026, 10, 1, 0, 15), 1), (berlin(2026, 11, 1), 2))), "trudi.taf1_boundary_missing"),
        (_month(), device(_ends((berlin(2026, 10, 1), 1), (berlin(2026, 11, 1), 2), status=3)), "trudi.taf1_boundary_status"),
        (_month(profiles={"1": (1,) * 96, "2": (1,) * 96}), device(OCTOBER), "trudi.taf1_day_profile"),
        (_month(), device(OCTOBER, _ends((berlin(2026, 10, 1), 5), (berlin(2026, 11, 1), 6), obis=EXPORT)), "trudi.taf1_day_profile"),
        (_month(special_days=[(day, "1") for day in days_of(berlin(2026, 10, 1), 32)]), device(OCTOBER), "trudi.taf1_calendar"),
    ],
)  # fmt: skip
@pytest.mark.req("TAF-01", "CON-06")
def test_taf1_refuses(tariff: Document, readout: Document, code: str) -> None:
    assert _refusal(tariff, readout) == code


@pytest.mark.parametrize(("late_s", "code"), [(27, None), (28, "trudi.taf1_boundary_missing")])
@pytest.mark.req("MEAS-02", "TAF-01")
def test_taf1_takes_a_boundary_reading_within_three_percent_of_the_period(late_s: int, code: str | None) -> None:
    ends = [
        reading(moment + timedelta(seconds=late_s), value, 0) for moment, value in ((berlin(2026, 10, 1), 100), (berlin(2026, 11, 1), 400))
    ]
    block = IntervalBlock(Interval(32 * 86400, berlin(2026, 10, 1)), tuple(ends))
    readout = device(meter_reading(ends, blocks=(block,), measurement_period_s=900))
    if code is None:
        assert _registers(verify(_month(), readout)) == {"1-0:1.8.1*255": 300}
    else:
        assert _refusal(_month(), readout) == code


def test_taf1_says_when_the_register_fell() -> None:
    result = verify(_month(), device(_ends((berlin(2026, 10, 1), 400), (berlin(2026, 11, 1), 100))))
    assert _registers(result) == {"1-0:1.8.1*255": -300}
    assert _codes(result) == ["decreasing"]

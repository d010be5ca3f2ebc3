"""TAF 1: exact differences over local months; boundaries that can't be used are said, not guessed."""

from datetime import datetime, timedelta
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree
from tests.shared import shared_path
from tests.tariff.series import CREATED, local, numbered, profile, reading

from smgw.core.errors import DomainFault
from smgw.core.instant import parse_time
from smgw.core.obis import ACTIVE_ENERGY_EXPORT, ACTIVE_ENERGY_IMPORT
from smgw.core.reading import SignedReading
from smgw.core.register import RegisterValue
from smgw.core.status_word import GATEWAY_OK, METER_FATAL, GatewayStatus, PtbStatus
from smgw.tariff import taf07
from smgw.tariff.common import boundaries
from smgw.tariff.taf01 import evaluate

START, END = local(2026, 10, 1), local(2026, 11, 1)
QUARTER = timedelta(minutes=15)
NO_VALUE = GATEWAY_OK | GatewayStatus.NO_VALUE


@pytest.mark.parametrize(
    ("start", "end", "months"),
    [
        (START, END, 2),
        (START, END - timedelta(hours=1), 1),
        (START + timedelta(hours=1), END, 1),
        (local(2026, 10, 2), local(2026, 11, 2), 1),
        (END, START, 1),
        (START, local(2027, 2, 1), 4),
        (START, START, 0),
    ],
)
def test_only_whole_local_months_are_billed(start: datetime, end: datetime, months: int) -> None:
    with pytest.raises(DomainFault) as fault:
        evaluate(profile(1, billing_months=months), [], start, end, CREATED)
    assert fault.value.code == "tariff.billing_period"


def test_at_most_three_registers() -> None:
    for registers in ((), tuple(f"1-0:1.8.{stage}*255" for stage in range(4))):
        with pytest.raises(DomainFault) as fault:
            evaluate(msgspec.structs.replace(profile(1), registers=registers), [], START, END, CREATED)
        assert fault.value.code == "tariff.registers"


def test_without_readings_there_is_no_value() -> None:
    (value,) = evaluate(profile(1), [], START, END, CREATED)
    assert (value.raw, value.gateway_status, value.inputs) == (None, NO_VALUE, ())
    assert (value.period_start, value.period_end) == (START, END)


@pytest.mark.req("TAF-01", "TAF-21", "MEAS-03")
@pytest.mark.parametrize(
    ("year", "month", "months"), [(2026, 10, 1), (2026, 3, 1), (2026, 12, 2), (2026, 1, 3), (2024, 2, 1), (2026, 7, 12)]
)
def test_consumption_is_end_less_start(year: int, month: int, months: int) -> None:
    last = year * 12 + month - 1 + months
    start, end = local(year, month, 1), local(last // 12, last % 12 + 1, 1)
    readings = [reading(start, 123_456_789_012_345, sequence=4), reading(end, 123_456_789_042_145, sequence=9)]
    assert evaluate(profile(1, billing_months=months), readings, start, end, CREATED) == [
        RegisterValue(
            profile_id="taf1-1.sm", taf=1, obis=ACTIVE_ENERGY_IMPORT, raw=29_800, scaler=-1, unit=30,
            period_start=start, period_end=end, gateway_status=GATEWAY_OK, inputs=(4, 9), created_at=CREATED,
        )
    ]  # fmt: skip


@pytest.mark.req("TAF-01", "MEAS-03")
def test_a_changed_scaler_loses_no_digit() -> None:
    readings = [reading(START, 12_345, scaler=0, sequence=1), reading(END, 123_789, scaler=-1, sequence=2)]
    (value,) = evaluate(profile(1), readings, START, END, CREATED)
    assert (value.raw, value.scaler) == (339, -1)
    readings = [reading(START, 123_456, scaler=-1, sequence=1), reading(END, 13, scaler=3, sequence=2)]
    (value,) = evaluate(profile(1), readings, START, END, CREATED)
    assert (value.raw, value.scaler) == (6544, -1)


@pytest.mark.req("TAF-01", "LMN-07")
def test_each_register_counts_for_itself() -> None:
    both = profile(1, str(ACTIVE_ENERGY_IMPORT), str(ACTIVE_ENERGY_EXPORT))
    readings = numbered(
        reading(moment, raw, obis=obis)
        for obis, raws in ((ACTIVE_ENERGY_IMPORT, (10, 35)), (ACTIVE_ENERGY_EXPORT, (7, 7)))
        for moment, raw in zip((START, END), raws, strict=True)
    )
    values = evaluate(both, readings, START, END, CREATED)
    assert [(value.obis, value.raw, value.inputs) for value in values] == [
        (ACTIVE_ENERGY_IMPORT, 25, (1, 2)),
        (ACTIVE_ENERGY_EXPORT, 0, (3, 4)),
    ]


@pytest.mark.req("TAF-01")
@pytest.mark.parametrize(
    ("bad_start", "bad_end", "status"),
    [
        ({"raw": None, "gateway_status": NO_VALUE}, {}, NO_VALUE),
        ({}, {"raw": None, "gateway_status": NO_VALUE}, NO_VALUE),
        ({"gateway_status": GATEWAY_OK | GatewayStatus.TIME_NOT_VALID}, {}, NO_VALUE | GatewayStatus.TIME_NOT_VALID),
        ({}, {"gateway_status": GATEWAY_OK | GatewayStatus.NOT_FOR_BILLING}, NO_VALUE | GatewayStatus.NOT_FOR_BILLING),
        ({}, {"meter_status": 4 | METER_FATAL}, NO_VALUE),
        ({"unit": 26}, {}, NO_VALUE),
    ],
)
def test_an_unusable_boundary_is_said_and_the_next_valid_one_named(bad_start: dict[str, int], bad_end: dict[str, int], status: int) -> None:
    readings = numbered(
        [
            reading(START, **{"raw": 100, **bad_start}),
            reading(START + QUARTER, 110),
            reading(END, **{"raw": 900, **bad_end}),
            reading(END + QUARTER, None, gateway_status=NO_VALUE),
            reading(END + 2 * QUARTER, 930),
        ]
    )
    first, *repeated = evaluate(profile(1), readings, START, END, CREATED)
    assert (first.raw, first.gateway_status, first.inputs) == (None, status, (1, 3))
    assert (first.period_start, first.period_end) == (START, END)
    if "unit" in bad_start:
        assert repeated == []
        return
    (again,) = repeated
    opening = (START + QUARTER, 110, 2) if bad_start else (START, 100, 1)
    closing = (END + 2 * QUARTER, 930, 5) if bad_end else (END, 900, 3)
    assert (again.period_start, again.period_end) == (opening[0], closing[0])
    assert (again.raw, again.inputs, again.gateway_status) == (closing[1] - opening[1], (opening[2], closing[2]), GATEWAY_OK)


@pytest.mark.req("TAF-01")
def test_the_first_month_starts_with_the_first_reading() -> None:
    installed = local(2026, 10, 12, 9, 17, 31)
    readings = numbered([reading(installed, 5), reading(installed + QUARTER, 6), reading(END, 50)])
    whole, part = evaluate(profile(1), readings, START, END, CREATED)
    assert (whole.raw, whole.gateway_status, whole.inputs) == (None, NO_VALUE, (3,))
    assert (part.period_start, part.period_end, part.raw, part.inputs) == (installed, END, 45, (1, 3))


@pytest.mark.req("TAF-01", "TAF-07", "TAF-23")
@given(steps=st.lists(st.integers(0, 10**12), min_size=200, max_size=200), scalers=st.lists(st.integers(-4, 3), min_size=201, max_size=201))
def test_the_differences_of_the_series_add_up_to_the_register(steps: list[int], scalers: list[int]) -> None:
    raster = [START, *boundaries(START, END, 3600)]
    total, readings = 0, []
    for place, moment in enumerate(raster):
        total += steps[place % 200] * 1000
        scaler = scalers[place % 201]
        readings.append(reading(moment, total * 10 ** (-scaler) if scaler <= 0 else total // 10**scaler, scaler=scaler, sequence=place + 1))
    (register,) = evaluate(profile(1), readings, START, END, CREATED)
    series = [readings[0].reading, *(value.reading for value in taf07.evaluate(profile(7, period_s=3600), readings, START, END))]
    differences = [later.quantity.minus(earlier.quantity) for earlier, later in pairwise(series) if earlier.quantity and later.quantity]
    assert len(differences) == len(raster) - 1
    assert register.quantity is not None
    assert sum(part.rescale(-4).raw for part in differences) == register.quantity.rescale(-4).raw


def read_out(name: str) -> list[SignedReading]:
    """Take the value list of a device file; a PTB status of 3 or 4 becomes the mark that has the same effect."""
    readings = []
    for element in etree.parse(str(shared_path("trudi", "taf1", name))).iter("{*}IntervalReading"):
        marked = int(element.findtext("{*}statusPTB") or "0") >= PtbStatus.TEMPORARY_ERROR
        status = GATEWAY_OK | (GatewayStatus.NOT_FOR_BILLING if marked else 0)
        moment = parse_time(element.findtext("{*}timePeriod/{*}start") or "")
        readings.append(reading(moment, int(element.findtext("{*}value") or ""), gateway_status=status))
    return numbered(readings)


@pytest.mark.shared
@pytest.mark.req("TAF-01", "TAF-22")
@pytest.mark.parametrize(
    ("name", "month", "raw"),
    [
        ("result_1_month.xml", 10, 29_800),
        ("result_1_month_start_statusPTB4.xml", 10, None),
        ("result_1_month_without_end.xml", 10, None),
        ("result_2_month.xml", 9, 58_600),
    ],
)
def test_read_outs_give_the_display_softwares_figure_or_none_where_it_refuses(name: str, month: int, raw: int | None) -> None:
    start, end = local(2017, month, 1), local(2017, 11, 1)
    first, *_ = evaluate(profile(1, billing_months=11 - month), read_out(name), start, end, CREATED)
    assert first.raw == raw

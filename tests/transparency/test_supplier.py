"""Supplier files: what is refused beyond the schema, and what belongs together."""

from datetime import date, timedelta

import pytest
from msgspec.structs import replace
from tests.trudi_files import NIGHT, START, berlin, day_night, days_of, device, stage, supplier, switch_times

from smgw.codec.trudi_model import (
    Certificate,
    DayProfile,
    Document,
    Interval,
    Smgw,
    SpecialDay,
    SwitchTime,
    TariffStage,
    TimeTrigger,
    UsagePoint,
)
from smgw.core.errors import PeerFault
from smgw.core.obis import Obis
from smgw.transparency.readout import usage_point_of
from smgw.transparency.supplier import check_calculator, check_calendar_complete, check_match, check_supplier

DATE = date(2026, 11, 4)


def _with_analysis(**changes: object) -> Document:
    point = supplier().usage_points[0]
    assert point.analysis_profile is not None
    return Document((replace(point, analysis_profile=replace(point.analysis_profile, **changes)),))


def _with_trigger(*, profiles: tuple[DayProfile, ...] | None = None, days: tuple[SpecialDay, ...] | None = None) -> Document:
    held = profiles if profiles is not None else (DayProfile(("1",), switch_times(day_night())),)
    return _with_analysis(time_trigger=TimeTrigger(held, days if days is not None else (SpecialDay("1", 2026, 11, 4),)))


def _profile(*, drop: int | None = None, entries: int = 96, **first: object) -> tuple[DayProfile, ...]:
    times = list(switch_times(day_night()))[:entries]
    if drop is not None:
        del times[drop]
    times[0] = replace(times[0], **first)
    return (DayProfile(("1",), tuple(times)),)


@pytest.mark.parametrize(
    ("document", "code"),
    [
        (supplier(usage_point_id=""), "trudi.usage_point_id"),
        (supplier(tariff_name=None), "trudi.tariff_name"),
        (supplier(invoicing_party_id=None), "trudi.invoicing_party"),
        (supplier(smgw=None), "trudi.smgw"),
        (supplier(kind=9), "trudi.kind"),
        (supplier(certificates=(Certificate(1, 9, b"1"),)), "trudi.certificate_type"),
        (supplier(certificates=(Certificate(1, 1, b"1"),)), "trudi.certificate_content"),
        (supplier(analysis_profile=None), "trudi.analysis_profile"),
        (supplier(use_case=9), "trudi.use_case"),
        (supplier(use_case=3), "trudi.use_case"),
        (supplier(use_case=0), "trudi.use_case"),
        (_with_analysis(stages=()), "trudi.tariff_stage"),
        (_with_analysis(stages=(TariffStage(1, "010000000FF"),)), "trudi.obis"),
        (_with_analysis(stages=(TariffStage(63, "0100010801ff"),)), "trudi.tariff_number"),
        (_with_analysis(time_trigger=None), "trudi.tariff_change_trigger"),
        (_with_trigger(profiles=()), "trudi.day_profile"),
        (_with_trigger(profiles=(DayProfile(("1",), ()),)), "trudi.day_profile"),
        (_with_trigger(days=()), "trudi.special_day"),
        (_with_trigger(days=(SpecialDay("2", 2026, 11, 4),)), "trudi.day_id"),
        (_with_trigger(days=(SpecialDay("weekday", 2026, 11, 4),)), "trudi.day_id"),
        (_with_trigger(profiles=_profile() * 2), "trudi.day_id"),
        (_with_trigger(profiles=(DayProfile(("1", "2"), switch_times(day_night())),)), "trudi.day_id"),
        (_with_trigger(profiles=(DayProfile(("65536",), switch_times(day_night())),)), "trudi.day_id"),
        (_with_trigger(days=(SpecialDay("1", None, 11, 4),)), "trudi.special_day_date"),
        (_with_trigger(days=(SpecialDay("1", 2026, None, 4),)), "trudi.special_day_date"),
        (_with_trigger(days=(SpecialDay("1", 2026, 11, None),)), "trudi.special_day_date"),
        (_with_trigger(days=(SpecialDay("1", 2026, 2, 29),)), "trudi.special_day_date"),
        (_with_analysis(billing_period=Interval(None, START)), "trudi.billing_period"),
        (_with_analysis(billing_period=Interval(86400, None)), "trudi.billing_period"),
        (_with_analysis(billing_period=Interval(4 * 366 * 86400, START)), "trudi.billing_period"),
        (_with_analysis(billing_period=Interval(86399, START)), "trudi.billing_period_short"),
        (_with_trigger(profiles=_profile(drop=50)), "trudi.day_raster"),
        (_with_trigger(profiles=_profile(entries=95)), "trudi.day_raster"),
        (_with_trigger(profiles=_profile(second=1)), "trudi.day_raster"),
        (_with_trigger(profiles=(DayProfile(("1",), switch_times(day_night())[::-1]),)), "trudi.day_raster"),
        (_with_trigger(profiles=(DayProfile(("1",), (*switch_times(day_night()), SwitchTime(1, 24)),),)), "trudi.day_raster"),
        (supplier(stages=(stage(NIGHT),)), "trudi.tariff_number"),
        (supplier(stages=[stage(number) for number in range(1, 22)]), "trudi.stage_count"),
    ],
)  # fmt: skip
@pytest.mark.req("CON-06", "TAF-02")
def test_refuses_a_supplier_file_with_a_named_reason(document: Document, code: str) -> None:
    with pytest.raises(PeerFault) as caught:
        check_supplier(document)
    assert caught.value.code == code
    assert caught.value.exit_code == 4


def test_takes_a_tariff_out_of_the_file() -> None:
    stages = (*(stage(number) for number in range(1, 21)), stage(21, register=63), stage(22, "02", 63))
    point, tariff = check_supplier(supplier(stages=stages))
    assert point.usage_point_id == "DE0001"
    assert (tariff.start, tariff.end) == (START, berlin(2026, 11, 5))
    assert tariff.day_profiles == {1: day_night()}
    assert tariff.special_days == ((DATE, 1),)
    assert [held.tariff for held in tariff.stages[-3:]] == [20, 63, 63]
    assert [held.number for held in tariff.stages_of(Obis.parse("1-0:2.8.0"))] == [22]
    assert tariff.profiles_of(Obis.parse("1-0:1.8.0")) == {1: day_night()}
    assert tariff.profiles_of(Obis.parse("1-0:2.8.0")) == {}


@pytest.mark.parametrize("use_case", [1, 2, 6, 7])
def test_takes_every_use_case_that_transparency_software_knows(use_case: int) -> None:
    _, tariff = check_supplier(supplier(use_case=use_case))
    if use_case in (1, 2):
        check_calculator(tariff)
        return
    with pytest.raises(PeerFault) as caught:
        check_calculator(tariff)
    assert caught.value.code == "trudi.no_calculator"


def test_a_single_tariff_needs_no_full_day() -> None:
    document = supplier(use_case=1, profiles={"1": (NIGHT,)}, stages=(stage(NIGHT),))
    assert check_supplier(document)[1].day_profiles == {1: (NIGHT,)}


def test_day_ids_are_numbers_whatever_their_zeros() -> None:
    document = _with_trigger(days=(SpecialDay("01", 2026, 11, 4),))
    assert check_supplier(document)[1].special_days == ((DATE, 1),)


@pytest.mark.parametrize(
    ("document", "code"),
    [
        (supplier(special_days=[(date(2025, 11, 4), "1")]), "trudi.no_special_day"),
        (supplier(end=berlin(2026, 11, 7), special_days=[(DATE, "1"), (date(2026, 11, 6), "1")]), "trudi.calendar_incomplete"),
        (supplier(end=berlin(2026, 11, 6), special_days=[(DATE, "1")]), "trudi.calendar_incomplete"),
    ],
)
@pytest.mark.req("CON-06")
def test_refuses_a_calendar_that_is_not_rolled_out(document: Document, code: str) -> None:
    _, tariff = check_supplier(document)
    with pytest.raises(PeerFault) as caught:
        check_calendar_complete(tariff)
    assert caught.value.code == code


@pytest.mark.parametrize(
    "document",
    [
        supplier(),
        supplier(start=berlin(2026, 3, 28), end=berlin(2026, 3, 31)),
        supplier(start=berlin(2026, 10, 24), end=berlin(2026, 10, 27)),
        supplier(special_days=[(date(2026, 11, day), "1") for day in range(1, 30)]),
        # A period from noon to noon is checked for one day only.
        supplier(start=START + timedelta(hours=12), end=START + timedelta(hours=60), special_days=[(date(2026, 11, 5), "1")]),
    ],
)
def test_takes_a_calendar_that_covers_the_period(document: Document) -> None:
    check_calendar_complete(check_supplier(document)[1])


@pytest.mark.parametrize(
    ("readout", "code"),
    [
        (device(usage_point_id="DE0002"), "trudi.other_usage_point"),
        (device(usage_point_id="de0001"), "trudi.other_usage_point"),
        (device(invoicing_party_id="1"), "trudi.other_invoicing_party"),
        (device(kind=1), "trudi.other_kind"),
        (device(smgw=Smgw("EABC0000000003")), "trudi.other_smgw"),
        (device(tariff_name="other"), "trudi.other_tariff_name"),
    ],
)
@pytest.mark.req("CON-06")
def test_refuses_files_that_do_not_belong_together(readout: Document, code: str) -> None:
    theirs: UsagePoint = usage_point_of(supplier())
    with pytest.raises(PeerFault) as caught:
        check_match(theirs, usage_point_of(readout))
    assert caught.value.code == code


def test_gateway_ids_match_in_any_case() -> None:
    check_match(usage_point_of(supplier()), usage_point_of(device(smgw=Smgw("eabc0000000002"))))


def test_local_days_are_counted_over_a_change_of_clocks() -> None:
    assert days_of(berlin(2026, 10, 24), 3)[-1] == date(2026, 10, 26)

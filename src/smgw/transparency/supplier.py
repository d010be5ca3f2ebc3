"""Check a supplier's tariff file as TRuDI does and take the tariff out of it.

Source: CON-06; 30-han-consumer-interface 3.5.
"""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Final

import msgspec

from smgw.codec.trudi_model import AnalysisProfile, DayProfile, Document, UsagePoint
from smgw.core.errors import PeerFault
from smgw.core.instant import BERLIN
from smgw.core.obis import ERROR_REGISTER_TARIFF, Obis
from smgw.tariff.calendar import QUARTER_HOUR_S, QUARTERS_PER_DAY
from smgw.tariff.taf02 import MAX_STAGES
from smgw.transparency.readout import check_certificates, obis_of, usage_point_of

_USE_CASES: Final = frozenset((1, 2, 6, 7))
_CALCULATED: Final = frozenset((1, 2))
_MAX_PERIOD: Final = timedelta(days=1096)


class Stage(msgspec.Struct, frozen=True):
    """Hold one tariff stage of the supplier: number in the file, register, and the supplier's name for it."""

    number: int
    obis: Obis
    description: str

    @property
    def is_error(self) -> bool:
        """Tell an error register by its OBIS code, whatever its number."""
        return self.obis.e == ERROR_REGISTER_TARIFF

    @property
    def tariff(self) -> int:
        """Give the number that its energy is booked under: 63 for an error register."""
        return ERROR_REGISTER_TARIFF if self.is_error else self.number


class Tariff(msgspec.Struct, frozen=True):
    """Hold what a checked supplier file says."""

    use_case: int
    tariff_id: str
    tariff_name: str
    start: datetime
    end: datetime
    stages: tuple[Stage, ...]
    day_profiles: dict[int, tuple[int, ...]]
    """Day id -> stage numbers as they stand in the file, one for each quarter hour."""
    special_days: tuple[tuple[date, int], ...]
    """Calendar day -> day id, in the order of the file."""

    def stages_of(self, obis: Obis) -> tuple[Stage, ...]:
        """Give the stages that price a list: those of the same quantity and direction (groups C and D)."""
        return tuple(stage for stage in self.stages if (stage.obis.c, stage.obis.d) == (obis.c, obis.d))

    def profiles_of(self, obis: Obis) -> dict[int, tuple[int, ...]]:
        """Give the day profiles that use nothing but stages of a list's direction."""
        numbers = {stage.number for stage in self.stages_of(obis)}
        return {day_id: profile for day_id, profile in self.day_profiles.items() if numbers.issuperset(profile)}


def wall_clock(moment: datetime) -> datetime:
    """Give the local time without zone, as a calendar on the wall counts."""
    return moment.astimezone(BERLIN).replace(tzinfo=None)


def _day_id(text: str) -> int:
    bare = text.strip()
    if not (bare.isascii() and bare.isdecimal() and len(bare) <= 10 and int(bare) <= 0xFFFF):
        raise PeerFault("trudi.day_id", text[:20])
    return int(bare)


def _quarter_hours(profile: DayProfile, use_case: int) -> tuple[int, ...]:
    """Check that each entry follows the one before after 900 s, and for TAF 2 that the day is full."""
    if not profile.switch_times:
        raise PeerFault("trudi.day_profile", "without DayTimeProfile")
    where = f"day profile {profile.day_ids[0][:20]}"
    times = [switch.hour * 3600 + switch.minute * 60 for switch in profile.switch_times]
    for before, after in pairwise(times):
        if after - before != QUARTER_HOUR_S:
            raise PeerFault("trudi.day_raster", f"{where}: after {before // 3600:02}:{before % 3600 // 60:02}")
    if any(switch.second or switch.minute > 59 or switch.hour > 23 for switch in profile.switch_times):
        raise PeerFault("trudi.day_raster", where)
    if use_case != 1 and len(times) != QUARTERS_PER_DAY:
        raise PeerFault("trudi.day_raster", f"{where} has {len(times)} entries")
    return tuple(switch.tariff for switch in profile.switch_times)


def _stages(analysis: AnalysisProfile) -> tuple[Stage, ...]:
    if not analysis.stages:
        raise PeerFault("trudi.tariff_stage")
    stages = tuple(
        Stage(stage.number, obis_of(stage.obis_code, f"stage {stage.number}"), (stage.description or "").strip())
        for stage in analysis.stages
    )
    if any(stage.number == ERROR_REGISTER_TARIFF and not stage.is_error for stage in stages):
        raise PeerFault("trudi.tariff_number", "63 is the error register")
    return stages


def _special_days(analysis: AnalysisProfile, day_ids: set[int]) -> Iterator[tuple[date, int]]:
    assert analysis.time_trigger is not None
    for special in analysis.time_trigger.special_days:
        day_id = _day_id(special.day_id)
        if day_id not in day_ids:
            raise PeerFault("trudi.day_id", f"no day profile {day_id}")
        if special.year is None or special.month is None or special.day is None:
            raise PeerFault("trudi.special_day_date", f"{special.year}-{special.month}-{special.day}")
        try:
            yield date(special.year, special.month, special.day), day_id
        except ValueError as problem:
            raise PeerFault("trudi.special_day_date", f"{special.year}-{special.month}-{special.day}") from problem


def _period(analysis: AnalysisProfile) -> tuple[datetime, datetime]:
    start, end = analysis.billing_period.start, analysis.billing_period.end
    if start is None or end is None:
        raise PeerFault("trudi.billing_period")
    if (wall_clock(end).date() - wall_clock(start).date()).days < 1:
        raise PeerFault("trudi.billing_period_short", f"{analysis.billing_period.duration_s} s")
    if end - start > _MAX_PERIOD:
        raise PeerFault("trudi.billing_period", "longer than three years")
    return start, end


def check_supplier(document: Document) -> tuple[UsagePoint, Tariff]:
    """Check a supplier file for what it must have beyond its schema, and give its usage point and tariff.

    Raises: PeerFault with the codes of `usage_point_of` and trudi.certificate_type, trudi.certificate_content, trudi.analysis_profile,
    trudi.tariff_stage, trudi.obis, trudi.tariff_change_trigger, trudi.day_profile, trudi.special_day, trudi.day_id,
    trudi.special_day_date, trudi.billing_period, trudi.billing_period_short, trudi.use_case, trudi.day_raster, trudi.tariff_number,
    trudi.stage_count.
    """
    point = usage_point_of(document)
    check_certificates(point)
    analysis = point.analysis_profile
    if analysis is None:
        raise PeerFault("trudi.analysis_profile")
    if analysis.use_case not in _USE_CASES:
        raise PeerFault("trudi.use_case", str(analysis.use_case))
    stages = _stages(analysis)
    if analysis.time_trigger is None:
        raise PeerFault("trudi.tariff_change_trigger")
    if not analysis.time_trigger.day_profiles:
        raise PeerFault("trudi.day_profile")
    if not analysis.time_trigger.special_days:
        raise PeerFault("trudi.special_day")
    day_profiles: dict[int, tuple[int, ...]] = {}
    for profile in analysis.time_trigger.day_profiles:
        if len(profile.day_ids) != 1 or _day_id(profile.day_ids[0]) in day_profiles:
            raise PeerFault("trudi.day_id", ", ".join(profile.day_ids)[:40])
        day_profiles[_day_id(profile.day_ids[0])] = _quarter_hours(profile, analysis.use_case)
    special_days = tuple(_special_days(analysis, set(day_profiles)))
    start, end = _period(analysis)
    numbers = {stage.number for stage in stages}
    for day_id, profile_stages in day_profiles.items():
        if not numbers.issuperset(profile_stages):
            raise PeerFault("trudi.tariff_number", f"day profile {day_id}: {min(set(profile_stages) - numbers)}")
    if sum(not stage.is_error for stage in stages) > MAX_STAGES:
        raise PeerFault("trudi.stage_count", str(len(stages)))
    assert point.tariff_name is not None
    return point, Tariff(analysis.use_case, analysis.tariff_id, point.tariff_name, start, end, stages, day_profiles, special_days)


def check_calendar_complete(tariff: Tariff) -> None:
    """Check that the calendar is rolled out over the billing period.

    As in TRuDI a period that does not start at midnight is checked for one day only.
    Raises: PeerFault trudi.no_special_day, trudi.calendar_incomplete.
    """
    start, end = wall_clock(tariff.start), wall_clock(tariff.end)
    midnights = {datetime.combine(day, datetime.min.time()) for day, _ in tariff.special_days}
    if not any(start <= midnight <= end for midnight in midnights):
        raise PeerFault("trudi.no_special_day")
    wanted = [start + timedelta(days=number) for number in range((end - start).days)]
    missing = [moment for moment in wanted if moment not in midnights]
    if missing and len(missing) < len(wanted):
        raise PeerFault("trudi.calendar_incomplete", missing[0].date().isoformat())


def check_match(supplier: UsagePoint, readout: UsagePoint) -> None:
    """Check that both files belong together.

    Raises: PeerFault trudi.other_usage_point, trudi.other_invoicing_party, trudi.other_kind, trudi.other_smgw, trudi.other_tariff_name.
    """
    assert supplier.smgw is not None and readout.smgw is not None
    pairs = (
        ("trudi.other_usage_point", readout.usage_point_id, supplier.usage_point_id),
        ("trudi.other_invoicing_party", readout.invoicing_party_id, supplier.invoicing_party_id),
        ("trudi.other_kind", readout.kind, supplier.kind),
        ("trudi.other_smgw", readout.smgw.gateway_id.lower(), supplier.smgw.gateway_id.lower()),
        ("trudi.other_tariff_name", readout.tariff_name, supplier.tariff_name),
    )
    for code, ours, theirs in pairs:
        if ours != theirs:
            raise PeerFault(code, f"{ours} and {theirs}"[:120])


def check_calculator(tariff: Tariff) -> None:
    """Refuse a use case that only lists readings. Raises: PeerFault trudi.no_calculator."""
    if tariff.use_case not in _CALCULATED:
        raise PeerFault("trudi.no_calculator", f"TAF {tariff.use_case}")

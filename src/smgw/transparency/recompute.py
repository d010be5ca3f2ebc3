"""Recompute a bill from original readings and the supplier's tariff, as TRuDI does.

The result is in the raw unit of the read-out; every rule of time is that of Europe/Berlin.
Source: CON-06, TAF-22; 30-han-consumer-interface 3.6.
"""

from collections import Counter
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Final

import msgspec
import numpy as np

from smgw.codec.trudi_model import Document, UsagePoint
from smgw.core.errors import PeerFault
from smgw.core.instant import local_day, microseconds
from smgw.core.obis import ERROR_REGISTER_TARIFF, Obis
from smgw.core.status_word import PtbStatus
from smgw.tariff.calendar import NO_STAGE, QUARTER_HOUR_S, QUARTER_HOUR_US, SwitchCalendar, moment_of
from smgw.tariff.taf02 import Series, State, Taf02Rules, evaluate, intervals, raw_values
from smgw.transparency.differences import IntervalRow, list_findings, tariff_findings
from smgw.transparency.findings import Finding
from smgw.transparency.readout import (
    CAPTURE_TOLERANCE_PERCENT,
    READER_TOLERANCE_PERCENT,
    OriginalList,
    check_readout,
    original_list,
)
from smgw.transparency.signatures import SignatureCount, count_signatures
from smgw.transparency.supplier import (
    Stage,
    Tariff,
    check_calculator,
    check_calendar_complete,
    check_match,
    check_supplier,
    wall_clock,
)

_TAF1_MONTHS: Final = (1, 2, 3, 6, 12)
_TAF1_LISTS: Final = 3


class Register(msgspec.Struct, frozen=True):
    """Hold one tariff register of the bill."""

    obis: Obis
    tariff: int
    value: int
    """In the raw unit of the read-out."""
    description: str = ""
    scaler: int = 0
    """The amount is `value * 10**scaler` in `uom`; multiplier and scaler of the list joined."""
    uom: int = 0


class ListSummary(msgspec.Struct, frozen=True):
    """Tell what an original list holds inside the billing period."""

    meter_id: str
    obis: Obis
    scaler: int
    uom: int
    period_s: int
    readings: int
    usable: int
    """How many of the readings may be billed."""
    total: int | None
    """Sum of what the list put into registers; None when it is not billed."""


class DayAmount(msgspec.Struct, frozen=True):
    """Hold the energy of one local day, list and tariff."""

    day: date
    obis: Obis
    tariff: int
    value: int


class Verification(msgspec.Struct, frozen=True):
    """Hold the result of a check."""

    use_case: int
    usage_point_id: str
    customer_id: str
    invoicing_party_id: str
    gateway_id: str
    tariff_name: str
    tariff_id: str
    start: datetime
    end: datetime
    registers: tuple[Register, ...]
    lists: tuple[ListSummary, ...]
    days: tuple[DayAmount, ...]
    signatures: SignatureCount
    findings: tuple[Finding, ...]


class _Priced(msgspec.Struct, frozen=True):
    """Hold what pricing one list gave."""

    source: OriginalList
    sums: dict[int, int]
    total: int | None = None
    days: tuple[DayAmount, ...] = ()
    findings: tuple[Finding, ...] = ()


def verify(supplier: Document, readout: Document) -> Verification:
    """Check both files, check that they belong together, and compute the tariff registers.

    Raises: PeerFault with a code `trudi.*` for whatever TRuDI refuses; see `check_supplier`, `check_readout`, `check_match` and below.
    """
    supplier_point, tariff = check_supplier(supplier)
    point = check_readout(readout)
    check_match(supplier_point, point)
    check_calendar_complete(tariff)
    check_calculator(tariff)
    tolerance = READER_TOLERANCE_PERCENT if tariff.use_case == 1 else CAPTURE_TOLERANCE_PERCENT
    sources = [original_list(reading, tolerance) for reading in point.meter_readings if reading.is_original]
    if not sources:
        raise PeerFault("trudi.no_original_list")
    derived = len(point.meter_readings) - len(sources)
    priced = _taf1(tariff, sources, derived) if tariff.use_case == 1 else _taf2(tariff, sources)
    findings = [Finding("list_derived", count=derived)] if derived else []
    held = Counter((source.meter_id, source.obis) for source in sources)
    findings += [Finding("list_twice", str(obis), count=count) for (_, obis), count in held.items() if count > 1]
    findings += [finding for one in priced for finding in (*list_findings(one.source, tariff), *one.findings)]
    return _result(point, tariff, priced, findings)


def _result(point: UsagePoint, tariff: Tariff, priced: list[_Priced], findings: list[Finding]) -> Verification:
    assert point.smgw is not None
    start_us, end_us = microseconds(tariff.start), microseconds(tariff.end)
    lists = []
    for one in priced:
        inside = [reading for reading in one.source.readings if start_us <= reading.target_us <= end_us]
        usable = sum(reading.status < PtbStatus.TEMPORARY_ERROR and reading.target_us % QUARTER_HOUR_US == 0 for reading in inside)
        scaler = one.source.scaler + one.source.multiplier
        source = one.source
        lists.append(ListSummary(source.meter_id, source.obis, scaler, source.uom, source.period_s, len(inside), usable, one.total))
    signatures = count_signatures(point)
    for code, count in (("signature_refused", signatures.refused), ("signature_unreadable", signatures.unreadable)):
        if count:
            findings.append(Finding(code, count=count))
    return Verification(
        use_case=tariff.use_case,
        usage_point_id=point.usage_point_id or "",
        customer_id=point.customer_id or "",
        invoicing_party_id=point.invoicing_party_id or "",
        gateway_id=point.smgw.gateway_id,
        tariff_name=tariff.tariff_name,
        tariff_id=tariff.tariff_id,
        start=tariff.start,
        end=tariff.end,
        registers=_registers(tariff, priced),
        lists=tuple(lists),
        days=tuple(day for one in priced for day in one.days),
        signatures=signatures,
        findings=tuple(findings),
    )


def _registers(tariff: Tariff, priced: Iterable[_Priced]) -> tuple[Register, ...]:
    """Add up the lists of each direction and give its stages and, for TAF 2, its error register, ordered by OBIS code."""
    by_direction: dict[tuple[int, int], list[_Priced]] = {}
    for one in priced:
        by_direction.setdefault((one.source.obis.c, one.source.obis.d), []).append(one)
    stages = list(tariff.stages)
    if tariff.use_case == 2:
        for stage in tariff.stages:
            error = Stage(ERROR_REGISTER_TARIFF, stage.obis.with_tariff(ERROR_REGISTER_TARIFF), "")
            if all((held.obis.c, held.obis.d) != (error.obis.c, error.obis.d) for held in stages if held.is_error):
                stages.append(error)
    registers: dict[tuple[Obis, int], Register] = {}
    for stage in stages:
        sources = by_direction.get((stage.obis.c, stage.obis.d), [])
        if len({(one.source.scaler, one.source.multiplier, one.source.uom) for one in sources}) > 1:
            raise PeerFault("trudi.units", " and ".join(one.source.meter_id for one in sources)[:80])
        first = sources[0].source if sources else None
        register = Register(
            obis=stage.obis,
            tariff=stage.tariff,
            value=sum(one.sums.get(stage.tariff, 0) for one in sources),
            description=stage.description,
            scaler=first.scaler + first.multiplier if first else 0,
            uom=first.uom if first else 0,
        )
        registers.setdefault((register.obis, register.tariff), register)
    return tuple(registers[key] for key in sorted(registers))


def _name(source: OriginalList) -> str:
    return f"{source.meter_id} {source.obis}"


def _check_taf1_period(tariff: Tariff) -> None:
    start, end = wall_clock(tariff.start), wall_clock(tariff.end)
    months = (end.year - start.year) * 12 + end.month - start.month
    if start.day != 1 or months not in _TAF1_MONTHS or start.replace(year=end.year, month=end.month) != end:
        raise PeerFault("trudi.taf1_period", f"{start} to {end}")


def _taf1(tariff: Tariff, sources: list[OriginalList], derived: int) -> list[_Priced]:
    """Price each list by its readings at both ends of the period.

    Raises: PeerFault trudi.taf1_lists, trudi.taf1_derived, trudi.taf1_stages, trudi.taf1_period, trudi.taf1_boundary_missing,
    trudi.taf1_boundary_status, trudi.taf1_day_profile, trudi.taf1_calendar.
    """
    if len(sources) > _TAF1_LISTS:
        raise PeerFault("trudi.taf1_lists", str(len(sources)))
    if derived:
        raise PeerFault("trudi.taf1_derived", str(derived))
    if len(tariff.stages) > len(sources):
        raise PeerFault("trudi.taf1_stages", f"{len(tariff.stages)} stages, {len(sources)} lists")
    _check_taf1_period(tariff)
    return [_taf1_list(tariff, source) for source in sources]


def _taf1_list(tariff: Tariff, source: OriginalList) -> _Priced:
    by_time = {reading.target_us: reading for reading in source.readings}
    ends = []
    for moment in (tariff.start, tariff.end):
        reading = by_time.get(microseconds(moment))
        if reading is None:
            raise PeerFault("trudi.taf1_boundary_missing", f"{_name(source)}: {wall_clock(moment)}")
        if reading.status >= PtbStatus.TEMPORARY_ERROR:
            raise PeerFault("trudi.taf1_boundary_status", f"{_name(source)}: {wall_clock(moment)}, status {int(reading.status)}")
        ends.append(reading)
    profiles = tariff.profiles_of(source.obis)
    if len(profiles) != 1:
        raise PeerFault("trudi.taf1_day_profile", f"{_name(source)}: {len(profiles)}")
    ((day_id, profile),) = profiles.items()
    days = (wall_clock(tariff.end) - wall_clock(tariff.start)).days
    if sum(held == day_id for _, held in tariff.special_days) % days:
        raise PeerFault("trudi.taf1_calendar", f"day profile {day_id}: not a multiple of {days}")
    value = ends[1].value - ends[0].value
    stage = next(stage for stage in tariff.stages_of(source.obis) if stage.number == profile[0])
    falls = (Finding("decreasing", str(source.obis), tariff.start, tariff.end, value=-value),) if value < 0 else ()
    return _Priced(source, {stage.tariff: value}, value, findings=falls)


def _taf2_calendar(tariff: Tariff, obis: Obis) -> SwitchCalendar | None:
    """Make the switching calendar of one direction, or None when the supplier does not bill it.

    Raises: PeerFault trudi.calendar_ambiguous.
    """
    profiles = tariff.profiles_of(obis)
    numbers = {stage.number: stage.tariff for stage in reversed(tariff.stages_of(obis))}
    special_days: dict[date, str] = {}
    first, last = local_day(tariff.start), local_day(tariff.end)
    for day, day_id in tariff.special_days:
        if day_id in profiles and first <= day <= last:
            held = special_days.setdefault(day, str(day_id))
            if profiles[int(held)] != profiles[day_id]:
                raise PeerFault("trudi.calendar_ambiguous", f"{day}: {held} and {day_id}")
    if not special_days:
        return None
    mapped = {str(day_id): tuple(numbers[number] for number in profile) for day_id, profile in profiles.items()}
    return SwitchCalendar(mapped, special_days)


def _taf2(tariff: Tariff, sources: list[OriginalList]) -> list[_Priced]:
    """Price each list by the calendar of its direction.

    Raises: PeerFault trudi.no_reading, trudi.no_valid_reading, trudi.calendar_ambiguous.
    """
    start_us, end_us = microseconds(tariff.start), microseconds(tariff.end)
    for source in sources:
        if sum(start_us <= reading.target_us <= end_us for reading in source.readings) < 2:
            raise PeerFault("trudi.no_reading", _name(source))
    priced = []
    states = []
    for source in sources:
        calendar = _taf2_calendar(tariff, source.obis)
        if calendar is None:
            priced.append(_Priced(source, {}, findings=(Finding("list_not_billed", str(source.obis)),)))
            continue
        one, state = _taf2_list(tariff, source, calendar)
        priced.append(one)
        states.append(state)
    if states and all(state.last is None for state in states):
        raise PeerFault("trudi.no_valid_reading", ", ".join(_name(one.source) for one in priced)[:80])
    return priced


def _taf2_list(tariff: Tariff, source: OriginalList, calendar: SwitchCalendar) -> tuple[_Priced, State]:
    stages = tuple({stage.tariff for stage in tariff.stages_of(source.obis)} - {ERROR_REGISTER_TARIFF})
    # A period that starts or ends between two quarter hours holds the readings from the next and to the last one inside.
    quarter = timedelta(seconds=QUARTER_HOUR_S)
    lead = timedelta(microseconds=-microseconds(tariff.start) % QUARTER_HOUR_US)
    rest = timedelta(microseconds=microseconds(tariff.end) % QUARTER_HOUR_US)
    rules = Taf02Rules(calendar, stages or (0,), tariff.start + lead, max(tariff.end - rest, tariff.start + lead + quarter))
    series = Series(
        targets_us=np.array([reading.target_us for reading in source.readings], dtype=np.int64),
        raws=raw_values([reading.value for reading in source.readings]),
        valid=np.array([reading.status < PtbStatus.TEMPORARY_ERROR for reading in source.readings], dtype=np.bool_),
    )
    state = evaluate(rules, series)
    days: dict[tuple[date, int], int] = {}
    rows = [IntervalRow(*row) for row in zip(*(column.tolist() for column in intervals(rules, series)), strict=True)]
    day_of: dict[int, date] = {}
    for row in rows:
        if row.stage != NO_STAGE:
            hour = row.start // 4
            day = day_of.get(hour) or day_of.setdefault(hour, local_day(moment_of(row.start)))
            days[day, row.stage] = days.get((day, row.stage), 0) + row.amount
    sums = {stage: value for stage, value in state.sums().items() if stage != NO_STAGE}
    return (
        _Priced(
            source=source,
            sums=sums,
            total=sum(sums.values()),
            days=tuple(DayAmount(day, source.obis, stage, value) for (day, stage), value in sorted(days.items())),
            findings=tuple(tariff_findings(str(source.obis), rules, state, rows)),
        ),
        state,
    )

"""What several tariff use cases share: boundaries of periods, and which reading stands at one."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from smgw.core.errors import DomainFault
from smgw.core.instant import local_day, local_midnight, month_bounds, period_floor
from smgw.core.obis import Obis
from smgw.core.profiles import EvaluationProfile
from smgw.core.reading import Reading, SignedReading
from smgw.core.status_word import PtbStatus

DAY_S = 86_400


def boundaries(start: datetime, end: datetime, period_s: int) -> Iterator[datetime]:
    """Give the ends of all register periods in (start, end], aware UTC.

    They are aligned to the full hour UTC; a period of one day ends at local midnight instead and has 23, 24 or 25 hours.
    Raises: DomainFault tariff.raster when `period_s` does not divide a day.
    """
    if period_s <= 0 or DAY_S % period_s:
        raise DomainFault("tariff.raster", f"{period_s} s")
    if period_s == DAY_S:
        day = local_day(start) + timedelta(days=1)
        while (boundary := local_midnight(day)) <= end:
            yield boundary
            day += timedelta(days=1)
        return
    boundary = period_floor(start, period_s) + timedelta(seconds=period_s)
    while boundary <= end:
        yield boundary
        boundary += timedelta(seconds=period_s)


def billing_period(profile: EvaluationProfile, moment: datetime) -> tuple[datetime, datetime]:
    """Give the billing period that holds `moment`, as aware UTC; periods are counted in calendar months from the profile's start."""
    start_day = local_day(profile.valid_from).replace(day=1)
    today = local_day(moment)
    elapsed = (today.year - start_day.year) * 12 + today.month - start_day.month
    index = start_day.year * 12 + start_day.month - 1 + elapsed // profile.billing_months * profile.billing_months
    first = start_day.replace(year=index // 12, month=index % 12 + 1)
    return month_bounds(first, profile.billing_months)


def contract_period(profile: EvaluationProfile, moment: datetime) -> tuple[datetime, datetime]:
    """Give the part of a billing period that lies in the contract's own time: what is billed in it."""
    start, end = billing_period(profile, moment)
    return max(start, contract_start(profile)), end if profile.valid_to is None else min(end, profile.valid_to)


def contract_start(profile: EvaluationProfile) -> datetime:
    """Give the first end of a register period in the contract's time; the value there is the first that counts."""
    return next(boundaries(profile.valid_from - timedelta(microseconds=1), profile.valid_from + timedelta(days=2), profile.period_s))


def is_usable(reading: Reading) -> bool:
    """Tell whether a reading may be billed: it has a value, and its PTB status is below 3. Source: 30-han-consumer-interface 3.6."""
    return reading.raw is not None and reading.ptb < PtbStatus.TEMPORARY_ERROR


def series_of(readings: Iterable[SignedReading], meter_id: str, obis: Obis) -> dict[datetime, SignedReading]:
    """Give one register's readings by target time, in the order of time; of several at one time the first stored counts."""
    series: dict[datetime, SignedReading] = {}
    for signed in sorted(readings, key=lambda signed: (signed.reading.target_time, signed.sequence)):
        if signed.reading.meter_id == meter_id and signed.reading.obis == obis:
            series.setdefault(signed.reading.target_time, signed)
    return series

"""What several tariff use cases share: boundaries of periods, and which reading stands at one."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from smgw.core.errors import DomainFault
from smgw.core.instant import local_day, local_midnight, period_floor
from smgw.core.obis import Obis
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

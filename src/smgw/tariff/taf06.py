"""TAF 6, read-out in case of need (German: Abruf von Messwerten im Bedarfsfall): daily values of the past six weeks, with a reason.

Source: TAF-06; 20-wan-crypto-pki 3.2.
"""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Final

import msgspec

from smgw.core.errors import DomainFault
from smgw.core.instant import local_day, local_midnight
from smgw.core.profiles import EvaluationProfile
from smgw.core.reading import SignedReading
from smgw.tariff import taf07
from smgw.tariff.common import DAY_S
from smgw.tariff.rules import ReadOutRequest
from smgw.tariff.taf07 import SeriesValue

KEPT_DAYS: Final = 42


class ReadOut(msgspec.Struct, frozen=True):
    """Hold the answer to a request; the consumer's log names reason, asker and days."""

    request: ReadOutRequest
    values: tuple[SeriesValue, ...]


def oldest_day(request: ReadOutRequest) -> date:
    """Give the first local day whose value is still kept when the request is made."""
    return local_day(request.asked_at) - timedelta(days=KEPT_DAYS)


def evaluate(profile: EvaluationProfile, request: ReadOutRequest, readings: Sequence[SignedReading]) -> ReadOut:
    """Give each register's reading at 00:00 of each requested local day, ordered by register, then day.

    A day without one gets a reading without value, as in TAF 7.
    Raises: DomainFault tariff.day_not_kept for a day more than 42 days back or not yet begun.
    """
    if request.first < oldest_day(request):
        raise DomainFault("tariff.day_not_kept", f"{request.first}")
    if local_midnight(request.last) > request.asked_at:
        raise DomainFault("tariff.day_not_kept", f"{request.last} has not begun")
    daily = msgspec.structs.replace(profile, period_s=DAY_S)
    before = local_midnight(request.first - timedelta(days=1))
    return ReadOut(request, tuple(taf07.evaluate(daily, readings, before, local_midnight(request.last))))

"""Book the values of TAF 1: one a register at the end of each billing period, and a second one when a boundary value came late.

A boundary reading that is missing or marked leaves a register without value. The period then stays open for that register until a usable
reading at or after its end is stored; the value between the usable readings is booked beside the first, which stays as it is.
"""

from datetime import datetime, timedelta

import msgspec

from smgw.core.instant import from_microseconds, microseconds
from smgw.core.obis import Obis
from smgw.core.profiles import EvaluationProfile
from smgw.core.reading import SignedReading
from smgw.core.register import RegisterValue
from smgw.storage.journal import Journal
from smgw.tariff.common import billing_period, contract_period, contract_start, is_usable
from smgw.tariff.taf01 import evaluate

__all__ = ["OPEN_LIMIT", "billing_period", "book_billing_periods", "open_since"]

OPEN_LIMIT = 24
"""At most so many billing periods of a contract wait for usable readings; the oldest are given up first."""

_PAGE = 96
_MOMENT = timedelta(microseconds=1)


class _Open(msgspec.Struct, array_like=True):
    """Remember a billing period by its start (microseconds since 1970) and the registers that still have no value."""

    start: int
    registers: list[str]


def book_billing_periods(journal: Journal, profile: EvaluationProfile, closed: datetime, now: datetime) -> datetime | None:
    """Book what all periods up to `closed` allow; gives the latest end among the values booked now, None without any.

    Joins an open transaction. Raises: DomainFault tariff.billing_period, tariff.registers.
    Source: TAF-01; MEAS-03.
    """
    booked: list[RegisterValue] = []
    waiting = _open_periods(journal, profile)
    still_open = []
    for entry in waiting:
        start = from_microseconds(entry.start)
        if not _holds(profile, start):
            still_open.append(entry)
            continue
        values, left = _late_values(journal, profile, start, entry.registers, closed, now)
        booked += values
        if left:
            still_open.append(_Open(entry.start, left))
    start = _mark(journal, profile)
    end = contract_period(profile, start)[1]
    while start < end <= closed:
        values = evaluate(profile, _decisive(journal, profile, profile.registers, (start, end), closed), start, end, now)
        booked += values
        if left := _unsettled(journal, profile, profile.registers, values, (start, end), closed):
            still_open.append(_Open(microseconds(start), left))
        journal.set_state(f"booked/{profile.profile_id}", microseconds(end).to_bytes(8, "big"))
        start, end = end, contract_period(profile, end)[1]
    journal.append_registers(booked)
    if still_open != waiting:
        journal.set_state(f"open/{profile.profile_id}", msgspec.json.encode(still_open[-OPEN_LIMIT:]))
    return max((value.period_end for value in booked), default=None)


def _mark(journal: Journal, profile: EvaluationProfile) -> datetime:
    stored = journal.get_state(f"booked/{profile.profile_id}")
    first = contract_start(profile)
    return max(first, from_microseconds(int.from_bytes(stored, "big"))) if stored is not None else first


def _holds(profile: EvaluationProfile, start: datetime) -> bool:
    """Tell whether a period that starts there is this version's own."""
    return contract_start(profile) <= start and (profile.valid_to is None or start < profile.valid_to)


def _open_periods(journal: Journal, profile: EvaluationProfile) -> list[_Open]:
    stored = journal.get_state(f"open/{profile.profile_id}")
    return msgspec.json.decode(stored, type=list[_Open]) if stored is not None else []


def _late_values(
    journal: Journal, profile: EvaluationProfile, start: datetime, registers: list[str], closed: datetime, now: datetime
) -> tuple[list[RegisterValue], list[str]]:
    """Give the second values that readings stored meanwhile allow, and the registers that go on waiting."""
    period = contract_period(profile, start)
    if period[0] != start:
        # A new version of the contract counts other periods.
        return [], []
    kept = [text for text in registers if text in profile.registers]
    hopeful = tuple(text for text in kept if _newest_is_usable(journal, profile, text))
    if not hopeful:
        return [], kept
    narrowed = msgspec.structs.replace(profile, registers=hopeful)
    values = evaluate(narrowed, _decisive(journal, profile, hopeful, period, closed), *period, now)
    late = [value for value in values if (value.period_start, value.period_end) != period]
    unsettled = _unsettled(journal, profile, hopeful, late, period, closed)
    return late, [text for text in kept if text not in hopeful or text in unsettled]


def open_since(journal: Journal, profile: EvaluationProfile) -> datetime | None:
    """Give the start of the oldest billing period that still waits for usable readings, or None when none does."""
    starts = (from_microseconds(entry.start) for entry in _open_periods(journal, profile))
    return min((start for start in starts if _holds(profile, start)), default=None)


def _newest_is_usable(journal: Journal, profile: EvaluationProfile, text: str) -> bool:
    newest = journal.last_reading(profile.meter_id, Obis.parse(text))
    return newest is not None and is_usable(newest.reading)


def _unsettled(
    journal: Journal,
    profile: EvaluationProfile,
    registers: tuple[str, ...],
    values: list[RegisterValue],
    period: tuple[datetime, datetime],
    closed: datetime,
) -> list[str]:
    """List the registers for which a second value may still come: none has come, and a usable reading stands before the period's end."""
    settled = {value.obis for value in values if value.raw is not None or (value.period_start, value.period_end) != period}
    left = []
    for text in registers:
        opening = _first_usable(journal, profile, text, period[0], closed)
        if Obis.parse(text) not in settled and (opening is None or opening.reading.target_time < period[1]):
            left.append(text)
    return left


def _decisive(
    journal: Journal, profile: EvaluationProfile, registers: tuple[str, ...], period: tuple[datetime, datetime], closed: datetime
) -> list[SignedReading]:
    """Give the readings that decide a period: those at its boundaries, and the first usable one from each boundary on."""
    found: dict[int, SignedReading] = {}
    for text in registers:
        for boundary in period:
            at = journal.readings(profile.meter_id, [Obis.parse(text)], after=boundary - _MOMENT, until=boundary)
            usable = _first_usable(journal, profile, text, boundary, closed)
            found |= {signed.sequence: signed for signed in (*at, usable) if signed is not None}
    return list(found.values())


def _first_usable(journal: Journal, profile: EvaluationProfile, text: str, start: datetime, until: datetime) -> SignedReading | None:
    after = start - _MOMENT
    while page := journal.readings(profile.meter_id, [Obis.parse(text)], after=after, until=until, limit=_PAGE):
        for signed in page:
            if is_usable(signed.reading):
                return signed
        after = page[-1].reading.target_time
    return None

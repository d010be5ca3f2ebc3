"""Time: aware UTC for everything that is stored, Europe/Berlin only for switching and display."""

import re
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Protocol
from zoneinfo import ZoneInfo

from smgw.core.errors import PeerFault, UsageError

BERLIN = ZoneInfo("Europe/Berlin")

_TEXT = re.compile(r"(\d{4})-(\d\d)-(\d\d)(?:T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,6})\d*)?)?(Z|[+-]\d{1,2}:\d\d)?", re.ASCII)


class ClockStatus(StrEnum):
    """Tell how far the gateway's time can be trusted (TIME-01)."""

    UNSET = "unset"
    VALID = "valid"
    INVALID = "invalid"


class Clock(Protocol):
    """Give the time; passed in everywhere, so that a simulated clock can stand in."""

    def now(self) -> datetime:
        """Give the present time, aware UTC."""


def utc_text(moment: datetime) -> str:
    """Write `2026-11-21T00:15:00Z`; microseconds only when there are any."""
    if moment.tzinfo is None:
        raise UsageError("value.time", "naive datetime")
    text = moment.astimezone(UTC).isoformat(timespec="microseconds" if moment.microsecond else "seconds")
    return text.replace("+00:00", "Z")


def parse_time(text: str) -> datetime:
    """Read a date or a time with `Z`, an offset (also `+1:00`) or neither (then UTC). Raises: PeerFault value.time."""
    match = _TEXT.fullmatch(text)
    if match is None:
        raise PeerFault("value.time", text[:40])
    year, month, day, hour, minute, second, fraction, zone = match.groups()
    try:
        offset = timedelta()
        if zone and zone != "Z":
            hours, minutes = zone[1:].split(":")
            offset = timedelta(hours=int(hours), minutes=int(minutes)) * (-1 if zone[0] == "-" else 1)
        micro = int((fraction or "0").ljust(6, "0"))
        moment = datetime(int(year), int(month), int(day), int(hour or 0), int(minute or 0), int(second or 0), micro, UTC)
        return moment - offset
    except (ValueError, OverflowError) as problem:
        raise PeerFault("value.time", text[:40]) from problem


def microseconds(moment: datetime) -> int:
    """Give microseconds since 1970-01-01T00:00:00Z, the form in which times are stored and hashed."""
    delta = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


def from_microseconds(value: int) -> datetime:
    """Give the aware UTC time of microseconds since 1970."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=value)


def period_floor(moment: datetime, period_s: int) -> datetime:
    """Give the last boundary of the register period at or before `moment`; boundaries are aligned to the hour in UTC."""
    return from_microseconds(microseconds(moment) // (period_s * 1_000_000) * (period_s * 1_000_000))


def local_day(moment: datetime) -> date:
    """Give the calendar day in Europe/Berlin."""
    return moment.astimezone(BERLIN).date()


def local_midnight(day: date) -> datetime:
    """Give the start of a local day as aware UTC; a day has 23, 24 or 25 hours."""
    return datetime.combine(day, time(), BERLIN).astimezone(UTC)


def day_bounds(day: date) -> tuple[datetime, datetime]:
    """Give start and end of a local day as aware UTC (end exclusive)."""
    return local_midnight(day), local_midnight(day + timedelta(days=1))


def month_bounds(day: date, months: int = 1) -> tuple[datetime, datetime]:
    """Give the local billing period of `months` calendar months that starts with the month of `day`."""
    first = day.replace(day=1)
    index = first.year * 12 + first.month - 1 + months
    return local_midnight(first), local_midnight(date(index // 12, index % 12 + 1, 1))

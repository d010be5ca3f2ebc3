"""The switching calendar: which tariff stage holds in which quarter hour of Europe/Berlin.

A day profile lists 96 quarter hours of wall-clock time. On the day with 23 hours the quarter hours 02:00 to 02:45 do not occur, on the day
with 25 hours they occur twice and have the same stage both times.
Source: TAF-02, TAF-21; 30-han-consumer-interface 3.5.
"""

from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Final, TypeAlias

import msgspec

from smgw.core.errors import DomainFault
from smgw.core.instant import BERLIN, from_microseconds, local_day, local_midnight

if TYPE_CHECKING:
    # Arrays are imported where they are made: a gateway, which takes one reading at a time, does without.
    import numpy as np
    import numpy.typing as npt

QUARTER_HOUR_S: Final = 900
QUARTER_HOUR_US: Final = QUARTER_HOUR_S * 1_000_000
QUARTERS_PER_DAY: Final = 96
NO_STAGE: Final = -1
"""Stands in timelines for a quarter hour whose day has no day profile."""

Timeline: TypeAlias = "npt.NDArray[np.int32]"


class SwitchCalendar(msgspec.Struct, frozen=True):
    """Assign a day profile to each local day: a special day before a yearly day before the day of the week (German: Schaltkalender)."""

    day_profiles: dict[str, tuple[int, ...]]
    """Name -> 96 stage numbers, 00:00 first."""
    special_days: dict[date, str] = {}
    yearly_days: dict[str, str] = {}
    """`MM-DD` -> day profile, for holidays of fixed date."""
    week: tuple[str, ...] = ()
    """Seven day profiles, Monday first; empty when every day is a special day."""

    def profile_name(self, day: date) -> str | None:
        """Name the day profile of a local day, or None when the calendar does not cover it."""
        name = self.special_days.get(day)
        if name is None and self.yearly_days:
            name = self.yearly_days.get(f"{day:%m-%d}")
        if name is None and self.week:
            name = self.week[day.weekday()]
        return name


def from_switch_times(times: Mapping[str, int]) -> tuple[int, ...]:
    """Give the 96 stages of a day from `HH:MM` -> stage; the last switch of the day also holds from 00:00 on until the first.

    Raises: DomainFault tariff.day_profile.
    """
    marks: dict[int, int] = {}
    for text, stage in times.items():
        hour, _, minute = text.partition(":")
        if not (hour.isdecimal() and minute.isdecimal() and len(text) == 5 and int(hour) < 24 and int(minute) in (0, 15, 30, 45)):
            raise DomainFault("tariff.day_profile", text[:20])
        marks[int(hour) * 4 + int(minute) // 15] = stage
    if not marks:
        raise DomainFault("tariff.day_profile", "no switch time")
    stage = marks[max(marks)]
    stages = []
    for quarter in range(QUARTERS_PER_DAY):
        stage = marks.get(quarter, stage)
        stages.append(stage)
    return tuple(stages)


def check_calendar(calendar: SwitchCalendar, stages: Collection[int], start: datetime, end: datetime) -> None:
    """Refuse a calendar that leaves a day of [start, end) open or uses what does not exist.

    Raises: DomainFault tariff.day_profile, tariff.stage_unknown, tariff.calendar_gap.
    """
    for name, profile in calendar.day_profiles.items():
        if len(profile) != QUARTERS_PER_DAY:
            raise DomainFault("tariff.day_profile", f"{name[:40]} has {len(profile)} quarter hours")
        unknown = set(profile) - set(stages)
        if unknown:
            raise DomainFault("tariff.stage_unknown", f"{name[:40]}: {min(unknown)}")
    if len(calendar.week) not in (0, 7):
        raise DomainFault("tariff.day_profile", f"the week has {len(calendar.week)} days")
    for name in (*calendar.special_days.values(), *calendar.yearly_days.values(), *calendar.week):
        if name not in calendar.day_profiles:
            raise DomainFault("tariff.day_profile", name[:40])
    day = local_day(start)
    while local_midnight(day) < end:
        if calendar.profile_name(day) is None:
            raise DomainFault("tariff.calendar_gap", day.isoformat())
        day += timedelta(days=1)


def quarter_of(moment: datetime) -> int:
    """Number the quarter hours since 1970 (UTC); the one that `moment` lies in."""
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=QUARTER_HOUR_S)


def moment_of(quarter: int) -> datetime:
    """Give the start of a quarter hour."""
    return from_microseconds(quarter * QUARTER_HOUR_US)


def _wall_quarters(start: int, count: int) -> list[int]:
    """List the wall-clock quarter hours of a day of `count` quarter hours, in the order in which they pass."""
    local = (moment_of(start + number).astimezone(BERLIN) for number in range(count))
    return [moment.hour * 4 + moment.minute // 15 for moment in local]


def _days(calendar: SwitchCalendar, first: int, last: int) -> Iterator[tuple[int, str | None, list[int] | None]]:
    """Walk the local days that quarter hours from `first` up to, not including, `last` touch.

    Gives where each starts, its day profile, and its wall-clock quarter hours where they are not just all 96.
    """
    day = local_day(moment_of(first))
    cursor = quarter_of(local_midnight(day))
    while cursor < last:
        name = calendar.profile_name(day)
        day += timedelta(days=1)
        following = quarter_of(local_midnight(day))
        yield cursor, name, None if following - cursor == QUARTERS_PER_DAY else _wall_quarters(cursor, following - cursor)
        cursor = following


def timeline(calendar: SwitchCalendar, first: int, last: int) -> Timeline:
    """Give the stage of each quarter hour from `first` up to, not including, `last`; NO_STAGE where the calendar does not reach."""
    import numpy as np

    rows: dict[str | None, Timeline] = {name: np.array(profile, dtype=np.int32) for name, profile in calendar.day_profiles.items()}
    rows[None] = np.full(QUARTERS_PER_DAY, NO_STAGE, dtype=np.int32)
    begin = quarter_of(local_midnight(local_day(moment_of(first))))
    days = _days(calendar, first, last)
    pieces = [rows[None][:0], *(rows[name] if wall is None else rows[name][wall] for _, name, wall in days)]
    return np.concatenate(pieces)[first - begin : last - begin]


def stages_between(calendar: SwitchCalendar, first: int, last: int) -> set[int]:
    """Give the stages that hold between two quarter hours, the last not included; NO_STAGE where the calendar does not reach."""
    found: set[int] = set()
    for begin, name, wall in _days(calendar, first, last):
        row = (NO_STAGE,) * QUARTERS_PER_DAY if name is None else calendar.day_profiles[name]
        stages = row if wall is None else tuple(row[quarter] for quarter in wall)
        found.update(stages[max(first - begin, 0) : last - begin])
    return found


def stage_at(calendar: SwitchCalendar, quarter: int) -> int:
    """Give the stage of one quarter hour, or NO_STAGE."""
    local = moment_of(quarter).astimezone(BERLIN)
    name = calendar.profile_name(local.date())
    return NO_STAGE if name is None else calendar.day_profiles[name][local.hour * 4 + local.minute // 15]

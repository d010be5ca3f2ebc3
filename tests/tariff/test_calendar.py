"""The switching calendar, above all on the days on which the clocks change."""

from datetime import UTC, date, datetime, timedelta

import pytest
from tests.trudi_files import berlin

from smgw.core.errors import DomainFault
from smgw.tariff.calendar import (
    NO_STAGE,
    SwitchCalendar,
    check_calendar,
    from_switch_times,
    moment_of,
    quarter_of,
    stage_at,
    stages_between,
    timeline,
)

NIGHT_DAY = from_switch_times({"06:00": 2, "21:00": 1})
NUMBERED = tuple(range(96))
WEEK = SwitchCalendar({"work": NIGHT_DAY, "rest": (1,) * 96}, week=("work",) * 5 + ("rest",) * 2)


@pytest.mark.parametrize("times", [{}, {"6:00": 1}, {"24:00": 1}, {"06:10": 1}, {"ab:cd": 1}, {"06:00:00": 1}])
def test_refuses_switch_times_off_the_quarter_hour(times: dict[str, int]) -> None:
    with pytest.raises(DomainFault) as caught:
        from_switch_times(times)
    assert caught.value.code == "tariff.day_profile"


@pytest.mark.parametrize(
    ("calendar", "code"),
    [
        (SwitchCalendar({"a": (1,) * 95}, week=("a",) * 7), "tariff.day_profile"),
        (SwitchCalendar({"a": (1,) * 96}, week=("a",) * 6), "tariff.day_profile"),
        (SwitchCalendar({"a": (1,) * 96}, week=("b",) * 7), "tariff.day_profile"),
        (SwitchCalendar({"a": (1,) * 96}, week=("a",) * 7, yearly_days={"12-25": "b"}), "tariff.day_profile"),
        (SwitchCalendar({"a": (3,) * 96}, week=("a",) * 7), "tariff.stage_unknown"),
        (SwitchCalendar({"a": (1,) * 96}, {date(2026, 1, 1): "a"}), "tariff.calendar_gap"),
    ],
)
@pytest.mark.req("TAF-02")
def test_refuses_a_calendar_that_does_not_fit(calendar: SwitchCalendar, code: str) -> None:
    with pytest.raises(DomainFault) as caught:
        check_calendar(calendar, (1, 2), berlin(2026, 1, 1), berlin(2026, 1, 3))
    assert caught.value.code == code


def test_a_calendar_that_covers_the_period_fits() -> None:
    check_calendar(WEEK, (1, 2), berlin(2026, 1, 1), berlin(2027, 1, 1))
    check_calendar(SwitchCalendar({"a": (1,) * 96}, {date(2026, 1, 1): "a"}), (1,), berlin(2026, 1, 1), berlin(2026, 1, 2))


def test_the_last_switch_of_a_day_holds_over_midnight() -> None:
    assert NIGHT_DAY[:24] == (1,) * 24
    assert NIGHT_DAY[24:84] == (2,) * 60
    assert NIGHT_DAY[84:] == (1,) * 12


@pytest.mark.req("TAF-02")
def test_a_special_day_goes_before_a_yearly_day_and_that_before_the_week() -> None:
    profiles = {name: (number,) * 96 for number, name in enumerate(("week", "yearly", "special"), 1)}
    calendar = SwitchCalendar(profiles, {date(2026, 12, 25): "special"}, {"12-25": "yearly", "12-26": "yearly"}, ("week",) * 7)
    names = [calendar.profile_name(date(2026, 12, day)) for day in (24, 25, 26)]
    assert names == ["week", "special", "yearly"]
    assert calendar.profile_name(date(2027, 12, 25)) == "yearly"


@pytest.mark.parametrize(
    ("day", "quarters", "first_after"),
    [
        (date(2026, 3, 29), 92, {7: 7, 8: 12, 91: 95}),
        (date(2026, 10, 25), 100, {7: 7, 8: 8, 11: 11, 12: 8, 15: 11, 16: 12, 99: 95}),
        (date(2024, 2, 29), 96, {0: 0, 95: 95}),
        (date(2025, 12, 31), 96, {0: 0, 95: 95}),
    ],
)
@pytest.mark.req("TAF-21", "TIME-02")
def test_days_of_23_24_and_25_hours(day: date, quarters: int, first_after: dict[int, int]) -> None:
    calendar = SwitchCalendar({"numbered": NUMBERED}, {day: "numbered"})
    start = quarter_of(berlin(day.year, day.month, day.day))
    following = day + timedelta(days=1)
    end = quarter_of(berlin(following.year, following.month, following.day))
    stages = timeline(calendar, start, end).tolist()
    assert len(stages) == end - start == quarters
    assert {number: stages[number] for number in first_after} == first_after
    assert timeline(calendar, start - 1, end + 1).tolist() == [NO_STAGE, *stages, NO_STAGE]


@pytest.mark.req("TAF-21")
def test_a_timeline_is_the_stage_of_each_of_its_quarter_hours() -> None:
    first, last = quarter_of(datetime(2026, 3, 27, 5, 30, tzinfo=UTC)), quarter_of(datetime(2026, 4, 2, 17, 15, tzinfo=UTC))
    assert timeline(WEEK, first, last).tolist() == [stage_at(WEEK, quarter) for quarter in range(first, last)]
    assert timeline(WEEK, first, first).tolist() == []


@pytest.mark.req("TAF-21")
@pytest.mark.parametrize("year", [2025, 2026])
def test_stages_between_are_those_of_the_timeline_across_both_changes_of_the_clocks(year: int) -> None:
    calendar = SwitchCalendar({"numbered": NUMBERED}, {date(year, month, day): "numbered" for month in (3, 10) for day in range(24, 32)})
    for start in (datetime(year, 3, 23, 12, tzinfo=UTC), datetime(year, 10, 23, 12, tzinfo=UTC)):
        first = quarter_of(start)
        for offset in range(0, 8 * 96, 7):
            for length in (1, 2, 5, 97):
                begin, end = first + offset, first + offset + length
                assert stages_between(calendar, begin, end) == set(timeline(calendar, begin, end).tolist())
    assert stages_between(calendar, first, first) == set()


def test_a_quarter_hour_and_its_start_belong_together() -> None:
    moment = datetime(2026, 11, 4, 10, 15, tzinfo=UTC)
    assert moment_of(quarter_of(moment)) == moment == moment_of(quarter_of(moment + timedelta(seconds=899)))

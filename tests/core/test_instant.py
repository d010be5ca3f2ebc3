"""Times: aware UTC or refused, microseconds both ways, local days of 23, 24 and 25 hours."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smgw.core.errors import PeerFault, UsageError
from smgw.core.instant import (
    BERLIN,
    day_bounds,
    from_microseconds,
    local_day,
    local_midnight,
    microseconds,
    month_bounds,
    parse_time,
    period_floor,
    utc_text,
)

MOMENTS = st.datetimes(datetime(1970, 1, 2), datetime(2199, 12, 30), timezones=st.just(UTC))  # noqa: DTZ001
DAYS = st.dates(date(1980, 1, 1), date(2099, 12, 1))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-11-21T00:15",
        "2026-13-01T00:00:00Z",
        "2026-02-30",
        "2026-11-21T24:00:00Z",
        "2026-11-21 00:15:00Z",
        "2026-11-21T00:15:00+99:99Z",
        "٢٠٢٦-11-21",
        "0001-01-01T00:00:00+23:00",
        "9999-12-31T23:59:59-23:00",
        "x" * 1000,
    ],
)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(PeerFault, match=r"value\.time"):
        parse_time(text)


def test_a_naive_time_is_never_written() -> None:
    with pytest.raises(UsageError, match=r"value\.time"):
        utc_text(datetime(2026, 11, 21))  # noqa: DTZ001


@given(MOMENTS, st.integers(-12 * 60, 14 * 60))
def test_a_written_time_is_read_back(moment: datetime, offset: int) -> None:
    zone = timezone(timedelta(minutes=offset))
    assert parse_time(utc_text(moment)) == moment
    assert parse_time(moment.astimezone(zone).isoformat()) == moment
    assert utc_text(moment.astimezone(zone)) == utc_text(moment)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-21", "2026-11-21T00:00:00Z"),
        ("2026-11-21T01:15:00+1:00", "2026-11-21T00:15:00Z"),
        ("2026-11-21T00:15:00.1234567Z", "2026-11-21T00:15:00.123456Z"),
        ("2026-11-21T00:15:00", "2026-11-21T00:15:00Z"),
    ],
)
def test_forms_that_clients_send(text: str, expected: str) -> None:
    assert utc_text(parse_time(text)) == expected


@given(MOMENTS)
def test_microseconds_are_exact_both_ways(moment: datetime) -> None:
    assert from_microseconds(microseconds(moment)) == moment


@given(MOMENTS, st.sampled_from([60, 300, 900, 1800, 3600]))
def test_a_period_starts_at_or_before_and_on_the_hour(moment: datetime, period_s: int) -> None:
    start = period_floor(moment, period_s)
    assert timedelta() <= moment - start < timedelta(seconds=period_s)
    assert (start - start.replace(minute=0, second=0, microsecond=0)).total_seconds() % period_s == 0


@pytest.mark.req("TAF-21")
@given(DAYS)
def test_local_days_follow_each_other_without_gap(day: date) -> None:
    start, end = day_bounds(day)
    assert local_midnight(day) == start
    assert end == day_bounds(day + timedelta(days=1))[0]
    assert (end - start) // timedelta(hours=1) in (23, 24, 25)
    assert local_day(start) == local_day(end - timedelta(microseconds=1)) == day
    assert local_day(end) == day + timedelta(days=1)


@pytest.mark.req("TAF-21")
@pytest.mark.parametrize(("day", "hours"), [(date(2026, 3, 29), 23), (date(2026, 10, 25), 25), (date(2026, 6, 1), 24)])
def test_days_on_which_clocks_change(day: date, hours: int) -> None:
    start, end = day_bounds(day)
    assert end - start == timedelta(hours=hours)


@pytest.mark.req("TAF-01")
@given(DAYS, st.sampled_from([1, 2, 3, 6, 12]))
def test_months_start_at_local_midnight_of_a_first_day(day: date, months: int) -> None:
    start, end = month_bounds(day, months)
    for bound in (start, end):
        local = bound.astimezone(BERLIN)
        assert (local.day, local.hour, local.minute) == (1, 0, 0)
    assert month_bounds(local_day(end), months)[0] == end
    assert start <= local_midnight(day) < end

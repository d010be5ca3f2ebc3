"""The simulated household: the same at every start, exact, and like a household."""

import hashlib
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smgw.core.errors import ConfigError
from smgw.core.instant import BERLIN
from smgw.core.obis import ACTIVE_ENERGY_EXPORT, ACTIVE_ENERGY_IMPORT, ACTIVE_POWER
from smgw.simulation.household import BEGIN, PROFILES, Household

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)
MOMENTS = st.datetimes(datetime(2025, 1, 1), datetime(2025, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001 (hypothesis adds the zone)


def test_unknown_profiles_and_times_before_installation_are_refused() -> None:
    with pytest.raises(ConfigError) as fault:
        Household("castle")
    assert fault.value.code == "simulation.profile"
    with pytest.raises(ConfigError):
        Household().registers_at(datetime(BEGIN.year, BEGIN.month, BEGIN.day, tzinfo=UTC) - timedelta(microseconds=1))


@settings(deadline=None, max_examples=8)
@given(first=MOMENTS, second=MOMENTS, profile=st.sampled_from(sorted(PROFILES)))
def test_the_order_of_questions_does_not_matter(first: datetime, second: datetime, profile: str) -> None:
    household = Household(profile, 7)
    asked_first = household.registers_at(first)
    asked_second = household.registers_at(second)
    assert Household(profile, 7).registers_at(second) == asked_second
    assert household.registers_at(first) == asked_first


@settings(deadline=None, max_examples=8)
@given(start=MOMENTS, seconds=st.integers(1, 7200))
def test_registers_are_the_integral_of_power(start: datetime, seconds: int) -> None:
    household = Household("prosumer", 3)
    end = start + timedelta(seconds=seconds)
    taken_us = given_us = 0
    moment = start
    while moment < end:
        minute_end = min(end, moment.replace(second=0, microsecond=0) + timedelta(minutes=1))
        span_us = (minute_end - moment) // timedelta(microseconds=1)
        watts = household.power_at(moment)
        taken_us += max(watts, 0) * span_us
        given_us += max(-watts, 0) * span_us
        moment = minute_end
    before, after = household.registers_at(start), household.registers_at(end)
    for obis, exact in ((ACTIVE_ENERGY_IMPORT, taken_us), (ACTIVE_ENERGY_EXPORT, given_us)):
        assert after[obis] - before[obis] >= 0
        assert abs((after[obis] - before[obis]) * 360_000_000 - exact) < 360_000_000
    assert after[ACTIVE_POWER] == household.power_at(end)


def test_seeds_differ() -> None:
    soon = datetime(BEGIN.year, BEGIN.month, BEGIN.day, 12, tzinfo=UTC)
    assert len({Household("household", seed).registers_at(soon)[ACTIVE_ENERGY_IMPORT] for seed in range(50)}) == 50


def test_known_values_stay_what_they_are() -> None:
    registers = Household("prosumer", 1).registers_at(datetime(2026, 6, 21, 10, 30, 15, tzinfo=UTC))
    assert registers == {ACTIVE_ENERGY_IMPORT: 128_828_616, ACTIVE_ENERGY_EXPORT: 161_738_023, ACTIVE_POWER: -7978}


@pytest.mark.parametrize(
    ("profile", "digest"),
    [
        ("flat", "7037b98a804f7d57"),
        ("heat-pump", "11f9962223217310"),
        ("household", "8e5e26c3cd2de627"),
        ("prosumer", "36e2998421cf7672"),
        ("solar", "7f913903803a3cac"),
    ],
)
def test_every_profile_shows_the_same_values_for_ever(profile: str, digest: str) -> None:
    seen = hashlib.sha256()
    for seed in (1, 7, 20_000_042):
        household = Household(profile, seed)
        for step in range(600):  # every day and a half of two and a half years, at another time of day
            moment = datetime(2025, 1, 1, tzinfo=UTC) + timedelta(seconds=step * 131_071)
            shown = household.registers_at(moment)
            values = shown[ACTIVE_ENERGY_IMPORT], shown[ACTIVE_ENERGY_EXPORT], shown[ACTIVE_POWER], household.power_at(moment)
            seen.update(repr(values).encode())
    assert seen.hexdigest()[:16] == digest


@pytest.mark.parametrize("profile", sorted(PROFILES))
def test_days_that_were_only_added_up_end_as_days_that_were_lived_through(profile: str) -> None:
    household = Household(profile, 3)
    for day in range(1, 366):
        midnight = datetime(2025, 1, 1, tzinfo=UTC) + timedelta(days=day)
        before, after = household.registers_at(midnight - timedelta(microseconds=1)), household.registers_at(midnight)
        for obis in (ACTIVE_ENERGY_IMPORT, ACTIVE_ENERGY_EXPORT):
            assert 0 <= after[obis] - before[obis] <= 1


@pytest.mark.parametrize(
    ("profile", "taken_kwh", "given_kwh"),
    [
        ("flat", (1800, 3000), (0, 0)),
        ("household", (3000, 4500), (0, 0)),
        ("heat-pump", (7000, 11_000), (0, 0)),
        ("solar", (1200, 2500), (5000, 8500)),
        ("prosumer", (5000, 8500), (8000, 12_500)),
    ],
)
def test_a_year_is_like_a_household(profile: str, taken_kwh: tuple[int, int], given_kwh: tuple[int, int]) -> None:
    for seed in (1, 2):
        household = Household(profile, seed)
        before, after = household.registers_at(NEW_YEAR), household.registers_at(NEW_YEAR.replace(year=2027))
        assert taken_kwh[0] <= (after[ACTIVE_ENERGY_IMPORT] - before[ACTIVE_ENERGY_IMPORT]) // 10_000 <= taken_kwh[1]
        assert given_kwh[0] <= (after[ACTIVE_ENERGY_EXPORT] - before[ACTIVE_ENERGY_EXPORT]) // 10_000 <= given_kwh[1]


def mean_power(household: Household, start: datetime, minutes: int) -> int:
    return sum(household.power_at(start + timedelta(minutes=minute)) for minute in range(minutes)) // minutes


def test_life_follows_local_time_and_the_sun_follows_its_own() -> None:
    household, solar = Household("household", 5), Household("solar", 5)
    for month in (1, 7):
        evening = night = noon = midnight = 0
        for day in range(1, 29):
            local = datetime(2026, month, day, tzinfo=BERLIN)
            evening += mean_power(household, local.replace(hour=18).astimezone(UTC), 60)
            night += mean_power(household, local.replace(hour=3).astimezone(UTC), 60)
            noon += mean_power(solar, datetime(2026, month, day, 11, tzinfo=UTC), 60)
            midnight += mean_power(solar, datetime(2026, month, day, 23, tzinfo=UTC), 60)
        assert evening > 2 * night
        assert noon < 0 < midnight

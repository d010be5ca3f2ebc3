"""A household that uses and makes power: the same seed gives the same watts and the same registers at any moment, on any machine.

All of it is integer arithmetic. Power is constant within a minute; energy is its exact integral, so a meter that starts anew, or is
asked for any moment of the past, shows what it always would have shown.
"""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from smgw.core.errors import ConfigError
from smgw.core.instant import BERLIN, microseconds
from smgw.core.obis import ACTIVE_ENERGY_EXPORT, ACTIVE_ENERGY_IMPORT, ACTIVE_POWER, Obis

BEGIN: Final = date(2025, 1, 1)
"""Day (UTC) at which every simulated meter was installed; before it nothing is known."""

REGISTER_SCALER: Final = -1
"""Registers count tenths of a watt-hour."""

Watts = npt.NDArray[np.int64]
_MINUTES: Final = 1440
_TOGETHER: Final = 16
"""So many days are added up in one go, within the processor's cache."""
_DAY_US: Final = 86_400 * 1_000_000
_TENTH_WATT_HOUR_US: Final = 360 * 1_000_000
"""Watt-microseconds of a tenth of a watt-hour."""


class HouseholdProfile(NamedTuple):
    """Say what a household has; all powers in watts."""

    base_w: int
    """Drawn always."""
    activity_w: int
    """Mean of what people switch on at a busy hour."""
    heat_pump_w: int = 0
    solar_peak_w: int = 0


PROFILES: Final[dict[str, HouseholdProfile]] = {
    "flat": HouseholdProfile(base_w=90, activity_w=260),
    "household": HouseholdProfile(base_w=140, activity_w=420),
    "heat-pump": HouseholdProfile(base_w=160, activity_w=420, heat_pump_w=2400),
    "solar": HouseholdProfile(base_w=140, activity_w=420, solar_peak_w=8000),
    "prosumer": HouseholdProfile(base_w=180, activity_w=480, heat_pump_w=2600, solar_peak_w=12_000),
}
"""Name of a profile, as `smgw meter run --profile` takes it, -> its household."""

# Activity in percent of a busy hour, for local hours 0 to 23 and again 0, so that minutes can lie between two hours.
_WORKDAY = (14, 9, 7, 6, 7, 16, 48, 70, 46, 34, 32, 38, 54, 44, 36, 40, 52, 78, 100, 98, 88, 72, 48, 26, 14)
_SATURDAY = (22, 14, 9, 7, 7, 8, 16, 38, 66, 78, 74, 76, 84, 72, 62, 58, 62, 76, 92, 88, 78, 68, 52, 36, 22)
_SUNDAY = (26, 16, 10, 8, 7, 7, 10, 24, 54, 76, 86, 98, 100, 80, 62, 54, 54, 64, 80, 82, 76, 64, 44, 26, 14)
_SHAPES = np.array([_WORKDAY] * 5 + [_SATURDAY, _SUNDAY], dtype=np.int64)

_FRIDGE_W, _FRIDGE_ON, _FRIDGE_CYCLE = 85, 14, 45
_NEVER = 100
"""No activity is higher, so nothing starts by such a throw of the dice or a higher one."""
_APPLIANCE_W = np.array((2100, 1200, 3000, 1800, 900, 2200, 1500, 2000), dtype=np.int64)


def _noise(seed: int, stream: int, index: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Give a fixed pseudo-random integer 0…65535 for each index, by one round of a 64-bit mixing function."""
    state = index.astype(np.uint64)
    state += np.uint64((seed * 0x9E3779B97F4A7C15 + stream * 0xD1B54A32D192ED03) % (1 << 64))
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB), (31, 1)):
        state ^= state >> np.uint64(shift)
        state *= np.uint64(factor)
    state >>= np.uint64(48)
    return state.view(np.int64)


def _sine(degree_tenths: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Give sin × 10000 of tenths of a degree, by Bhaskara's rational formula (error below 0.2 %)."""
    turn = degree_tenths % 3600
    half = turn % 1800
    product = half * (1800 - half)
    value = 40_000 * product // (4_050_000 - product)
    return np.where(turn < 1800, value, -value)


_Kind = tuple[int, int, int]
"""Kind of a UTC day: offset of local time before and after 01:00 UTC in minutes, weekday (0 is Monday)."""


@lru_cache(maxsize=4096)
def _kind(day: date) -> _Kind:
    """Give the kind of a day; clocks in Europe change at 01:00 UTC."""
    offsets = []
    for hour in (0, 2):
        offset = datetime(day.year, day.month, day.day, hour, tzinfo=UTC).astimezone(BERLIN).utcoffset()
        assert offset is not None
        offsets.append(offset // timedelta(minutes=1))
    return offsets[0], offsets[1], day.weekday()


@lru_cache(maxsize=64)
def _activity(kind: _Kind) -> npt.NDArray[np.int64]:
    """Give the activity in each UTC minute of such a day, in percent of a busy hour."""
    minute = np.arange(_MINUTES, dtype=np.int64)
    before, after, weekday = kind
    passed = minute + np.where(minute < 60, before, after)
    local, weekdays = passed % _MINUTES, (weekday + passed // _MINUTES) % 7
    hour, rest = local // 60, local % 60
    activity: npt.NDArray[np.int64] = (_SHAPES[weekdays, hour] * (60 - rest) + _SHAPES[weekdays, hour + 1] * rest) // 60
    return activity


def _people(profile: HouseholdProfile, seed: int, day: date) -> Watts:
    number = np.int64(day.toordinal())
    minute = np.arange(_MINUTES, dtype=np.int64)
    activity = _activity(_kind(day))
    quarter, block = number * 96 + minute // 15, number * 288 + minute // 5
    mean = profile.activity_w * activity * (_noise(seed, 1, quarter) % 81 + 60) // 10_000
    fridge = np.where((minute + _noise(seed, 2, number.reshape(1))) % _FRIDGE_CYCLE < _FRIDGE_ON, _FRIDGE_W, 0)
    dice = _noise(seed, 3, block)
    appliance = np.where(dice % 1600 < activity, _APPLIANCE_W[dice // 1600 % len(_APPLIANCE_W)], 0)
    flicker = _noise(seed, 4, number * _MINUTES + minute) % 31
    watts: Watts = profile.base_w + fridge + mean + appliance * profile.activity_w // 420 + flicker
    return watts


@lru_cache(maxsize=64)
def _day_tables(activity_w: int, kind: _Kind) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Give the sum of `mean` of each quarter hour by its dice, and the minutes of each block in which an appliance runs by its dice."""
    activity = _activity(kind)
    mean = (activity_w * activity.reshape(96, 15, 1) * (np.arange(81, dtype=np.int64) + 60) // 10_000).sum(axis=1)
    runs = (activity.reshape(288, 5, 1) > np.arange(_NEVER + 1)).sum(axis=1)
    return mean, runs


def _people_sums(profile: HouseholdProfile, seed: int, days: list[date]) -> list[int]:
    """Sum `_people` over each of several days of one kind, with tables for all that repeats; a year costs about three milliseconds."""
    number = np.array([day.toordinal() for day in days], dtype=np.int64).reshape(-1, 1)
    mean, runs = _day_tables(profile.activity_w, _kind(days[0]))
    quarter, block, minute = (np.arange(parts, dtype=np.int64) for parts in (96, 288, _MINUTES))
    sums = mean[quarter, _noise(seed, 1, number * 96 + quarter) % 81].sum(axis=1)
    dice = _noise(seed, 3, number * 288 + block)
    power = _APPLIANCE_W[dice // 1600 % len(_APPLIANCE_W)] * profile.activity_w // 420
    sums += (power * runs[block, np.minimum(dice % 1600, _NEVER)]).sum(axis=1)
    sums += (_noise(seed, 4, number * _MINUTES + minute).astype(np.uint16) % np.uint16(31)).sum(axis=1, dtype=np.int64)
    # A day holds the fridge's cycle a whole number of times.
    sums += profile.base_w * _MINUTES + _FRIDGE_W * _FRIDGE_ON * (_MINUTES // _FRIDGE_CYCLE)
    return [int(value) for value in sums]


def _heating(profile: HouseholdProfile, seed: int, day: date) -> Watts:
    number = np.int64(day.toordinal())
    minute = np.arange(_MINUTES, dtype=np.int64)
    season = int(_sine(np.array([(day.timetuple().tm_yday - 15) * 3600 // 365 + 900]))[0])  # +10000 in mid-January
    weather = int(_noise(seed, 5, number.reshape(1))[0] % 400) - 200
    outside = 100 - season * 110 // 10_000 + weather * 40 // 200  # tenths of a degree, daily mean
    by_hour = outside + _sine((minute - 540) * 3600 // _MINUTES) * 35 // 10_000
    duty = np.clip((160 - by_hour) * 100 // 280, 0, 100)
    on = (minute + _noise(seed, 6, number.reshape(1))) % 50 < duty * 50 // 100
    return np.where(on, profile.heat_pump_w, 8)


def _solar(profile: HouseholdProfile, seed: int, day: date) -> Watts:
    number = np.int64(day.toordinal())
    minute = np.arange(_MINUTES, dtype=np.int64)
    declination = 235 * _sine(np.array([(day.timetuple().tm_yday - 81) * 3600 // 365]))[0] // 10_000  # tenths of a degree
    sin_d, cos_d = _sine(np.array([declination, declination + 900]))
    hour_angle = (minute - _MINUTES // 2 + 40) * 3600 // _MINUTES  # the sun stands highest 40 min before 12:00 UTC at 10° east
    # 51° north: sin 0.7771, cos 0.6293.
    elevation = (7771 * sin_d + 6293 * cos_d // 10_000 * _sine(hour_angle + 900)) // 10_000
    clear = 8 + _noise(seed, 7, number.reshape(1))[0] % 88  # percent of the panels' peak
    cloud = clear + (100 - clear) * (_noise(seed, 8, number * 96 + minute // 15) % 50) // 100
    watts: Watts = np.maximum(elevation, 0) * profile.solar_peak_w // 10_000 * cloud // 100
    return watts


class Household:
    """Give the power and the energy registers of one household at any moment since `BEGIN`.

    `seed` makes it one of many of its profile. Raises: ConfigError simulation.profile for an unknown profile or a moment before `BEGIN`.
    """

    def __init__(self, profile: str = "household", seed: int = 1) -> None:
        if profile not in PROFILES:
            raise ConfigError("simulation.profile", f"{profile[:40]!r} is none of {', '.join(PROFILES)}")
        self._profile = PROFILES[profile]
        self._seed = seed
        first = int(_noise(seed, 9, np.array([0]))[0]) * 763
        self._starts = {taken: np.array([units * _TENTH_WATT_HOUR_US]) for taken, units in ((True, first), (False, first // 3))}
        """Registers at the start of each day known so far, in watt-microseconds."""
        self._day = -1
        self._sums: dict[bool, npt.NDArray[np.int32]] = {}
        """Watt-minutes since the start of the day at hand, at the start of each of its minutes and at its end."""

    def power_at(self, moment: datetime) -> int:
        """Give the net power in watts, constant within a UTC minute; negative while more is made than used."""
        return self.registers_at(moment)[ACTIVE_POWER]

    def registers_at(self, moment: datetime) -> dict[Obis, int]:
        """Give the import and export registers in tenths of a watt-hour and the present power in watts."""
        day, rest_us = self._locate(moment)
        self._load(day)
        minute, part_us = divmod(rest_us, 60_000_000)
        found, watts = [], []
        for taken in (True, False):
            before, after = self._sums[taken][minute : minute + 2].tolist()
            watts.append(after - before)
            energy = int(self._starts[taken][day]) + before * 60_000_000 + watts[-1] * part_us
            found.append(energy // _TENTH_WATT_HOUR_US)
        return {ACTIVE_ENERGY_IMPORT: found[0], ACTIVE_ENERGY_EXPORT: found[1], ACTIVE_POWER: watts[0] - watts[1]}

    @staticmethod
    def _locate(moment: datetime) -> tuple[int, int]:
        start = microseconds(datetime(BEGIN.year, BEGIN.month, BEGIN.day, tzinfo=UTC))
        day, rest_us = divmod(microseconds(moment) - start, _DAY_US)
        if day < 0:
            raise ConfigError("simulation.profile", f"nothing is known before {BEGIN}")
        return day, rest_us

    def _load(self, day: int) -> None:
        """Make `day` the day at hand, and know the registers at its start by adding up every day before it once."""
        if day == self._day:
            return
        known = len(self._starts[True]) - 1
        if day > known:
            for taken, sums in zip((True, False), self._energies(range(known, day)), strict=True):
                starts = self._starts[taken]
                self._starts[taken] = np.concatenate((starts, starts[-1] + 60_000_000 * np.cumsum(sums)))
        watts = self._compute(day)
        for taken in (True, False):
            self._sums[taken] = np.zeros(_MINUTES + 1, dtype=np.int32)
            np.cumsum(np.maximum(watts if taken else -watts, 0), out=self._sums[taken][1:])
        self._day = day

    def _energies(self, days: range) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Give the watt-minutes taken and given on each of some days."""
        found = np.zeros((2, len(days)), dtype=np.int64)
        if self._profile.solar_peak_w:
            for place, day in enumerate(days):
                watts = self._compute(day)
                found[:, place] = np.maximum(watts, 0).sum(), np.maximum(-watts, 0).sum()
            return found[0], found[1]
        # Where nothing is made, what is taken is the sum of its parts.
        dates = [BEGIN + timedelta(days=day) for day in days]
        places: dict[_Kind, list[int]] = {}
        for place, day_of_year in enumerate(dates):
            places.setdefault(_kind(day_of_year), []).append(place)
        for of_kind in places.values():
            for at in range(0, len(of_kind), _TOGETHER):
                some = of_kind[at : at + _TOGETHER]
                found[0, some] = _people_sums(self._profile, self._seed, [dates[place] for place in some])
        if self._profile.heat_pump_w:
            found[0] += [int(_heating(self._profile, self._seed, day_of_year).sum()) for day_of_year in dates]
        return found[0], found[1]

    def _compute(self, day: int) -> Watts:
        parts: list[tuple[int, Callable[[HouseholdProfile, int, date], Watts], int]] = [
            (1, _people, 1),
            (self._profile.heat_pump_w, _heating, 1),
            (self._profile.solar_peak_w, _solar, -1),
        ]
        date_of_day = BEGIN + timedelta(days=day)
        total = np.zeros(_MINUTES, dtype=np.int64)
        for present, part, sign in parts:
            if present:
                total += sign * part(self._profile, self._seed, date_of_day)
        return total

"""A household that uses and makes power: the same seed gives the same watts and the same registers at any moment, on any machine.

All of it is integer arithmetic. Power is constant within a minute; energy is its exact integral, so a meter that starts anew, or is
asked for any moment of the past, shows what it always would have shown.
"""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
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

_APPLIANCE_W = np.array((2100, 1200, 3000, 1800, 900, 2200, 1500, 2000), dtype=np.int64)


def _noise(seed: int, stream: int, index: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Give a fixed pseudo-random integer 0…65535 for each index, by one round of a 64-bit mixing function."""
    state = index.astype(np.uint64) + np.uint64((seed * 0x9E3779B97F4A7C15 + stream * 0xD1B54A32D192ED03) % (1 << 64))
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    noise: npt.NDArray[np.int64] = ((state ^ (state >> np.uint64(31))) >> np.uint64(48)).astype(np.int64)
    return noise


def _sine(degree_tenths: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Give sin × 10000 of tenths of a degree, by Bhaskara's rational formula (error below 0.2 %)."""
    turn = degree_tenths % 3600
    half = turn % 1800
    product = half * (1800 - half)
    value = 40_000 * product // (4_050_000 - product)
    return np.where(turn < 1800, value, -value)


def _local_minutes(day: date) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Give, for each UTC minute of a day, the minute of the local day and the local weekday (0 is Monday)."""
    minute = np.arange(_MINUTES, dtype=np.int64)
    offsets = []
    for hour in (0, 2):  # Clocks in Europe change at 01:00 UTC.
        offset = datetime(day.year, day.month, day.day, hour, tzinfo=UTC).astimezone(BERLIN).utcoffset()
        assert offset is not None
        offsets.append(offset // timedelta(minutes=1))
    local = minute + np.where(minute < 60, offsets[0], offsets[1])
    return local % _MINUTES, (day.weekday() + local // _MINUTES) % 7


def _people(profile: HouseholdProfile, seed: int, day: date) -> Watts:
    number = np.int64(day.toordinal())
    minute = np.arange(_MINUTES, dtype=np.int64)
    local, weekday = _local_minutes(day)
    hour, rest = local // 60, local % 60
    activity = (_SHAPES[weekday, hour] * (60 - rest) + _SHAPES[weekday, hour + 1] * rest) // 60
    quarter, block = number * 96 + minute // 15, number * 288 + minute // 5
    mean = profile.activity_w * activity * (_noise(seed, 1, quarter) % 81 + 60) // 10_000
    fridge = np.where((minute + _noise(seed, 2, number.reshape(1))) % 45 < 14, 85, 0)
    dice = _noise(seed, 3, block)
    appliance = np.where(dice % 1600 < activity, _APPLIANCE_W[dice // 1600 % len(_APPLIANCE_W)], 0)
    flicker = _noise(seed, 4, number * _MINUTES + minute) % 31
    watts: Watts = profile.base_w + fridge + mean + appliance * profile.activity_w // 420 + flicker
    return watts


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
        self._starts = {True: [first * _TENTH_WATT_HOUR_US], False: [first // 3 * _TENTH_WATT_HOUR_US]}
        self._day = -1
        self._watts = np.zeros(_MINUTES, dtype=np.int64)
        self._sums: dict[bool, npt.NDArray[np.int64]] = {}

    def power_at(self, moment: datetime) -> int:
        """Give the net power in watts, constant within a UTC minute; negative while more is made than used."""
        day, rest_us = self._locate(moment)
        self._load(day)
        return int(self._watts[rest_us // 60_000_000])

    def registers_at(self, moment: datetime) -> dict[Obis, int]:
        """Give the import and export registers in tenths of a watt-hour and the present power in watts."""
        day, rest_us = self._locate(moment)
        self._load(day)
        minute, part_us = divmod(rest_us, 60_000_000)
        watts = int(self._watts[minute])
        taken = self._starts[True][day] + int(self._sums[True][minute]) * 60_000_000 + max(watts, 0) * part_us
        given = self._starts[False][day] + int(self._sums[False][minute]) * 60_000_000 + max(-watts, 0) * part_us
        return {
            ACTIVE_ENERGY_IMPORT: taken // _TENTH_WATT_HOUR_US,
            ACTIVE_ENERGY_EXPORT: given // _TENTH_WATT_HOUR_US,
            ACTIVE_POWER: watts,
        }

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
        for earlier in range(len(self._starts[True]) - 1, day):
            watts = self._compute(earlier)
            for taken in (True, False):
                minutes = int(np.maximum(watts if taken else -watts, 0).sum())
                self._starts[taken].append(self._starts[taken][-1] + minutes * 60_000_000)
        self._watts = self._compute(day)
        for taken in (True, False):
            used = np.maximum(self._watts if taken else -self._watts, 0)
            self._sums[taken] = np.concatenate((np.zeros(1, dtype=np.int64), np.cumsum(used)))
        self._day = day

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

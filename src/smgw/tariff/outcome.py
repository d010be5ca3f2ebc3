"""What evaluating a profile file on readings gives, in one form for all use cases, and what is to be said about the readings.

Source: TAF-01 to TAF-14.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Final

import msgspec

from smgw.core.errors import DomainFault
from smgw.core.instant import BERLIN, microseconds
from smgw.core.obis import ERROR_REGISTER_TARIFF, Obis
from smgw.core.quantity import Quantity, unit_symbol
from smgw.core.reading import SignedReading
from smgw.core.register import RegisterValue
from smgw.core.status_word import GatewayStatus
from smgw.tariff.common import boundaries, is_usable
from smgw.tariff.profile_file import Taf13Profile, TariffProfile


class Booking(msgspec.Struct, frozen=True, gc=False):
    """Hold one step of an evaluation, as a person would check it."""

    start: datetime
    end: datetime
    obis: Obis
    raw: int | None
    scaler: int
    unit: int
    stage: int | None
    """Tariff stage; None where the use case has none."""
    why: str


class Finding(msgspec.Struct, frozen=True):
    """Tell something about the readings that a person should know."""

    name: str
    """`missing`, `invalid`, `clock_fault`, `repeated`, `out_of_order`, `off_raster`, `outside_period` or `error_register`."""
    obis: Obis
    text: str


class Outcome(msgspec.Struct, frozen=True):
    """Hold the result of an evaluation."""

    taf: int
    start: datetime
    end: datetime
    meter_id: str
    registers: tuple[RegisterValue, ...]
    bookings: tuple[Booking, ...]
    findings: tuple[Finding, ...]


def choose_meter(profile: TariffProfile, readings: Iterable[SignedReading]) -> str:
    """Give the meter that is meant, and see that each register has a reading.

    Raises: DomainFault tariff.meter, tariff.no_readings.
    """
    held: dict[str, set[Obis]] = {}
    for signed in readings:
        held.setdefault(signed.reading.meter_id, set()).add(signed.reading.obis)
    if not profile.meter_id and len(held) > 1:
        raise DomainFault("tariff.meter", ", ".join(sorted(held))[:120])
    meter_id = profile.meter_id or next(iter(held), "")
    missing = [str(obis) for obis in profile.codes if obis not in held.get(meter_id, set())]
    if missing:
        raise DomainFault("tariff.no_readings", f"{meter_id} {missing[0]}".strip())
    return meter_id


FINDINGS: Final[dict[str, str]] = {
    "missing": "{count} ends of register periods have no reading",
    "invalid": "{count} readings are missing or invalid by their status",
    "clock_fault": "{count} readings were taken while the clock was not valid",
    "repeated": "{count} readings repeat a time; the first usable one counts",
    "out_of_order": "{count} readings are older than one before them in the file",
    "off_raster": "{count} readings lie off the register period",
    "outside_period": "{count} readings lie outside the period and do not count",
}


_EVERY_PERIOD: Final = frozenset({2, 3, 4, 5, 7, 8})
"""Use cases that need a reading at the end of each register period."""
_ON_RASTER: Final = frozenset({2, 3, 4, 7, 8, 12})
"""Use cases that take no other reading."""


def findings_of(profile: TariffProfile, obis: Obis, readings: Iterable[SignedReading]) -> list[Finding]:
    """Look at one register's readings: nothing that does not count is passed over in silence."""
    start, end = profile.start_time, profile.end_time
    number = profile.source if isinstance(profile, Taf13Profile) else profile.number
    raster = {microseconds(moment) for moment in (start, *boundaries(start, end, profile.period_s))}
    counts = dict.fromkeys(("invalid", "clock_fault", "repeated", "out_of_order", "off_raster", "outside_period"), 0)
    seen: set[int] = set()
    latest: datetime | None = None
    for signed in readings:
        reading = signed.reading
        if reading.obis != obis:
            continue
        if not start <= reading.target_time <= end:
            counts["outside_period"] += 1
            continue
        time_us = microseconds(reading.target_time)
        if time_us in seen:
            counts["repeated"] += 1
        elif latest is not None and reading.target_time < latest:
            counts["out_of_order"] += 1
        latest = reading.target_time if latest is None else max(latest, reading.target_time)
        seen.add(time_us)
        if not is_usable(reading):
            clock = reading.gateway_status & GatewayStatus.TIME_NOT_VALID
            counts["clock_fault" if clock else "invalid"] += 1
        counts["off_raster"] += time_us not in raster
    found = {"missing": len(raster - seen) if number in _EVERY_PERIOD else 0, **counts}
    if number not in _ON_RASTER:
        found["off_raster"] = 0
    return [Finding(name, obis, FINDINGS[name].format(count=count)) for name, count in found.items() if count]


def amount_text(raw: int | None, scaler: int, unit: int) -> str:
    """Write an amount with its unit."""
    return "no value" if raw is None else f"{Quantity(raw, scaler, unit).decimal():,f} {unit_symbol(unit)}".rstrip()


def local_text(moment: datetime) -> str:
    """Write a local time; in the hour that comes twice, A stands behind the first and B behind the second."""
    local = moment.astimezone(BERLIN)
    twice = "" if local.replace(fold=0).utcoffset() == local.replace(fold=1).utcoffset() else "AB"[local.fold]
    return f"{local:%Y-%m-%d %H:%M}{f':{local:%S}' if local.second else ''}{twice}"


def error_registers(values: Iterable[RegisterValue]) -> list[Finding]:
    """Tell of energy that went to an error register."""
    return [
        Finding("error_register", value.obis, f"{amount_text(value.raw, value.scaler, value.unit)} could not be given to a stage")
        for value in values
        if value.obis.e == ERROR_REGISTER_TARIFF and value.raw
    ]

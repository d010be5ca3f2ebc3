"""Load profiles (German: Lastgang): the average power of each register period, made from meter readings.

The factor of current and voltage transformers is applied here, to derived values, and nowhere else: a stored reading stays what the meter
showed.
Source: MEAS-05; 004 4.3.4; 20-wan-crypto-pki 1.12 a.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

import msgspec

from smgw.core.errors import DomainFault
from smgw.core.obis import Obis
from smgw.core.quantity import Quantity, Unit
from smgw.core.reading import SignedReading
from smgw.core.status_word import GATEWAY_OK, GatewayStatus
from smgw.tariff.common import boundaries, is_usable, series_of

HOUR_S: Final = 3600

POWER_UNITS: Final[dict[int, Unit]] = {
    Unit.WATT_HOUR: Unit.WATT,
    Unit.VOLT_AMPERE_HOUR: Unit.VOLT_AMPERE,
    Unit.VAR_HOUR: Unit.VAR,
    Unit.CUBIC_METRE: Unit.CUBIC_METRE_PER_HOUR,
    Unit.JOULE: Unit.JOULE_PER_HOUR,
}
"""Unit of a register -> unit of its change in an hour."""

ENERGY_OF_PERIOD: Final = 29
"""Group D of the energy of each register period."""
AVERAGE_OF_PERIOD: Final = 5
"""Group D of the average power of the last register period."""


class LoadValue(msgspec.Struct, frozen=True, gc=False):
    """Hold one register period of a load profile; without value where one of its two readings can't be used."""

    start: datetime
    end: datetime
    energy: Quantity | None
    power: Quantity | None
    gateway_status: int
    """Gateway words of both readings, joined; NO_VALUE where there is no value."""
    inputs: tuple[int, ...]
    """Journal numbers of the readings, the earlier first."""


def check_power(period_s: int, unit: int | None = None) -> None:
    """Refuse what has no exact average power. Raises: DomainFault tariff.power."""
    if period_s <= 0 or HOUR_S % period_s:
        raise DomainFault("tariff.power", f"a period of {period_s} s does not divide an hour")
    if unit is not None and unit not in POWER_UNITS:
        raise DomainFault("tariff.power", f"unit {unit}")


def average_power(energy: Quantity, period_s: int) -> Quantity:
    """Give the exact average power of one register period, at the scaler of the energy. Raises: DomainFault tariff.power."""
    check_power(period_s, energy.unit)
    return Quantity(energy.raw * (HOUR_S // period_s), energy.scaler, POWER_UNITS[energy.unit])


def load_profile(
    readings: Iterable[SignedReading], meter_id: str, obis: Obis, start: datetime, end: datetime, *, period_s: int = 900, factor: int = 1
) -> list[LoadValue]:
    """Give the load of each register period in (start, end], aware UTC, both on the raster.

    A period has a value when the readings at its start and end are usable, have one unit, and do not fall. `factor` multiplies energy and
    power.
    Raises: DomainFault tariff.raster, tariff.power, tariff.rules for a factor below 1.
    """
    check_power(period_s)
    if factor < 1:
        raise DomainFault("tariff.rules", f"transformer factor {factor}")
    series = series_of(readings, meter_id, obis)
    return [
        _load(series.get(boundary - timedelta(seconds=period_s)), series.get(boundary), boundary, period_s, factor)
        for boundary in boundaries(start, end, period_s)
    ]


def _load(before: SignedReading | None, after: SignedReading | None, end: datetime, period_s: int, factor: int) -> LoadValue:
    start = end - timedelta(seconds=period_s)
    known = [signed for signed in (before, after) if signed is not None]
    status = GATEWAY_OK
    for signed in known:
        status |= signed.reading.gateway_status
    inputs = tuple(signed.sequence for signed in known)
    energy = _difference(before, after)
    if energy is None:
        return LoadValue(start, end, None, None, status | GatewayStatus.NO_VALUE, inputs)
    energy = energy._replace(raw=energy.raw * factor)
    return LoadValue(start, end, energy, average_power(energy, period_s), status, inputs)


def _difference(before: SignedReading | None, after: SignedReading | None) -> Quantity | None:
    if before is None or after is None or not (is_usable(before.reading) and is_usable(after.reading)):
        return None
    first, last = before.reading.quantity, after.reading.quantity
    assert first is not None and last is not None
    if first.unit != last.unit:
        return None
    energy = last.minus(first)
    return energy if energy.raw >= 0 else None

"""TAF 7, meter-reading series (German: Zählerstandsgang): the readings themselves, gaps shown as gaps."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from smgw.core.obis import Obis
from smgw.core.profiles import EvaluationProfile
from smgw.core.quantity import Unit
from smgw.core.reading import Reading, SignedReading
from smgw.core.status_word import GATEWAY_OK, METER_IDENTIFICATION, GatewayStatus
from smgw.tariff.common import boundaries, series_of


class SeriesValue(NamedTuple):
    """Hold one place of a series."""

    reading: Reading
    source: SignedReading | None
    """The stored reading, unchanged; None where nothing is stored for the period end, and the reading only marks the gap."""


def evaluate(profile: EvaluationProfile, readings: Sequence[SignedReading], start: datetime, end: datetime) -> list[SeriesValue]:
    """Give the series of each register of the profile for all period ends in (start, end], ordered by register, then time.

    Stored readings stay as they are, whatever their status. A period end without one gets a reading without value and with the status
    NO_VALUE, in scaler and unit of the register's reading before it, or of the first one. Readings between period ends are left out.
    Raises: DomainFault tariff.raster.
    Source: TAF-07; MEAS-02; 20-wan-crypto-pki 3.1, 3.2.
    """
    raster = list(boundaries(start, end, profile.period_s))
    result: list[SeriesValue] = []
    for text in profile.registers:
        obis = Obis.parse(text)
        series = series_of(readings, profile.meter_id, obis)
        first = next(iter(series.values()), None)
        scaler, unit = (first.reading.scaler, first.reading.unit) if first is not None else (0, int(Unit.COUNT))
        for boundary in raster:
            signed = series.get(boundary)
            if signed is None:
                result.append(SeriesValue(_gap(profile.meter_id, obis, boundary, scaler, unit), None))
            else:
                scaler, unit = signed.reading.scaler, signed.reading.unit
                result.append(SeriesValue(signed.reading, signed))
    return result


def _gap(meter_id: str, obis: Obis, boundary: datetime, scaler: int, unit: int) -> Reading:
    return Reading(
        meter_id=meter_id,
        obis=obis,
        raw=None,
        scaler=scaler,
        unit=unit,
        capture_time=boundary,
        target_time=boundary,
        gateway_status=GATEWAY_OK | GatewayStatus.NO_VALUE,
        meter_status=METER_IDENTIFICATION,
    )

"""Make evaluation profiles and signed readings for the tests of tariff use cases."""

from collections.abc import Iterable
from datetime import UTC, datetime

from smgw.core.instant import BERLIN
from smgw.core.obis import ACTIVE_ENERGY_IMPORT, Obis
from smgw.core.profiles import EvaluationProfile
from smgw.core.reading import Reading, SignedReading
from smgw.core.status_word import GATEWAY_OK, METER_IDENTIFICATION

METER_ID = "1SGW0010000001"
CREATED = datetime(2026, 12, 1, 0, 0, 9, tzinfo=UTC)


def local(*parts: int, fold: int = 0) -> datetime:
    """Give a local moment as aware UTC."""
    return datetime(*parts, tzinfo=BERLIN, fold=fold).astimezone(UTC)  # type: ignore[arg-type, misc]


def profile(taf: int, *registers: str, period_s: int = 900, billing_months: int = 1) -> EvaluationProfile:
    """Make a profile of one meter."""
    return EvaluationProfile(
        profile_id=f"taf{taf}-1.sm",
        taf=taf,
        meter_id=METER_ID,
        registers=registers or (str(ACTIVE_ENERGY_IMPORT),),
        consumer_id="consumer1.sm",
        usage_point_name=f"TAF{taf}_BEZUG",
        metering_point_id="DE00000000000000000000000000000001",
        valid_from=datetime(2026, 1, 1, tzinfo=UTC),
        period_s=period_s,
        billing_months=billing_months,
    )


def reading(
    target: datetime,
    raw: int | None,
    *,
    sequence: int = 1,
    obis: Obis = ACTIVE_ENERGY_IMPORT,
    scaler: int = -1,
    unit: int = 30,
    gateway_status: int = GATEWAY_OK,
    meter_status: int = METER_IDENTIFICATION,
    meter_id: str = METER_ID,
) -> SignedReading:
    """Make one stored reading."""
    value = Reading(meter_id, obis, raw, scaler, unit, target, target, int(gateway_status), int(meter_status))
    return SignedReading(value, bytes(64), sequence)


def numbered(readings: Iterable[SignedReading]) -> list[SignedReading]:
    """Give each reading its place as journal number."""
    return [SignedReading(signed.reading, signed.signature, place) for place, signed in enumerate(readings, 1)]

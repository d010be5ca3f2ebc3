"""TAF 1, data-saving tariffs (German: datensparsame Tarife): one value a register and billing period."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from smgw.core.errors import DomainFault
from smgw.core.instant import local_day, month_bounds
from smgw.core.obis import Obis
from smgw.core.profiles import EvaluationProfile
from smgw.core.quantity import Unit
from smgw.core.reading import SignedReading
from smgw.core.register import RegisterValue
from smgw.core.status_word import GATEWAY_OK, GatewayStatus
from smgw.tariff.common import contract_period, is_usable, series_of

MAX_REGISTERS: Final = 3
BILLING_MONTHS: Final = (1, 2, 3, 6, 12)


def evaluate(
    profile: EvaluationProfile, readings: Sequence[SignedReading], start: datetime, end: datetime, created_at: datetime
) -> list[RegisterValue]:
    """Give the consumption of each register of the profile between two ends of billing periods, aware UTC.

    It is the reading at `end` less the reading at `start`, exact, at the finer of both scalers. A boundary reading that is missing, marked
    or of another unit leaves the register without value, with the status of what was there. Then, as soon as usable readings at or after
    both boundaries are among `readings`, a second value follows that runs from the first to the first such reading and says so by its
    period. The inputs are the readings at both ends, start first.

    Raises: DomainFault tariff.billing_period when the period is not 1, 2, 3, 6 or 12 calendar months of local time, or the part of them
    that lies in the contract's time, tariff.registers for no register or more than three.
    Source: TAF-01; MEAS-03; 20-wan-crypto-pki 3.2; 30-han-consumer-interface 3.6.
    """
    whole = month_bounds(local_day(start), profile.billing_months) if profile.billing_months in BILLING_MONTHS else None
    if (start, end) not in (whole, whole and contract_period(profile, start)):
        raise DomainFault("tariff.billing_period", f"{start} to {end}")
    if not 1 <= len(profile.registers) <= MAX_REGISTERS:
        raise DomainFault("tariff.registers", f"{len(profile.registers)}")
    values: list[RegisterValue] = []
    for text in profile.registers:
        obis = Obis.parse(text)
        series = series_of(readings, profile.meter_id, obis)
        value = _difference(profile, obis, start, end, series.get(start), series.get(end), created_at)
        values.append(value)
        if value.raw is None:
            usable = [signed for signed in series.values() if is_usable(signed.reading)]
            opening = next((signed for signed in usable if signed.reading.target_time >= start), None)
            closing = next((signed for signed in usable if signed.reading.target_time >= end), None)
            if opening is None or closing is None or opening is closing:
                continue
            bounds = opening.reading.target_time, closing.reading.target_time
            if bounds != (start, end):
                values.append(_difference(profile, obis, *bounds, opening, closing, created_at))
    return values


def _difference(
    profile: EvaluationProfile, obis: Obis, start: datetime, end: datetime,
    opening: SignedReading | None, closing: SignedReading | None, created_at: datetime,
) -> RegisterValue:  # fmt: skip
    known = [signed for signed in (opening, closing) if signed is not None]
    status = GATEWAY_OK
    for signed in known:
        status |= signed.reading.gateway_status
    raw: int | None = None
    scaler, unit = (known[-1].reading.scaler, known[-1].reading.unit) if known else (0, int(Unit.COUNT))
    if opening is not None and closing is not None and is_usable(opening.reading) and is_usable(closing.reading):
        before, after = opening.reading.quantity, closing.reading.quantity
        assert before is not None
        assert after is not None
        if before.unit == after.unit:
            raw, scaler, unit = after.minus(before)
    if raw is None:
        status |= GatewayStatus.NO_VALUE
    return RegisterValue(
        profile_id=profile.profile_id,
        taf=1,
        obis=obis,
        raw=raw,
        scaler=scaler,
        unit=unit,
        period_start=start,
        period_end=end,
        gateway_status=int(status),
        inputs=tuple(signed.sequence for signed in known),
        created_at=created_at,
    )

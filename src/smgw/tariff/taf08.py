"""TAF 8, extreme values (German: Erfassung von Extremwerten): highest and lowest average power of the register periods.

A register period whose readings can't be used is left out. Of equal values the earliest counts.
Source: TAF-08; 20-wan-crypto-pki 3.2.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from itertools import groupby
from typing import Final

from smgw.core.instant import BERLIN
from smgw.core.obis import Obis
from smgw.core.reading import SignedReading
from smgw.core.register import RegisterValue
from smgw.tariff.load_profile import LoadValue, load_profile
from smgw.tariff.rules import ExtremeRules
from smgw.tariff.stages import Frame

NUMBER: Final = 8
MAXIMUM: Final = 6
"""Group D of a highest average."""
MINIMUM: Final = 3
"""Group D of a lowest average."""


def evaluate(
    frame: Frame,
    rules: ExtremeRules,
    readings: Sequence[SignedReading],
    *,
    meter_id: str,
    obis: Obis,
    profile_id: str,
    created_at: datetime,
) -> list[RegisterValue]:
    """Give the highest, then the lowest average power of each span that has any, in the order of time.

    The period of a register value is the register period in which the power occurred; its inputs are the two readings.
    Raises: DomainFault tariff.power for a period that does not divide an hour, or a unit without power.
    """
    loads = load_profile(readings, meter_id, obis, frame.start, frame.end, period_s=frame.period_s)
    usable = [load for load in loads if load.power is not None and (rules.window is None or _holds(rules, load))]
    values: list[RegisterValue] = []
    for span in _spans(rules, usable):
        for group_d, load in ((MAXIMUM, _highest(span)), (MINIMUM, _lowest(span))):
            assert load.power is not None
            values.append(
                RegisterValue(
                    profile_id=profile_id,
                    taf=NUMBER,
                    obis=obis._replace(d=group_d),
                    raw=load.power.raw,
                    scaler=load.power.scaler,
                    unit=load.power.unit,
                    period_start=load.start,
                    period_end=load.end,
                    gateway_status=load.gateway_status,
                    inputs=load.inputs,
                    created_at=created_at,
                )
            )
    return values


def _holds(rules: ExtremeRules, load: LoadValue) -> bool:
    assert rules.window is not None
    return rules.window.holds(load.start.astimezone(BERLIN), load.end.astimezone(BERLIN))


def _spans(rules: ExtremeRules, loads: Iterable[LoadValue]) -> list[list[LoadValue]]:
    """Divide by local month of the start, or not at all."""

    def month(load: LoadValue) -> tuple[int, int]:
        local = load.start.astimezone(BERLIN)
        return (local.year, local.month) if rules.span == "month" else (0, 0)

    return [list(group) for _, group in groupby(loads, key=month)]


def _power(load: LoadValue) -> Decimal:
    assert load.power is not None
    return load.power.decimal()


def _highest(span: Sequence[LoadValue]) -> LoadValue:
    return max(span, key=_power)


def _lowest(span: Sequence[LoadValue]) -> LoadValue:
    return min(span, key=_power)

"""TAF 11, control of loads and generators (German: Steuerung von Verbrauchseinrichtungen und Erzeugungsanlagen): a record of each action.

Source: TAF-11; 20-wan-crypto-pki 3.2.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final

import msgspec

from smgw.core.obis import Obis
from smgw.core.profiles import EvaluationProfile
from smgw.core.quantity import Unit
from smgw.core.reading import SignedReading
from smgw.core.register import RegisterValue
from smgw.core.status_word import GATEWAY_OK, GatewayStatus
from smgw.tariff.common import is_usable, series_of
from smgw.tariff.rules import SwitchAction

NUMBER: Final = 11


class ControlRecord(msgspec.Struct, frozen=True):
    """Hold one action and what the registers showed at it."""

    action: SwitchAction
    values: tuple[RegisterValue, ...]
    """For each register the latest usable reading at the action; its period runs from the reading to the action."""


def record(profile: EvaluationProfile, action: SwitchAction, readings: Sequence[SignedReading], created_at: datetime) -> ControlRecord:
    """Record one action. A register without usable reading in the register period before it has no value, and says so by its status."""
    return evaluate(profile, (action,), readings, created_at)[0]


def evaluate(
    profile: EvaluationProfile, actions: Iterable[SwitchAction], readings: Sequence[SignedReading], created_at: datetime
) -> list[ControlRecord]:
    """Record all actions in the order of time; of those at one time the first given comes first."""
    usable = {}
    for text in profile.registers:
        obis = Obis.parse(text)
        usable[obis] = [signed for signed in series_of(readings, profile.meter_id, obis).values() if is_usable(signed.reading)]
    return [
        ControlRecord(action, tuple(_value(profile, action, obis, series, created_at) for obis, series in usable.items()))
        for action in sorted(actions, key=lambda action: action.at)
    ]


def _value(
    profile: EvaluationProfile, action: SwitchAction, obis: Obis, series: Sequence[SignedReading], created_at: datetime
) -> RegisterValue:
    earliest = action.at - timedelta(seconds=profile.period_s)
    place = bisect_right(series, action.at, key=lambda signed: signed.reading.target_time)
    found = series[place - 1] if place and series[place - 1].reading.target_time >= earliest else None
    reading = None if found is None else found.reading
    return RegisterValue(
        profile_id=profile.profile_id,
        taf=NUMBER,
        obis=obis,
        raw=None if reading is None else reading.raw,
        scaler=0 if reading is None else reading.scaler,
        unit=int(Unit.COUNT) if reading is None else reading.unit,
        period_start=earliest if reading is None else reading.target_time,
        period_end=action.at,
        gateway_status=int(GATEWAY_OK | GatewayStatus.NO_VALUE) if reading is None else reading.gateway_status,
        inputs=() if found is None else (found.sequence,),
        created_at=created_at,
    )

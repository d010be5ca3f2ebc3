"""Push current values by time and by threshold: what TAF 9, 10 and 14 share. Nothing but the latest value of each register is held.

Source: TAF-09, TAF-10, TAF-14; 000 E-5.7; 20-wan-crypto-pki 3.2, 3.6.
"""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Final

import msgspec

from smgw.core.errors import DomainFault
from smgw.core.instant import microseconds
from smgw.core.obis import Obis
from smgw.core.reading import Reading
from smgw.core.status_word import GatewayStatus
from smgw.tariff.common import is_usable
from smgw.tariff.rules import Threshold, TriggerRules

MOMENTARY: Final = 7
"""Group D of momentary values."""


class Cause(StrEnum):
    """Say why values are pushed."""

    INTERVAL = "interval"
    THRESHOLD = "threshold"


class Push(msgspec.Struct, frozen=True):
    """Hold values to be sent to the recipient at once."""

    recipient: str
    source: str
    """The meter id, or the pseudonym of the profile."""
    cause: Cause
    time: datetime
    values: tuple[Reading, ...]
    """The current value of every register; the ones that went beyond a threshold carry VALUE_TRIGGERED."""


class State(msgspec.Struct, frozen=True):
    """Hold the current values and which pushes were made; a value, lost on purpose when the gateway stops."""

    current: tuple[Reading, ...] = ()
    """Latest value of each register, by OBIS code; what a read-out on demand gives."""
    slot: int | None = None
    """Number of the interval, counted from 1970, in which the latest values came."""
    beyond: tuple[bool, ...] = ()
    """For each threshold whether the latest usable value lies beyond it."""


def check_registers(registers: Sequence[str], groups_d: frozenset[int]) -> None:
    """Refuse registers of another kind. Raises: DomainFault tariff.registers, PeerFault value.obis."""
    for text in registers:
        if Obis.parse(text).d not in groups_d:
            raise DomainFault("tariff.registers", text)
    if not registers:
        raise DomainFault("tariff.registers", "none")


def step(rules: TriggerRules, state: State, readings: Sequence[Reading], now: datetime) -> tuple[State, tuple[Push, ...]]:
    """Take the readings of one telegram of the meter and say what is to be pushed, at most one message.

    A threshold pushes when a value goes beyond it, and again only after a value has been back. The first values and the first of each
    interval push by time; intervals are counted from the full hour, and a clock that goes back starts a new one. Values that can't be used
    are sent with their status but go beyond nothing.
    """
    if not readings:
        return state, ()
    held = {reading.obis: reading for reading in state.current}
    held.update((reading.obis, reading) for reading in readings)
    current = tuple(held[obis] for obis in sorted(held))
    slot = microseconds(now) // (rules.interval_s * 1_000_000) if rules.interval_s else None
    before = state.beyond if len(state.beyond) == len(rules.thresholds) else (False,) * len(rules.thresholds)
    fresh = {reading.obis: reading for reading in readings if is_usable(reading)}
    beyond = tuple(_is_beyond(threshold, fresh, was=was) for threshold, was in zip(rules.thresholds, before, strict=True))
    crossed = {
        Obis.parse(threshold.register)
        for threshold, was, now_is in zip(rules.thresholds, before, beyond, strict=True)
        if now_is and not was
    }
    following = State(current, slot, beyond)
    if not crossed and slot == state.slot:
        return following, ()
    push = Push(
        recipient=rules.recipient,
        source=rules.pseudonym or readings[0].meter_id,
        cause=Cause.THRESHOLD if crossed else Cause.INTERVAL,
        time=now,
        values=tuple(_sent(rules, reading, triggered=reading.obis in crossed) for reading in current),
    )
    return following, (push,)


def _is_beyond(threshold: Threshold, fresh: dict[Obis, Reading], *, was: bool) -> bool:
    reading = fresh.get(Obis.parse(threshold.register))
    quantity = None if reading is None else reading.quantity
    return was if quantity is None else threshold.is_beyond(quantity)


def _sent(rules: TriggerRules, reading: Reading, *, triggered: bool) -> Reading:
    status = reading.gateway_status | (GatewayStatus.VALUE_TRIGGERED if triggered else 0)
    return msgspec.structs.replace(reading, meter_id=rules.pseudonym or reading.meter_id, gateway_status=int(status))

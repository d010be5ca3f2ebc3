"""TAF 12, prepaid (German: Prepaid-Tarif): energy is paid for before it is used.

The credit counts energy. It falls with each usable reading and rises with each loaded credit; a gap does no harm, for the register says how
much was used. A reading that is invalid or was taken by a faulty clock uses up nothing and never causes a cut-off.
Source: TAF-12; 20-wan-crypto-pki 3.2.
"""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Final

import msgspec

from smgw.core.errors import DomainFault
from smgw.core.instant import microseconds
from smgw.core.obis import Obis
from smgw.core.quantity import Quantity, Unit
from smgw.core.reading import SignedReading
from smgw.core.register import RegisterValue
from smgw.core.status_word import GATEWAY_OK
from smgw.tariff.common import is_usable
from smgw.tariff.rules import Credit, CreditRules
from smgw.tariff.stages import Frame, Mark

NUMBER: Final = 12
CREDIT_REGISTER: Final = Obis(0, 0, 19, 10, 0)
"""The credit object of payment meters."""


CONTROL_REGISTER: Final = Obis(0, 0, 96, 3, 10)
"""The disconnect control object; its values are those of `CUT_OFF` and `CONNECTED`."""

CUT_OFF: Final = 0
CONNECTED: Final = 1


class Level(StrEnum):
    """Say how much credit is left."""

    ENOUGH = "enough"
    LOW = "low"
    USED_UP = "used_up"


class SignalKind(StrEnum):
    """Name what consumer and control box are told."""

    WARNING = "warning"
    CUT_OFF = "cut_off"
    RELEASE = "release"


class Signal(msgspec.Struct, frozen=True):
    """Hold one message of the use case."""

    kind: SignalKind
    time: datetime
    """Target time of the reading, or time of the credit, that caused it."""
    remaining: Quantity


class State(msgspec.Struct, frozen=True):
    """Hold everything that the evaluation of one register needs to go on; a value, stored and compared like one."""

    scaler: int | None = None
    """Of the register; None before its first usable reading."""
    unit: int = Unit.COUNT
    opening: Mark | None = None
    last: Mark | None = None
    spent: int = 0
    """What was used in the periods before, in the register's own scaler."""
    loaded: int = 0
    """All credits, in the scaler of the rules."""
    level: Level = Level.ENOUGH
    """What consumer and control box were told last."""
    status: int = GATEWAY_OK

    @property
    def used(self) -> int:
        """Give the energy since the opening reading, in the register's own scaler."""
        return self.last.raw - self.opening.raw if self.last is not None and self.opening is not None else 0

    def remaining(self, rules: CreditRules) -> Quantity:
        """Give the exact remaining credit; below zero when more was used than loaded."""
        loaded = Quantity(self.loaded, rules.scaler, self.unit)
        return loaded if self.scaler is None else loaded.minus(Quantity(self.spent + self.used, self.scaler, self.unit))


_FIRST: Final = State()


def step(frame: Frame, rules: CreditRules, state: State, entry: SignedReading | Credit) -> tuple[State, tuple[Signal, ...]]:
    """Take one more stored reading or credit into account, and say what is to be signalled.

    Before the first usable reading nothing is signalled. A reading outside the period, off the raster, unusable, or not later than the
    latest usable one changes nothing.
    Raises: DomainFault tariff.unit_changed.
    """
    if isinstance(entry, Credit):
        return _signalled(rules, msgspec.structs.replace(state, loaded=state.loaded + entry.amount), entry.at)
    reading = entry.reading
    time_us = microseconds(reading.target_time)
    if reading.raw is None or not is_usable(reading) or not frame.takes(time_us):
        return state, ()
    if state.last is not None and time_us <= state.last.time_us:
        return state, ()
    if state.scaler is not None and (reading.scaler, reading.unit) != (state.scaler, state.unit):
        raise DomainFault("tariff.unit_changed", f"{reading.meter_id} {reading.obis}")
    mark = Mark(time_us, reading.raw, entry.sequence, reading.gateway_status)
    state = State(
        scaler=reading.scaler,
        unit=reading.unit,
        opening=state.opening or mark,
        last=mark,
        spent=state.spent,
        loaded=state.loaded,
        level=state.level,
        status=state.status | mark.status,
    )
    return _signalled(rules, state, reading.target_time)


def _signalled(rules: CreditRules, state: State, time: datetime) -> tuple[State, tuple[Signal, ...]]:
    if state.last is None:
        return state, ()
    remaining = state.remaining(rules)
    warning = Quantity(rules.warning, rules.scaler, state.unit)
    level = Level.USED_UP if remaining.raw <= 0 else Level.LOW if remaining.minus(warning).raw <= 0 else Level.ENOUGH
    if level is state.level:
        return state, ()
    kinds: list[SignalKind] = []
    if state.level is Level.USED_UP:
        kinds.append(SignalKind.RELEASE)
    if level is Level.LOW:
        kinds.append(SignalKind.WARNING)
    elif level is Level.USED_UP:
        kinds.append(SignalKind.CUT_OFF)
    return msgspec.structs.replace(state, level=level), tuple(Signal(kind, time, remaining) for kind in kinds)


def roll_over(state: State) -> State:
    """Give the state with which the next period starts: the credit is taken along, and what is used is counted anew."""
    if state.last is None:
        return state
    return msgspec.structs.replace(state, opening=state.last, spent=state.spent + state.used, status=GATEWAY_OK | state.last.status)


def pause(state: State) -> State:
    """Give the state that waits for a contract to go on later: what is used in between is nobody's credit."""
    return msgspec.structs.replace(roll_over(state), opening=None, last=None, status=GATEWAY_OK)


def evaluate(
    frame: Frame, rules: CreditRules, log: Sequence[SignedReading | Credit], state: State = _FIRST
) -> tuple[State, tuple[Signal, ...]]:
    """Evaluate a whole log in the order in which readings and credits were stored; gives the state and every signal. Raises: as `step`."""
    signals: list[Signal] = []
    for entry in log:
        state, caused = step(frame, rules, state, entry)
        signals.extend(caused)
    return state, tuple(signals)


def register_values(
    frame: Frame, rules: CreditRules, state: State, *, profile_id: str, obis: Obis, created_at: datetime
) -> tuple[RegisterValue, ...]:
    """Give what was used (group E = 0) and the remaining credit."""
    remaining = state.remaining(rules)
    used = Quantity(state.used, state.scaler or 0, state.unit)
    inputs = (state.opening.sequence, state.last.sequence) if state.opening is not None and state.last is not None else ()
    return tuple(
        RegisterValue(
            profile_id=profile_id,
            taf=NUMBER,
            obis=register,
            raw=None if state.last is None else amount.raw,
            scaler=amount.scaler,
            unit=amount.unit,
            period_start=frame.start,
            period_end=frame.end,
            gateway_status=state.status,
            inputs=inputs,
            created_at=created_at,
        )
        for register, amount in ((obis.with_tariff(0), used), (CREDIT_REGISTER, remaining))
    )


def signal_values(signal: Signal, *, profile_id: str, created_at: datetime) -> tuple[RegisterValue, ...]:
    """Say a signal in registers for the recipient: the remaining credit, and whether supply is to be cut off (0) or not (1)."""
    control = Quantity(CUT_OFF if signal.kind is SignalKind.CUT_OFF else CONNECTED, 0, Unit.COUNT)
    return tuple(
        RegisterValue(
            profile_id=profile_id,
            taf=NUMBER,
            obis=register,
            raw=amount.raw,
            scaler=amount.scaler,
            unit=amount.unit,
            period_start=signal.time,
            period_end=signal.time,
            gateway_status=GATEWAY_OK,
            inputs=(),
            created_at=created_at,
        )
        for register, amount in ((CREDIT_REGISTER, signal.remaining), (CONTROL_REGISTER, control))
    )

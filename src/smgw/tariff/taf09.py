"""TAF 9, actual feed-in (German: Abruf der Ist-Einspeisung): momentary power and energy for the grid operator, not stored.

Source: TAF-09; 000 E-5.7; 20-wan-crypto-pki 3.2.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from smgw.core.errors import DomainFault
from smgw.core.reading import Reading
from smgw.tariff import trigger
from smgw.tariff.rules import MIN_PUSH_S, TriggerRules
from smgw.tariff.trigger import Push, State

NUMBER: Final = 9
_ENERGY: Final = 8


def check(rules: TriggerRules, registers: Sequence[str]) -> None:
    """Refuse registers that are neither momentary values nor energy, and intervals below a minute.

    Raises: DomainFault tariff.registers, tariff.rules.
    """
    trigger.check_registers(registers, frozenset({trigger.MOMENTARY, _ENERGY}))
    if rules.interval_s and rules.interval_s < MIN_PUSH_S:
        raise DomainFault("tariff.rules", f"interval_s: {rules.interval_s}")


def step(rules: TriggerRules, state: State, readings: Sequence[Reading], now: datetime) -> tuple[State, tuple[Push, ...]]:
    """Take the readings of one telegram and say what is to be pushed; see `trigger.step`."""
    return trigger.step(rules, state, readings, now)

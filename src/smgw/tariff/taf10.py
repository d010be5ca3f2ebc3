"""TAF 10, grid state data (German: Abruf von Netzzustandsdaten): voltages, currents, angles, frequency, powers; not stored.

The values are not needed for a bill, so the profile should give a pseudonym in place of the meter.
Source: TAF-10; 000 E-5.7; 20-wan-crypto-pki 3.2, 3.5.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from smgw.core.errors import DomainFault
from smgw.core.reading import Reading
from smgw.tariff import trigger
from smgw.tariff.rules import MIN_PUSH_S, TriggerRules
from smgw.tariff.trigger import Push, State

NUMBER: Final = 10


def check(rules: TriggerRules, registers: Sequence[str]) -> None:
    """Refuse registers that are no momentary values, and intervals below a minute. Raises: DomainFault tariff.registers, tariff.rules."""
    trigger.check_registers(registers, frozenset({trigger.MOMENTARY}))
    if rules.interval_s and rules.interval_s < MIN_PUSH_S:
        raise DomainFault("tariff.rules", f"interval_s: {rules.interval_s}")


def step(rules: TriggerRules, state: State, readings: Sequence[Reading], now: datetime) -> tuple[State, tuple[Push, ...]]:
    """Take the readings of one telegram and say what is to be pushed; see `trigger.step`."""
    return trigger.step(rules, state, readings, now)

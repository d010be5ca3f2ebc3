"""TAF 14, high-frequency values for value-added services (German: hochfrequente Messwertbereitstellung für Mehrwertdienste); not stored.

Values go to a recipient of the consumer's choice at least once a minute, and only while the consumer consents.
Source: TAF-14; 000 E-5.7; 20-wan-crypto-pki 3.2.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from smgw.core.errors import DomainFault
from smgw.core.reading import Reading
from smgw.tariff import trigger
from smgw.tariff.rules import MIN_PUSH_S, TriggerRules, check_consent
from smgw.tariff.trigger import Push, State

NUMBER: Final = 14
_ENERGY: Final = 8


def check(rules: TriggerRules, registers: Sequence[str]) -> None:
    """Refuse registers that are neither momentary values nor energy, and intervals of more than a minute or none.

    Raises: DomainFault tariff.registers, tariff.rules.
    """
    trigger.check_registers(registers, frozenset({trigger.MOMENTARY, _ENERGY}))
    if not 1 <= rules.interval_s <= MIN_PUSH_S:
        raise DomainFault("tariff.rules", f"interval_s: {rules.interval_s}")


def step(rules: TriggerRules, consumer_id: str, state: State, readings: Sequence[Reading], now: datetime) -> tuple[State, tuple[Push, ...]]:
    """Take the readings of one telegram and say what is to be pushed; see `trigger.step`. Raises: DomainFault tariff.consent."""
    check_consent(rules.consent, consumer_id, rules.recipient, now)
    return trigger.step(rules, state, readings, now)

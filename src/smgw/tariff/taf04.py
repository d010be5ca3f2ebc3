"""TAF 4, consumption-variable tariffs (German: verbrauchsvariable Tarife): the energy since the start of the period names the stage.

All energy since the opening reading counts, also what went to the error register. A stage reaches up to its threshold and includes it.
The interval in which a threshold is passed goes wholly into the new stage, so the change lies at the reading that opens the interval. An
interval with a missing or invalid reading, a clock fault or a falling register goes to the error register 63.
Source: TAF-04, TAF-20; 20-wan-crypto-pki 3.1, 3.2.
"""

from collections.abc import Sequence
from datetime import datetime

from smgw.core.obis import Obis
from smgw.core.quantity import Quantity
from smgw.core.reading import SignedReading
from smgw.core.register import RegisterValue
from smgw.tariff import stages
from smgw.tariff.rules import Bands
from smgw.tariff.stages import Decide, Decision, Frame, Interval, Reason, State, doubt

NUMBER = 4


def _decide(frame: Frame, rules: Bands) -> Decide:
    def decide(interval: Interval) -> Decision:
        error = doubt(frame, interval)
        if error is not None:
            return error
        used = Quantity(interval.last.raw - interval.opening.raw, interval.scaler, interval.unit)
        return rules.stage_up_to(used), Reason.RULE

    return decide


def step(frame: Frame, rules: Bands, state: State, signed: SignedReading) -> State:
    """Take one more stored reading into account. Raises: DomainFault tariff.unit_changed."""
    return stages.step(frame, _decide(frame, rules), state, signed)


def evaluate(frame: Frame, rules: Bands, readings: Sequence[SignedReading]) -> State:
    """Recompute the state from one register's readings as stored; bit for bit what `step` gives. Raises: as `step`."""
    return stages.evaluate(frame, _decide(frame, rules), readings)


def register_values(
    frame: Frame, rules: Bands, state: State, *, profile_id: str, obis: Obis, created_at: datetime
) -> tuple[RegisterValue, ...]:
    """Give each stage, the error register 63 and the total."""
    return stages.register_values(frame, rules.stages, state, taf=NUMBER, profile_id=profile_id, obis=obis, created_at=created_at)

"""TAF 3, load-variable tariffs (German: lastvariable Tarife): the average power of each register period names its stage.

Bands are half-open: a threshold belongs to the band above it, and there is no hysteresis. A period without exact average power, because a
reading is missing, invalid or taken by a faulty clock, or because the register fell, goes to the error register 63.
Source: TAF-03, TAF-20; 20-wan-crypto-pki 3.1, 3.2.
"""

from collections.abc import Sequence
from datetime import datetime

from smgw.core.obis import Obis
from smgw.core.quantity import Quantity
from smgw.core.reading import SignedReading
from smgw.core.register import RegisterValue
from smgw.tariff import stages
from smgw.tariff.load_profile import average_power, check_power
from smgw.tariff.rules import Bands
from smgw.tariff.stages import Decide, Decision, Frame, Interval, Reason, State, doubt

NUMBER = 3


def _decide(frame: Frame, rules: Bands) -> Decide:
    check_power(frame.period_s)

    def decide(interval: Interval) -> Decision:
        error = doubt(frame, interval)
        if error is not None:
            return error
        energy = Quantity(interval.last.raw - interval.first.raw, interval.scaler, interval.unit)
        return rules.stage_from(average_power(energy, frame.period_s)), Reason.RULE

    return decide


def step(frame: Frame, rules: Bands, state: State, signed: SignedReading) -> State:
    """Take one more stored reading into account. Raises: DomainFault tariff.power, tariff.unit_changed."""
    return stages.step(frame, _decide(frame, rules), state, signed)


def evaluate(frame: Frame, rules: Bands, readings: Sequence[SignedReading]) -> State:
    """Recompute the state from one register's readings as stored; bit for bit what `step` gives. Raises: as `step`."""
    return stages.evaluate(frame, _decide(frame, rules), readings)


def register_values(
    frame: Frame, rules: Bands, state: State, *, profile_id: str, obis: Obis, created_at: datetime
) -> tuple[RegisterValue, ...]:
    """Give each stage, the error register 63 and the total."""
    return stages.register_values(frame, rules.stages, state, taf=NUMBER, profile_id=profile_id, obis=obis, created_at=created_at)

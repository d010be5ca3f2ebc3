"""TAF 14: high-frequency values go out while the consumer consents."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from tests.tariff.series import reading

from smgw.core.errors import DomainFault
from smgw.core.obis import ACTIVE_ENERGY_EXPORT, ACTIVE_POWER
from smgw.tariff.rules import Consent, Threshold, TriggerRules
from smgw.tariff.taf14 import check, step
from smgw.tariff.trigger import Cause, State

NOW = datetime(2026, 11, 4, 12, tzinfo=UTC)
MINUTE = TriggerRules(recipient="grid1.sm", interval_s=60)
LIMIT = TriggerRules(recipient="grid1.sm", interval_s=30, thresholds=(Threshold(register=str(ACTIVE_POWER), below=-4, scaler=3),))


@pytest.mark.parametrize(
    ("rules", "registers", "code"),
    [
        (MINUTE, (), "tariff.registers"),
        (MINUTE, ("1-0:1.6.0*255",), "tariff.registers"),
        (TriggerRules(recipient="manager1.sm"), (str(ACTIVE_POWER),), "tariff.rules"),
        (TriggerRules(recipient="manager1.sm", interval_s=61), (str(ACTIVE_POWER),), "tariff.rules"),
    ],
)
@pytest.mark.req("TAF-14")
def test_registers_and_intervals_that_do_not_fit(rules: TriggerRules, registers: tuple[str, ...], code: str) -> None:
    with pytest.raises(DomainFault) as caught:
        check(rules, registers)
    assert caught.value.code == code


@pytest.mark.req("TAF-14")
def test_registers_and_intervals_that_fit() -> None:
    check(MINUTE, (str(ACTIVE_POWER), str(ACTIVE_ENERGY_EXPORT)))
    check(LIMIT, (str(ACTIVE_POWER),))


@pytest.mark.req("TAF-14")
def test_high_frequency_values_need_a_consent_at_each_moment() -> None:
    consent = Consent(consumer_id="c.sm", recipient="grid1.sm", valid_from=NOW, valid_to=NOW + timedelta(seconds=90))
    rules = msgspec.structs.replace(MINUTE, consent=consent)
    value = reading(NOW, 1, obis=ACTIVE_POWER, scaler=0, unit=27).reading
    state, pushes = step(rules, "c.sm", State(), [value], NOW)
    assert [push.cause for push in pushes] == [Cause.INTERVAL]
    for held, consumer, seconds in ((MINUTE, "c.sm", 0), (rules, "d.sm", 0), (rules, "c.sm", 90), (rules, "c.sm", -1)):
        with pytest.raises(DomainFault) as caught:
            step(held, consumer, state, [value], NOW + timedelta(seconds=seconds))
        assert caught.value.code == "tariff.consent"

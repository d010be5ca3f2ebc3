"""TAF 10: grid state data go out by time and by threshold."""

from datetime import UTC, datetime, timedelta

import pytest
from tests.tariff.series import reading

from smgw.core.errors import DomainFault
from smgw.core.obis import ACTIVE_ENERGY_EXPORT, ACTIVE_POWER
from smgw.core.status_word import GATEWAY_OK, GatewayStatus
from smgw.tariff.rules import Threshold, TriggerRules
from smgw.tariff.taf10 import check, step
from smgw.tariff.trigger import Cause, State

NOW = datetime(2026, 11, 4, 12, tzinfo=UTC)
MINUTE = TriggerRules(recipient="grid1.sm", interval_s=60)
LIMIT = TriggerRules(recipient="grid1.sm", interval_s=3600, thresholds=(Threshold(register=str(ACTIVE_POWER), below=-4, scaler=3),))


@pytest.mark.parametrize(
    ("rules", "registers", "code"),
    [
        (MINUTE, (), "tariff.registers"),
        (MINUTE, ("1-0:1.6.0*255",), "tariff.registers"),
        (MINUTE, (str(ACTIVE_ENERGY_EXPORT),), "tariff.registers"),
        (TriggerRules(recipient="grid1.sm", interval_s=1), (str(ACTIVE_POWER),), "tariff.rules"),
    ],
)
@pytest.mark.req("TAF-10")
def test_registers_and_intervals_that_do_not_fit(rules: TriggerRules, registers: tuple[str, ...], code: str) -> None:
    with pytest.raises(DomainFault) as caught:
        check(rules, registers)
    assert caught.value.code == code


@pytest.mark.req("TAF-10")
def test_registers_and_intervals_that_fit() -> None:
    check(MINUTE, ("1-0:32.7.0*255", "1-0:14.7.0*255"))
    check(LIMIT, (str(ACTIVE_POWER),))


@pytest.mark.req("TAF-10")
def test_a_value_beyond_the_threshold_is_pushed_with_its_mark() -> None:
    state, _ = step(LIMIT, State(), [reading(NOW, -3999, obis=ACTIVE_POWER, scaler=0, unit=27).reading], NOW)
    later = NOW + timedelta(seconds=2)
    _, (push,) = step(LIMIT, state, [reading(later, -4001, obis=ACTIVE_POWER, scaler=0, unit=27).reading], later)
    assert (push.cause, push.time) == (Cause.THRESHOLD, later)
    assert [value.gateway_status for value in push.values] == [GATEWAY_OK | GatewayStatus.VALUE_TRIGGERED]

"""Pushes by time and by threshold: one message at most, nothing stored, no flood around a limit."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from tests.tariff.series import METER_ID, reading

from smgw.core.errors import DomainFault, PeerFault
from smgw.core.obis import ACTIVE_ENERGY_EXPORT, ACTIVE_POWER, Obis
from smgw.core.reading import Reading
from smgw.core.status_word import GATEWAY_OK, GatewayStatus
from smgw.tariff.rules import Threshold, TriggerRules
from smgw.tariff.trigger import Cause, Push, State, check_registers, step

NOW = datetime(2026, 11, 4, 12, 0, 1, tzinfo=UTC)
LIMIT = Threshold(register=str(ACTIVE_POWER), above=4000)
BY_THRESHOLD = TriggerRules(recipient="grid1.sm", thresholds=(LIMIT,))
BY_TIME = TriggerRules(recipient="grid1.sm", interval_s=60)
BOTH = TriggerRules(recipient="grid1.sm", interval_s=60, thresholds=(LIMIT,))


def _value(raw: int | None, seconds: int, obis: Obis = ACTIVE_POWER, status: int = GATEWAY_OK, unit: int = 27) -> Reading:
    return reading(NOW + timedelta(seconds=seconds), raw, obis=obis, scaler=0, unit=unit, gateway_status=status).reading


def _pushes(rules: TriggerRules, values: Sequence[tuple[int, int | None]], status: int = GATEWAY_OK) -> list[tuple[int, Cause]]:
    """Feed (second, power) and give when which push came; the state goes through a file each time."""
    state, found = State(), []
    for seconds, raw in values:
        state, pushes = step(rules, state, [_value(raw, seconds, status=status)], NOW + timedelta(seconds=seconds))
        state = msgspec.json.decode(msgspec.json.encode(state), type=State)
        found += [((push.time - NOW) // timedelta(seconds=1), push.cause) for push in pushes]
    return found


def test_a_register_is_an_obis_code_of_the_right_kind() -> None:
    with pytest.raises(PeerFault) as caught:
        check_registers(("power",), frozenset({7}))
    assert caught.value.code == "value.obis"
    for registers in ((), (str(ACTIVE_ENERGY_EXPORT),)):
        with pytest.raises(DomainFault) as refused:
            check_registers(registers, frozenset({7}))
        assert refused.value.code == "tariff.registers"


@pytest.mark.req("TAF-09")
def test_a_threshold_pushes_once_until_a_value_was_back() -> None:
    values = [(0, 3000), (2, 4000), (4, 4001), (6, 4500), (8, 3999), (10, 5000)]
    assert _pushes(BY_THRESHOLD, values) == [(4, Cause.THRESHOLD), (10, Cause.THRESHOLD)]
    assert _pushes(BY_THRESHOLD, [(0, 4001), (2, 4002)]) == [(0, Cause.THRESHOLD)]


@pytest.mark.req("TAF-09")
def test_what_can_not_be_used_goes_beyond_nothing() -> None:
    assert _pushes(BY_THRESHOLD, [(0, 3000), (2, 9000)], status=GATEWAY_OK | GatewayStatus.ERROR) == []
    assert _pushes(BY_THRESHOLD, [(0, 4001), (2, None), (4, 4002)]) == [(0, Cause.THRESHOLD)]


@pytest.mark.req("TAF-10")
def test_time_pushes_once_an_interval_and_starts_anew_when_the_clock_goes_back() -> None:
    values = [(0, 1), (20, 2), (58, 3), (59, 4), (61, 5), (300, 6), (301, 7), (0, 8), (2, 9)]
    assert _pushes(BY_TIME, values) == [(0, Cause.INTERVAL), (59, Cause.INTERVAL), (300, Cause.INTERVAL), (0, Cause.INTERVAL)]


def test_a_threshold_and_an_interval_at_once_are_one_message() -> None:
    assert _pushes(BOTH, [(0, 1), (59, 9000), (60, 9001)]) == [(0, Cause.INTERVAL), (59, Cause.THRESHOLD)]


@pytest.mark.req("TAF-09", "MEAS-01")
def test_a_push_carries_all_current_values_and_marks_the_one_that_caused_it() -> None:
    state, pushes = step(BY_THRESHOLD, State(), [_value(7, 0, ACTIVE_ENERGY_EXPORT, unit=30), _value(1, 0)], NOW)
    assert pushes == ()
    state, (push,) = step(BY_THRESHOLD, state, [_value(4001, 2)], NOW + timedelta(seconds=2))
    assert (push.recipient, push.source, push.cause) == ("grid1.sm", METER_ID, Cause.THRESHOLD)
    assert [(value.obis, value.raw, value.gateway_status) for value in push.values] == [
        (ACTIVE_ENERGY_EXPORT, 7, GATEWAY_OK),
        (ACTIVE_POWER, 4001, GATEWAY_OK | GatewayStatus.VALUE_TRIGGERED),
    ]
    assert [value.gateway_status for value in state.current] == [GATEWAY_OK, GATEWAY_OK]


@pytest.mark.req("TAF-10")
def test_a_pseudonym_stands_for_the_meter_everywhere() -> None:
    rules = TriggerRules(recipient="grid1.sm", interval_s=60, pseudonym="00c0ffee00d1ce")
    _, (push,) = step(rules, State(), [_value(1, 0)], NOW)
    assert METER_ID not in msgspec.json.encode(push).decode()
    assert {push.source, *(value.meter_id for value in push.values)} == {"00c0ffee00d1ce"}


@pytest.mark.req("TAF-09", "TAF-10", "TAF-14")
def test_only_the_latest_value_of_each_register_is_held() -> None:
    state = State()
    for seconds in range(100):
        state, _ = step(BOTH, state, [_value(seconds, seconds)], NOW + timedelta(seconds=seconds))
    assert [value.raw for value in state.current] == [99]
    assert step(BOTH, state, [], NOW) == (state, ())


def test_other_thresholds_in_the_profile_start_anew() -> None:
    state, _ = step(BY_THRESHOLD, State(), [_value(5000, 0)], NOW)
    two = TriggerRules(recipient="grid1.sm", thresholds=(LIMIT, Threshold(register=str(ACTIVE_POWER), below=0)))
    _, pushes = step(two, state, [_value(5000, 2)], NOW)
    assert [push.cause for push in pushes] == [Cause.THRESHOLD]


def test_a_push_is_a_value() -> None:
    _, (push,) = step(BY_TIME, State(), [_value(1, 0)], NOW)
    assert msgspec.json.decode(msgspec.json.encode(push), type=Push) == push

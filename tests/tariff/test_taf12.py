"""TAF 12: what credit is left, and what consumer and control box are told."""

from datetime import timedelta

import pytest
from tests.tariff.series import CREATED, local, reading

from smgw.core.errors import DomainFault
from smgw.core.obis import ACTIVE_ENERGY_IMPORT
from smgw.core.quantity import Quantity
from smgw.core.reading import SignedReading
from smgw.core.status_word import GATEWAY_OK, GatewayStatus
from smgw.tariff.rules import Credit, CreditRules
from smgw.tariff.stages import Frame
from smgw.tariff.taf12 import CREDIT_REGISTER, Level, SignalKind, State, evaluate, register_values, step

START, END = local(2026, 11, 1), local(2026, 12, 1)
FRAME = Frame(START, END)
RULES = CreditRules(warning=10)
INVALID_CLOCK = GATEWAY_OK | GatewayStatus.TIME_NOT_VALID


def _at(quarter: int, raw: int | None, status: int = GATEWAY_OK, scaler: int = 0) -> SignedReading:
    return reading(START + timedelta(minutes=15 * quarter), raw, sequence=quarter, scaler=scaler, gateway_status=status)


def _credit(amount: int, quarter: int = 0) -> Credit:
    return Credit(credit_id=f"{quarter}", at=START + timedelta(minutes=15 * quarter), amount=amount)


def _signals(*log: SignedReading | Credit, rules: CreditRules = RULES) -> list[tuple[SignalKind, int]]:
    return [(signal.kind, signal.remaining.raw) for signal in evaluate(FRAME, rules, log)[1]]


def test_a_change_of_unit_is_refused() -> None:
    with pytest.raises(DomainFault) as caught:
        evaluate(FRAME, RULES, [_at(0, 5), _at(1, 6, scaler=-1)])
    assert caught.value.code == "tariff.unit_changed"


@pytest.mark.req("TAF-12")
def test_warning_cut_off_and_release_come_once_each() -> None:
    log = [_credit(50), _at(0, 1000), _at(1, 1030), _at(2, 1040), _at(3, 1045), _at(4, 1050), _at(5, 1060), _credit(5, 6)]
    log += [_credit(10, 6), _at(7, 1061), _credit(100, 8)]
    assert _signals(*log) == [
        (SignalKind.WARNING, 10),
        (SignalKind.CUT_OFF, 0),
        (SignalKind.RELEASE, 5),
        (SignalKind.WARNING, 5),
    ]


@pytest.mark.req("TAF-12")
def test_credit_can_run_out_between_two_readings() -> None:
    assert _signals(_credit(50), _at(0, 0), _at(1, 70)) == [(SignalKind.CUT_OFF, -20)]
    assert _signals(_credit(50), _at(0, 0), _at(1, 70), _credit(100)) == [(SignalKind.CUT_OFF, -20), (SignalKind.RELEASE, 80)]


@pytest.mark.req("TAF-12")
def test_without_credit_the_first_usable_reading_cuts_off_and_nothing_does_before() -> None:
    assert _signals(_at(0, None), _at(1, 5, INVALID_CLOCK)) == []
    assert _signals(_at(0, None), _at(1, 5)) == [(SignalKind.CUT_OFF, 0)]


@pytest.mark.parametrize("status", [INVALID_CLOCK, GATEWAY_OK | GatewayStatus.ERROR, GATEWAY_OK | GatewayStatus.NOT_FOR_BILLING])
@pytest.mark.req("TAF-12", "TIME-01")
def test_a_clock_fault_or_an_invalid_reading_never_cuts_off(status: int) -> None:
    log = [_credit(50), _at(0, 0), _at(1, 20), *(_at(quarter, quarter * 100, status) for quarter in range(2, 40))]
    assert _signals(*log) == []
    # Once the clock is valid again, all that was used counts.
    assert _signals(*log, _at(40, 4000)) == [(SignalKind.CUT_OFF, -3950)]


@pytest.mark.req("TAF-12")
def test_a_gap_does_no_harm_and_doubled_or_stray_readings_count_nothing() -> None:
    log = [_credit(50), _at(0, 0), _at(3, 30), _at(3, 99), _at(1, 99), _at(-1, 99), _at(5000, 99)]
    state, signals = evaluate(FRAME, RULES, log)
    assert (state.used, state.remaining(RULES), signals) == (30, Quantity(20, 0, 30), ())


@pytest.mark.req("TAF-12", "MEAS-03")
def test_credit_in_kwh_and_readings_in_tenths_of_a_wh() -> None:
    rules = CreditRules(warning=1, scaler=3)
    log = [_credit(2), _at(0, 0, scaler=-1), _at(1, 9_999, scaler=-1), _at(2, 10_000, scaler=-1), _at(3, 20_001, scaler=-1)]
    assert _signals(*log, rules=rules) == [(SignalKind.WARNING, 10_000), (SignalKind.CUT_OFF, -1)]


def test_registers_are_what_was_used_and_what_is_left() -> None:
    state, _ = evaluate(FRAME, RULES, [_credit(50), _at(0, 100), _at(1, 120)])
    values = register_values(FRAME, RULES, state, profile_id="taf12-1.sm", obis=ACTIVE_ENERGY_IMPORT, created_at=CREATED)
    assert [(value.obis, value.raw, value.unit, value.inputs) for value in values] == [
        (ACTIVE_ENERGY_IMPORT, 20, 30, (0, 1)),
        (CREDIT_REGISTER, 30, 30, (0, 1)),
    ]
    empty = register_values(FRAME, RULES, State(), profile_id="taf12-1.sm", obis=ACTIVE_ENERGY_IMPORT, created_at=CREATED)
    assert [value.raw for value in empty] == [None, None]


def test_the_state_says_what_was_told_last() -> None:
    state = State()
    levels = []
    for entry in (_credit(50), _at(0, 0), _at(1, 45), _at(2, 51), _credit(100)):
        state, _ = step(FRAME, RULES, state, entry)
        levels.append(state.level)
    assert levels == [Level.ENOUGH, Level.ENOUGH, Level.LOW, Level.USED_UP, Level.ENOUGH]

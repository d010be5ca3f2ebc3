"""Tariffs in the gateway: what is booked at the end of a billing period, what is refused, and what is told."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.gateway.gateway_parts import GATEWAY_ID, METER_ID, all_profiles, evaluation_profile

from smgw.codec.delivery_xml import decode_delivery
from smgw.core.errors import DomainFault
from smgw.core.instant import local_midnight
from smgw.core.log_event import Log
from smgw.core.obis import ACTIVE_ENERGY_IMPORT
from smgw.core.profiles import PROFILE_KINDS, EvaluationProfile, Profile
from smgw.core.reading import Reading
from smgw.core.status_word import GATEWAY_OK, GatewayStatus
from smgw.gateway.evaluation import Evaluation
from smgw.gateway.logs import Recorder
from smgw.gateway.tariffs import MAX_ENTRIES, Tariffs
from smgw.net.clock import ManualClock
from smgw.pki.profile_rules import check_profile
from smgw.storage.journal import Journal
from smgw.tariff.contract_rules import SUPPORTED_TAF
from smgw.tariff.rules import Credit, CreditRules, Event

IMPORT = "1-0:1.8.0*255"
HOUR = timedelta(hours=1)
QUARTER = timedelta(minutes=15)
START = local_midnight(datetime(2026, 3, 31).date())  # noqa: DTZ001
END = local_midnight(datetime(2026, 4, 1).date())  # noqa: DTZ001
WEEK = {"week": ["all"] * 7}
CALENDAR: dict[str, Any] = {"stages": [1, 2], "days": {"all": {"00:00": 1, "06:00": 2}}, **WEEK}
BANDS: dict[str, Any] = {"stages": [1, 2], "thresholds": [100]}
EVENTS: dict[str, Any] = {"stages": [1, 2], "events": {"low": 1, "high": 2}, "latency_s": 900}
CREDIT: dict[str, Any] = {"warning": 20}
INSTALLED: dict[str, list[Profile]] = {
    name: [profile for profile in all_profiles() if isinstance(profile, kind)] for name, kind in PROFILE_KINDS.items()
}


def contract(taf: int, rules: dict[str, Any], **changes: Any) -> EvaluationProfile:
    about: dict[str, Any] = {"valid_from": START, "valid_to": START + timedelta(days=365), "registers": (IMPORT,)} | changes
    return evaluation_profile(taf, "billing", rules=rules, **about)


class Bench:
    """Hold an evaluation over a real journal."""

    def __init__(self, path: Path) -> None:
        self.serial = count()
        self.journal = Journal.open(path, bytes(32))
        recorder = Recorder(self.journal, ManualClock(START))
        self.evaluation = Evaluation(self.journal, recorder, GATEWAY_ID, lambda n: next(self.serial).to_bytes(n, "big"))

    def store(self, profile: EvaluationProfile, target: datetime, raw: int, status: int = 0, scaler: int = 0) -> int:
        with self.journal.transaction():
            reading = Reading(METER_ID, ACTIVE_ENERGY_IMPORT, raw, scaler, 30, target, target, int(GATEWAY_OK) | status, 4)
            self.journal.append_readings([(reading, bytes(64))])
            return self.evaluation.run([profile], METER_ID, target, target)

    def month(self, profile: EvaluationProfile, faults: dict[int, int] | None = None) -> int:
        """Store ten units each quarter hour of the last day of the month; gives the number of messages."""
        targets = [START + QUARTER * number for number in range((END - START) // QUARTER + 1)]
        return sum(self.store(profile, target, 10 * number, (faults or {}).get(number, 0)) for number, target in enumerate(targets))

    def booked(self, profile: EvaluationProfile) -> dict[int, int | None]:
        return {value.obis.e: value.raw for value in self.journal.registers(profile.profile_id)}

    def events(self) -> list[str]:
        return [stored.entry.event for stored in self.journal.log(Log.CONSUMER, "consumer1.sm")]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path / "journal.db")
    yield bench
    bench.journal.close()


def refusal(profile: EvaluationProfile, now: datetime = START, *others: EvaluationProfile) -> str:
    with pytest.raises(DomainFault) as caught:
        check_profile(profile, {**INSTALLED, "evaluation": list(others)}, now)
    return caught.value.code


@pytest.mark.req("TAF-02", "TAF-03", "TAF-04", "TAF-05", "TAF-12", "TAF-23")
@pytest.mark.parametrize(
    ("profile", "code"),
    [
        (contract(2, {}), "tariff.profile"),
        (contract(2, CALENDAR | {"colour": 1}), "tariff.profile"),
        (contract(2, CALENDAR | {"week": []}), "tariff.calendar_gap"),
        (contract(2, CALENDAR | {"stages": [1]}), "tariff.stage_unknown"),
        (contract(2, CALENDAR | {"stages": list(range(1, 22))}), "tariff.stage_count"),
        (contract(3, BANDS | {"thresholds": [100, 50], "stages": [1, 2, 3]}), "tariff.bands"),
        (contract(5, EVENTS | {"events": {"low": 3}}), "tariff.stage_unknown"),
        (contract(7, CREDIT), "tariff.profile"),
        (contract(12, CREDIT, valid_to=START + timedelta(minutes=1)), "tariff.period"),
        (contract(12, CREDIT, registers=(IMPORT, "1-0:2.8.0*255")), "tariff.registers"),
        (contract(4, BANDS, valid_from=START + timedelta(minutes=1)), "tariff.period"),
        (contract(4, BANDS, registers=(IMPORT, "1-0:1.8.0")), "tariff.registers"),
        (contract(15, {}), "command.profile"),
    ],
)
def test_rules_that_do_not_fit_are_refused_with_their_reason(profile: EvaluationProfile, code: str) -> None:
    assert refusal(profile) == code


@pytest.mark.req("TAF-23", "TAF-24")
def test_a_contract_neither_starts_in_the_past_nor_prices_twice() -> None:
    profile = contract(2, CALENDAR)
    assert refusal(profile, START + timedelta(seconds=1)) == "tariff.profile_past"
    rival = contract(2, CALENDAR, profile_id="other.sm", valid_from=START - HOUR)
    assert refusal(profile, START, rival) == "tariff.profile_overlap"
    before = contract(2, CALENDAR, valid_from=START - HOUR, valid_to=START + HOUR)
    following = msgspec.structs.replace(profile, version=2)
    check_profile(following, {**INSTALLED, "evaluation": [before]}, START - QUARTER)
    changed = msgspec.structs.replace(before, version=2, rules=CALENDAR | {"stages": [1, 2, 3]})
    assert refusal(changed, START, before) == "tariff.profile_past"
    ended = msgspec.structs.replace(before, version=2, valid_to=START)
    check_profile(ended, {**INSTALLED, "evaluation": [before]}, START)
    assert refusal(ended, START + QUARTER, before) == "tariff.profile_past"


@pytest.mark.req("TAF-12")
def test_a_version_that_counts_its_credit_otherwise_is_refused() -> None:
    before = contract(12, CREDIT)
    for rules, registers in ((CREDIT | {"scaler": 3}, (IMPORT,)), (CREDIT, ("1-0:2.8.0*255",))):
        other = contract(12, rules, valid_from=END, version=2, registers=registers)
        assert refusal(other, START, before) == "tariff.rules"
    assert refusal(contract(12, CREDIT, valid_from=END, version=2), START, contract(4, BANDS, profile_id="taf12-1.sm")) == "tariff.rules"
    check_profile(contract(12, CREDIT | {"warning": 5}, valid_from=END, version=2), {**INSTALLED, "evaluation": [before]}, START)


def test_a_contract_without_rules_reads_as_before() -> None:
    old = {name: value for name, value in msgspec.to_builtins(evaluation_profile()).items() if name != "rules"}
    assert msgspec.json.decode(msgspec.json.encode(old), type=EvaluationProfile) == evaluation_profile()
    assert {1, 2, 3, 4, 5, 7, 12} <= SUPPORTED_TAF


@pytest.mark.req("TAF-02", "TAF-03", "TAF-04", "TAF-20")
@pytest.mark.parametrize(
    ("taf", "rules", "expected"),
    [
        (2, CALENDAR, {1: 240, 2: 720, 63: 0, 0: 960}),
        (3, {"stages": [1, 2], "thresholds": [40]}, {1: 0, 2: 960, 63: 0, 0: 960}),
        (4, BANDS, {1: 100, 2: 860, 63: 0, 0: 960}),
        (5, EVENTS | {"default": 1}, {1: 960, 2: 0, 63: 0, 0: 960}),
    ],
)
def test_the_registers_of_a_period_are_booked_and_sent_once(
    bench: Bench, taf: int, rules: dict[str, Any], expected: dict[int, int]
) -> None:
    profile = contract(taf, rules)
    sent = bench.month(profile) + bench.store(profile, END + QUARTER, 970) + bench.store(profile, END + 2 * QUARTER, 980)
    assert sent == 1
    assert bench.booked(profile) == expected
    (message,) = bench.journal.pending(10)
    delivery = decode_delivery(message.body)
    assert (delivery.period_end, {v.obis.e: v.raw for v in delivery.registers}) == (END, expected)


@pytest.mark.req("TAF-20", "TIME-01")
@pytest.mark.parametrize(("taf", "rules"), [(3, BANDS), (4, BANDS), (5, EVENTS | {"default": 1})])
def test_values_taken_without_valid_time_go_to_the_error_register(bench: Bench, taf: int, rules: dict[str, Any]) -> None:
    profile = contract(taf, rules)
    bench.month(profile, {number: int(GatewayStatus.TIME_NOT_VALID) for number in (40, 41)})
    bench.store(profile, END + QUARTER, 970)
    booked = bench.booked(profile)
    assert (booked[63], booked[0]) == (30, 960)


@pytest.mark.req("TAF-02", "TIME-01")
def test_a_clock_fault_over_a_switch_of_stages_goes_to_the_error_register(bench: Bench) -> None:
    profile = contract(2, CALENDAR)
    bench.month(profile, {24: int(GatewayStatus.TIME_NOT_VALID)})
    assert bench.booked(profile) == {1: 230, 2: 710, 63: 20, 0: 960}


def test_a_register_that_changes_its_unit_waits_for_the_next_period(bench: Bench) -> None:
    profile = contract(4, BANDS)
    bench.store(profile, START, 0)
    bench.store(profile, START + QUARTER, 1, scaler=3)
    bench.store(profile, START + 2 * QUARTER, 2, scaler=3)
    bench.store(profile, END, 3, scaler=3)
    assert bench.booked(profile) == {}
    assert bench.events() == ["evaluation_failed"]
    bench.store(profile, END + QUARTER, 4, scaler=3)
    may = local_midnight(datetime(2026, 5, 1).date())  # noqa: DTZ001
    bench.store(profile, may, 9, scaler=3)
    assert bench.booked(profile)[0] == 6


@pytest.mark.req("TAF-12")
def test_a_used_up_credit_is_warned_of_cut_off_and_released(bench: Bench) -> None:
    profile = contract(12, CREDIT)
    tariffs = Tariffs(bench.journal)
    tariffs.append(profile, Credit(credit_id="a", at=START, amount=50))
    bench.store(profile, START, 0)
    bench.store(profile, START + QUARTER, 30)
    bench.store(profile, START + 2 * QUARTER, 90, int(GatewayStatus.TIME_NOT_VALID))
    assert bench.events() == ["credit_low"]
    bench.store(profile, START + 3 * QUARTER, 60)
    tariffs.append(profile, Credit(credit_id="b", at=START + HOUR, amount=100))
    bench.store(profile, START + HOUR, 61)
    assert bench.events() == ["credit_low", "credit_used_up", "credit_restored"]
    bench.store(profile, END, 70)
    assert {str(v.obis): v.raw for v in bench.journal.registers(profile.profile_id)} == {IMPORT: 70, "0-0:19.10.0*255": 80}
    sent = [decode_delivery(message.body).registers for message in bench.journal.pending(10)]
    signals = [{str(value.obis): value.raw for value in values} for values in sent]
    assert signals[:3] == [
        {"0-0:19.10.0*255": 20, "0-0:96.3.10*255": 1},
        {"0-0:19.10.0*255": -10, "0-0:96.3.10*255": 0},
        {"0-0:19.10.0*255": 90, "0-0:96.3.10*255": 1},
    ]


@pytest.mark.req("TAF-12")
def test_credit_goes_on_over_the_end_of_a_period_and_into_the_next_version(bench: Bench) -> None:
    """What is used in a period stands in its register, what is left in the credit; a pause of the contract uses up nothing."""
    may = local_midnight(datetime(2026, 5, 1).date())  # noqa: DTZ001
    profile = contract(12, CREDIT, valid_to=may)
    later = contract(12, CREDIT, valid_from=may + HOUR, version=2, valid_to=None)
    Tariffs(bench.journal).append(profile, Credit(credit_id="a", at=START, amount=500))
    for target, raw in ((START, 0), (END, 100), (END + QUARTER, 110), (may, 150)):
        bench.store(profile, target, raw)
    for target, raw in ((may + HOUR, 300), (may + 2 * HOUR, 320)):
        bench.store(later, target, raw)
    booked = bench.journal.registers(profile.profile_id)
    assert [(v.obis.c, v.raw, v.period_end) for v in booked] == [(1, 100, END), (19, 400, END), (1, 50, may), (19, 350, may)]
    (state,) = bench.evaluation.tariffs.states(later).values()
    assert state.remaining(CreditRules(warning=20)).raw == 330


@pytest.mark.req("TAF-05")
def test_events_switch_the_stage(bench: Bench) -> None:
    profile = contract(5, EVENTS | {"default": 1})
    Tariffs(bench.journal).append(profile, Event(name="high", at=START + 12 * HOUR, received_at=START))
    bench.month(profile)
    bench.store(profile, END + QUARTER, 970)
    assert bench.booked(profile) == {1: 480, 2: 480, 63: 0, 0: 960}


def test_entries_are_bounded_and_of_the_right_kind(bench: Bench) -> None:
    with pytest.raises(DomainFault, match=r"tariff\.use_case"):
        Tariffs(bench.journal).append(contract(4, BANDS), Event(name="high", at=START))
    profile = contract(5, EVENTS)
    full = [[0, {}]] * MAX_ENTRIES
    bench.journal.set_state(f"tariff-log/{profile.profile_id}", msgspec.json.encode(full))
    with pytest.raises(DomainFault, match=r"tariff\.event_count"):
        Tariffs(bench.journal).append(profile, Event(name="high", at=START))


def test_a_contract_that_waited_long_catches_up(bench: Bench) -> None:
    """More readings than one look back takes are looked up by time, and a period without evaluation is booked all the same."""
    profile = contract(4, BANDS)
    bench.store(profile, START, 0)
    with bench.journal.transaction():
        targets = [START + QUARTER * number for number in range(1, 2900)]
        bench.journal.append_readings(
            [
                (Reading(METER_ID, ACTIVE_ENERGY_IMPORT, 10 * number, 0, 30, target, target, int(GATEWAY_OK), 4), bytes(64))
                for number, target in enumerate(targets, 1)
            ]
        )
        bench.evaluation.run([profile], METER_ID, targets[-1], targets[-1])
    assert bench.booked(profile) == {1: 100, 2: 860, 63: 0, 0: 960}


@pytest.mark.req("TAF-08")
def test_extremes_are_booked_at_the_end_of_the_period(bench: Bench) -> None:
    profile = contract(8, {})
    for number, raw in enumerate((0, 10, 40, 45)):
        assert bench.store(profile, START + QUARTER * number, raw) == 0
    assert bench.store(profile, END, 50) == 1
    values = bench.journal.registers(profile.profile_id)
    assert {(v.obis.d, v.raw, v.unit, v.period_start) for v in values} == {
        (6, 120, 27, START + QUARTER),
        (3, 20, 27, START + 2 * QUARTER),
    }
    assert bench.store(profile, END + QUARTER, 60) == 0
    assert len(decode_delivery(bench.journal.pending(10)[0].body).registers) == 2


def portal(source: EvaluationProfile, **consent: Any) -> EvaluationProfile:
    about = {"consumer_id": "consumer1.sm", "recipient": "emt1.sm", "valid_from": START} | consent
    return contract(13, {"contract": source.profile_id, "consent": msgspec.to_builtins(about)})


@pytest.mark.req("TAF-13")
@pytest.mark.parametrize(
    ("consent", "code"),
    [
        ({"recipient": "emt2.sm"}, "tariff.consent"),
        ({"consumer_id": "consumer2.sm"}, "tariff.consent"),
        ({"valid_from": END}, "tariff.consent"),
        ({"valid_to": START}, "tariff.period"),
    ],
)
def test_nothing_is_copied_without_consent(consent: dict[str, Any], code: str) -> None:
    source = evaluation_profile(7)
    assert refusal(portal(source, **consent), START, source) == code


@pytest.mark.req("TAF-13")
def test_only_certain_contracts_of_the_same_consumer_are_copied() -> None:
    source = contract(4, BANDS)
    assert refusal(portal(source), START, source) == "tariff.source"
    assert refusal(portal(evaluation_profile(7)), START) == "tariff.source"
    stranger = evaluation_profile(7, consumer_id="consumer2.sm")
    assert refusal(portal(stranger), START, stranger) == "tariff.source"


@pytest.mark.req("TAF-13")
def test_a_portal_gets_the_registers_of_the_source_unchanged(bench: Bench) -> None:
    source = contract(2, CALENDAR, recipients=())
    copy = portal(source)
    for profile in (source, copy):
        check_profile(profile, {**INSTALLED, "evaluation": [source]}, START)
        bench.journal.put_profile(profile, profile.profile_id.encode(), START)
    for target, raw in ((START, 0), (START + 6 * HOUR, 240), (END, 960), (END + QUARTER, 970)):
        with bench.journal.transaction():
            reading = Reading(METER_ID, ACTIVE_ENERGY_IMPORT, raw, 0, 30, target, target, int(GATEWAY_OK), 4)
            bench.journal.append_readings([(reading, bytes(64))])
            bench.evaluation.run([copy, source], METER_ID, target, target)
    (message,) = bench.journal.pending(10)
    delivery = decode_delivery(message.body)
    assert (delivery.contract, delivery.taf) == (copy.profile_id, 13)
    assert list(delivery.registers) == bench.journal.registers(source.profile_id)


@pytest.mark.req("TAF-13")
def test_a_portal_gets_only_readings_from_the_time_of_the_consent(bench: Bench) -> None:
    source = evaluation_profile(7, recipients=(), valid_from=START)
    copy = msgspec.structs.replace(portal(source, valid_to=START + 3 * QUARTER), delivery="period")
    bench.journal.put_profile(source, b"source", START)
    for number in range(5):
        bench.store(copy, START + QUARTER * number, number)
    targets = [s.reading.target_time for m in bench.journal.pending(10) for s in decode_delivery(m.body).readings]
    assert targets == [START, START + QUARTER, START + 2 * QUARTER]
    assert bench.events() == ["evaluation_failed"]

"""What may be deleted and what not: ages, billing periods, receipts, open bookings; and that deleting changes no result."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from tests.gateway.gateway_parts import METER_ID
from tests.gateway.retention_world import CODES, FIRST_DAY, RULES, World, contract, midnight
from tests.storage.samples import entry
from tests.storage.signing import check, signer

from smgw.core.errors import SecurityFault, Unavailable
from smgw.core.instant import local_day
from smgw.core.log_event import Log
from smgw.core.profiles import EvaluationProfile
from smgw.gateway import retention
from smgw.gateway.config import RetentionRules, StorageLimits
from smgw.gateway.retention import months_before
from smgw.storage.chain import Signer

pytestmark = pytest.mark.req("MEAS-04")

Make = Callable[..., World]
FIRST_MESSAGE = "00000000-0000-4000-8000-000000000001"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Make]:
    made: list[World] = []

    def make(*contracts: EvaluationProfile, rules: RetentionRules = RULES, limits: StorageLimits | None = None) -> World:
        made.append(World(tmp_path / f"{len(made)}.db", *contracts, rules=rules, limits=limits))
        return made[-1]

    yield make
    for one in made:
        one.journal.close()


def day_of(moment: datetime) -> int:
    return (local_day(moment) - FIRST_DAY).days


# what stays


@pytest.mark.parametrize(
    ("now", "months", "before"),
    [
        (datetime(2026, 3, 31, 12, tzinfo=UTC), 1, datetime(2026, 2, 27, 23, tzinfo=UTC)),
        (datetime(2028, 3, 31, 12, tzinfo=UTC), 1, datetime(2028, 2, 28, 23, tzinfo=UTC)),
        (datetime(2026, 5, 15, tzinfo=UTC), 13, datetime(2025, 4, 14, 22, tzinfo=UTC)),
        (datetime(2026, 1, 31, 23, 30, tzinfo=UTC), 24, datetime(2024, 1, 31, 23, tzinfo=UTC)),
        (datetime(2026, 7, 1, tzinfo=UTC), 8, datetime(2025, 10, 31, 23, tzinfo=UTC)),
        (datetime(2026, 12, 31, 12, tzinfo=UTC), 12, datetime(2025, 12, 30, 23, tzinfo=UTC)),
    ],
)
def test_months_are_calendar_months_of_local_time(now: datetime, months: int, before: datetime) -> None:
    assert months_before(now, months) == before


def test_nothing_young_goes(world: Make) -> None:
    young = world(contract(7), contract(1))
    young.pass_days(90)
    assert young.delete() == []
    assert young.held_days() == list(range(90))


def test_without_a_contract_readings_stay_for_the_shorter_time(world: Make) -> None:
    plain = world()
    plain.pass_days(100)
    plain.delete()
    assert plain.held_days()[0] == day_of(months_before(plain.now, RULES.reading_months))


def test_with_a_contract_readings_stay_as_long_as_they_are_shown(world: Make) -> None:
    shown = world(contract(7))
    shown.pass_days(150)
    shown.delete()
    assert shown.held_days()[0] == day_of(months_before(shown.now, RULES.display_months))


def test_readings_stay_until_six_weeks_after_their_billing_period(world: Make) -> None:
    rules = msgspec.structs.replace(RULES, reading_months=1, display_months=1)
    billed = world(contract(1, billing_months=3, registers=("1-0:1.8.0*255",)), contract(7), rules=rules)
    billed.pass_days(90 + 41)
    billed.delete()
    assert billed.held_days()[0] == 0
    billed.pass_days(3)
    billed.delete()
    # The reading that opens the second quarter is still needed for its end.
    assert billed.held_days()[0] == day_of(datetime(2026, 4, 1, 12, tzinfo=UTC))


def test_what_has_no_receipt_stays_with_everything_after_it(world: Make) -> None:
    late = world(contract(7))
    late.pass_days(20)
    late.pass_days(180, acknowledged=False)
    late.delete()
    # The first message without receipt is for the 20th day, which lies in the first month.
    assert late.held_days() == list(range(200))
    late.acknowledge(40)
    late.delete()
    # 60 days have their receipt; the 61st lies in March, and the reading that opens March is needed for it.
    assert late.held_days()[0] == day_of(datetime(2026, 3, 1, 12, tzinfo=UTC))
    late.acknowledge()
    late.delete()
    assert late.held_days()[0] == day_of(months_before(late.now, RULES.display_months))


def test_one_slow_partner_keeps_the_readings_that_others_have(world: Make) -> None:
    slow = world(contract(7), contract(7, profile_id="taf7-2.sm"))
    slow.pass_days(200, acknowledged=False)
    for message in slow.journal.pending(1000):
        if message.profile_id == "taf7-1.sm":
            slow.journal.acknowledge(message.message_id, b"receipt", slow.now)
    assert not [cut for cut in slow.delete() if cut.chain == "readings"]


def test_a_contract_that_was_never_evaluated_keeps_everything(world: Make) -> None:
    stuck = world(contract(7), contract(1))
    contracts, stuck.contracts = stuck.contracts, []
    stuck.pass_days(200)
    assert not [cut for cut in stuck.delete() if cut.chain == "readings"]
    stuck.contracts = contracts
    stuck.pass_days(1)
    stuck.delete()
    assert stuck.held_days()[0] == day_of(months_before(stuck.now, RULES.display_months))


def test_a_billing_period_that_waits_for_a_value_keeps_its_readings(world: Make) -> None:
    waiting = world(contract(1, registers=("1-0:1.8.0*255",)))
    for _ in range(45):
        waiting.store(raw=lambda day: None if day >= 25 else day)
    for _ in range(150):
        waiting.store(raw=lambda day: None)
        waiting.acknowledge()
    waiting.delete()
    assert waiting.held_days()[0] == 0
    waiting.store()
    waiting.acknowledge()
    waiting.delete()
    assert waiting.held_days()[0] > 0


def test_a_contract_that_has_ended_keeps_readings_only_for_its_last_receipt(world: Make) -> None:
    ended = world(contract(7, valid_to=midnight(40)))
    ended.pass_days(30)
    ended.pass_days(170, acknowledged=False)
    ended.delete()
    assert ended.held_days()[0] == 29
    ended.acknowledge()
    ended.delete()
    assert ended.held_days()[0] == day_of(months_before(ended.now, RULES.display_months))


def test_a_contract_still_to_come_keeps_nothing_from_before_it(world: Make) -> None:
    coming = world(contract(7, valid_from=midnight(160)))
    coming.pass_days(150)
    coming.delete()
    assert coming.held_days()[0] == day_of(months_before(coming.now, RULES.display_months))


def test_register_values_stay_longer_and_until_their_receipt(world: Make) -> None:
    billed = world(contract(1, registers=("1-0:1.8.0*255",)))
    billed.pass_days(61)
    billed.pass_days(200, acknowledged=False)
    before = len(billed.journal.registers("taf1-1.sm"))
    billed.delete()
    ends = [value.period_end for value in billed.journal.registers("taf1-1.sm")]
    assert len(ends) == before - 1
    billed.acknowledge()
    billed.delete()
    ends = [value.period_end for value in billed.journal.registers("taf1-1.sm")]
    assert ends[0] >= months_before(billed.now, RULES.register_months)
    assert len(ends) < before - 1


@pytest.mark.req("LOG-02")
def test_a_consumer_s_log_goes_with_what_is_shown_and_the_calibration_log_never(world: Make) -> None:
    logged = world(contract(7))
    logged.journal.append_log([entry(-10_000, Log.CALIBRATION)])
    logged.pass_days(150)
    logged.delete()
    (oldest, *_) = logged.journal.log(Log.CONSUMER, "consumer1.sm")
    assert day_of(oldest.entry.time) == day_of(months_before(logged.now, RULES.display_months))
    assert logged.journal.log(Log.CALIBRATION)[0].index == 1


@pytest.mark.req("STATE-04")
def test_the_system_log_is_a_ring_that_never_loses_what_is_young(world: Make) -> None:
    limits = StorageLimits(system_log=1_000)
    ring = world(limits=limits)
    ring.journal.append_log([entry(-20_000)] * 700)
    ring.journal.append_log([entry(0)] * 100)
    ring.day = 10
    assert ring.delete() == []
    ring.journal.append_log([entry(0)] * 60)
    (cut,) = ring.delete(at=datetime(2026, 11, 22, tzinfo=UTC))
    assert (cut.chain, cut.removed) == ("system", 110)
    ring.journal.append_log([entry(0)] * 900)
    cuts = ring.delete(at=datetime(2026, 11, 22, tzinfo=UTC))
    assert sum(cut.removed for cut in cuts) == 590
    assert all(stored.entry.time >= entry(0).time for stored in ring.journal.log(Log.SYSTEM))


def test_acknowledged_messages_are_forgotten_with_the_readings_they_prove(world: Make) -> None:
    proven = world(contract(7))
    proven.pass_days(100)
    assert proven.journal.receipt(FIRST_MESSAGE) == b"receipt"
    queued = proven.journal.delivery_counts()
    proven.delete()
    assert proven.journal.delivery_counts() == queued
    assert proven.journal.receipt(FIRST_MESSAGE) is None
    proven.pass_days(1)
    assert proven.journal.delivery_counts() == (queued[0] + 1, queued[1] + 1)


# how it goes


@pytest.mark.step("1.5.3", "2.4.4", event="retention_deleted")
def test_each_block_is_told_in_the_step_that_deletes_it(world: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BLOCK_ROWS", 10)
    told = world(contract(7))
    told.pass_days(150)
    cuts = told.delete()
    entries = [stored.entry for stored in told.journal.log(Log.SYSTEM) if stored.entry.event == "retention_deleted"]
    assert [(one.parameters["chain"], int(one.parameters["number"]), int(one.parameters["count"])) for one in entries] == [
        (f"{cut.chain} {cut.scope}".strip(), cut.number, cut.removed) for cut in cuts
    ]
    assert max(cut.removed for cut in cuts) == 10
    assert len([cut for cut in cuts if cut.chain == "readings"]) > 5


def test_a_block_that_can_not_be_signed_is_not_deleted(world: Make) -> None:
    def refuse(_: bytes) -> bytes:
        raise Unavailable("journal.io", "module")

    kept = world(contract(7))
    kept.pass_days(150)
    before = kept.journal.verify()
    with pytest.raises(Unavailable):
        kept.delete(signer=Signer(bytes(32), refuse))
    assert kept.journal.verify() == before
    assert kept.held_days()[0] == 0


def test_deleting_twice_deletes_once(world: Make) -> None:
    twice = world(contract(7), contract(1))
    twice.pass_days(200)
    assert twice.delete()
    assert twice.delete() == []
    twice.journal.verify()
    twice.journal.verify_recent(check)


def test_what_is_evaluated_and_sent_is_the_same_with_and_without_deleting(world: Make) -> None:
    contracts = contract(7), contract(1, registers=("1-0:1.8.0*255",)), contract(8)
    cleaned, whole = world(*contracts), world(*contracts)
    for _ in range(20):
        for one in (cleaned, whole):
            one.pass_days(10)
        cleaned.delete()
    assert len(cleaned.held_days()) < len(whole.held_days())
    assert cleaned.journal.delivery_counts() == whole.journal.delivery_counts()
    for one in contracts:
        kept = cleaned.journal.registers(one.profile_id)
        assert kept == whole.journal.registers(one.profile_id)[-len(kept) :] if kept else True
    shared = cleaned.journal.readings(METER_ID, CODES)
    assert whole.journal.readings(METER_ID, CODES)[-len(shared) :] == shared


def test_cuts_of_another_key_are_noticed(world: Make) -> None:
    strange = world()
    strange.pass_days(100)
    strange.delete(signer=signer(b"somebody"))
    assert {one.key_id for one in strange.journal.signed() if one.kind == "cuts"} == {signer(b"somebody").key_id}
    with pytest.raises(SecurityFault):
        strange.journal.verify_recent(check)


def test_the_defaults_are_those_of_the_requirement() -> None:
    rules = RetentionRules()
    assert (rules.reading_months, rules.weeks_after_billing, rules.display_months) == (13, 6, 24)
    assert (rules.register_months, rules.system_log_months) == (36, 12)
    assert timedelta(weeks=rules.weeks_after_billing).days == 42

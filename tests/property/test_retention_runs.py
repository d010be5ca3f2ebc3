"""Whatever happens in whatever order: deleting makes no holes, takes nothing young and nothing undelivered, and the chains verify."""

import tempfile
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.gateway.gateway_parts import METER_ID
from tests.gateway.retention_world import CODES, RULES, World, contract, midnight
from tests.storage.signing import check

from smgw.codec.delivery_xml import decode_delivery
from smgw.core.profiles import EvaluationProfile
from smgw.gateway.billing import billing_period
from smgw.gateway.retention import months_before

pytestmark = pytest.mark.req("MEAS-04", "LOG-02")

_CONTRACTS = (
    contract(7),
    contract(7, profile_id="taf7-short.sm", registers=("1-0:2.8.0*255",), valid_to=midnight(50)),
    contract(7, profile_id="taf7-late.sm", valid_from=midnight(45)),
    contract(1, registers=("1-0:1.8.0*255",)),
    contract(1, profile_id="taf1-quarter.sm", registers=("1-0:2.8.0*255",), billing_months=3),
)

_steps = st.lists(
    st.one_of(
        st.tuples(st.just("days"), st.integers(1, 40)),
        st.tuples(st.just("faulty"), st.integers(1, 5)),
        st.tuples(st.just("receipts"), st.integers(1, 60)),
        st.tuples(st.just("delete"), st.just(0)),
    ),
    min_size=4,
    max_size=14,
)


@settings(max_examples=25, deadline=None)
@given(st.sets(st.integers(0, len(_CONTRACTS) - 1)), _steps)
def test_any_order_of_storing_receipts_and_deleting(chosen: set[int], steps: list[tuple[str, int]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder) / "journal.db", *(_CONTRACTS[number] for number in sorted(chosen)))
        with world.journal as journal:
            for name, count in steps:
                if name == "days":
                    world.pass_days(count, acknowledged=False)
                elif name == "faulty":
                    for _ in range(count):
                        world.store(raw=lambda day: None)
                elif name == "receipts":
                    world.acknowledge(count)
                else:
                    waiting = [message.message_id for message in journal.pending(1000)]
                    world.delete()
                    check_left(world, waiting)
            assert journal.verify() == journal.verify_recent(check)


def check_left(world: World, waiting: list[str]) -> None:
    """Assert that what is left is the end of what was stored, with everything that must stay."""
    journal = world.journal
    held = journal.readings(METER_ID, CODES)
    numbers = sorted(one.sequence for one in held)
    last = journal.count_readings()
    assert numbers == list(range(last - len(held) + 1, last + 1))
    held_times = {(one.reading.target_time, str(one.reading.obis)) for one in held}
    for code in map(str, CODES):
        shown = any(code in profile.registers for profile in world.contracts)
        young = months_before(world.now, RULES.display_months if shown else RULES.reading_months)
        assert {(midnight(day), code) for day in range(world.day) if midnight(day) >= young} <= held_times
    pending = journal.pending(1000)
    assert [message.message_id for message in pending] == waiting
    for message in pending:
        delivery = decode_delivery(message.body)
        assert {one.sequence for one in delivery.readings} <= set(numbers)
        for value in delivery.registers:
            assert value in journal.registers(value.profile_id)
    for profile in world.contracts:
        assert {(moment, code) for moment in needed_days(world, profile) for code in profile.registers} <= held_times


def needed_days(world: World, profile: EvaluationProfile) -> list[datetime]:
    """List the midnights whose readings a contract still needs for its billing periods."""
    over = world.now - timedelta(weeks=RULES.weeks_after_billing)
    if profile.valid_to is not None and billing_period(profile, profile.valid_to)[1] <= over:
        return []
    stored = (midnight(day) for day in range(world.day))
    first = billing_period(profile, profile.valid_from)[0]
    return [moment for moment in stored if moment >= first and billing_period(profile, moment)[1] > over]

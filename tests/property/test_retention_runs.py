"""Whatever happens in whatever order: deleting makes no holes, takes nothing young and nothing undelivered, and the chains verify."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.gateway.gateway_parts import METER_ID
from tests.gateway.retention_world import CODES, RULES, World, contract, midnight
from tests.storage.signing import check

from smgw.codec.delivery_xml import decode_delivery
from smgw.core.profiles import EvaluationProfile
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
    young = months_before(world.now, RULES.display_months if world.contracts else RULES.reading_months)
    first = min((one.reading.target_time for one in held), default=None)
    assert first is None or first <= young or numbers[0] == 1
    pending = journal.pending(1000)
    assert [message.message_id for message in pending] == waiting
    for message in pending:
        delivery = decode_delivery(message.body)
        assert {one.sequence for one in delivery.readings} <= set(numbers)
        for value in delivery.registers:
            assert value in journal.registers(value.profile_id)
    for profile in world.contracts:
        needs_boundary(world, profile, numbers)


def needs_boundary(world: World, profile: EvaluationProfile, numbers: list[int]) -> None:
    """Assert that the readings that open the running billing period are there."""
    opening = midnight(0).replace() if world.day == 0 else None
    if opening is not None or not numbers:
        return
    newest = world.journal.last_reading(METER_ID, CODES[0])
    assert newest is not None
    assert newest.sequence in numbers

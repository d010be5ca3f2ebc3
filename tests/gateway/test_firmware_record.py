"""What is remembered of an update: the table of its states, and how record and slots agree after a cut."""

from datetime import timedelta
from pathlib import Path

import pytest
from tests.codec.firmware_packages import CREATED
from tests.gateway.update_parts import NEW, OLD, ORDER, power_cut, remember, slots_of, updated_folder

from smgw.core.errors import DomainFault, IntegrityFault, Unavailable
from smgw.gateway import config
from smgw.gateway.firmware_model import SlotState
from smgw.gateway.firmware_record import NEXT, Update, UpdateState, give_up, load_slots, load_update, other, save_slots, settled, with_slot

pytestmark = pytest.mark.req("ADM-05")

LATER = CREATED + timedelta(minutes=5)


def test_every_state_has_a_way_in_and_a_way_out() -> None:
    assert set(NEXT) == set(UpdateState)
    assert set().union(*NEXT.values()) == set(UpdateState) - {UpdateState.IDLE}
    assert all(NEXT.values())


@pytest.mark.parametrize("state", UpdateState)
def test_only_steps_of_the_table_are_taken(state: UpdateState) -> None:
    update = Update(state, CREATED, "order-1", ORDER)
    for following in UpdateState:
        if following in NEXT[state]:
            assert update.moved(following, LATER).state is following
        else:
            with pytest.raises(DomainFault, match=r"firmware\.state"):
                update.moved(following, LATER)


def test_a_new_gateway_never_had_an_update(tmp_path: Path) -> None:
    folder = config.GatewayFolder(tmp_path)
    assert load_update(folder) == Update()
    assert load_update(folder).version == ""
    assert load_slots(folder) is None


def test_what_can_not_be_read_is_a_fault(tmp_path: Path) -> None:
    folder = updated_folder(tmp_path)
    for octets in (b"", b"{}x", b"\xff", b'{"state":"flying"}'):
        folder.update.write_bytes(octets)
        with pytest.raises(IntegrityFault, match=r"boot\.files"):
            load_update(folder)


def test_giving_up_turns_back_to_the_slot_before(tmp_path: Path) -> None:
    folder = updated_folder(tmp_path)
    save_slots(folder, with_slot(slots_of(folder), "b", SlotState.PENDING, CREATED, version=NEW, active="b"))
    update = give_up(folder, remember(folder, UpdateState.SELF_TEST, slot="b"), slots_of(folder), LATER, "firmware.contact", "x" * 500)
    slots = slots_of(folder)
    assert (slots.active, slots.running.version, slots.running.state) == ("a", OLD, SlotState.GOOD)
    assert (slots.waiting.version, slots.waiting.state, slots.waiting.since) == (NEW, SlotState.BAD, LATER)
    assert update == load_update(folder)
    assert (update.state, update.code, len(update.detail)) == (UpdateState.ROLLED_BACK, "firmware.contact", 200)


@pytest.mark.parametrize("cut", range(3))
def test_a_power_cut_while_giving_up_is_gone_on_from(tmp_path: Path, cut: int) -> None:
    folder = updated_folder(tmp_path)
    save_slots(folder, with_slot(slots_of(folder), "b", SlotState.PENDING, CREATED, version=NEW, active="b"))
    remember(folder, UpdateState.SELF_TEST, slot="b")
    with power_cut(cut), pytest.raises(Unavailable):
        give_up(folder, load_update(folder), slots_of(folder), LATER, "firmware.contact")
    update = settled(folder, load_update(folder), slots_of(folder), LATER)
    assert update == load_update(folder)
    if cut < 2:  # the slots were not turned: the version is on trial still
        assert (update.state, slots_of(folder).active) == (UpdateState.SELF_TEST, "b")
    else:
        assert (update.state, update.code, slots_of(folder).active) == (UpdateState.ROLLED_BACK, "firmware.contact", "a")


def test_a_power_cut_after_the_judgement_leaves_the_new_version_in_force(tmp_path: Path) -> None:
    folder = updated_folder(tmp_path)
    save_slots(folder, with_slot(slots_of(folder), "b", SlotState.GOOD, CREATED, version=NEW, active="b"))
    update = settled(folder, remember(folder, UpdateState.SELF_TEST, slot="b"), slots_of(folder), LATER)
    assert (update.state, load_update(folder).state) == (UpdateState.ACTIVE, UpdateState.ACTIVE)


def test_slots_are_two() -> None:
    assert (other("a"), other("b")) == ("b", "a")

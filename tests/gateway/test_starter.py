"""The choice of the program at a start: activation, trials, the way back, and a power cut at every write."""

import os
from pathlib import Path

import pytest
from tests.codec.firmware_packages import CREATED, package
from tests.gateway.update_parts import NEW, OLD, good_package, power_cut, program, remember, slots_of, updated_folder

from smgw.core.errors import DomainFault, SmgwError, Unavailable
from smgw.gateway import starter
from smgw.gateway.config import GatewayFolder
from smgw.gateway.firmware_model import SlotState
from smgw.gateway.firmware_record import UpdateState, load_update, save_slots, with_slot
from smgw.gateway.slot_program import payload, unpack
from smgw.gateway.starter import TRIALS, Program, choose, environment, is_on_trial, probe

pytestmark = pytest.mark.req("ADM-05")


def pending(path: Path, octets: bytes = b"") -> GatewayFolder:
    """Make a folder whose next start is into version 1.2.0."""
    folder = updated_folder(path, octets or good_package())
    unpack(folder, folder.package, "b", version=NEW, running=OLD, now=CREATED)
    save_slots(folder, with_slot(slots_of(folder), "b", SlotState.PENDING, CREATED, version=NEW))
    remember(folder, UpdateState.ACTIVATION_PENDING, slot="b")
    return folder


def chosen(folder: GatewayFolder) -> Program | None:
    return choose(folder, lambda: CREATED)


def test_a_gateway_that_never_had_an_update_starts_what_is_installed(tmp_path: Path) -> None:
    assert chosen(GatewayFolder(tmp_path)) is None
    assert chosen(updated_folder(tmp_path)) is None


def test_activation_leads_to_a_trial(tmp_path: Path) -> None:
    folder = pending(tmp_path)
    assert not is_on_trial(folder)
    assert chosen(folder) == Program("b", payload(folder.slot("b")), True)
    assert (slots_of(folder).active, slots_of(folder).running.state) == ("b", SlotState.PENDING)
    assert (load_update(folder).state, load_update(folder).attempts) == (UpdateState.SELF_TEST, 1)
    assert is_on_trial(folder)


def test_a_version_that_is_never_judged_good_is_given_up(tmp_path: Path) -> None:
    folder = pending(tmp_path)
    for attempt in range(1, TRIALS + 1):
        assert chosen(folder) is not None
        assert load_update(folder).attempts == attempt
    assert chosen(folder) is None
    assert (load_update(folder).state, load_update(folder).code) == (UpdateState.ROLLED_BACK, "firmware.attempts")
    assert (slots_of(folder).active, slots_of(folder).waiting.state) == ("a", SlotState.BAD)
    assert chosen(folder) is None


def test_a_version_that_was_judged_good_stays(tmp_path: Path) -> None:
    folder = pending(tmp_path)
    chosen(folder)
    save_slots(folder, with_slot(slots_of(folder), "b", SlotState.GOOD, CREATED))
    for _ in range(TRIALS + 1):
        assert chosen(folder) == Program("b", payload(folder.slot("b")), False)
    assert load_update(folder).state is UpdateState.ACTIVE


@pytest.mark.parametrize(
    ("files", "why"),
    [
        (program(cli="import missing_module"), "missing_module"),
        (program(service="this is no python"), "SyntaxError"),
        (program(version="1.1.9"), "1.1.9"),
        ({path: text for path, text in program().items() if "service" not in path}, "smgw.gateway.service"),
    ],
    ids=["import", "syntax", "version", "missing"],
)
def test_a_version_that_does_not_load_is_given_up_before_it_starts(tmp_path: Path, files: dict[str, bytes], why: str) -> None:
    folder = pending(tmp_path, package(files))
    assert chosen(folder) is None
    update = load_update(folder)
    assert (update.state, update.code) == (UpdateState.ROLLED_BACK, "firmware.probe")
    assert why in update.detail
    assert (slots_of(folder).active, slots_of(folder).running.version) == ("a", OLD)


def test_a_slot_that_was_changed_is_never_executed(tmp_path: Path) -> None:
    folder = pending(tmp_path)
    (payload(folder.slot("b")) / "smgw/cli/gateway.py").write_text("raise SystemExit('executed')")
    assert chosen(folder) is None
    assert load_update(folder).code == "boot.program"


def test_a_slot_that_is_changed_on_trial_is_given_up(tmp_path: Path) -> None:
    folder = pending(tmp_path)
    chosen(folder)
    (payload(folder.slot("b")) / "smgw/cli/gateway.py").write_text("")
    (payload(folder.slot("b")) / "smgw/more.py").write_text("")
    assert chosen(folder) is None
    assert (load_update(folder).state, slots_of(folder).active) == (UpdateState.ROLLED_BACK, "a")


def test_a_good_slot_that_is_changed_later_is_left_for_the_start_to_report(tmp_path: Path) -> None:
    folder = pending(tmp_path)
    chosen(folder)
    save_slots(folder, with_slot(slots_of(folder), "b", SlotState.GOOD, CREATED))
    (payload(folder.slot("b")) / "smgw/more.py").write_text("")
    assert chosen(folder) is None
    assert slots_of(folder).active == "b"


@pytest.mark.parametrize("cut", range(2))
def test_a_power_cut_during_activation_is_gone_on_from(tmp_path: Path, cut: int) -> None:
    folder = pending(tmp_path)
    with power_cut(cut), pytest.raises(Unavailable):
        chosen(folder)
    assert chosen(folder) == Program("b", payload(folder.slot("b")), True)
    assert (load_update(folder).state, load_update(folder).attempts) == (UpdateState.SELF_TEST, 1)


@pytest.mark.parametrize("cut", range(3))
def test_a_power_cut_while_the_last_trial_is_given_up_leads_to_the_old_version(tmp_path: Path, cut: int) -> None:
    folder = pending(tmp_path)
    for _ in range(TRIALS):
        chosen(folder)
    with power_cut(cut), pytest.raises(Unavailable):
        chosen(folder)
    assert chosen(folder) is None
    assert (load_update(folder).state, slots_of(folder).active) == (UpdateState.ROLLED_BACK, "a")


def test_a_record_that_can_not_be_read_starts_nothing(tmp_path: Path) -> None:
    folder = pending(tmp_path)
    folder.update.write_bytes(b"{")
    with pytest.raises(SmgwError, match=r"boot\.files"):
        chosen(folder)
    assert not is_on_trial(folder)


def test_a_version_that_hangs_while_it_loads_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = pending(tmp_path, package(program(cli="import time; time.sleep(60)")))
    monkeypatch.setattr(starter, "PROBE_S", 0.5)
    with pytest.raises(DomainFault, match="TimeoutExpired"):
        probe(payload(folder.slot("b")), NEW)


def test_the_import_path_is_put_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "/mine")
    slot = environment(tmp_path)
    assert slot["PYTHONPATH"].split(os.pathsep) == [str(tmp_path), "/mine"]
    for name, value in slot.items():
        monkeypatch.setenv(name, value)
    assert environment(None)["PYTHONPATH"] == "/mine"
    assert environment(tmp_path / "c")["PYTHONPATH"].split(os.pathsep) == [str(tmp_path / "c"), "/mine"]
    monkeypatch.delenv("PYTHONPATH")
    assert "PYTHONPATH" not in environment(None)

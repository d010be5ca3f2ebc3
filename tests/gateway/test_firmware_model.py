"""Manifest and slots: what differs is named, and the rules of the two slots hold to the day."""

from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from tests.gateway.gateway_parts import START

from smgw.core.errors import DecodeFault, IntegrityFault
from smgw.gateway.firmware_model import (
    FAULTY_FOR,
    Manifest,
    Slot,
    Slots,
    SlotState,
    check_files,
    check_inactive,
    check_version,
    first_slots,
    installed_files,
    make_manifest,
    program_hash,
    read_manifest,
    running_files,
)

pytestmark = pytest.mark.req("STATE-01", "STATE-03")

FILES = {"a.py": "00" * 32, "b/c.py": "11" * 32}


def manifest(**files: str) -> Manifest:
    return read_manifest(make_manifest("1.2.3", files or FILES, START))


@pytest.mark.parametrize(
    "octets", [b"", b"{}", b"[]", b"\xff", b"[" * 10_000, make_manifest("1", {}, START).replace(b"manifest-1", b"manifest-9")]
)
def test_what_is_no_manifest_is_refused(octets: bytes) -> None:
    with pytest.raises(DecodeFault, match=r"boot\.manifest"):
        read_manifest(octets)


@pytest.mark.parametrize(
    ("files", "detail"),
    [
        ({**FILES, "a.py": "22" * 32}, "a.py"),
        ({"a.py": FILES["a.py"]}, "b/c.py"),
        ({**FILES, "spy.py": "33" * 32}, "spy.py"),
        ({}, "a.py, b/c.py"),
        ({**FILES, **{f"{n}.py": "44" * 32 for n in range(5)}}, "0.py, 1.py, 2.py and 2 more"),
    ],
)
def test_files_that_differ_are_named(files: dict[str, str], detail: str) -> None:
    with pytest.raises(IntegrityFault, match=r"boot\.program") as caught:
        check_files(manifest(), files)
    assert caught.value.detail == detail


def test_the_same_files_pass() -> None:
    check_files(manifest(), dict(reversed(FILES.items())))


@pytest.mark.parametrize(
    ("slot", "listed", "running"), [("1.2.4", "1.2.3", "1.2.3"), ("1.2.3", "1.2.4", "1.2.3"), ("1.2.3", "1.2.3", "1.2.4")]
)
def test_another_version_than_expected_is_found(slot: str, listed: str, running: str) -> None:
    listing = msgspec.structs.replace(manifest(), version=listed)
    with pytest.raises(IntegrityFault, match=r"boot\.version"):
        check_version(first_slots(slot, START), listing, running)


def test_the_expected_version_passes() -> None:
    check_version(first_slots("1.2.3", START), manifest(), "1.2.3")


def slots(active: str, state: SlotState) -> Slots:
    good, other = Slot("1.2.3", SlotState.GOOD, START), Slot("1.2.4", state, START)
    return Slots("a", good, other) if active == "a" else Slots("b", other, good)


@pytest.mark.parametrize("active", ["a", "b"])
def test_a_bad_inactive_slot_may_stand_for_30_days(active: str) -> None:
    bad = slots(active, SlotState.BAD)
    assert FAULTY_FOR.days == 30
    check_inactive(bad, START + FAULTY_FOR - timedelta(seconds=1))
    with pytest.raises(IntegrityFault, match=r"boot\.slot: 1\.2\.4 since 2026-03-01"):
        check_inactive(bad, START + FAULTY_FOR)


@pytest.mark.parametrize("state", [SlotState.EMPTY, SlotState.PENDING, SlotState.GOOD])
def test_any_other_inactive_slot_may_stand_for_ever(state: SlotState) -> None:
    check_inactive(slots("a", state), START + timedelta(days=4000))


def test_a_new_gateway_runs_its_first_slot() -> None:
    first = first_slots("1.2.3", START)
    assert (first.running.version, first.running.state, first.waiting.state) == ("1.2.3", SlotState.GOOD, SlotState.EMPTY)


def test_every_file_of_a_program_counts_but_compiled_ones(tmp_path: Path) -> None:
    (tmp_path / "sub/__pycache__").mkdir(parents=True)
    for name, text in (("a.py", "1"), ("sub/b.html", "2"), ("sub/__pycache__/a.pyc", "3"), ("c.pyc", "4")):
        (tmp_path / name).write_text(text)
    files = installed_files(tmp_path)
    assert sorted(files) == ["a.py", "sub/b.html"]
    assert program_hash(files) == program_hash(dict(reversed(files.items())))
    (tmp_path / "a.py").rename(tmp_path / "b.py")
    assert program_hash(installed_files(tmp_path)) != program_hash(files)


def test_the_running_program_is_hashed_once() -> None:
    assert running_files() is running_files()


def test_the_installed_program_is_seen() -> None:
    assert {"gateway/firmware_model.py", "gateway/han/templates/page.html", "py.typed"} <= set(installed_files())

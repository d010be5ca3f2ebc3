"""The program in a slot: only a good package gets there, as a whole, and what lies there is verified again."""

from datetime import timedelta
from pathlib import Path

import pytest
from tests.codec.firmware_packages import CREATED, maker, package
from tests.gateway.update_parts import NEW, OLD, good_package, program, updated_folder

from smgw.core.errors import DomainFault, IntegrityFault, PeerFault, SmgwError, Unavailable
from smgw.gateway import slot_program
from smgw.gateway.config import GatewayFolder
from smgw.gateway.slot_program import payload, program_manifest, unpack, verify_slot
from smgw.pki.maker import SIGNER_VALIDITY

pytestmark = pytest.mark.req("ADM-05")


def put(folder: GatewayFolder, version: str = NEW, running: str = OLD) -> None:
    unpack(folder, folder.package, "b", version=version, running=running, now=CREATED)


def test_a_good_package_becomes_the_slot(tmp_path: Path) -> None:
    folder = updated_folder(tmp_path, good_package())
    put(folder)
    root = payload(folder.slot("b"))
    files = {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}
    assert files == program()
    assert verify_slot(folder, "b").version == NEW
    assert sorted(path.name for path in folder.slot("b").parent.iterdir()) == ["b"]
    assert program_manifest(folder, "b").files.keys() == {path.removeprefix("smgw/") for path in program() if path.startswith("smgw/")}


@pytest.mark.parametrize(
    ("octets", "running", "version", "code"),
    [
        (package(program(), by=maker("other")), OLD, NEW, "firmware.signer"),
        (good_package()[:-2_000], OLD, NEW, "firmware.structure"),
        (good_package().replace(b"Name: smgw", b"Name: smgx"), OLD, NEW, "firmware.hash"),
        (good_package(), "1.3.0", NEW, "firmware.downgrade"),
        (good_package(), OLD, "1.2.1", "firmware.not_ordered"),
        (package(program(), min_version="1.0.0"), OLD, NEW, "firmware.min_version"),
        (b"", OLD, NEW, "firmware.structure"),
    ],
    ids=["signer", "short", "hash", "downgrade", "another", "min-version", "empty"],
)
def test_any_other_package_leaves_the_slot_as_it_was(tmp_path: Path, octets: bytes, running: str, version: str, code: str) -> None:
    folder = updated_folder(tmp_path, good_package())
    put(folder)
    folder.package.write_bytes(octets)
    with pytest.raises(SmgwError, match=code):
        put(folder, version, running)
    assert verify_slot(folder, "b").version == NEW
    assert sorted(path.name for path in folder.slot("b").parent.iterdir()) == ["b"]


def test_a_gateway_without_makers_takes_nothing(tmp_path: Path) -> None:
    folder = updated_folder(tmp_path, good_package())
    folder.makers.unlink()
    with pytest.raises(PeerFault, match=r"firmware\.no_maker"):
        put(folder)


def test_a_disk_that_refuses_leaves_the_slot_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = updated_folder(tmp_path, good_package())

    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(slot_program, "_write", refuse)
    with pytest.raises(Unavailable, match="No space left"):
        put(folder)
    assert not folder.slot("b").exists()


def test_a_program_does_not_turn_bad_by_age(tmp_path: Path) -> None:
    folder = updated_folder(tmp_path, good_package())
    put(folder)
    with pytest.raises(PeerFault, match=r"firmware\.signer"):
        unpack(folder, folder.package, "b", version=NEW, running=OLD, now=CREATED + SIGNER_VALIDITY + timedelta(days=1))
    assert verify_slot(folder, "b").version == NEW


def changed(slot: Path) -> None:
    (payload(slot) / "smgw/cli/gateway.py").write_text("import os")


def added(slot: Path) -> None:
    (payload(slot) / "cryptography.py").write_text("")


def removed(slot: Path) -> None:
    (payload(slot) / "smgw/__init__.py").unlink()


def linked(slot: Path) -> None:
    path = payload(slot) / "smgw/__init__.py"
    path.unlink()
    path.symlink_to("/dev/null")


def unsigned(slot: Path) -> None:
    (slot / "manifest.cms").unlink()


def rewritten(slot: Path) -> None:
    (slot / "manifest.json").write_bytes((slot / "manifest.json").read_bytes().replace(b"1.2.0", b"1.3.0"))


@pytest.mark.parametrize("spoil", [changed, added, removed, linked, unsigned, rewritten])
def test_whatever_happens_to_a_slot_is_noticed(tmp_path: Path, spoil: "object") -> None:
    folder = updated_folder(tmp_path, good_package())
    put(folder)
    assert callable(spoil)
    spoil(folder.slot("b"))
    with pytest.raises(SmgwError) as fault:
        verify_slot(folder, "b")
    assert fault.value.code in ("boot.program", "boot.files", "cms.signature")
    assert fault.value.code == "cms.signature" or isinstance(fault.value, IntegrityFault)


def test_compiled_files_do_not_count(tmp_path: Path) -> None:
    folder = updated_folder(tmp_path, good_package())
    put(folder)
    cache = payload(folder.slot("b")) / "smgw" / "__pycache__"
    cache.mkdir()
    (cache / "x.pyc").write_bytes(b"")
    assert verify_slot(folder, "b").version == NEW


def test_a_version_that_was_not_ordered_is_refused_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = updated_folder(tmp_path, good_package())
    monkeypatch.setattr(slot_program, "_write", lambda *_: pytest.fail("written"))
    with pytest.raises(DomainFault):
        put(folder, "9.9.9")

"""The checks of a start: each finds what it is for and leads where the handbook says, and starts are remembered."""

from collections.abc import Callable
from datetime import datetime, timedelta
from importlib.metadata import version
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from tests.gateway.gateway_folder import gateway_folder
from tests.gateway.gateway_parts import START, administrator_identity
from tests.storage.samples import signed

from smgw.core.errors import IntegrityFault, SecurityFault, Unavailable
from smgw.core.state import Event
from smgw.gateway.boot import (
    BootRecord,
    Subject,
    load_record,
    note_outcome,
    noting_seals,
    run_boot_checks,
    save_record,
    sign_program,
    verify_completely,
)
from smgw.gateway.config import GatewayFolder
from smgw.gateway.firmware_model import Slot, Slots, SlotState, make_manifest, read_manifest
from smgw.gateway.journal_signature import journal_signer
from smgw.net.clock import ManualClock
from smgw.net.identity import load_identity
from smgw.pki.triple import ADMINISTRATOR_KEYS, GATEWAY_KEYS
from smgw.security.content import sign_detached
from smgw.storage.database import Database
from smgw.storage.journal import Journal

pytestmark = pytest.mark.req("STATE-01", "STATE-03")

KEY = bytes(32)
VERSION = version("smgw")


@pytest.fixture
def folder(tmp_path: Path) -> GatewayFolder:
    return gateway_folder(tmp_path / "gateway")


def files_of(folder: GatewayFolder) -> dict[str, str]:
    """Give the files as they were when the folder was founded."""
    return read_manifest(folder.manifest.read_bytes()).files


def opened(folder: GatewayFolder) -> Journal:
    journal = Journal.open(folder.journal, KEY)
    journal.seal_by(journal_signer(load_identity(folder.path, GATEWAY_KEYS).module, GATEWAY_KEYS.sig), ManualClock(START))
    return journal


def checked(
    folder: GatewayFolder,
    *,
    record: BootRecord | None = None,
    files: dict[str, str] | None = None,
    now: datetime = START,
    running: str = VERSION,
) -> dict[str, tuple[str, Event]]:
    """Run the checks of a start; give the code and event of each that failed."""
    identity = load_identity(folder.path, GATEWAY_KEYS)
    with opened(folder) as journal:
        subject = Subject(
            folder, identity, journal, record or load_record(folder), files_of(folder) if files is None else files, running, now
        )
        return {failure.check: (failure.code, failure.event) for failure in run_boot_checks(subject)}


def tampered(folder: GatewayFolder, *statements: str) -> None:
    database = Database.open(folder.journal, KEY)
    triggers = database.connection.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'").fetchall()
    for name, _ in triggers:
        database.connection.execute(f"DROP TRIGGER {name}")
    for statement in statements:
        database.connection.execute(statement)
    for _, sql in triggers:
        database.connection.execute(sql)
    database.close()


# program


def test_changed_missing_and_added_files_lead_to_secure_state_boot(folder: GatewayFolder) -> None:
    whole = files_of(folder)
    name = next(iter(whole))
    for files in ({**whole, name: "00" * 32}, {path: one for path, one in whole.items() if path != name}, {**whole, "spy.py": "00" * 32}):
        assert checked(folder, files=files) == {"program": ("boot.program", Event.PROGRAM_DAMAGED)}


@pytest.mark.parametrize("name", ["manifest.json", "manifest.cms"])
def test_a_missing_manifest_leads_to_secure_state_boot(folder: GatewayFolder, name: str) -> None:
    files = files_of(folder)
    (folder.path / name).unlink()
    assert checked(folder, files=files)["program"] == ("boot.files", Event.PROGRAM_DAMAGED)


def by_somebody_else(folder: GatewayFolder) -> None:
    other = administrator_identity()
    folder.manifest_signature.write_bytes(sign_detached(folder.manifest.read_bytes(), module=other.module, signer=other.signer))


def of_other_files(folder: GatewayFolder) -> None:
    folder.manifest.write_bytes(make_manifest(VERSION, {**files_of(folder), "spy.py": "00" * 32}, START))


def rubbish(folder: GatewayFolder) -> None:
    folder.manifest_signature.write_bytes(b"rubbish")


@pytest.mark.parametrize("forge", [by_somebody_else, of_other_files, rubbish])
def test_a_forged_manifest_is_refused(folder: GatewayFolder, forge: Callable[[GatewayFolder], None]) -> None:
    whole = files_of(folder)
    forge(folder)
    code, event = checked(folder, files={**whole, "spy.py": "00" * 32})["program"]
    assert code.startswith("cms.")
    assert event is Event.PROGRAM_DAMAGED


def test_with_a_manufacturer_only_the_manufacturer_s_manifest_counts(folder: GatewayFolder) -> None:
    maker = administrator_identity()
    folder.manufacturer.write_bytes(maker.triple.sig.public_bytes(Encoding.PEM))
    assert checked(folder)["program"][0].startswith("cms.")
    folder.manifest_signature.write_bytes(sign_detached(folder.manifest.read_bytes(), module=maker.module, signer=maker.signer))
    assert checked(folder) == {}
    folder.manufacturer.write_bytes(b"")
    assert checked(folder)["program"][1] is Event.PROGRAM_DAMAGED


# slots


def test_another_version_leads_to_secure_state_boot(folder: GatewayFolder) -> None:
    assert checked(folder, running="9.9.9") == {"version": ("boot.version", Event.VERSION_DIFFERS)}


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff"])
def test_slots_that_can_not_be_read_lead_to_secure_state_boot(folder: GatewayFolder, content: bytes) -> None:
    folder.slots.write_bytes(content)
    found = checked(folder)
    assert found == {"version": ("boot.files", Event.VERSION_DIFFERS), "slots": ("boot.files", Event.SLOT_FAULTY)}


def test_a_bad_inactive_slot_leads_to_secure_state_boot_after_30_days(folder: GatewayFolder) -> None:
    slots = Slots("b", Slot("0.0.9", SlotState.BAD, START), Slot(VERSION, SlotState.GOOD, START))
    folder.slots.write_bytes(msgspec.json.encode(slots))
    assert checked(folder, now=START + timedelta(days=29, hours=23)) == {}
    assert checked(folder, now=START + timedelta(days=30)) == {"slots": ("boot.slot", Event.SLOT_FAULTY)}


# keys and store


def test_keys_of_somebody_else_lead_to_the_restart_loop(folder: GatewayFolder) -> None:
    mixed = load_identity(folder.path, GATEWAY_KEYS)._replace(triple=administrator_identity().triple)
    with opened(folder) as journal:
        found = run_boot_checks(Subject(folder, mixed, journal, BootRecord(), files_of(folder), VERSION, START))
    assert ("keys", "self_test.keys", Event.BOOT_CHECKS_FAILED) in [(one.check, one.code, one.event) for one in found]


def filled(folder: GatewayFolder, rows: int = 300) -> None:
    with opened(folder) as journal:
        journal.append_readings([signed(number) for number in range(1, rows + 1)])


def test_a_changed_journal_leads_to_the_restart_loop(folder: GatewayFolder) -> None:
    filled(folder)
    tampered(folder, "UPDATE heads SET length = length + 1 WHERE kind = 'readings'")
    assert checked(folder) == {"store": ("journal.chain", Event.BOOT_CHECKS_FAILED)}


def test_a_change_before_the_last_seal_is_left_to_the_complete_walk(folder: GatewayFolder) -> None:
    filled(folder)
    tampered(folder, "UPDATE readings SET raw = raw + 1 WHERE sequence = 7")
    assert checked(folder) == {}
    assert checked(folder, record=BootRecord(walk_owed=True)) == {"store": ("journal.chain", Event.BOOT_CHECKS_FAILED)}


def test_a_complete_walk_checks_every_signature(folder: GatewayFolder) -> None:
    identity = load_identity(folder.path, GATEWAY_KEYS)
    with Journal.open(folder.journal, KEY) as journal:
        journal.seal_by(journal_signer(administrator_identity().module, ADMINISTRATOR_KEYS.sig), ManualClock(START))
        journal.append_readings([signed(number) for number in range(1, 301)])
        journal.seal_by(journal_signer(identity.module, GATEWAY_KEYS.sig), ManualClock(START))
        journal.append_readings([signed(number) for number in range(301, 601)])
        with pytest.raises(SecurityFault, match=r"journal\.signature"):
            verify_completely(journal, identity)
    assert checked(folder) == {}
    assert checked(folder, record=BootRecord(walk_owed=True)) == {"store": ("journal.signature", Event.BOOT_CHECKS_FAILED)}


def test_a_journal_that_was_set_back_is_noticed(folder: GatewayFolder) -> None:
    filled(folder)
    older = folder.journal.read_bytes()
    with opened(folder) as journal:
        journal.append_readings([signed(number) for number in range(301, 900)])
        save_record(folder, noting_seals(load_record(folder), journal))
    assert checked(folder) == {}
    folder.journal.write_bytes(older)
    assert checked(folder) == {"store": ("boot.set_back", Event.BOOT_CHECKS_FAILED)}
    folder.journal.unlink()
    assert checked(folder) == {"store": ("boot.set_back", Event.BOOT_CHECKS_FAILED)}


def test_a_whole_folder_passes(folder: GatewayFolder) -> None:
    assert checked(folder) == {}


# what is remembered


def test_failed_starts_are_counted_until_one_passes(folder: GatewayFolder) -> None:
    record = load_record(folder)
    assert record == BootRecord()
    for number in (1, 2, 3):
        record = note_outcome(folder, record, "journal.chain")
        assert (load_record(folder).failures, load_record(folder).codes) == (number, "journal.chain")
    assert note_outcome(folder, record, "").failures == 0
    assert load_record(folder) == BootRecord()


@pytest.mark.parametrize("content", [b"", b"{", b'{"failures":"x"}', b"\xff"])
def test_a_record_that_can_not_be_read_is_an_empty_one(folder: GatewayFolder, content: bytes) -> None:
    folder.boot.write_bytes(content)
    assert load_record(folder) == BootRecord()


def test_a_record_that_can_not_be_written_stays(folder: GatewayFolder) -> None:
    folder.boot.mkdir()
    with pytest.raises(Unavailable, match=r"gateway\.files"):
        save_record(folder, BootRecord(failures=1))
    assert note_outcome(folder, BootRecord(), "x") == BootRecord()


def test_a_journal_without_seals_is_nothing_to_remember(folder: GatewayFolder) -> None:
    with opened(folder) as journal:
        assert noting_seals(BootRecord(), journal) == BootRecord()


# signing the program


def test_signing_a_new_program_makes_it_the_good_active_slot(folder: GatewayFolder) -> None:
    before = msgspec.json.decode(folder.slots.read_bytes(), type=Slots)
    assert (before.running.version, before.running.state) == (VERSION, SlotState.GOOD)
    assert sign_program(folder, START + timedelta(days=1)) == VERSION
    assert msgspec.json.decode(folder.slots.read_bytes(), type=Slots) == before
    old = Slots("b", Slot("0.0.1", SlotState.BAD, START), Slot("0.0.2", SlotState.GOOD, START))
    folder.slots.write_bytes(msgspec.json.encode(old))
    assert checked(folder)["version"][0] == "boot.version"
    sign_program(folder, START + timedelta(days=1))
    after = msgspec.json.decode(folder.slots.read_bytes(), type=Slots)
    assert (after.active, after.a, after.b) == ("b", old.a, Slot(VERSION, SlotState.GOOD, START + timedelta(days=1)))
    assert checked(folder) == {}


def test_a_gateway_without_slots_gets_its_first(folder: GatewayFolder) -> None:
    folder.slots.unlink()
    sign_program(folder, START)
    assert msgspec.json.decode(folder.slots.read_bytes(), type=Slots).active == "a"
    folder.slots.write_bytes(b"rubbish")
    with pytest.raises(IntegrityFault, match=r"boot\.files"):
        sign_program(folder, START)

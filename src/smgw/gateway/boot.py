"""What a gateway checks before it does anything, and what it remembers of its starts.

Checked at each start, in this order: every file of the program against a signed manifest; the version against slot and manifest; how long
the inactive slot has been bad; each key against its certificate; the journal. A damaged program, another version or a slot bad for too long
lead to Secure State Boot, anything else to the restart loop: the process ends, and whoever started it starts it again.

A program that an update has put into the active slot has the maker's manifest (see `smgw.gateway.slot_program`). That of the installed
program is signed by the manufacturer's certificate when the folder holds one. Otherwise it is made where the program is installed from
source, and signed by the gateway's own key: it then shows damage and change, not who wrote the program. That is this project's choice.

Of the journal a start walks only what came after the last seal of each chain, so that it takes no longer after years. The complete walk
runs beside the work soon after the start. When it finds a fault, the next starts walk everything before they go on.
Source: STATE-01, STATE-03; handbook D-2.1, D-2.5.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple, TypeVar

import msgspec
from cryptography import x509

from smgw.core.errors import IntegrityFault, SmgwError, Unavailable
from smgw.core.state import Event
from smgw.gateway.config import GatewayFolder
from smgw.gateway.firmware_model import (
    Manifest,
    Slots,
    check_files,
    check_inactive,
    check_version,
    first_slots,
    make_manifest,
    read_manifest,
    running_files,
)
from smgw.gateway.firmware_record import load_slots
from smgw.gateway.journal_signature import journal_check, verify_statements
from smgw.gateway.own_identity import by_key_id, own_identity
from smgw.gateway.self_test import check_keys
from smgw.gateway.slot_program import program_manifest
from smgw.net.identity import Identity
from smgw.pki.triple import read_certificates
from smgw.security.content import sign_detached, verify_detached
from smgw.storage.journal import Journal

_T = TypeVar("_T")


class BootRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Remember starts outside the journal, because the journal may be what fails."""

    failures: int = 0
    """How many starts failed in a row."""
    codes: str = ""
    """What the last failed start found."""
    walk_owed: bool = False
    """Whether the last complete walk over the journal found a fault."""
    seals: int = 0
    """How many seals the journal had when it was last known to be whole."""
    seal_hash: str = ""
    """Hash of the last of them: a journal that was set back does not have it."""


def load_record(folder: GatewayFolder) -> BootRecord:
    """Read what is remembered; a record that is missing or can't be read is an empty one."""
    try:
        return msgspec.json.decode(folder.boot.read_bytes(), type=BootRecord)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return BootRecord()


def save_record(folder: GatewayFolder, record: BootRecord) -> None:
    """Write it durably, when it changed. Raises: Unavailable gateway.files."""
    if record != load_record(folder):
        folder.write(folder.boot, msgspec.json.encode(record) + b"\n")


ANCHORED = "anchored"
"""Stands in the journal since its state was first remembered outside."""


def noting_seals(record: BootRecord, journal: Journal) -> BootRecord:
    """Remember how far the journal reaches."""
    head = journal.seal_head()
    return record if head is None else msgspec.structs.replace(record, seals=head.length, seal_hash=head.digest.hex())


class Subject(NamedTuple):
    """Hold what a start checks."""

    folder: GatewayFolder
    identity: Identity
    journal: Journal
    record: BootRecord
    files: Mapping[str, str]
    """The installed files with their hashes, see `installed_files`."""
    version: str
    now: datetime


class Failure(NamedTuple):
    """Say which check failed, and what becomes of the gateway."""

    check: str
    code: str
    detail: str
    event: Event


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as problem:
        raise IntegrityFault("boot.files", f"{path.name}: {problem.strerror}") from problem


def _manifest(subject: Subject) -> Manifest:
    """Give the manifest of the program that should run, once its signature is verified."""
    folder = subject.folder
    slot = _updated(folder)
    if slot:
        return program_manifest(folder, slot)
    signers = [_manufacturer(folder)] if folder.manufacturer.exists() else subject.identity.signers
    octets, signature = _read(folder.manifest), _read(folder.manifest_signature)
    return read_manifest(verify_detached(signature, octets, signer=lambda claim: by_key_id(signers, claim.key_id)).content)


def _updated(folder: GatewayFolder) -> str:
    """Name the active slot when an update has put a program into it; what is wrong with the slots, other checks tell."""
    with suppress(IntegrityFault):
        slot = _slots(folder).active
        return slot if folder.slot(slot).exists() else ""
    return ""


def _manufacturer(folder: GatewayFolder) -> x509.Certificate:
    certificates = read_certificates(_read(folder.manufacturer))
    if len(certificates) != 1:
        raise IntegrityFault("boot.files", f"{folder.manufacturer.name}: not one certificate")
    return certificates[0]


def _slots(folder: GatewayFolder) -> Slots:
    slots = load_slots(folder)
    if slots is None:
        raise IntegrityFault("boot.files", f"{folder.slots.name} is missing")
    return slots


def _check_program(subject: Subject) -> None:
    check_files(_manifest(subject), subject.files)


def _check_version(subject: Subject) -> None:
    check_version(_slots(subject.folder), _manifest(subject), subject.version)


def _check_slots(subject: Subject) -> None:
    check_inactive(_slots(subject.folder), subject.now)


def _check_keys(subject: Subject) -> None:
    check_keys(subject.identity)


def _check_store(subject: Subject) -> None:
    journal, record = subject.journal, subject.record
    check = journal_check(subject.identity.signers)
    if record.walk_owed:
        verify_completely(journal, subject.identity)
    journal.verify_recent(check)
    check_not_set_back(journal, record)


def check_not_set_back(journal: Journal, record: BootRecord) -> None:
    """Compare how far the journal reaches with what is remembered outside of it.

    Beside a running gateway the record has to be read before the journal is opened. Raises: IntegrityFault boot.set_back.
    """
    if not record.seals and journal.get_state(ANCHORED) is not None:
        raise IntegrityFault("boot.set_back", "boot.json was lost or emptied, so nobody can tell")
    known = journal.seal_hash(record.seals)
    if record.seals and (known is None or known.hex() != record.seal_hash):
        raise IntegrityFault("boot.set_back", f"seal {record.seals} is missing or another")


def verify_completely(journal: Journal, identity: Identity) -> None:
    """Walk every chain and check every signature of seals and cuts. Raises: IntegrityFault journal.*, SecurityFault journal.signature."""
    journal.verify()
    verify_statements(journal, identity.signers)


CHECKS: tuple[tuple[str, Callable[[Subject], None], Event], ...] = (
    ("program", _check_program, Event.PROGRAM_DAMAGED),
    ("version", _check_version, Event.VERSION_DIFFERS),
    ("slots", _check_slots, Event.SLOT_FAULTY),
    ("keys", _check_keys, Event.BOOT_CHECKS_FAILED),
    ("store", _check_store, Event.BOOT_CHECKS_FAILED),
)
"""What a start checks, and the event that a failure is."""


def run_boot_checks(subject: Subject) -> list[Failure]:
    """Run every check, also after one failed."""
    failures = []
    for name, check, event in CHECKS:
        try:
            check(subject)
        except SmgwError as fault:
            failures.append(Failure(name, fault.code, fault.detail, event))
    return failures


def note_outcome(folder: GatewayFolder, record: BootRecord, codes: str) -> BootRecord:
    """Count a failed start, or with no codes forget the failed ones; where that can't be written, the count stays as it was."""
    after = msgspec.structs.replace(record, failures=record.failures + 1 if codes else 0, codes=codes)
    try:
        save_record(folder, after)
    except Unavailable:
        return record
    return after


def sign_program(folder: GatewayFolder, now: datetime) -> str:
    """Sign a manifest of the installed program with the gateway's own key, and make it the good active slot; gives the version.

    Whoever installs the program calls it, once for each version; a gateway never does.
    Raises: Unavailable gateway.files; as `load_identity`.
    """
    identity, running = own_identity(folder), version("smgw")
    octets = make_manifest(running, running_files(), now)
    folder.write(folder.manifest_signature, sign_detached(octets, module=identity.module, signer=identity.signer))
    folder.write(folder.manifest, octets)
    folder.write(folder.slots, msgspec.json.encode(_with_running(folder, running, now)) + b"\n")
    return running


def _with_running(folder: GatewayFolder, running: str, now: datetime) -> Slots:
    if not folder.slots.exists():
        return first_slots(running, now)
    slots = _slots(folder)
    # A program that an update has put into the active slot stays in force.
    if slots.running.version == running or folder.slot(slots.active).exists():
        return slots
    fresh = first_slots(running, now).a
    return msgspec.structs.replace(slots, a=fresh) if slots.active == "a" else msgspec.structs.replace(slots, b=fresh)

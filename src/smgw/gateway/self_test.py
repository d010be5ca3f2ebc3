"""The self-test: program, store, keys, certificates, clock. Each check raises what it finds; the result stands in the logs.

Source: STATE-03.
"""

import asyncio
import hashlib
from collections.abc import Callable
from datetime import datetime
from importlib import resources
from importlib.resources.abc import Traversable
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from smgw.core.errors import DomainFault, SmgwError
from smgw.core.instant import ClockStatus
from smgw.net.identity import Identity
from smgw.storage.journal import Journal


class Check(NamedTuple):
    """Hold one check's result; an empty code means that it passed."""

    name: str
    code: str


class Subject(NamedTuple):
    """Hold what is tested."""

    identity: Identity
    open_journal: Callable[[], Journal]
    """Opens the store for reading, on a connection of the test's own: the walk over it may not hold up whoever writes."""
    clock_status: ClockStatus
    now: datetime
    program_hash: str


def program_hash() -> str:
    """Give the SHA-256 over all files of the program, sorted by path: the firmware's hash."""
    digest = hashlib.sha256()
    for path, file in sorted(_files(resources.files("smgw"), "")):
        digest.update(path.encode() + b"\0" + hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def _files(folder: Traversable, prefix: str) -> list[tuple[str, Traversable]]:
    found: list[tuple[str, Traversable]] = []
    for entry in folder.iterdir():
        path = f"{prefix}/{entry.name}"
        if entry.is_dir():
            found += _files(entry, path) if entry.name != "__pycache__" else []
        elif not entry.name.endswith(".pyc"):
            found.append((path, entry))
    return found


def _program(subject: Subject) -> None:
    if program_hash() != subject.program_hash:
        raise DomainFault("self_test.program")


def _store(subject: Subject) -> None:
    with subject.open_journal() as journal:
        journal.verify()


def _keys(subject: Subject) -> None:
    identity = subject.identity
    for key_name, certificate in (
        (identity.tls.key_name, identity.triple.tls),
        (identity.signer.key_name, identity.triple.sig),
        (identity.recipient.key_name, identity.triple.enc),
    ):
        held = identity.module.public_key(key_name)
        if _encoded(held) != _encoded(certificate.public_key()):
            raise DomainFault("self_test.keys", key_name)


def _certificates(subject: Subject) -> None:
    for certificate in subject.identity.triple:
        if not certificate.not_valid_before_utc <= subject.now <= certificate.not_valid_after_utc:
            raise DomainFault("self_test.certificates")


def _clock(subject: Subject) -> None:
    if subject.clock_status is not ClockStatus.VALID:
        raise DomainFault("self_test.clock", subject.clock_status)


CHECKS: tuple[tuple[str, Callable[[Subject], None]], ...] = (
    ("program", _program),
    ("store", _store),
    ("keys", _keys),
    ("certificates", _certificates),
    ("clock", _clock),
)


async def run_checks(subject: Subject) -> list[Check]:
    """Run every check, also after one failed, while the rest of the gateway goes on."""
    return await asyncio.to_thread(_run_checks, subject)


def _run_checks(subject: Subject) -> list[Check]:
    results = []
    for name, check in CHECKS:
        try:
            check(subject)
            results.append(Check(name, ""))
        except SmgwError as fault:
            results.append(Check(name, fault.code))
    return results


def _encoded(key: CertificatePublicKeyTypes) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

"""The self-test: program, store, keys, certificates, clock, networks, limits. Each check raises what it finds.

Source: STATE-03.
"""

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from smgw.core.errors import DomainFault, IntegrityFault, SecurityFault, SmgwError
from smgw.core.instant import ClockStatus
from smgw.core.state import Event
from smgw.gateway.firmware_model import installed_files, program_hash
from smgw.gateway.separation import Networks, check_separation
from smgw.net.identity import Identity
from smgw.storage.journal import Journal


class Check(NamedTuple):
    """Hold one check's result; an empty code means that it passed."""

    name: str
    code: str = ""
    detail: str = ""
    event: Event | None = None
    """What the result means for the operating state, if anything."""


class Subject(NamedTuple):
    """Hold what is tested."""

    identity: Identity
    open_journal: Callable[[], Journal]
    """Opens the store for reading, on a connection of the test's own: the walk over it may not hold up whoever writes."""
    verify: Callable[[Journal], None]
    """Walks over the store, completely or from the last seals on; raises IntegrityFault, SecurityFault."""
    clock_status: ClockStatus
    now: datetime
    program_hash: str
    networks: Networks
    full: Callable[[Journal], list[str]]
    """Names the stores that reached their limit."""
    installed: Callable[[], Mapping[str, str]] = installed_files
    """Hashes every file of the program as it is installed now."""


def _program(subject: Subject) -> None:
    if program_hash(subject.installed()) != subject.program_hash:
        raise DomainFault("self_test.program")


def _store(subject: Subject) -> None:
    with subject.open_journal() as journal:
        subject.verify(journal)


def check_keys(identity: Identity) -> None:
    """Compare each key of the security module with its certificate. Raises: DomainFault self_test.keys."""
    for key_name, certificate in (
        (identity.tls.key_name, identity.triple.tls),
        (identity.signer.key_name, identity.triple.sig),
        (identity.recipient.key_name, identity.triple.enc),
    ):
        held = identity.module.public_key(key_name)
        if _encoded(held) != _encoded(certificate.public_key()):
            raise DomainFault("self_test.keys", key_name)


def _keys(subject: Subject) -> None:
    check_keys(subject.identity)


def _certificates(subject: Subject) -> None:
    for certificate in subject.identity.triple:
        if not certificate.not_valid_before_utc <= subject.now <= certificate.not_valid_after_utc:
            raise DomainFault("self_test.certificates")


def _clock(subject: Subject) -> None:
    if subject.clock_status is not ClockStatus.VALID:
        raise DomainFault("self_test.clock", subject.clock_status)


def _networks(subject: Subject) -> None:
    check_separation(subject.networks)


def _limits(subject: Subject) -> None:
    with subject.open_journal() as journal:
        full = subject.full(journal)
    if full:
        raise DomainFault("self_test.limits", ", ".join(full))


CHECKS: tuple[tuple[str, Callable[[Subject], None]], ...] = (
    ("program", _program),
    ("store", _store),
    ("keys", _keys),
    ("certificates", _certificates),
    ("clock", _clock),
    ("networks", _networks),
    ("limits", _limits),
)

EVENTS: dict[str, tuple[Event, Event | None]] = {
    "store": (Event.INTEGRITY_LOST, None),
    "networks": (Event.NETWORKS_JOINED, Event.NETWORKS_SEPARATE),
}
"""Check -> what its failing and its passing mean for the operating state. Clock and limits are watched all the time elsewhere."""


async def run_checks(subject: Subject, names: frozenset[str] | None = None) -> list[Check]:
    """Run every check, or only some, also after one failed, while the rest of the gateway goes on."""
    return await asyncio.to_thread(_run_checks, subject, names)


def _run_checks(subject: Subject, names: frozenset[str] | None) -> list[Check]:
    return [_result(name, check, subject) for name, check in CHECKS if names is None or name in names]


def _result(name: str, check: Callable[[Subject], None], subject: Subject) -> Check:
    failing, passing = EVENTS.get(name, (None, None))
    try:
        check(subject)
    except (IntegrityFault, SecurityFault, DomainFault) as fault:
        return Check(name, fault.code, fault.detail, failing)
    except SmgwError as fault:
        # A check that could not be made says nothing about the state.
        return Check(name, fault.code, fault.detail)
    return Check(name, event=passing)


def _encoded(key: CertificatePublicKeyTypes) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

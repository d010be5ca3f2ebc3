"""Which service technicians the administrator has admitted, for how long, and what of the gateway they may see (German: Service-Techniker).

An admission names one SM-PKI certificate, so standing is the administrator's affair, as with every certificate that a gateway holds.
What is shown is read-only: state, meter network, certificates, connections and the system log without whatever belongs to a consumer.
Source: DIAG-01; TR-03109-1 Annex VI, chapter 6 and table 4.
"""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import msgspec
from cryptography import x509

from smgw.core.errors import DomainFault, PeerFault
from smgw.core.instant import Clock, utc_text
from smgw.core.log_event import Log, LogEntry
from smgw.core.profiles import CommunicationProfile, ConsumerProfile, MeterProfile
from smgw.gateway.logs import Recorder
from smgw.pki.certificate_profiles import Kind
from smgw.pki.names import Role, common_name_of, role_of
from smgw.pki.parsing import load_certificate
from smgw.pki.triple import CertificateTriple, kind_of
from smgw.storage.journal import Journal
from smgw.storage.journal_logs import StoredLogEntry

STATE = "technicians"
LONGEST = timedelta(days=14)
MAX_ADMITTED = 16
LOG_PAGE = 500
TENANT = frozenset({"consumer", "consumers", "user", "contract", "remaining", "count", "amount", "address", "id", "recipient"})
"""Parameters of log entries that may tell something about a consumer; a technician sees a dash."""


class Admission(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Let one technician in."""

    case: str
    """The administrator's number of the case."""
    tls_certificate: str
    """The technician's end-entity TLS certificate, DER in hex: pinned."""
    until: datetime


def admissions(journal: Journal, now: datetime) -> list[Admission]:
    """List the admissions that hold now."""
    stored = journal.get_state(STATE)
    held = msgspec.json.decode(stored, type=list[Admission]) if stored is not None else []
    return [admission for admission in held if admission.until > now]


def admit(journal: Journal, recorder: Recorder, by: str, admission: Admission, now: datetime) -> None:
    """Admit a technician; a second admission of the same case takes the place of the first. Joins an open transaction.

    Raises: DomainFault command.technician for another kind of certificate, a time that has passed or is far away, or too many cases.
    """
    try:
        certificate = load_certificate(bytes.fromhex(admission.tls_certificate))
        fits = role_of(certificate) is Role.TECHNICIAN and kind_of(certificate) is Kind.TLS
    except (ValueError, PeerFault) as problem:
        raise DomainFault("command.technician", "certificate") from problem
    if not fits:
        raise DomainFault("command.technician", "certificate of another role or kind")
    if admission.until.tzinfo is None or not now < admission.until <= now + LONGEST:
        raise DomainFault("command.technician", "until")
    if not 0 < len(admission.case) <= 40 or not admission.case.isprintable():
        raise DomainFault("command.technician", "case")
    others = [held for held in admissions(journal, now) if held.case != admission.case]
    if len(others) >= MAX_ADMITTED:
        raise DomainFault("command.technician", "too many cases")
    journal.set_state(STATE, msgspec.json.encode([*others, admission]))
    about = {"user": common_name_of(certificate), "partner": by, "at": utc_text(admission.until), "case": admission.case}
    recorder.record_with("technician_admitted", about, subject=about["user"])


def dismiss(journal: Journal, case: str, now: datetime) -> None:
    """End the admission of a case. Joins an open transaction. Raises: DomainFault command.technician when there is none."""
    held = admissions(journal, now)
    kept = [admission for admission in held if admission.case != case]
    if len(kept) == len(held):
        raise DomainFault("command.technician", "no such case")
    journal.set_state(STATE, msgspec.json.encode(kept))


class Diagnosed(NamedTuple):
    """Hold what diagnosis looks at."""

    device_id: str
    journal: Journal
    clock: Clock
    triple: CertificateTriple
    facts: Callable[[], dict[str, object]]
    """State and counters, as the administrator's monitoring gets them."""
    connections: Callable[[], dict[str, object]]
    """Which connections stand now."""


def state_of(diagnosed: Diagnosed) -> dict[str, object]:
    """Give state, clock, program and counters; how full a consumer's log is, is that consumer's affair."""
    facts, tenants = diagnosed.facts(), _tenants(diagnosed)
    fill = facts.get("fill_percent")
    if isinstance(fill, dict):
        facts["fill_percent"] = {name: percent for name, percent in fill.items() if not _names(name, tenants)}
    return {"gateway": diagnosed.device_id, "time": utc_text(diagnosed.clock.now()), **facts}


def meters_of(diagnosed: Diagnosed) -> list[dict[str, object]]:
    """List the meters with their lines and when each was last heard; never a value."""
    found: list[dict[str, object]] = []
    for profile in diagnosed.journal.profiles("meter"):
        if isinstance(profile, MeterProfile):
            last = [diagnosed.journal.last_reading(profile.meter_id, register.code) for register in profile.registers]
            times = [signed.reading.capture_time for signed in last if signed is not None]
            found.append(
                {
                    "meter": profile.meter_id,
                    "address": profile.server_id,
                    "medium": profile.medium,
                    "link": profile.link,
                    "active": profile.active,
                    "registers": len(profile.registers),
                    "last_stored": utc_text(max(times)) if times else None,
                }
            )
    return found


def certificates_of(diagnosed: Diagnosed) -> list[dict[str, str]]:
    """List the gateway's own certificates and those of its partners, with their time of validity."""
    own = [("gateway", name, certificate) for name, certificate in zip(diagnosed.triple._fields, diagnosed.triple, strict=True)]
    partners = [
        (partner.partner_id, name, load_certificate(bytes.fromhex(getattr(partner, f"{name}_certificate"))))
        for partner in diagnosed.journal.profiles("communication")
        if isinstance(partner, CommunicationProfile)
        for name in diagnosed.triple._fields
    ]
    return [_certificate(*row) for row in (*own, *partners)]


def _certificate(owner: str, use: str, certificate: x509.Certificate) -> dict[str, str]:
    return {
        "owner": owner,
        "use": use,
        "subject": certificate.subject.rfc4514_string(),
        "serial": f"{certificate.serial_number:x}",
        "not_before": utc_text(certificate.not_valid_before_utc),
        "not_after": utc_text(certificate.not_valid_after_utc),
    }


def log_of(diagnosed: Diagnosed, start: int = 1) -> list[dict[str, object]]:
    """Give a page of the system log from an index on, without whatever belongs to a consumer."""
    tenants = _tenants(diagnosed)
    return [_shown(stored, tenants) for stored in diagnosed.journal.log(Log.SYSTEM, from_index=start, count=LOG_PAGE)]


def _tenants(diagnosed: Diagnosed) -> frozenset[str]:
    consumers = {p.consumer_id for p in diagnosed.journal.profiles("consumer") if isinstance(p, ConsumerProfile)}
    users = {p.user_name for p in diagnosed.journal.profiles("consumer") if isinstance(p, ConsumerProfile)}
    return frozenset(consumers | users)


def _names(text: str, tenants: Iterable[str]) -> bool:
    return any(tenant in text for tenant in tenants)


def _shown(stored: StoredLogEntry, tenants: Iterable[str]) -> dict[str, object]:
    entry = stored.entry
    names = TENANT if entry.event not in _OF_TECHNICIANS else frozenset()
    parameters = {name: "–" if name in names or _names(value, tenants) else value for name, value in entry.parameters.items()}
    shown = LogEntry(entry.log, entry.event, entry.time, entry.success, parameters=parameters)
    return {
        "index": stored.index,
        "time": utc_text(entry.time),
        "event": entry.event,
        "level": entry.kind.level.name,
        "success": entry.success,
        "text": shown.text("en"),
        "text_de": shown.text("de"),
    }


_OF_TECHNICIANS = frozenset({"technician_admitted", "technician_connected", "technician_rejected", "technician_left", "diagnosis_read"})

Reader = Callable[[Diagnosed], Any]

READERS: dict[str, Reader] = {
    "state": state_of,
    "meters": meters_of,
    "certificates": certificates_of,
    "connections": lambda diagnosed: diagnosed.connections(),
}
"""What is read without parameters, by its name in the path; `log` takes an index besides."""


def whole(diagnosed: Diagnosed) -> bytes:
    """Write everything into one JSON document: what the administrator gets as diagnosis."""
    newest = diagnosed.journal.log_count(Log.SYSTEM)
    parts = {name: read(diagnosed) for name, read in READERS.items()}
    return msgspec.json.encode({"gateway": diagnosed.device_id, **parts, "log": log_of(diagnosed, max(1, newest - LOG_PAGE + 1))})

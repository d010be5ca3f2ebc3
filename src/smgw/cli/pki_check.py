"""What `smgw pki check` finds: for each certificate or revocation list whether it is good, along which path, and why not."""

from collections.abc import Iterable
from datetime import datetime

from cryptography import x509
from cryptography.x509.oid import NameOID

from smgw.core.errors import PeerFault
from smgw.core.instant import utc_text
from smgw.pki.certificate_profiles import Kind
from smgw.pki.chain import CertificateUse
from smgw.pki.crl import RevocationList
from smgw.pki.names import END_ENTITY_ROLES, Role, common_name_of, role_of
from smgw.pki.parsing import PARSE_FAULTS
from smgw.pki.triple import kind_of
from smgw.pki.trust import TrustStore

Finding = dict[str, str | int]
Checked = tuple[Finding, PeerFault | None]

USES_OF_KIND = {
    Kind.TLS: (CertificateUse.TLS_CLIENT, CertificateUse.TLS_SERVER),
    Kind.SIG: (CertificateUse.SIG,),
    Kind.ENC: (CertificateUse.ENC,),
}


def check_certificates(
    found: list[x509.Certificate], store: TrustStore, now: datetime, use: CertificateUse | None, role: Role | None
) -> list[Checked]:
    """Check every certificate of a file; gives one finding for each, with its fault if it has one."""
    return [_check_one(one, store, now, use, role) for one in found]


def _check_one(certificate: x509.Certificate, store: TrustStore, now: datetime, use: CertificateUse | None, role: Role | None) -> Checked:
    finding: Finding = {
        "type": "certificate",
        "name": _subject_of(certificate),
        "role": "",
        "serial": f"{certificate.serial_number:x}",
    }
    try:
        held = role_of(certificate)
        finding["role"] = held.value
        if held in END_ENTITY_ROLES:
            return finding | _check_end_entity(certificate, store, now, use, role), None
        return finding | _check_authority(certificate, store, now), None
    except PeerFault as fault:
        return finding | {"use": _wanted(certificate, use)}, fault


def _wanted(certificate: x509.Certificate, use: CertificateUse | None) -> str:
    try:
        return ", ".join(USES_OF_KIND[kind_of(certificate)] if use is None else (use,))
    except PeerFault:
        return ""


def _check_end_entity(
    certificate: x509.Certificate, store: TrustStore, now: datetime, use: CertificateUse | None, role: Role | None
) -> Finding:
    uses = USES_OF_KIND[kind_of(certificate)] if use is None else (use,)
    roles = END_ENTITY_ROLES if role is None else frozenset({role})
    for one in uses:
        valid = store.validate(certificate, now=now, use=one, roles=roles)
    return {"use": ", ".join(uses), "path": _path_text(valid.path), "until": utc_text(valid.valid_until)}


def _check_authority(certificate: x509.Certificate, store: TrustStore, now: datetime) -> Finding:
    path = store.validate_authority(certificate, now=now)
    return {"use": "authority", "path": _path_text(path), "until": utc_text(min(one.not_valid_after_utc for one in path))}


def _path_text(path: Iterable[x509.Certificate]) -> str:
    return " < ".join(common_name_of(one) for one in path)


def check_revocation_list(crl: RevocationList, store: TrustStore, now: datetime) -> Checked:
    """Check a revocation list: by whom it is signed, and whether it is current."""
    finding: Finding = {
        "type": "crl",
        "name": _common_name(crl.crl.issuer),
        "number": crl.number,
        "entries": len(crl.entries),
        "since": utc_text(crl.this_update),
        "until": utc_text(crl.next_update),
    }
    try:
        store.require_signer(crl)
        crl.require_current(now)
    except PeerFault as fault:
        return finding, fault
    return finding, None


def _subject_of(certificate: x509.Certificate) -> str:
    """Give the common name even of a certificate whose name follows no rule of the SM-PKI."""
    try:
        return _common_name(certificate.subject)
    except PARSE_FAULTS:
        return ""


def _common_name(name: x509.Name) -> str:
    found = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[0].value) if found else ""

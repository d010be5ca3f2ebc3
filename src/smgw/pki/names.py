"""Names of the SM-PKI: who a certificate speaks for is read from its common name, and from nothing else.

A subject holds CN, O, C and SERIALNUMBER, each once, and OU at most once. Only names of the test PKI can be made here.
Source: 20-wan-crypto-pki 5.2; PKI-01.
"""

import re
from enum import StrEnum

from cryptography import x509
from cryptography.x509.oid import NameOID

from smgw.core.errors import CertificateRejected, PeerFault, UsageError
from smgw.core.identifiers import DeviceId
from smgw.pki.parsing import PARSE_FAULTS

TEST_ORGANISATION = "SM-Test-PKI-DE"
LIVE_ORGANISATION = "SM-PKI-DE"
ROOT_NAME = "SM-Test-Root.CA"
CRL_SIGNER_NAME = "SM-Test-Root.CA.CRL-S"
COUNTRY = "DE"
MAX_COMMON_NAME = 64


class Role(StrEnum):
    """Name what a certificate's holder is in the SM-PKI."""

    ROOT = "root"
    CRL_SIGNER = "crl-signer"
    SUB_CA = "sub-ca"
    GWA = "gwa"
    """Gateway administrator."""
    GWH = "gwh"
    """Manufacturer of gateways (German: Gateway-Hersteller)."""
    EMT = "emt"
    """External market participant (German: externer Marktteilnehmer)."""
    SMGW = "smgw"
    TECHNICIAN = "technician"
    """Service technician; the suffix `.SRV` follows the interface's name IF_GW_SRV and is our choice."""


END_ENTITY_ROLES = frozenset({Role.GWA, Role.GWH, Role.EMT, Role.SMGW, Role.TECHNICIAN})

_ORGANISATION = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,40}[A-Za-z0-9])?"
_EXTENSION = r"(?:\.[A-Z0-9]{1,12}){0,2}"
_COMMON_NAMES: tuple[tuple[Role, re.Pattern[str]], ...] = (
    (Role.ROOT, re.compile(r"SM-(?:Test-)?Root\.CA")),
    (Role.CRL_SIGNER, re.compile(r"SM-(?:Test-)?Root\.CA\.CRL-S")),
    (Role.SUB_CA, re.compile(rf"(?!SM-(?:Test-)?Root\.){_ORGANISATION}\.CA")),
    (Role.GWA, re.compile(rf"{_ORGANISATION}\.GWA{_EXTENSION}")),
    (Role.GWH, re.compile(rf"{_ORGANISATION}\.GWH{_EXTENSION}")),
    (Role.EMT, re.compile(rf"{_ORGANISATION}\.EMT{_EXTENSION}")),
    (Role.TECHNICIAN, re.compile(rf"{_ORGANISATION}\.SRV{_EXTENSION}")),
    (Role.SMGW, re.compile(rf"[0-9A-Z]{{14}}\.SMGW{_EXTENSION}")),
)
_SUFFIXES = {Role.SUB_CA: "CA", Role.GWA: "GWA", Role.GWH: "GWH", Role.EMT: "EMT", Role.TECHNICIAN: "SRV"}
_REQUIRED = frozenset({NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME, NameOID.COUNTRY_NAME, NameOID.SERIAL_NUMBER})
_ALLOWED = _REQUIRED | {NameOID.ORGANIZATIONAL_UNIT_NAME}


def common_name_for(role: Role, name: str) -> str:
    """Give the common name of a role from an organisation's bare name or, for a gateway, from its device id.

    Raises: UsageError pki.name.
    """
    if role is Role.ROOT:
        return ROOT_NAME
    if role is Role.CRL_SIGNER:
        return CRL_SIGNER_NAME
    try:
        text = DeviceId.parse(name).pki_name if role is Role.SMGW else f"{name}.{_SUFFIXES[role]}"
    except PeerFault as problem:
        raise UsageError("pki.name", name[:MAX_COMMON_NAME]) from problem
    if _role_of_common_name(text) is not role:
        raise UsageError("pki.name", text[:MAX_COMMON_NAME])
    return text


def distinguished_name(common_name: str, sequence: int = 1) -> x509.Name:
    """Make the distinguished name of a party of the test PKI; `sequence` numbers successive certificates of one name.

    Raises: UsageError pki.name.
    """
    if _role_of_common_name(common_name) is None or sequence < 0:
        raise UsageError("pki.name", common_name[:MAX_COMMON_NAME])
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, COUNTRY),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, TEST_ORGANISATION),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
            x509.NameAttribute(NameOID.SERIAL_NUMBER, str(sequence)),
        ]
    )


def read_name(name: x509.Name) -> tuple[str, Role, str]:
    """Read (common name, role, organisation) of a distinguished name. Raises: CertificateRejected pki.name."""
    attributes = list(name)
    kinds = [attribute.oid for attribute in attributes]
    if len(set(kinds)) != len(kinds) or not _REQUIRED <= set(kinds) <= _ALLOWED or len(name.rdns) != len(kinds):
        raise CertificateRejected("pki.name", "attributes")
    values = {attribute.oid: attribute.value for attribute in attributes}
    common_name, organisation = str(values[NameOID.COMMON_NAME]), str(values[NameOID.ORGANIZATION_NAME])
    serial = str(values[NameOID.SERIAL_NUMBER])
    role = _role_of_common_name(common_name)
    if role is None or values[NameOID.COUNTRY_NAME] != COUNTRY or not (serial.isascii() and serial.isdigit() and len(serial) <= 20):
        raise CertificateRejected("pki.name", common_name[:MAX_COMMON_NAME])
    if organisation not in (TEST_ORGANISATION, LIVE_ORGANISATION):
        raise CertificateRejected("pki.name", organisation[:MAX_COMMON_NAME])
    if role in (Role.ROOT, Role.CRL_SIGNER) and common_name.startswith("SM-Test-") != (organisation == TEST_ORGANISATION):
        raise CertificateRejected("pki.name", f"{common_name} of {organisation}")
    return common_name, role, organisation


def role_of(certificate: x509.Certificate) -> Role:
    """Read the role of a certificate's subject from its common name. Raises: CertificateRejected pki.name."""
    return _read_subject(certificate)[1]


def common_name_of(certificate: x509.Certificate) -> str:
    """Read the common name of a certificate's subject. Raises: CertificateRejected pki.name."""
    return _read_subject(certificate)[0]


def device_id_of(certificate: x509.Certificate) -> DeviceId:
    """Read the device id of a gateway's certificate. Raises: CertificateRejected pki.name, pki.role."""
    common_name, role, _ = _read_subject(certificate)
    return device_id_of_common_name(common_name, role)


def device_id_of_common_name(common_name: str, role: Role) -> DeviceId:
    """Read the device id of a common name. Raises: CertificateRejected pki.role for any role but the gateway's."""
    if role is not Role.SMGW:
        raise CertificateRejected("pki.role", common_name)
    return DeviceId.parse(common_name)


def _read_subject(certificate: x509.Certificate) -> tuple[str, Role, str]:
    try:
        subject = certificate.subject
    except PARSE_FAULTS as problem:
        raise CertificateRejected("pki.malformed", "subject") from problem
    return read_name(subject)


def _role_of_common_name(common_name: str) -> Role | None:
    if len(common_name) > MAX_COMMON_NAME:
        return None
    for role, pattern in _COMMON_NAMES:
        if pattern.fullmatch(common_name):
            if role is Role.SMGW and not _is_device_id(common_name):
                return None
            return role
    return None


def _is_device_id(common_name: str) -> bool:
    try:
        return common_name.split(".")[0] == str(DeviceId.parse(common_name))
    except PeerFault:
        return False

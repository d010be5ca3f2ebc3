"""Revocation lists: read once into plain facts, checked against their issuer, looked up by serial number (German: Sperrliste).

A list is signed by the authority itself or, for the root, by its CRL signer; then it is an indirect list and says so.
Source: 20-wan-crypto-pki 5.8; PKI-01; PKI-02.
"""

from datetime import datetime, timedelta
from enum import StrEnum

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import CRLEntryExtensionOID, ExtensionOID

from smgw.core.errors import CertificateRejected, DecodeFault, SecurityFault
from smgw.pki.parsing import PARSE_FAULTS, require_whole_octets
from smgw.security.policy import require_signature_hash

MAX_REVOCATION_LIST = 16 << 20
"""Octets of a revocation list that are read at most."""

CLOCK_TOLERANCE = timedelta(minutes=5)
"""A list may be this much younger than the checking side's clock."""

_KNOWN = frozenset(
    {
        ExtensionOID.AUTHORITY_KEY_IDENTIFIER,
        ExtensionOID.CRL_NUMBER,
        ExtensionOID.ISSUING_DISTRIBUTION_POINT,
        ExtensionOID.ISSUER_ALTERNATIVE_NAME,
    }
)
_KNOWN_OF_ENTRY = frozenset(
    {CRLEntryExtensionOID.CRL_REASON, CRLEntryExtensionOID.CERTIFICATE_ISSUER, CRLEntryExtensionOID.INVALIDITY_DATE}
)


class Standing(StrEnum):
    """Tell what a revocation list says about a certificate."""

    GOOD = "good"
    REVOKED = "revoked"
    SUSPENDED = "suspended"


class RevocationList(msgspec.Struct, frozen=True, eq=False):
    """Hold what a revocation list says; `read_revocation_list` makes one, `require_signed_by` proves who signed it."""

    crl: x509.CertificateRevocationList
    issuer: bytes
    """DER of the signer's name."""
    authority_key: bytes
    number: int
    this_update: datetime
    next_update: datetime
    indirect: bool
    entries: dict[tuple[bytes, int], Standing]
    """(DER of the certificate issuer's name, serial number) -> standing."""
    fingerprint: bytes

    def standing(self, issuer: bytes, serial: int) -> Standing:
        """Say how a certificate stands by its issuer's DER name and serial number."""
        return self.entries.get((issuer, serial), Standing.GOOD)

    def require_signed_by(self, key: ec.EllipticCurvePublicKey) -> None:
        """Demand the signature of a key. Raises: CertificateRejected pki.signature, pki.hash, pki.curve."""
        try:
            require_signature_hash(self.crl.signature_hash_algorithm, key)
            genuine = self.crl.is_signature_valid(key)
        except SecurityFault as problem:
            raise CertificateRejected(problem.code, "revocation list") from problem
        except PARSE_FAULTS as problem:
            raise CertificateRejected("pki.signature", "revocation list") from problem
        if not genuine:
            raise CertificateRejected("pki.signature", "revocation list")

    def require_current(self, now: datetime) -> None:
        """Demand that the list is in force at a time. Raises: CertificateRejected pki.crl_stale."""
        if not self.this_update - CLOCK_TOLERANCE <= now < self.next_update:
            raise CertificateRejected("pki.crl_stale", f"number {self.number}")


def read_revocation_list(data: bytes) -> RevocationList:
    """Read a DER or PEM revocation list of at most 16 MiB; its signature is not checked yet.

    Raises: DecodeFault pki.malformed; CertificateRejected pki.critical_extension, pki.extension.
    """
    if len(data) > MAX_REVOCATION_LIST:
        raise DecodeFault("pki.malformed", f"{len(data)} octets")
    try:
        crl = x509.load_pem_x509_crl(data) if b"-----BEGIN" in data[:4096] else x509.load_der_x509_crl(data)
        require_whole_octets(crl.public_bytes(Encoding.DER), crl.signature)
        return _facts(crl)
    except PARSE_FAULTS as problem:
        raise DecodeFault("pki.malformed", "revocation list") from problem


def _facts(crl: x509.CertificateRevocationList) -> RevocationList:
    extensions = crl.extensions
    for extension in extensions:
        if extension.critical and extension.oid not in _KNOWN:
            raise CertificateRejected("pki.critical_extension", extension.oid.dotted_string)
    try:
        number = extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
        authority_key = extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    except x509.ExtensionNotFound as problem:
        raise CertificateRejected("pki.extension", "revocation list") from problem
    next_update = crl.next_update_utc
    if authority_key is None or next_update is None:
        raise CertificateRejected("pki.extension", "revocation list")
    issuer, indirect = crl.issuer.public_bytes(), _is_indirect(extensions)
    return RevocationList(
        crl=crl,
        issuer=issuer,
        authority_key=authority_key,
        number=number,
        this_update=crl.last_update_utc,
        next_update=next_update,
        indirect=indirect,
        entries=_entries(crl, issuer, indirect),
        fingerprint=crl.fingerprint(hashes.SHA256()),
    )


def _is_indirect(extensions: x509.Extensions) -> bool:
    """Read the issuing distribution point; partial lists are not of the SM-PKI."""
    try:
        point = extensions.get_extension_for_class(x509.IssuingDistributionPoint).value
    except x509.ExtensionNotFound:
        return False
    if point.only_contains_user_certs or point.only_contains_ca_certs or point.only_contains_attribute_certs or point.only_some_reasons:
        raise CertificateRejected("pki.extension", "partial revocation list")
    return point.indirect_crl


def _entries(crl: x509.CertificateRevocationList, issuer: bytes, indirect: bool) -> dict[tuple[bytes, int], Standing]:
    entries: dict[tuple[bytes, int], Standing] = {}
    for entry in crl:
        if entry.serial_number <= 0:
            raise DecodeFault("pki.malformed", "serial number")
        standing = Standing.REVOKED
        for extension in entry.extensions:
            if extension.critical and extension.oid not in _KNOWN_OF_ENTRY:
                raise CertificateRejected("pki.critical_extension", extension.oid.dotted_string)
            if isinstance(extension.value, x509.CertificateIssuer):
                if not indirect:
                    raise CertificateRejected("pki.extension", "certificate issuer in a direct revocation list")
                issuer = _directory_name(extension.value)
            elif isinstance(extension.value, x509.CRLReason) and extension.value.reason is x509.ReasonFlags.certificate_hold:
                standing = Standing.SUSPENDED
        entries[issuer, entry.serial_number] = standing
    return entries


def _directory_name(names: x509.CertificateIssuer) -> bytes:
    values = names.get_values_for_type(x509.DirectoryName)
    if len(values) != 1:
        raise CertificateRejected("pki.extension", "certificate issuer")
    return values[0].public_bytes()

"""What a certificate says, read once into plain values, so that the path check works on values and never on half-parsed structures.

Source: 20-wan-crypto-pki 5.3; PKI-02.
"""

from datetime import datetime
from typing import NamedTuple

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtensionOID

from smgw.core.errors import CertificateRejected, SecurityFault
from smgw.pki.certificate_profiles import key_usage_names
from smgw.pki.names import Role, read_name
from smgw.pki.parsing import PARSE_FAULTS
from smgw.security.policy import curve_name

_KNOWN = frozenset(
    {
        ExtensionOID.AUTHORITY_KEY_IDENTIFIER,
        ExtensionOID.SUBJECT_KEY_IDENTIFIER,
        ExtensionOID.KEY_USAGE,
        ExtensionOID.EXTENDED_KEY_USAGE,
        ExtensionOID.BASIC_CONSTRAINTS,
        ExtensionOID.CERTIFICATE_POLICIES,
        ExtensionOID.SUBJECT_ALTERNATIVE_NAME,
        ExtensionOID.ISSUER_ALTERNATIVE_NAME,
        ExtensionOID.CRL_DISTRIBUTION_POINTS,
        ExtensionOID.PRIVATE_KEY_USAGE_PERIOD,
    }
)


class Constraint(NamedTuple):
    """Hold BasicConstraints: whether the subject is an authority, and how many authorities may follow below it."""

    is_authority: bool
    path_length: int | None
    critical: bool


class CertificateFacts(msgspec.Struct, frozen=True, eq=False):
    """Hold a certificate and what it says; `read_facts` makes one. Nothing here has been checked against an issuer."""

    certificate: x509.Certificate
    fingerprint: bytes
    """SHA-256 over the DER."""
    public_key: ec.EllipticCurvePublicKey
    curve: str
    subject: bytes
    issuer: bytes
    common_name: str
    role: Role
    organisation: str
    serial: int
    not_before: datetime
    not_after: datetime
    signature_hash: hashes.HashAlgorithm | None
    subject_key: bytes | None
    authority_key: bytes | None
    key_usage: frozenset[str]
    key_usage_critical: bool
    extended_usage: frozenset[x509.ObjectIdentifier] | None
    constraint: Constraint | None
    policies: frozenset[x509.ObjectIdentifier]
    extensions: frozenset[x509.ObjectIdentifier]


def read_facts(certificate: x509.Certificate) -> CertificateFacts:
    """Read what a certificate says.

    Raises: CertificateRejected pki.malformed, pki.name, pki.curve, pki.critical_extension.
    """
    try:
        return _read(certificate)
    except PARSE_FAULTS as problem:
        raise CertificateRejected("pki.malformed", "certificate") from problem


def encoded_key(key: ec.EllipticCurvePublicKey) -> bytes:
    """Give a public key as DER SubjectPublicKeyInfo."""
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def _read(certificate: x509.Certificate) -> CertificateFacts:
    if certificate.version is not x509.Version.v3:
        raise CertificateRejected("pki.malformed", "not version 3")
    key = certificate.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise CertificateRejected("pki.curve", "not an elliptic curve key")
    try:
        curve = curve_name(key)
    except SecurityFault as problem:
        raise CertificateRejected(problem.code, problem.detail) from problem
    extensions = {extension.oid: extension for extension in certificate.extensions}
    for extension in extensions.values():
        if extension.critical and extension.oid not in _KNOWN:
            raise CertificateRejected("pki.critical_extension", extension.oid.dotted_string)
    values = {type(extension.value): extension.value for extension in extensions.values()}
    usage = values.get(x509.KeyUsage)
    extended = values.get(x509.ExtendedKeyUsage)
    constraint = values.get(x509.BasicConstraints)
    subject_key = values.get(x509.SubjectKeyIdentifier)
    authority_key = values.get(x509.AuthorityKeyIdentifier)
    policies = values.get(x509.CertificatePolicies)
    common_name, role, organisation = read_name(certificate.subject)
    return CertificateFacts(
        certificate=certificate,
        fingerprint=certificate.fingerprint(hashes.SHA256()),
        public_key=key,
        curve=curve,
        subject=certificate.subject.public_bytes(),
        issuer=certificate.issuer.public_bytes(),
        common_name=common_name,
        role=role,
        organisation=organisation,
        serial=certificate.serial_number,
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        signature_hash=certificate.signature_hash_algorithm,
        subject_key=subject_key.digest if isinstance(subject_key, x509.SubjectKeyIdentifier) else None,
        authority_key=authority_key.key_identifier if isinstance(authority_key, x509.AuthorityKeyIdentifier) else None,
        key_usage=key_usage_names(usage) if isinstance(usage, x509.KeyUsage) else frozenset(),
        key_usage_critical=ExtensionOID.KEY_USAGE in extensions and extensions[ExtensionOID.KEY_USAGE].critical,
        extended_usage=frozenset(extended) if isinstance(extended, x509.ExtendedKeyUsage) else None,
        constraint=_constraint(constraint, extensions) if isinstance(constraint, x509.BasicConstraints) else None,
        policies=frozenset(policy.policy_identifier for policy in policies)
        if isinstance(policies, x509.CertificatePolicies)
        else frozenset(),
        extensions=frozenset(extensions),
    )


def _constraint(value: x509.BasicConstraints, extensions: dict[x509.ObjectIdentifier, x509.Extension[x509.ExtensionType]]) -> Constraint:
    return Constraint(value.ca, value.path_length, extensions[ExtensionOID.BASIC_CONSTRAINTS].critical)

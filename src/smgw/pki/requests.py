"""Request packages: three PKCS#10 requests (TLS, SIG, ENC) of one subject as one DER SEQUENCE, each proving possession of its key.

Each request names its key usage inside what it signs, so that the three can't be exchanged for each other on the way. The key of the
ENC certificate signs once in its life, here. The outer signature of a renewal by the old SIG key is CMS and is put around the package.
Source: 20-wan-crypto-pki 5.7 (PKCS#10 as a convenience); PKI-01.
"""

from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from smgw.core.errors import CertificateRejected, DecodeFault, SecurityFault, UsageError
from smgw.pki.assembly import sign_request
from smgw.pki.certificate_profiles import END_ENTITY_PROFILES, KINDS, SUBJECT_ALT_NAME, Kind, Presence, key_usage, key_usage_names
from smgw.pki.der import SEQUENCE, der, split_der
from smgw.pki.names import END_ENTITY_ROLES, Role, common_name_for, distinguished_name, read_name
from smgw.pki.parsing import PARSE_FAULTS, require_whole_octets
from smgw.pki.triple import KeyNames
from smgw.security.module import SecurityModule
from smgw.security.policy import curve_name, require_signature_hash

MAX_PACKAGE = 16 * 1024
"""Octets of a request package at most."""

MAX_CONTACT = 128


class RequestPackage(NamedTuple):
    """Hold a package whose three proofs of possession have been checked."""

    tls: x509.CertificateSigningRequest
    sig: x509.CertificateSigningRequest
    enc: x509.CertificateSigningRequest
    common_name: str
    role: Role
    contact: str
    """E-mail or web address for SubjectAltName; empty where none is asked for."""

    @property
    def keys(self) -> tuple[ec.EllipticCurvePublicKey, ...]:
        """Give the three public keys in the order TLS, SIG, ENC."""
        keys = (request.public_key() for request in (self.tls, self.sig, self.enc))
        return tuple(key for key in keys if isinstance(key, ec.EllipticCurvePublicKey))


def make_request_package(module: SecurityModule, keys: KeyNames, role: Role, name: str, *, contact: str = "") -> bytes:
    """Make the DER package for three keys that the module holds; `name` is an organisation's bare name or a device id.

    Where the role must name a contact and none is given, `https://<name>.test/` is named.
    Raises: UsageError pki.name, module.no_key.
    """
    if role not in END_ENTITY_ROLES:
        raise UsageError("pki.role", role)
    common_name = common_name_for(role, name)
    if not contact and SUBJECT_ALT_NAME[role] is Presence.MANDATORY:
        contact = f"https://{name.lower()}.test/"
    requests = []
    for kind, key_name in zip(KINDS, keys, strict=True):
        extensions: list[tuple[x509.ExtensionType, bool]] = [(key_usage(END_ENTITY_PROFILES[kind].key_usage), True)]
        if contact:
            extensions.append((x509.SubjectAlternativeName([contact_name(contact)]), False))
        request = sign_request(distinguished_name(common_name), extensions, module, key_name)
        requests.append(request.public_bytes(serialization.Encoding.DER))
    return der(SEQUENCE, *requests)


def make_authentication_request(module: SecurityModule, key_name: str, role: Role, name: str, *, contact: str = "") -> bytes:
    """Make the PKCS#10 request for a fourth certificate that signs only challenges: an administrator's AUT certificate.

    Raises: UsageError pki.name, module.no_key.
    """
    contact = contact or f"https://{name.lower()}.test/"
    extensions: list[tuple[x509.ExtensionType, bool]] = [
        (key_usage(END_ENTITY_PROFILES[Kind.SIG].key_usage), True),
        (x509.SubjectAlternativeName([contact_name(contact)]), False),
    ]
    request = sign_request(distinguished_name(common_name_for(role, name)), extensions, module, key_name)
    return request.public_bytes(serialization.Encoding.DER)


def read_authentication_request(data: bytes) -> tuple[x509.CertificateSigningRequest, str, Role, str]:
    """Read a request for an AUT certificate; gives it with common name, role and contact.

    Raises: DecodeFault pki.malformed, CertificateRejected pki.request, pki.possession, pki.name, pki.curve, pki.hash.
    """
    if len(data) > MAX_PACKAGE:
        raise DecodeFault("pki.malformed", f"{len(data)} octets")
    try:
        request = x509.load_der_x509_csr(data)
        require_whole_octets(data, request.signature)
        contact = _check_request(request, Kind.SIG)
        common_name, role, _ = read_name(request.subject)
    except PARSE_FAULTS as problem:
        raise DecodeFault("pki.malformed", "request") from problem
    return request, common_name, role, contact


def read_request_package(data: bytes) -> RequestPackage:
    """Read a package and check name, keys and the three proofs of possession.

    Whether curves and role are allowed now is for the authority to decide.
    Raises: DecodeFault pki.malformed, CertificateRejected pki.request, pki.possession, pki.name, pki.curve, pki.hash.
    """
    if len(data) > MAX_PACKAGE:
        raise DecodeFault("pki.malformed", f"{len(data)} octets")
    parts = split_der(data, SEQUENCE, len(KINDS))
    if len(parts) != len(KINDS):
        raise CertificateRejected("pki.request", f"{len(parts)} requests")
    try:
        requests = [x509.load_der_x509_csr(part) for part in parts]
        for part, request in zip(parts, requests, strict=True):
            require_whole_octets(part, request.signature)
        contacts = {_check_request(request, kind) for request, kind in zip(requests, KINDS, strict=True)}
        subjects = {request.subject.public_bytes() for request in requests}
        keys = {_encoded_key(request) for request in requests}
        common_name, role, _ = read_name(requests[0].subject)
    except PARSE_FAULTS as problem:
        raise DecodeFault("pki.malformed", "request") from problem
    if len(subjects) != 1 or len(keys) != 3 or len(contacts) != 1:
        raise CertificateRejected("pki.request", "subjects, keys or contacts")
    if role not in END_ENTITY_ROLES:
        raise CertificateRejected("pki.role", role)
    tls, sig, enc = requests
    return RequestPackage(tls, sig, enc, common_name, role, contacts.pop())


def contact_name(contact: str) -> x509.GeneralName:
    """Make the general name of an e-mail address or a web address. Raises: UsageError pki.name."""
    if not (contact.isascii() and contact.isprintable() and 3 <= len(contact) <= MAX_CONTACT):
        raise UsageError("pki.name", "contact")
    return x509.RFC822Name(contact) if "@" in contact and "://" not in contact else x509.UniformResourceIdentifier(contact)


def _check_request(request: x509.CertificateSigningRequest, kind: Kind) -> str:
    """Check one request; returns its contact."""
    key = request.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise CertificateRejected("pki.curve", "not an elliptic curve key")
    try:
        curve_name(key)
        require_signature_hash(request.signature_hash_algorithm, key)
    except SecurityFault as problem:
        raise CertificateRejected(problem.code, problem.detail) from problem
    if not request.is_signature_valid:
        raise CertificateRejected("pki.possession", kind)
    usage, contact = frozenset[str](), ""
    for extension in request.extensions:
        if isinstance(extension.value, x509.KeyUsage):
            usage = key_usage_names(extension.value)
        elif isinstance(extension.value, x509.SubjectAlternativeName):
            contact = _contact_of(extension.value)
        else:
            raise CertificateRejected("pki.request", f"extension {extension.oid.dotted_string}")
    if usage != END_ENTITY_PROFILES[kind].key_usage:
        raise CertificateRejected("pki.request", f"{kind}: key usage")
    return contact


def _contact_of(names: x509.SubjectAlternativeName) -> str:
    allowed = (x509.RFC822Name, x509.UniformResourceIdentifier)
    values = [name.value for name in names if isinstance(name, allowed)]
    if len(list(names)) != 1 or len(values) != 1 or not 3 <= len(values[0]) <= MAX_CONTACT:
        raise CertificateRejected("pki.request", "contact")
    return values[0]


def _encoded_key(request: x509.CertificateSigningRequest) -> bytes:
    return request.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)

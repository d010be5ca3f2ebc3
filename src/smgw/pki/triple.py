"""A triple: the TLS, SIG and ENC certificate of one end entity, with three different keys (German: Zertifikatstripel).

Source: 20-wan-crypto-pki 5.4; PKI-01.
"""

from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import ExtensionOID

from smgw.core.errors import CertificateRejected, DecodeFault
from smgw.core.identifiers import DeviceId
from smgw.pki.certificate_profiles import KINDS, Kind, key_usage_names
from smgw.pki.names import Role, common_name_of, device_id_of, role_of
from smgw.pki.parsing import PARSE_FAULTS, load_certificate, load_pem_certificates

MAX_BUNDLE = 64 * 1024
"""Octets of a PEM bundle that are read at most."""

MAX_BUNDLE_CERTIFICATES = 32


class KeyNames(NamedTuple):
    """Name the three keys of a triple in the security module."""

    tls: str
    sig: str
    enc: str

    @classmethod
    def of(cls, prefix: str, suffix: str = "") -> "KeyNames":
        """Give the field's names: prefix `GW_WAN` or `GWA_WAN`, suffix `_PRE` for the preliminary set."""
        return cls(*(f"{prefix}_{kind.upper()}{suffix}" for kind in KINDS))


GATEWAY_KEYS = KeyNames.of("GW_WAN")
ADMINISTRATOR_KEYS = KeyNames.of("GWA_WAN")
PARTICIPANT_KEYS = KeyNames.of("EMT_WAN")
AUTHENTICATION_KEY = "GWA_WAN_AUT"
"""The administrator's fourth key: it authenticates to security modules."""


class CertificateTriple(NamedTuple):
    """Hold the three certificates of one end entity; `triple_of` makes one from loose certificates."""

    tls: x509.Certificate
    sig: x509.Certificate
    enc: x509.Certificate

    @property
    def common_name(self) -> str:
        """Give the common name, the same in all three."""
        return common_name_of(self.tls)

    @property
    def role(self) -> Role:
        """Give the holder's role."""
        return role_of(self.tls)

    @property
    def device_id(self) -> DeviceId:
        """Give the device id of a gateway. Raises: CertificateRejected pki.role for other roles."""
        return device_id_of(self.tls)

    def to_pem(self) -> bytes:
        """Write the three as PEM: TLS, SIG, ENC."""
        return b"".join(certificate.public_bytes(serialization.Encoding.PEM) for certificate in self)


def kind_of(certificate: x509.Certificate) -> Kind:
    """Tell TLS, SIG and ENC certificates apart by their usages. Raises: CertificateRejected pki.usage, pki.malformed."""
    try:
        extensions = certificate.extensions
        usage = key_usage_names(extensions.get_extension_for_class(x509.KeyUsage).value)
    except x509.ExtensionNotFound as problem:
        raise CertificateRejected("pki.usage", "no key usage") from problem
    except PARSE_FAULTS as problem:
        raise CertificateRejected("pki.malformed", "extensions") from problem
    extended = any(extension.oid == ExtensionOID.EXTENDED_KEY_USAGE for extension in extensions)
    if "key_agreement" in usage and not extended:
        return Kind.ENC
    if usage == {"digital_signature"}:
        return Kind.TLS if extended else Kind.SIG
    raise CertificateRejected("pki.usage", ", ".join(sorted(usage)))


def triple_of(certificates: list[x509.Certificate]) -> CertificateTriple:
    """Put three loose certificates of one subject together.

    This sorts them and compares names and keys; whether each can be trusted is for `smgw.pki.chain` to say.
    Raises: CertificateRejected pki.triple, pki.usage, pki.malformed.
    """
    by_kind = {kind_of(certificate): certificate for certificate in certificates}
    if len(certificates) != 3 or len(by_kind) != 3:
        raise CertificateRejected("pki.triple", f"{len(certificates)} certificates")
    triple = CertificateTriple(*(by_kind[kind] for kind in KINDS))
    try:
        subjects = {certificate.subject.public_bytes() for certificate in triple}
        keys = {
            certificate.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
            for certificate in triple
        }
    except PARSE_FAULTS as problem:
        raise CertificateRejected("pki.malformed") from problem
    if len(subjects) != 1 or len(keys) != 3:
        raise CertificateRejected("pki.triple", "subjects or keys")
    return triple


def read_certificates(data: bytes) -> list[x509.Certificate]:
    """Read one DER certificate or a PEM bundle of at most 32, at most 64 KiB. Raises: DecodeFault pki.malformed."""
    if len(data) > MAX_BUNDLE:
        raise DecodeFault("pki.malformed", f"{len(data)} octets")
    return load_pem_certificates(data, MAX_BUNDLE_CERTIFICATES) if b"-----BEGIN" in data else [load_certificate(data)]

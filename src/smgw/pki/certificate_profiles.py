"""Certificate profiles of the SM-PKI as data: what each kind of certificate carries, for how long, and what it may be used for.

The authority issues from this table and the path check demands what stands in it.
Source: 20-wan-crypto-pki 5.3 to 5.5; TR-03109-4; PKI-01.
"""

from datetime import timedelta
from enum import StrEnum
from typing import NamedTuple

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from smgw.pki.names import END_ENTITY_ROLES, Role
from smgw.security.policy import Use

POLICY = x509.ObjectIdentifier("0.4.0.127.0.7.3.4.1.1.1")
"""The certificate policy of the SM-PKI, in every certificate."""

KEY_USAGES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)


class Kind(StrEnum):
    """Name the three certificates of a triple."""

    TLS = "tls"
    SIG = "sig"
    ENC = "enc"


KINDS = (Kind.TLS, Kind.SIG, Kind.ENC)
"""Order of the three wherever they travel together."""


class Presence(StrEnum):
    """Say whether an extension must, may or must not be there."""

    MANDATORY = "mandatory"
    OPTIONAL = "optional"
    FORBIDDEN = "forbidden"


class CertificateProfile(NamedTuple):
    """Describe one kind of certificate.

    `key_usage` is what is written and demanded; `tolerated_usage` may stand beside it. `key_days` bounds the use of the private key and
    is written as PrivateKeyUsagePeriod (authorities only).
    """

    use: Use
    key_usage: frozenset[str]
    validity_days: int
    extended_usage: frozenset[x509.ObjectIdentifier] = frozenset()
    tolerated_usage: frozenset[str] = frozenset()
    is_authority: bool = False
    path_length: int | None = None
    key_days: int | None = None
    subject_alt_name: Presence = Presence.OPTIONAL
    distribution_points: Presence = Presence.MANDATORY
    issuer_alt_name: Presence = Presence.MANDATORY

    @property
    def validity(self) -> timedelta:
        """Give the longest life of such a certificate."""
        return timedelta(days=self.validity_days)


_YEAR = 365
_TLS_USAGE = frozenset({ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH})

AUTHORITY_PROFILES: dict[Role, CertificateProfile] = {
    Role.ROOT: CertificateProfile(
        use=Use.ROOT,
        key_usage=frozenset({"key_cert_sign", "crl_sign"}),
        validity_days=6 * _YEAR + 1,
        is_authority=True,
        path_length=1,
        key_days=3 * _YEAR,
        distribution_points=Presence.OPTIONAL,
        issuer_alt_name=Presence.OPTIONAL,
    ),
    Role.CRL_SIGNER: CertificateProfile(use=Use.ROOT, key_usage=frozenset({"crl_sign"}), validity_days=4 * _YEAR + 1, key_days=3 * _YEAR),
    Role.SUB_CA: CertificateProfile(
        use=Use.SUB_CA,
        key_usage=frozenset({"key_cert_sign", "crl_sign"}),
        validity_days=5 * _YEAR + 1,
        is_authority=True,
        path_length=0,
        key_days=2 * _YEAR,
    ),
}

END_ENTITY_PROFILES: dict[Kind, CertificateProfile] = {
    Kind.TLS: CertificateProfile(
        use=Use.END_ENTITY, key_usage=frozenset({"digital_signature"}), validity_days=2 * _YEAR, extended_usage=_TLS_USAGE
    ),
    Kind.SIG: CertificateProfile(use=Use.END_ENTITY, key_usage=frozenset({"digital_signature"}), validity_days=2 * _YEAR),
    Kind.ENC: CertificateProfile(
        use=Use.END_ENTITY,
        key_usage=frozenset({"key_agreement"}),
        tolerated_usage=frozenset({"key_encipherment"}),
        validity_days=2 * _YEAR,
    ),
}

SUBJECT_ALT_NAME: dict[Role, Presence] = {
    Role.GWA: Presence.MANDATORY,
    Role.GWH: Presence.MANDATORY,
    Role.EMT: Presence.MANDATORY,
    Role.TECHNICIAN: Presence.OPTIONAL,
    Role.SMGW: Presence.FORBIDDEN,
}
"""Whether an end entity's certificates name a contact (e-mail or web address)."""

CRL_LIFE: dict[Role, timedelta] = {Role.ROOT: timedelta(days=30), Role.SUB_CA: timedelta(days=7)}
"""From thisUpdate to nextUpdate of an authority's revocation list."""

CRL_REISSUE = timedelta(days=1)
"""A revocation list older than this is issued anew even when nothing was revoked."""


def profile_for(role: Role, kind: Kind | None = None) -> CertificateProfile:
    """Give the profile of an authority's certificate, or of one certificate of an end entity's triple."""
    if role in END_ENTITY_ROLES:
        assert kind is not None
        return END_ENTITY_PROFILES[kind]._replace(subject_alt_name=SUBJECT_ALT_NAME[role])
    return AUTHORITY_PROFILES[role]


def key_usage(names: frozenset[str]) -> x509.KeyUsage:
    """Make the KeyUsage extension of a set of its attribute names."""
    return x509.KeyUsage(**{name: name in names for name in KEY_USAGES})


def key_usage_names(extension: x509.KeyUsage) -> frozenset[str]:
    """Read which usages a KeyUsage extension names; the last two bits count only beside key agreement."""
    names = KEY_USAGES if extension.key_agreement else KEY_USAGES[:-2]
    return frozenset(name for name in names if getattr(extension, name))

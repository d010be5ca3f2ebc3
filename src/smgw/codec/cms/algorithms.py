"""The algorithms of content protection as data: object identifiers, curves, ciphers, and what a receiver takes.

Nothing here runs; the codec reads these tables. Which rows may be used in which year is the crypto policy's decision.
Source: 20-wan-crypto-pki 1.6, 4.2; TR-03109-1 Detailspezifikationen 5; TR-03111; RFC 5753; SEC-04.
"""

import hashlib
from collections.abc import Callable
from typing import Literal, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils

Oid = x509.ObjectIdentifier

ID_DATA = Oid("1.2.840.113549.1.7.1")
ID_SIGNED_DATA = Oid("1.2.840.113549.1.7.2")
ID_AUTH_ENVELOPED_DATA = Oid("1.2.840.113549.1.9.16.1.23")
ID_COMPRESSED_DATA = Oid("1.2.840.113549.1.9.16.1.9")
ID_ZLIB_COMPRESS = Oid("1.2.840.113549.1.9.16.3.8")

ID_CONTENT_TYPE = Oid("1.2.840.113549.1.9.3")
ID_MESSAGE_DIGEST = Oid("1.2.840.113549.1.9.4")
ID_SIGNING_TIME = Oid("1.2.840.113549.1.9.5")
ID_SMIME_CAPABILITIES = Oid("1.2.840.113549.1.9.15")
ID_ALGORITHM_PROTECTION = Oid("1.2.840.113549.1.9.52")
ID_CBC_CMAC_PARAM = Oid("0.4.0.127.0.7.1.3.1.1.1")

ID_EC_PUBLIC_KEY = Oid("1.2.840.10045.2.1")

OidProfile = Literal["tr", "rfc5753"]
"""`tr` sends the BSI's ECKA-EG identifiers, `rfc5753` those of the same computation in RFC 5753, which other toolkits know."""

SharedInfoForm = Literal["rfc5753", "rfc5753-null", "empty"]
"""How the key derivation's SharedInfo is built: ECC-CMS-SharedInfo, the same with NULL parameters, or nothing."""


class CurveSuite(NamedTuple):
    """Name one curve, the length of its coordinates, and the hash that goes with it when sending."""

    name: str
    oid: Oid
    curve: ec.EllipticCurve
    field_octets: int
    digest: str


CURVES: dict[str, CurveSuite] = {
    suite.name: suite
    for suite in (
        CurveSuite("secp256r1", Oid("1.2.840.10045.3.1.7"), ec.SECP256R1(), 32, "sha256"),
        CurveSuite("secp384r1", Oid("1.3.132.0.34"), ec.SECP384R1(), 48, "sha384"),
        CurveSuite("brainpoolP256r1", Oid("1.3.36.3.3.2.8.1.1.7"), ec.BrainpoolP256R1(), 32, "sha256"),
        CurveSuite("brainpoolP384r1", Oid("1.3.36.3.3.2.8.1.1.11"), ec.BrainpoolP384R1(), 48, "sha384"),
        CurveSuite("brainpoolP512r1", Oid("1.3.36.3.3.2.8.1.1.13"), ec.BrainpoolP512R1(), 64, "sha512"),
    )
}


class Digest(NamedTuple):
    """Join a hash, its identifier and the identifier of ECDSA over it."""

    name: str
    oid: Oid
    ecdsa_oid: Oid
    octets: int
    new: Callable[[bytes], "hashlib._Hash"]
    hash: hashes.HashAlgorithm
    ecdsa_prehashed: ec.ECDSA


def _digest(name: str, oid: str, ecdsa_oid: str, hash_algorithm: hashes.HashAlgorithm) -> Digest:
    ecdsa = ec.ECDSA(utils.Prehashed(hash_algorithm))
    return Digest(name, Oid(oid), Oid(ecdsa_oid), hash_algorithm.digest_size, getattr(hashlib, name), hash_algorithm, ecdsa)


DIGESTS: dict[str, Digest] = {
    row.name: row
    for row in (
        _digest("sha256", "2.16.840.1.101.3.4.2.1", "1.2.840.10045.4.3.2", hashes.SHA256()),
        _digest("sha384", "2.16.840.1.101.3.4.2.2", "1.2.840.10045.4.3.3", hashes.SHA384()),
        _digest("sha512", "2.16.840.1.101.3.4.2.3", "1.2.840.10045.4.3.4", hashes.SHA512()),
    )
}
DIGEST_BY_OID: dict[Oid, Digest] = {row.oid: row for row in DIGESTS.values()}


class KeyAgreement(NamedTuple):
    """Name one identifier of static-ephemeral ECDH with the X9.63 key derivation."""

    name: str
    oid: Oid
    profile: OidProfile
    digest: str


KEY_AGREEMENTS: tuple[KeyAgreement, ...] = (
    KeyAgreement("ecka-eg-X963KDF-SHA256", Oid("0.4.0.127.0.7.1.1.5.1.1.3"), "tr", "sha256"),
    KeyAgreement("ecka-eg-X963KDF-SHA384", Oid("0.4.0.127.0.7.1.1.5.1.1.4"), "tr", "sha384"),
    KeyAgreement("ecka-eg-X963KDF-SHA512", Oid("0.4.0.127.0.7.1.1.5.1.1.5"), "tr", "sha512"),
    KeyAgreement("dhSinglePass-stdDH-sha256kdf", Oid("1.3.132.1.11.1"), "rfc5753", "sha256"),
    KeyAgreement("dhSinglePass-stdDH-sha384kdf", Oid("1.3.132.1.11.2"), "rfc5753", "sha384"),
    KeyAgreement("dhSinglePass-stdDH-sha512kdf", Oid("1.3.132.1.11.3"), "rfc5753", "sha512"),
)
KEY_AGREEMENT_BY_OID: dict[Oid, KeyAgreement] = {row.oid: row for row in KEY_AGREEMENTS}
KEY_AGREEMENT_TO_SEND: dict[tuple[str, str], KeyAgreement] = {(row.profile, row.digest): row for row in KEY_AGREEMENTS}


class KeyWrap(NamedTuple):
    """Name one AES key wrap and the length of its key."""

    name: str
    oid: Oid
    key_octets: int


KEY_WRAPS: tuple[KeyWrap, ...] = (
    KeyWrap("id-aes128-wrap", Oid("2.16.840.1.101.3.4.1.5"), 16),
    KeyWrap("id-aes192-wrap", Oid("2.16.840.1.101.3.4.1.25"), 24),
    KeyWrap("id-aes256-wrap", Oid("2.16.840.1.101.3.4.1.45"), 32),
)
KEY_WRAP_BY_OID: dict[Oid, KeyWrap] = {row.oid: row for row in KEY_WRAPS}
KEY_WRAP_BY_OCTETS: dict[int, KeyWrap] = {row.key_octets: row for row in KEY_WRAPS}


class ContentCipher(NamedTuple):
    """Name one authenticated content cipher; `material_octets` is the length of what is wrapped for the recipient."""

    name: str
    oid: Oid
    mode: Literal["gcm", "cbc-cmac"]
    key_octets: int
    material_octets: int


CONTENT_CIPHERS: dict[str, ContentCipher] = {
    row.name: row
    for row in (
        ContentCipher("aes128-gcm", Oid("2.16.840.1.101.3.4.1.6"), "gcm", 16, 16),
        ContentCipher("aes192-gcm", Oid("2.16.840.1.101.3.4.1.26"), "gcm", 24, 24),
        ContentCipher("aes256-gcm", Oid("2.16.840.1.101.3.4.1.46"), "gcm", 32, 32),
        ContentCipher("aes128-cbc-cmac", Oid("0.4.0.127.0.7.1.3.1.1.2"), "cbc-cmac", 16, 32),
        ContentCipher("aes192-cbc-cmac", Oid("0.4.0.127.0.7.1.3.1.1.3"), "cbc-cmac", 24, 48),
        ContentCipher("aes256-cbc-cmac", Oid("0.4.0.127.0.7.1.3.1.1.4"), "cbc-cmac", 32, 64),
    )
}
CONTENT_CIPHER_BY_OID: dict[Oid, ContentCipher] = {row.oid: row for row in CONTENT_CIPHERS.values()}

NONCE_OCTETS = 12
BLOCK_OCTETS = 16
MAC_OCTETS = 16

SHARED_INFO_ATTEMPTS: tuple[SharedInfoForm, ...] = ("rfc5753", "rfc5753-null", "empty")
"""The receiver's order of attempts; the key wrap's own integrity check tells the right one."""


class Acceptance(NamedTuple):
    """State what a receiver takes of a message's outer form; whatever it takes, it verifies in full.

    `null_parameters` lets a digestAlgorithm have NULL for absent ones; `optional_attributes` may be signed beside the two
    that must be.
    """

    signer_by_issuer: bool
    null_parameters: bool
    optional_attributes: frozenset[Oid]


ACCEPTANCE: dict[str, Acceptance] = {
    "tr": Acceptance(signer_by_issuer=False, null_parameters=False, optional_attributes=frozenset()),
    "rfc5753": Acceptance(
        signer_by_issuer=True,
        null_parameters=True,
        optional_attributes=frozenset({ID_SIGNING_TIME, ID_SMIME_CAPABILITIES, ID_ALGORITHM_PROTECTION}),
    ),
}

MAX_MESSAGE_OCTETS = 16 * 1024 * 1024
MAX_RECIPIENTS = 16

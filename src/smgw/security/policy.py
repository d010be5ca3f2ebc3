"""The crypto policy as data: which curve, hash, suite and group is allowed for what, and in which years.

A change of algorithm is a change of this table, never of code (SEC-04). `docs/crypto-policy.md` is generated from it.
Source: BSI TR-03116-3 "Stand 2025" as summarised in 20-wan-crypto-pki 4.1 to 4.4.
"""

from enum import StrEnum
from typing import NamedTuple

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from smgw.core.errors import SecurityFault, UsageError


class Use(StrEnum):
    """Name what an algorithm is used for."""

    ROOT = "root"
    """Root authority and its CRL signer."""
    SUB_CA = "sub-ca"
    END_ENTITY = "end-entity"
    """TLS, SIG and ENC keys of the SM-PKI's end entities."""
    HAN = "han"
    """TLS keys of the home network, read by browsers too."""
    LMN = "lmn"


class CurveRule(NamedTuple):
    """Allow a curve for a use from a year to a year (both included); `last_year` None means no end is set ("2030+")."""

    use: Use
    curve: str
    first_year: int
    last_year: int | None


CURVES: dict[str, type[ec.EllipticCurve]] = {
    "brainpoolP256r1": ec.BrainpoolP256R1,
    "brainpoolP384r1": ec.BrainpoolP384R1,
    "brainpoolP512r1": ec.BrainpoolP512R1,
    "secp256r1": ec.SECP256R1,
    "secp384r1": ec.SECP384R1,
}
"""Curve name of the field -> curve; nothing else is ever generated or accepted."""

CURVE_RULES: tuple[CurveRule, ...] = (
    CurveRule(Use.ROOT, "brainpoolP512r1", 2025, None),
    CurveRule(Use.ROOT, "brainpoolP384r1", 2015, 2025),
    CurveRule(Use.SUB_CA, "brainpoolP384r1", 2025, None),
    CurveRule(Use.SUB_CA, "brainpoolP256r1", 2015, 2025),
    CurveRule(Use.END_ENTITY, "brainpoolP256r1", 2015, None),
    CurveRule(Use.END_ENTITY, "brainpoolP384r1", 2026, None),
    CurveRule(Use.HAN, "secp384r1", 2015, None),
    CurveRule(Use.HAN, "secp256r1", 2015, None),
    CurveRule(Use.HAN, "brainpoolP256r1", 2015, None),
    CurveRule(Use.HAN, "brainpoolP384r1", 2015, None),
    CurveRule(Use.HAN, "brainpoolP512r1", 2015, None),
    CurveRule(Use.LMN, "brainpoolP256r1", 2015, None),
    CurveRule(Use.LMN, "secp256r1", 2015, None),
    CurveRule(Use.LMN, "brainpoolP384r1", 2015, None),
    CurveRule(Use.LMN, "secp384r1", 2015, None),
    CurveRule(Use.LMN, "brainpoolP512r1", 2015, None),
)
"""For one use the preferred rule stands first. That end entities may move to brainpoolP384r1 is our choice, so that a fleet can be switched
before it must be; to switch, exchange the two rows or end the first."""

SignatureHash = hashes.SHA256 | hashes.SHA384 | hashes.SHA512

SIGNATURE_HASHES: dict[str, type[SignatureHash]] = {
    "brainpoolP256r1": hashes.SHA256,
    "secp256r1": hashes.SHA256,
    "brainpoolP384r1": hashes.SHA384,
    "secp384r1": hashes.SHA384,
    "brainpoolP512r1": hashes.SHA512,
}
"""Curve of the signing key -> hash of certificate, CRL and request signatures."""

DIGEST_HASHES: dict[int, type[SignatureHash]] = {32: hashes.SHA256, 48: hashes.SHA384, 64: hashes.SHA512}
"""Length of a digest in octets -> its hash."""

TLS12_SUITES: tuple[str, ...] = (
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-AES128-SHA256",
    "ECDHE-ECDSA-AES256-SHA384",
)
"""The four suites of TLS 1.2 in OpenSSL's spelling, GCM first, the two MUST suites before their SHOULD companions."""

TLS12_SIGNATURES: tuple[str, ...] = ("ECDSA+SHA256", "ECDSA+SHA384", "ECDSA+SHA512")

WAN_GROUPS: tuple[str, ...] = ("brainpoolP256r1", "brainpoolP384r1", "brainpoolP512r1", "secp256r1", "secp384r1")
"""Groups of TLS at the WAN, in the order of preference."""

HAN_GROUPS: tuple[str, ...] = ("secp384r1", "secp256r1")
"""Groups of TLS at the HAN: browsers know no brainpool curve."""

TLS_SESSION_LIMIT_S = 48 * 3600
"""A TLS session, resumptions included, ends after this many seconds at the latest."""

TLS_CLOSE_LIMIT_S = 20
"""A TLS connection is closed within this many seconds."""


def curve_named(name: str) -> ec.EllipticCurve:
    """Give the curve of that name. Raises: UsageError module.curve for one outside the policy."""
    if name not in CURVES:
        raise UsageError("module.curve", name[:40])
    return CURVES[name]()


def curve_name(key: ec.EllipticCurvePublicKey) -> str:
    """Give the policy's name of a key's curve. Raises: SecurityFault pki.curve for one outside the policy."""
    for name, curve in CURVES.items():
        if isinstance(key.curve, curve):
            return name
    raise SecurityFault("pki.curve", key.curve.name)


def require_curve(curve: str, use: Use, year: int) -> None:
    """Demand that a curve is allowed for a use in a year. Raises: SecurityFault pki.curve."""
    for rule in CURVE_RULES:
        if rule.use is use and rule.curve == curve and rule.first_year <= year <= (rule.last_year or year):
            return
    raise SecurityFault("pki.curve", f"{curve} for {use} in {year}")


def preferred_curve(use: Use, year: int) -> str:
    """Give the curve to make new keys on. Raises: UsageError module.curve where the table has none for that year."""
    for rule in CURVE_RULES:
        if rule.use is use and rule.first_year <= year <= (rule.last_year or year):
            return rule.curve
    raise UsageError("module.curve", f"{use} in {year}")


def signature_hash(curve: str) -> SignatureHash:
    """Give the hash that goes with signatures of keys on a curve. Raises: UsageError module.curve."""
    if curve not in SIGNATURE_HASHES:
        raise UsageError("module.curve", curve[:40])
    return SIGNATURE_HASHES[curve]()


def require_signature_hash(algorithm: hashes.HashAlgorithm | None, signer: ec.EllipticCurvePublicKey) -> None:
    """Demand the hash that goes with the signer's curve. Raises: SecurityFault pki.hash, pki.curve."""
    if algorithm is None or not isinstance(algorithm, SIGNATURE_HASHES[curve_name(signer)]):
        raise SecurityFault("pki.hash", algorithm.name if algorithm else "none")


def digest_hash(digest: bytes) -> SignatureHash:
    """Tell the hash of a digest by its length. Raises: UsageError module.digest."""
    if len(digest) not in DIGEST_HASHES:
        raise UsageError("module.digest", f"{len(digest)} octets")
    return DIGEST_HASHES[len(digest)]()

"""Two parties for the tests of content protection: keys in a software module, certificates from a throw-away authority."""

import atexit
import datetime
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from smgw.codec.cms.algorithms import CURVES
from smgw.security.content import Credential, SignerClaim
from smgw.security.software import SoftwareModule

CURVE_NAMES = tuple(CURVES)
NOT_BEFORE = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
NOT_AFTER = datetime.datetime(2027, 12, 31, tzinfo=datetime.UTC)

_USAGES = (
    "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
    "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
)  # fmt: skip


class Parties(NamedTuple):
    """Hold sender and receiver on one curve; `stranger` is a third party with both key usages."""

    module: SoftwareModule
    signer: Credential
    recipient: Credential
    stranger: Credential

    def trust(self, claim: SignerClaim) -> x509.Certificate:
        """Resolve every claim to the sender's pinned certificate."""
        return self.signer.certificate


def certificate(
    public_key: ec.EllipticCurvePublicKey, common_name: str, *usages: str, with_key_id: bool = True, serial_number: int = 0x5A17
) -> x509.Certificate:
    """Issue a certificate for a public key by an authority that nobody needs afterwards."""
    issuer = x509.Name(
        [x509.NameAttribute(NameOID.COMMON_NAME, "Test.CA"), x509.NameAttribute(NameOID.ORGANIZATION_NAME, "SM-Test-PKI-DE")]
    )
    subject = x509.Name(
        [x509.NameAttribute(NameOID.COMMON_NAME, common_name), x509.NameAttribute(NameOID.ORGANIZATION_NAME, "SM-Test-PKI-DE")]
    )
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(serial_number)
        .not_valid_before(NOT_BEFORE)
        .not_valid_after(NOT_AFTER)
        .add_extension(x509.KeyUsage(**{usage: usage in usages for usage in _USAGES}), critical=True)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    )
    if with_key_id:
        builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    return builder.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())


@lru_cache(maxsize=1)
def _module() -> SoftwareModule:
    directory = TemporaryDirectory()
    atexit.register(directory.cleanup)
    return SoftwareModule.create(Path(directory.name) / "keys", b"a secret of the tests")


def parties(curve: str = "secp256r1") -> Parties:
    """Give the two parties on a curve, made once for the whole test run."""
    return _parties(curve)


@lru_cache(maxsize=8)
def _parties(curve: str) -> Parties:
    module = _module()

    def credential(role: str, serial_number: int, *usages: str) -> Credential:
        name = f"{role} {curve}"
        public_key = module.generate(name, curve)
        return Credential(certificate(public_key, f"{role}.EMT", *usages, serial_number=serial_number), name)

    return Parties(
        module,
        credential("signer", 0x5A17, "digital_signature"),
        credential("recipient", 0x5A18, "key_agreement"),
        credential("stranger", 0x5A19, "digital_signature", "key_agreement"),
    )


def revocation_list() -> bytes:
    """Issue a revocation list with one entry, number 7; DER."""
    revoked = (
        x509.RevokedCertificateBuilder()
        .serial_number(0x5A17)
        .revocation_date(NOT_BEFORE)
        .add_extension(x509.CRLReason(x509.ReasonFlags.key_compromise), critical=False)
        .build()
    )
    return (
        x509.CertificateRevocationListBuilder()
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test.CA")]))
        .last_update(NOT_BEFORE)
        .next_update(NOT_AFTER)
        .add_revoked_certificate(revoked)
        .add_extension(x509.CRLNumber(7), critical=False)
        .sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
        .public_bytes(Encoding.DER)
    )

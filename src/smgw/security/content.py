"""Content protection by recipe: one safe way to seal for a recipient and to open what arrived.

Sealing is compress, encrypt, sign; opening is verify, decrypt, decompress. The formats are in `smgw.codec.cms`, the private
keys in the security module, the trust decision in the caller's resolver (see `smgw.pki`).
Source: 20-wan-crypto-pki 1.6; WAN-03; SEC-03.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from smgw.codec.cms import algorithms as table
from smgw.codec.cms import authenveloped, compressed, der, signed
from smgw.core.errors import CertificateRejected, DecodeFault
from smgw.security.module import SecurityModule

MAX_CONTENT_OCTETS = table.MAX_MESSAGE_OCTETS


class Credential(NamedTuple):
    """Name one of our key pairs in the security module by its certificate and key name."""

    certificate: x509.Certificate
    key_name: str


class SignerClaim(NamedTuple):
    """Say who a message claims to be signed by; nothing of it is verified.

    `key_id` is the claimed subject key identifier; None when the message names issuer and number (`issuer_and_serial`,
    DER). `certificate` is the one it carries.
    """

    key_id: bytes | None
    issuer_and_serial: bytes | None
    certificate: x509.Certificate | None


SignerResolver = Callable[[SignerClaim], x509.Certificate]
"""Turn a claim into the trusted certificate, its path checked, or raise a PeerFault."""


class OpenedContent(NamedTuple):
    """Hold verified content and the certificate it was verified with."""

    content: bytes
    signer_certificate: x509.Certificate


class VerifiedEnvelope(NamedTuple):
    """Hold what a relay may know of a sealed message: who signed it and for which key identifiers it is encrypted."""

    signer_certificate: x509.Certificate
    recipient_key_ids: tuple[bytes, ...]
    envelope: authenveloped.Envelope


class _Facts(NamedTuple):
    key_id: bytes
    issuer_and_serial: bytes
    certificate: bytes
    public_key: ec.EllipticCurvePublicKey
    curve: table.CurveSuite
    signs: bool
    agrees: bool


def seal(
    content: bytes,
    *,
    module: SecurityModule,
    signer: Credential,
    recipient: x509.Certificate,
    cipher: str = "aes128-gcm",
    oid_profile: table.OidProfile = "tr",
    shared_info: table.SharedInfoForm = "rfc5753",
    compress: bool = False,
    include_certificate: bool = True,
) -> bytes:
    """Encrypt content for the recipient's ENC certificate and sign the result with our SIG key; returns DER.

    `cipher` is a name of CONTENT_CIPHERS. Raises: CertificateRejected cms.key_usage, cms.certificate for a certificate
    that is not meant for this; UsageError cms.choice.
    """
    facts = _encryption_facts(recipient)
    inner = compressed.compress(content) if compress else content
    envelope = authenveloped.encrypt(
        inner,
        recipient=authenveloped.Recipient(facts.key_id, facts.public_key),
        ephemeral=_ephemeral_agreement,
        random=module.random,
        cipher=cipher,
        oid_profile=oid_profile,
        form=shared_info,
        content_type=table.ID_COMPRESSED_DATA if compress else table.ID_DATA,
    )
    return _sign(envelope, table.ID_AUTH_ENVELOPED_DATA, module, signer, include_certificate=include_certificate, detached=False)


def open_content(
    der_message: bytes,
    *,
    module: SecurityModule,
    recipient: Credential,
    signer: SignerResolver,
    accept: str = "tr",
    limit: int = MAX_CONTENT_OCTETS,
) -> OpenedContent:
    """Verify the signature, then decrypt with our ENC key, then decompress where needed.

    `limit` bounds the message and the content after decompression. `accept` names a row of ACCEPTANCE.
    Raises: PeerFault of the codes cms.*, and what the resolver raises.
    """
    verified = verify_only(der_message, signer=signer, accept=accept, limit=limit)
    facts = _encryption_facts(recipient.certificate)
    key = authenveloped.RecipientKey(
        facts.key_id, facts.issuer_and_serial, facts.curve.name, lambda peer: module.ecdh(recipient.key_name, peer)
    )
    opened = authenveloped.decrypt(verified.envelope, key)
    content = opened.content
    if opened.content_type == table.ID_COMPRESSED_DATA:
        content = compressed.decompress(content, limit=limit)
    elif opened.content_type != table.ID_DATA:
        raise DecodeFault("cms.structure", "encrypted content of another type")
    return OpenedContent(content, verified.signer_certificate)


def verify_only(der_message: bytes, *, signer: SignerResolver, accept: str = "tr", limit: int = MAX_CONTENT_OCTETS) -> VerifiedEnvelope:
    """Verify the signature of a sealed message without opening it, as a relay does. Raises: as `open_content`."""
    content, certificate = _verify(der_message, table.ID_AUTH_ENVELOPED_DATA, signer, accept, None, limit)
    envelope = authenveloped.read(content)
    return VerifiedEnvelope(certificate, envelope.recipients, envelope)


def sign_encapsulated(
    content: bytes,
    *,
    module: SecurityModule,
    signer: Credential,
    content_type: x509.ObjectIdentifier = table.ID_DATA,
    include_certificate: bool = True,
) -> bytes:
    """Sign content and carry it inside the message (CMS_ECDSA_SHA256); returns DER."""
    return _sign(content, content_type, module, signer, include_certificate=include_certificate, detached=False)


def verify_encapsulated(
    der_message: bytes,
    *,
    signer: SignerResolver,
    content_type: x509.ObjectIdentifier = table.ID_DATA,
    accept: str = "tr",
    limit: int = MAX_CONTENT_OCTETS,
) -> OpenedContent:
    """Verify a message that carries its content of the given type. Raises: as `open_content`."""
    return OpenedContent(*_verify(der_message, content_type, signer, accept, None, limit))


def sign_detached(content: bytes, *, module: SecurityModule, signer: Credential, include_certificate: bool = True) -> bytes:
    """Sign content that travels beside the message (CMS_ECDSA_SHA256_Detached); returns DER."""
    return _sign(content, table.ID_DATA, module, signer, include_certificate=include_certificate, detached=True)


def verify_detached(
    der_message: bytes, content: bytes, *, signer: SignerResolver, accept: str = "tr", limit: int = MAX_CONTENT_OCTETS
) -> OpenedContent:
    """Verify the message for content that travelled beside it. Raises: as `open_content`."""
    return OpenedContent(*_verify(der_message, table.ID_DATA, signer, accept, content, limit))


def key_identifier(certificate: x509.Certificate) -> bytes:
    """Give the subject key identifier, by which messages name a certificate. Raises: CertificateRejected cms.certificate."""
    return _facts(certificate).key_id


# -------------------------------------------------------------------------------------------------------------- inside


def _sign(
    content: bytes, content_type: table.Oid, module: SecurityModule, signer: Credential, *, include_certificate: bool, detached: bool
) -> bytes:
    facts = _signature_facts(signer.certificate)
    return signed.sign(
        content,
        content_type=content_type,
        key_id=facts.key_id,
        digest=facts.curve.digest,
        sign_digest=lambda digest: module.sign_digest(signer.key_name, digest),
        certificate=facts.certificate if include_certificate else None,
        detached=detached,
    )


def _verify(
    der_message: bytes, content_type: table.Oid, resolver: SignerResolver, accept: str, detached: bytes | None, limit: int
) -> tuple[bytes, x509.Certificate]:
    resolved: list[x509.Certificate] = []

    def trusted_key(claim: signed.SignerClaim) -> signed.SignerKey:
        carried = None if claim.certificate is None else _parse_certificate(claim.certificate)
        certificate = resolver(SignerClaim(claim.key_id, claim.issuer_and_serial, carried))
        facts = _signature_facts(certificate)
        resolved.append(certificate)
        return signed.SignerKey(facts.key_id, facts.issuer_and_serial, facts.certificate, facts.public_key)

    content = signed.verify(der_message, signer=trusted_key, accept=accept, detached_content=detached, limit=limit)
    if content.content_type != content_type:
        raise DecodeFault("cms.structure", "signed content of another type")
    return content.content, resolved[0]


def _parse_certificate(certificate: bytes) -> x509.Certificate:
    """Parse what a message carries; a warning about it counts as a fault where warnings are made errors."""
    try:
        return x509.load_der_x509_certificate(certificate)
    except (ValueError, x509.InvalidVersion, Warning) as error:
        raise DecodeFault("cms.structure", "carried certificate") from error


def _ephemeral_agreement(peer: ec.EllipticCurvePublicKey) -> authenveloped.EphemeralAgreement:
    key = ec.generate_private_key(peer.curve)
    point = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return authenveloped.EphemeralAgreement(point, key.exchange(ec.ECDH(), peer))


def _signature_facts(certificate: x509.Certificate) -> _Facts:
    facts = _facts(certificate)
    if not facts.signs:
        raise CertificateRejected("cms.key_usage", "not a signature certificate")
    return facts


def _encryption_facts(certificate: x509.Certificate) -> _Facts:
    facts = _facts(certificate)
    if not facts.agrees:
        raise CertificateRejected("cms.key_usage", "not an encryption certificate")
    return facts


@functools.lru_cache(maxsize=1024)
def _facts(certificate: x509.Certificate) -> _Facts:
    """Read what content protection needs of a trusted certificate; remembered, for the same few come again and again."""
    try:
        key_id = certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
        public_key = certificate.public_key()
        name = certificate.issuer.public_bytes()
        serial_number = asn1.encode_der(certificate.serial_number)
    except (ValueError, x509.ExtensionNotFound, x509.DuplicateExtension, UnsupportedAlgorithm, Warning) as error:
        raise CertificateRejected("cms.certificate") from error
    curve = table.CURVES.get(public_key.curve.name) if isinstance(public_key, ec.EllipticCurvePublicKey) else None
    if curve is None:
        raise CertificateRejected("cms.certificate", "not a key on a curve of the profile")
    assert isinstance(public_key, ec.EllipticCurvePublicKey)
    return _Facts(
        key_id,
        der.tlv(der.SEQUENCE, name, serial_number),
        certificate.public_bytes(Encoding.DER),
        public_key,
        curve,
        signs=usage.digital_signature,
        agrees=usage.key_agreement,
    )

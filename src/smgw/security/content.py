"""Content protection by recipe: one safe way to seal for a recipient and to open what arrived.

Sealing is compress, encrypt, sign; opening is verify, decrypt, decompress. The formats are in `smgw.codec.cms`, the private
keys in the security module, the trust decision in the caller's resolver (see `smgw.pki`).
Source: 20-wan-crypto-pki 1.6; WAN-03; SEC-03.
"""

import functools
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, Protocol

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from smgw.codec.cms import algorithms as table
from smgw.codec.cms import authenveloped, compressed, signed
from smgw.codec.cms.party import Party, party_of
from smgw.codec.cms.signed import SignerClaim
from smgw.core.errors import CertificateRejected, DecodeFault

__all__ = [
    "ContentKeys",
    "Credential",
    "OpenedContent",
    "SignerClaim",
    "SignerResolver",
    "VerifiedEnvelope",
    "decrypt_envelope",
    "encrypt_envelope",
    "key_identifier",
    "open_content",
    "seal",
    "sign_detached",
    "sign_detached_chunks",
    "sign_encapsulated",
    "verify_detached",
    "verify_detached_chunks",
    "verify_encapsulated",
    "verify_only",
]

MAX_CONTENT_OCTETS = table.MAX_MESSAGE_OCTETS


class Credential(NamedTuple):
    """Name one of our key pairs in the security module by its certificate and key name."""

    certificate: x509.Certificate
    key_name: str


class ContentKeys(Protocol):
    """Use keys for content: the part of a security module that is needed here."""

    def sign_digest(self, name: str, digest: bytes) -> bytes:
        """Sign a digest with ECDSA; returns DER (r, s)."""

    def ecdh(self, name: str, peer: ec.EllipticCurvePublicKey) -> bytes:
        """Give the shared x-coordinate at the curve's full length."""

    def random(self, count: int) -> bytes:
        """Give unpredictable octets."""


SignerResolver = Callable[[SignerClaim], x509.Certificate]
"""Turn a claim into the trusted certificate, its path checked, or raise a PeerFault."""


class OpenedContent(NamedTuple):
    """Hold verified content and the certificate it was verified with."""

    content: bytes
    signer_certificate: x509.Certificate


class VerifiedEnvelope(NamedTuple):
    """Hold what a relay may know of a sealed message: who signed it, and the envelope it can't open."""

    signer_certificate: x509.Certificate
    envelope: authenveloped.Envelope

    @property
    def recipient_key_ids(self) -> tuple[bytes, ...]:
        """List the key identifiers of the certificates that the content is encrypted for."""
        return tuple(key.recipient for key in self.envelope.wrapped_keys if key.by_key_id)


def seal(
    content: bytes,
    *,
    module: ContentKeys,
    signer: Credential,
    recipient: x509.Certificate,
    cipher: str = "aes128-gcm",
    oid_profile: table.OidProfile = "tr",
    shared_info: table.SharedInfoForm = "rfc5753",
    compress: bool = False,
    include_certificate: bool = True,
    others: Iterable[x509.Certificate] = (),
) -> bytes:
    """Encrypt content for the recipient's ENC certificate and sign the result with our SIG key; returns DER.

    `cipher` is a name of CONTENT_CIPHERS, `others` are further certificates that travel along.
    Raises: CertificateRejected cms.key_usage, cms.certificate for a certificate
    that is not meant for this; UsageError cms.choice.
    """
    envelope = encrypt_envelope(
        content, module=module, recipient=recipient, cipher=cipher, oid_profile=oid_profile, shared_info=shared_info, compress=compress
    )
    carried = [_party(one).encoded for one in others]
    return _sign(
        envelope,
        table.ID_AUTH_ENVELOPED_DATA,
        module,
        signer,
        include_certificate=include_certificate,
        detached=False,
        others=carried,
    )


def encrypt_envelope(
    content: bytes,
    *,
    module: ContentKeys,
    recipient: x509.Certificate,
    cipher: str = "aes128-gcm",
    oid_profile: table.OidProfile = "tr",
    shared_info: table.SharedInfoForm = "rfc5753",
    compress: bool = False,
) -> bytes:
    """Encrypt content as `seal` does, but sign nothing: whoever reads it doesn't know from whom it is. Returns AuthEnvelopedData, DER."""
    return authenveloped.encrypt(
        compressed.compress(content) if compress else content,
        recipient=_encryption_party(recipient),
        ephemeral=_ephemeral_agreement,
        random=module.random,
        cipher=cipher,
        oid_profile=oid_profile,
        form=shared_info,
        content_type=table.ID_COMPRESSED_DATA if compress else table.ID_DATA,
    )


def decrypt_envelope(
    envelope: authenveloped.Envelope, *, module: ContentKeys, recipient: Credential, limit: int = MAX_CONTENT_OCTETS
) -> bytes:
    """Decrypt what was encrypted for us, and decompress where needed; who encrypted it is not known. Raises: PeerFault cms.*."""
    party = _encryption_party(recipient.certificate)
    content = authenveloped.decrypt(envelope, party, lambda peer: module.ecdh(recipient.key_name, peer))
    if envelope.content_type == table.ID_COMPRESSED_DATA:
        return compressed.decompress(content, limit=limit)
    if envelope.content_type != table.ID_DATA:
        raise DecodeFault("cms.structure", "encrypted content of another type")
    return content


def open_content(
    der_message: bytes,
    *,
    module: ContentKeys,
    recipient: Credential,
    signer: SignerResolver,
    accept: str = "tr",
    limit: int = MAX_CONTENT_OCTETS,
) -> OpenedContent:
    """Verify the signature, then decrypt with our ENC key, then decompress where needed.

    `limit` bounds the message and the content after decompression. `accept` names a row of ACCEPTANCE.
    Raises: PeerFault of the codes cms.*, and what the resolver raises.
    """
    message = _verify(der_message, table.ID_AUTH_ENVELOPED_DATA, signer, accept, None, limit)
    content = decrypt_envelope(authenveloped.read(message.content), module=module, recipient=recipient, limit=limit)
    return OpenedContent(content, message.signer.certificate)


def verify_only(der_message: bytes, *, signer: SignerResolver, accept: str = "tr", limit: int = MAX_CONTENT_OCTETS) -> VerifiedEnvelope:
    """Verify the signature of a sealed message without opening it, as a relay does. Raises: as `open_content`."""
    message = _verify(der_message, table.ID_AUTH_ENVELOPED_DATA, signer, accept, None, limit)
    return VerifiedEnvelope(message.signer.certificate, authenveloped.read(message.content))


def sign_encapsulated(
    content: bytes,
    *,
    module: ContentKeys,
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
    message = _verify(der_message, content_type, signer, accept, None, limit)
    return OpenedContent(message.content, message.signer.certificate)


def verify_envelope(der_message: bytes, *, signer: SignerResolver, limit: int = MAX_CONTENT_OCTETS) -> OpenedContent:
    """Verify the signature of a sealed message and give the still encrypted content, AuthEnvelopedData in DER.

    Raises: as `open_content`.
    """
    return verify_encapsulated(der_message, signer=signer, content_type=table.ID_AUTH_ENVELOPED_DATA, limit=limit)


def sign_envelope(envelope: bytes, *, module: ContentKeys, signer: Credential) -> bytes:
    """Sign what `verify_envelope` gave, as who passes it on does; returns a sealed message in DER."""
    return sign_encapsulated(envelope, module=module, signer=signer, content_type=table.ID_AUTH_ENVELOPED_DATA)


def sign_detached(content: bytes, *, module: ContentKeys, signer: Credential, include_certificate: bool = True) -> bytes:
    """Sign content that travels beside the message (CMS_ECDSA_SHA256_Detached); returns DER."""
    return _sign(content, table.ID_DATA, module, signer, include_certificate=include_certificate, detached=True)


def sign_detached_chunks(
    chunks: Callable[[], Iterable[bytes]], *, module: ContentKeys, signer: Credential, include_certificate: bool = True
) -> bytes:
    """Sign content of any size that travels beside the message, read piece by piece; returns the same DER as `sign_detached`."""
    return signed.sign_by_digest(
        _digest_of(chunks),
        content_type=table.ID_DATA,
        signer=_signing_party(signer.certificate),
        sign_digest=lambda digest: module.sign_digest(signer.key_name, digest),
        include_certificate=include_certificate,
    )


def verify_detached_chunks(
    der_message: bytes, chunks: Callable[[], Iterable[bytes]], *, signer: SignerResolver, accept: str = "tr"
) -> x509.Certificate:
    """Verify the message for content of any size, read piece by piece; gives the certificate it was verified with.

    Raises: as `open_content`.
    """
    message = signed.verify(
        der_message, signer=lambda claim: _signing_party(signer(claim)), accept=accept, detached_digest=_digest_of(chunks)
    )
    if message.content_type != table.ID_DATA:
        raise DecodeFault("cms.structure", "signed content of another type")
    return message.signer.certificate


def verify_detached(
    der_message: bytes, content: bytes, *, signer: SignerResolver, accept: str = "tr", limit: int = MAX_CONTENT_OCTETS
) -> OpenedContent:
    """Verify the message for content that travelled beside it. Raises: as `open_content`."""
    message = _verify(der_message, table.ID_DATA, signer, accept, content, limit)
    return OpenedContent(message.content, message.signer.certificate)


def key_identifier(certificate: x509.Certificate) -> bytes:
    """Give the subject key identifier, by which messages name a certificate. Raises: CertificateRejected cms.certificate."""
    return party_of(certificate).key_id


# -------------------------------------------------------------------------------------------------------------- inside


def _sign(
    content: bytes,
    content_type: table.Oid,
    module: ContentKeys,
    signer: Credential,
    *,
    include_certificate: bool,
    detached: bool,
    others: Sequence[bytes] = (),
) -> bytes:
    return signed.sign(
        content,
        content_type=content_type,
        signer=_signing_party(signer.certificate),
        sign_digest=lambda digest: module.sign_digest(signer.key_name, digest),
        include_certificate=include_certificate,
        detached=detached,
        others=others,
    )


def _verify(
    der_message: bytes, content_type: table.Oid, resolver: SignerResolver, accept: str, detached: bytes | None, limit: int
) -> signed.SignedContent:
    message = signed.verify(
        der_message, signer=lambda claim: _signing_party(resolver(claim)), accept=accept, detached_content=detached, limit=limit
    )
    if message.content_type != content_type:
        raise DecodeFault("cms.structure", f"signed content of another type: {message.content_type.dotted_string[:64]}")
    return message


def _digest_of(chunks: Callable[[], Iterable[bytes]]) -> signed.ContentDigest:
    def digest(row: table.Digest) -> bytes:
        running = row.new(b"")
        for chunk in chunks():
            running.update(chunk)
        return running.digest()

    return digest


def _ephemeral_agreement(peer: ec.EllipticCurvePublicKey) -> authenveloped.EphemeralAgreement:
    key = ec.generate_private_key(peer.curve)
    point = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return authenveloped.EphemeralAgreement(point, key.exchange(ec.ECDH(), peer))


def _signing_party(certificate: x509.Certificate) -> Party:
    party = _party(certificate)
    if not party.may_sign:
        raise CertificateRejected("cms.key_usage", "not a signature certificate")
    return party


def _encryption_party(certificate: x509.Certificate) -> Party:
    party = _party(certificate)
    if not party.may_agree:
        raise CertificateRejected("cms.key_usage", "not an encryption certificate")
    return party


def _party(certificate: x509.Certificate) -> Party:
    """Read a certificate once: the same few come again and again.

    The object is looked up before its value, which takes a hash over the whole certificate. The memory keeps the object
    alive, so no other can have its identity.
    """
    known = _BY_OBJECT.get(id(certificate))
    if known is None:
        if len(_BY_OBJECT) >= _MAX_REMEMBERED:
            _BY_OBJECT.clear()
        known = _BY_OBJECT[id(certificate)] = (certificate, _party_by_value(certificate))
    return known[1]


_MAX_REMEMBERED = 1024
_BY_OBJECT: dict[int, tuple[x509.Certificate, Party]] = {}
_party_by_value = functools.lru_cache(maxsize=_MAX_REMEMBERED)(party_of)

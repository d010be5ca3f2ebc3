"""SignedData: sign content, encapsulated or detached, and verify it against a certificate that the caller trusts.

The signature covers content type and digest through the signed attributes, which must be there: without them signed
content could be taken for a set of attributes. Everything the signature does not cover is compared with what it must be.
Source: 20-wan-crypto-pki 1.6, 9 (security note); RFC 5652 5; WAN-03.
"""

import functools
from collections.abc import Callable, Sequence
from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat import asn1

from smgw.codec.cms import algorithms as table
from smgw.codec.cms import der
from smgw.codec.cms.party import Party, party_of
from smgw.codec.cms.structures import (
    EncapsulatedContentInfo,
    SignedContentInfo,
    SignedData,
    SignerInfo,
    attribute_values,
    decode,
    elements,
)
from smgw.core.errors import CertificateRejected, DecodeFault, LimitFault, SecurityFault, UsageError


class SignerClaim(NamedTuple):
    """Say who a message claims to be signed by, before anything is verified.

    `key_id` is the claimed subject key identifier; it is None where the message names issuer and number instead
    (`issuer_and_serial`, DER). `certificate_der` is the certificate that travels along.
    """

    key_id: bytes | None
    issuer_and_serial: bytes | None
    certificate_der: bytes | None
    others_der: tuple[bytes, ...] = ()
    """Further certificates that travel along, at most seven; nothing is known of them yet."""

    @property
    def others(self) -> tuple[x509.Certificate, ...]:
        """Parse the further certificates. Raises: DecodeFault cms.structure."""
        return tuple(_parse(one) for one in self.others_der)

    @property
    def certificate(self) -> x509.Certificate | None:
        """Parse the certificate that travels along. Raises: DecodeFault cms.structure."""
        return None if self.certificate_der is None else _parse(self.certificate_der)


def _parse(encoded: bytes) -> x509.Certificate:
    try:
        return x509.load_der_x509_certificate(encoded)
    except (ValueError, x509.InvalidVersion, Warning) as error:
        raise DecodeFault("cms.structure", "carried certificate") from error


MAX_CARRIED = 8
"""Certificates that a message carries at most."""

ContentDigest = Callable[[table.Digest], bytes]
"""Give the digest of content that is too large to be held, by the hash that the signature asks for."""


class SignedContent(NamedTuple):
    """Hold content whose signature was verified, and by whom; detached content is the one that was given."""

    content_type: table.Oid
    content: bytes
    signer: Party


def sign(
    content: bytes,
    *,
    content_type: table.Oid,
    signer: Party,
    sign_digest: Callable[[bytes], bytes],
    include_certificate: bool = True,
    detached: bool = False,
    others: Sequence[bytes] = (),
) -> bytes:
    """Sign content; returns the DER of ContentInfo(SignedData).

    `sign_digest` turns a digest into a DER ECDSA signature; the digest is the one that goes with the signer's curve.
    Detached content is not part of the result. `others` are further certificates (DER) that travel along with the signer's.
    """
    encapsulated = b"" if detached else der.context(0, der.tlv(der.OCTET_STRING, content))
    return _sign(lambda row: row.new(content).digest(), encapsulated, content_type, signer, sign_digest, include_certificate, others)


def sign_by_digest(
    content_digest: ContentDigest,
    *,
    content_type: table.Oid,
    signer: Party,
    sign_digest: Callable[[bytes], bytes],
    include_certificate: bool = True,
) -> bytes:
    """Sign detached content of which only the digest is taken; returns the same DER as `sign` does."""
    return _sign(content_digest, b"", content_type, signer, sign_digest, include_certificate)


def _sign(
    content_digest: ContentDigest,
    encapsulated: bytes,
    content_type: table.Oid,
    signer: Party,
    sign_digest: Callable[[bytes], bytes],
    include_certificate: bool,
    others: Sequence[bytes] = (),
) -> bytes:
    row = table.DIGESTS[signer.curve.digest]
    attributes = _signed_attributes(content_type, content_digest(row))
    signature = sign_digest(row.new(attributes).digest())
    signer_info = der.tlv(
        der.SEQUENCE,
        _signer_head(signer.key_id, row.name),
        b"\xa0",
        attributes[1:],
        der.algorithm(row.ecdsa_oid),
        der.tlv(der.OCTET_STRING, signature),
    )
    signed_data = der.tlv(
        der.SEQUENCE,
        der.small_integer(3),
        der.tlv(der.SET, der.algorithm(row.oid)),
        der.tlv(der.SEQUENCE, der.oid(content_type), encapsulated),
        der.context(0, *sorted((signer.encoded, *others))) if include_certificate else b"",
        der.tlv(der.SET, signer_info),
    )
    return der.tlv(der.SEQUENCE, der.oid(table.ID_SIGNED_DATA), der.context(0, signed_data))


@functools.lru_cache(maxsize=256)
def _signer_head(key_id: bytes, digest: str) -> bytes:
    return der.small_integer(3) + der.tlv(0x80, key_id) + der.algorithm(table.DIGESTS[digest].oid)


@functools.lru_cache(maxsize=256)
def _attributes_template(content_type: table.Oid, digest_octets: int) -> tuple[bytes, bytes]:
    """Build the two attributes of the profile around the digest."""
    digest_attribute = der.attribute(table.ID_MESSAGE_DIGEST, der.tlv(der.OCTET_STRING, bytes(digest_octets)))
    whole = der.set_of(der.SET, der.attribute(table.ID_CONTENT_TYPE, der.oid(content_type)), digest_attribute)
    end = whole.index(digest_attribute) + len(digest_attribute)
    return whole[: end - digest_octets], whole[end:]


def _signed_attributes(content_type: table.Oid, content_digest: bytes) -> bytes:
    """Build the two attributes of the profile as they are signed, a SET OF."""
    before, after = _attributes_template(content_type, len(content_digest))
    return before + content_digest + after


def read(data: bytes, *, limit: int = table.MAX_MESSAGE_OCTETS) -> SignedData:
    """Read ContentInfo(SignedData) without verifying anything. Raises: DecodeFault cms.structure, LimitFault cms.size."""
    if len(data) > limit:
        raise LimitFault("cms.size", f"{len(data)} octets, at most {limit}")
    info = decode(SignedContentInfo, data)
    if info.content_type != table.ID_SIGNED_DATA:
        raise DecodeFault("cms.structure", "ContentInfo of another type")
    return info.content


def claim_of(signed_data: SignedData) -> SignerClaim:
    """Give the one signer's claim. Raises: DecodeFault cms.structure when there is not exactly one signer."""
    return _claim(signed_data, _only_signer(signed_data))


def verify(
    data: bytes,
    *,
    signer: Callable[[SignerClaim], Party],
    accept: str = "tr",
    detached_content: bytes | None = None,
    detached_digest: ContentDigest | None = None,
    limit: int = table.MAX_MESSAGE_OCTETS,
) -> SignedContent:
    """Verify ContentInfo(SignedData) with exactly one signer.

    `signer` turns the claim into the trusted party or raises. `accept` names a row of ACCEPTANCE.
    `detached_content`, or its digest, must be given exactly when the message holds no content; by digest, empty content is given back.
    Raises: DecodeFault cms.structure, SecurityFault cms.algorithm, SecurityFault cms.signature, LimitFault cms.size;
    UsageError cms.choice for an unknown `accept`.
    """
    rules = table.ACCEPTANCE.get(accept)
    if rules is None:
        raise UsageError("cms.choice", accept)
    signed_data = read(data, limit=limit)
    signer_info = _only_signer(signed_data)
    claim = _claim(signed_data, signer_info)
    digest = _checked_digest(signed_data, signer_info, claim, rules)
    content_type = signed_data.encapsulated_content_info.content_type
    content = _content(signed_data.encapsulated_content_info, detached_content if detached_digest is None else b"")
    signed_octets = asn1.encode_der(signer_info.signed_attrs)
    content_digest = digest.new(content).digest() if detached_digest is None else detached_digest(digest)
    if signed_octets != _signed_attributes(content_type, content_digest):
        _check_wider_attributes(signer_info, content_type, content_digest, rules)

    party = signer(claim)
    named = claim.key_id == party.key_id if claim.key_id is not None else claim.issuer_and_serial == party.issuer_and_serial
    if not named or claim.certificate_der not in (None, party.encoded):
        raise SecurityFault("cms.signature")
    try:
        party.public_key.verify(signer_info.signature, digest.new(signed_octets).digest(), digest.ecdsa_prehashed)
    except InvalidSignature as error:
        raise SecurityFault("cms.signature") from error
    return SignedContent(content_type, content, party)


def _only_signer(signed_data: SignedData) -> SignerInfo:
    signer_infos = signed_data.signer_infos.as_list()
    if len(signer_infos) != 1:
        raise DecodeFault("cms.structure", "not exactly one signer")
    return signer_infos[0]


def _claim(signed_data: SignedData, signer_info: SignerInfo) -> SignerClaim:
    carried = elements(signed_data.certificates)
    is_set = 1 <= len(carried) <= MAX_CARRIED and all(one[0] == der.SEQUENCE for one in carried)
    if signed_data.certificates is not None and not is_set:
        raise DecodeFault("cms.structure", "not one to eight X.509 certificates")
    sid = signer_info.sid
    name = sid if isinstance(sid, bytes) else asn1.encode_der(sid)
    own = carried if len(carried) <= 1 else [one for one in carried if name in _names_of(one)]
    if len(carried) > 1 and len(own) != 1:
        raise DecodeFault("cms.structure", "not exactly one certificate of the signer")
    certificate = own[0] if own else None
    others = tuple(one for one in carried if one is not certificate)
    if isinstance(sid, bytes):
        return SignerClaim(sid, None, certificate, others)
    return SignerClaim(None, name, certificate, others)


def _names_of(encoded: bytes) -> tuple[bytes, bytes]:
    """Give what a signer can be named by. Raises: DecodeFault cms.structure."""
    try:
        party = party_of(_parse(encoded))
    except CertificateRejected as error:
        raise DecodeFault("cms.structure", "carried certificate") from error
    return party.key_id, party.issuer_and_serial


def _checked_digest(signed_data: SignedData, signer_info: SignerInfo, claim: SignerClaim, rules: table.Acceptance) -> table.Digest:
    """Check the fields that the signature does not cover; gives the digest they agree on."""
    by_key_id = claim.key_id is not None
    if not by_key_id and not rules.signer_by_issuer:
        raise DecodeFault("cms.structure", "signer is not named by key identifier")
    is_data = signed_data.encapsulated_content_info.content_type == table.ID_DATA
    if signed_data.version != (3 if by_key_id or not is_data else 1) or signer_info.version != (3 if by_key_id else 1):
        raise DecodeFault("cms.structure", "version of SignedData or SignerInfo")
    digest = table.DIGEST_BY_OID.get(signer_info.digest_algorithm.algorithm)
    named = signed_data.digest_algorithms.as_list()
    signature = signer_info.signature_algorithm
    if digest is None or len(named) != 1 or named[0].algorithm != digest.oid or signature.algorithm != digest.ecdsa_oid:
        raise SecurityFault("cms.algorithm", "digest or signature")
    for parameters in (named[0].parameters, signer_info.digest_algorithm.parameters):
        if parameters is not None and not (rules.null_parameters and isinstance(parameters, asn1.Null)):
            raise DecodeFault("cms.structure", "digest algorithm parameters")
    if signature.parameters is not None:
        raise DecodeFault("cms.structure", "signature algorithm parameters")
    return digest


def _check_wider_attributes(signer_info: SignerInfo, content_type: table.Oid, content_digest: bytes, rules: table.Acceptance) -> None:
    """Check signed attributes that are not just the two of the profile with the values they should have."""
    found = attribute_values(elements(signer_info.signed_attrs))
    message_digest = found.pop(table.ID_MESSAGE_DIGEST, None)
    if message_digest is None or found.pop(table.ID_CONTENT_TYPE, None) != der.oid(content_type):
        raise DecodeFault("cms.structure", "content type or message digest attribute")
    if not found.keys() <= rules.optional_attributes:
        raise DecodeFault("cms.structure", "signed attributes beyond the profile")
    if message_digest != der.tlv(der.OCTET_STRING, content_digest):
        raise SecurityFault("cms.signature")


def _content(encapsulated: EncapsulatedContentInfo, detached_content: bytes | None) -> bytes:
    if (encapsulated.content is None) == (detached_content is None):
        raise DecodeFault("cms.structure", "content is neither encapsulated nor detached as asked")
    content = encapsulated.content if detached_content is None else detached_content
    assert content is not None
    return content

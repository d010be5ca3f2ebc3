"""SignedData: sign content, encapsulated or detached, and verify it against a certificate that the caller trusts.

The signature covers content type and digest through the signed attributes, which must be there: without them signed
content could be taken for a set of attributes. Everything the signature does not cover is compared with what it must be.
Source: 20-wan-crypto-pki 1.6, 9 (security note); RFC 5652 5; WAN-03.
"""

import hmac
from collections.abc import Callable
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives.asymmetric import ec

from smgw.codec.cms import algorithms as table
from smgw.codec.cms import der
from smgw.codec.cms.authenveloped import single_values
from smgw.codec.cms.structures import (
    AlgorithmIdentifier,
    EncapsulatedContentInfo,
    SignedContentInfo,
    SignedData,
    SignerInfo,
    decode,
)
from smgw.core.errors import DecodeFault, LimitFault, SecurityFault, UsageError


class SignerClaim(NamedTuple):
    """Say who a message claims to be signed by, before anything is verified.

    `key_id` or `issuer_and_serial` (DER) is what the message names; `certificate` is the DER it carries, unchecked.
    """

    key_id: bytes | None
    issuer_and_serial: bytes | None
    certificate: bytes | None


class SignerKey(NamedTuple):
    """Hold the trusted certificate's parts that a signature is checked against; `certificate` is its DER."""

    key_id: bytes
    issuer_and_serial: bytes
    certificate: bytes
    public_key: ec.EllipticCurvePublicKey


class SignedContent(NamedTuple):
    """Hold content whose signature was verified; detached content is the one that was given."""

    content_type: table.Oid
    content: bytes
    digest: table.Digest


def sign(
    content: bytes,
    *,
    content_type: table.Oid,
    key_id: bytes,
    digest: str,
    sign_digest: Callable[[bytes], bytes],
    certificate: bytes | None = None,
    detached: bool = False,
) -> bytes:
    """Sign content; returns the DER of ContentInfo(SignedData).

    `key_id` is the subject key identifier of the signing certificate, `certificate` its DER when it shall travel along.
    `sign_digest` turns a digest into a DER ECDSA signature. Detached content is not part of the result.
    Raises: UsageError cms.choice for a digest that is not in the table.
    """
    row = table.DIGESTS.get(digest)
    if row is None:
        raise UsageError("cms.choice", digest)
    type_der = der.oid(content_type)
    attributes = der.set_of(
        der.SET,
        der.attribute(table.ID_CONTENT_TYPE, type_der),
        der.attribute(table.ID_MESSAGE_DIGEST, der.tlv(der.OCTET_STRING, row.new(content).digest())),
    )
    signature = sign_digest(row.new(attributes).digest())
    digest_algorithm = der.algorithm(row.oid)
    signer_info = der.tlv(
        der.SEQUENCE,
        der.small_integer(3),
        der.tlv(0x80, key_id),
        digest_algorithm,
        b"\xa0" + attributes[1:],
        der.algorithm(row.ecdsa_oid),
        der.tlv(der.OCTET_STRING, signature),
    )
    signed_data = der.tlv(
        der.SEQUENCE,
        der.small_integer(3),
        der.tlv(der.SET, digest_algorithm),
        der.tlv(der.SEQUENCE, type_der, b"" if detached else der.context(0, der.tlv(der.OCTET_STRING, content))),
        b"" if certificate is None else der.context(0, certificate),
        der.tlv(der.SET, signer_info),
    )
    return der.tlv(der.SEQUENCE, der.oid(table.ID_SIGNED_DATA), der.context(0, signed_data))


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
    sid = _only_signer(signed_data).sid
    carried = [] if signed_data.certificates is None else signed_data.certificates.as_list()
    if signed_data.certificates is not None and len(carried) != 1:
        raise DecodeFault("cms.structure", "not exactly one certificate")
    certificate = asn1.encode_der(carried[0]) if carried else None
    if certificate is not None and certificate[0] != der.SEQUENCE:
        raise DecodeFault("cms.structure", "not an X.509 certificate")
    if isinstance(sid, bytes):
        return SignerClaim(sid, None, certificate)
    return SignerClaim(None, asn1.encode_der(sid), certificate)


def verify(
    data: bytes,
    *,
    signer: Callable[[SignerClaim], SignerKey],
    accept: str = "tr",
    detached_content: bytes | None = None,
    limit: int = table.MAX_MESSAGE_OCTETS,
) -> SignedContent:
    """Verify ContentInfo(SignedData) with exactly one signer.

    `signer` turns the claim into the trusted certificate's parts or raises. `accept` names a row of ACCEPTANCE.
    `detached_content` must be given exactly when the message holds no content.
    Raises: DecodeFault cms.structure, SecurityFault cms.algorithm, SecurityFault cms.signature, LimitFault cms.size.
    """
    signed_data = read(data, limit=limit)
    rules = table.ACCEPTANCE[accept]
    claim = claim_of(signed_data)
    signer_info = _only_signer(signed_data)
    digest = _check_form(signed_data, signer_info, claim, rules)
    attributes = _check_attributes(signed_data, signer_info, rules)
    content = _content(signed_data.encapsulated_content_info, detached_content)

    key = signer(claim)
    named = claim.key_id == key.key_id if claim.key_id is not None else claim.issuer_and_serial == key.issuer_and_serial
    carried = claim.certificate is None or claim.certificate == key.certificate
    same_digest = hmac.compare_digest(attributes, der.tlv(der.OCTET_STRING, digest.new(content).digest()))
    if not (named and carried and same_digest):
        raise SecurityFault("cms.signature")
    signed_octets = asn1.encode_der(signer_info.signed_attrs)
    try:
        key.public_key.verify(signer_info.signature, digest.new(signed_octets).digest(), digest.ecdsa_prehashed)
    except (InvalidSignature, UnsupportedAlgorithm) as error:
        raise SecurityFault("cms.signature") from error
    return SignedContent(signed_data.encapsulated_content_info.content_type, content, digest)


def _only_signer(signed_data: SignedData) -> SignerInfo:
    signer_infos = signed_data.signer_infos.as_list()
    if len(signer_infos) != 1:
        raise DecodeFault("cms.structure", "not exactly one signer")
    return signer_infos[0]


def _check_form(signed_data: SignedData, signer_info: SignerInfo, claim: SignerClaim, rules: table.Acceptance) -> table.Digest:
    by_key_id = claim.key_id is not None
    is_data = signed_data.encapsulated_content_info.content_type == table.ID_DATA
    if not by_key_id and not rules.signer_by_issuer:
        raise DecodeFault("cms.structure", "signer is not named by key identifier")
    if signed_data.version != (3 if by_key_id or not is_data else 1) or signer_info.version != (3 if by_key_id else 1):
        raise DecodeFault("cms.structure", "version of SignedData or SignerInfo")
    named = [algorithm.algorithm for algorithm in signed_data.digest_algorithms.as_list()]
    digest = table.DIGEST_BY_OID.get(signer_info.digest_algorithm.algorithm)
    if digest is None or named != [digest.oid] or signer_info.signature_algorithm.algorithm != digest.ecdsa_oid:
        raise SecurityFault("cms.algorithm", "digest or signature")
    for algorithm in (*signed_data.digest_algorithms.as_list(), signer_info.digest_algorithm):
        _check_parameters(algorithm, rules)
    if signer_info.signature_algorithm.parameters is not None:
        raise DecodeFault("cms.structure", "signature algorithm parameters")
    return digest


def _check_parameters(algorithm: AlgorithmIdentifier, rules: table.Acceptance) -> None:
    if algorithm.parameters is None or (rules.null_parameters and isinstance(algorithm.parameters, asn1.Null)):
        return
    raise DecodeFault("cms.structure", "digest algorithm parameters")


def _check_attributes(signed_data: SignedData, signer_info: SignerInfo, rules: table.Acceptance) -> bytes:
    """Check which attributes are signed; gives the DER of the message digest."""
    found = single_values(signer_info.signed_attrs.as_list())
    content_type = found.pop(table.ID_CONTENT_TYPE, None)
    message_digest = found.pop(table.ID_MESSAGE_DIGEST, None)
    if content_type != der.oid(signed_data.encapsulated_content_info.content_type) or message_digest is None:
        raise DecodeFault("cms.structure", "content type or message digest attribute")
    if not found.keys() <= rules.optional_attributes:
        raise DecodeFault("cms.structure", "signed attributes beyond the profile")
    return message_digest


def _content(encapsulated: EncapsulatedContentInfo, detached_content: bytes | None) -> bytes:
    if (encapsulated.content is None) == (detached_content is None):
        raise DecodeFault("cms.structure", "content is neither encapsulated nor detached as asked")
    content = encapsulated.content if detached_content is None else detached_content
    assert content is not None
    return content

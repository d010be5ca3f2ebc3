"""The ASN.1 structures of CMS, declared for strict DER: one class a SEQUENCE, every field named as in the standard.

Decoding takes canonical DER only, with no byte left over. Choices that the profile excludes have no branch here, so they
fail as malformed: recipients other than by key agreement, revocation lists, unsigned attributes. Attributes and
certificates are kept as they stand (TLV) and compared octet by octet.
Source: RFC 5652, 5083, 5084, 3274, 5753; 20-wan-crypto-pki 1.6.
"""

from typing import Annotated, TypeVar

from cryptography import x509
from cryptography.hazmat import asn1
from cryptography.hazmat.asn1 import TLV, BitString, Explicit, Implicit, Null, SetOf

from smgw.core.errors import DecodeFault

Oid = x509.ObjectIdentifier
Structure = TypeVar("Structure")


@asn1.sequence
class AlgorithmIdentifier:
    """Name an algorithm whose parameters are absent, NULL or a named curve."""

    algorithm: Oid
    parameters: Null | Oid | None


@asn1.sequence
class KeyEncryptionAlgorithm:
    """Name a key agreement and, as its parameter, the key wrap."""

    algorithm: Oid
    parameters: AlgorithmIdentifier


@asn1.sequence
class CipherParameters:
    """Hold GCMParameters or the BSI's CBC-CMAC-Param, which have the same form.

    `mac_octets` is absent where it is the default: 12 for GCM, 16 for CBC-CMAC.
    """

    nonce: bytes
    mac_octets: int | None


@asn1.sequence
class ContentEncryptionAlgorithm:
    """Name a content cipher."""

    algorithm: Oid
    parameters: CipherParameters | None


@asn1.sequence
class OriginatorPublicKey:
    """Hold the sender's ephemeral key as an uncompressed point."""

    algorithm: AlgorithmIdentifier
    public_key: BitString


@asn1.sequence
class IssuerAndSerialNumber:
    """Name a certificate by its issuer and number."""

    issuer: TLV
    serial_number: int


@asn1.sequence
class RecipientKeyIdentifier:
    """Name a certificate by its subject key identifier; `date` and `other` are excluded."""

    subject_key_identifier: bytes


@asn1.sequence
class RecipientEncryptedKey:
    """Hold the content key, wrapped for one recipient."""

    rid: IssuerAndSerialNumber | Annotated[RecipientKeyIdentifier, Implicit(0)]
    encrypted_key: bytes


@asn1.sequence
class KeyAgreeRecipientInfo:
    """Hold what the recipients of one ephemeral key need; user keying material is excluded.

    The originator's second form, a static key named by its identifier, is read only to be refused.
    """

    version: int
    originator: Annotated[Annotated[OriginatorPublicKey, Implicit(1)] | Annotated[bytes, Implicit(0)], Explicit(0)]
    key_encryption_algorithm: KeyEncryptionAlgorithm
    recipient_encrypted_keys: list[RecipientEncryptedKey]


@asn1.sequence
class Attribute:
    """Hold a signed or authenticated attribute that has one value."""

    type: Oid
    values: SetOf[TLV]


@asn1.sequence
class AuthEncryptedContentInfo:
    """Hold the encrypted content and what it is."""

    content_type: Oid
    content_encryption_algorithm: ContentEncryptionAlgorithm
    encrypted_content: Annotated[bytes, Implicit(0)]


@asn1.sequence
class AuthEnvelopedData:
    """Hold encrypted and authenticated content (RFC 5083); unauthenticated attributes are excluded."""

    version: int
    recipient_infos: SetOf[Annotated[KeyAgreeRecipientInfo, Implicit(1)]]
    auth_encrypted_content_info: AuthEncryptedContentInfo
    auth_attrs: Annotated[SetOf[TLV] | None, Implicit(1)]
    mac: bytes


@asn1.sequence
class AuthEnvelopedContentInfo:
    """Hold AuthEnvelopedData under its content type."""

    content_type: Oid
    content: Annotated[AuthEnvelopedData, Explicit(0)]


@asn1.sequence
class AnyContentInfo:
    """Hold a structure of any type, to say what it is."""

    content_type: Oid
    content: Annotated[TLV, Explicit(0)]


@asn1.sequence
class EncapsulatedContentInfo:
    """Hold signed or compressed content; absent content is signed detached."""

    content_type: Oid
    content: Annotated[bytes | None, Explicit(0)]


@asn1.sequence
class CompressedData:
    """Hold compressed content (RFC 3274)."""

    version: int
    compression_algorithm: AlgorithmIdentifier
    encapsulated_content_info: EncapsulatedContentInfo


@asn1.sequence
class SignerInfo:
    """Hold one signature; unsigned attributes are excluded."""

    version: int
    sid: IssuerAndSerialNumber | Annotated[bytes, Implicit(0)]
    digest_algorithm: AlgorithmIdentifier
    signed_attrs: Annotated[SetOf[TLV], Implicit(0)]
    signature_algorithm: AlgorithmIdentifier
    signature: bytes


@asn1.sequence
class SignedData:
    """Hold signed content; revocation lists are excluded."""

    version: int
    digest_algorithms: SetOf[AlgorithmIdentifier]
    encapsulated_content_info: EncapsulatedContentInfo
    certificates: Annotated[SetOf[TLV] | None, Implicit(0)]
    signer_infos: SetOf[SignerInfo]


@asn1.sequence
class SignedContentInfo:
    """Hold SignedData under its content type."""

    content_type: Oid
    content: Annotated[SignedData, Explicit(0)]


def decode(structure: type[Structure], der: bytes) -> Structure:
    """Decode strict DER. Raises: DecodeFault cms.structure."""
    try:
        return asn1.decode_der(structure, der)
    except ValueError as error:
        raise DecodeFault("cms.structure", f"not a {structure.__name__}") from error


def elements(field: SetOf[TLV] | None) -> list[bytes]:
    """Give the encodings in a SET OF that is kept as it stands; nothing where the field is absent."""
    return [] if field is None else [asn1.encode_der(element) for element in field.as_list()]


def attribute_values(attributes: list[bytes]) -> dict[Oid, bytes]:
    """Give the one value of each attribute, as DER, by type.

    Raises: DecodeFault cms.structure for a type that is repeated or that has not exactly one value.
    """
    values: dict[Oid, bytes] = {}
    for encoded in attributes:
        attribute = decode(Attribute, encoded)
        found = elements(attribute.values)
        if attribute.type in values or len(found) != 1:
            raise DecodeFault("cms.structure", "an attribute without exactly one value")
        values[attribute.type] = found[0]
    return values

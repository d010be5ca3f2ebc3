"""Make messages that keep every signature right but break or widen the profile somewhere."""

from collections.abc import Callable
from typing import Any

from cryptography.hazmat import asn1
from cryptography.hazmat.asn1 import TLV, SetOf
from tests.cms_parties import Parties

from smgw.codec.cms import der, party, signed
from smgw.codec.cms.algorithms import DIGEST_BY_OID, ID_CONTENT_TYPE, ID_MESSAGE_DIGEST
from smgw.codec.cms.structures import SignedContentInfo, SignedData, decode
from smgw.security.content import SignerClaim

MESSAGE = b"<report/>" * 9


def as_tlv(encoded: bytes) -> TLV:
    """Take DER as a value that a structure keeps as it stands."""
    return asn1.decode_der(TLV, encoded)


def resigned(people: Parties, message: bytes, change: Callable[[SignedData], Any]) -> bytes:
    """Change a signed message and sign its attributes anew with the signer's key."""
    info = decode(SignedContentInfo, message)
    change(info.content)
    for signer_info in info.content.signer_infos.as_list():
        digest = DIGEST_BY_OID.get(signer_info.digest_algorithm.algorithm, DIGEST_BY_OID[next(iter(DIGEST_BY_OID))])
        octets = asn1.encode_der(signer_info.signed_attrs)
        signer_info.signature = people.module.sign_digest(people.signer.key_name, digest.new(octets).digest())
    return asn1.encode_der(info)


def only_signer(signed_data: SignedData) -> Any:
    """Give the one SignerInfo."""
    return signed_data.signer_infos.as_list()[0]


def set_attributes(signed_data: SignedData, *attributes: bytes) -> None:
    """Replace the signed attributes by these encodings."""
    only_signer(signed_data).signed_attrs = SetOf([as_tlv(attribute) for attribute in attributes])


def profile_attributes(signed_data: SignedData) -> dict[str, bytes]:
    """Give the two attributes that the profile asks for, with their right values."""
    encapsulated = signed_data.encapsulated_content_info
    digest = DIGEST_BY_OID[only_signer(signed_data).digest_algorithm.algorithm].new(encapsulated.content or b"").digest()
    return {
        "type": der.attribute(ID_CONTENT_TYPE, der.oid(encapsulated.content_type)),
        "digest": der.attribute(ID_MESSAGE_DIGEST, der.tlv(der.OCTET_STRING, digest)),
    }


def verified(people: Parties, message: bytes, accept: str = "tr") -> bytes:
    """Verify with the sender pinned."""

    def pinned(claim: SignerClaim) -> party.Party:
        return party.party_of(people.signer.certificate)

    return signed.verify(message, signer=pinned, accept=accept).content

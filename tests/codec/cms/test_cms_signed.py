"""SignedData: what a receiver refuses although the signature is right, and what it takes."""

from collections.abc import Callable
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat import asn1
from cryptography.hazmat.asn1 import SetOf
from tests.cms_parties import CURVE_NAMES, Parties, parties
from tests.codec.cms.forging import MESSAGE, as_tlv, only_signer, profile_attributes, resigned, set_attributes, verified

from smgw.codec.cms import algorithms as table
from smgw.codec.cms import der, signed
from smgw.codec.cms.party import party_of
from smgw.codec.cms.structures import AlgorithmIdentifier, IssuerAndSerialNumber, SignedContentInfo, SignedData, decode
from smgw.core.errors import DecodeFault, LimitFault, SecurityFault, UsageError
from smgw.security.content import sign_detached, sign_encapsulated

SIGNING_TIME = der.attribute(table.ID_SIGNING_TIME, b"\x17\x0d261121001500Z")


def plain(people: Parties, **choices: Any) -> bytes:
    return sign_encapsulated(MESSAGE, module=people.module, signer=people.signer, **choices)


def null(field: AlgorithmIdentifier) -> None:
    field.parameters = asn1.Null()


def name_by_issuer(signed_data: SignedData) -> None:
    party = party_of(parties().signer.certificate)
    only_signer(signed_data).sid = decode(IssuerAndSerialNumber, party.issuer_and_serial)
    only_signer(signed_data).version = 1
    signed_data.version = 1


def keep(*names: str) -> Callable[[SignedData], None]:
    return lambda signed_data: set_attributes(signed_data, *(profile_attributes(signed_data)[name] for name in names))


def add(*attributes: bytes) -> Callable[[SignedData], None]:
    return lambda signed_data: set_attributes(signed_data, *profile_attributes(signed_data).values(), *attributes)


def wrong_type(signed_data: SignedData) -> None:
    attribute = der.attribute(table.ID_CONTENT_TYPE, der.oid(table.ID_SIGNED_DATA))
    set_attributes(signed_data, attribute, profile_attributes(signed_data)["digest"])


def digest_with_two_values(signed_data: SignedData) -> None:
    value = der.tlv(der.OCTET_STRING, bytes(32))
    twice = der.tlv(der.SEQUENCE, der.oid(table.ID_MESSAGE_DIGEST), der.tlv(der.SET, value, value))
    set_attributes(signed_data, profile_attributes(signed_data)["type"], twice)


def digest_of_other_content(signed_data: SignedData) -> None:
    other = der.attribute(table.ID_MESSAGE_DIGEST, der.tlv(der.OCTET_STRING, bytes(32)))
    set_attributes(signed_data, profile_attributes(signed_data)["type"], other)


def change(path: str, value: Any) -> Callable[[SignedData], None]:
    *owners, field = path.split(".")

    def apply(signed_data: SignedData) -> None:
        target: Any = signed_data
        for owner in owners:
            target = only_signer(target) if owner == "signer" else getattr(target, owner)
        setattr(target, field, value)

    return apply


SHA384 = AlgorithmIdentifier(algorithm=table.DIGESTS["sha384"].oid, parameters=None)
UNKNOWN = AlgorithmIdentifier(algorithm=table.Oid("1.3.14.3.2.26"), parameters=None)
REFUSED = {
    "no content type attribute": (keep("digest"), "cms.structure"),
    "no message digest attribute": (keep("type"), "cms.structure"),
    "no attributes": (keep(), "cms.structure"),
    "a repeated attribute": (add(der.attribute(table.ID_CONTENT_TYPE, der.oid(table.ID_DATA))), "cms.structure"),
    "an attribute with two values": (digest_with_two_values, "cms.structure"),
    "another content type in the attribute": (wrong_type, "cms.structure"),
    "a signing time": (add(SIGNING_TIME), "cms.structure"),
    "an unknown attribute": (add(der.attribute(table.Oid("1.2.3.4"), der.NULL)), "cms.structure"),
    "the digest of other content": (digest_of_other_content, "cms.signature"),
    "a signer named by issuer and number": (name_by_issuer, "cms.structure"),
    "another key identifier for the signer": (change("signer.sid", bytes(20)), "cms.signature"),
    "SignedData version 1": (change("version", 1), "cms.structure"),
    "SignerInfo version 1": (change("signer.version", 1), "cms.structure"),
    "an unknown digest": (change("signer.digest_algorithm", UNKNOWN), "cms.algorithm"),
    "another digest among the algorithms": (change("digest_algorithms", SetOf([SHA384])), "cms.algorithm"),
    "no digest among the algorithms": (change("digest_algorithms", SetOf([])), "cms.algorithm"),
    "a signature algorithm of another digest": (
        change("signer.signature_algorithm", AlgorithmIdentifier(algorithm=table.DIGESTS["sha384"].ecdsa_oid, parameters=None)),
        "cms.algorithm",
    ),
    "NULL for digest parameters": (lambda signed_data: null(only_signer(signed_data).digest_algorithm), "cms.structure"),
    "NULL for signature parameters": (lambda signed_data: null(only_signer(signed_data).signature_algorithm), "cms.structure"),
    "an empty set of certificates": (change("certificates", SetOf([])), "cms.structure"),
    "something else than a certificate": (change("certificates", SetOf([as_tlv(b"\x04\x00")])), "cms.structure"),
    "no signer": (change("signer_infos", SetOf([])), "cms.structure"),
    "two signers": (
        lambda signed_data: setattr(signed_data, "signer_infos", SetOf([only_signer(signed_data), only_signer(signed_data)])),
        "cms.structure",
    ),
}
STILL_REFUSED_WIDELY = [
    name for name in REFUSED if name not in ("a signing time", "NULL for digest parameters", "a signer named by issuer and number")
]


class TestRefused:
    @pytest.mark.req("WAN-03", "SEC-03")
    @pytest.mark.parametrize("name", REFUSED)
    def test_a_message_outside_the_profile_although_its_signature_is_right(self, name: str) -> None:
        people = parties()
        forge, code = REFUSED[name]
        with pytest.raises((DecodeFault, SecurityFault)) as fault:
            verified(people, resigned(people, plain(people), forge))
        assert fault.value.code == code

    @pytest.mark.parametrize("name", STILL_REFUSED_WIDELY)
    def test_the_wider_acceptance_still_refuses(self, name: str) -> None:
        people = parties()
        forge, code = REFUSED[name]
        with pytest.raises((DecodeFault, SecurityFault)) as fault:
            verified(people, resigned(people, plain(people), forge), accept="rfc5753")
        assert fault.value.code == code

    def test_absent_signed_attributes_even_widely(self) -> None:
        """Content that is signed bare could be a set of attributes in disguise."""
        people = parties()
        digest = table.DIGESTS["sha256"]
        bare = der.tlv(
            der.SEQUENCE,
            der.small_integer(3),
            der.tlv(0x80, party_of(people.signer.certificate).key_id),
            der.algorithm(digest.oid),
            der.algorithm(digest.ecdsa_oid),
            der.tlv(der.OCTET_STRING, people.module.sign_digest(people.signer.key_name, digest.new(MESSAGE).digest())),
        )
        message = _rebuilt(plain(people, include_certificate=False), signer_infos=bare)
        for accept in table.ACCEPTANCE:
            with pytest.raises(DecodeFault, match=r"^cms\.structure"):
                verified(people, message, accept=accept)

    def test_unsigned_attributes_and_revocation_lists(self) -> None:
        people = parties()
        whole = plain(people, include_certificate=False)
        signer_info = asn1.encode_der(only_signer(decode(SignedContentInfo, whole).content))
        body = _body(signer_info)
        unsigned = der.tlv(der.SEQUENCE, body, der.context(1, SIGNING_TIME))
        with pytest.raises(DecodeFault):
            verified(people, _rebuilt(whole, signer_infos=unsigned))
        assert verified(people, _rebuilt(whole, signer_infos=signer_info)) == MESSAGE
        with pytest.raises(DecodeFault):
            verified(people, _rebuilt(whole, signer_infos=signer_info, extra=der.context(1, der.tlv(der.SEQUENCE))))

    def test_a_carried_certificate_of_somebody_else(self) -> None:
        people = parties()
        stranger = party_of(people.stranger.certificate).encoded
        with pytest.raises(SecurityFault, match=r"^cms\.signature$"):
            verified(people, resigned(people, plain(people), change("certificates", SetOf([as_tlv(stranger)]))))

    def test_a_carried_certificate_that_is_none_when_the_resolver_looks_at_it(self) -> None:
        people = parties()
        message = resigned(people, plain(people), change("certificates", SetOf([as_tlv(b"\x30\x00")])))
        with pytest.raises(DecodeFault, match="carried certificate"):
            signed.verify(message, signer=lambda claim: party_of(claim.certificate))

    def test_a_signature_that_is_no_ecdsa_value(self) -> None:
        people = parties()
        info = decode(SignedContentInfo, plain(people))
        only_signer(info.content).signature = b"\x30\x00"
        with pytest.raises(SecurityFault, match=r"^cms\.signature$"):
            verified(people, asn1.encode_der(info))

    def test_another_content_info(self) -> None:
        people = parties()
        other = plain(people).replace(der.oid(table.ID_SIGNED_DATA), der.oid(table.Oid("1.2.840.113549.1.7.3")))
        with pytest.raises(DecodeFault, match="another type"):
            verified(people, other)

    def test_a_message_beyond_the_limit_before_it_is_read(self) -> None:
        with pytest.raises(LimitFault, match=r"^cms\.size"):
            signed.verify(bytes(11), signer=lambda claim: pytest.fail("asked"), limit=10)

    def test_an_acceptance_that_is_not_in_the_table(self) -> None:
        with pytest.raises(UsageError, match=r"^cms\.choice"):
            verified(parties(), b"", accept="anything")

    def test_content_when_none_was_asked_and_none_when_it_was(self) -> None:
        people = parties()
        with pytest.raises(DecodeFault):
            signed.verify(plain(people), signer=lambda _: party_of(people.signer.certificate), detached_content=MESSAGE)
        with pytest.raises(DecodeFault):
            verified(people, sign_detached(MESSAGE, module=people.module, signer=people.signer))


class TestAccepted:
    @pytest.mark.parametrize("curve", CURVE_NAMES)
    @pytest.mark.parametrize("detached", [False, True])
    @pytest.mark.parametrize("include_certificate", [False, True])
    def test_assembled_by_hand_is_what_the_declared_structures_encode(self, curve: str, detached: bool, include_certificate: bool) -> None:
        people = parties(curve)
        for size in (0, 1, 100, 127, 128, 255, 256, 70_000):
            message = signed.sign(
                bytes(size),
                content_type=table.ID_DATA,
                signer=party_of(people.signer.certificate),
                sign_digest=lambda digest: people.module.sign_digest(people.signer.key_name, digest),
                include_certificate=include_certificate,
                detached=detached,
            )
            assert asn1.encode_der(decode(SignedContentInfo, message)) == message

    @pytest.mark.req("SEC-04")
    @pytest.mark.parametrize("curve", CURVE_NAMES)
    def test_the_fields_of_the_profile(self, curve: str) -> None:
        people = parties(curve)
        signed_data = signed.read(plain(people))
        signer_info = only_signer(signed_data)
        digest = table.DIGESTS[table.CURVES[curve].digest]
        assert (signed_data.version, signer_info.version) == (3, 3)
        assert [algorithm.algorithm for algorithm in signed_data.digest_algorithms.as_list()] == [digest.oid]
        assert signer_info.signature_algorithm.algorithm == digest.ecdsa_oid
        assert signer_info.sid == people.signer.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
        assert len(signer_info.signed_attrs.as_list()) == 2
        assert signed.claim_of(signed_data).certificate == people.signer.certificate

    def test_a_digest_other_than_the_one_that_goes_with_the_curve(self) -> None:
        people = parties()
        digest = table.DIGESTS["sha512"]

        def stronger(signed_data: SignedData) -> None:
            algorithm = AlgorithmIdentifier(algorithm=digest.oid, parameters=None)
            signed_data.digest_algorithms = SetOf([algorithm])
            only_signer(signed_data).digest_algorithm = algorithm
            only_signer(signed_data).signature_algorithm = AlgorithmIdentifier(algorithm=digest.ecdsa_oid, parameters=None)
            keep("type", "digest")(signed_data)

        assert verified(people, resigned(people, plain(people), stronger)) == MESSAGE

    @pytest.mark.parametrize("name", ["a signing time", "NULL for digest parameters", "a signer named by issuer and number"])
    def test_the_wider_acceptance_takes(self, name: str) -> None:
        people = parties()
        assert verified(people, resigned(people, plain(people), REFUSED[name][0]), accept="rfc5753") == MESSAGE

    def test_the_wider_acceptance_still_compares_issuer_and_number(self) -> None:
        people = parties()

        def other(signed_data: SignedData) -> None:
            name_by_issuer(signed_data)
            only_signer(signed_data).sid.serial_number += 1

        with pytest.raises(SecurityFault, match=r"^cms\.signature$"):
            verified(people, resigned(people, plain(people), other), accept="rfc5753")


def _body(encoded: bytes) -> bytes:
    return encoded[2:] if encoded[1] < 0x80 else encoded[2 + (encoded[1] & 0x7F) :]


def _rebuilt(message: bytes, *, signer_infos: bytes, extra: bytes = b"") -> bytes:
    """Assemble a message without certificates anew around another SignerInfo, with something between content and signers."""
    content = decode(SignedContentInfo, message).content
    signed_data = der.tlv(
        der.SEQUENCE,
        der.small_integer(content.version),
        asn1.encode_der(content.digest_algorithms),
        asn1.encode_der(content.encapsulated_content_info),
        extra,
        der.tlv(der.SET, signer_infos),
    )
    return der.tlv(der.SEQUENCE, der.oid(table.ID_SIGNED_DATA), der.context(0, signed_data))

"""Sealing and opening by recipe: what is refused first, then that what was sealed opens."""

from typing import Any

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st
from tests.cms_parties import CURVE_NAMES, Parties, certificate, parties

from smgw.codec.cms import algorithms as table
from smgw.core.errors import CertificateRejected, DecodeFault, LimitFault, PeerFault, SecurityFault, UsageError
from smgw.security import content
from smgw.security.content import Credential, SignerClaim

MESSAGE = b"<report>0000123456 Wh</report>" * 5


def sealed(people: Parties, **choices: Any) -> bytes:
    return content.seal(MESSAGE, module=people.module, signer=people.signer, recipient=people.recipient.certificate, **choices)


def opened(people: Parties, message: bytes, **choices: Any) -> bytes:
    result = content.open_content(message, module=people.module, recipient=people.recipient, signer=people.trust, **choices)
    assert result.signer_certificate == people.signer.certificate
    return result.content


class TestRefused:
    @pytest.mark.req("WAN-03", "SEC-03")
    def test_a_message_of_another_signer(self) -> None:
        people = parties()
        message = content.seal(MESSAGE, module=people.module, signer=people.stranger, recipient=people.recipient.certificate)
        with pytest.raises(SecurityFault, match=r"^cms\.signature$"):
            opened(people, message)

    def test_another_signer_even_when_no_certificate_travels_along(self) -> None:
        people = parties()
        message = content.seal(
            MESSAGE, module=people.module, signer=people.stranger, recipient=people.recipient.certificate, include_certificate=False
        )
        with pytest.raises(SecurityFault, match=r"^cms\.signature$"):
            opened(people, message)

    def test_a_signature_by_another_key_under_the_signers_name(self) -> None:
        people = parties()
        forger = Credential(people.signer.certificate, people.stranger.key_name)
        message = content.seal(MESSAGE, module=people.module, signer=forger, recipient=people.recipient.certificate)
        with pytest.raises(SecurityFault, match=r"^cms\.signature$"):
            opened(people, message)

    @pytest.mark.req("WAN-03")
    def test_a_message_for_somebody_else(self) -> None:
        people = parties()
        message = content.seal(MESSAGE, module=people.module, signer=people.signer, recipient=people.stranger.certificate)
        with pytest.raises(SecurityFault, match=r"^cms\.recipient$"):
            opened(people, message)

    def test_a_message_for_our_name_but_another_key(self) -> None:
        people = parties()
        wrong_key = Credential(people.recipient.certificate, people.stranger.key_name)
        with pytest.raises(SecurityFault, match=r"^cms\.integrity$"):
            content.open_content(sealed(people), module=people.module, recipient=wrong_key, signer=people.trust)

    def test_what_the_resolver_refuses(self) -> None:
        people = parties()
        claims: list[SignerClaim] = []

        def refuse(claim: SignerClaim) -> x509.Certificate:
            claims.append(claim)
            raise CertificateRejected("cms.certificate")

        with pytest.raises(CertificateRejected):
            content.open_content(sealed(people), module=people.module, recipient=people.recipient, signer=refuse)
        assert [claim.certificate for claim in claims] == [people.signer.certificate]
        assert claims[0].key_id == content.key_identifier(people.signer.certificate)

    @pytest.mark.parametrize("role", ["signer", "recipient"])
    def test_a_certificate_for_another_use_when_sealing(self, role: str) -> None:
        people = parties()
        signer = people.recipient if role == "signer" else people.signer
        recipient = people.signer if role == "recipient" else people.recipient
        with pytest.raises(CertificateRejected, match=r"^cms\.key_usage"):
            content.seal(MESSAGE, module=people.module, signer=signer, recipient=recipient.certificate)

    def test_an_encryption_certificate_named_as_signer_when_opening(self) -> None:
        people = parties()
        with pytest.raises(CertificateRejected, match=r"^cms\.key_usage"):
            content.open_content(
                sealed(people), module=people.module, recipient=people.recipient, signer=lambda _: people.recipient.certificate
            )

    def test_our_own_signature_certificate_as_recipient_when_opening(self) -> None:
        people = parties()
        with pytest.raises(CertificateRejected, match=r"^cms\.key_usage"):
            content.open_content(sealed(people), module=people.module, recipient=people.signer, signer=people.trust)

    def test_a_certificate_without_key_identifier(self) -> None:
        people = parties()
        public_key = people.module.public_key(people.recipient.key_name)
        bare = certificate(public_key, "x.EMT", "key_agreement", with_key_id=False)
        with pytest.raises(CertificateRejected, match=r"^cms\.certificate: no subject key identifier$"):
            content.seal(MESSAGE, module=people.module, signer=people.signer, recipient=bare)

    def test_a_cipher_that_is_not_in_the_table(self) -> None:
        with pytest.raises(UsageError, match=r"^cms\.choice"):
            sealed(parties(), cipher="aes128-cbc")

    @pytest.mark.parametrize("compress", [False, True])
    def test_more_than_the_limit(self, compress: bool) -> None:
        people = parties()
        message = content.seal(
            bytes(1_000_000), module=people.module, signer=people.signer, recipient=people.recipient.certificate, compress=compress
        )
        with pytest.raises(LimitFault, match=r"^cms\.size"):
            opened(people, message, limit=999_999)

    def test_signed_content_where_sealed_content_is_asked(self) -> None:
        people = parties()
        message = content.sign_encapsulated(MESSAGE, module=people.module, signer=people.signer)
        with pytest.raises(DecodeFault, match=r"^cms\.structure"):
            opened(people, message)

    def test_sealed_content_where_signed_content_is_asked(self) -> None:
        people = parties()
        with pytest.raises(DecodeFault, match=r"^cms\.structure"):
            content.verify_encapsulated(sealed(people), signer=people.trust)

    def test_other_content_under_a_detached_signature(self) -> None:
        people = parties()
        message = content.sign_detached(MESSAGE, module=people.module, signer=people.signer)
        with pytest.raises(SecurityFault, match=r"^cms\.signature$"):
            content.verify_detached(message, MESSAGE + b" ", signer=people.trust)

    def test_an_encapsulated_message_as_a_detached_one_and_the_other_way(self) -> None:
        people = parties()
        encapsulated = content.sign_encapsulated(MESSAGE, module=people.module, signer=people.signer)
        detached = content.sign_detached(MESSAGE, module=people.module, signer=people.signer)
        with pytest.raises(DecodeFault):
            content.verify_detached(encapsulated, MESSAGE, signer=people.trust)
        with pytest.raises(DecodeFault):
            content.verify_encapsulated(detached, signer=people.trust)

    @pytest.mark.req("SEC-03")
    @pytest.mark.parametrize("cipher", table.CONTENT_CIPHERS)
    @pytest.mark.parametrize("compress", [False, True])
    def test_a_flipped_bit_anywhere(self, cipher: str, compress: bool) -> None:
        people = parties()
        message = sealed(people, cipher=cipher, compress=compress)
        for position in range(len(message)):
            for bit in range(8):
                altered = bytearray(message)
                altered[position] ^= 1 << bit
                with pytest.raises(PeerFault):
                    opened(people, bytes(altered))

    def test_a_message_cut_or_continued_anywhere(self) -> None:
        people = parties()
        message = sealed(people)
        for end in range(len(message)):
            with pytest.raises(PeerFault):
                opened(people, message[:end])
        with pytest.raises(DecodeFault):
            opened(people, message + b"\x00")


class TestOpened:
    @pytest.mark.req("WAN-03", "SEC-04")
    @pytest.mark.parametrize("curve", CURVE_NAMES)
    @pytest.mark.parametrize("cipher", table.CONTENT_CIPHERS)
    @pytest.mark.parametrize("oid_profile", ["tr", "rfc5753"])
    def test_every_suite(self, curve: str, cipher: str, oid_profile: str) -> None:
        people = parties(curve)
        assert opened(people, sealed(people, cipher=cipher, oid_profile=oid_profile)) == MESSAGE

    @pytest.mark.parametrize("shared_info", table.SHARED_INFO_ATTEMPTS)
    @pytest.mark.parametrize("compress", [False, True])
    @pytest.mark.parametrize("include_certificate", [False, True])
    def test_every_choice_of_the_sender(self, shared_info: str, compress: bool, include_certificate: bool) -> None:
        people = parties()
        message = sealed(people, shared_info=shared_info, compress=compress, include_certificate=include_certificate)
        assert opened(people, message) == MESSAGE

    def test_compression_shortens(self) -> None:
        people = parties()
        assert len(sealed(people, compress=True)) < len(sealed(people)) - 20

    def test_a_sender_on_another_curve_than_the_recipient(self) -> None:
        sender, receiver = parties("brainpoolP384r1"), parties("brainpoolP256r1")
        message = content.seal(MESSAGE, module=sender.module, signer=sender.signer, recipient=receiver.recipient.certificate)
        result = content.open_content(message, module=receiver.module, recipient=receiver.recipient, signer=sender.trust)
        assert result.content == MESSAGE

    def test_nothing_repeats_between_two_messages(self) -> None:
        people = parties()
        first, second = (content.verify_only(sealed(people), signer=people.trust).envelope for _ in range(2))
        for field in ("iv", "encrypted_content", "mac"):
            assert getattr(first, field) != getattr(second, field)
        for field in ("point", "encrypted_key"):
            assert getattr(first.wrapped_keys[0], field) != getattr(second.wrapped_keys[0], field)

    @pytest.mark.req("WAN-06")
    def test_a_relay_verifies_and_sees_for_whom_it_is(self) -> None:
        people = parties()
        verified = content.verify_only(sealed(people), signer=people.trust)
        assert verified.signer_certificate == people.signer.certificate
        assert verified.recipient_key_ids == (content.key_identifier(people.recipient.certificate),)

    @pytest.mark.parametrize("curve", CURVE_NAMES)
    def test_signed_content_travels_inside_or_beside(self, curve: str) -> None:
        people = parties(curve)
        inside = content.sign_encapsulated(MESSAGE, module=people.module, signer=people.signer)
        beside = content.sign_detached(MESSAGE, module=people.module, signer=people.signer)
        expected = content.OpenedContent(MESSAGE, people.signer.certificate)
        assert content.verify_encapsulated(inside, signer=people.trust) == expected
        assert content.verify_detached(beside, MESSAGE, signer=people.trust) == expected
        assert MESSAGE not in beside

    def test_signed_content_of_a_named_type(self) -> None:
        people = parties()
        requests = x509.ObjectIdentifier("0.4.0.127.0.7.4.1.1.2")
        message = content.sign_encapsulated(MESSAGE, module=people.module, signer=people.signer, content_type=requests)
        assert content.verify_encapsulated(message, signer=people.trust, content_type=requests).content == MESSAGE
        with pytest.raises(DecodeFault):
            content.verify_encapsulated(message, signer=people.trust)

    def test_the_resolver_may_trust_the_certificate_that_travels_along(self) -> None:
        people = parties()

        def carried(claim: SignerClaim) -> x509.Certificate:
            assert claim.certificate is not None
            return claim.certificate

        result = content.open_content(sealed(people), module=people.module, recipient=people.recipient, signer=carried)
        assert result == content.OpenedContent(MESSAGE, people.signer.certificate)

    @given(st.binary(max_size=70))
    def test_short_content_of_any_length_with_padding(self, body: bytes) -> None:
        people = parties()
        message = content.seal(
            body, module=people.module, signer=people.signer, recipient=people.recipient.certificate, cipher="aes128-cbc-cmac"
        )
        assert opened(people, message) == body

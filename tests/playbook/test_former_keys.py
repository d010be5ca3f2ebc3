"""Readings that were signed before a renewal and delivered after it: the former certificate travels along, and is judged like any other."""

from collections.abc import Iterable
from functools import cache

import pytest
from cryptography import x509
from tests.gateway.gateway_parts import GATEWAY_ID, START, gateway_identity, participant_identity, pki

from smgw.codec.cms.signed import SignerClaim
from smgw.core.delivery import Delivery
from smgw.core.errors import CertificateRejected, DecodeFault, SecurityFault
from smgw.core.obis import ACTIVE_ENERGY_IMPORT
from smgw.core.reading import Reading, SignedReading
from smgw.core.status_word import GATEWAY_OK
from smgw.participant.inbox import Opened, verify_readings
from smgw.pki.chain import CertificateUse
from smgw.pki.names import Role
from smgw.pki.requests import make_request_package
from smgw.pki.triple import CertificateTriple, KeyNames
from smgw.security.content import Credential, open_content, seal
from smgw.security.reading_signature import sign_reading

pytestmark = pytest.mark.req("EMT-01", "LIFE-08")

SECOND = KeyNames.of("GW_WAN", "_G2")


@cache
def renewed() -> CertificateTriple:
    """Give the gateway a second generation of keys."""
    module = gateway_identity().module
    for name in SECOND:
        module.generate(name, "brainpoolP384r1")
    return pki().issue(make_request_package(module, SECOND, Role.SMGW, GATEWAY_ID), Role.SMGW, now=START)


def sealed(others: Iterable[x509.Certificate]) -> bytes:
    return seal(
        b"content",
        module=gateway_identity().module,
        signer=Credential(renewed().sig, SECOND.sig),
        recipient=participant_identity().triple.enc,
        others=others,
    )


def opened(message: bytes) -> list[x509.Certificate]:
    """Open a message and give what travelled along, each judged as the inbox does."""
    found: list[x509.Certificate] = []

    def signer(claim: SignerClaim) -> x509.Certificate:
        assert claim.certificate is not None
        trust = participant_identity().trust
        for other in claim.others:
            found.append(trust.validate(other, now=START, use=CertificateUse.SIG, roles=frozenset({Role.SMGW})).certificate)
        return claim.certificate

    identity = participant_identity()
    assert open_content(message, module=identity.module, recipient=identity.recipient, signer=signer).content == b"content"
    return found


def test_the_former_certificate_travels_along_beside_the_signer_s() -> None:
    former = gateway_identity().triple.sig
    assert opened(sealed([former])) == [former]
    assert opened(sealed([])) == []


def test_a_stranger_s_certificate_is_none_of_the_gateway_s() -> None:
    with pytest.raises(CertificateRejected, match=r"pki\.role"):
        opened(sealed([participant_identity().triple.sig]))


def test_a_message_carries_eight_certificates_at_most() -> None:
    former = gateway_identity().triple
    with pytest.raises(DecodeFault, match=r"cms\.structure"):
        opened(sealed([former.sig] * 8))


def test_the_signer_s_certificate_stands_there_once() -> None:
    with pytest.raises(DecodeFault, match=r"cms\.structure"):
        opened(sealed([renewed().sig]))


def delivered(former: tuple[x509.Certificate, ...]) -> Opened:
    """Give an opened delivery by the renewed gateway whose one reading was signed by its key before."""
    reading = Reading(
        meter_id="1SGW0010000001",
        obis=ACTIVE_ENERGY_IMPORT,
        target_time=START,
        capture_time=START,
        raw=1234,
        scaler=-1,
        unit=30,
        gateway_status=GATEWAY_OK,
        meter_status=0,
    )
    signed = SignedReading(reading, sign_reading(gateway_identity().module, gateway_identity().signer.key_name, reading), 1)
    delivery = Delivery(
        message_id="0c5f2d3e-0000-4000-8000-000000000001",
        sender=GATEWAY_ID,
        recipient="emt1.sm",
        created_at=START,
        contract="taf7-1.sm",
        taf=7,
        meter_id="1SGW0010000001",
        metering_point_id="DE0001",
        period_start=START,
        period_end=START,
        readings=(signed,),
        registers=(),
    )
    signer = participant_identity().trust.validate(renewed().sig, now=START, use=CertificateUse.SIG, roles=frozenset({Role.SMGW}))
    return Opened(delivery, b"message", b"content", signer, START, former)


def test_a_reading_of_before_the_renewal_is_verified_by_the_former_key_and_by_no_other() -> None:
    assert verify_readings(delivered((gateway_identity().triple.sig,))).delivery.readings[0].sequence == 1
    for former in ((), (participant_identity().triple.sig,)):
        with pytest.raises(SecurityFault, match=r"delivery\.reading_signature"):
            verify_readings(delivered(former))

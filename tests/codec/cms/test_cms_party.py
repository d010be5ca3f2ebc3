"""What is read of a certificate, and which certificates are none for messages."""

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from tests.cms_parties import CURVE_NAMES, NOT_AFTER, NOT_BEFORE, certificate, parties

from smgw.codec.cms.party import party_of
from smgw.codec.cms.structures import IssuerAndSerialNumber, decode
from smgw.core.errors import CertificateRejected

NAME = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "x.EMT")])


@pytest.mark.parametrize(
    "key",
    [
        ec.generate_private_key(ec.SECP521R1()),
        ec.generate_private_key(ec.SECP256K1()),
        ed25519.Ed25519PrivateKey.generate(),
        rsa.generate_private_key(65537, 2048),
    ],
    ids=["secp521r1", "secp256k1", "ed25519", "rsa"],
)
def test_a_key_outside_the_profile(key: ec.EllipticCurvePrivateKey) -> None:
    with pytest.raises(CertificateRejected, match=r"^cms\.certificate"):
        party_of(certificate(key.public_key(), "x.EMT", "digital_signature"))


def test_no_key_identifier() -> None:
    with pytest.raises(CertificateRejected, match=r"^cms\.certificate"):
        party_of(certificate(ec.generate_private_key(ec.SECP256R1()).public_key(), "x.EMT", with_key_id=False))


def test_a_certificate_that_names_no_usage_may_be_used_for_both() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    bare = (
        x509.CertificateBuilder(NAME, NAME, key.public_key(), 1, NOT_BEFORE, NOT_AFTER)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    party = party_of(bare)
    assert (party.may_sign, party.may_agree) == (True, True)


def test_extensions_that_can_not_be_read() -> None:
    encoded = parties().signer.certificate.public_bytes(Encoding.DER)
    key_usage = bytes.fromhex("0603551d0f0101ff040403020780")
    assert key_usage in encoded
    broken = x509.load_der_x509_certificate(encoded.replace(key_usage, key_usage[:-1] + b"\xff"))
    with pytest.raises(CertificateRejected, match=r"^cms\.certificate"):
        party_of(broken)


@pytest.mark.parametrize("curve", CURVE_NAMES)
def test_what_messages_need(curve: str) -> None:
    people = parties(curve)
    signer, recipient = party_of(people.signer.certificate), party_of(people.recipient.certificate)
    assert (signer.may_sign, signer.may_agree) == (True, False)
    assert (recipient.may_sign, recipient.may_agree) == (False, True)
    assert signer.curve.name == curve
    assert signer.encoded == people.signer.certificate.public_bytes(Encoding.DER)
    assert decode(IssuerAndSerialNumber, signer.issuer_and_serial).serial_number == 0x5A17

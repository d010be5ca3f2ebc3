"""Signed structures whose key stays in the module, and the small DER reader and writer under them."""

import hashlib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.pki_builders import NOW, SECRET

from smgw.core.errors import DecodeFault, IntegrityFault, UsageError
from smgw.pki.assembly import sign_certificate, sign_request, sign_revocation_list
from smgw.pki.der import OCTET_STRING, SEQUENCE, der, der_object, split_der
from smgw.pki.names import distinguished_name
from smgw.security.policy import CURVES
from smgw.security.software import SoftwareModule

NAME = distinguished_name("Test.CA")


@pytest.fixture
def module(tmp_path: Path) -> Iterator[SoftwareModule]:
    module = SoftwareModule.create(tmp_path / "keys", SECRET)
    module.generate("K", "brainpoolP256r1")
    yield module


def certificate_builder(key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    builder = x509.CertificateBuilder().subject_name(NAME).issuer_name(NAME).public_key(key).serial_number(7)
    return builder.not_valid_before(NOW).not_valid_after(NOW + timedelta(days=1))


@pytest.mark.parametrize(
    "data", [b"", b"0", b"0\x80", b"0\x81", b"0\x81\x7f" + bytes(127), b"0\x82\x00\x80" + bytes(128), b"0\x84\x00\x00\x00\x00"]
)
def test_der_lengths_that_are_not_strict(data: bytes) -> None:
    with pytest.raises(DecodeFault) as caught:
        split_der(data, SEQUENCE, 3)
    assert caught.value.code == "pki.malformed"


def test_der_trailing_octets_and_too_many_parts() -> None:
    part = der(OCTET_STRING, b"x")
    for data, offset in ((der(SEQUENCE, part) + b"\x00", 5), (der(SEQUENCE, part, part), 5), (der(SEQUENCE, b"\x04\x05x"), 2)):
        with pytest.raises(DecodeFault) as caught:
            split_der(data, SEQUENCE, 1)
        assert caught.value.offset == offset
    with pytest.raises(DecodeFault):
        split_der(part, SEQUENCE, 1)


@given(st.lists(st.binary(max_size=70_000), max_size=4))
@settings(deadline=None)
def test_what_is_written_is_read(parts: list[bytes]) -> None:
    values = [der(OCTET_STRING, part) for part in parts]
    assert split_der(der(SEQUENCE, *values), SEQUENCE, 4) == values


@pytest.mark.parametrize("text", ["1.2.840.113549.1.9.14", "0.4.0.127.0.7.3.4.1.1.1", "2.5.29.15", "2.999.1", "1.3.6.1.4.1.55555.1"])
def test_object_identifiers(text: str) -> None:
    oid = x509.ObjectIdentifier(text)
    assert der_object(oid) in x509.CertificatePolicies([x509.PolicyInformation(oid, None)]).public_bytes()


@pytest.mark.parametrize("curve", sorted(CURVES))
@pytest.mark.req("SEC-01", "LIFE-03")
def test_certificates_lists_and_requests_verify_with_the_modules_key(module: SoftwareModule, curve: str) -> None:
    key = module.generate("C", curve)
    certificate = sign_certificate(certificate_builder(key), module, "C")
    certificate.verify_directly_issued_by(certificate)
    assert certificate.public_key() == key
    crl_builder = x509.CertificateRevocationListBuilder().issuer_name(NAME).last_update(NOW).next_update(NOW + timedelta(days=1))
    assert sign_revocation_list(crl_builder, module, "C").is_signature_valid(key)
    request = sign_request(NAME, [(x509.BasicConstraints(False, None), True)], module, "C")
    assert request.is_signature_valid
    assert (request.subject, request.public_key()) == (NAME, key)
    assert request.extensions[0].critical
    assert request.extensions[0].value == x509.BasicConstraints(False, None)


def test_the_same_builder_gives_the_same_octets_but_for_the_signature(module: SoftwareModule) -> None:
    builder = certificate_builder(module.public_key("K"))
    one, two = (sign_certificate(builder, module, "K") for _ in range(2))
    assert one.tbs_certificate_bytes == two.tbs_certificate_bytes
    assert one.signature != two.signature


def test_a_module_that_signs_wrongly_is_noticed(module: SoftwareModule) -> None:
    class Faulty(SoftwareModule):
        def sign_digest(self, name: str, digest: bytes) -> bytes:
            return super().sign_digest(name, hashlib.sha256(digest).digest())

    module.__class__ = Faulty
    with pytest.raises(IntegrityFault) as caught:
        sign_certificate(certificate_builder(module.public_key("K")), module, "K")
    assert caught.value.code == "module.damaged"


def test_an_unknown_key(module: SoftwareModule) -> None:
    with pytest.raises(UsageError):
        sign_certificate(certificate_builder(module.public_key("K")), module, "none")

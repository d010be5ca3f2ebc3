"""Triples: three certificates of one subject with three keys."""

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from tests.pki.limbo.limbo_builder import build
from tests.pki_builders import DEVICE_ID, Party, SmallPki

from smgw.core.errors import CertificateRejected, DecodeFault
from smgw.pki.certificate_profiles import Kind
from smgw.pki.names import Role
from smgw.pki.triple import GATEWAY_KEYS, MAX_BUNDLE, KeyNames, kind_of, read_certificates, triple_of


def test_key_names_are_those_of_the_field() -> None:
    assert GATEWAY_KEYS == ("GW_WAN_TLS", "GW_WAN_SIG", "GW_WAN_ENC")
    assert KeyNames.of("GW_WAN", "_PRE").sig == "GW_WAN_SIG_PRE"


@pytest.mark.req("PKI-01")
def test_loose_certificates_are_sorted(gateway: Party) -> None:
    triple = gateway.triple
    assert triple_of([triple.enc, triple.tls, triple.sig]) == triple
    assert (triple.common_name, triple.role, str(triple.device_id)) == (f"{DEVICE_ID}.SMGW", Role.SMGW, DEVICE_ID)
    assert triple_of(read_certificates(triple.to_pem())) == triple


def test_certificates_that_make_no_triple(gateway: Party, participant: Party, pki: SmallPki) -> None:
    one, other = gateway.triple, participant.triple
    for wrong, code in (
        ([], "pki.triple"),
        ([one.tls, one.sig], "pki.triple"),
        ([one.tls, one.tls, one.sig], "pki.triple"),
        ([one.tls, one.sig, one.enc, one.enc], "pki.triple"),
        ([one.tls, one.sig, other.enc], "pki.triple"),
        ([one.tls, one.sig, pki.sub.certificate], "pki.usage"),
    ):
        with pytest.raises(CertificateRejected) as caught:
            triple_of(wrong)
        assert caught.value.code == code


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, Kind.TLS),
        ({"leaf.extended_usage": None}, Kind.SIG),
        ({"leaf.extended_usage": None, "leaf.usage": ["key_agreement"]}, Kind.ENC),
        ({"leaf.usage": ["key_agreement"]}, None),
        ({"leaf.usage": None}, None),
        ({"leaf.usage": ["digital_signature", "content_commitment"]}, None),
        ({"leaf.usage": ["data_encipherment"]}, None),
    ],
    ids=str,
)
def test_the_kind_is_told_by_usages(changes: dict[str, object], expected: Kind | None) -> None:
    certificate = build(changes).leaf
    if expected is not None:
        assert kind_of(certificate) is expected
    else:
        with pytest.raises(CertificateRejected) as caught:
            kind_of(certificate)
        assert caught.value.code == "pki.usage"


def test_bundles_are_bounded(gateway: Party) -> None:
    pem = gateway.triple.to_pem()
    for bad in (
        b"",
        b"0\x00",
        b"-----BEGIN CERTIFICATE-----",
        pem[:-40],
        pem * 11,
        b" " * (MAX_BUNDLE + 1),
        b"-----BEGIN X-----\n-----END X-----\n",
    ):
        with pytest.raises(DecodeFault) as caught:
            read_certificates(bad)
        assert caught.value.code == "pki.malformed"


def test_der_is_read_too(gateway: Party) -> None:
    assert read_certificates(gateway.triple.sig.public_bytes(Encoding.DER)) == [gateway.triple.sig]


def test_certificates_with_broken_extensions_are_malformed(gateway: Party) -> None:
    der = gateway.triple.sig.public_bytes(Encoding.DER)
    at = der.index(bytes.fromhex("0603551d0f"))
    broken = x509.load_der_x509_certificate(der[: at + 12] + b"\xff" + der[at + 13 :])
    with pytest.raises(CertificateRejected) as caught:
        kind_of(broken)
    assert caught.value.code == "pki.malformed"

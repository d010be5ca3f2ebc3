"""Facts of certificates: every octet from outside gives facts or a fault with a code."""

import random

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from tests.pki.limbo.limbo_builder import build
from tests.pki_builders import NOW, Party, SmallPki

from smgw.core.errors import CertificateRejected, DecodeFault
from smgw.pki.chain import ByPinning, CertificateUse, validate
from smgw.pki.facts import read_facts
from smgw.pki.names import Role
from smgw.pki.parsing import load_certificate


def test_every_flipped_bit_of_a_certificate_is_rejected(pki: SmallPki, gateway: Party) -> None:
    good = gateway.triple.tls.public_bytes(Encoding.DER)
    for at in range(len(good)):
        bad = bytearray(good)
        bad[at] ^= 1 << (at % 8)
        with pytest.raises((CertificateRejected, DecodeFault)):
            certificate = load_certificate(bytes(bad))
            # The pin is set to the altered certificate, so that it is the path check alone that has to notice.
            validate(
                certificate,
                intermediates=[pki.sub.certificate],
                anchors=[pki.root.certificate],
                standings=ByPinning.of(certificate),
                now=NOW,
                use=CertificateUse.TLS_CLIENT,
                roles=frozenset({Role.SMGW}),
            )


def test_mangled_certificates_give_facts_or_a_fault(gateway: Party) -> None:
    rng, good = random.Random(20261121), gateway.triple.tls.public_bytes(Encoding.DER)
    read = 0
    for _ in range(3000):
        bad = bytearray(good)
        for _ in range(rng.randint(1, 3)):
            bad[rng.randrange(len(bad))] = rng.randrange(256)
        try:
            read_facts(load_certificate(bytes(bad)))
            read += 1
        except (CertificateRejected, DecodeFault):
            continue
    assert read > 100


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (bytes.fromhex("a003020102"), bytes.fromhex("a003020100")),
        (bytes.fromhex("a003020102"), bytes.fromhex("a003020109")),
        (bytes.fromhex("2b2403030208010107"), bytes.fromhex("2b2403030208010177")),
    ],
    ids=["version-1", "version-10", "unknown-curve"],
)
def test_structures_that_the_library_reads_late(gateway: Party, old: bytes, new: bytes) -> None:
    der = gateway.triple.tls.public_bytes(Encoding.DER)
    assert old in der
    with pytest.raises((CertificateRejected, DecodeFault)) as caught:
        read_facts(load_certificate(der.replace(old, new, 1)))
    assert caught.value.code == "pki.malformed"


def test_facts_are_what_the_certificate_says(gateway: Party) -> None:
    facts = read_facts(gateway.triple.enc)
    assert facts.certificate is gateway.triple.enc
    assert facts.serial == gateway.triple.enc.serial_number
    assert facts.key_usage == {"key_agreement"}
    assert facts.extended_usage is None
    assert facts.key_usage_critical
    bare = read_facts(
        build({"leaf.usage": None, "leaf.ca": None, "leaf.policy": None, "leaf.subject_key": False, "leaf.authority_key": False}).leaf
    )
    assert (bare.key_usage, bare.constraint, bare.policies, bare.subject_key, bare.authority_key) == (
        frozenset(),
        None,
        frozenset(),
        None,
        None,
    )
    assert not bare.key_usage_critical


def test_a_duplicated_extension_is_malformed(gateway: Party) -> None:
    der = gateway.triple.tls.public_bytes(Encoding.DER)
    doubled = der.replace(bytes.fromhex("0603551d12"), bytes.fromhex("0603551d1f"), 1)
    with pytest.raises(CertificateRejected) as caught:
        read_facts(x509.load_der_x509_certificate(doubled))
    assert caught.value.code == "pki.malformed"

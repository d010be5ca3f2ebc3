"""Run the fuzz target of content protection for a bounded number of inputs: good messages with octets changed, and noise."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.cms_parties import parties, revocation_list
from tests.fuzz.fuzz_cms import one_dissection, one_envelope, one_input, one_message, one_signed_envelope

from smgw.codec.cms import signed
from smgw.codec.cms.compressed import compress
from smgw.codec.cms.party import party_of
from smgw.security.content import seal, sign_encapsulated

PARTS = [bytes.fromhex(part) for part in ["30", "31", "a0", "0500", "020100", "02017f", "80", "84ffffffff", "3080", "0600", "0300", "ff"]]


def mutated(rng: random.Random, data: bytes) -> bytes:
    """Cut, repeat, replace and flip some octets; now and then change a length so that structures shift."""
    changed = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(changed) + 1)
        match rng.randrange(5):
            case 0 if at < len(changed):
                changed[at] ^= 1 << rng.randrange(8)
            case 1:
                changed[at : at + rng.randrange(4)] = rng.choice(PARTS)
            case 2:
                del changed[at : at + rng.randrange(20)]
            case 3:
                changed[at:at] = changed[at : at + rng.randrange(40)]
            case _ if at < len(changed):
                changed[at] = rng.randrange(256)
    return bytes(changed)


def sealed(cipher: str) -> bytes:
    people = parties()
    return seal(
        b"<a/>" * 4, module=people.module, signer=people.signer, recipient=people.recipient.certificate, cipher=cipher, compress=True
    )


@pytest.mark.req("SEC-03")
@pytest.mark.parametrize("cipher", ["aes128-gcm", "aes128-cbc-cmac"])
def test_only_peer_faults_escape_a_changed_message(cipher: str) -> None:
    rng = random.Random(20261121)
    message = sealed(cipher)
    envelope = signed.read(message).encapsulated_content_info.content
    assert envelope is not None
    one_input(message)
    for _ in range(1500):
        one_message(mutated(rng, message))
    for _ in range(1500):
        altered = mutated(rng, envelope)
        one_envelope(altered)
        one_signed_envelope(altered)


def test_only_peer_faults_escape_a_changed_certificate() -> None:
    rng = random.Random(20261122)
    people = parties()
    certificate = party_of(people.signer.certificate).encoded
    signed_content = sign_encapsulated(b"content", module=people.module, signer=people.signer)
    for _ in range(500):
        one_message(signed_content.replace(certificate, flipped(rng, certificate)))
    for _ in range(200):
        one_dissection(mutated(rng, certificate))
        one_dissection(mutated(rng, revocation_list()))
        one_dissection(mutated(rng, signed_content))


def flipped(rng: random.Random, data: bytes) -> bytes:
    """Change octets without moving others, so that the lengths around them stay right."""
    changed = bytearray(data)
    for _ in range(rng.randint(1, 3)):
        changed[rng.randrange(len(changed))] = rng.randrange(256)
    return bytes(changed)


@given(st.binary(max_size=200))
@settings(max_examples=150, deadline=None)
def test_octets_of_no_form(data: bytes) -> None:
    one_input(data)
    one_input(compress(data))
    one_input(b"\x30" + bytes((len(data) % 128,)) + data)

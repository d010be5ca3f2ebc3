"""Run the fuzz target of the PKI's readers for a bounded number of mutated inputs, the same ones every time."""

import random

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from tests.fuzz.fuzz_pki import one_input
from tests.pki_builders import DEVICE_ID, KEYS, NOW, SmallPki

from smgw.pki.names import Role
from smgw.pki.requests import make_request_package


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    pki = SmallPki.make(tmp_path_factory.mktemp("pki"), crl_signer=True)
    party = pki.party(Role.EMT, "Netz")
    pki.sub.revoke(party.triple.enc.serial_number, x509.ReasonFlags.key_compromise, NOW)
    pki.root.revoke(pki.sub.certificate.serial_number, x509.ReasonFlags.certificate_hold, NOW)
    certificates = (party.triple.tls, party.triple.enc, pki.root.certificate, pki.sub.certificate)
    return [
        *(kind + one.public_bytes(Encoding.DER) for one in certificates for kind in (b"\x00", b"\x01")),
        b"\x00" + party.triple.to_pem(),
        b"\x02" + pki.root.crl(NOW),
        b"\x02" + pki.sub.crl(NOW),
        b"\x03" + make_request_package(party.module, KEYS, Role.EMT, "Netz"),
        b"\x03" + make_request_package(party.module, KEYS, Role.SMGW, DEVICE_ID),
    ]


def mutated(rng: random.Random, sample: bytes) -> bytes:
    """Flip, replace, cut and repeat some octets of a good structure, keeping the octet that chooses the reader."""
    data = bytearray(sample[1:])
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(data))
        match rng.randrange(6):
            case 0:
                del data[at : at + rng.randrange(1, 20)]
            case 1:
                data[at:at] = data[max(0, at - rng.randrange(1, 40)) : at]
            case 2 | 3:
                data[at] ^= 1 << rng.randrange(8)
            case _:
                data[at] = rng.randrange(256)
        if not data:
            break
    return sample[:1] + bytes(data)


def test_only_peer_faults_escape(samples: list[bytes]) -> None:
    rng = random.Random(20261121)
    for sample in samples:
        one_input(sample)
        for _ in range(600):
            one_input(mutated(rng, sample))


def test_random_octets() -> None:
    rng = random.Random(7)
    for size in range(400):
        one_input(rng.randbytes(size))
        one_input(rng.randbytes(1) + b"\x30\x82" + size.to_bytes(2, "big") + rng.randbytes(size))

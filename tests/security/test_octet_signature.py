"""Signatures over octets as they are, on every curve that the gateway may hold."""

from pathlib import Path

import pytest

from smgw.core.errors import SecurityFault
from smgw.security.octet_signature import key_id, sign_octets, verify_octets
from smgw.security.software import SoftwareModule

CURVES = {"brainpoolP256r1": 64, "brainpoolP384r1": 96, "secp256r1": 64}


@pytest.fixture
def module(tmp_path: Path) -> SoftwareModule:
    module = SoftwareModule.create(tmp_path / "keys", bytes(32))
    for curve in CURVES:
        module.generate(curve, curve)
    return module


@pytest.mark.req("LOG-02")
@pytest.mark.parametrize("curve", CURVES)
def test_only_the_signed_octets_verify_with_the_signing_key(module: SoftwareModule, curve: str) -> None:
    key = module.public_key(curve)
    signature = sign_octets(module, curve, b"octets")
    assert len(signature) == CURVES[curve]
    assert verify_octets(b"octets", signature, key, "journal.signature") == b"octets"
    for octets, changed in ((b"octet", signature), (b"octets", signature[:-1]), (b"octets", bytes(len(signature)))):
        with pytest.raises(SecurityFault, match=r"journal\.signature"):
            verify_octets(octets, changed, key, "journal.signature")


def test_each_key_has_an_id_of_its_own(module: SoftwareModule) -> None:
    ids = {key_id(module.public_key(curve)) for curve in CURVES}
    assert len(ids) == len(CURVES)
    assert all(len(one) == 32 for one in ids)

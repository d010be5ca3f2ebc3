"""Wake-up packets are signed with the hash that goes with the key, and the guard takes them."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from tests.cms_parties import certificate

from smgw.core.errors import UsageError
from smgw.core.identifiers import DeviceId
from smgw.protocol.wakeup_guard import WakeUpGuard, WakeUpRules
from smgw.security.content import Credential
from smgw.security.pem_keys import PemKeys
from smgw.security.wakeup import make_packet

NOW = datetime(2026, 11, 21, 12, 0, 0, 900_000, tzinfo=UTC)
GATEWAY = DeviceId.parse("ESGW0000000001")


@pytest.mark.req("WAN-04")
@pytest.mark.parametrize(("curve", "octets"), [(ec.BrainpoolP256R1(), 108), (ec.BrainpoolP384R1(), 140), (ec.BrainpoolP512R1(), 172)])
def test_every_curve_makes_a_packet_that_is_accepted(curve: ec.EllipticCurve, octets: int) -> None:
    key, keys = ec.generate_private_key(curve), PemKeys()
    keys.load("sig", key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    signer = Credential(certificate(key.public_key(), "test.GWA", "digital_signature"), "sig")
    packet = make_packet(GATEWAY, NOW, module=keys, signer=signer)
    assert len(packet) == octets
    rules = WakeUpRules(GATEWAY.to_wake_up(), key.public_key(), NOW - timedelta(days=1), NOW + timedelta(days=1))
    assert WakeUpGuard(rules).judge(packet, NOW, clock_valid=True).accepted == int(NOW.timestamp())


def test_a_key_of_another_size_makes_none() -> None:
    key = ec.generate_private_key(ec.SECP521R1())
    signer = Credential(certificate(key.public_key(), "test.GWA", "digital_signature"), "sig")
    with pytest.raises(UsageError, match=r"^wakeup\.structure"):
        make_packet(GATEWAY, NOW, module=PemKeys(), signer=signer)

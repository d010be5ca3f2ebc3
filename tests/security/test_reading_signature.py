"""The signature of a reading covers every one of its fields."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from smgw.core.errors import SecurityFault
from smgw.core.obis import ACTIVE_ENERGY_EXPORT, ACTIVE_ENERGY_IMPORT
from smgw.core.reading import Reading, SignedReading, canonical_bytes
from smgw.core.status_word import GATEWAY_OK, METER_IDENTIFICATION
from smgw.security.reading_signature import verify_reading

TARGET = datetime(2026, 11, 21, 0, 15, tzinfo=UTC)
READING = Reading("1EMH0010599732", ACTIVE_ENERGY_IMPORT, 123, -1, 30, TARGET, TARGET, GATEWAY_OK, METER_IDENTIFICATION)
CURVES = (ec.BrainpoolP256R1(), ec.SECP256R1(), ec.BrainpoolP384R1())
KEYS = {curve.name: ec.generate_private_key(curve) for curve in CURVES}


def sign(reading: Reading, key: ec.EllipticCurvePrivateKey) -> SignedReading:
    r, s = decode_dss_signature(key.sign(canonical_bytes(reading), ec.ECDSA(hashes.SHA256())))
    size = (key.key_size + 7) // 8
    return SignedReading(reading, r.to_bytes(size, "big") + s.to_bytes(size, "big"), 7)


@pytest.mark.parametrize(
    "change",
    [
        {"meter_id": "1EMH0010599733"},
        {"obis": ACTIVE_ENERGY_EXPORT},
        {"raw": 124},
        {"raw": None},
        {"scaler": 0},
        {"unit": 29},
        {"capture_time": TARGET + timedelta(microseconds=1)},
        {"target_time": TARGET + timedelta(minutes=15)},
        {"gateway_status": GATEWAY_OK | 2},
        {"meter_status": METER_IDENTIFICATION | 1 << 8},
    ],
)
@pytest.mark.req("MEAS-01", "EMT-01")
def test_a_changed_field_is_noticed(change: dict[str, object]) -> None:
    key = KEYS["brainpoolP256r1"]
    good = sign(READING, key)
    altered = msgspec.structs.replace(good, reading=msgspec.structs.replace(READING, **change))
    with pytest.raises(SecurityFault, match=r"delivery\.reading_signature"):
        verify_reading(altered, key.public_key())


@pytest.mark.parametrize("signature", [b"", bytes(64), b"\xff" * 64, bytes(63), bytes(96)])
def test_other_signatures_are_refused(signature: bytes) -> None:
    with pytest.raises(SecurityFault):
        verify_reading(SignedReading(READING, signature, 7), KEYS["brainpoolP256r1"].public_key())


def test_another_key_is_refused() -> None:
    with pytest.raises(SecurityFault):
        verify_reading(sign(READING, KEYS["secp256r1"]), KEYS["brainpoolP256r1"].public_key())


@pytest.mark.parametrize("curve", KEYS)
def test_a_good_signature_gives_the_reading(curve: str) -> None:
    assert verify_reading(sign(READING, KEYS[curve]), KEYS[curve].public_key()) == READING

"""The gateway's signature over one reading: checked again by everyone who receives the reading.

Source: MEAS-01, EMT-01, CON-06.
"""

from cryptography.hazmat.primitives.asymmetric import ec

from smgw.core.reading import Reading, SignedReading, canonical_bytes
from smgw.security.module import SecurityModule
from smgw.security.octet_signature import sign_octets, verify_octets


def sign_reading(module: SecurityModule, key_name: str, reading: Reading) -> bytes:
    """Sign a reading's canonical octets with ECDSA and SHA-256; gives r‖s at the curve's full length, 64 octets on a 256-bit curve."""
    return sign_octets(module, key_name, canonical_bytes(reading))


def verify_reading(signed: SignedReading, key: ec.EllipticCurvePublicKey) -> Reading:
    """Verify ECDSA with SHA-256 over the canonical octets, the signature being r‖s at the curve's full length; gives the reading.

    Raises: SecurityFault delivery.reading_signature.
    """
    octets = canonical_bytes(signed.reading)
    verify_octets(octets, signed.signature, key, "delivery.reading_signature", f"sequence {signed.sequence}")
    return signed.reading

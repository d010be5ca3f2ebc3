"""The gateway's signature over one reading: checked again by everyone who receives the reading.

Source: MEAS-01, EMT-01, CON-06.
"""

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from smgw.core.errors import SecurityFault
from smgw.core.reading import Reading, SignedReading, canonical_bytes
from smgw.security.module import SecurityModule


def sign_reading(module: SecurityModule, key_name: str, reading: Reading) -> bytes:
    """Sign a reading's canonical octets with ECDSA and SHA-256; gives r‖s at the curve's full length, 64 octets on a 256-bit curve."""
    digest = hashes.Hash(hashes.SHA256())
    digest.update(canonical_bytes(reading))
    r, s = decode_dss_signature(module.sign_digest(key_name, digest.finalize()))
    size = (module.public_key(key_name).key_size + 7) // 8
    return r.to_bytes(size, "big") + s.to_bytes(size, "big")


def verify_reading(signed: SignedReading, key: ec.EllipticCurvePublicKey) -> Reading:
    """Verify ECDSA with SHA-256 over the canonical octets, the signature being r‖s at the curve's full length; gives the reading.

    Raises: SecurityFault delivery.reading_signature.
    """
    size = (key.key_size + 7) // 8
    if len(signed.signature) != 2 * size:
        raise SecurityFault("delivery.reading_signature", f"{len(signed.signature)} octets")
    r, s = (int.from_bytes(part, "big") for part in (signed.signature[:size], signed.signature[size:]))
    try:
        key.verify(encode_dss_signature(r, s), canonical_bytes(signed.reading), ec.ECDSA(hashes.SHA256()))
    except InvalidSignature as problem:
        raise SecurityFault("delivery.reading_signature", f"sequence {signed.sequence}") from problem
    return signed.reading

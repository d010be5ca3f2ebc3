"""The gateway's signature over octets as they are: ECDSA with SHA-256, r‖s at the curve's full length.

What is signed must begin with a mark of its own kind, so that one key can sign readings, seals and cuts without mixing them up.
Source: MEAS-01, LOG-02; 20-wan-crypto-pki 1.6.
"""

import hashlib

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from smgw.core.errors import SecurityFault
from smgw.security.module import SecurityModule


def sign_octets(module: SecurityModule, key_name: str, octets: bytes) -> bytes:
    """Sign octets; gives r‖s, 64 octets on a 256-bit curve."""
    r, s = decode_dss_signature(module.sign_digest(key_name, hashlib.sha256(octets).digest()))
    size = (module.public_key(key_name).key_size + 7) // 8
    return r.to_bytes(size, "big") + s.to_bytes(size, "big")


def verify_octets(octets: bytes, signature: bytes, key: ec.EllipticCurvePublicKey, code: str, detail: str = "") -> bytes:
    """Verify r‖s over octets; gives the octets. Raises: SecurityFault of the given code."""
    size = (key.key_size + 7) // 8
    if len(signature) != 2 * size:
        raise SecurityFault(code, f"{len(signature)} octets")
    r, s = (int.from_bytes(part, "big") for part in (signature[:size], signature[size:]))
    try:
        key.verify(encode_dss_signature(r, s), octets, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature as problem:
        raise SecurityFault(code, detail) from problem
    return octets


def key_id(key: ec.EllipticCurvePublicKey) -> bytes:
    """Give the SHA-256 of a public key (SubjectPublicKeyInfo, DER), by which signed statements name their key."""
    return hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).digest()

"""The gateway's signature over octets as they are: ECDSA with SHA-256, r‖s at the curve's full length.

What is signed must begin with a mark of its own kind, so that one key can sign readings, seals and cuts without mixing them up.
Source: MEAS-01, LOG-02; 20-wan-crypto-pki 1.6.
"""

import hashlib
from collections.abc import Callable, Iterable

from cryptography import x509
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


def statement_check(certificates: Iterable[x509.Certificate], code: str) -> Callable[[bytes, bytes, bytes], None]:
    """Accept statements that name one of some certificates' keys and are signed by it: the key in force, and those before it.

    The check takes key id, octets and signature; it raises SecurityFault of the given code.
    """
    keys = {key_id(key): key for key in elliptic_keys(certificates)}

    def check(signer: bytes, octets: bytes, signature: bytes) -> None:
        key = keys.get(signer)
        if key is None:
            raise SecurityFault(code, f"unknown key {signer.hex()[:16]}")
        verify_octets(octets, signature, key, code)

    return check


def elliptic_keys(certificates: Iterable[x509.Certificate]) -> list[ec.EllipticCurvePublicKey]:
    """Give the keys of those certificates that can have signed anything here."""
    keys = (certificate.public_key() for certificate in certificates)
    return [key for key in keys if isinstance(key, ec.EllipticCurvePublicKey)]

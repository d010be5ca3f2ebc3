"""Private keys from files, PEM or DER: for trials against other programs, never for a gateway, whose keys stay in its security module."""

import os
import re

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils

from smgw.core.errors import ConfigError, SecurityFault, UsageError
from smgw.security.policy import curve_name, digest_hash

_BLOCK = re.compile(rb"-----BEGIN ((?:EC |ENCRYPTED )?PRIVATE KEY)-----.*?-----END \1-----", re.DOTALL)


class PemKeys:
    """Hold keys that were read from files; see `smgw.security.content.ContentKeys`."""

    def __init__(self) -> None:
        self._keys: dict[str, ec.EllipticCurvePrivateKey] = {}

    def load(self, name: str, data: bytes, password: bytes | None = None) -> ec.EllipticCurvePublicKey:
        """Take a private key under a name: PKCS#8 or SEC 1, as DER or as PEM, where what stands beside it is passed over.

        Raises: ConfigError key.file for what is no key, needs a password or another one; SecurityFault pki.curve.
        """
        block = _BLOCK.search(data)
        if block is None and b"-----BEGIN" in data:
            raise ConfigError("key.file", f"{name}: no private key among the PEM blocks")
        try:
            if block is None:
                key = serialization.load_der_private_key(data, password)
            else:
                key = serialization.load_pem_private_key(block[0], password)
        except (ValueError, TypeError, UnsupportedAlgorithm) as problem:
            raise ConfigError("key.file", f"{name}: {_reason(problem)}") from problem
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise ConfigError("key.file", f"{name}: not an elliptic-curve key")
        curve_name(key.public_key())
        self._keys[name] = key
        return key.public_key()

    def names(self) -> list[str]:
        """List the names of all keys held, sorted."""
        return sorted(self._keys)

    def public_key(self, name: str) -> ec.EllipticCurvePublicKey:
        """Give the public half. Raises: UsageError module.no_key."""
        return self._find(name).public_key()

    def sign_digest(self, name: str, digest: bytes) -> bytes:
        """Sign a SHA-256, SHA-384 or SHA-512 digest (told apart by length) with ECDSA; returns DER (r, s).

        The same digest is signed the same every time (RFC 6979), so that results can be compared octet for octet.
        """
        return self._find(name).sign(digest, ec.ECDSA(utils.Prehashed(digest_hash(digest)), deterministic_signing=True))

    def ecdh(self, name: str, peer: ec.EllipticCurvePublicKey) -> bytes:
        """Give the shared x-coordinate at the curve's full length. Raises: SecurityFault module.peer_key for a key off the curve."""
        key = self._find(name)
        if type(peer.curve) is not type(key.curve):
            raise SecurityFault("module.peer_key", peer.curve.name)
        return key.exchange(ec.ECDH(), peer)

    def random(self, count: int) -> bytes:
        """Give unpredictable octets."""
        return os.urandom(count)

    def _find(self, name: str) -> ec.EllipticCurvePrivateKey:
        if name not in self._keys:
            raise UsageError("module.no_key", name)
        return self._keys[name]


def _reason(problem: Exception) -> str:
    """Say in a few words why a key can't be read; the library's own words may fill pages."""
    text = str(problem)
    if isinstance(problem, TypeError) or "password" in text.lower():
        return text[:80]
    return "not a private key as PEM or DER, PKCS#8 or SEC 1, on a named curve"

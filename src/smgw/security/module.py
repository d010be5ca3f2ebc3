"""The security module: the only owner of private keys (German: Sicherheitsmodul).

Every backend offers these calls and nothing more; a private key never leaves it. Key names are those of the field, for example
`GW_WAN_TLS`, `GW_WAN_SIG`, `GW_WAN_ENC`, `GW_HAN_TLS`; each key has one use.
Source: SEC-01; LIFE-03; 20-wan-crypto-pki 6.
"""

import ssl
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric import ec


class SecurityModule(Protocol):
    """Generate and use keys without giving them away."""

    def names(self) -> list[str]:
        """List the names of all keys held, sorted."""

    def generate(self, name: str, curve: str) -> ec.EllipticCurvePublicKey:
        """Make a key pair on a named curve of the crypto policy and store it durably; returns the public key.

        Raises: UsageError module.key_exists, module.curve.
        """

    def public_key(self, name: str) -> ec.EllipticCurvePublicKey:
        """Give the public half. Raises: UsageError module.no_key."""

    def sign_digest(self, name: str, digest: bytes) -> bytes:
        """Sign a SHA-256, SHA-384 or SHA-512 digest (told apart by length) with ECDSA; returns DER (r, s)."""

    def ecdh(self, name: str, peer: ec.EllipticCurvePublicKey) -> bytes:
        """Give the shared x-coordinate at the curve's full length. Raises: SecurityFault module.peer_key for a key off the curve."""

    def random(self, count: int) -> bytes:
        """Give unpredictable octets."""

    def destroy(self, name: str) -> None:
        """Erase a key pair for good. Raises: UsageError module.no_key."""

    def storage_key(self, purpose: str) -> bytes:
        """Derive the 32-octet key of one encrypted store; the same purpose always gives the same key."""

    def tls_attach(self, context: ssl.SSLContext, name: str, chain_pem: bytes) -> None:
        """Let a TLS context prove possession of a key; `chain_pem` holds the end-entity certificate first."""

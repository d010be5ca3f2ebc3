"""The security module: the only owner of private keys (German: Sicherheitsmodul).

Every backend offers these calls and nothing more; a private key never leaves it. Key names are those of the field, for example
`GW_WAN_TLS`, `GW_WAN_SIG`, `GW_WAN_ENC`, `GW_HAN_TLS`; each key has one use, which its name tells. A later generation of a key carries its
number: `GW_WAN_TLS_G2`. PIN, authentication and the rules of key changes stand above the backends, in `smgw.security.key_guard`.
Source: SEC-01; LIFE-03; 20-wan-crypto-pki 6.
"""

import re
import ssl
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric import ec

from smgw.core.errors import UsageError

MAX_FILE_OCTETS = 64 * 1024
"""Octets of one file object at most."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 _.-]{0,79}")
_SIGNING_ONLY = frozenset({"TLS", "SIG", "AUT"})


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
        """Give the shared x-coordinate at the curve's full length.

        Raises: UsageError module.use for a key that only signs; SecurityFault module.peer_key for a peer off the curve.
        """

    def random(self, count: int) -> bytes:
        """Give unpredictable octets."""

    def destroy(self, name: str) -> None:
        """Erase a key pair for good. Raises: UsageError module.no_key."""

    def storage_key(self, purpose: str) -> bytes:
        """Derive the 32-octet key of one encrypted store; the same purpose always gives the same key."""

    def tls_attach(self, context: ssl.SSLContext, name: str, chain_pem: bytes) -> None:
        """Let a TLS context prove possession of a key; `chain_pem` holds the end-entity certificate first."""


class ModuleBackend(SecurityModule, Protocol):
    """Keep file objects beside the keys: certificates, public keys of others, the module's own record."""

    def files(self) -> list[str]:
        """List the names of all file objects, sorted."""

    def get_file(self, name: str) -> bytes:
        """Read a file object as it now stands. Raises: UsageError module.no_file."""

    def put_file(self, name: str, data: bytes) -> None:
        """Write a file object of at most 64 KiB durably and as a whole; an old one is replaced. Raises: UsageError module.file."""

    def delete_file(self, name: str) -> None:
        """Remove a file object durably. Raises: UsageError module.no_file."""

    def forget_storage(self) -> None:
        """Exchange the secret that storage keys come from: what was stored under them can never be read again."""


def require_name(name: str) -> str:
    """Demand a name that every backend can hold: letters, digits, spaces, `_.-`, at most 80. Raises: UsageError module.name."""
    if not _NAME.fullmatch(name):
        raise UsageError("module.name", name[:80])
    return name


def require_agreement(name: str) -> None:
    """Demand a key that may agree on secrets: those of TLS, SIG and AUT only sign. Raises: UsageError module.use."""
    if not may_agree(name):
        raise UsageError("module.use", name)


def may_agree(name: str) -> bool:
    """Tell whether a key may agree on secrets by its name."""
    return _SIGNING_ONLY.isdisjoint(name.split("_"))


def require_file(name: str, data: bytes) -> None:
    """Demand a file object that every backend can hold. Raises: UsageError module.name, module.file."""
    require_name(name)
    if len(data) > MAX_FILE_OCTETS:
        raise UsageError("module.file", f"{name}: {len(data)} octets")

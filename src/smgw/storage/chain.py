"""Hash chains: each row's hash covers the row before it, so that no row can be altered, taken out, put in or moved unnoticed.

hash(n) = SHA-256(hash(n-1) ‖ tag ‖ canonical octets of row n); before the first row stand 32 zero octets. The tag names the chain, so that
rows of one chain never fit into another.
Source: LOG-02; STATE-03.
"""

import hashlib
from collections.abc import Callable
from typing import NamedTuple

import msgspec

GENESIS = bytes(32)

SignatureCheck = Callable[[bytes, bytes, bytes], None]
"""Take key id, signed octets and signature, and raise SecurityFault when the signature is not one by that key over these octets."""


class Signer(NamedTuple):
    """Sign what a journal states about itself: cuts and checkpoints."""

    key_id: bytes
    """Names the key, so that a later one does not make what this one signed unreadable; 32 octets."""
    sign: Callable[[bytes], bytes]


class Signed(NamedTuple):
    """Hold what a journal signed: the chain and number of the row, the key, the octets, the signature."""

    kind: str
    number: int
    key_id: bytes
    octets: bytes
    signature: bytes


def chain_tag(kind: str, scope: str = "") -> bytes:
    """Give the octets that stand for one chain: kind and scope (whose log it is), each closed by a zero octet."""
    return f"{kind}\0{scope}\0".encode()


def link(previous: bytes, tag: bytes, canonical: bytes) -> bytes:
    """Give the 32-octet hash of a row that follows the row with hash `previous`."""
    return hashlib.sha256(previous + tag + canonical).digest()


class ChainHead(msgspec.Struct, frozen=True):
    """Hold the state of one chain: its length and the hash of its last row."""

    kind: str
    """`readings`, `registers`, `profiles`, `system`, `calibration`, `consumer` or `seals`."""
    scope: str
    """The consumer whose log it is; empty for all other chains."""
    length: int
    digest: bytes


class JournalReport(msgspec.Struct, frozen=True):
    """Say what a complete walk over a journal found intact; the heads can be kept elsewhere to notice a journal that was set back."""

    chains: tuple[ChainHead, ...]
    """Sorted by kind and scope; chains that never had a row are not listed."""
    messages: int
    """Outbox messages ever enqueued."""
    acknowledged: int

    def rows(self, kind: str) -> int:
        """Count the rows of all chains of a kind."""
        return sum(chain.length for chain in self.chains if chain.kind == kind)

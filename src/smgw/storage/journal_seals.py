"""Seals: the gateway's signatures over the state of its hash chains, kept in a chain of their own.

A hash chain alone proves that nothing was changed since its head was known; a seal proves that the head is the gateway's. One is made
whenever a chain passes a multiple of 256 rows, in the transaction that does it, and one of each chain for every export.
Source: LOG-02; 20-wan-crypto-pki 1.13.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import msgspec

from smgw.core.instant import Clock
from smgw.storage.chain import ChainHead, Signer
from smgw.storage.database import Database, Row

SEALS = "seals"
BLOCK_ROWS = 256
"""A chain is sealed when it passes a multiple of this."""

WALK_SEALS = "SELECT '', sequence, hash, chain, scope, length, record, signature FROM seals WHERE sequence > ? ORDER BY sequence"

_MARK = b"smgw-seal-1\0"
"""Stands before the signed octets, so that they can never be taken for anything else that the same key signs."""


class Seal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Say how far a chain reached and with which hash (German: signierter Stand einer Hashkette)."""

    chain: str
    """Kind of the chain, see `ChainHead.kind`."""
    scope: str
    """Whose log it is; empty for all other chains."""
    length: int
    """Number of the chain's last row at that time."""
    hash: str
    """Hash of that row, lower-case hex."""
    purpose: str
    """`block` for every 256 rows, `export` for an export, `end` for a chain as it was at a start, a stop or a day's self-test."""
    time: datetime
    """When it was sealed, gateway time, aware UTC."""
    signer: str
    """Id of the key that signed, lower-case hex."""


class SignedSeal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Join a seal's octets to the signature over them, both lower-case hex."""

    record: str
    signature: str

    @property
    def seal(self) -> Seal:
        """Read the octets. Raises: ValueError when they are no seal."""
        return seal_of(bytes.fromhex(self.record))


_ENCODER = msgspec.json.Encoder(order="deterministic")
_DECODER = msgspec.json.Decoder(Seal)


def seal_octets(seal: Seal) -> bytes:
    """Give the octets of a seal that are signed: a mark, then JSON with sorted names."""
    return _MARK + _ENCODER.encode(seal)


def seal_of(record: bytes) -> Seal:
    """Read the octets of a seal. Raises: ValueError unless they are exactly those that `seal_octets` writes."""
    seal = _DECODER.decode(record.removeprefix(_MARK))
    if seal_octets(seal) != record:
        raise ValueError("a second spelling of a seal")
    return seal


def canonical_seal_row(row: Row) -> bytes:
    """Give the hashed octets of a row of `WALK_SEALS` from its fourth column on: seal, signature.

    Raises: ValueError when its columns disagree.
    """
    chain, scope, length, record, signature = row
    seal = seal_of(bytes(record))
    if (seal.chain, seal.scope, seal.length) != (chain, scope, length):
        raise ValueError("columns and seal disagree")
    return bytes(record) + bytes(signature)


class Sealer:
    """Seal chains as they grow; to be set as a database's `before_commit`."""

    def __init__(self, database: Database, signer: Signer, clock: Clock) -> None:
        self._database = database
        self._signer = signer
        self._clock = clock

    def __call__(self, heads: Sequence[ChainHead]) -> None:
        """Seal each of the chains that passed a multiple of 256 rows since its last seal. Only inside a transaction."""
        due = [
            head for head in heads if head.kind != SEALS and head.length // BLOCK_ROWS > self._sealed(head.kind, head.scope) // BLOCK_ROWS
        ]
        self.seal(due, "block")

    def _sealed(self, kind: str, scope: str) -> int:
        row = self._database.row("SELECT max(length) FROM seals WHERE chain = ? AND scope = ?", (kind, scope))
        return int(row[0] or 0) if row else 0

    def seal_grown(self, heads: Iterable[ChainHead]) -> None:
        """Seal each of the chains that grew since its last seal. Only inside a transaction."""
        self.seal([head for head in heads if head.kind != SEALS and head.length > self._sealed(head.kind, head.scope)], "end")

    def seal(self, heads: Iterable[ChainHead], purpose: str) -> list[SignedSeal]:
        """Sign the present state of chains and append it; returns the new seals. Only inside a transaction."""
        made = self.sign(heads, purpose)
        for one in made:
            seal, record, signature = one.seal, bytes.fromhex(one.record), bytes.fromhex(one.signature)
            head = self._database.advance(SEALS, "", record + signature)
            row = (head.length, seal.chain, seal.scope, seal.length, record, signature, head.digest)
            self._database.execute("INSERT INTO seals VALUES (?, ?, ?, ?, ?, ?, ?)", row)
        return made

    def sign(self, heads: Iterable[ChainHead], purpose: str) -> list[SignedSeal]:
        """Sign the present state of chains without keeping it, as a reader beside a running gateway has to."""
        now, key = self._clock.now().astimezone(UTC), self._signer.key_id.hex()
        records = [seal_octets(Seal(head.kind, head.scope, head.length, head.digest.hex(), purpose, now, key)) for head in heads]
        return [SignedSeal(record.hex(), self._signer.sign(record).hex()) for record in records]


def select_seals(database: Database, kind: str, scope: str) -> list[SignedSeal]:
    """Read the seals of one chain by length, then age."""
    query = "SELECT record, signature FROM seals WHERE chain = ? AND scope = ? ORDER BY length, sequence"
    return [SignedSeal(bytes(record).hex(), bytes(signature).hex()) for record, signature in database.rows(query, (kind, scope))]

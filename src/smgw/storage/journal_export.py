"""Journal chains as text that anyone can check without the journal's key: one JSON object a line.

The first line names the chains and their heads. Each further line is one row: the hashed octets (`record`, then `signature` where rows
have one), the row's hash, and `value`, the same octets in readable form. The cuts come first: each says from where on a chain is there.
Profiles stay out: a consumer's profile holds password-equivalent digests.
Source: LOG-02.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, TypeVar

import msgspec

from smgw.core.errors import DecodeFault
from smgw.core.log_event import Log
from smgw.core.reading import reading_from_canonical
from smgw.core.register import register_from_canonical
from smgw.storage.chain import GENESIS, ChainHead, chain_tag, link
from smgw.storage.database import Database
from smgw.storage.journal_readings import READINGS, REGISTERS
from smgw.storage.journal_verify import CHAINED, UNREADABLE, broken, heads_of
from smgw.storage.retention import CUTS, DELETABLE, cut_from_octets

FORMAT = "smgw-journal-1"
LINE_LIMIT = 1 << 20
"""Octets of the longest line that is read."""


class ExportChain(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Name one chain, its length and the hash of its last row, in hex."""

    chain: str
    scope: str
    length: int
    hash: str


class ExportHead(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Hold the first line of an export."""

    format: str
    chains: tuple[ExportChain, ...]


class ExportRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Hold one row of one chain; octets are lower-case hex."""

    chain: str
    scope: str
    number: int
    value: dict[str, object]
    record: str
    signature: str
    hash: str


_T = TypeVar("_T")
_HEAD_DECODER = msgspec.json.Decoder(ExportHead)
_ROW_DECODER = msgspec.json.Decoder(ExportRow)
_ENCODER = msgspec.json.Encoder(order="deterministic")


def _reading_value(record: bytes) -> dict[str, object]:
    reading = reading_from_canonical(record)
    return {**msgspec.to_builtins(reading), "obis": str(reading.obis)}


def _register_value(record: bytes) -> dict[str, object]:
    value = register_from_canonical(record)
    return {**msgspec.to_builtins(value), "obis": str(value.obis), "inputs": list(value.inputs)}


def _log_value(record: bytes) -> dict[str, object]:
    return msgspec.json.decode(record, type=dict[str, object])


def _cut_value(record: bytes) -> dict[str, object]:
    return dict(msgspec.to_builtins(cut_from_octets(record)))


EXPORTED: dict[str, Callable[[bytes], dict[str, object]]] = {
    CUTS: _cut_value,
    READINGS: _reading_value,
    REGISTERS: _register_value,
    **{log.value: _log_value for log in Log},
}
"""Kind of chain -> how its records are shown, in the order of an export."""

_SIGNATURES = {READINGS: 1, CUTS: 7}
"""Kind of chain -> which column from the fourth on is the signature that ends the hashed octets."""


def export_rows(database: Database, kind: str, after: int = 0) -> Iterator[ExportRow]:
    """Read the rows of a kind's chains from number `after` + 1 on, in bounded memory; only inside a snapshot."""
    for scope, number, digest, *columns in database.scan(CHAINED[kind].walk, (after,)):
        canonical = CHAINED[kind].canonical(tuple(columns))
        signature: bytes = columns[_SIGNATURES[kind]] if kind in _SIGNATURES else b""
        record = canonical[: len(canonical) - len(signature)]
        yield ExportRow(kind, scope, number, EXPORTED[kind](record), record.hex(), signature.hex(), digest.hex())


def export_chains(heads: Iterable[ChainHead]) -> tuple[ExportChain, ...]:
    """Write chain heads with their hash in hex."""
    return tuple(ExportChain(head.kind, head.scope, head.length, head.digest.hex()) for head in heads)


def export_lines(database: Database, kinds: Iterable[str]) -> Iterator[bytes]:
    """Write chains as lines, all of one moment, each closed by a line feed; cuts always go along."""
    wanted = {CUTS, *kinds}
    chosen = [kind for kind in EXPORTED if kind in wanted]
    with database.snapshot():
        heads = heads_of(database)
        chains = export_chains(heads[key] for key in sorted(heads) if key[0] in chosen)
        yield _ENCODER.encode(ExportHead(FORMAT, chains)) + b"\n"
        for kind in chosen:
            for row in export_rows(database, kind):
                yield _ENCODER.encode(row) + b"\n"


def verify_export(lines: Iterable[bytes]) -> tuple[ExportChain, ...]:
    """Check an export: every hash, the readable form of every row, and that each chain is complete up to its head; returns the heads.

    Whether the heads are the gateway's own is not in the file: compare them with heads known from elsewhere, and check the signatures.
    Raises: DecodeFault journal.export, IntegrityFault journal.chain.
    """
    rows = iter(lines)
    head = _decoded(_HEAD_DECODER, next(rows, b""), 1)
    if head.format != FORMAT:
        raise DecodeFault("journal.export", f"format {head.format[:40]}")
    ends = {(chain.chain, chain.scope): _End(0, GENESIS) for chain in head.chains}
    after_cuts = False
    for line_number, line in enumerate(rows, 2):
        row = _decoded(_ROW_DECODER, line, line_number)
        end = ends.get((row.chain, row.scope))
        if end is None or row.chain not in EXPORTED:
            raise DecodeFault("journal.export", f"line {line_number}: a chain that the first line does not name")
        ends[row.chain, row.scope] = _followed(end, row)
        if row.chain != CUTS:
            after_cuts = True
        elif after_cuts:
            raise DecodeFault("journal.export", f"line {line_number}: a cut after the rows that it moves")
        else:
            _apply_cut(ends, row)
    for chain in head.chains:
        end = ends[chain.chain, chain.scope]
        if end.length != chain.length:
            raise broken(chain.chain, chain.scope, end.length + 1, f"is missing, the head counts {chain.length}")
        if end.digest.hex() != chain.hash:
            raise broken(chain.chain, chain.scope, end.length, "is not what the head says")
    return head.chains


class _End(NamedTuple):
    length: int
    digest: bytes


def _decoded(decoder: msgspec.json.Decoder[_T], line: bytes, number: int) -> _T:
    if len(line) > LINE_LIMIT:
        raise DecodeFault("journal.export", f"line {number} is longer than {LINE_LIMIT} octets")
    try:
        return decoder.decode(line)
    except (msgspec.MsgspecError, ValueError, RecursionError) as problem:
        raise DecodeFault("journal.export", f"line {number}") from problem


def _followed(end: _End, row: ExportRow) -> _End:
    number = end.length + 1
    if row.number != number:
        raise broken(row.chain, row.scope, number, "is missing")
    try:
        record, signature = bytes.fromhex(row.record), bytes.fromhex(row.signature)
        digest = link(end.digest, chain_tag(row.chain, row.scope), record + signature)
        value = EXPORTED[row.chain](record)
        expected = ExportRow(row.chain, row.scope, number, value, record.hex(), signature.hex(), digest.hex())
        altered = _ENCODER.encode(expected) != _ENCODER.encode(row)
    except UNREADABLE as problem:
        raise broken(row.chain, row.scope, number, "can't be read") from problem
    if altered:
        raise broken(row.chain, row.scope, number, "was altered")
    return _End(number, digest)


def _apply_cut(ends: dict[tuple[str, str], _End], row: ExportRow) -> None:
    cut = cut_from_octets(bytes.fromhex(row.record))
    end = ends.get((cut.chain, cut.scope))
    if end is None:
        return
    if cut.chain not in DELETABLE or cut.removed < 1 or end.length != cut.number - cut.removed:
        raise broken(CUTS, "", row.number, "does not follow the cut before it")
    ends[cut.chain, cut.scope] = _End(cut.number, bytes.fromhex(cut.row_hash))


def bounded_lines(read_line: Callable[[int], bytes]) -> Iterator[bytes]:
    """Read lines from a file's `readline` without ever holding more than one octet over the limit."""
    while line := read_line(LINE_LIMIT + 1):
        yield line

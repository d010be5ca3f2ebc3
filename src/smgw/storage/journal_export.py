"""Journal chains as text that anyone can check without the journal's key: one JSON object a line.

The first line names the chains and their heads. A line of type `row` is one row: the hashed octets (`record`, then `signature` where rows
have one), the row's hash, and `value`, the same octets in readable form. A `seal` follows the row that it is for: the gateway's signature
over chain, number and hash. The cuts come first: each says from where on a chain is there.
An export for one consumer holds that consumer's log, its cuts as single statements (`cut`), and as `item` the rows of other chains that
are the consumer's: their chains hold other consumers' rows too, so each stands for itself, a reading by its own signature.
Profiles stay out: a consumer's profile holds password-equivalent digests.
Source: LOG-02, CON-03.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple, TypeVar

import msgspec

from smgw.core.errors import DecodeFault, IntegrityFault
from smgw.core.log_event import Log
from smgw.core.reading import reading_from_canonical
from smgw.core.register import register_from_canonical
from smgw.storage.chain import GENESIS, ChainHead, SignatureCheck, chain_tag, link
from smgw.storage.database import Database
from smgw.storage.journal_readings import READINGS, REGISTERS
from smgw.storage.journal_seals import SignedSeal, seal_of, select_seals
from smgw.storage.journal_verify import CHAINED, UNREADABLE, broken, heads_of
from smgw.storage.retention import CUTS, DELETABLE, WALK_CUTS, Cut, cut_from_octets, cut_of_row, signed_octets, start_of

FORMAT = "smgw-journal-2"
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
    gateway: str = ""
    """Device id of the gateway."""
    time: str = ""
    """When it was exported, `2026-11-21T00:15:00Z`."""
    consumer: str = ""
    """Whose rows alone it holds; empty for an export of whole chains."""


class ExportAbout(NamedTuple):
    """Say whose export it is and of when."""

    gateway: str = ""
    time: str = ""
    consumer: str = ""


class ExportRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="row"):
    """Hold one row of one chain; octets are lower-case hex."""

    chain: str
    scope: str
    number: int
    value: dict[str, object]
    record: str
    signature: str
    hash: str


class ExportItem(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="item"):
    """Hold one row of a chain that is not exported as a whole."""

    chain: str
    value: dict[str, object]
    record: str
    signature: str


class ExportSeal(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="seal"):
    """Hold one seal; `value` is its record in readable form."""

    value: dict[str, object]
    record: str
    signature: str


class ExportCut(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="cut"):
    """Hold one cut of the one chain that it is for; `value` is its record in readable form."""

    value: dict[str, object]
    record: str
    signature: str


class ExportReport(NamedTuple):
    """Say what the check of a signed export found intact."""

    head: ExportHead
    rows: int
    items: int
    seals: int
    """Seals and cuts, each with its signature verified."""
    readings: int
    """Readings, each with its signature verified."""


CheckReading = Callable[[bytes, bytes], None]
"""Take a reading's canonical octets and signature, and raise SecurityFault unless the gateway signed them."""

SignHeads = Callable[[Sequence[ChainHead]], Sequence[SignedSeal]]
"""Sign the state of chains at the moment of an export."""

_T = TypeVar("_T")
_Line = ExportRow | ExportItem | ExportSeal | ExportCut
_HEAD_DECODER = msgspec.json.Decoder(ExportHead)
_LINE_DECODER: msgspec.json.Decoder[_Line] = msgspec.json.Decoder(_Line)
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


def _chain_lines(database: Database, kind: str, scope: str, fresh: SignedSeal | None) -> Iterator[bytes]:
    """Write the rows of one chain, each followed by its seals."""
    sealed: dict[int, list[SignedSeal]] = {}
    for one in [*select_seals(database, kind, scope), *([] if fresh is None else [fresh])]:
        sealed.setdefault(one.seal.length, []).append(one)
    yield from _seal_lines(sealed.get(start_of(database, kind, scope).length, ()))
    for _, number, digest, *columns in database.scan(CHAINED[kind].tail, (0, scope)):
        canonical = CHAINED[kind].canonical(tuple(columns))
        signature: bytes = columns[_SIGNATURES[kind]] if kind in _SIGNATURES else b""
        record = canonical[: len(canonical) - len(signature)]
        yield _line(ExportRow(kind, scope, number, EXPORTED[kind](record), record.hex(), signature.hex(), digest.hex()))
        yield from _seal_lines(sealed.get(number, ()))


def _seal_lines(seals: Iterable[SignedSeal]) -> Iterator[bytes]:
    for one in seals:
        yield _line(ExportSeal(dict(msgspec.to_builtins(one.seal)), one.record, one.signature))


def cuts_of(database: Database, keys: Iterable[tuple[str, str]]) -> Iterator[tuple[Cut, bytes]]:
    """Read the cuts of some chains with their signatures, oldest first."""
    wanted = set(keys)
    for row in database.rows(WALK_CUTS, (0,)):
        cut, signature = cut_of_row(tuple(row[3:]))
        if (cut.chain, cut.scope) in wanted:
            yield cut, signature


def _line(line: ExportHead | _Line) -> bytes:
    return _ENCODER.encode(line) + b"\n"


def item_of(chain: str, record: bytes, signature: bytes = b"") -> ExportItem:
    """Make the line of one row that stands for itself."""
    return ExportItem(chain, EXPORTED[chain](record), record.hex(), signature.hex())


def export_chains(heads: Iterable[ChainHead]) -> tuple[ExportChain, ...]:
    """Write chain heads with their hash in hex."""
    return tuple(ExportChain(head.kind, head.scope, head.length, head.digest.hex()) for head in heads)


def export_lines(
    database: Database,
    kinds: Iterable[str],
    about: ExportAbout = ExportAbout(),  # noqa: B008 - an immutable value
    *,
    sign: SignHeads | None = None,
    items: Iterable[ExportItem] = (),
) -> Iterator[bytes]:
    """Write chains as lines, all of one moment, each closed by a line feed.

    An export of whole chains has the chain of cuts with it; one for a consumer has chains of that scope, the cuts of these, and `items`.
    With `sign` the end of each chain is sealed in the export, though not in the journal.
    """
    with database.snapshot():
        chosen = chosen_heads(database, kinds, about.consumer)
        fresh = {} if sign is None else {(s.seal.chain, s.seal.scope): s for s in sign(chosen)}
        yield _line(ExportHead(FORMAT, export_chains(sorted(chosen, key=lambda head: (head.kind, head.scope))), *about))
        if about.consumer:
            for cut, signature in cuts_of(database, [(head.kind, head.scope) for head in chosen]):
                record = signed_octets(cut)
                yield _line(ExportCut(_cut_value(record), record.hex(), signature.hex()))
        for head in chosen:
            yield from _chain_lines(database, head.kind, head.scope, fresh.get((head.kind, head.scope)))
        yield from map(_line, items)


def chosen_heads(database: Database, kinds: Iterable[str], consumer: str) -> list[ChainHead]:
    """Give the heads of the chains that an export of some kinds holds, in its order."""
    order = {kind: place for place, kind in enumerate(EXPORTED)}
    wanted = order.keys() & ({*kinds} if consumer else {CUTS, *kinds})
    chosen = [head for (kind, scope), head in heads_of(database).items() if kind in wanted and (not consumer or scope == consumer)]
    return sorted(chosen, key=lambda head: (order[head.kind], head.scope))


def rows_of(lines: Iterable[bytes]) -> Iterator[ExportRow]:
    """Read the rows of chains out of lines of our own, which are not checked."""
    decoded = (_LINE_DECODER.decode(line) for number, line in enumerate(lines) if number)
    return (line for line in decoded if isinstance(line, ExportRow))


def verify_export(lines: Iterable[bytes]) -> tuple[ExportChain, ...]:
    """Check an export: every hash, the readable form of every row, and that each chain is complete up to its head; returns the heads.

    Whether the heads are the gateway's own takes its signatures: see `verify_signed_export`.
    Raises: DecodeFault journal.export, IntegrityFault journal.chain.
    """
    walk = _Walk(lines, None, None)
    return walk.head.chains


def verify_signed_export(lines: Iterable[bytes], check: SignatureCheck, check_reading: CheckReading) -> ExportReport:
    """Check an export as `verify_export` does, the signature of each seal, cut and reading, and that each chain is sealed to its end.

    Raises: DecodeFault journal.export; IntegrityFault journal.chain, journal.unsealed; what the two checks raise.
    """
    walk = _Walk(lines, check, check_reading)
    for chain in walk.head.chains:
        if walk.sealed.get((chain.chain, chain.scope), 0) < chain.length:
            named = f"{chain.chain} of {chain.scope}" if chain.scope else chain.chain
            raise IntegrityFault("journal.unsealed", f"{named}: {chain.length} rows")
    return ExportReport(walk.head, walk.rows, walk.items, walk.seals, walk.readings)


class _Walk:
    """Follow the lines of an export to their end."""

    def __init__(self, lines: Iterable[bytes], check: SignatureCheck | None, check_reading: CheckReading | None) -> None:
        self._check = check
        self._check_reading = check_reading
        self.rows = self.items = self.seals = self.readings = 0
        self.sealed: dict[tuple[str, str], int] = {}
        remaining = iter(lines)
        self.head = _decoded(_HEAD_DECODER, next(remaining, b""), 1)
        if self.head.format != FORMAT:
            raise DecodeFault("journal.export", f"format {self.head.format[:40]}")
        self._ends = {(chain.chain, chain.scope): _End(0, GENESIS) for chain in self.head.chains}
        self._in_cuts = True
        for number, line in enumerate(remaining, 2):
            self._take(_decoded(_LINE_DECODER, line, number), number)
        for chain in self.head.chains:
            end = self._ends[chain.chain, chain.scope]
            if end.length != chain.length:
                raise broken(chain.chain, chain.scope, end.length + 1, f"is missing, the head counts {chain.length}")
            if end.digest.hex() != chain.hash:
                raise broken(chain.chain, chain.scope, end.length, "is not what the head says")

    def _take(self, line: _Line, number: int) -> None:
        match line:
            case ExportRow():
                self._take_row(line, number)
            case ExportSeal():
                self._take_seal(line, number)
            case ExportCut():
                self._take_cut(line, number)
            case ExportItem():
                self._take_item(line, number)

    def _take_row(self, row: ExportRow, number: int) -> None:
        end = self._ends.get((row.chain, row.scope))
        if end is None or row.chain not in EXPORTED:
            raise DecodeFault("journal.export", f"line {number}: a chain that the first line does not name")
        self._ends[row.chain, row.scope] = _followed(end, row)
        self.rows += 1
        if row.chain == CUTS:
            self._apply_cut(bytes.fromhex(row.record), bytes.fromhex(row.signature), number, row.number)
        else:
            self._in_cuts = False
        if row.chain == READINGS:
            self._verify_reading(bytes.fromhex(row.record), bytes.fromhex(row.signature))

    def _take_seal(self, line: ExportSeal, number: int) -> None:
        record, signature, seal = _statement(line, number, seal_of)
        end = self._ends.get((seal.chain, seal.scope))
        if end is None:
            raise DecodeFault("journal.export", f"line {number}: a seal of a chain that the first line does not name")
        if end != _End(seal.length, _octets(seal.hash)):
            raise broken(seal.chain, seal.scope, seal.length, "is not what was sealed")
        self.sealed[seal.chain, seal.scope] = seal.length
        self._verify_statement(seal.signer, record, signature)

    def _take_cut(self, line: ExportCut, number: int) -> None:
        record, signature, cut = _statement(line, number, cut_from_octets)
        if not self.head.consumer or (cut.chain, cut.scope) not in self._ends:
            raise DecodeFault("journal.export", f"line {number}: a cut of a chain that the first line does not name")
        self._apply_cut(record, signature, number, number)

    def _take_item(self, item: ExportItem, number: int) -> None:
        if item.chain not in EXPORTED or item.chain == CUTS or not self.head.consumer:
            raise DecodeFault("journal.export", f"line {number}: a single row of that chain")
        record, signature, _ = _statement(item, number, EXPORTED[item.chain])
        self.items += 1
        if item.chain == READINGS:
            self._verify_reading(record, signature)

    def _apply_cut(self, record: bytes, signature: bytes, line: int, number: int) -> None:
        if not self._in_cuts:
            raise DecodeFault("journal.export", f"line {line}: a cut after the rows that it moves")
        cut = cut_from_octets(record)
        self._verify_statement(cut.signer, record, signature)
        end = self._ends.get((cut.chain, cut.scope))
        if end is None:
            return
        if cut.chain not in DELETABLE or cut.removed < 1 or end.length != cut.number - cut.removed:
            raise broken(CUTS, "", number, "does not follow the cut before it")
        self._ends[cut.chain, cut.scope] = _End(cut.number, _octets(cut.row_hash))

    def _verify_statement(self, signer: str, record: bytes, signature: bytes) -> None:
        if self._check is not None:
            self._check(_octets(signer), record, signature)
            self.seals += 1

    def _verify_reading(self, record: bytes, signature: bytes) -> None:
        if self._check_reading is not None:
            self._check_reading(record, signature)
            self.readings += 1


def _octets(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError as problem:
        raise DecodeFault("journal.export", "a hash or key id that is not hex") from problem


def _statement(line: ExportItem | ExportSeal | ExportCut, number: int, read: Callable[[bytes], _T]) -> tuple[bytes, bytes, _T]:
    """Read a line that stands for itself, in its one spelling. Raises: DecodeFault journal.export."""
    try:
        record, signature = bytes.fromhex(line.record), bytes.fromhex(line.signature)
        found = read(record)
        value = found if isinstance(found, dict) else dict(msgspec.to_builtins(found))
        expected = msgspec.structs.replace(line, value=value, record=record.hex(), signature=signature.hex())
        altered = _ENCODER.encode(expected) != _ENCODER.encode(line)
    except UNREADABLE as problem:
        raise DecodeFault("journal.export", f"line {number}: can't be read") from problem
    if altered:
        raise DecodeFault("journal.export", f"line {number}: was altered")
    return record, signature, found


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


def bounded_lines(read_line: Callable[[int], bytes]) -> Iterator[bytes]:
    """Read lines from a file's `readline` without ever holding more than one octet over the limit."""
    while line := read_line(LINE_LIMIT + 1):
        yield line

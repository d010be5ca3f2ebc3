"""Dissect any DER into lines: every tag-length-value one line, named where a grammar says what it is.

A grammar is data: a tree of `Field`s. It only names things; what it doesn't know is still shown, and only a broken
tag-length-value structure is a fault.
Source: X.690 8, 10, 11.
"""

import datetime
import re
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from smgw.codec.explain import Explained
from smgw.core.errors import DecodeFault

MAX_DEPTH = 40

_CONSTRUCTED = 0x20
_CLASS_CONTEXT = 0x80
_TYPE_NAMES = {
    0x01: "BOOLEAN",
    0x02: "INTEGER",
    0x03: "BIT STRING",
    0x04: "OCTET STRING",
    0x05: "NULL",
    0x06: "OBJECT IDENTIFIER",
    0x0A: "ENUMERATED",
    0x0C: "UTF8String",
    0x12: "NumericString",
    0x13: "PrintableString",
    0x14: "TeletexString",
    0x16: "IA5String",
    0x17: "UTCTime",
    0x18: "GeneralizedTime",
    0x1E: "BMPString",
    0x30: "SEQUENCE",
    0x31: "SET",
}
_TEXT_TAGS = frozenset({0x0C, 0x12, 0x13, 0x16})
_HEX_OCTETS_SHOWN = 24


class Field(NamedTuple):
    """Say what a value is called and what it holds.

    `tag` is the identifier octet it must have; None fits any. `fields` are what a constructed value holds: in this order
    and each at most once, or any of them any number of times when `repeated`. `universal` is the type behind an implicit
    tag. `contains` is what the octets of a string hold when they are DER again. `by_oid` names, per object identifier
    among the siblings before it, what an open value holds. `choices` are alternatives of which one stands in this place.
    `render` writes a leaf's value.
    """

    name: str
    tag: int | None = None
    fields: tuple["Field", ...] = ()
    repeated: bool = False
    universal: int | None = None
    contains: "Field | None" = None
    by_oid: Mapping[str, "Field"] | None = None
    choices: tuple["Field", ...] = ()
    render: Callable[[bytes], str] | None = None
    clause: str = ""

    def match(self, tag: int) -> "Field | None":
        """Give this field, or the one of its choices, that a value with this identifier octet can be; None where none fits."""
        if self.choices:
            return next((choice for choice in self.choices if choice.tag in (None, tag)), None)
        return self if self.tag in (None, tag) else None


class _Tlv(NamedTuple):
    tag: int
    start: int
    body: int
    end: int


def explain_der(data: bytes, root: Field, oid_names: Mapping[str, str], *, code: str) -> Iterator[Explained]:
    """Yield one line a tag-length-value, outermost first. Raises: DecodeFault with the given code, at the octet that does not fit."""
    walker = _Walker(data, oid_names, code)
    yield from walker.explain(0, len(data), root)


def oid_text(body: bytes) -> str:
    """Write the content octets of an object identifier with dots; hex where they are none."""
    arcs: list[int] = []
    value = 0
    for octet in body:
        value = value << 7 | octet & 0x7F
        if octet < 0x80:
            arcs.append(value)
            value = 0
    if not body or body[-1] >= 0x80 or len(body) > 64:
        return body.hex()
    top = min(arcs[0] // 40, 2)
    return ".".join(str(arc) for arc in (top, arcs[0] - 40 * top, *arcs[1:]))


def hex_text(body: bytes) -> str:
    """Write octets as hex; of many only the first, then dots."""
    return body.hex() if len(body) <= _HEX_OCTETS_SHOWN else body[:_HEX_OCTETS_SHOWN].hex() + "…"


def named_bits(names: tuple[str, ...]) -> Callable[[bytes], str]:
    """Make a renderer for a BIT STRING whose bits have names, most significant first."""

    def render(body: bytes) -> str:
        bits = "".join(f"{octet:08b}" for octet in body[1:])
        return ", ".join(name for name, bit in zip(names, bits, strict=False) if bit == "1") or "none"

    return render


class _Walker:
    """Hold what stays the same along one dissection."""

    def __init__(self, data: bytes, oid_names: Mapping[str, str], code: str) -> None:
        self._data = data
        self._oid_names = oid_names
        self._code = code

    def explain(self, offset: int, end: int, root: Field) -> Iterator[Explained]:
        tlv = self._tlv(offset, end)
        if tlv.end != end:
            raise DecodeFault(self._code, "octets after the end", offset=tlv.end)
        yield from self._lines(tlv, root.match(tlv.tag), 0)

    def _lines(self, tlv: _Tlv, field: Field | None, depth: int) -> Iterator[Explained]:
        if depth > MAX_DEPTH:
            raise DecodeFault(self._code, "nested too deeply", offset=tlv.start)
        label = _label(tlv.tag, field)
        clause = "" if field is None else field.clause
        inner = self._inner(tlv, field)
        if inner is None:
            yield Explained(tlv.start, tlv.end - tlv.start, depth, f"{label}: {self._value(tlv, field)}", clause)
            return
        yield Explained(tlv.start, tlv.end - tlv.start, depth, label, clause)
        start, content = inner
        yield from self._children(start, tlv.end, content, depth + 1)

    def _inner(self, tlv: _Tlv, field: Field | None) -> tuple[int, Field | None] | None:
        """Find where the values inside begin and what they are; None for a leaf."""
        if tlv.tag & _CONSTRUCTED:
            return tlv.body, field
        if field is None or field.contains is None:
            return None
        universal = field.universal or tlv.tag
        start = tlv.body + (1 if universal == 0x03 else 0)
        return (start, Field("", fields=(field.contains,), repeated=True)) if self._well_formed(start, tlv.end) else None

    def _children(self, offset: int, end: int, parent: Field | None, depth: int) -> Iterator[Explained]:
        remaining = parent.fields if parent else ()
        last_oid = ""
        while offset < end:
            tlv = self._tlv(offset, end)
            place, field = next(
                ((index, match) for index, candidate in enumerate(remaining) if (match := candidate.match(tlv.tag))), (0, None)
            )
            if parent is not None and field is not None and not parent.repeated:
                remaining = remaining[place + 1 :]
            if field is not None and field.by_oid is not None:
                field = field.by_oid.get(last_oid, field)
            yield from self._lines(tlv, field, depth)
            if tlv.tag == 0x06:
                last_oid = oid_text(self._data[tlv.body : tlv.end])
            offset = tlv.end

    def _tlv(self, offset: int, end: int) -> _Tlv:
        data = self._data
        if offset + 2 > end:
            raise DecodeFault(self._code, "cut off", offset=offset)
        tag, length = data[offset], data[offset + 1]
        body = offset + 2
        if tag & 0x1F == 0x1F:
            raise DecodeFault(self._code, "tag of several octets", offset=offset)
        if length == 0x80:
            raise DecodeFault(self._code, "indefinite length", offset=offset + 1)
        if length > 0x80:
            body += length & 0x7F
            if body > end:
                raise DecodeFault(self._code, "cut off", offset=offset + 1)
            octets = data[offset + 2 : body]
            length = int.from_bytes(octets, "big")
            if octets[0] == 0 or length < 0x80:
                raise DecodeFault(self._code, "length is not the shortest", offset=offset + 1)
        if length > end - body:
            raise DecodeFault(self._code, "value reaches beyond its parent", offset=offset + 1)
        return _Tlv(tag, offset, body, body + length)

    def _well_formed(self, offset: int, end: int) -> bool:
        """Tell whether octets are exactly one tag-length-value, and so all the way down."""
        try:
            for _ in self.explain(offset, end, Field("")):
                pass
        except DecodeFault:
            return False
        return True

    def _value(self, tlv: _Tlv, field: Field | None) -> str:
        body = self._data[tlv.body : tlv.end]
        if field is not None and field.render is not None:
            return field.render(body)
        tag = tlv.tag if field is None or field.universal is None else field.universal
        if tag == 0x06:
            dotted = oid_text(body)
            return f"{self._oid_names[dotted]} ({dotted})" if dotted in self._oid_names else dotted
        renderer = _RENDERERS.get(tag)
        if renderer is not None:
            return renderer(body)
        return _text(body) if tag in _TEXT_TAGS else _octets(body)


def _label(tag: int, field: Field | None) -> str:
    if tag & 0xC0 == _CLASS_CONTEXT:
        kind = f"[{tag & 0x1F}]"
    else:
        kind = _TYPE_NAMES.get(tag, f"tag {tag:02x}")
    return f"{field.name} {kind}" if field is not None and field.name else kind


def _octets(body: bytes) -> str:
    return f"{len(body)} octets {hex_text(body)}".rstrip()


def _bits(body: bytes) -> str:
    return f"{len(body[1:]) * 8 - (body[0] if body else 0)} bits {hex_text(body[1:])}".rstrip()


def _integer(body: bytes) -> str:
    value = int.from_bytes(body, "big", signed=True)
    return str(value) if len(body) <= 8 else f"0x{body.hex()}"


def _text(body: bytes) -> str:
    return repr(body.decode("utf-8", "replace"))


_TIME = re.compile(rb"(\d{2}|\d{4})(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})Z", re.ASCII)


def _time(body: bytes) -> str:
    match = _TIME.fullmatch(body)
    if match is None:
        return _text(body)
    year, month, day, hour, minute, second = (int(part) for part in match.groups())
    if len(match[1]) == 2:
        year += 1900 if year >= 50 else 2000
    try:
        moment = datetime.datetime(year, month, day, hour, minute, second, tzinfo=datetime.UTC)
    except ValueError:
        return _text(body)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


_RENDERERS: dict[int, Callable[[bytes], str]] = {
    0x01: lambda body: {b"\xff": "TRUE", b"\x00": "FALSE"}.get(body, body.hex()),
    0x02: _integer,
    0x03: _bits,
    0x05: lambda body: "" if not body else body.hex(),
    0x0A: _integer,
    0x17: _time,
    0x18: _time,
}

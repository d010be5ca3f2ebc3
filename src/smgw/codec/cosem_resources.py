"""URIs of the management interface: the tree of COSEM resources, and what of a resource is asked for.

Our choices where the public sources are silent: numbers of a query are plain decimals and times are UTC texts; inside a literal the
characters `%,[]{}` of a value are escaped as `%XX`, and after that the whole query once more as in any URI.
Source: WAN-08; 20-wan-crypto-pki 1.4.
"""

import re
from collections.abc import Callable
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, NamedTuple
from urllib.parse import quote, unquote_to_bytes

import msgspec

from smgw.codec.cosem_values import DEPTH_LIMIT, CompactArray, Value, read_simple, write_simple
from smgw.core.errors import DecodeFault, LimitFault, PeerFault, UsageError
from smgw.core.instant import parse_time, utc_text
from smgw.core.obis import Obis

URI_LIMIT: Final = 4000
"""Most characters of a target."""


class Kind(StrEnum):
    """Say what a URI names."""

    DEVICES = "ldevs"
    DEVICE = "ldevs/device"
    OBJECTS = "ldevs/device/objects"
    OBJECT = "ldevs/device/objects/instance"
    ATTRIBUTES = "ldevs/device/objects/instance/attributes"
    ATTRIBUTE = "ldevs/device/objects/instance/attributes/attribute"
    METHODS = "ldevs/device/objects/instance/methods"
    METHOD = "ldevs/device/objects/instance/methods/method"
    DEVICE_CONTAINERS = "ldevs/device/containers"
    DEVICE_CONTAINER = "ldevs/device/containers/instance"
    CONTAINERS = "containers"
    CONTAINER = "containers/container"


LISTS: Final = frozenset({Kind.DEVICES, Kind.OBJECTS, Kind.ATTRIBUTES, Kind.METHODS, Kind.DEVICE_CONTAINERS, Kind.CONTAINERS})
_WHOLE: Final = ("GET", "PUT", "DELETE")
VERBS: Final[dict[Kind, tuple[str, ...]]] = {
    **dict.fromkeys(LISTS, ("GET",)),
    **dict.fromkeys((Kind.DEVICE, Kind.OBJECT, Kind.DEVICE_CONTAINER, Kind.CONTAINER), _WHOLE),
    Kind.ATTRIBUTE: ("GET", "PUT"),
    Kind.METHOD: ("POST",),
}
"""What can be done with each; anything else is answered by 405."""

_NUMBER = re.compile(r"0|[1-9][0-9]{0,9}")
_INDEX = re.compile(r"0|-?[1-9][0-9]{0,2}")
DEVICE_NAME = re.compile(r"[0-9a-z-]{1,63}(?:\.[0-9a-z-]{1,63}){0,8}")
_INSTANCE = re.compile(r"(0|[1-9][0-9]{0,4})-([0-9a-f]{12})")
_ENCODED = re.compile(r"""(?:[!"$&-~]|%[0-9A-Fa-f]{2})*""")
_LEAF = re.compile(r"([A-Za-z][A-Za-z0-9_-]{0,30}):([^,\[\]{}]*)")
_ESCAPED = str.maketrans({character: f"%{ord(character):02X}" for character in "%,[]{}"})
_PAIRS: Final = {"[": ("array", "]"), "{": ("structure", "}")}
_NUMBER_LIMIT: Final = (1 << 32) - 1


class ObjectName(NamedTuple):
    """Name a COSEM object within its device, for example `3-0100010800ff`."""

    class_id: int
    obis: Obis

    @classmethod
    def parse(cls, text: str) -> "ObjectName":
        """Read class and logical name. Raises: PeerFault command.resource."""
        match = _INSTANCE.fullmatch(text)
        if match is None or int(match[1]) > 0xFFFF:
            raise PeerFault("command.resource", ascii(text)[:40])
        return cls(int(match[1]), Obis.parse(match[2]))

    def __str__(self) -> str:
        return f"{self.class_id}-{self.obis.hex}"


class Resource(NamedTuple):
    """Name one resource; what its kind does not have is empty. `number` is that of an attribute (-128…127) or method (from 1)."""

    kind: Kind
    device: str = ""
    instance: ObjectName | None = None
    number: int | None = None
    container: str = ""
    """Id of a container over several devices, of the characters of a device's name."""


class Selection(msgspec.Struct, frozen=True):
    """Ask for a part of an attribute: rows by place, columns by place or definition, rows by the value of a column."""

    from_row: int | None = None
    to_row: int | None = None
    rows: int | None = None
    from_column: int | None = None
    to_column: int | None = None
    columns: Value | None = None
    filter_column: Value | None = None
    from_value: Value | None = None
    to_value: Value | None = None


class Part(msgspec.Struct, frozen=True):
    """Ask for a part of a resource: elements by place or time (the end exclusive), down to a depth (0 is the element itself)."""

    from_element: int | None = None
    elements: int | None = None
    depth: int | None = None
    from_time: datetime | None = None
    to_time: datetime | None = None


class Target(NamedTuple):
    """Hold what a request's target says."""

    resource: Resource
    selection: Selection = Selection()
    part: Part = Part()


# literals


def read_literal(text: str) -> Value:
    """Read `type:value`, an array `[…]` or a structure `{…}`. Raises: DecodeFault command.structure."""
    value, end = _literal(text, 0, 0)
    if end != len(text):
        raise DecodeFault("command.structure", "literal", offset=end)
    return value


def write_literal(value: Value, depth: int = 0) -> str:
    """Write a literal. Raises: UsageError xml.value for a compact array or what its type can't hold."""
    kind, content = value
    if depth > DEPTH_LIMIT:
        raise UsageError("xml.value", "nested too deeply")
    if kind in ("array", "structure") and isinstance(content, tuple) and not isinstance(content, CompactArray):
        inner = ",".join(write_literal(one, depth + 1) for one in content)
        return f"[{inner}]" if kind == "array" else f"{{{inner}}}"
    return f"{kind}:{write_simple(value).translate(_ESCAPED)}"


def _literal(text: str, at: int, depth: int) -> tuple[Value, int]:
    if depth > DEPTH_LIMIT:
        raise DecodeFault("command.structure", "literal nested too deeply", offset=at)
    if text[at : at + 1] in _PAIRS:
        return _sequence(text, at, depth)
    match = _LEAF.match(text, at)
    if match is None:
        raise DecodeFault("command.structure", "literal", offset=at)
    try:
        return read_simple(match[1], _decoded(match[2], any_character=True)), match.end()
    except DecodeFault as problem:
        raise DecodeFault("command.structure", "value of a literal", offset=at) from problem


def _sequence(text: str, at: int, depth: int) -> tuple[Value, int]:
    kind, close = _PAIRS[text[at]]
    at += 1
    items: list[Value] = []
    while text[at : at + 1] != close:
        if items:
            if text[at : at + 1] != ",":
                raise DecodeFault("command.structure", "literal", offset=at)
            at += 1
        value, at = _literal(text, at, depth + 1)
        items.append(value)
    return Value(kind, tuple(items)), at + 1


def _decoded(text: str, *, any_character: bool = False) -> str:
    """Resolve `%XX`. Raises: DecodeFault command.structure for what is not UTF-8 or, in a URI, not allowed."""
    if re.search(r"%(?![0-9A-Fa-f]{2})", text) or not (any_character or _ENCODED.fullmatch(text)):
        raise DecodeFault("command.structure", "percent encoding")
    try:
        return unquote_to_bytes(text).decode("utf-8")
    except UnicodeDecodeError as problem:
        raise DecodeFault("command.structure", "percent encoding") from problem


# queries


def _number(text: str) -> int:
    if not _NUMBER.fullmatch(text) or int(text) > _NUMBER_LIMIT:
        raise DecodeFault("command.structure", "number of a query")
    return int(text)


def _time(text: str) -> datetime:
    moment = parse_time(text)
    if utc_text(moment) != text:
        raise DecodeFault("command.structure", "time of a query")
    return moment


_Form = tuple[Callable[[str], Any], Callable[[Any], str]]
_A_NUMBER: Final[_Form] = (_number, str)
_A_LITERAL: Final[_Form] = (read_literal, write_literal)
_A_TIME: Final[_Form] = (_time, utc_text)
_SELECTION: Final[dict[str, tuple[str, _Form]]] = {
    "sa.fromidx": ("from_row", _A_NUMBER),
    "sa.toidx": ("to_row", _A_NUMBER),
    "sa.count": ("rows", _A_NUMBER),
    "sa.fromcol": ("from_column", _A_NUMBER),
    "sa.tocol": ("to_column", _A_NUMBER),
    "sa.retrievecolumns": ("columns", _A_LITERAL),
    "sa.filtercolumn": ("filter_column", _A_LITERAL),
    "sa.fromtype": ("from_value", _A_LITERAL),
    "sa.totype": ("to_value", _A_LITERAL),
}
_PART: Final[dict[str, tuple[str, _Form]]] = {
    "q.fromidx": ("from_element", _A_NUMBER),
    "q.count": ("elements", _A_NUMBER),
    "q.depth": ("depth", _A_NUMBER),
    "q.fromtime": ("from_time", _A_TIME),
    "q.totime": ("to_time", _A_TIME),
}


def _read_query(kind: Kind, query: str) -> tuple[dict[str, Any], dict[str, Any]]:
    selection: dict[str, Any] = {}
    part: dict[str, Any] = {}
    for pair in query.split("&"):
        name, separator, value = pair.partition("=")
        table, found = (_SELECTION, selection) if name in _SELECTION else (_PART, part)
        fits = kind is Kind.ATTRIBUTE if table is _SELECTION else kind is not Kind.METHOD
        if name not in table or not separator or not fits or table[name][0] in found:
            raise DecodeFault("command.structure", f"query {ascii(name)[:40]}")
        field, (read, _) = table[name]
        try:
            found[field] = read(_decoded(value))
        except DecodeFault:
            raise
        except PeerFault as problem:
            raise DecodeFault("command.structure", f"query {name}") from problem
    return selection, part


def _write_query(target: Target) -> str:
    pairs = []
    for table, values in ((_SELECTION, target.selection), (_PART, target.part)):
        for name, (field, (_, write)) in table.items():
            value = getattr(values, field)
            if value is not None:
                pairs.append(f"{name}={quote(write(value), safe=':,')}")
    return "&".join(pairs)


# targets


def parse_target(target: str, root: str = "") -> Target:
    """Read the target of a request; `root` is the path of the point of contact, without `/` at its end.

    A `/` behind a list means depth 1. Raises: PeerFault command.resource when no resource can have that path; DecodeFault
    command.structure for a query that does not follow the rules or fit the resource; LimitFault http.target_size.
    """
    if len(target) > URI_LIMIT:
        raise LimitFault("http.target_size", f"{len(target)} characters")
    path, has_query, query = target.partition("?")
    prefix = f"{root}/cosem/"
    if not path.startswith(prefix):
        raise PeerFault("command.resource", "outside of the tree")
    resource, is_opened = _read_path(path.removeprefix(prefix))
    selection, part = _read_query(resource.kind, query) if has_query else ({}, {})
    if is_opened and part.setdefault("depth", 1) != 1:
        raise DecodeFault("command.structure", "two depths")
    return Target(resource, Selection(**selection), Part(**part))


def format_target(target: Target, root: str = "") -> str:
    """Write the target of a request. Raises: UsageError http.usage, xml.value for what `parse_target` would not give back."""
    resource = target.resource
    segments = {
        "device": resource.device,
        "instance": str(resource.instance),
        "attribute": str(resource.number),
        "method": str(resource.number),
        "container": resource.container,
    }
    path = "/".join(segments.get(segment, segment) for segment in resource.kind.split("/"))
    query = _write_query(target)
    text = f"{root}/cosem/{path}{'?' if query else ''}{query}"
    try:
        same = parse_target(text, root) == target
    except PeerFault as problem:
        raise UsageError("http.usage", problem.code) from problem
    if not same:
        raise UsageError("http.usage", resource.kind)
    return text


def _read_path(path: str) -> tuple[Resource, bool]:
    """Give the resource, and whether a `/` follows it, which only a list may have."""
    segments = path.removesuffix("/").split("/")
    for kind in Kind:
        names = kind.split("/")
        if len(names) == len(segments) and all(name in _SEGMENTS or name == segment for name, segment in zip(names, segments, strict=True)):
            if path.endswith("/") and kind not in LISTS:
                break
            fields = dict(_SEGMENTS[name](segment) for name, segment in zip(names, segments, strict=True) if name in _SEGMENTS)
            return Resource(kind, **fields), path.endswith("/")
    raise PeerFault("command.resource", "not in the tree")


def _name(field: str, text: str) -> tuple[str, str]:
    if not DEVICE_NAME.fullmatch(text):
        raise PeerFault("command.resource", f"{field} {ascii(text)[:40]}")
    return field, text


def _index(text: str, low: int) -> tuple[str, int]:
    if not _INDEX.fullmatch(text) or not low <= int(text) <= 127:
        raise PeerFault("command.resource", f"number {ascii(text)[:40]}")
    return "number", int(text)


_SEGMENTS: Final[dict[str, Callable[[str], tuple[str, Any]]]] = {
    "device": lambda text: _name("device", text),
    "instance": lambda text: ("instance", ObjectName.parse(text)),
    "attribute": lambda text: _index(text, -128),
    "method": lambda text: _index(text, 1),
    "container": lambda text: _name("container", text),
}

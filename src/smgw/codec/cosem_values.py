"""COSEM data types as XML elements and as texts: every type of the table, both ways, with one written form for one value.

Elements are read in the namespace of objects or in that of data types, and written in the first, as the examples show them. Our choices
where the public sources are silent: no blanks around a value, `NaN` is no number, a type description of a compact array is an element of
the type's name, and that of an array holds `number-of-elements` and `type-description`.
Source: WAN-08; 20-wan-crypto-pki 1.4.
"""

import re
import struct
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from lxml import etree

from smgw.core.errors import DecodeFault, UsageError

OBJECTS: Final = "urn:k461-dke-de:cor-1"
DATA_TYPES: Final = "urn:k461-dke-de:cod-1"
DEPTH_LIMIT: Final = 16
"""Most arrays and structures within each other."""

_INTEGERS: Final[dict[str, tuple[int, int]]] = {
    "integer": (-(1 << 7), (1 << 7) - 1),
    "long": (-(1 << 15), (1 << 15) - 1),
    "double-long": (-(1 << 31), (1 << 31) - 1),
    "long64": (-(1 << 63), (1 << 63) - 1),
    "unsigned": (0, (1 << 8) - 1),
    "long-unsigned": (0, (1 << 16) - 1),
    "double-long-unsigned": (0, (1 << 32) - 1),
    "long64-unsigned": (0, (1 << 64) - 1),
    "enum": (0, (1 << 8) - 1),
    "bcd": (-(1 << 7), (1 << 7) - 1),
}
_FLOATS: Final = {"floating-point": struct.Struct(">f"), "float32": struct.Struct(">f"), "float64": struct.Struct(">d")}
_OCTETS: Final[dict[str, int | None]] = {"octet-string": None, "date_time": 12, "date": 5, "time": 4}
"""Length in octets; times have the COSEM layout, in which any field may be left open."""
_MOMENT: Final = struct.Struct(">HBBBBBBBhB")
"""Year, month, day, weekday (1 is Monday), hour, minute, second, hundredths, minutes from local time to UTC, clock status."""
_OPEN: Final = 0xFF
_TEXTS: Final = {
    "bit-string": re.compile(r"[01]*"),
    "visible-string": re.compile(r"[ -~]*"),
    "UTF8-string": re.compile("[\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]*"),
}
_EMPTY: Final = ("null-data", "dont-care")
_SEQUENCES: Final = ("array", "structure")
SIMPLE_TYPES: Final = (*_EMPTY, "boolean", *_INTEGERS, *_FLOATS, *_OCTETS, *_TEXTS)
_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,19}")
_HEX = re.compile(r"(?:[0-9a-fA-F]{2})*")


class Description(NamedTuple):
    """Describe what each element of a compact array is: a simple type, a structure of `parts`, or an array of `size` times one part."""

    type: str
    parts: tuple["Description", ...] = ()
    size: int = 0


class CompactArray(NamedTuple):
    """Hold elements of one type without their tags, as octets."""

    description: Description
    contents: bytes


class Value(NamedTuple):
    """Hold one value: `type` is the name of its element; octets for times and octet strings, a tuple for arrays and structures."""

    type: str
    content: "bool | int | float | bytes | str | tuple[Value, ...] | CompactArray | None" = None


# texts of simple types, as elements and literals hold them


def read_simple(kind: str, text: str) -> Value:
    """Read the text of a simple type. Raises: DecodeFault xml.structure."""
    if kind in _EMPTY and not text:
        return Value(kind)
    if kind == "boolean" and text in ("true", "false"):
        return Value(kind, text == "true")
    if kind in _INTEGERS and _INTEGER.fullmatch(text):
        low, high = _INTEGERS[kind]
        if low <= int(text) <= high:
            return Value(kind, int(text))
    if kind in _TEXTS and _TEXTS[kind].fullmatch(text):
        return Value(kind, text)
    if (kind in _OCTETS or kind in _FLOATS) and _HEX.fullmatch(text):
        octets = bytes.fromhex(text)
        if kind in _OCTETS and _OCTETS[kind] in (None, len(octets)):
            return Value(kind, octets)
        if kind in _FLOATS and _FLOATS[kind].size == len(octets):
            number: float = _FLOATS[kind].unpack(octets)[0]
            if number == number:
                return Value(kind, number)
    raise DecodeFault("xml.structure", f"not a value of {ascii(kind)[:40]}")


def write_simple(value: Value) -> str:
    """Write the text of a simple type, hexadecimal digits in lower case. Raises: UsageError xml.value for what the type can't hold."""
    kind, content = value
    text = ""
    if isinstance(content, bool):
        text = "true" if content else "false"
    elif isinstance(content, int):
        text = str(content)
    elif isinstance(content, str):
        text = content
    elif isinstance(content, bytes):
        text = content.hex()
    elif isinstance(content, float) and kind in _FLOATS:
        try:
            text = _FLOATS[kind].pack(content).hex()
        except OverflowError as problem:
            raise UsageError("xml.value", kind) from problem
    try:
        same = read_simple(kind, text) == value
    except DecodeFault as problem:
        raise UsageError("xml.value", kind[:40]) from problem
    if not same:
        raise UsageError("xml.value", kind)
    return text


def read_moment(octets: bytes) -> datetime:
    """Read a date_time that leaves nothing open but weekday and hundredths; its local time and its deviation together give UTC.

    Raises: DecodeFault xml.structure.
    """
    if len(octets) != _MOMENT.size:
        raise DecodeFault("xml.structure", "date_time")
    year, month, day, weekday, hour, minute, second, hundredths, deviation, _ = _MOMENT.unpack(octets)
    try:
        local = datetime(year, month, day, hour, minute, second, 0 if hundredths == _OPEN else hundredths * 10_000, UTC)
        moment = local + timedelta(minutes=deviation)
    except (ValueError, OverflowError) as problem:
        raise DecodeFault("xml.structure", "date_time") from problem
    if weekday not in (_OPEN, local.isoweekday()) or not -720 <= deviation <= 840:
        raise DecodeFault("xml.structure", "date_time")
    return moment


def write_moment(moment: datetime) -> bytes:
    """Write a time as date_time in UTC, deviation 0, to hundredths of a second. Raises: UsageError xml.value without zone or for less."""
    if moment.tzinfo is None or moment.microsecond % 10_000:
        raise UsageError("xml.value", "date_time")
    utc = moment.astimezone(UTC)
    clock = (utc.hour, utc.minute, utc.second, utc.microsecond // 10_000)
    return _MOMENT.pack(utc.year, utc.month, utc.day, utc.isoweekday(), *clock, 0, 0)


# elements


def local_name(element: etree._Element) -> str:
    """Give the name of an element of one of the two namespaces. Raises: DecodeFault xml.structure."""
    name = etree.QName(element)
    if name.namespace not in (OBJECTS, DATA_TYPES):
        raise _fault(element)
    return str(name.localname)


def read_value(element: etree._Element, depth: int = 0) -> Value:
    """Read a data element. Raises: DecodeFault xml.structure."""
    kind = local_name(element)
    if element.attrib or depth > DEPTH_LIMIT:
        raise _fault(element)
    if kind in _SEQUENCES:
        return Value(kind, tuple(read_value(child, depth + 1) for child in children(element)))
    if kind == "compact-array":
        return Value(kind, _read_compact(element))
    return read_simple(kind, _text(element))


def write_value(value: Value, depth: int = 0) -> str:
    """Write a data element without namespace prefix. Raises: UsageError xml.value."""
    kind, content = value
    if depth > DEPTH_LIMIT:
        raise UsageError("xml.value", "nested too deeply")
    if kind in _SEQUENCES and isinstance(content, tuple) and not isinstance(content, CompactArray):
        return f"<{kind}>{''.join(write_value(one, depth + 1) for one in content)}</{kind}>"
    if kind == "compact-array" and isinstance(content, CompactArray):
        described = _write_description(content.description, 0)
        return (
            f"<{kind}><contents-description>{described}</contents-description>"
            f"<array-contents>{content.contents.hex()}</array-contents></{kind}>"
        )
    text = escaped(write_simple(value))
    return f"<{kind}>{text}</{kind}>" if text else f"<{kind}/>"


def escaped(text: str) -> str:
    """Write characters that XML gives a meaning, or changes, as references."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\r", "&#13;")


def children(element: etree._Element) -> list[etree._Element]:
    """Give the children of an element that holds nothing else but blanks. Raises: DecodeFault xml.structure."""
    inside = list(element)
    if any(text and text.strip(" \t\r\n") for text in (element.text, *(child.tail for child in inside))):
        raise _fault(element)
    return inside


def _text(element: etree._Element) -> str:
    if len(element) or element.attrib:
        raise _fault(element)
    return element.text or ""


def _read_compact(element: etree._Element) -> CompactArray:
    parts = children(element)
    if [local_name(part) for part in parts] != ["contents-description", "array-contents"] or parts[0].attrib:
        raise _fault(element)
    described, contents = children(parts[0]), read_simple("octet-string", _text(parts[1])).content
    if len(described) != 1 or not isinstance(contents, bytes):
        raise _fault(element)
    return CompactArray(_read_description(described[0], 0), contents)


def _read_description(element: etree._Element, depth: int) -> Description:
    kind = local_name(element)
    if element.attrib or depth > DEPTH_LIMIT:
        raise _fault(element)
    if kind == "structure":
        return Description(kind, tuple(_read_description(child, depth + 1) for child in children(element)))
    if kind == "array":
        parts = children(element)
        if [local_name(part) for part in parts] != ["number-of-elements", "type-description"] or parts[1].attrib:
            raise _fault(element)
        size, inner = read_simple("long-unsigned", _text(parts[0])).content, children(parts[1])
        if len(inner) != 1 or not isinstance(size, int):
            raise _fault(element)
        return Description(kind, (_read_description(inner[0], depth + 1),), size)
    if kind not in SIMPLE_TYPES or _text(element):
        raise _fault(element)
    return Description(kind)


def _write_description(description: Description, depth: int) -> str:
    kind, parts, size = description
    inner = "" if depth > DEPTH_LIMIT else "".join(_write_description(part, depth + 1) for part in parts)
    if kind == "array" and len(parts) == 1 and 0 <= size < 1 << 16 and depth <= DEPTH_LIMIT:
        return f"<array><number-of-elements>{size}</number-of-elements><type-description>{inner}</type-description></array>"
    if size or depth > DEPTH_LIMIT or not (kind == "structure" or (kind in SIMPLE_TYPES and not parts)):
        raise UsageError("xml.value", "type description")
    return f"<{kind}>{inner}</{kind}>"


def _fault(element: etree._Element) -> DecodeFault:
    return DecodeFault("xml.structure", f"at {ascii(etree.QName(element).localname)[:40]}, line {element.sourceline}")

"""What each octet of an SML frame means, for good frames and for broken ones."""

from collections.abc import Callable, Generator, Iterator
from datetime import UTC, datetime
from typing import NamedTuple, TypeAlias

from smgw.codec.explain import Explained
from smgw.codec.sml.crc import Checksum
from smgw.codec.sml.decode import decode_frame
from smgw.codec.sml.messages import ParameterChoice, TimeKind
from smgw.codec.sml.schema import ATTENTION_NUMBERS, BODIES, PARAMETER_CONTENTS, SCHEMAS, STRUCT_NAMES, Field, Kind
from smgw.codec.sml.tlv import BOOLEAN, LIST, MAX_DEPTH, OCTETS, SIGNED, TYPE_NAMES, read_head, structure_fault
from smgw.codec.sml.transport import FRAME_START, MAX_FILL, MAX_FRAME, Mark, Payload, find_mark, unescape
from smgw.core.errors import DecodeFault
from smgw.core.obis import Obis
from smgw.core.quantity import Quantity, unit_symbol

_TRANSPORT = "SML transport version 1"
_SECRET = "password"  # noqa: S105 - the name of an element, not a secret
_SHOWN_OCTETS = 32

Leaf: TypeAlias = bytes | bool | int


class _Shape(NamedTuple):
    """Say how an element is called and printed, and what shape its n-th child has, knowing the child before."""

    name: str
    kind: Kind | None = None
    clause: str = ""
    children: "Callable[[int, Leaf | None], _Shape] | None" = None


_UNKNOWN = _Shape("element")


def explain(frame: bytes, *, checksum: Checksum = Checksum.X25, limit: int = MAX_FRAME) -> Iterator[Explained]:
    """Give one line for each stretch of octets; the lines cover the frame without gap or overlap.

    The line of a list covers its head alone, its elements follow one level deeper. For a frame that `decode_frame` refuses,
    what can be read is explained, the rest is marked, and a last line of length 0 names the fault at its offset. Passwords
    are not shown.
    """
    if frame.startswith(FRAME_START):
        yield Explained(0, 4, 0, "escape", _TRANSPORT)
        yield Explained(4, 4, 0, "start of a file")
        yield from _explain_data(frame, checksum)
    elif frame:
        yield Explained(0, len(frame), 0, "not understood: no start sequence")
    try:
        decode_frame(frame, checksum=checksum, limit=limit)
    except DecodeFault as fault:
        yield Explained(fault.offset, 0, 0, f"FAULT {fault.code}: {fault.detail}")


def _explain_data(frame: bytes, checksum: Checksum) -> Iterator[Explained]:
    mark, place = find_mark(frame, len(FRAME_START), len(frame))
    if mark is not Mark.END:
        end = len(frame) if mark is Mark.MORE else place
        yield from _Walk(unescape(frame[8:end]), checksum).messages()
        if end < len(frame):
            yield Explained(end, len(frame) - end, 0, "not understood: neither data nor end of the frame")
        return
    fill = frame[place + 5]
    end = place - (fill if fill <= min(MAX_FILL, place - 8) else 0)
    yield from _Walk(unescape(frame[8:end]), checksum).messages()
    if end < place:
        yield Explained(end, place - end, 0, "fill octets" if not any(frame[end:place]) else "fill octets, not zero", _TRANSPORT)
    yield Explained(place, 4, 0, "escape", _TRANSPORT)
    yield Explained(place + 4, 1, 0, "end of the file")
    yield Explained(place + 5, 1, 0, f"number of fill octets: {fill}")
    verdict = _verdict(int.from_bytes(frame[place + 6 : place + 8], "big"), checksum.of(frame[: place + 6]))
    yield Explained(place + 6, 2, 0, f"checksum of the file: {verdict}")
    if place + 8 < len(frame):
        yield Explained(place + 8, len(frame) - place - 8, 0, "not understood: octets behind the end")


def _verdict(sent: int, expected: int) -> str:
    return f"{sent:04x}, right" if sent == expected else f"{sent:04x}, wrong, {expected:04x} expected"


class _Walk:
    """Go through the messages of one file; `position` is where the last line ended."""

    def __init__(self, payload: Payload, checksum: Checksum) -> None:
        self._data = payload.data
        self._payload = payload
        self._checksum = checksum
        self._position = 0
        self._message_start = 0
        self._unit: int | None = None
        self._scaler: int | None = None

    def messages(self) -> Iterator[Explained]:
        try:
            while self._position < len(self._data):
                self._message_start = self._position
                yield from self._element(_MESSAGE, 0)
        except DecodeFault as fault:
            if self._position < len(self._data):
                yield self._line(len(self._data), 0, f"not understood: {fault.detail}")

    def _line(self, end: int, depth: int, meaning: str, clause: str = "") -> Explained:
        start = self._payload.frame_offset(self._position)
        self._position = end
        return Explained(start, self._payload.frame_offset(end) - start, depth, meaning, clause)

    def _element(self, shape: _Shape, depth: int) -> Generator[Explained, None, Leaf | None]:
        position = self._position
        if shape is _MESSAGE_END and self._data[position : position + 1] == b"\x00":
            yield self._line(position + 1, depth, "end of the message")
            return None
        kind, length, content = read_head(self._data, position, len(self._data))
        if kind == LIST:
            if depth >= MAX_DEPTH:
                raise structure_fault("lists nested too deep", position)
            yield from self._list(shape, depth, length, content)
            return None
        octets = self._data[content : content + length]
        value: Leaf
        if kind == OCTETS:
            value = octets
        elif kind == BOOLEAN:
            value = octets != b"\x00"
        else:
            value = int.from_bytes(octets, "big", signed=kind == SIGNED)
        meaning = self._meaning(shape, kind, length, value, position)
        yield self._line(content + length, depth, meaning, shape.clause)
        return value

    def _list(self, shape: _Shape, depth: int, length: int, content: int) -> Iterator[Explained]:
        self._unit = self._scaler = None
        yield self._line(content, depth, f"{shape.name}: list of {length}", shape.clause)
        value: Leaf | None = None
        for index in range(length):
            child = shape.children(index, value) if shape.children else _UNKNOWN
            value = yield from self._element(child, depth + 1)
            if isinstance(value, int):
                if child.kind is Kind.UNIT:
                    self._unit = value
                elif child.name == "scaler":
                    self._scaler = value

    def _meaning(self, shape: _Shape, kind: int, length: int, value: Leaf, position: int) -> str:
        name = shape.name
        if isinstance(value, bytes):
            if not value:
                return f"{name}: absent"
            if name == _SECRET:
                return f"{name}: {length} octets, not shown"
            return f"{name}: {_octets_text(value, shape)}"
        if isinstance(value, bool):
            return f"{name}: {'true' if value else 'false'}"
        if shape is _CHECKSUM:
            return f"{name}: {_verdict(value, self._checksum.of(self._data[self._message_start : position]))}"
        if shape.kind is Kind.UNIT:
            return f"{name}: {value} ({unit_symbol(value) or 'count'})"
        if shape.kind is Kind.TIME:
            return f"{name}: {value} s (deviation: the kind of time is not sent)"
        if shape.kind is Kind.VALUE:
            return f"{name}: {value} ({TYPE_NAMES[kind]} {8 * length} bit){self._scaled(value)}"
        render = _INTEGER_TEXTS.get(name)
        return f"{name}: {render(value) if render else value}"

    def _scaled(self, value: int) -> str:
        if self._unit is None or self._scaler is None or not -128 <= self._scaler <= 127:
            return ""
        return f" = {Quantity(value, self._scaler, self._unit).decimal():f} {unit_symbol(self._unit)}".rstrip()


def _octets_text(value: bytes, shape: _Shape) -> str:
    if shape.kind is Kind.OBIS and len(value) == 6:
        return str(Obis.from_bytes(value))
    if shape.name == "attentionNo" and value in ATTENTION_NUMBERS:
        return f"{value.hex(' ')} ({ATTENTION_NUMBERS[value]})"
    if len(value) > _SHOWN_OCTETS:
        return f"{value[:_SHOWN_OCTETS].hex(' ')} … ({len(value)} octets)"
    text = value.decode("ascii", "replace")
    return f"{value.hex(' ')} ({text!r})" if value.isascii() and text.isprintable() else value.hex(" ")


def _moment(seconds: int) -> str:
    return f"{seconds} ({datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ})" if 0 <= seconds < 1 << 32 else f"{seconds}"


_INTEGER_TEXTS: dict[str, Callable[[int], str]] = {
    "status": lambda value: f"{value} (0x{value:x})",
    "secIndex": lambda value: f"{value} s since the meter's start",
    "timestamp": _moment,
    "local timestamp": _moment,
    "local offset": lambda value: f"{value} min",
    "season offset": lambda value: f"{value} min",
    "scaler": lambda value: f"{value} (times 10^{value})",
    "messageBody tag": lambda value: f"{value:04x} ({BODIES[value][0] if value in BODIES else 'unknown'})",
}


def _nth(*shapes: _Shape) -> Callable[[int, Leaf | None], _Shape]:
    return lambda index, _: shapes[index] if index < len(shapes) else _UNKNOWN


def _choice(tag: _Shape, contents: Callable[[int], _Shape]) -> Callable[[int, Leaf | None], _Shape]:
    def child(index: int, previous: Leaf | None) -> _Shape:
        if index == 0:
            return tag
        return contents(previous) if index == 1 and isinstance(previous, int) else _UNKNOWN

    return child


_LOCAL_TIME = _Shape("local time", None, "", _nth(_Shape("local timestamp"), _Shape("local offset"), _Shape("season offset")))
_TIME_CONTENTS = {
    TimeKind.SEC_INDEX: _Shape("secIndex"),
    TimeKind.TIMESTAMP: _Shape("timestamp"),
    TimeKind.LOCAL_TIMESTAMP: _LOCAL_TIME,
}
_TIME_CHILDREN = _choice(_Shape("kind of time"), lambda tag: _TIME_CONTENTS.get(TimeKind(tag), _UNKNOWN) if tag in (1, 2, 3) else _UNKNOWN)
_LIST_TIME = _Shape("smlTime", Kind.TIME, "SML_Time", _TIME_CHILDREN)


def _struct_children(field: Field) -> Callable[[int, Leaf | None], _Shape]:
    assert field.of is not None
    fields = SCHEMAS[field.of]
    return lambda index, _: _shape(fields[index]) if index < len(fields) else _UNKNOWN


def _parameter_content(tag: int) -> _Shape:
    return _shape(PARAMETER_CONTENTS[ParameterChoice(tag)]) if tag in PARAMETER_CONTENTS else _UNKNOWN


def _body(tag: int) -> _Shape:
    if tag not in BODIES:
        return _UNKNOWN
    name, body = BODIES[tag]
    return _Shape(name, None, name, _struct_children(Field("", name, Kind.STRUCT, of=body)))


def _shape(field: Field) -> _Shape:
    """Turn a row of the schema into a shape."""
    name, kind = field.name, field.kind
    if kind is Kind.TIME:
        return _Shape(name, kind, "SML_Time", _TIME_CHILDREN)
    if kind is Kind.VALUE:
        return _Shape(name, kind, "SML_Value", _choice(_Shape("kind of list"), lambda _: _LIST_TIME))
    if kind is Kind.PARAMETER_VALUE:
        return _Shape(name, None, "SML_ProcParValue", _choice(_Shape("kind of value"), _parameter_content))
    if kind is Kind.OCTET_LIST:
        return _Shape(name, None, "", lambda _index, _previous: _Shape("name", Kind.OBIS))
    if kind is Kind.STRUCT and field.of:
        return _Shape(name, None, STRUCT_NAMES[field.of], _struct_children(field))
    if kind is Kind.STRUCTS and field.of:
        title = STRUCT_NAMES[field.of]
        inner = Field("", title, Kind.STRUCT, of=field.of)
        return _Shape(name, None, "", lambda _index, _previous: _Shape(title, None, title, _struct_children(inner)))
    return _Shape(name, kind)


_CHECKSUM = _Shape("crc16")
_MESSAGE_END = _Shape("endOfSmlMsg")
_MESSAGE = _Shape(
    "message",
    None,
    "SML_Message",
    _nth(
        _Shape("transactionId"),
        _Shape("groupNo"),
        _Shape("abortOnError"),
        _Shape("messageBody", None, "", _choice(_Shape("messageBody tag"), _body)),
        _CHECKSUM,
        _MESSAGE_END,
    ),
)

"""The general decoder: one message at a time, element by element, along the tables of `smgw.codec.sml.schema`.

It says what is wrong and where. `smgw.codec.sml.fast` may only ever give what this module gives.
"""

from binascii import crc_hqx
from collections.abc import Callable
from typing import Any, NamedTuple

from msgspec import Struct

from smgw.codec.sml.crc import MIRROR, Checksum
from smgw.codec.sml.messages import ListEntry, ParameterChoice, ParameterValue, SmlMessage, SmlTime, TimeKind
from smgw.codec.sml.schema import BODIES, LIST_VALUE_TIME, PARAMETER_CONTENTS, SCHEMAS, STRUCT_NAMES, Field, Kind
from smgw.codec.sml.tlv import BOOLEAN, LIST, OCTETS, SIGNED, TYPE_NAMES, UNSIGNED, Node, read_head, read_node, structure_fault
from smgw.core.errors import DecodeFault

MESSAGE_ELEMENTS = 6
CHECKSUM_OCTETS = 2


class Decoded(NamedTuple):
    """Hold a message and the offset behind it."""

    message: SmlMessage
    end: int


def semantic_fault(detail: str, offset: int) -> DecodeFault:
    """Make the fault for a well-formed message that breaks a rule of its kind."""
    return DecodeFault("sml.semantic", detail, offset=offset)


def read_message(data: bytes, offset: int, end: int, checksum: Checksum) -> Decoded:
    """Read the message at `offset`: encoding first, then its checksum, then its content.

    Raises: DecodeFault sml.structure, sml.message_crc, sml.semantic.
    """
    kind, count, position = read_head(data, offset, end)
    if kind != LIST or count != MESSAGE_ELEMENTS:
        raise structure_fault("not a message: a list of six elements is expected", offset)
    nodes = []
    for _ in range(MESSAGE_ELEMENTS - 1):
        node = read_node(data, position, end, depth=1)
        nodes.append(node)
        position = node.end
    if position >= end or data[position]:
        raise structure_fault("end of message is missing", position)
    transaction, group, abort, body, crc = nodes
    sent = _unsigned(crc, "crc16", CHECKSUM_OCTETS)
    if checksum.wire(crc_hqx(data[offset : crc.offset].translate(MIRROR), checksum.start)) != sent:
        raise DecodeFault("sml.message_crc", f"{sent:04x} sent", offset=crc.offset)
    return Decoded(
        SmlMessage(
            transaction_id=_octets(transaction, "transactionId"),
            group_no=_unsigned(group, "groupNo", 1),
            abort_on_error=_unsigned(abort, "abortOnError", 1),
            body=_body(body),
        ),
        position + 1,
    )


def _body(node: Node) -> Any:
    tag_node, content = _choice(node, "messageBody")
    tag = _unsigned(tag_node, "messageBody tag", 4)
    if tag not in BODIES:
        raise semantic_fault(f"unknown message body {tag:04x}", tag_node.offset)
    return _struct(content, BODIES[tag][1])


def _wrong(node: Node, name: str, expected: str) -> DecodeFault:
    found = "nothing" if node.absent else TYPE_NAMES[node.kind]
    return structure_fault(f"{name}: {expected} expected, {found} found", node.offset)


def _elements(node: Node, name: str) -> tuple[Node, ...]:
    if node.kind != LIST or not isinstance(node.value, tuple):
        raise _wrong(node, name, "list")
    return node.value


def _choice(node: Node, name: str) -> tuple[Node, Node]:
    elements = _elements(node, name)
    if len(elements) != 2:
        raise structure_fault(f"{name}: choice of {len(elements)} elements", node.offset)
    return elements[0], elements[1]


def _octets(node: Node, name: str) -> bytes:
    if node.kind != OCTETS or not isinstance(node.value, bytes):
        raise _wrong(node, name, "octet string")
    return node.value


def _integer(node: Node, name: str, kind: int, width: int) -> int:
    if node.kind != kind or not isinstance(node.value, int):
        raise _wrong(node, name, TYPE_NAMES[kind])
    octets = (node.head & 0x0F) - 1 if not node.head & 0x80 else 0
    if not 1 <= octets <= width:
        raise structure_fault(f"{name}: more than {width} octets, or a long length field", node.offset)
    return node.value


def _unsigned(node: Node, name: str, width: int) -> int:
    return _integer(node, name, UNSIGNED, width)


def _boolean(node: Node, field: Field) -> bool:
    if node.kind != BOOLEAN or not isinstance(node.value, bool):
        raise _wrong(node, field.name, "boolean")
    return node.value


def _time(node: Node, name: str) -> SmlTime:
    if node.kind == UNSIGNED:
        return SmlTime(TimeKind.UNTAGGED, _unsigned(node, name, 4))
    tag_node, content = _choice(node, name)
    tag = _unsigned(tag_node, name, 1)
    if tag in (TimeKind.SEC_INDEX, TimeKind.TIMESTAMP):
        return SmlTime(TimeKind(tag), _unsigned(content, name, 4))
    if tag != TimeKind.LOCAL_TIMESTAMP:
        raise semantic_fault(f"{name}: unknown kind of time {tag}", tag_node.offset)
    parts = _elements(content, name)
    if len(parts) != 3:
        raise structure_fault(f"{name}: local time of {len(parts)} elements", content.offset)
    return SmlTime(
        TimeKind.LOCAL_TIMESTAMP,
        _unsigned(parts[0], name, 4),
        _integer(parts[1], name, SIGNED, 2),
        _integer(parts[2], name, SIGNED, 2),
    )


def _value(node: Node, name: str) -> Any:
    if node.absent:
        return None
    if node.kind == LIST:
        tag_node, content = _choice(node, name)
        tag = _unsigned(tag_node, name, 1)
        if tag != LIST_VALUE_TIME:
            raise semantic_fault(f"{name}: unknown kind of list {tag}", tag_node.offset)
        return _time(content, name)
    if node.kind in (SIGNED, UNSIGNED):
        return _integer(node, name, node.kind, 8)
    return node.value


def _parameter_value(node: Node, field: Field) -> ParameterValue:
    tag_node, content = _choice(node, field.name)
    tag = _unsigned(tag_node, field.name, 1)
    if tag not in PARAMETER_CONTENTS:
        raise semantic_fault(f"{field.name}: unknown kind of value {tag}", tag_node.offset)
    choice = ParameterChoice(tag)
    return ParameterValue(choice, _field(content, PARAMETER_CONTENTS[choice]))


def _struct(node: Node, of: type[Struct] | None) -> Any:
    assert of is not None
    fields = SCHEMAS[of]
    elements = _elements(node, STRUCT_NAMES[of])
    if len(elements) != len(fields):
        raise structure_fault(f"{STRUCT_NAMES[of]}: {len(elements)} elements, {len(fields)} expected", node.offset)
    values = {field.attribute: _field(element, field) for field, element in zip(fields, elements, strict=True)}
    if of is ListEntry:
        value_node = elements[5]
        values["value_format"] = value_node.head if value_node.kind in (SIGNED, UNSIGNED) else 0
    return of(**values)


def _field(node: Node, field: Field) -> Any:
    if field.optional and node.absent:
        return None
    return _READERS[field.kind](node, field)


_READERS: dict[Kind, Callable[[Node, Field], Any]] = {
    Kind.OCTETS: lambda node, field: _octets(node, field.name),
    Kind.OBIS: lambda node, field: _octets(node, field.name),
    Kind.BOOLEAN: _boolean,
    Kind.UNSIGNED: lambda node, field: _unsigned(node, field.name, field.width),
    Kind.UNIT: lambda node, field: _unsigned(node, field.name, field.width),
    Kind.SIGNED: lambda node, field: _integer(node, field.name, SIGNED, field.width),
    Kind.TIME: lambda node, field: _time(node, field.name),
    Kind.VALUE: lambda node, field: _value(node, field.name),
    Kind.STRUCT: lambda node, field: _struct(node, field.of),
    Kind.STRUCTS: lambda node, field: tuple(_struct(element, field.of) for element in _elements(node, field.name)),
    Kind.OCTET_LIST: lambda node, field: tuple(_octets(element, field.name) for element in _elements(node, field.name)),
    Kind.PARAMETER_VALUE: _parameter_value,
}

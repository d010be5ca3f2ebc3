"""Type-length-value: the binary encoding under every SML message.

An element starts with a head of one or more octets: bit 7 says that another head octet follows, bits 6…4 hold the type (in
the first octet alone), bits 3…0 four more bits of the length. The length of a list counts its elements, every other length
counts octets and includes the head.
"""

from typing import NamedTuple, TypeAlias

from smgw.core.errors import DecodeFault, UsageError

OCTETS = 0x00
BOOLEAN = 0x40
SIGNED = 0x50
UNSIGNED = 0x60
LIST = 0x70
ABSENT = b"\x01"
"""An optional element that is not there; the same octet as an empty octet string."""

MAX_HEAD = 4
MAX_DEPTH = 32
TYPE_NAMES = {OCTETS: "octet string", BOOLEAN: "boolean", SIGNED: "signed", UNSIGNED: "unsigned", LIST: "list"}

NodeValue: TypeAlias = "bytes | bool | int | tuple[Node, ...]"


class Node(NamedTuple):
    """Hold one element: its type, where it stands, its first head octet and its value."""

    kind: int
    offset: int
    end: int
    head: int
    value: NodeValue

    @property
    def absent(self) -> bool:
        """Tell the empty octet string, which stands for an optional element that is not there."""
        return self.value == b"" and self.kind == OCTETS


class Head(NamedTuple):
    """Hold a head: type, number of elements (list) or of octets behind the head (else), and where the head ends."""

    kind: int
    length: int
    end: int


def structure_fault(detail: str, offset: int) -> DecodeFault:
    """Make the fault for octets that do not follow the encoding."""
    return DecodeFault("sml.structure", detail, offset=offset)


def read_head(data: bytes, offset: int, end: int) -> Head:
    """Read the head at `offset`; nothing at or behind `end` is looked at.

    Raises: DecodeFault sml.structure for a reserved type, a length that no type allows or that leads behind `end`.
    """
    if offset >= end:
        raise structure_fault("element is missing", offset)
    octet = data[offset]
    kind = octet & 0x70
    length = octet & 0x0F
    position = offset + 1
    while octet & 0x80:
        if position - offset == MAX_HEAD:
            raise structure_fault(f"length field of more than {MAX_HEAD} octets", offset)
        if position >= end:
            raise structure_fault("length field is cut off", offset)
        octet = data[position]
        if octet & 0x70:
            raise structure_fault("type bits in a following length octet", position)
        length = length << 4 | octet & 0x0F
        position += 1
    if kind == LIST:
        if length > end - position:
            raise structure_fault(f"list of {length} elements in {end - position} octets", offset)
        return Head(kind, length, position)
    if kind not in TYPE_NAMES:
        raise structure_fault(f"reserved type {kind >> 4}", offset)
    count = length - (position - offset)
    if count < 0:
        raise structure_fault("end of message inside a message" if data[offset] == 0 else "length is shorter than its own field", offset)
    if count > end - position:
        raise structure_fault(f"{TYPE_NAMES[kind]} of {count} octets, {end - position} are left", offset)
    if kind == BOOLEAN and count != 1:
        raise structure_fault(f"boolean of {count} octets", offset)
    if kind in (SIGNED, UNSIGNED) and not 1 <= count <= 8:
        raise structure_fault(f"integer of {count} octets", offset)
    return Head(kind, count, position)


def read_node(data: bytes, offset: int, end: int, depth: int = 0) -> Node:
    """Read one element with everything in it.

    Raises: DecodeFault sml.structure; also for more than `MAX_DEPTH` nested lists.
    """
    kind, count, position = read_head(data, offset, end)
    value: NodeValue
    if kind == LIST:
        if depth >= MAX_DEPTH:
            raise structure_fault(f"lists nested deeper than {MAX_DEPTH}", offset)
        elements = []
        for _ in range(count):
            element = read_node(data, position, end, depth + 1)
            elements.append(element)
            position = element.end
        return Node(kind, offset, position, data[offset], tuple(elements))
    content = data[position : position + count]
    if kind == OCTETS:
        value = content
    elif kind == BOOLEAN:
        value = content != b"\x00"
    else:
        value = int.from_bytes(content, "big", signed=kind == SIGNED)
    return Node(kind, offset, position + count, data[offset], value)


def write_head(kind: int, length: int) -> bytes:
    """Write the shortest head for a list of `length` elements or a value of `length` octets without head.

    Raises: UsageError sml.encode for a length that needs more than `MAX_HEAD` head octets.
    """
    for size in range(1, MAX_HEAD + 1):
        total = length if kind == LIST else length + size
        if total < 1 << 4 * size:
            nibbles = [total >> 4 * place & 0x0F for place in range(size - 1, -1, -1)]
            head = bytearray(nibble | 0x80 for nibble in nibbles)
            head[0] |= kind
            head[-1] &= 0x7F
            return bytes(head)
    raise UsageError("sml.encode", f"length {length} does not fit {MAX_HEAD} length octets")


def write_octets(value: bytes) -> bytes:
    """Write an octet string."""
    return write_head(OCTETS, len(value)) + value


def write_integer(value: int, kind: int, width: int) -> bytes:
    """Write an integer of `width` octets, 1…8. Raises: UsageError sml.encode when it does not fit."""
    try:
        return bytes((kind | width + 1,)) + value.to_bytes(width, "big", signed=kind == SIGNED)
    except OverflowError:
        raise UsageError("sml.encode", f"{value} does not fit {width} octets {TYPE_NAMES[kind]}") from None


def write_boolean(value: bool) -> bytes:
    """Write a boolean."""
    return b"\x42\x01" if value else b"\x42\x00"


def write_list(*elements: bytes) -> bytes:
    """Write a list of elements that are already written."""
    return write_head(LIST, len(elements)) + b"".join(elements)

"""Messages to octets: the way back of `smgw.codec.sml.decode`, along the same tables."""

from collections.abc import Callable, Iterable
from typing import Any

from msgspec import Struct

from smgw.codec.sml.crc import Checksum
from smgw.codec.sml.messages import ListEntry, SmlMessage, SmlTime, TimeKind, integer_format
from smgw.codec.sml.schema import BODY_TAGS, LIST_VALUE_TIME, PARAMETER_CONTENTS, SCHEMAS, Field, Kind
from smgw.codec.sml.tlv import (
    ABSENT,
    SIGNED,
    UNSIGNED,
    write_boolean,
    write_integer,
    write_list,
    write_octets,
)
from smgw.codec.sml.transport import build_frame
from smgw.core.errors import UsageError


def encode_messages(messages: Iterable[SmlMessage], *, checksum: Checksum = Checksum.X25) -> bytes:
    """Write messages one behind the other, each with its checksum.

    Raises: UsageError sml.encode for a value that its element can't hold.
    """
    return b"".join(_message(message, checksum) for message in messages)


def encode_frame(messages: Iterable[SmlMessage], *, checksum: Checksum = Checksum.X25) -> bytes:
    """Write messages into one transport frame.

    Raises: UsageError sml.encode for a value that its element can't hold.
    """
    return build_frame(encode_messages(messages, checksum=checksum), checksum)


def _message(message: SmlMessage, checksum: Checksum) -> bytes:
    tag = BODY_TAGS[type(message.body)]
    content = b"".join(
        (
            b"\x76",
            write_octets(message.transaction_id),
            write_integer(message.group_no, UNSIGNED, 1),
            write_integer(message.abort_on_error, UNSIGNED, 1),
            write_list(write_integer(tag, UNSIGNED, 4), _struct(message.body)),
        )
    )
    return content + write_integer(checksum.of(content), UNSIGNED, 2) + b"\x00"


def _struct(value: Struct) -> bytes:
    elements = [_field(getattr(value, field.attribute), field) for field in SCHEMAS[type(value)]]
    if isinstance(value, ListEntry) and value.value_format and isinstance(value.value, int):
        head = value.value_format
        if head & 0x70 not in (SIGNED, UNSIGNED) or head & 0x80 or not 2 <= head & 0x0F <= 9:
            raise UsageError("sml.encode", f"value_format {head:02x} is not an integer's")
        elements[5] = write_integer(value.value, head & 0x70, (head & 0x0F) - 1)
    return write_list(*elements)


def _time(value: SmlTime) -> bytes:
    seconds = write_integer(value.seconds, UNSIGNED, 4)
    if value.kind is TimeKind.UNTAGGED:
        return seconds
    if value.kind is TimeKind.LOCAL_TIMESTAMP:
        seconds = write_list(seconds, write_integer(value.local_offset, SIGNED, 2), write_integer(value.season_offset, SIGNED, 2))
    return write_list(write_integer(value.kind, UNSIGNED, 1), seconds)


def _value(value: Any) -> bytes:
    if value is None:
        return ABSENT
    if isinstance(value, bool):
        return write_boolean(value)
    if isinstance(value, bytes):
        return write_octets(value)
    if isinstance(value, SmlTime):
        return write_list(write_integer(LIST_VALUE_TIME, UNSIGNED, 1), _time(value))
    head = integer_format(value)
    if not head:
        raise UsageError("sml.encode", f"{value} does not fit 8 octets")
    return write_integer(value, head & 0x70, (head & 0x0F) - 1)


def _status(value: int, width: int) -> bytes:
    """Write an unsigned integer of up to `width` octets; a field of fixed width is written in full."""
    return _value(value) if width == 8 and value >= 0 else write_integer(value, UNSIGNED, width)


def _parameter_value(value: Any, _: Field) -> bytes:
    return write_list(write_integer(value.choice, UNSIGNED, 1), _field(value.content, PARAMETER_CONTENTS[value.choice]))


def _field(value: Any, field: Field) -> bytes:
    if value is None:
        if field.optional or field.kind is Kind.VALUE:
            return ABSENT
        raise UsageError("sml.encode", f"{field.name} is required")
    return _WRITERS[field.kind](value, field)


_WRITERS: dict[Kind, Callable[[Any, Field], bytes]] = {
    Kind.OCTETS: lambda value, _: write_octets(value),
    Kind.OBIS: lambda value, _: write_octets(value),
    Kind.BOOLEAN: lambda value, _: write_boolean(value),
    Kind.UNSIGNED: lambda value, field: _status(value, field.width),
    Kind.UNIT: lambda value, field: write_integer(value, UNSIGNED, field.width),
    Kind.SIGNED: lambda value, field: write_integer(value, SIGNED, field.width),
    Kind.TIME: lambda value, _: _time(value),
    Kind.VALUE: lambda value, _: _value(value),
    Kind.STRUCT: lambda value, _: _struct(value),
    Kind.STRUCTS: lambda value, _: write_list(*map(_struct, value)),
    Kind.OCTET_LIST: lambda value, _: write_list(*map(write_octets, value)),
    Kind.PARAMETER_VALUE: _parameter_value,
}

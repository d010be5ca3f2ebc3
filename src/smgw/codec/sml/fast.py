"""The short cut for what meters send all day: open, list and close responses in their usual encoding.

One regular expression takes a whole list entry. Whatever does not match, and every message whose checksum differs, is left
to `smgw.codec.sml.strict`, which alone decides what is wrong; a test holds both to the same values.
"""

import re
from binascii import crc_hqx
from collections.abc import Callable
from typing import Any

from smgw.codec.sml.crc import Checksum
from smgw.codec.sml.messages import GetListResponse, ListEntry, PublicCloseResponse, PublicOpenResponse, SmlMessage, SmlTime, TimeKind

_OCTETS = "(" + "|".join([r"\x01", *(rf"\x{length:02x}.{{{length - 1}}}" for length in range(2, 16))]) + ")"
_TIME = r"(\x01|\x72\x62[\x01\x02]\x65.{4}|\x65.{4})"
_STATUS = r"(\x01|\x65.{4}|\x62.|\x64.{3}|\x63..)"
# Alternatives are tried one after the other, so the frequent ones stand first.
_USUAL_VALUES = (0x65, 0x62, 0x52, 0x53, 0x63, 0x55, 0x01, 0x59, 0x69, 0x56, 0x54, 0x64, 0x66, 0x0B, 0x04)
_OTHER_VALUES = (head for head in (*range(0x02, 0x10), *range(0x52, 0x5A), *range(0x62, 0x6A)) if head not in _USUAL_VALUES)
_VALUE = "(" + "|".join([*(rf"\x{head:02x}.{{{(head & 0xF) - 1}}}" for head in (*_USUAL_VALUES, *_OTHER_VALUES)), r"\x83\x02.{48}"]) + ")"


def _compile(pattern: str) -> re.Pattern[bytes]:
    return re.compile(pattern.encode(), re.DOTALL)


_HEAD = _compile(rf"\x76{_OCTETS}\x62(.)\x62(.)\x72(?:\x65\x00\x00|\x63)(..)")
_OPEN = _compile(rf"\x76{_OCTETS}{_OCTETS}{_OCTETS}{_OCTETS}{_TIME}(?:\x01|\x62(.))")
_LIST = _compile(rf"\x77{_OCTETS}{_OCTETS}{_OCTETS}{_TIME}(?:[\x70-\x7f]|[\xf0-\xff][\x00-\x0f])")
_ENTRY = _compile(rf"\x77\x07(.{{6}}){_STATUS}{_TIME}(?:\x01|\x62(.))(?:\x01|\x52(.)){_VALUE}(?:\x01|\x83\x02(.{{48}}))")
_LIST_END = _compile(rf"{_OCTETS}{_TIME}")
_TAIL = _compile(r"\x63(..)\x00")

_KINDS = {1: TimeKind.SEC_INDEX, 2: TimeKind.TIMESTAMP}
_ABSENT = b"\x01"
_integer = int.from_bytes


def _time(element: bytes) -> SmlTime | None:
    if len(element) == 8:
        return SmlTime(_KINDS[element[2]], _integer(element[4:], "big"))
    if element == _ABSENT:
        return None
    return SmlTime(TimeKind.UNTAGGED, _integer(element[1:], "big"))


def _optional(element: bytes) -> bytes | None:
    return element[1:] if len(element) > 1 else None


def _entry(match: re.Match[bytes]) -> ListEntry:
    name, status, val_time, unit, scaler, value, signature = match.groups()
    head = value[0]
    content: int | bytes | None
    if head > 0x80:
        content = value[2:]
        head = 0
    elif head >= 0x62:
        content = _integer(value[1:], "big")
    elif head >= 0x52:
        content = _integer(value[1:], "big", signed=True)
    else:
        content = value[1:] if head > 1 else None
        head = 0
    return ListEntry(
        name,
        _integer(status[1:], "big") if len(status) > 1 else None,
        _time(val_time) if len(val_time) > 1 else None,
        unit[0] if unit else None,
        (scaler[0] ^ 0x80) - 0x80 if scaler else None,
        content,
        signature,
        head,
    )


def _open(data: bytes, offset: int, end: int) -> tuple[Any, int] | None:
    match = _OPEN.match(data, offset, end)
    if match is None:
        return None
    codepage, client, file_id, server, ref_time, version = match.groups()
    body = PublicOpenResponse(
        file_id[1:], server[1:], _optional(client), _time(ref_time), _optional(codepage), version[0] if version else None
    )
    return body, match.end()


def _list(data: bytes, offset: int, end: int) -> tuple[Any, int] | None:
    match = _LIST.match(data, offset, end)
    if match is None:
        return None
    client, server, name, sensor_time = match.groups()
    offset = match.end()
    count = data[offset - 1] & 0x0F
    if data[offset - 1] < 0x10:
        count |= (data[offset - 2] & 0x0F) << 4
    entries = []
    entry = _ENTRY.match
    for _ in range(count):
        match = entry(data, offset, end)
        if match is None:
            return None
        entries.append(_entry(match))
        offset = match.end()
    match = _LIST_END.match(data, offset, end)
    if match is None:
        return None
    signature, gateway_time = match.groups()
    body = GetListResponse(
        server[1:], tuple(entries), _optional(client), _optional(name), _time(sensor_time), _optional(signature), _time(gateway_time)
    )
    return body, match.end()


def _close(data: bytes, offset: int, end: int) -> tuple[Any, int] | None:
    if data[offset : offset + 2] != b"\x71\x01" or offset + 2 > end:
        return None
    return PublicCloseResponse(), offset + 2


_BODIES: dict[bytes, Callable[[bytes, int, int], tuple[Any, int] | None]] = {b"\x01\x01": _open, b"\x07\x01": _list, b"\x02\x01": _close}


def read_message(data: bytes, mirrored: bytes, offset: int, end: int, checksum: Checksum) -> tuple[SmlMessage, int] | None:
    """Read the message at `offset` if it is a usual one with a right checksum; give it with the offset behind it.

    `mirrored` is `data` translated with `MIRROR`, made once for all messages.
    """
    head = _HEAD.match(data, offset, end)
    if head is None:
        return None
    transaction, group, abort, tag = head.groups()
    read = _BODIES.get(tag)
    if read is None:
        return None
    found = read(data, head.end(), end)
    if found is None:
        return None
    body, position = found
    tail = _TAIL.match(data, position, end)
    if tail is None:
        return None
    register = crc_hqx(mirrored[offset:position], checksum.start)
    if checksum.wire(register) != _integer(tail[1], "big"):
        return None
    return SmlMessage(transaction[1:], body, group[0], abort[0]), position + 4

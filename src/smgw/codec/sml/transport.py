"""SML transport version 1: frames, escapes and padding.

A frame is the escape `1B 1B 1B 1B`, the start `01 01 01 01`, the messages filled up with zeros to a multiple of four octets,
the escape again and `1A`, the number of fill octets and the checksum over all of it. An escape inside the messages is doubled.

Source: SML 1.03, transport version 1; LMN-02.
"""

from bisect import bisect_left
from enum import Enum, auto
from typing import NamedTuple

from smgw.codec.sml.crc import Checksum
from smgw.core.errors import DecodeFault

ESCAPE = b"\x1b\x1b\x1b\x1b"
START = b"\x01\x01\x01\x01"
FRAME_START = ESCAPE + START
END_OCTET = 0x1A
FRAME_OVERHEAD = 16
MAX_FILL = 3
MAX_FRAME = 65536
"""Largest frame taken unless the caller says otherwise, octets."""


class Mark(Enum):
    """Name what ends the data of a frame, or the search for it."""

    END = auto()
    RESTART = auto()
    UNKNOWN = auto()
    MORE = auto()


class Found(NamedTuple):
    """Say which mark stands at which offset; for MORE, where the search goes on when more octets are there."""

    mark: Mark
    offset: int


def find_mark(data: bytes | bytearray, offset: int, end: int) -> Found:
    """Search the next escape that is not doubled, from `offset` and inside a frame.

    Octets `1B` just before an escape are data: of a longer run the last four count, unless eight make a doubled escape.
    """
    while True:
        resume = max(offset, end - 3)
        offset = data.find(ESCAPE, offset, end)
        if offset < 0:
            return Found(Mark.MORE, resume)
        if offset + 8 > end:
            return Found(Mark.MORE, offset)
        octet = data[offset + 4]
        if octet == END_OCTET:
            return Found(Mark.END, offset)
        following = data[offset + 4 : offset + 8]
        if following == START:
            return Found(Mark.RESTART, offset)
        if following == ESCAPE:
            offset += 8
        elif octet == ESCAPE[0]:
            offset += 1
        else:
            return Found(Mark.UNKNOWN, offset)


class Payload(NamedTuple):
    """Hold the messages of a frame without escapes, and where escapes were undoubled."""

    data: bytes
    escapes: tuple[int, ...] = ()

    def frame_offset(self, offset: int) -> int:
        """Turn an offset in `data` into the offset in the frame."""
        return 8 + offset + 4 * bisect_left(self.escapes, offset)


def unescape(data: bytes) -> Payload:
    """Undouble the escapes in the octets between start and end of a frame."""
    if ESCAPE not in data:
        return Payload(data)
    pieces = data.split(ESCAPE + ESCAPE)
    escapes: list[int] = []
    length = 0
    for piece in pieces[:-1]:
        length += len(piece)
        escapes.append(length)
        length += 4
    return Payload(ESCAPE.join(pieces), tuple(escapes))


def framing_fault(detail: str, offset: int) -> DecodeFault:
    """Make the fault for a frame that is not one."""
    return DecodeFault("sml.framing", detail, offset=offset)


def check_frame(frame: bytes) -> int:
    """Check that `frame` is exactly one transport frame and give its number of fill octets. The checksum is not looked at.

    Raises: DecodeFault sml.framing.
    """
    if not frame.startswith(FRAME_START):
        raise framing_fault("no start sequence", 0)
    found = find_mark(frame, 8, len(frame))
    if found.mark is Mark.MORE:
        raise framing_fault("frame has no end", len(frame))
    if found.mark is Mark.RESTART:
        raise framing_fault("a new frame starts inside", found.offset)
    if found.mark is Mark.UNKNOWN:
        raise framing_fault(f"unknown escape {frame[found.offset + 4]:02x}", found.offset + 4)
    if found.offset + 8 != len(frame):
        raise framing_fault("octets behind the end of the frame", found.offset + 8)
    fill = frame[-3]
    if fill > MAX_FILL or fill > len(frame) - FRAME_OVERHEAD:
        raise framing_fault(f"{fill} fill octets", len(frame) - 3)
    return fill


def build_frame(payload: bytes, checksum: Checksum) -> bytes:
    """Put messages into one frame."""
    fill = -len(payload) % 4
    body = payload.replace(ESCAPE, ESCAPE + ESCAPE) + bytes(fill)
    frame = FRAME_START + body + ESCAPE + bytes((END_OCTET, fill))
    return frame + checksum.of(frame).to_bytes(2, "big")

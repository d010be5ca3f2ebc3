"""Cut a meter's octets into SML files: bytes in, files and reasons out.

Meters send without being asked, a listener starts anywhere, and lines lose octets. The stream finds each start sequence,
takes a start inside a frame as a restart, holds at most one frame, and says of everything that began with a start what became
of it.
"""

from enum import StrEnum

from msgspec import Struct

from smgw.codec.sml import ESCAPE, FRAME_START, MAX_FRAME, Checksum, SmlMessage, decode_frame
from smgw.codec.sml.transport import FRAME_OVERHEAD, Mark, find_mark
from smgw.core.errors import DecodeFault

_OVERLAP = len(FRAME_START) - 1


class SmlReject(StrEnum):
    """Name the reasons for which an SML file is refused; `sml.` before it makes the code of the error catalogue."""

    FRAMING = "framing"
    TRANSPORT_CRC = "transport_crc"
    MESSAGE_CRC = "message_crc"
    STRUCTURE = "structure"
    SEMANTIC = "semantic"

    @property
    def code(self) -> str:
        """Give the code of the error catalogue."""
        return f"sml.{self.value}"


class SmlFileReceived(Struct, frozen=True):
    """Report a good file: where its frame stands in the stream, its messages and its raw octets."""

    offset: int
    length: int
    messages: tuple[SmlMessage, ...]
    frame: bytes


class SmlFileRejected(Struct, frozen=True):
    """Report a refused file: which octets of the stream it took, why, and where the first wrong octet stands in the stream."""

    offset: int
    length: int
    reason: SmlReject
    fault_offset: int
    detail: str


SmlEvent = SmlFileReceived | SmlFileRejected


class SmlStream:
    """Receive the octets of one meter.

    Offsets count from the first octet ever received. `skipped` counts octets outside all frames. However the octets are cut
    into calls, the events are the same. `limit` bounds a frame and so the memory held.

    Source: LMN-02, LMN-04; SML 1.03, transport version 1.
    """

    def __init__(self, limit: int = MAX_FRAME, *, checksum: Checksum = Checksum.X25) -> None:
        self.skipped = 0
        self._limit = max(limit, FRAME_OVERHEAD)
        self._checksum = checksum
        self._buffer = bytearray()
        self._base = 0
        self._inside = False
        self._scan = 0

    def receive_data(self, data: bytes) -> list[SmlEvent]:
        """Take the next octets and give what they complete."""
        self._buffer += data
        buffer, limit = self._buffer, self._limit
        events: list[SmlEvent] = []
        start = 0
        while True:
            if not self._inside:
                found = buffer.find(FRAME_START, start)
                next_start = found if found >= 0 else max(start, len(buffer) - _OVERLAP)
                self.skipped += next_start - start
                start = next_start
                if found < 0:
                    break
                self._inside = True
                self._scan = start + len(FRAME_START)
            mark, place = find_mark(buffer, self._scan, min(len(buffer), start + limit))
            if mark is Mark.END:
                frame = bytes(buffer[start : place + 8])
                event = self._decode(frame, start)
                events.append(event)
                start += event.length
                self._inside = False
            elif mark is Mark.RESTART:
                events.append(self._framing(start, place - start, place, "a new frame starts inside"))
                start = place
                self._scan = start + len(FRAME_START)
            elif mark is Mark.UNKNOWN:
                events.append(self._framing(start, place - start, place + 4, f"unknown escape {buffer[place + 4]:02x}"))
                start = place
                self._inside = False
            elif len(buffer) - start >= limit:
                length = limit - _OVERLAP
                events.append(self._framing(start, length, start + limit, f"no end within {limit} octets"))
                start += length
                self._inside = False
            else:
                self._scan = place
                break
        del buffer[:start]
        self._base += start
        self._scan -= start
        return events

    def receive_eof(self) -> list[SmlEvent]:
        """Say that nothing follows; a frame that has begun is refused."""
        length = len(self._buffer)
        events: list[SmlEvent] = []
        if self._inside:
            events.append(self._framing(0, length, length, "input ends inside a frame"))
        else:
            self.skipped += length
        self._buffer.clear()
        self._base += length
        self._inside = False
        return events

    def _framing(self, start: int, length: int, fault: int, detail: str) -> SmlFileRejected:
        return SmlFileRejected(self._base + start, length, SmlReject.FRAMING, self._base + fault, detail)

    def _decode(self, frame: bytes, start: int) -> SmlEvent:
        offset = self._base + start
        try:
            messages = decode_frame(frame, checksum=self._checksum, limit=self._limit)
        except DecodeFault as fault:
            reason = SmlReject(fault.code.removeprefix("sml."))
            length = _refused_length(frame) if reason in (SmlReject.FRAMING, SmlReject.TRANSPORT_CRC) else len(frame)
            return SmlFileRejected(offset, length, reason, offset + fault.offset, fault.detail)
        return SmlFileReceived(offset, len(frame), messages, frame)


def _refused_length(frame: bytes) -> int:
    """Say how much of a frame with a wrong end or checksum belongs to it.

    The meter may have been cut off: right behind an escape, which makes the next start look like data, or inside the end,
    which then swallows the first octets of the next start. Both get another chance to be a start.
    """
    hidden = frame.rfind(FRAME_START)
    return hidden if hidden > 0 else len(frame.rstrip(ESCAPE[:1]))

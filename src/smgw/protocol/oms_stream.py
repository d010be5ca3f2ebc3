"""Cut what a radio receiver writes into telegrams: one to a line, in hex, its check sequences already verified and taken out.

What stands in a line before the last `;0x` is the receiver's own (time, signal strength) and passed over. An empty line says nothing.
Source: LMN-04; 10-lmn-meter-protocols 4.1.
"""

from msgspec import Struct

from smgw.codec.oms import MAX_TELEGRAM

MAX_LINE = 1024
"""Octets of a line at most, two of each telegram octet and what the receiver adds."""


class OmsReceived(Struct, frozen=True):
    """Report a line that is a telegram in form; `offset` is where the line stands in the stream."""

    offset: int
    octets: bytes


class OmsRejected(Struct, frozen=True):
    """Report a line that is none."""

    offset: int
    reason: str = "structure"


class OmsStream:
    """Receive the octets of one receiver; at most one line is held."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._base = 0
        self._too_long = False

    def receive_data(self, data: bytes) -> list[OmsReceived | OmsRejected]:
        """Take the next octets and give what they complete."""
        self._buffer += data
        events: list[OmsReceived | OmsRejected] = []
        while (end := self._buffer.find(b"\n")) >= 0:
            line, offset = bytes(self._buffer[:end]), self._base
            self._drop(end + 1)
            if self._too_long:
                self._too_long = False
                events.append(OmsRejected(offset))
            elif line.strip():
                events.append(_read(line, offset))
        if len(self._buffer) > MAX_LINE:
            # The rest of this line is passed over as it comes.
            self._too_long = True
            self._drop(len(self._buffer))
        return events

    def receive_eof(self) -> list[OmsReceived | OmsRejected]:
        """Say that nothing follows; a line that has begun is refused."""
        begun = bool(self._buffer.strip()) or self._too_long
        offset, self._too_long = self._base, False
        self._drop(len(self._buffer))
        return [OmsRejected(offset)] if begun else []

    def _drop(self, count: int) -> None:
        del self._buffer[:count]
        self._base += count


def _read(line: bytes, offset: int) -> OmsReceived | OmsRejected:
    digits = line.strip().rpartition(b";0x")[2]
    try:
        octets = bytes.fromhex(digits.decode("ascii"))
    except ValueError:
        return OmsRejected(offset)
    return OmsReceived(offset, octets) if 0 < len(octets) <= MAX_TELEGRAM else OmsRejected(offset)

"""Replay of a recorded optical-head dump: every octet as it was, broken ones too, once; then the last good file for ever."""

from datetime import datetime
from itertools import pairwise

from smgw.core.errors import ConfigError
from smgw.protocol.sml_stream import SmlFileReceived, SmlStream

MAX_DUMP = 64 * 1024 * 1024


def split_dump(dump: bytes) -> tuple[list[bytes], bytes]:
    """Cut a dump behind each good SML file; gives the parts, which joined are the dump, and the last good file alone.

    Each part holds one good file and whatever broken octets stood before it; what follows the last good file belongs to its part. A
    dump without a good file is one part, and the file is empty.
    Raises: ConfigError simulation.dump for an empty or huge dump.
    """
    if not 0 < len(dump) <= MAX_DUMP:
        raise ConfigError("simulation.dump", f"{len(dump)} octets")
    good = [event for event in SmlStream().receive_data(dump) if isinstance(event, SmlFileReceived)]
    if not good:
        return [dump], b""
    cuts = [0, *(event.offset + event.length for event in good[:-1]), len(dump)]
    return [dump[start:end] for start, end in pairwise(cuts)], good[-1].frame


class ReplayMeter:
    """Send the parts of a dump in turn, one a period, then its last good file again and again.

    Starting over would make the registers fall, which no meter does; a meter that stands still is the honest end of a recording. A dump
    without a good file starts over.
    """

    def __init__(self, dump: bytes, *, played: bool = False) -> None:
        """Take a dump; with `played` it was sent before, and only its last good file is still to come."""
        self._parts, self._last = split_dump(dump)
        self._next = len(self._parts) if played else 0

    def telegram(self, moment: datetime) -> bytes:
        """Give the next octets; the time does not matter."""
        if self._next < len(self._parts):
            self._next += 1
            return self._parts[self._next - 1]
        return self._last or self._parts[0]

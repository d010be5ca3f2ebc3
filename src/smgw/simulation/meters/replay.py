"""Replay of a recorded optical-head dump: every octet as it was, broken ones too, over and over."""

from datetime import datetime

from smgw.core.errors import ConfigError
from smgw.protocol.sml_stream import SmlFileReceived, SmlStream

MAX_DUMP = 64 * 1024 * 1024


def split_dump(dump: bytes) -> list[bytes]:
    """Cut a dump behind each good SML file; the parts joined in order are the dump, turned so that it starts where a part does.

    Each part holds one good file and whatever broken octets stood before it. A dump without a good file is one part.
    Raises: ConfigError simulation.dump for an empty or huge dump.
    """
    if not 0 < len(dump) <= MAX_DUMP:
        raise ConfigError("simulation.dump", f"{len(dump)} octets")
    stream = SmlStream()
    ends = [event.offset + event.length for event in stream.receive_data(dump) if isinstance(event, SmlFileReceived)]
    if not ends:
        return [dump]
    parts = [dump[start:end] for start, end in zip([0, *ends], ends, strict=False)]
    parts[0] = dump[ends[-1] :] + parts[0]
    return parts


class ReplayMeter:
    """Send the parts of a dump in turn, one a period, from the first again after the last."""

    def __init__(self, dump: bytes) -> None:
        self._parts = split_dump(dump)
        self._next = 0

    def telegram(self, moment: datetime) -> bytes:
        """Give the next part; the time does not matter."""
        part = self._parts[self._next]
        self._next = (self._next + 1) % len(self._parts)
        return part

"""Fuzz target: log-in headers, administrator commands, receipts and words of the core give a value or a PeerFault.

Run for longer with `python tests/fuzz/fuzz_requests.py -max_total_time=60`.
"""

import sys
from collections.abc import Callable

import atheris

with atheris.instrument_imports():
    from smgw.codec.command import decode_answer, decode_command
    from smgw.codec.result import decode_result
    from smgw.core.errors import PeerFault
    from smgw.core.identifiers import DeviceId, meter_id_of
    from smgw.core.instant import parse_time
    from smgw.core.obis import Obis
    from smgw.core.status_word import from_hex
    from smgw.protocol.digest_auth import parse_answer


def _text(parse: Callable[[str], object]) -> Callable[[bytes], object]:
    return lambda data: parse(data.decode("utf-8", "surrogateescape"))


READERS: tuple[Callable[[bytes], object], ...] = (
    decode_command,
    decode_answer,
    decode_result,
    meter_id_of,
    Obis.from_bytes,
    _text(parse_answer),
    _text(parse_time),
    _text(Obis.parse),
    _text(DeviceId.parse),
    _text(from_hex),
)


def one_input(data: bytes) -> None:
    """Give the octets to every reader."""
    for read in READERS:
        try:
            read(data)
        except PeerFault:
            continue


if __name__ == "__main__":
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()

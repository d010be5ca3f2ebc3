"""Fuzz target: whatever octets come, SML gives a value or a PeerFault, the same in pieces, and every octet is explained.

Run for longer with `python tests/fuzz/fuzz_sml.py -max_total_time=60`.
"""

import sys

import atheris

with atheris.instrument_imports():
    from smgw.codec.sml import decode_frame, decode_messages, encode_frame, encode_messages, explain
    from smgw.codec.sml.crc import Checksum
    from smgw.codec.sml.transport import build_frame
    from smgw.core.errors import PeerFault
    from smgw.protocol.sml_stream import SmlFileReceived, SmlStream


def one_input(data: bytes) -> None:
    """Take the octets as a frame, as messages, as messages in a right frame, and as a stream."""
    one_frame(data)
    one_payload(data)
    one_frame(build_frame(data, Checksum.X25))
    one_stream(data)


def one_frame(frame: bytes) -> None:
    """Decode and explain a frame; a value must survive being written and read again."""
    covered = 0
    for line in explain(frame):
        if line.length and line.offset != covered:
            raise AssertionError("the explanation has a gap")
        covered += line.length
    if covered != len(frame):
        raise AssertionError("the explanation is not complete")
    try:
        file = decode_frame(frame)
    except PeerFault:
        return
    if decode_frame(encode_frame(file)) != file:
        raise AssertionError("a decoded file changed when written again")


def one_payload(payload: bytes) -> None:
    """Decode messages without transport."""
    try:
        file = decode_messages(payload)
    except PeerFault:
        return
    if decode_messages(encode_messages(file)) != file:
        raise AssertionError("decoded messages changed when written again")


def one_stream(data: bytes) -> None:
    """Cut a stream in two ways; both must give the same files."""
    at_once, pieces = SmlStream(512), SmlStream(512)
    whole = at_once.receive_data(data) + at_once.receive_eof()
    parts = [event for place in range(0, len(data), 5) for event in pieces.receive_data(data[place : place + 5])]
    if parts + pieces.receive_eof() != whole or pieces.skipped != at_once.skipped:
        raise AssertionError("pieces give other files")
    if any(isinstance(event, SmlFileReceived) and event.frame not in data for event in whole):
        raise AssertionError("a file that was not sent")


if __name__ == "__main__":
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()

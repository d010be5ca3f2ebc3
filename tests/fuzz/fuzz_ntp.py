"""Fuzz target: a time packet gives a value or a PeerFault, in the codec, at the client and at the server.

Run for longer with `python tests/fuzz/fuzz_ntp.py -max_total_time=60`.
"""

import sys
from datetime import UTC, datetime

import atheris

with atheris.instrument_imports():
    from smgw.codec.ntp import decode_packet, encode_packet, explain
    from smgw.core.errors import PeerFault
    from smgw.protocol.time_sync import TimeClient, reply

NOW = datetime(2026, 11, 21, tzinfo=UTC)


def one_input(data: bytes) -> None:
    """Read, dissect, answer and judge one packet."""
    try:
        packet = decode_packet(data)
    except PeerFault:
        return
    if encode_packet(packet) != data:
        raise AssertionError("a decoded packet changed when written again")
    list(explain(data))
    try:
        reply(data, NOW, NOW)
    except PeerFault as fault:
        if not fault.code.startswith("time."):
            raise AssertionError(fault.code) from fault
    client = TimeClient()
    client.request(NOW, lambda octets: data[24 : 24 + octets])
    for synchronised in (True, False):
        try:
            client.response(data, NOW, synchronised=synchronised)
        except PeerFault as fault:
            if not fault.code.startswith("time."):
                raise AssertionError(fault.code) from fault


if __name__ == "__main__":
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()

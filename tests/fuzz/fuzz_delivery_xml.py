"""Fuzz target: the delivery body gives a value or a PeerFault, and a value has one form.

Run for longer with `python tests/fuzz/fuzz_delivery_xml.py -max_total_time=60`.
"""

import sys

import atheris

with atheris.instrument_imports():
    from smgw.codec.delivery_xml import decode_delivery, encode_delivery
    from smgw.core.errors import PeerFault


def one_input(data: bytes) -> None:
    """Decode once; a value must survive being written and read again."""
    try:
        delivery = decode_delivery(data)
    except PeerFault:
        return
    if decode_delivery(encode_delivery(delivery)) != delivery:
        raise AssertionError("a decoded delivery changed when written again")


if __name__ == "__main__":
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()

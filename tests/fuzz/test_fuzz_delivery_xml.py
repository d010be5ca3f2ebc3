"""Run the fuzz target of the delivery body for a bounded number of mutated inputs, the same ones every time."""

import random

from tests.codec.test_delivery_xml import GOOD
from tests.fuzz.fuzz_delivery_xml import one_input

_PARTS = [b"<", b"</", b">", b"&", b"<!DOCTYPE", b"<?", b"\0", b"\xff", b"<d:registers>", b"99999999999999999999", b"-", b"", b' id="1"']


def mutated(rng: random.Random) -> bytes:
    """Cut, repeat, replace and flip some octets of a good body."""
    data = bytearray(GOOD)
    for _ in range(rng.randint(1, 4)):
        at, end = sorted((rng.randrange(len(data)), rng.randrange(len(data))))
        match rng.randrange(4):
            case 0:
                data[at] ^= 1 << rng.randrange(8)
            case 1:
                data[at : at + rng.randrange(30)] = rng.choice(_PARTS)
            case 2:
                del data[at:end]
            case _:
                data[end:end] = data[at : min(end, at + 2000)]
        if not data:
            data = bytearray(GOOD)
    return bytes(data)


def test_only_peer_faults_escape() -> None:
    rng = random.Random(20261121)
    one_input(GOOD)
    for _ in range(3_000):
        one_input(mutated(rng))


def test_random_octets() -> None:
    rng = random.Random(7)
    for size in range(400):
        one_input(rng.randbytes(size))

"""Run the fuzz target of the wake-up packet for a bounded number of inputs, the same ones every time."""

import random

from tests.fuzz.fuzz_wakeup import SIGNED, one_input

from smgw.codec.wakeup import ALGORITHM_OF_KEY_BITS, encode_packet


def test_only_peer_faults_escape() -> None:
    rng = random.Random(20261121)
    for _ in range(5_000):
        good = encode_packet(SIGNED, ALGORITHM_OF_KEY_BITS[256], rng.randbytes(64))
        data = bytearray(good if rng.random() < 0.7 else rng.randbytes(rng.choice((0, 98, 99, 108, 180, 181))))
        for _ in range(rng.randrange(3)):
            if data:
                data[rng.randrange(len(data))] = rng.randrange(256)
        one_input(bytes(data))

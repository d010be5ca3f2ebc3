"""Run the fuzz target of the time packet for a bounded number of inputs, the same ones every time."""

import random

from tests.fuzz.fuzz_ntp import NOW, one_input

from smgw.codec.ntp import PACKET_OCTETS, NtpPacket, encode_packet, timestamp_of


def test_only_peer_faults_escape() -> None:
    rng = random.Random(20261121)
    stamp = timestamp_of(NOW)
    good = encode_packet(NtpPacket(mode=4, stratum=1, originate_timestamp=7, receive_timestamp=stamp, transmit_timestamp=stamp))
    for _ in range(5_000):
        data = bytearray(good if rng.random() < 0.7 else rng.randbytes(PACKET_OCTETS))
        for _ in range(rng.randrange(3)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        one_input(bytes(data[: rng.choice((PACKET_OCTETS, PACKET_OCTETS, 47, 0))]))

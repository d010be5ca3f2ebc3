"""Run the fuzz target of requests and words for a bounded number of inputs, the same ones every time."""

import random

from tests.fuzz.fuzz_requests import one_input

SEEDS = (
    b'Digest username="c", realm="SMGW", nonce="00", uri="/", response="00", qop=auth, nc=00000001, cnonce="x"',
    b'{"message_id":"1","created_at":"2026-03-01T12:00:00Z","recipient":"ESGW0000000001","method":"GET","resource":"/x","body":null}',
    b'{"message_id":"1","created_at":"2026-03-01T12:00:00Z","sender":"ESGW0000000001","status":200,"code":"","body":{}}',
    b'{"messageId":"7e0a6f3e-2c74-4b3e-9a52-0f4f6d4f6a01","device":"ESGW0000000001","status":200,"code":"","body":{"a":"b"},'
    b'"acceptedAt":"2026-03-01T12:00:00Z","endedAt":"2026-03-01T12:00:00Z","contact":"/smgw/gwa/v1/results"}',
    b"2026-11-21T00:15:00+01:00",
    b"1-0:1.8.0*255",
    b"1EMH0010599732",
    b"a000000020000000",
    b"33333333-333333\n",
    bytes.fromhex("0a01445a47000282225e"),
)


def test_only_peer_faults_escape() -> None:
    rng = random.Random(20261121)
    for _ in range(8_000):
        data = bytearray(rng.choice(SEEDS))
        for _ in range(rng.randrange(5)):
            at = rng.randrange(len(data) + 1)
            match rng.randrange(3):
                case 0:
                    data[at:at] = rng.randbytes(rng.randrange(4))
                case 1:
                    del data[at : at + rng.randrange(4)]
                case _:
                    data[at : at + 1] = bytes((rng.randrange(256),))
        one_input(bytes(data))

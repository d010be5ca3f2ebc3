"""Run the fuzz target of the reversed HTTP for a bounded number of mutated inputs, the same ones every time."""

import random

from tests.fuzz.fuzz_tunnel_http import one_input

_GOOD = [
    b"POST /smgw/gwa/v1/fas/commands HTTP/1.1\r\nHost: a\r\nContent-Type: application/cms\r\nContent-Length: 5\r\n\r\nabcde",
    b"GET /cosem/ldevs HTTP/1.1\r\nHost: esgw0010000001.sm\r\n\r\nDELETE /x HTTP/1.1\r\nhost: a\nConnection: close\n\n",
    b"HTTP/1.1 100 \r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc",
    b"HTTP/1.1 204 \r\nServer: x\r\n\r\n",
]
_PARTS = [
    b"\r\n", b"\n", b"\r\n\r\n", b"\0", b"\xff", b": ", b" ", b"Content-Length: 0\r\n", b"Content-Length: 18446744073709551616\r\n",
    b"Transfer-Encoding: chunked\r\n", b"Expect: 100-continue\r\n", b"Upgrade: x\r\nConnection: upgrade\r\n",
    b"HTTP/1.0", b"HEAD",
    b"CONNECT",
    b"x: " + b"a" * 300 + b"\r\n", b"x: y\r\n" * 3000,
]  # fmt: skip


def _mutated(rng: random.Random) -> bytes:
    data = bytearray(rng.choice(_GOOD))
    for _ in range(rng.randint(0, 4)):
        at = rng.randrange(len(data) + 1)
        match rng.randrange(3):
            case 0:
                data[at:at] = rng.choice(_PARTS)
            case 1:
                del data[at : at + rng.randrange(8)]
            case _:
                data[at : at + 1] = bytes((rng.randrange(256),))
    return bytes((rng.randrange(256),)) + bytes(data)


def test_only_peer_faults_escape() -> None:
    rng = random.Random(20261121)
    for _ in range(1_500):
        one_input(_mutated(rng))

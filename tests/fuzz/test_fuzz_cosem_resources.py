"""Run the fuzz target of the management interface's targets and bodies for a bounded number of mutated inputs, the same ones every time."""

import random
import re
from urllib.parse import quote

from tests.codec.test_cosem_elements import DOCUMENTS
from tests.codec.test_cosem_values import VECTORS
from tests.fuzz.fuzz_cosem_resources import SEPARATOR, one_input

from smgw.codec.cosem_elements import MethodCall, decode_document, encode_document
from smgw.codec.cosem_resources import parse_target, write_literal
from smgw.codec.cosem_values import Value

VALUES = [value for value, _ in VECTORS]
OBJECT = "/cosem/ldevs/ebsi0012345678.sm/objects/7-0100010800ff"
ALL = write_literal(Value("structure", tuple(value for value in VALUES if value.type != "compact-array")))
TARGETS = [
    f"{OBJECT}/attributes/2?sa.fromidx=1&sa.retrievecolumns={quote(ALL)}&q.depth=1".encode(),
    f"{OBJECT}/attributes/-2?sa.filtercolumn=[{{unsigned:1}},{{}}]&sa.totype=UTF8-string:%252C&q.fromtime=2026-11-21T00:15:00Z".encode(),
    f"{OBJECT}/methods/1".encode(),
    b"/cosem/ldevs/?q.count=10&q.fromidx=0",
    b"/cosem/containers/night",
]
BODIES = [encode_document(document) for document in (*DOCUMENTS, MethodCall(Value("array", tuple(VALUES))))]
_PARTS = [
    b"<",
    b"</",
    b">",
    b"&",
    b"&#13;",
    b"%",
    b"%25",
    b"[",
    b"]",
    b"{",
    b"}",
    b",",
    b"/",
    b"-",
    b"\xff",
    b'id="1"',
    b"",
    b"<array>",
    b"9" * 20,
]


def _broken(rng: random.Random, good: bytes) -> bytes:
    """Cut, repeat, replace and flip some octets of a good input."""
    data = bytearray(good)
    for _ in range(rng.randint(1, 3)):
        at, end = sorted((rng.randrange(len(data) + 1), rng.randrange(len(data) + 1)))
        match rng.randrange(4):
            case 0 if at < len(data):
                data[at] ^= 1 << rng.randrange(8)
            case 1:
                data[at : at + rng.randrange(8)] = rng.choice(_PARTS)
            case 2:
                del data[at : min(end, at + 60)]
            case _:
                data[end:end] = data[at : min(end, at + 200)]
    return bytes(data)


def _other_values(rng: random.Random, good: bytes) -> bytes:
    """Keep the structure and change some numbers and hexadecimal digits, so that what is read is also written."""
    share = rng.choice([0.01, 0.05, 0.3])

    def other(match: re.Match[bytes]) -> bytes:
        return rng.choice([b"0", b"1", b"7f", b"-1", b"127", b"255", b"00"]) if rng.random() < share else match[0]

    return re.sub(rb"[0-9a-f]+(?![^<=:&,/]*[g-z])", other, good)


def test_good_inputs_are_taken() -> None:
    for target in TARGETS:
        parse_target(target.decode())
        one_input(target + SEPARATOR)
    for body in BODIES:
        decode_document(body)
        one_input(SEPARATOR + body)


def test_only_peer_faults_escape() -> None:
    rng = random.Random(20261121)
    for _ in range(3000):
        one_input(_broken(rng, rng.choice(TARGETS)) + SEPARATOR + _broken(rng, rng.choice(BODIES)))


def test_other_values_are_written_as_they_were_read() -> None:
    rng = random.Random(20261122)
    for _ in range(1500):
        one_input(_other_values(rng, rng.choice(TARGETS)) + SEPARATOR + _other_values(rng, rng.choice(BODIES)))


def test_random_octets() -> None:
    rng = random.Random(7)
    for size in range(200):
        one_input(rng.randbytes(size) + SEPARATOR + rng.randbytes(size))


def test_deep_nesting_is_a_peer_fault() -> None:
    for depth in (20, 250, 5000):
        body = (
            b'<methodRequestParameter xmlns="urn:k461-dke-de:cor-1">'
            + b"<array>" * depth
            + b"</array>" * depth
            + b"</methodRequestParameter>"
        )
        one_input(f"{OBJECT}/attributes/2?sa.totype={'[' * min(depth, 1900)}".encode() + SEPARATOR + body)

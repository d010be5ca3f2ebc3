"""Run the fuzz target of SML for a bounded number of inputs: good files with octets changed, and octets of no form."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.codec.sml.samples import METER_FILE, REQUEST_FILE, RESPONSE_FILE
from tests.fuzz.fuzz_sml import one_frame, one_input, one_payload

from smgw.codec.sml import Checksum, encode_frame, encode_messages
from smgw.codec.sml.transport import build_frame

FILES = (METER_FILE, REQUEST_FILE, RESPONSE_FILE)
PARTS = [bytes.fromhex(part) for part in ["1b1b1b1b", "1b1b1b1b01010101", "1a00", "76", "726201", "ff0f", "80", "01", "00", "621e", "8302"]]


def mutated(rng: random.Random, data: bytes) -> bytes:
    """Cut, repeat, replace and flip some octets."""
    changed = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        at, end = sorted((rng.randrange(len(changed) + 1), rng.randrange(len(changed) + 1)))
        match rng.randrange(5):
            case 0 if at < len(changed):
                changed[at] ^= 1 << rng.randrange(8)
            case 1:
                changed[at : at + rng.randrange(6)] = rng.choice(PARTS)
            case 2:
                del changed[at : min(end, at + 20)]
            case 3:
                changed[end:end] = changed[at : min(end, at + 60)]
            case _ if at < len(changed):
                changed[at] = rng.randrange(256)
    return bytes(changed)


def repaired(payload: bytes) -> bytes:
    """Put right checksums under every message of an edited payload that still looks like one, so that the content counts."""
    pieces = []
    start = 0
    for end in range(4, len(payload) + 1):
        if payload[end - 1] == 0 and payload[end - 4] == 0x63 and payload[end : end + 1] in (b"\x76", b""):
            content = payload[start : end - 4]
            pieces.append(content + b"\x63" + Checksum.X25.of(content).to_bytes(2, "big") + b"\x00")
            start = end
    return b"".join([*pieces, payload[start:]])


@pytest.mark.req("LMN-04")
@pytest.mark.parametrize("file", FILES, ids=["meter", "requests", "responses"])
def test_only_peer_faults_escape(file: tuple) -> None:
    rng = random.Random(20261121)
    frame, payload = encode_frame(file), encode_messages(file)
    one_input(frame)
    for _ in range(120):
        one_input(mutated(rng, frame))
    for _ in range(500):
        edited = repaired(mutated(rng, payload))
        one_payload(edited)
        one_frame(build_frame(edited, Checksum.X25))


@given(st.binary(max_size=200))
@settings(max_examples=150, deadline=None)
def test_octets_of_no_form(data: bytes) -> None:
    one_input(data)

"""Run the fuzz target of firmware packages for a bounded number of inputs, the same ones every time."""

import random

import pytest
from tests.codec.firmware_packages import package
from tests.fuzz.fuzz_firmware_package import one_input, read


@pytest.mark.req("ADM-05")
def test_only_peer_faults_escape() -> None:
    rng = random.Random(20261121)
    good = package({"smgw/a.py": b"a", "smgw/b.py": b"b" * 600})
    assert read(good, 97)[1] == ""
    for _ in range(400):
        data = bytearray(good)
        for _ in range(rng.randrange(4)):
            at = rng.choice((rng.randrange(len(data)), rng.randrange(512), 257 + rng.randrange(8), 512 + rng.randrange(400)))
            data[at] = rng.randrange(256)
        if rng.random() < 0.3:
            start = rng.randrange(len(data) // 512) * 512
            del data[start : start + 512]
        one_input(bytes(data[: rng.choice((len(data), len(data), rng.randrange(len(data) + 1)))]))
        one_input(bytes(data[512:]))

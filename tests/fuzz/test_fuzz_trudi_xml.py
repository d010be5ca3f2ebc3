"""Run the fuzz target of AR 2418-6 files for a bounded number of mutated inputs, the same ones every time."""

import random
import re

from tests.fuzz.fuzz_trudi_xml import SEPARATOR, one_input
from tests.trudi_files import START, berlin, device, meter_reading, quarter_hours, supplier

from smgw.codec.trudi_write import write_device_file, write_supplier_file

END = berlin(2026, 11, 5)
SUPPLIER = write_supplier_file(supplier())
DEVICE = write_device_file(device(meter_reading(quarter_hours(START, END, period_s=3600))))
_NUMBER = re.compile(rb">(-?\d+)<")
_PARTS = [
    b"<",
    b"</",
    b">",
    b"&",
    b"<!DOCTYPE",
    b"<!--",
    b"<![CDATA[",
    b"\xff",
    b"<LogEntry/>",
    b"99999999999999999999",
    b"-",
    b"",
    b' id="1"',
]


def _broken(rng: random.Random, good: bytes) -> bytes:
    """Cut, repeat, replace and flip some octets of a good file."""
    data = bytearray(good)
    for _ in range(rng.randint(1, 3)):
        at, end = sorted((rng.randrange(len(data)), rng.randrange(len(data))))
        match rng.randrange(4):
            case 0:
                data[at] ^= 1 << rng.randrange(8)
            case 1:
                data[at : at + rng.randrange(30)] = rng.choice(_PARTS)
            case 2:
                del data[at : min(end, at + 400)]
            case _:
                data[end:end] = data[at : min(end, at + 1000)]
    return bytes(data)


def _other_values(rng: random.Random, good: bytes) -> bytes:
    """Keep the structure and change some numbers, so that the checks and the calculation are reached."""
    share = rng.choice([0.0, 0.002, 0.01])

    def other(match: re.Match[bytes]) -> bytes:
        if rng.random() >= share:
            return match[0]
        return b">%d<" % rng.choice([0, 1, 2, 3, 4, 7, 15, 63, 96, 900, 86400, int(match[1]) + 1, -int(match[1])])

    return _NUMBER.sub(other, good)


def test_only_peer_faults_escape() -> None:
    rng = random.Random(20261121)
    one_input(SUPPLIER + SEPARATOR + DEVICE)
    for _ in range(400):
        one_input(_broken(rng, SUPPLIER) + SEPARATOR + _broken(rng, DEVICE))


def test_what_can_be_computed_adds_up() -> None:
    rng = random.Random(20261122)
    for _ in range(150):
        one_input(_other_values(rng, SUPPLIER) + SEPARATOR + _other_values(rng, DEVICE))


def test_random_octets() -> None:
    rng = random.Random(7)
    for size in range(200):
        one_input(rng.randbytes(size) + SEPARATOR + rng.randbytes(size))

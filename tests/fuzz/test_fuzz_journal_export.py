"""Run the fuzz target of exported journals for a bounded number of inputs, the same ones every time."""

import random
from pathlib import Path

import pytest
from tests.fuzz.fuzz_journal_export import KINDS, one_file, one_input, one_record
from tests.storage.samples import KEY, START, entry, reading, register, signed
from tests.storage.signing import SIGNER

from smgw.core.log_event import Log
from smgw.core.reading import canonical_bytes
from smgw.core.register import register_canonical_bytes
from smgw.net.clock import ManualClock
from smgw.storage.journal import Journal
from smgw.storage.journal_export import EXPORTED, ExportAbout, item_of
from smgw.storage.journal_seals import Seal, seal_octets
from smgw.storage.retention import Cut, signed_octets

RECORDS = (
    canonical_bytes(reading(1)),
    register_canonical_bytes(register(1)),
    b'{"log":"system","event":"started","time":"2026-11-21T00:00:00Z"}',
    b"[" * 900 + b"]" * 900,
    b'{"a":' * 900 + b"1" + b"}" * 900,
    b'{"a":1' + b"0" * 5000 + b"}",
    b'{"a":"\\ud800"}',
    seal_octets(Seal("system", "", 1, "00" * 32, "export", START, "07")),
    seal_octets(Seal("system", "", 1, "zz", "export", START, "zz")),
    signed_octets(Cut("system", "", 1, 1, "00" * 32, "2026-11-21T00:00:00Z", "07")),
    signed_octets(Cut("consumer", "flat1", 1, 1, "zz", "", "zz")),
)


def mutated(rng: random.Random, data: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(changed))
        match rng.randrange(4):
            case 0:
                changed[at] ^= 1 << rng.randrange(8)
            case 1:
                changed[at : at + rng.randrange(8)] = rng.randbytes(rng.randrange(8))
            case 2:
                changed[at:at] = changed[max(0, at - 60) : at]
            case _:
                del changed[at + 1 : at + 1 + rng.randrange(80)]
    return bytes(changed)


@pytest.mark.req("LOG-02")
def test_only_peer_faults_and_broken_chains_escape(tmp_path: Path) -> None:
    rng = random.Random(20261121)
    with Journal.open(tmp_path / "journal.db", KEY) as journal:
        journal.append_readings([signed(1), signed(2)])
        journal.append_registers([register(1)])
        journal.append_log([entry(1), entry(1, Log.CONSUMER, "flat1")])
        journal.seal_by(SIGNER, ManualClock(START))
        journal.cut("system", "", 1, START, SIGNER)
        journal.seal(EXPORTED)
        item = item_of("readings", canonical_bytes(reading(1)), bytes(64))
        goods = (
            b"".join(journal.export(EXPORTED)),
            b"".join(journal.export(["consumer"], ExportAbout(consumer="flat1"), items=[item], seal_here=True)),
        )
    for good in goods:
        one_file(good)
        for _ in range(600):
            one_file(mutated(rng, good))
    for record in RECORDS:
        for kind in KINDS:
            one_record(kind, record)
            for _ in range(40):
                one_record(kind, mutated(rng, record))
    for _ in range(500):
        one_input(rng.randbytes(rng.randrange(120)))

"""Seals: made by themselves as chains grow, in a chain of their own, and noticed when they do not fit."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.storage.samples import KEY, START, entry, register, signed
from tests.storage.signing import SIGNER, check, signer

from smgw.core.errors import IntegrityFault, SecurityFault, Unavailable
from smgw.core.log_event import Log
from smgw.net.clock import ManualClock
from smgw.storage.chain import Signer
from smgw.storage.database import Database
from smgw.storage.journal import Journal
from smgw.storage.journal_seals import BLOCK_ROWS, Seal, SignedSeal, seal_octets, seal_of

pytestmark = pytest.mark.req("LOG-02")


@pytest.fixture
def sealed(path: Path) -> Iterator[Journal]:
    with Journal.open(path, KEY) as journal:
        journal.seal_by(SIGNER, ManualClock(START))
        yield journal


def lengths(journal: Journal, kind: str, scope: str = "") -> list[int]:
    return [one.seal.length for one in journal.seals(kind, scope)]


@pytest.mark.parametrize(
    "record",
    [
        b"",
        b"{}",
        b'{"chain":"system","hash":"00","length":1,"purpose":"block","scope":"","signer":"","time":"2026-11-21T00:00:00Z"}',
        b'smgw-seal-1\0{"chain":"system","scope":"","length":1,"hash":"00","purpose":"block","signer":"","time":"2026-11-21T00:00:00Z"}',
        b'smgw-seal-1\0{"chain":"system","hash":"00","length":1.0,"purpose":"block","scope":"","signer":"","time":"2026-11-21T00:00:00Z"}',
        b'smgw-seal-1\0{"chain":"system","hash":"00","length":1,"x":1,"purpose":"block","scope":"","signer":"","time":"2026-11-21T00:00:00Z"}',
    ],
)
def test_what_is_no_seal_in_its_one_spelling_is_refused(record: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        seal_of(record)


def test_a_seal_reads_back() -> None:
    seal = Seal("consumer", "flat1", 256, "00" * 32, "block", START, "07")
    assert seal_of(seal_octets(seal)) == seal


def test_ends_are_sealed_where_something_was_added(sealed: Journal) -> None:
    sealed.append_log([entry(1), entry(2, Log.CONSUMER, "flat1")])
    sealed.append_readings([signed(number) for number in range(5)])
    sealed.seal_ends()
    sealed.append_log([entry(3)])
    sealed.seal_ends()
    sealed.seal_ends()
    assert (lengths(sealed, "system"), lengths(sealed, "consumer", "flat1"), lengths(sealed, "readings")) == ([1, 2], [1], [5])
    head = sealed.seal_head()
    assert head is not None and head.length == 4
    assert {one.seal.purpose for one in sealed.seals("system")} == {"end"}
    sealed.verify_recent(check)


def test_every_chain_is_sealed_when_it_passes_a_multiple_of_256_rows(sealed: Journal) -> None:
    for number in range(BLOCK_ROWS + 3):
        sealed.append_log([entry(number), entry(number, Log.CONSUMER, "flat1")])
    sealed.append_readings([signed(number) for number in range(3 * BLOCK_ROWS + 7)])
    assert lengths(sealed, "system") == [256]
    assert lengths(sealed, "consumer", "flat1") == [256]
    assert lengths(sealed, "readings") == [775]
    sealed.append_readings([signed(number) for number in range(775, 4 * BLOCK_ROWS)])
    assert lengths(sealed, "readings") == [775, 1024]
    (one, *_) = sealed.seals("system")
    assert one.seal.signer == SIGNER.key_id.hex()
    assert SIGNER.sign(bytes.fromhex(one.record)).hex() == one.signature
    report = sealed.verify()
    assert report.rows("seals") == 4
    assert one.seal.hash != next(chain.digest.hex() for chain in report.chains if chain.kind == "system")


def test_a_seal_stands_or_falls_with_the_rows_it_is_for(sealed: Journal) -> None:
    class Refused(Exception):
        pass

    with pytest.raises(Refused), sealed.transaction():
        sealed.append_readings([signed(number) for number in range(BLOCK_ROWS)])
        raise Refused
    assert lengths(sealed, "readings") == []
    sealed.append_readings([signed(number) for number in range(BLOCK_ROWS)])
    assert lengths(sealed, "readings") == [BLOCK_ROWS]
    sealed.verify()


def test_a_part_that_was_undone_inside_a_transaction_is_not_sealed(sealed: Journal) -> None:
    with sealed.transaction():
        sealed.append_log([entry(number) for number in range(10)])
        with pytest.raises(ZeroDivisionError), sealed.transaction():
            sealed.append_log([entry(number) for number in range(10, BLOCK_ROWS + 10)])
            sealed.append_log([entry(1, Log.CALIBRATION)])
            raise ZeroDivisionError
    assert lengths(sealed, "system") == []
    assert [(chain.kind, chain.length) for chain in sealed.verify().chains] == [("system", 10)]


def test_a_signature_that_can_not_be_made_undoes_the_step(path: Path) -> None:
    def refuse(_: bytes) -> bytes:
        raise Unavailable("journal.io", "module")

    with Journal.open(path, KEY) as journal:
        journal.seal_by(Signer(SIGNER.key_id, refuse), ManualClock(START))
        with pytest.raises(Unavailable):
            journal.append_registers([register(number) for number in range(BLOCK_ROWS)])
        assert journal.recent_registers(1) == []
        journal.verify()


def test_a_journal_that_was_never_given_a_key_has_no_seals(journal: Journal) -> None:
    journal.append_readings([signed(number) for number in range(2 * BLOCK_ROWS)])
    assert lengths(journal, "readings") == []


def changed(path: Path, *statements: str) -> None:
    """Change the file as someone with the storage key can: without rules, hashes of rows and heads put right."""
    database = Database.open(path, KEY)
    connection = database.connection
    triggers = connection.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'").fetchall()
    for name, _ in triggers:
        connection.execute(f"DROP TRIGGER {name}")
    for statement in statements:
        connection.execute(statement)
    for _, sql in triggers:
        connection.execute(sql)
    database.close()


def test_a_chain_cut_and_mended_with_the_storage_key_is_noticed_by_its_seal(path: Path, sealed: Journal) -> None:
    sealed.append_readings([signed(number) for number in range(BLOCK_ROWS)])
    sealed.close()
    mend = "UPDATE heads SET length = 200, hash = (SELECT hash FROM readings WHERE sequence = 200) WHERE kind = 'readings'"
    changed(path, "DELETE FROM readings WHERE sequence > 200", mend)
    with Journal.open(path, KEY) as journal, pytest.raises(IntegrityFault, match="readings: row 256 is missing, but was sealed"):
        journal.verify()


def test_a_chain_written_anew_with_the_storage_key_is_noticed_by_its_seal(path: Path, sealed: Journal, tmp_path: Path) -> None:
    sealed.append_readings([signed(number) for number in range(BLOCK_ROWS)])
    sealed.close()
    with Journal.open(tmp_path / "other.db", KEY) as other:
        other.append_readings([signed(number, raw=5) for number in range(BLOCK_ROWS)])
        rows = [f"x'{digest.hex()}'" for (digest,) in other._database.rows("SELECT hash FROM readings ORDER BY sequence")]
    updates = [f"UPDATE readings SET raw = 5, hash = {digest} WHERE sequence = {number}" for number, digest in enumerate(rows, 1)]
    changed(path, *updates, f"UPDATE heads SET hash = {rows[-1]} WHERE kind = 'readings'")
    with Journal.open(path, KEY) as journal, pytest.raises(IntegrityFault, match="readings: row 256 is not what was sealed"):
        journal.verify()


@pytest.mark.parametrize(
    ("statement", "place"),
    [
        ("UPDATE seals SET length = 1", "seals: row 1 can't be read"),
        ("UPDATE seals SET record = x'7b7d'", "seals: row 1 can't be read"),
        ("UPDATE seals SET signature = x'00'", "seals: row 1 was altered"),
        ("DELETE FROM seals", "seals: row 1 is missing"),
    ],
)
def test_a_changed_seal_is_found(path: Path, sealed: Journal, statement: str, place: str) -> None:
    sealed.append_readings([signed(number) for number in range(BLOCK_ROWS)])
    sealed.close()
    changed(path, statement)
    with Journal.open(path, KEY) as journal, pytest.raises(IntegrityFault, match=place):
        journal.verify()


def test_a_seal_that_somebody_else_signed_is_refused(path: Path) -> None:
    with Journal.open(path, KEY) as journal:
        journal.seal_by(signer(b"stranger"), ManualClock(START))
        journal.append_readings([signed(number) for number in range(BLOCK_ROWS)])
        journal.verify()
        (one,) = journal.signed()
        with pytest.raises(SecurityFault):
            check(one.key_id, one.octets, one.signature)
        with pytest.raises(SecurityFault):
            journal.verify_recent(check)


def test_a_signed_seal_shows_what_it_says(sealed: Journal) -> None:
    record = seal_octets(Seal("system", "", 1, "00", "export", START, "07"))
    assert SignedSeal(record.hex(), "").seal.purpose == "export"

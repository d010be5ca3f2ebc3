"""Deletion after the retention time: only the beginning of a chain goes, a signed cut stays, and what went without one is missed."""

import io
import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import apsw
import pytest
from tests.storage.samples import EXPORT, IMPORT, KEY, METER, OTHER_METER, START, entry, meter_profile, quarter, register, signature, signed
from tests.storage.signing import SIGNER, check, signer

from smgw.core.errors import DecodeFault, IntegrityFault, SecurityFault, UsageError
from smgw.core.log_event import Log
from smgw.net.clock import ManualClock
from smgw.storage.database import Database
from smgw.storage.journal import Journal
from smgw.storage.journal_export import EXPORTED, bounded_lines, verify_export
from smgw.storage.outbox import OutboxMessage
from smgw.storage.retention import Cut, cut_from_octets, signed_octets

pytestmark = pytest.mark.req("MEAS-04", "LOG-02")

ROOT = Path(__file__).resolve().parents[2]
LATER = quarter(100)


def fill(journal: Journal, rows: int = 10) -> None:
    journal.append_readings([signed(number) for number in range(1, rows + 1)])
    journal.append_registers([register(number) for number in range(1, rows + 1)])
    for number in range(1, rows + 1):
        journal.append_log([entry(number), entry(number, Log.CALIBRATION)])
        journal.append_log([entry(number, Log.CONSUMER, who) for who in ("flat1", "flat2")])


@pytest.fixture
def filled(journal: Journal) -> Journal:
    fill(journal)
    return journal


def tampered(path: Path, *statements: str) -> None:
    """Change a file as someone who has its key, the rules dropped before and put back after."""
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


# what is refused


@pytest.mark.parametrize("kind", ["calibration", "profiles", "seals", "cuts", "diary"])
def test_what_must_stay_can_not_be_cut(filled: Journal, kind: str) -> None:
    filled.put_profile(meter_profile(), b"document", START)
    with pytest.raises(UsageError, match=r"journal\.cut"):
        filled.cut(kind, "", 1, LATER, SIGNER)


@pytest.mark.parametrize("number", [-1, 0, 11])
def test_only_rows_that_are_there_can_be_cut(filled: Journal, number: int) -> None:
    with pytest.raises(UsageError, match=r"journal\.cut"):
        filled.cut("readings", "", number, LATER, SIGNER)


def test_a_second_cut_has_to_go_further(filled: Journal) -> None:
    filled.cut("readings", "", 5, LATER, SIGNER)
    for number in (4, 5):
        with pytest.raises(UsageError, match=r"journal\.cut"):
            filled.cut("readings", "", number, LATER, SIGNER)


@pytest.mark.parametrize("table", ["readings", "registers", "log_entries"])
def test_no_statement_deletes_what_no_cut_covers(path: Path, filled: Journal, table: str) -> None:
    for kind, scope in (("readings", ""), ("registers", ""), ("system", ""), ("consumer", "flat1")):
        filled.cut(kind, scope, 5, LATER, SIGNER)
    filled.close()
    connection = Database.open(path, KEY).connection
    number = "number" if table == "log_entries" else "sequence"
    for statement in (f"DELETE FROM {table}", f"DELETE FROM {table} WHERE {number} = 7"):
        with pytest.raises(apsw.ConstraintError, match="append only"):
            connection.execute(statement)


def test_a_cut_can_not_be_changed_or_taken_back(path: Path, filled: Journal) -> None:
    filled.cut("readings", "", 5, LATER, SIGNER)
    filled.close()
    connection = Database.open(path, KEY).connection
    for statement in ("DELETE FROM cuts", "UPDATE cuts SET number = 9", "INSERT OR REPLACE INTO cuts SELECT * FROM cuts"):
        with pytest.raises(apsw.ConstraintError, match="append only"):
            connection.execute(statement)


# what is found


@pytest.mark.parametrize(
    ("statements", "place"),
    [
        (["DELETE FROM readings WHERE sequence = 6"], "readings: row 6 is missing"),
        (["DELETE FROM readings WHERE sequence <= 8"], "readings: row 6 is missing"),
        (["DELETE FROM readings"], "readings: row 6 is missing"),
        (["DELETE FROM readings WHERE sequence = 10"], "readings: row 10 is missing"),
        (["DELETE FROM cuts WHERE kind = 'readings'"], "cuts: row 1 is missing"),
        (["DELETE FROM cuts", "DELETE FROM heads WHERE kind = 'cuts'"], "readings: row 1 is missing"),
        (
            ["UPDATE cuts SET number = 6, removed = 6 WHERE sequence = 1", "DELETE FROM readings WHERE sequence = 6"],
            "cuts: row 1 was altered",
        ),
        (["UPDATE cuts SET row_hash = zeroblob(32)"], "cuts: row 1 was altered"),
        (["UPDATE cuts SET time = 0"], "cuts: row 1 was altered"),
        (["UPDATE cuts SET signature = x'00'"], "cuts: row 1 was altered"),
        (["UPDATE cuts SET signer = x'00'"], "cuts: row 1 was altered"),
        (["UPDATE cuts SET time = 1 << 62"], "cuts: row 1 can't be read"),
        (
            ["INSERT INTO readings SELECT 5, series, 0, capture_time, raw, 0, 30, 5, 4, signature, hash FROM readings WHERE sequence = 6"],
            "readings: row 5 stands before the cut",
        ),
        (
            ["DELETE FROM log_entries WHERE number = 6 AND head = (SELECT id FROM heads WHERE scope = 'flat1')"],
            "consumer of flat1: row 6 is missing",
        ),
        (["DELETE FROM heads WHERE kind = 'readings'", "DELETE FROM readings"], "readings: row 5 has no head"),
    ],
)
def test_a_deletion_that_was_not_recorded_is_found(path: Path, filled: Journal, statements: list[str], place: str) -> None:
    filled.cut("readings", "", 5, LATER, SIGNER)
    filled.cut("consumer", "flat1", 5, LATER, SIGNER)
    filled.close()
    tampered(path, *statements)
    with Journal.open_read_only(path, KEY) as journal, pytest.raises(IntegrityFault) as caught:
        journal.verify()
    assert caught.value.detail.startswith(place)


def test_a_cut_with_a_chain_of_its_own_making_is_found_by_its_signature(path: Path, filled: Journal) -> None:
    filled.cut("readings", "", 5, LATER, signer(b"somebody else"))
    filled.verify()
    with pytest.raises(SecurityFault):
        filled.verify_recent(check)
    with pytest.raises(SecurityFault):
        for one in filled.signed():
            check(one.key_id, one.octets, one.signature)


def test_a_cut_that_deletes_more_than_it_says_is_undone(path: Path, filled: Journal) -> None:
    filled.close()
    tampered(path, "DELETE FROM readings WHERE sequence = 2")
    with Journal.open(path, KEY) as journal:
        with pytest.raises(IntegrityFault, match=r"journal\.chain: readings"):
            journal.cut("readings", "", 5, LATER, SIGNER)
        assert journal.first_reading(METER, IMPORT) is not None


# what works


@pytest.mark.parametrize(("kind", "scope"), [("readings", ""), ("registers", ""), ("system", ""), ("consumer", "flat1")])
@pytest.mark.parametrize("numbers", [[1], [9], [10], [1, 2, 3], [4, 10]])
def test_the_rest_of_a_cut_chain_verifies_and_grows(path: Path, filled: Journal, kind: str, scope: str, numbers: list[int]) -> None:
    for number in numbers:
        filled.cut(kind, scope, number, LATER, SIGNER)
    assert filled.stored_rows(kind, scope) == 10 - numbers[-1]
    filled.append_readings([signed(11)])
    filled.append_registers([register(11)])
    filled.append_log([entry(11), entry(11, Log.CONSUMER, "flat1")])
    assert filled.stored_rows(kind, scope) == 11 - numbers[-1]
    report = filled.verify()
    assert report.rows("cuts") == len(numbers)
    assert filled.verify_recent(check) == report
    filled.close()
    with Journal.open_read_only(path, KEY) as journal:
        assert journal.verify() == report


def test_a_cut_says_what_it_did(filled: Journal) -> None:
    head = next(row for row in filled.export(["readings"]) if b'"number":4,' in row)
    cut = filled.cut("readings", "", 4, LATER, SIGNER)
    assert cut == Cut("readings", "", 4, 4, json.loads(head)["hash"], "2026-11-22T01:00:00Z", SIGNER.key_id.hex())
    assert cut_from_octets(signed_octets(cut)) == cut
    assert [one.octets for one in filled.signed()] == [signed_octets(cut)]
    second = filled.cut("readings", "", 6, LATER, SIGNER)
    assert (second.number, second.removed) == (6, 2)


@pytest.mark.parametrize("octets", [b"", b"{}", b"smgw-cut-1\0", b"smgw-seal-1\0{}"])
def test_what_is_no_cut_is_refused(octets: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        cut_from_octets(octets)


def test_numbers_go_on_after_a_cut(filled: Journal) -> None:
    filled.cut("readings", "", 10, LATER, SIGNER)
    filled.cut("system", "", 3, LATER, SIGNER)
    assert filled.append_readings([signed(11)]) == [11]
    assert [stored.index for stored in filled.log(Log.SYSTEM)] == [4, 5, 6, 7, 8, 9, 10]
    assert (filled.log_count(Log.SYSTEM), filled.stored_rows("system")) == (10, 7)
    assert [one.sequence for one in filled.recent_readings(5)] == [11]
    assert filled.scopes("consumer") == ["flat1", "flat2"]


def test_a_cut_is_undone_with_the_step_that_it_belongs_to(filled: Journal) -> None:
    before = filled.verify()
    with pytest.raises(ZeroDivisionError), filled.transaction():
        filled.cut("readings", "", 5, LATER, SIGNER)
        raise ZeroDivisionError
    assert filled.verify() == before
    assert filled.stored_rows("readings") == 10


def test_deleted_rows_leave_no_trace_in_the_open_file(path: Path, filled: Journal) -> None:
    database = Database.open_read_only(path, KEY)
    assert database.connection.execute("PRAGMA secure_delete").get == 1


# how far a chain may be cut


def numbers_of(journal: Journal, limit: int, **releases: int) -> int:
    pairs = {"imports": (METER, IMPORT), "exports": (METER, EXPORT), "other": (OTHER_METER, IMPORT)}
    bounds = {pairs[name]: quarter(number) for name, number in releases.items()}
    return journal.released_readings(bounds, LATER, limit)


def test_readings_go_up_to_the_first_that_must_stay(journal: Journal) -> None:
    for number in range(1, 6):
        journal.append_readings([signed(number), signed(number, obis=EXPORT), signed(number, meter=OTHER_METER)])
    assert numbers_of(journal, 100) == 0
    assert numbers_of(journal, 100, imports=9) == 1
    assert numbers_of(journal, 100, imports=9, exports=9) == 2
    assert numbers_of(journal, 100, imports=9, exports=9, other=1) == 2
    assert numbers_of(journal, 100, imports=9, exports=9, other=2) == 5
    assert numbers_of(journal, 100, imports=4, exports=3, other=9) == 7
    assert numbers_of(journal, 100, imports=9, exports=9, other=9) == 15
    assert numbers_of(journal, 4, imports=9, exports=9, other=9) == 4


def test_registers_go_by_the_end_of_their_period(journal: Journal) -> None:
    journal.append_registers([register(1), register(1, profile_id="other"), register(2), register(3)])
    assert journal.released_registers({"taf1-1.sm": quarter(3)}, LATER, 10) == 1
    assert journal.released_registers({"taf1-1.sm": quarter(3), "other": quarter(2)}, LATER, 10) == 3
    assert journal.released_registers({}, LATER, 10) == 0


def test_log_entries_go_by_their_time(filled: Journal) -> None:
    assert filled.released_log(Log.SYSTEM, "", quarter(4), LATER, 100) == 3
    assert filled.released_log(Log.CONSUMER, "flat1", quarter(9), LATER, 5) == 5
    assert filled.released_log(Log.CONSUMER, "nobody", quarter(9), LATER, 5) == 0


def test_an_entry_from_the_future_goes_only_with_a_later_one(journal: Journal) -> None:
    journal.append_log([entry(1), entry(5000), entry(5001), entry(2), entry(6000), entry(90)])
    assert journal.released_log(Log.SYSTEM, "", quarter(50), LATER, 100) == 4
    assert journal.released_log(Log.SYSTEM, "", quarter(1), LATER, 100) == 0


# exports


@pytest.fixture
def lines(filled: Journal) -> list[bytes]:
    filled.cut("readings", "", 3, LATER, SIGNER)
    filled.cut("consumer", "flat1", 4, LATER, SIGNER)
    filled.cut("readings", "", 5, LATER, SIGNER)
    return list(filled.export(EXPORTED))


def test_an_export_of_cut_chains_is_verified_without_key(lines: list[bytes]) -> None:
    chains = {(chain.chain, chain.scope): chain.length for chain in verify_export(bounded_lines(io.BytesIO(b"".join(lines)).readline))}
    assert chains["readings", ""] == 10
    assert chains["cuts", ""] == 3
    assert json.loads(lines[3])["value"]["number"] == 5


def test_a_part_of_an_export_carries_the_cuts(filled: Journal) -> None:
    filled.cut("readings", "", 10, LATER, SIGNER)
    lines = list(filled.export(["readings"]))
    assert len(lines) == 2
    verify_export(lines)
    verify_export(list(filled.export(["calibration"])))


def test_a_changed_cut_in_an_export_is_found(lines: list[bytes]) -> None:
    for number in range(1, len(lines)):
        with pytest.raises(IntegrityFault, match=r"journal\.chain"):
            verify_export(lines[:number] + lines[number + 1 :])
    with pytest.raises(IntegrityFault, match="cuts: row 1 was altered"):
        row = json.loads(lines[1])
        verify_export([lines[0], json.dumps({**row, "value": {**row["value"], "number": 4}}).encode(), *lines[2:]])
    moved = [
        lines[0],
        *(line for line in lines[1:] if b'"chain":"cuts"' not in line),
        *(line for line in lines if b'"chain":"cuts"' in line[:20]),
    ]
    with pytest.raises((IntegrityFault, DecodeFault)):
        verify_export(moved)


def test_a_cut_after_the_rows_that_it_moves_is_refused(journal: Journal) -> None:
    journal.append_log([entry(number) for number in range(4)])
    journal.append_readings([signed(number) for number in range(4)])
    whole = list(journal.export(["system"]))
    journal.cut("system", "", 2, LATER, SIGNER)
    head, cut, *rows = journal.export(["system"])
    with pytest.raises(DecodeFault, match="a cut after the rows"):
        verify_export([head, *whole[1:3], cut, *rows])


# the outbox


def test_deliveries_are_forgotten_only_after_their_receipt(journal: Journal) -> None:
    for number in range(5):
        journal.enqueue(OutboxMessage(f"m{number}", "emt1.sm", "taf7-1.sm", b"body", quarter(number)))
    journal.acknowledge("m0", b"receipt", quarter(1))
    journal.acknowledge("m1", b"receipt", quarter(2))
    journal.acknowledge("m3", b"receipt", quarter(3))
    assert journal.forget_deliveries(quarter(1), 100) == 0
    assert journal.forget_deliveries(quarter(50), 1) == 1
    assert journal.forget_deliveries(quarter(50), 100) == 2
    assert [message.message_id for message in journal.pending()] == ["m2", "m4"]
    assert journal.delivery_counts() == (5, 3)
    oldest = journal.oldest_pending("taf7-1.sm")
    assert oldest is not None
    assert oldest.message_id == "m2"
    assert journal.oldest_pending("other") is None


# power failures


def test_a_writer_killed_while_it_deletes_leaves_chains_that_verify(path: Path) -> None:
    chance = random.Random(5)
    command = [sys.executable, str(Path(__file__).with_name("retention_writer.py")), str(path)]
    cuts = 0
    for _ in range(8):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)})
        assert process.stdout is not None
        said = (0, 0)
        with process, process.stdout as out:
            for _ in range(chance.randint(1, 30)):
                said = tuple(int(word) for word in out.readline().split())
            process.kill()
        assert process.returncode == -9
        with Journal.open(path, KEY) as journal:
            report = journal.verify()
            journal.verify_recent(check)
            stored, deleted = journal.count_readings(), said[1]
            assert stored >= said[0]
            held = journal.readings(METER)
            assert [one.sequence for one in held] == list(range(stored - len(held) + 1, stored + 1))
            assert [one.signature for one in held] == [signature(one.sequence) for one in held]
            assert stored - len(held) >= deleted
            cuts = report.rows("cuts")
    assert cuts > 8


@pytest.fixture
def sealed(path: Path) -> Iterator[Journal]:
    with Journal.open(path, KEY) as journal:
        journal.seal_by(SIGNER, ManualClock(START + timedelta(days=1)))
        yield journal


@pytest.mark.req("STATE-03")
def test_a_recent_walk_begins_at_the_last_seal(path: Path, sealed: Journal) -> None:
    sealed.append_readings([signed(number) for number in range(1, 301)])
    sealed.append_readings([signed(number) for number in range(301, 311)])
    sealed.close()
    tampered(path, "UPDATE readings SET raw = raw + 1 WHERE sequence = 7")
    with Journal.open(path, KEY) as journal:
        journal.verify_recent(check)
        with pytest.raises(IntegrityFault, match="readings: row 7 was altered"):
            journal.verify()


@pytest.mark.req("STATE-03")
@pytest.mark.parametrize(
    ("statements", "place"),
    [
        (["UPDATE readings SET raw = raw + 1 WHERE sequence = 305"], "readings: row 305 was altered"),
        (["DELETE FROM readings WHERE sequence = 310"], "readings: row 310 is missing"),
        (["DELETE FROM readings WHERE sequence = 1"], "readings: row 1 is missing"),
        (["DELETE FROM readings"], "readings: row 1 is missing"),
        (["UPDATE readings SET hash = zeroblob(32) WHERE sequence = 300"], "readings: row 300 is not what was sealed"),
        (
            ["DELETE FROM readings WHERE sequence >= 300", "UPDATE heads SET length = 299 WHERE kind = 'readings'"],
            "readings: row 300 is missing, but",
        ),
        (["DELETE FROM heads WHERE kind = 'readings'"], "readings: row 300 is missing, but was sealed"),
        (["DELETE FROM seals"], "seals: row 1 is missing"),
    ],
)
def test_a_recent_walk_notices_what_is_near(path: Path, sealed: Journal, statements: list[str], place: str) -> None:
    sealed.append_readings([signed(number) for number in range(1, 301)])
    sealed.append_readings([signed(number) for number in range(301, 311)])
    sealed.close()
    tampered(path, *statements)
    with Journal.open(path, KEY) as journal, pytest.raises(IntegrityFault) as caught:
        journal.verify_recent(check)
    assert caught.value.detail.startswith(place)


def test_seals_before_a_cut_and_at_it_do_no_harm(sealed: Journal) -> None:
    for first in (1, 301, 601):
        sealed.append_readings([signed(number) for number in range(first, first + 300)])
    for number in (200, 300, 450, 900):
        sealed.cut("readings", "", number, LATER, SIGNER)
        assert sealed.verify() == sealed.verify_recent(check)
    assert sealed.stored_rows("readings") == 0

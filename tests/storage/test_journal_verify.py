"""Someone who has the key changes the file with SQL of their own: the walk names the place."""

from collections.abc import Callable, Iterator
from pathlib import Path

import apsw
import pytest
from tests.storage.samples import EXPORT, KEY, METER, START, consumer_profile, entry, meter_profile, register, signature, signed

from smgw.core.errors import IntegrityFault
from smgw.core.log_event import Log
from smgw.storage.chain import GENESIS
from smgw.storage.database import Database
from smgw.storage.journal import Journal
from smgw.storage.outbox import OutboxMessage

pytestmark = pytest.mark.req("LOG-02", "STATE-03")

Tamper = Callable[..., None]


def fill(journal: Journal) -> None:
    journal.append_readings([signed(number, obis=obis) for number in range(5) for obis in (EXPORT, EXPORT.with_tariff(1))])
    journal.append_registers([register(number) for number in range(5)])
    journal.append_log([entry(number, log) for number in range(5) for log in (Log.SYSTEM, Log.CALIBRATION)])
    journal.append_log([entry(number, Log.CONSUMER, who) for number in range(5) for who in ("flat1", "flat2")])
    for version in range(1, 6):
        journal.put_profile(meter_profile(version), b"document", START)
    journal.enqueue(OutboxMessage("m1", "emt1.sm", "taf7-1.sm", b"body", START))


@pytest.fixture
def tamper(path: Path) -> Iterator[Tamper]:
    """Change a filled journal with raw SQL, all rules dropped before and put back after."""
    with Journal.open(path, KEY) as journal:
        fill(journal)

    def run(*statements: str) -> None:
        database = Database.open(path, KEY)
        connection = database.connection
        connection.execute("PRAGMA foreign_keys=OFF")
        connection.execute("PRAGMA ignore_check_constraints=ON")
        triggers = connection.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'").fetchall()
        for name, _ in triggers:
            connection.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            connection.execute(statement)
        for _, sql in triggers:
            connection.execute(sql)
        database.close()

    yield run


def swap(table: str, key: str, columns: str) -> tuple[str, ...]:
    """Let rows 2 and 3 of a table trade places, each keeping its own hash or not as `columns` says."""
    pairs = ", ".join(f"{c} = (SELECT {c} FROM old WHERE old.{key} = 5 - {table}.{key})" for c in columns.split())
    return (f"CREATE TEMP TABLE old AS SELECT * FROM {table}", f"UPDATE {table} SET {pairs} WHERE {key} IN (2, 3)")


_HEAD = "(SELECT id FROM heads WHERE kind = 'consumer' AND scope = 'flat2')"

CASES = [
    ("UPDATE readings SET raw = raw + 1 WHERE sequence = 4", "readings: row 4 was altered"),
    ("UPDATE readings SET raw = NULL WHERE sequence = 4", "readings: row 4 was altered"),
    ("UPDATE readings SET raw = 'text' WHERE sequence = 4", "readings: row 4 can't be read"),
    ("UPDATE readings SET scaler = 1000 WHERE sequence = 4", "readings: row 4 can't be read"),
    ("UPDATE readings SET target_time = target_time - 1 WHERE sequence = 10", "readings: row 10 was altered"),
    ("UPDATE readings SET target_time = 1 << 62 WHERE sequence = 9", "readings: row 9 can't be read"),
    ("UPDATE readings SET gateway_status = 5 | 2 WHERE sequence = 1", "readings: row 1 was altered"),
    ("UPDATE readings SET signature = x'00' WHERE sequence = 1", "readings: row 1 was altered"),
    ("UPDATE readings SET hash = zeroblob(32) WHERE sequence = 6", "readings: row 6 was altered"),
    ("UPDATE readings SET series = 3 - series, target_time = 0 WHERE sequence = 5", "readings: row 5 was altered"),
    ("UPDATE series SET meter_id = '1EMH0000000000' WHERE id = 2", "readings: row 2 was altered"),
    ("DELETE FROM series WHERE id = 2", "readings: row 2 is missing"),
    ("DELETE FROM readings WHERE sequence = 1", "readings: row 1 is missing"),
    ("DELETE FROM readings WHERE sequence = 5", "readings: row 5 is missing"),
    ("DELETE FROM readings WHERE sequence = 10", "readings: row 10 is missing"),
    ("DELETE FROM readings", "readings: row 1 is missing"),
    ("UPDATE readings SET sequence = 11 WHERE sequence = 10", "readings: row 10 is missing"),
    ("UPDATE registers SET record = CAST(record || x'00' AS BLOB) WHERE sequence = 2", "registers: row 2 can't be read"),
    ("UPDATE registers SET record = x'01' WHERE sequence = 2", "registers: row 2 can't be read"),
    ("UPDATE registers SET period_end = period_end + 1 WHERE sequence = 3", "registers: row 3 can't be read"),
    ("UPDATE registers SET profile_id = 'other' WHERE sequence = 3", "registers: row 3 can't be read"),
    ("DELETE FROM registers WHERE sequence = 5", "registers: row 5 is missing"),
    ("UPDATE profiles SET document = x'00' WHERE sequence = 2", "profiles: row 2 was altered"),
    ("UPDATE profiles SET installed_at = 0 WHERE sequence = 2", "profiles: row 2 was altered"),
    ("UPDATE profiles SET version = 9 WHERE sequence = 2", "profiles: row 2 can't be read"),
    ("UPDATE profiles SET kind = 'tariff' WHERE sequence = 2", "profiles: row 2 can't be read"),
    ("DELETE FROM profiles WHERE sequence = 5", "profiles: row 5 is missing"),
    ("UPDATE log_entries SET body = CAST(replace(body, 'test', 'fest') AS BLOB) WHERE number = 2", "system: row 2 was altered"),
    (f"UPDATE log_entries SET time = time + 1 WHERE number = 3 AND head = {_HEAD}", "consumer of flat2: row 3 can't be read"),
    (f"UPDATE log_entries SET body = x'7b' WHERE number = 3 AND head = {_HEAD}", "consumer of flat2: row 3 can't be read"),
    (f"DELETE FROM log_entries WHERE number = 5 AND head = {_HEAD}", "consumer of flat2: row 5 is missing"),
    (f"DELETE FROM log_entries WHERE number = 1 AND head = {_HEAD}", "consumer of flat2: row 1 is missing"),
    ("UPDATE heads SET scope = 'eve' WHERE scope = 'flat2'", "consumer of eve: row 1 can't be read"),
    ("UPDATE heads SET hash = zeroblob(32) WHERE kind = 'readings'", "readings: row 10 is not what the head says"),
    ("UPDATE heads SET length = 11 WHERE kind = 'readings'", "readings: row 11 is missing"),
    ("UPDATE heads SET length = 4 WHERE kind = 'registers'", "registers: row 6 is missing"),
    ("DELETE FROM heads WHERE kind = 'readings'", "readings: row 10 has no head"),
    ("INSERT INTO heads VALUES (99, 'diary', '', 0, x'')", "diary: row 0 is no chain"),
]


@pytest.mark.parametrize(("statement", "place"), CASES, ids=[statement for statement, _ in CASES])
def test_a_change_is_found_at_its_place(tamper: Tamper, path: Path, statement: str, place: str) -> None:
    tamper(statement)
    for opened in (Journal.open, Journal.open_read_only):
        with opened(path, KEY) as journal, pytest.raises(IntegrityFault) as caught:
            journal.verify()
        assert caught.value.code == "journal.chain"
        assert caught.value.detail.startswith(place)


@pytest.mark.parametrize(
    ("table", "key", "columns"),
    [
        ("readings", "sequence", "series target_time raw capture_time signature"),
        ("readings", "sequence", "series target_time raw capture_time signature hash"),
        ("registers", "sequence", "period_end record hash"),
        ("profiles", "sequence", "installed_at body document hash"),
    ],
)
def test_rows_that_traded_places_are_found(tamper: Tamper, path: Path, table: str, key: str, columns: str) -> None:
    tamper("DROP INDEX IF EXISTS readings_by_time", *swap(table, key, columns))
    with Journal.open(path, KEY) as journal, pytest.raises(IntegrityFault, match=rf"journal\.chain: {table}: row 2 "):
        journal.verify()


def test_a_row_put_in_with_a_hash_of_its_own_is_found(tamper: Tamper, path: Path) -> None:
    tamper("INSERT INTO readings SELECT 11, series, target_time + 1, capture_time, raw, 0, 30, 5, 4, signature, hash FROM readings LIMIT 1")
    with Journal.open(path, KEY) as journal, pytest.raises(IntegrityFault, match="readings: row 11 was altered"):
        journal.verify()


@pytest.mark.parametrize(
    ("statement", "name"),
    [
        ("DROP TRIGGER readings_no_update", "readings_no_update"),
        ("DROP TRIGGER log_entries_no_delete", "log_entries_no_delete"),
        ("DROP INDEX readings_by_time", "readings_by_time"),
        ("CREATE TABLE hidden (a)", "hidden"),
        ("CREATE TRIGGER spy AFTER INSERT ON readings BEGIN SELECT 1; END", "spy"),
    ],
)
def test_changed_rules_are_found(path: Path, journal: Journal, statement: str, name: str) -> None:
    fill(journal)
    journal._database.connection.execute(statement)
    with pytest.raises(IntegrityFault, match=rf"journal\.schema: {name}"):
        journal.verify()


def test_an_index_that_hides_a_row_is_found(path: Path, journal: Journal) -> None:
    fill(journal)
    connection = journal._database.connection
    connection.config(apsw.SQLITE_DBCONFIG_DEFENSIVE, 0)
    connection.execute("PRAGMA writable_schema=ON")
    connection.execute("UPDATE sqlite_schema SET sql = sql || ' WHERE target_time > 0' WHERE name = 'readings_by_time'")
    connection.execute("PRAGMA writable_schema=RESET")
    with pytest.raises(IntegrityFault, match=r"journal\.schema: readings_by_time"):
        journal.verify()


def test_an_intact_journal_reports_every_chain(journal: Journal) -> None:
    fill(journal)
    report = journal.verify()
    assert [(chain.kind, chain.scope, chain.length) for chain in report.chains] == [
        ("calibration", "", 5),
        ("consumer", "flat1", 5),
        ("consumer", "flat2", 5),
        ("profiles", "", 5),
        ("readings", "", 10),
        ("registers", "", 5),
        ("system", "", 5),
    ]
    assert len({chain.digest for chain in report.chains} | {GENESIS}) == 8
    assert (report.messages, report.acknowledged) == (1, 0)


def test_a_new_journal_is_intact_and_empty(journal: Journal) -> None:
    assert journal.verify().chains == ()


def test_heads_depend_on_content_alone(tmp_path: Path) -> None:
    reports = []
    for name in ("a", "b"):
        with Journal.open(tmp_path / name, KEY if name == "a" else bytes(32)) as journal:
            fill(journal)
            journal.put_profile(consumer_profile(), b"document", START)
            reports.append(journal.verify())
    assert reports[0] == reports[1]


def test_the_hash_of_a_reading_covers_its_signature(tmp_path: Path) -> None:
    heads = set()
    for number in (1, 2):
        with Journal.open(tmp_path / str(number), KEY) as journal:
            journal.append_readings([(signed(1)[0], signature(number))])
            heads.add(journal.verify().chains[0].digest)
            assert journal.readings(METER)
    assert len(heads) == 2

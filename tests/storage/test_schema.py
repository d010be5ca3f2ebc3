from pathlib import Path

import apsw
import pytest
from tests.storage.samples import KEY, START, entry, meter_profile, register, signed
from tests.storage.signing import SIGNER

from smgw.core.errors import ConfigError
from smgw.storage import database
from smgw.storage.database import Database
from smgw.storage.journal import Journal
from smgw.storage.outbox import OutboxMessage
from smgw.storage.schema import MIGRATIONS, SCHEMA_VERSION

APPEND_ONLY = ("series", "readings", "registers", "log_entries", "profiles", "cuts")


@pytest.fixture
def connection(path: Path) -> apsw.Connection:
    """Give the writing connection of a journal that has a row in every table."""
    with Journal.open(path, KEY) as journal:
        journal.append_readings([signed(1), signed(2)])
        journal.append_registers([register(1)])
        journal.append_log([entry(1)])
        journal.put_profile(meter_profile(), b"document", START)
        journal.enqueue(OutboxMessage("m1", "emt1.sm", "taf7-1.sm", b"body", START))
        journal.cut("readings", "", 1, START, SIGNER)
    return Database.open(path, KEY).connection


@pytest.mark.req("MEAS-01", "LOG-02")
@pytest.mark.parametrize("table", APPEND_ONLY)
def test_a_stored_row_can_not_be_changed_taken_out_or_replaced(connection: apsw.Connection, table: str) -> None:
    column = connection.execute(f"SELECT name FROM pragma_table_info('{table}') ORDER BY cid DESC LIMIT 1").get
    for statement in (
        f"UPDATE {table} SET {column} = {column}",
        f"DELETE FROM {table}",
        f"INSERT OR REPLACE INTO {table} SELECT * FROM {table}",
    ):
        with pytest.raises(apsw.ConstraintError, match="append only"):
            connection.execute(statement)


@pytest.mark.req("WAN-05")
def test_a_message_without_receipt_can_not_be_deleted(connection: apsw.Connection) -> None:
    with pytest.raises(apsw.ConstraintError, match="not acknowledged"):
        connection.execute("DELETE FROM outbox")


def test_every_table_is_strict_about_types(connection: apsw.Connection) -> None:
    loose = connection.execute(
        "SELECT name FROM pragma_table_list WHERE type = 'table' AND NOT strict AND name NOT LIKE 'sqlite_%'"
    ).fetchall()
    assert loose == []


def test_a_reading_without_series_is_refused(connection: apsw.Connection) -> None:
    with pytest.raises(apsw.ConstraintError, match="FOREIGN KEY"):
        connection.execute("INSERT INTO readings VALUES (3, 99, 0, 0, 1, 0, 30, 5, 4, x'', x'')")


def test_a_file_of_a_newer_program_is_left_alone(path: Path) -> None:
    database = Database.open(path, KEY)
    database.connection.execute(f"PRAGMA user_version={SCHEMA_VERSION + 1}")
    database.close()
    for opened in (Journal.open, Journal.open_read_only):
        with pytest.raises(ConfigError, match=r"journal\.version"):
            opened(path, KEY)


def test_a_file_that_was_never_brought_up_to_date_can_not_be_read(path: Path) -> None:
    database = Database.open(path, KEY)
    database.connection.execute("PRAGMA user_version=0")
    database.close()
    with pytest.raises(ConfigError, match=r"journal\.version"):
        Journal.open_read_only(path, KEY)


def test_a_file_of_an_older_program_is_brought_up_to_date_with_all_it_holds(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for version in range(1, SCHEMA_VERSION):
        old = path.with_name(f"version-{version}.db")
        with monkeypatch.context() as patch:
            patch.setattr(database, "MIGRATIONS", MIGRATIONS[:version])
            patch.setattr(database, "SCHEMA_VERSION", version)
            with Journal.open(old, KEY) as journal:
                journal.append_readings([signed(1)])
                journal.append_log([entry(1)])
        with Journal.open(old, KEY) as journal:
            assert [(chain.kind, chain.length) for chain in journal.verify().chains] == [("readings", 1), ("system", 1)]

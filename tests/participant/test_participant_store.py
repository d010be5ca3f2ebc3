"""The participant's database and store without network: durability settings, bounds, and transactions that leave nothing half done."""

import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from tests.participant.participant_parts import DAY, GATEWAY, METER, NOW, QUARTER, REGISTERS, delivery, reading

from smgw.core.errors import ConfigError, LimitFault, Replay, Unavailable
from smgw.core.instant import day_bounds
from smgw.core.reading import SignedReading
from smgw.participant.config import ParticipantFolder
from smgw.participant.database import connect, connect_read_only, transaction
from smgw.participant.registry import Registry
from smgw.participant.store import REFUSALS_KEPT, Arrival, ParticipantStore
from smgw.storage.day_block import MAX_BLOCK_VALUES

OPENING = day_bounds(DAY)[0]


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with closing(connect(tmp_path / "participant.db")) as connection:
        yield connection


@pytest.fixture
def store(connection: sqlite3.Connection) -> ParticipantStore:
    return ParticipantStore(connection)


def unsigned(count: int, first: int = 1) -> tuple[SignedReading, ...]:
    return tuple(SignedReading(reading(OPENING + QUARTER * (first + n) / 100, 1_000 + n), bytes(64), n) for n in range(count))


def arrival(number: int = 1, content: bytes = b"content", count: int = 2, **changes: object) -> Arrival:
    whole = delivery(unsigned(count), number, **changes)
    return Arrival(whole, b"message", content, f"{GATEWAY}.SMGW", b"\1" * 32, NOW)


def dump(connection: sqlite3.Connection) -> list[str]:
    return list(connection.iterdump())


# -- refused ----------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("again", [arrival(content=b"other"), arrival(sender="ESGW0000000002")])
def test_a_known_id_with_other_content_or_sender_changes_nothing(
    store: ParticipantStore, connection: sqlite3.Connection, again: Arrival
) -> None:
    store.accept(arrival())
    before = dump(connection)
    with pytest.raises(Replay, match=r"delivery\.replayed"):
        store.accept(again)
    assert dump(connection) == before


def test_too_many_values_of_a_day_leave_nothing(store: ParticipantStore, connection: sqlite3.Connection) -> None:
    before = dump(connection)
    with pytest.raises(LimitFault):
        store.accept(arrival(count=MAX_BLOCK_VALUES + 1))
    assert dump(connection) == before


@pytest.mark.req("OPS-05")
def test_a_database_that_takes_no_more_is_unavailable_and_unchanged(store: ParticipantStore, connection: sqlite3.Connection) -> None:
    store.accept(arrival(1))
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages}")
    before = dump(connection)
    big = msgspec.structs.replace(arrival(2).delivery, readings=unsigned(1_500, 200))
    with pytest.raises(Unavailable, match=r"participant\.store"):
        store.accept(arrival(2)._replace(delivery=big, message=bytes(100_000)))
    assert dump(connection) == before
    connection.execute("PRAGMA max_page_count = 1000000")
    assert store.accept(arrival(2)).number == 2


def test_a_fault_inside_a_transaction_undoes_it(connection: sqlite3.Connection) -> None:
    with pytest.raises(KeyError), transaction(connection):
        connection.execute("INSERT INTO gateway VALUES ('x')")
        raise KeyError
    assert connection.execute("SELECT count(*) FROM gateway").fetchone() == (0,)


def test_a_newer_or_foreign_file_is_not_touched(tmp_path: Path) -> None:
    newer = tmp_path / "newer.db"
    connect(newer).close()
    with closing(sqlite3.connect(newer)) as raw:
        raw.execute("PRAGMA user_version = 99")
    with pytest.raises(ConfigError, match=r"participant\.version"):
        connect(newer)
    foreign = tmp_path / "foreign.db"
    foreign.write_bytes(b"something else " * 100)
    with pytest.raises(Unavailable):
        connect(foreign)
    assert foreign.read_bytes() == b"something else " * 100
    with pytest.raises(ConfigError, match=r"participant\.not_initialised"):
        connect_read_only(tmp_path / "missing.db")
    assert not (tmp_path / "missing.db").exists()


@pytest.mark.parametrize("content", [b"", b"{}", b'{"name": "emt1.sm", "other": 1}', b'{"name": 1}'])
def test_a_bad_configuration_is_named(tmp_path: Path, content: bytes) -> None:
    folder = ParticipantFolder(tmp_path)
    folder.config.write_bytes(content)
    with pytest.raises(ConfigError, match=r"participant\.config"):
        folder.load()


# -- kept -------------------------------------------------------------------------------------------------------------------------------


def test_the_file_is_its_owners_alone_and_commits_reach_the_disk(tmp_path: Path, connection: sqlite3.Connection) -> None:
    assert stat.S_IMODE((tmp_path / "participant.db").stat().st_mode) == 0o600
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert connection.execute("PRAGMA synchronous").fetchone() == (2,)


def test_refusals_are_bounded_and_counted(store: ParticipantStore, connection: sqlite3.Connection) -> None:
    connection.execute("INSERT INTO sqlite_sequence VALUES ('refusal', ?)", (REFUSALS_KEPT,))
    store.refuse(NOW, "peer" * 50, "tls.handshake")
    connection.execute("UPDATE refusal SET number = 1")
    store.refuse(NOW, "peer", "pki.role", b"digest")
    (kept,) = store.refusals(10)
    assert (kept.number, kept.peer, kept.code) == (REFUSALS_KEPT + 2, "peer", "pki.role")
    assert store.totals().rejected == REFUSALS_KEPT + 2


def test_a_repeated_delivery_keeps_its_first_time(store: ParticipantStore) -> None:
    first = store.accept(arrival())
    second = store.accept(arrival()._replace(received_at=NOW + QUARTER))
    assert (first.repeated, second.repeated) == (False, True)
    assert (second.number, second.stored_at, second.values) == (first.number, NOW, 2)


def test_what_is_stored_survives_reopening(tmp_path: Path) -> None:
    path = tmp_path / "participant.db"
    with closing(connect(path)) as connection:
        ParticipantStore(connection).accept(arrival())
        Registry(connection).register(GATEWAY, [METER], ["taf7-1.sm"])
    with closing(connect_read_only(path)) as connection:
        assert len(ParticipantStore(connection).series.day(METER, REGISTERS[0], DAY)) == 2
        assert Registry(connection).period_of(METER) == 900

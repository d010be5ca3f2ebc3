"""The authority's books: append only, all or nothing, kept over restarts."""

import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from tests.pki_builders import NOW, Party

from smgw.core.errors import ConfigError
from smgw.pki.ledger import Ledger


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "books" / "ledger.sqlite3"


@pytest.fixture
def ledger(path: Path, gateway: Party) -> Ledger:
    ledger = Ledger(path, create=True)
    with ledger.transaction() as books:
        books.put_setting("key", b"K")
        books.add_certificate(gateway.triple.tls, "A.SMGW", "tls", NOW)
        books.add_certificate(gateway.triple.sig, "B.SMGW", "sig", NOW)
    return ledger


def code_of(path: Path, *, create: bool) -> str:
    with pytest.raises(ConfigError) as caught:
        Ledger(path, create=create)
    return caught.value.code


def test_books_are_found_or_made_but_never_both(ledger: Ledger, path: Path, tmp_path: Path) -> None:
    assert code_of(path, create=True) == "pki.authority_exists"
    assert code_of(tmp_path / "none", create=False) == "pki.authority"


def test_a_file_that_is_no_ledger(tmp_path: Path) -> None:
    (tmp_path / "text").write_bytes(b"not a database, and long enough to be looked at" * 40)
    (tmp_path / "empty").touch()
    assert code_of(tmp_path / "text", create=False) == "pki.authority"
    assert code_of(tmp_path / "empty", create=False) == "pki.authority"


@pytest.mark.req("PKI-01")
def test_rows_survive_a_restart_in_order(ledger: Ledger, path: Path, gateway: Party) -> None:
    with Ledger(path).transaction() as books:
        assert books.setting("key") == b"K"
        assert books.setting("none") is None
        assert [row.certificate for row in books.certificates()] == [gateway.triple.tls, gateway.triple.sig]
        assert [row.kind for row in books.certificates("B.SMGW")] == ["sig"]
        assert books.has_certificate(gateway.triple.tls.serial_number)
        assert not books.has_certificate(1)
        assert books.newest_list() is None


@pytest.mark.parametrize("table", ["setting", "certificate", "revocation", "revocation_list"])
def test_nothing_is_changed_or_deleted(ledger: Ledger, path: Path, gateway: Party, table: str) -> None:
    with ledger.transaction() as books:
        books.add_revocation(gateway.triple.tls.serial_number, x509.ReasonFlags.superseded, NOW)
        books.add_list(1, NOW, NOW, b"list")
    with closing(sqlite3.connect(path)) as connection:
        column = connection.execute(f"SELECT name FROM pragma_table_info('{table}') ORDER BY cid DESC").fetchone()[0]
        for statement in (f"DELETE FROM {table}", f"UPDATE {table} SET {column} = {column}"):
            with pytest.raises(sqlite3.IntegrityError, match="append only"):
                connection.execute(statement)


def test_a_failed_transaction_leaves_nothing(ledger: Ledger, gateway: Party) -> None:
    with pytest.raises(sqlite3.IntegrityError), ledger.transaction() as books:
        books.add_certificate(gateway.triple.enc, "A.SMGW", "enc", NOW)
        books.add_certificate(gateway.triple.enc, "A.SMGW", "enc", NOW)
    with ledger.transaction() as books:
        assert len(books.certificates()) == 2


def test_the_last_word_about_a_certificate_counts(ledger: Ledger, gateway: Party) -> None:
    serial = gateway.triple.tls.serial_number
    with ledger.transaction() as books:
        assert (books.last_revocation(), books.revocation_of(serial)) == (0, None)
        for reason in (x509.ReasonFlags.certificate_hold, x509.ReasonFlags.remove_from_crl):
            books.add_revocation(serial, reason, NOW)
        assert (books.last_revocation(), books.revocation_of(serial), books.revocations()) == (2, None, [])
        books.add_revocation(serial, x509.ReasonFlags.key_compromise, NOW + timedelta(seconds=1))
        assert [(one.serial, one.reason, one.time) for one in books.revocations()] == [
            (serial, x509.ReasonFlags.key_compromise, NOW + timedelta(seconds=1))
        ]
        assert books.certificates("A.SMGW")[0].reason == "key_compromise"


def test_the_newest_list_is_the_highest_number(ledger: Ledger) -> None:
    with ledger.transaction() as books:
        books.add_list(1, NOW, NOW + timedelta(days=7), b"one")
        books.add_list(2, NOW - timedelta(days=1), NOW + timedelta(days=6), b"two")
        newest = books.newest_list()
    assert newest is not None
    assert (newest.number, newest.der, newest.this_update) == (2, b"two", NOW - timedelta(days=1))

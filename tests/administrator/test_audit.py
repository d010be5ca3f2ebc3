"""The audit trail is a chain: whatever is changed, taken out, put in, moved or cut off its end is found."""

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.gateway.gateway_parts import START

from smgw.administrator.audit import Audit, Head
from smgw.administrator.books import Books, open_books
from smgw.administrator.store import Store
from smgw.core.errors import DecodeFault, IntegrityFault
from smgw.storage.chain import GENESIS

pytestmark = pytest.mark.req("ADM-10")
COUNT = 12


@pytest.fixture
def books(tmp_path: Path) -> Iterator[Books]:
    books = open_books(tmp_path / "inventory.db")
    for number in range(COUNT):
        books.audit.note(START, "op1", f"step {number}", "ESGW0000000001", "done")
    yield books
    books.close()


def spoil(books: Books, *statements: str) -> None:
    with books.store.write() as database:
        for statement in statements:
            database.execute(statement)


def test_a_whole_chain_is_intact_and_goes_on_from_every_head_it_ever_had(books: Books) -> None:
    heads = [Head(0, GENESIS)] + [Head(entry.id, digest) for entry, digest in books.audit.entries()]
    assert len(heads) == COUNT + 1
    for head in heads:
        assert books.audit.verify(head) == heads[-1] == books.audit.head()
        assert Head.parse(str(head)) == head


@pytest.mark.parametrize(
    "statements",
    [
        ("UPDATE audit SET actor='eve' WHERE id=5",),
        ("UPDATE audit SET result='' WHERE id=12",),
        ("UPDATE audit SET hash=x'00' WHERE id=3",),
        ("DELETE FROM audit WHERE id=5",),
        ("DELETE FROM audit WHERE id=1",),
        ("INSERT INTO audit SELECT 13, at, actor, action, subject, result, hash FROM audit WHERE id=12",),
        ("UPDATE audit SET id=99 WHERE id=4", "UPDATE audit SET id=4 WHERE id=5", "UPDATE audit SET id=5 WHERE id=99"),
        ("DELETE FROM audit WHERE id=5", "UPDATE audit SET id=id-1 WHERE id>5"),
    ],
    ids=["actor", "last result", "hash", "taken out", "first taken out", "put in", "exchanged", "closed up"],
)
def test_whatever_is_changed_is_found(books: Books, statements: tuple[str, ...]) -> None:
    spoil(books, *statements)
    with pytest.raises(IntegrityFault, match=r"administrator\.audit_chain"):
        books.audit.verify()


def test_what_is_cut_off_the_end_is_found_with_a_head_that_was_seen(books: Books) -> None:
    seen = books.audit.head()
    spoil(books, "DELETE FROM audit WHERE id>8")
    assert books.audit.verify().length == 8
    with pytest.raises(IntegrityFault, match=r"does not go on from the known head"):
        books.audit.verify(seen)
    books.audit.note(START, "eve", "cover up", "", "done")
    with pytest.raises(IntegrityFault, match=r"does not go on from the known head"):
        books.audit.verify(seen)


def test_a_chain_made_anew_is_found_with_a_head_that_was_seen(books: Books) -> None:
    seen = books.audit.head()
    spoil(books, "UPDATE audit SET actor='eve' WHERE id=2")
    books.audit._link_all()
    books.audit.verify()
    with pytest.raises(IntegrityFault, match=r"does not go on from the known head"):
        books.audit.verify(seen)


@pytest.mark.parametrize(
    "text", ["", "1", "1:", "x:00", f"-1:{'0' * 64}", f"1:{'0' * 63}", f"1:{'0' * 66}", f"01:{'0' * 64}", f"1:{'A' * 64}"]
)
def test_what_is_no_head_is_refused(text: str) -> None:
    with pytest.raises(DecodeFault, match=r"administrator\.audit_head"):
        Head.parse(text)


def test_a_trail_of_the_time_before_the_chain_is_linked_once(tmp_path: Path) -> None:
    path = tmp_path / "inventory.db"
    old = sqlite3.connect(path)
    old.execute(
        "CREATE TABLE audit (id INTEGER PRIMARY KEY, at TEXT NOT NULL, actor TEXT NOT NULL, action TEXT NOT NULL, subject TEXT NOT NULL,"
        " result TEXT NOT NULL) STRICT"
    )
    rows = [(number, "2026-01-01T00:00:00Z", "op1", f"step {number}", "x", "done") for number in (1, 2, 5)]
    old.executemany("INSERT INTO audit VALUES (?,?,?,?,?,?)", rows)
    old.commit()
    old.close()
    store = Store(path)
    audit = Audit(store)
    assert [entry["action"] for entry in audit.newest()] == ["step 5", "step 2", "step 1"]
    head = audit.verify()
    assert head.length == 3
    store.close()
    store = Store(path)
    assert Audit(store).verify(head) == head
    store.close()


def test_entries_that_were_undone_with_their_block_leave_no_gap(books: Books) -> None:
    def fail() -> None:
        with books.store.write():
            books.audit.note(START, "op1", "undone", "", "done")
            raise KeyError

    _raises(KeyError, fail)
    books.audit.note(START, "op1", "after", "", "done")
    assert books.audit.verify().length == COUNT + 1


def _raises(kind: type[Exception], deed: Callable[[], None]) -> None:
    with pytest.raises(kind):
        deed()


def test_entries_are_found_by_actor_subject_and_number(books: Books) -> None:
    books.audit.note(START, "op2", "other", "ESGW0000000002/x", "done")
    assert [entry["actor"] for entry in books.audit.newest(actor="op2")] == ["op2"]
    assert [entry["action"] for entry in books.audit.newest(subject="0002")] == ["other"]
    assert [entry["id"] for entry in books.audit.newest(2, before=5)] == ["4", "3"]

from pathlib import Path

import msgspec
import pytest
from tests.storage.samples import KEY, START, quarter

from smgw.core.errors import DomainFault
from smgw.storage.journal import Journal
from smgw.storage.outbox import OutboxMessage

pytestmark = pytest.mark.req("WAN-05")


def message(number: int, body: bytes = b"sealed") -> OutboxMessage:
    return OutboxMessage(f"message-{number}", "emt1.sm", "taf7-1.sm", body, quarter(number))


def test_what_was_never_put_in_can_not_be_acknowledged_or_fail(journal: Journal) -> None:
    with pytest.raises(DomainFault, match=r"journal\.unknown_message"):
        journal.acknowledge("message-1", b"receipt", START)
    with pytest.raises(DomainFault, match=r"journal\.unknown_message"):
        journal.note_attempt("message-1", "http.no_answer", START)
    assert journal.receipt("message-1") is None


def test_messages_wait_in_the_order_they_were_put_in(journal: Journal) -> None:
    for number in (3, 1, 2):
        journal.enqueue(message(number))
    assert journal.pending() == [message(3), message(1), message(2)]
    assert journal.pending(2) == [message(3), message(1)]


def test_putting_an_id_in_again_does_nothing_before_and_after_its_receipt(journal: Journal) -> None:
    journal.enqueue(message(1))
    journal.enqueue(message(1, b"another seal of the same"))
    assert journal.pending() == [message(1)]
    journal.acknowledge("message-1", b"receipt", START)
    journal.enqueue(message(1))
    assert journal.pending() == []
    assert journal.delivery_counts() == (1, 1)


def test_the_first_receipt_stays(journal: Journal) -> None:
    journal.enqueue(message(1))
    journal.acknowledge("message-1", b"first", START)
    journal.acknowledge("message-1", b"second", START)
    assert journal.receipt("message-1") == b"first"


def test_a_failed_attempt_is_counted_and_keeps_the_place(journal: Journal) -> None:
    journal.enqueue(message(1))
    journal.enqueue(message(2))
    journal.note_attempt("message-1", "http.no_answer", START)
    journal.note_attempt("message-1", "http.refused", START)
    assert journal.pending() == [msgspec.structs.replace(message(1), attempts=2, last_code="http.refused"), message(2)]


def test_the_queue_survives_reopening(path: Path) -> None:
    with Journal.open(path, KEY) as journal:
        for number in range(4):
            journal.enqueue(message(number))
        journal.acknowledge("message-1", b"receipt", START)
    with Journal.open(path, KEY) as journal:
        assert journal.pending() == [message(0), message(2), message(3)]
        assert journal.delivery_counts() == (4, 1)


def test_an_acknowledged_body_makes_room(path: Path) -> None:
    with Journal.open(path, KEY) as journal:
        for number in range(50):
            journal.enqueue(message(number, bytes(40_000)))
            journal.acknowledge(f"message-{number}", b"receipt", START)
    assert path.stat().st_size < 200_000


def test_a_queued_message_stands_or_falls_with_its_transaction(journal: Journal) -> None:
    with pytest.raises(ZeroDivisionError), journal.transaction():
        journal.enqueue(message(1))
        raise ZeroDivisionError
    assert journal.pending() == []

"""Jobs: what waits is sent once in order, an answer ends it, and what was taken back is not sent."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import msgspec
import pytest
from tests.gateway.gateway_parts import GATEWAY_ID, START

from smgw.administrator.books import Books, open_books
from smgw.administrator.jobs import ATTEMPTS, FIRMWARE_WITHIN, RESULT_WITHIN, Job
from smgw.codec.command import Answer
from smgw.codec.result import Result
from smgw.core.errors import DomainFault, SecurityFault, Unavailable


@pytest.fixture
def books(tmp_path: Path) -> Iterator[Books]:
    books = open_books(tmp_path / "inventory.db")
    yield books
    books.close()


def add(books: Books, number: int, device_id: str = GATEWAY_ID) -> Job:
    return books.jobs.add(device_id, "POST", f"fas/step-{number}", {"n": number}, at=START, actor="op1", random=bytes(15) + bytes([number]))


def answer(job: Job, status: int = 200, code: str = "") -> Answer:
    return Answer(job.command_id, START, job.device_id, status, code, msgspec.Raw(b'{"x":1}'))


@pytest.mark.req("WAN-08")
def test_jobs_wait_in_order_and_each_gateway_has_its_own(books: Books) -> None:
    first, second = add(books, 1), add(books, 2)
    other = add(books, 3, "ESGW0000000002")
    assert books.jobs.waiting(GATEWAY_ID) == [first, second]
    assert books.jobs.waiting("ESGW0000000002") == [other]
    assert (first.state, bytes(first.body), first.command_id) == ("waiting", b'{"n":1}', "00000000-0000-4000-8000-000000000001")
    assert books.jobs.revision() == 3


@pytest.mark.req("ADM-10")
@pytest.mark.parametrize(("status", "code", "state"), [(200, "", "done"), (409, "profile.version", "failed")])
def test_an_answer_ends_a_job_and_stands_in_the_trail(books: Books, status: int, code: str, state: str) -> None:
    job = add(books, 1)
    books.jobs.end(job, answer(job, status, code), START)
    ended = books.jobs.job(job.id)
    assert (ended.state, ended.status, ended.code, bytes(ended.result)) == (state, status, code, b'{"x":1}')
    assert books.jobs.waiting(GATEWAY_ID) == []
    assert [entry["result"] for entry in books.audit.newest()] == [code or "done", "queued"]


def test_what_was_taken_back_is_not_sent_and_what_ended_can_not_be_taken_back(books: Books) -> None:
    first, second = add(books, 1), add(books, 2)
    books.jobs.cancel(first.id, START, "op1")
    assert books.jobs.waiting(GATEWAY_ID) == [second]
    books.jobs.end(second, answer(second), START)
    for job_id in (first.id, second.id, 99):
        with pytest.raises(DomainFault, match=r"administrator\.unknown_job"):
            books.jobs.cancel(job_id, START, "op1")
    assert [job.state for job in books.jobs.of(GATEWAY_ID)] == ["done", "cancelled"]


@pytest.mark.req("OPS-05")
def test_a_full_disk_queues_nothing(books: Books) -> None:
    books.store._database.execute("PRAGMA max_page_count=1")
    queued = 0
    with pytest.raises(Unavailable, match=r"administrator\.store"):
        for number in range(200):
            add(books, number)
            queued += 1
    assert len(books.jobs.waiting(GATEWAY_ID)) == queued
    assert len(books.audit.newest(1000)) == queued


@pytest.mark.req("WAN-08", "ADM-10")
def test_a_job_that_is_refused_three_times_has_failed_and_waits_no_more(books: Books) -> None:
    first, second = add(books, 1), add(books, 2)
    assert [books.jobs.refuse(first, "http.refused", START) for _ in range(ATTEMPTS)] == [False, False, True]
    assert books.jobs.waiting(GATEWAY_ID) == [second]
    failed = books.jobs.job(first.id)
    assert (failed.state, failed.code, failed.attempts, failed.ended_at) == ("failed", "http.refused", ATTEMPTS, "2026-03-01T12:00:00Z")
    assert books.audit.newest(1)[0]["result"] == "http.refused"


def test_a_job_that_was_taken_back_meanwhile_stays_so(books: Books) -> None:
    job = add(books, 1)
    books.jobs.cancel(job.id, START, "op1")
    for _ in range(ATTEMPTS):
        books.jobs.refuse(job, "http.refused", START)
    assert books.jobs.job(job.id).state == "cancelled"


def test_what_a_gateway_answered_well_is_found_by_its_resource(books: Books) -> None:
    names = ("system/1", "system/501", "system", "systems/1", "calibration/1")
    jobs = [books.jobs.add(GATEWAY_ID, "GET", f"log/{name}", None, at=START, actor="op1", random=name.encode().ljust(16)) for name in names]
    for job in jobs:
        books.jobs.end(job, answer(job), START)
    failed = books.jobs.add(GATEWAY_ID, "GET", "log/system/9", None, at=START, actor="op1", random=bytes(16))
    books.jobs.end(failed, answer(failed, 404, "command.resource"), START)
    assert [job.resource for job in books.jobs.done(GATEWAY_ID, "GET", "log/system")] == ["log/system/1", "log/system/501", "log/system"]


def test_a_queue_of_the_time_before_attempts_were_counted_is_brought_up(tmp_path: Path) -> None:
    books = open_books(tmp_path / "old.db")
    job = add(books, 1)
    with books.store.write() as database:
        database.execute("ALTER TABLE job DROP COLUMN attempts")
    books.close()
    books = open_books(tmp_path / "old.db")
    assert books.jobs.waiting(GATEWAY_ID) == [job]
    books.close()


def result(job: Job, status: int = 200, code: str = "", body: bytes = b'{"passed":true}') -> Result:
    return Result(job.command_id, job.device_id, status, code, msgspec.Raw(body), START, START)


def accepted(books: Books, number: int, resource: str = "fas/self-test") -> Job:
    order = books.jobs.add(GATEWAY_ID, "POST", resource, None, at=START, actor="op1", random=bytes(15) + bytes([number]))
    books.jobs.accept(order, answer(order, 202), START)
    return books.jobs.job(order.id)


@pytest.mark.req("WAN-08", "ADM-10")
@pytest.mark.parametrize(("status", "code", "state"), [(200, "", "done"), (500, "self_test.clock", "failed")])
def test_an_accepted_job_waits_no_more_and_ends_by_its_result_once(books: Books, status: int, code: str, state: str) -> None:
    job = accepted(books, 1)
    assert (job.state, job.status, job.accepted_at, job.ended_at) == ("accepted", 202, "2026-03-01T12:00:00Z", "")
    assert books.jobs.waiting(GATEWAY_ID) == []
    with pytest.raises(DomainFault, match=r"administrator\.unknown_job"):
        books.jobs.cancel(job.id, START, "op1")
    assert books.jobs.conclude(result(job, status, code), GATEWAY_ID, START)
    ended = books.jobs.job(job.id)
    assert (ended.state, ended.status, ended.code, bytes(ended.result)) == (state, status, code, b'{"passed":true}')
    # A repetition, and another word of the same gateway, change nothing.
    assert not books.jobs.conclude(result(job, 200, "", b"1"), GATEWAY_ID, START)
    assert books.jobs.job(job.id) == ended
    assert [entry["result"] for entry in books.audit.newest()] == [code or "done", "accepted", "queued"]


@pytest.mark.req("WAN-08")
def test_a_result_that_overtakes_the_answer_of_its_command_ends_the_job(books: Books) -> None:
    job = add(books, 1)
    assert books.jobs.conclude(result(job), GATEWAY_ID, START)
    books.jobs.accept(job, answer(job, 202), START)
    assert books.jobs.job(job.id).state == "done"


@pytest.mark.req("WAN-08", "WAN-03")
def test_a_result_counts_only_from_the_jobs_own_gateway(books: Books) -> None:
    job = accepted(books, 1)
    with pytest.raises(SecurityFault, match=r"delivery\.sender"):
        books.jobs.conclude(result(job), "ESGW0000000002", START)
    assert not books.jobs.conclude(msgspec.structs.replace(result(job), message_id=str(UUID(int=7))), GATEWAY_ID, START)
    assert books.jobs.job(job.id) == job


@pytest.mark.req("WAN-08", "ADM-10")
@pytest.mark.parametrize(("resource", "within"), [("fas/self-test", RESULT_WITHIN), ("firmware/order", FIRMWARE_WITHIN)])
def test_a_job_without_a_result_in_time_has_failed_and_a_late_one_still_counts(books: Books, resource: str, within: timedelta) -> None:
    job, waiting = accepted(books, 1, resource), add(books, 2)
    assert books.jobs.give_up(START + within) == []
    assert books.jobs.give_up(START + within + timedelta(seconds=1)) == [job]
    assert (books.jobs.job(job.id).state, books.jobs.job(job.id).code) == ("failed", "administrator.no_result")
    assert books.jobs.waiting(GATEWAY_ID) == [waiting]
    assert books.jobs.give_up(START + 2 * within) == []
    assert books.jobs.conclude(result(job), GATEWAY_ID, START)
    assert (books.jobs.job(job.id).state, books.jobs.job(job.id).code) == ("done", "")


@pytest.mark.req("OPS-03")
def test_an_inventory_of_an_older_version_learns_of_accepted_jobs(tmp_path: Path) -> None:
    path = tmp_path / "older.db"
    books = open_books(path)
    waiting, ended = add(books, 1), add(books, 2)
    books.jobs.end(ended, answer(ended, 202), START)
    books.close()
    with closing(sqlite3.connect(path)) as raw:
        raw.execute("ALTER TABLE job DROP COLUMN accepted_at")
    books = open_books(path)
    assert books.jobs.waiting(GATEWAY_ID) == [waiting]
    assert [job.state for job in books.jobs.of(GATEWAY_ID)] == ["done", "waiting"]
    books.jobs.accept(waiting, answer(waiting, 202), START)
    books.close()
    books = open_books(path)
    assert books.jobs.job(waiting.id).state == "accepted"
    assert books.jobs.conclude(result(waiting), GATEWAY_ID, START)
    books.close()

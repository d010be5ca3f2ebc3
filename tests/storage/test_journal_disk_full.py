"""The disk refuses: a clear fault, nothing half written, and writing goes on once there is room."""

import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.storage.journal_writer import step
from tests.storage.samples import KEY, signed

from smgw.core.errors import DomainFault, Unavailable
from smgw.storage.journal import Journal

pytestmark = pytest.mark.req("STATE-04", "WAN-05")

ROOT = Path(__file__).resolve().parents[2]


def fill_until_refused(journal: Journal) -> tuple[int, Unavailable]:
    """Append until the disk refuses; returns what was acknowledged, and the fault."""
    count = journal.count_readings()
    for _ in range(5_000):
        try:
            count = step(journal)
        except Unavailable as fault:
            return count, fault
    raise AssertionError("the disk never refused")


def check_nothing_half(journal: Journal, count: int) -> None:
    """Assert that nothing half written is there."""
    report = journal.verify()
    assert (report.rows("readings"), report.rows("system")) == (count, count)
    assert journal.get_state("count") == str(count).encode()


@contextmanager
def largest_file(octets: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (octets, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("room", [100_000, 150_000, 300_001, 5_000_000])
def test_a_file_that_may_not_grow(path: Path, room: int) -> None:
    with Journal.open(path, KEY) as journal:
        step(journal)
        with largest_file(room):
            count, fault = fill_until_refused(journal)
            assert fault.code in ("journal.io", "journal.full")
            check_nothing_half(journal, count)
            again, fault = fill_until_refused(journal)
            assert fault.retryable
        check_nothing_half(journal, again)
        assert step(journal) > again
        journal.verify()
    with Journal.open(path, KEY) as journal:
        journal.verify()


def test_closing_with_the_disk_full_loses_nothing(path: Path) -> None:
    journal = Journal.open(path, KEY)
    with largest_file(200_000):
        count, _ = fill_until_refused(journal)
        journal.close()
    with Journal.open(path, KEY) as journal:
        check_nothing_half(journal, count)
        assert step(journal) > count


def test_no_more_pages(journal: Journal) -> None:
    step(journal)
    connection = journal._database.connection
    limit = connection.pragma("max_page_count")
    connection.pragma("max_page_count", 60)
    count, fault = fill_until_refused(journal)
    assert fault.code == "journal.full"
    check_nothing_half(journal, count)
    connection.pragma("max_page_count", limit)
    assert step(journal) > count
    journal.verify()


def test_a_transaction_that_undid_itself_takes_nothing_more(journal: Journal) -> None:
    count = step(journal)
    connection = journal._database.connection
    connection.pragma("max_page_count", 50)
    number = 1000
    with pytest.raises(Unavailable), journal.transaction():
        with pytest.raises(Unavailable):
            while True:
                journal.append_readings([signed(number)])
                number += 1
        journal.set_state("count", b"half")
    check_nothing_half(journal, count)
    connection.pragma("max_page_count", 10_000)
    assert step(journal) > count


def test_a_refused_part_of_a_transaction_does_not_hide_behind_another_fault(journal: Journal) -> None:
    step(journal)
    with pytest.raises(DomainFault, match=r"journal\.duplicate"):
        journal.append_readings([signed(0)])
    journal.verify()


_ON_A_SMALL_DISK = """
import sys
from pathlib import Path
from smgw.storage.journal import Journal
from tests.storage.samples import KEY
from tests.storage.journal_writer import step
from tests.storage.test_journal_disk_full import check_nothing_half, fill_until_refused

folder = Path(sys.argv[1])
ballast = folder / "ballast"
ballast.write_bytes(bytes(1 << 20))
with Journal.open(folder / "journal.db", KEY) as journal:
    count, fault = fill_until_refused(journal)
    assert fault.code == "journal.full", fault
    check_nothing_half(journal, count)
    ballast.unlink()
    assert step(journal) > count
    journal.verify()
print("held", count)
"""


def test_a_disk_that_is_really_full(tmp_path: Path) -> None:
    mount = [
        "unshare",
        "--user",
        "--map-root-user",
        "--mount",
        "sh",
        "-c",
        'mount -t tmpfs -o size=2m none "$1" && shift 1 && exec "$@"',
        "sh",
    ]
    if subprocess.run([*mount, str(tmp_path), "true"], capture_output=True, timeout=60).returncode:
        pytest.skip("this system lets nobody mount a small disk in a namespace of its own")
    program = [sys.executable, "-c", _ON_A_SMALL_DISK, str(tmp_path)]
    done = subprocess.run(
        [*mount, str(tmp_path), *program], capture_output=True, text=True, timeout=60, cwd=ROOT, env={"PYTHONPATH": str(ROOT)}
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[1]) > 20


def test_a_disk_that_is_full_at_the_start(path: Path) -> None:
    with largest_file(2_000), pytest.raises(Unavailable) as caught:
        Journal.open(path, KEY)
    assert caught.value.code in ("journal.io", "journal.full")
    with Journal.open(path, KEY) as journal:
        step(journal)
        journal.verify()

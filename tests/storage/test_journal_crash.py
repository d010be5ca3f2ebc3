"""Whatever moment the process or the power dies at: nothing acknowledged is lost, and every chain verifies."""

import os
import random
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from tests.storage.journal_writer import step
from tests.storage.samples import KEY, METER, signature

from smgw.storage.journal import Journal

pytestmark = pytest.mark.req("WAN-05", "MEAS-01", "LOG-02")

ROOT = Path(__file__).resolve().parents[2]


def check(path: Path, acknowledged: int) -> int:
    """Assert that a journal is whole and holds at least what was acknowledged; returns what it holds."""
    with Journal.open(path, KEY) as journal:
        report = journal.verify()
        count = journal.count_readings()
        assert count >= acknowledged
        assert [item.signature for item in journal.readings(METER)] == [signature(number) for number in range(count)]
        assert report.rows("system") == count
        assert journal.get_state("count") == (str(count).encode() if count else None)
        assert report.messages - report.acknowledged == len(journal.pending(10_000))
    return count


@pytest.mark.parametrize("round_length", [3, 40, 400])
def test_a_killed_writer_loses_nothing_that_it_acknowledged(path: Path, round_length: int) -> None:
    chance = random.Random(round_length)
    acknowledged = 0
    command = [sys.executable, str(Path(__file__).with_name("journal_writer.py")), str(path)]
    for _ in range(8):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)})
        assert process.stdout is not None
        with process, process.stdout as said:
            for _ in range(chance.randint(1, round_length)):
                acknowledged = int(said.readline())
            process.kill()
            # The last line may be cut; a whole one was written after its commit.
            acknowledged = max([acknowledged, *(int(line) for line in said.read().split(b"\n")[:-1])])
        assert process.returncode == -9
        check(path, acknowledged)


def test_a_writer_killed_while_it_starts_leaves_a_journal_that_opens(tmp_path: Path) -> None:
    chance = random.Random(7)
    command = [sys.executable, str(Path(__file__).with_name("journal_writer.py"))]
    for number in range(12):
        path = tmp_path / f"{number}.db"
        process = subprocess.Popen([*command, str(path)], stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)})
        assert process.stdout is not None
        with process, process.stdout as said:
            with suppress(subprocess.TimeoutExpired):
                process.wait(chance.uniform(0.05, 0.4))
            process.kill()
            acknowledged = max([0, *(int(line) for line in said.read().split(b"\n")[:-1])])
        check(path, acknowledged)


@pytest.mark.parametrize("tail", [b"", bytes(5000), b"\xa5" * 5000], ids=["cut", "zeros", "garbage"])
def test_a_write_ahead_log_torn_anywhere_gives_exactly_the_commits_before(path: Path, tmp_path: Path, tail: bytes) -> None:
    wal = path.with_name(path.name + "-wal")
    with Journal.open(path, KEY):
        pass
    commits = [(0, 0)]
    with Journal.open(path, KEY) as journal:
        for _ in range(12):
            count = step(journal)
            commits.append((wal.stat().st_size, count))
        database, log = path.read_bytes(), wal.read_bytes()
    chance = random.Random(1)
    cuts = {size + delta for size, _ in commits for delta in (-1, 0, 1)} | {chance.randrange(len(log)) for _ in range(40)}
    torn = tmp_path / "torn.db"
    for cut in sorted(cut for cut in cuts if 0 <= cut <= len(log)):
        for leftover in tmp_path.glob("torn.db*"):
            leftover.unlink()
        torn.write_bytes(database)
        left = log[:cut] + tail
        torn.with_name("torn.db-wal").write_bytes(left)
        # What follows the cut may by chance be what stood there.
        assert check(torn, 0) == max(count for size, count in commits if left[:size] == log[:size])


def test_a_copy_taken_while_writing_can_be_opened(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    with Journal.open(path, KEY) as journal:
        count = step(journal)
        for suffix in ("", "-wal"):
            shutil.copy(path.with_name(path.name + suffix), copy.with_name(copy.name + suffix))
    assert check(copy, count) == count

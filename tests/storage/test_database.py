import stat
import subprocess
import sys
import threading
import tracemalloc
from pathlib import Path

import pytest
from tests.storage.samples import KEY, METER, entry, reading, signature, signed

from smgw.core.errors import ConfigError, IntegrityFault, SecurityFault, SmgwError, Unavailable, UsageError
from smgw.storage.journal import Journal

PAGE = 4096


def _filled(path: Path, rows: int = 400) -> None:
    with Journal.open(path, KEY) as journal:
        journal.append_readings([signed(number) for number in range(rows)])
        journal.append_log([entry(number) for number in range(rows)])


def test_a_wrong_key_is_told_from_damage(path: Path) -> None:
    _filled(path)
    wrong = bytes(32)
    for opened in (Journal.open, Journal.open_read_only):
        with pytest.raises(SecurityFault, match=r"journal\.key"):
            opened(path, wrong)
    with Journal.open(path, KEY) as journal:
        assert journal.count_readings() == 400


def test_the_key_stands_in_no_fault(path: Path) -> None:
    _filled(path)
    wrong = bytes(range(100, 132))
    with pytest.raises(SecurityFault) as caught:
        Journal.open(path, wrong)
    assert wrong.hex() not in str(caught.value)
    assert wrong.hex() not in str(caught.value.__cause__)


@pytest.mark.parametrize("length", [0, 16, 31, 33])
def test_a_key_of_another_length_is_refused(path: Path, length: int) -> None:
    with pytest.raises(UsageError, match=r"journal\.key"):
        Journal.open(path, bytes(length))
    with Journal.open(path, KEY):
        pass


def test_a_missing_file_can_not_be_read(path: Path) -> None:
    with pytest.raises(ConfigError, match=r"journal\.missing"):
        Journal.open_read_only(path, KEY)
    assert not path.exists()


def test_a_folder_that_is_missing_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"journal\.io"):
        Journal.open(tmp_path / "missing" / "journal.db", KEY)


def test_a_file_of_something_else_is_refused(path: Path) -> None:
    path.write_bytes(b"SQLite format 3\0" + bytes(8176))
    with pytest.raises(SecurityFault, match=r"journal\.key"):
        Journal.open(path, KEY)


@pytest.mark.req("STATE-03")
def test_one_altered_bit_on_any_page_is_noticed(path: Path) -> None:
    _filled(path)
    original = path.read_bytes()
    assert len(original) // PAGE > 40
    for page in range(len(original) // PAGE):
        damaged = bytearray(original)
        damaged[page * PAGE + 40 + (page * 397) % 4000] ^= 1 << page % 8
        path.write_bytes(damaged)
        with pytest.raises(SmgwError) as caught, Journal.open(path, KEY) as journal:
            journal.verify()
        assert caught.value.code == ("journal.key" if page == 0 else "journal.damaged"), page
    path.write_bytes(original)
    with Journal.open(path, KEY) as journal:
        journal.verify()


@pytest.mark.req("STATE-03")
def test_a_page_from_elsewhere_in_the_file_is_noticed(path: Path) -> None:
    _filled(path)
    pages = [path.read_bytes()[at : at + PAGE] for at in range(0, path.stat().st_size, PAGE)]
    pages[20], pages[21] = pages[21], pages[20]
    path.write_bytes(b"".join(pages))
    with pytest.raises(IntegrityFault, match=r"journal\.damaged"), Journal.open(path, KEY) as journal:
        journal.verify()


def test_a_shortened_file_is_noticed(path: Path) -> None:
    _filled(path)
    path.write_bytes(path.read_bytes()[: 10 * PAGE])
    with pytest.raises(IntegrityFault, match=r"journal\.damaged"), Journal.open(path, KEY) as journal:
        journal.verify()


def test_neither_file_nor_write_ahead_log_holds_plain_text(path: Path) -> None:
    with Journal.open(path, KEY) as journal:
        journal.append_readings([signed(1)])
        journal.append_log([entry(1)])
        journal.set_state("watermark", b"a plain secret")
        everything = b"".join(file.read_bytes() for file in path.parent.iterdir())
    everything += path.read_bytes()
    for plain in (METER.encode(), b"self_test_failed", b"a plain secret", b"CREATE TABLE"):
        assert plain not in everything


def test_only_the_owner_may_read_the_files(path: Path) -> None:
    with Journal.open(path, KEY) as journal:
        journal.set_state("a", b"b")
        modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    assert set(modes) == {"journal.db", "journal.db-wal", "journal.db-shm", "journal.db.lock"}
    assert set(modes.values()) == {0o600}


def test_a_second_writer_is_turned_away_and_let_in_later(path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from smgw.storage.journal import Journal; from smgw.core.errors import Unavailable\n"
        "try: Journal.open(Path(sys.argv[1]), bytes(range(32)))\n"
        "except Unavailable as fault: print(fault.code)"
    )
    command = [sys.executable, "-c", program, str(path)]
    with Journal.open(path, KEY):
        with pytest.raises(Unavailable, match=r"journal\.locked"):
            Journal.open(path, KEY)
        assert subprocess.run(command, capture_output=True, check=True, timeout=60).stdout.strip() == b"journal.locked"
    assert subprocess.run(command, capture_output=True, check=True, timeout=60).stdout.strip() == b""
    Journal.open(path, KEY).close()


def test_a_refused_opening_leaves_the_lock_free(path: Path) -> None:
    _filled(path, 1)
    with pytest.raises(SecurityFault):
        Journal.open(path, bytes(32))
    Journal.open(path, KEY).close()


def test_reading_beside_a_writer_shows_what_is_committed_and_nothing_else(path: Path, journal: Journal) -> None:
    journal.append_readings([signed(1)])
    with Journal.open_read_only(path, KEY) as reader:
        with journal.transaction():
            journal.append_readings([signed(2)])
            assert (journal.count_readings(), reader.count_readings()) == (2, 1)
            assert reader.verify().rows("readings") == 1
        assert reader.count_readings() == 2
        assert [found.reading for found in reader.readings(METER)] == [reading(1), reading(2)]
        with pytest.raises(UsageError, match=r"journal\.read_only"):
            reader.append_readings([signed(3)])


def test_reading_needs_no_writer(path: Path) -> None:
    _filled(path, 3)
    with Journal.open_read_only(path, KEY) as reader:
        assert reader.verify().rows("readings") == 3


def test_an_exception_undoes_the_whole_transaction(journal: Journal) -> None:
    journal.append_readings([signed(1)])
    before = journal.verify()
    with pytest.raises(ZeroDivisionError), journal.transaction():
        journal.append_readings([signed(2)])
        journal.append_log([entry(2)])
        journal.set_state("a", b"b")
        raise ZeroDivisionError
    assert journal.verify() == before
    assert journal.get_state("a") is None
    assert journal.append_readings([signed(2)]) == [2]
    journal.verify()


def test_an_inner_part_is_undone_alone_when_the_outer_goes_on(journal: Journal) -> None:
    with journal.transaction():
        journal.append_readings([signed(1)])
        with pytest.raises(ZeroDivisionError), journal.transaction():
            journal.append_readings([signed(2, meter="inner")])
            with journal.transaction():
                journal.append_log([entry(1)])
            raise ZeroDivisionError
        assert journal.append_readings([signed(3)]) == [2]
    assert [found.signature for found in journal.readings(METER)] == [signature(1), signature(3)]
    assert (journal.log_count(), journal.readings("inner")) == (0, [])
    assert journal.verify().rows("readings") == 2


def test_an_inner_part_is_undone_with_the_outer(journal: Journal) -> None:
    with pytest.raises(ZeroDivisionError), journal.transaction():
        with journal.transaction():
            journal.append_readings([signed(1)])
        raise ZeroDivisionError
    assert journal.count_readings() == 0
    journal.verify()


def test_threads_take_turns(journal: Journal) -> None:
    faults: list[BaseException] = []

    def write(meter: str) -> None:
        try:
            for number in range(20):
                with journal.transaction():
                    journal.append_readings([signed(number, meter=meter)])
                    journal.append_log([entry(number)])
        except BaseException as problem:
            faults.append(problem)

    threads = [threading.Thread(target=write, args=(f"meter{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    report = journal.verify()
    assert (report.rows("readings"), report.rows("system")) == (80, 80)


def test_closing_twice_does_nothing(path: Path) -> None:
    journal = Journal.open(path, KEY)
    journal.close()
    journal.close()
    Journal.open(path, KEY).close()


def test_walking_needs_memory_for_a_few_rows_only(path: Path) -> None:
    _filled(path, 5000)
    with Journal.open_read_only(path, KEY) as journal:
        journal.verify()
        tracemalloc.start()
        try:
            assert sum(1 for _ in journal.export(["readings", "system"])) == 10_001
            journal.verify()
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert peak < 256 * 1024


def test_every_commit_is_synchronised_and_every_rule_is_on(journal: Journal) -> None:
    connection = journal._database.connection
    settings = {name: connection.pragma(name) for name in ("journal_mode", "synchronous", "foreign_keys", "recursive_triggers", "cipher")}
    assert settings == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "recursive_triggers": 1, "cipher": "chacha20"}

"""Backup and restore: one moment of a running administrator, opened only with its passphrase, whole or not at all."""

import shutil
import threading
from pathlib import Path

import msgspec
import pytest
from tests.administrator.interface_parts import PASSWORD, add_user, make_desk
from tests.gateway.gateway_parts import GATEWAY_ID, START, meter_profile

from smgw.administrator import backup
from smgw.administrator.api.endpoints import Desk
from smgw.administrator.audit import Head
from smgw.administrator.backup import make_backup, restore_backup
from smgw.administrator.books import open_books
from smgw.administrator.config import AdministratorFolder
from smgw.administrator.users import Role
from smgw.codec.command import Answer
from smgw.codec.result import Result
from smgw.core.errors import ConfigError, IntegrityFault, SmgwError

pytestmark = pytest.mark.req("OPS-03")
PHRASE = "a phrase for the backup"


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    desk = make_desk(tmp_path / "gwa")
    (desk.folder.path / "module.smgwkeys").write_bytes(b"sealed keys")
    (desk.folder.path / "module.secret").write_bytes(b"secret")
    (desk.folder.path / "module.secret").chmod(0o600)
    desk.folder.trust.mkdir()
    (desk.folder.trust / "root.pem").write_text("root")
    return desk


def test_a_restored_folder_is_the_same_and_goes_on(desk: Desk, tmp_path: Path) -> None:
    add_user(desk.books, "op1", Role.VIEWER)
    desk.books.jobs.add(GATEWAY_ID, "POST", "fas/credit", {}, at=START, actor="op1", random=bytes(16))
    running = desk.books.jobs.add(GATEWAY_ID, "POST", "fas/self-test", None, at=START, actor="op1", random=bytes([1]) * 16)
    desk.books.jobs.accept(running, Answer(running.command_id, START, GATEWAY_ID, 202), START)
    head = desk.books.audit.head()
    data = make_backup(desk.folder, PHRASE, START)
    desk.books.close()
    again = AdministratorFolder(tmp_path / "again")
    facts = restore_backup(data, PHRASE, again, START)
    assert (facts.audit_head, facts.files, facts.cancelled_jobs) == (str(head), 5, 1)
    assert (again.path / "module.secret").stat().st_mode & 0o777 == 0o600
    assert again.path.stat().st_mode & 0o777 == 0o700
    for name in ("module.smgwkeys", "administrator.json", "trust/root.pem"):
        assert (again.path / name).read_bytes() == (desk.folder.path / name).read_bytes()
    books = open_books(again.inventory)
    assert books.audit.verify(head).length == head.length + 2
    assert books.inventory.gateways() == [GATEWAY_ID]
    # The gateway may have obeyed it since: nobody is credited twice. What it had accepted still ends by its result.
    assert [job.state for job in books.jobs.of(GATEWAY_ID)] == ["accepted", "cancelled"]
    assert books.jobs.conclude(Result(running.command_id, GATEWAY_ID, 200, "", msgspec.Raw(b"null"), START, START), GATEWAY_ID, START)
    books.inventory.put_profile(GATEWAY_ID, meter_profile(version=2), START, "op1")
    assert books.users.password_hash("op1")
    books.close()


def test_a_backup_is_one_moment_of_a_store_that_is_written_to(desk: Desk, tmp_path: Path) -> None:
    stop, written = threading.Event(), threading.Event()

    def write() -> None:
        books = open_books(desk.folder.inventory)
        while not stop.is_set():
            with books.store.write():
                job = books.jobs.add(GATEWAY_ID, "GET", "state", None, at=START, actor="op1", random=desk.random(16))
                books.jobs.cancel(job.id, START, "op1")
            written.set()
        books.close()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert written.wait(60)
        backups = [make_backup(desk.folder, PHRASE, START) for _ in range(2)]
    finally:
        stop.set()
        writer.join()
    for number, data in enumerate(backups):
        again = AdministratorFolder(tmp_path / f"again{number}")
        facts = restore_backup(data, PHRASE, again, START)
        books = open_books(again.inventory)
        books.audit.verify(Head.parse(facts.audit_head))
        assert facts.cancelled_jobs == 0
        books.close()
    assert desk.books.audit.verify().length > 10
    desk.books.close()


def test_only_the_passphrase_opens_it(desk: Desk, tmp_path: Path) -> None:
    data = make_backup(desk.folder, PHRASE, START)
    desk.books.close()
    for phrase in (PHRASE + "x", PHRASE[:-1], "", PASSWORD):
        with pytest.raises(ConfigError, match="wrong passphrase"):
            restore_backup(data, phrase, AdministratorFolder(tmp_path / "again"), START)
    assert b"sealed keys" not in data and GATEWAY_ID.encode() not in data
    assert not (tmp_path / "again").exists()


def test_a_damaged_file_is_told_from_a_wrong_passphrase(desk: Desk, tmp_path: Path) -> None:
    data = make_backup(desk.folder, PHRASE, START)
    desk.books.close()
    again = AdministratorFolder(tmp_path / "again")
    for position in (0, 8, 12, 30, len(data) // 2, len(data) - 1):
        spoiled = bytearray(data)
        spoiled[position] ^= 1
        with pytest.raises(IntegrityFault, match=r"administrator\.backup"):
            restore_backup(bytes(spoiled), PHRASE, again, START)
    for cut in (0, 10, len(data) - 1):
        with pytest.raises(IntegrityFault, match=r"administrator\.backup"):
            restore_backup(data[:cut], PHRASE, again, START)
    assert list(tmp_path.glob("again*")) == []


def test_nothing_is_restored_over_something(desk: Desk, tmp_path: Path) -> None:
    data = make_backup(desk.folder, PHRASE, START)
    desk.books.close()
    (tmp_path / "again").mkdir()
    restore_backup(data, PHRASE, AdministratorFolder(tmp_path / "again"), START)
    for place in (desk.folder.path, tmp_path / "again", tmp_path / "again" / "administrator.json"):
        with pytest.raises(ConfigError, match=r"administrator\.restore"):
            restore_backup(data, PHRASE, AdministratorFolder(place), START)


def test_a_restore_that_was_cut_leaves_nothing_and_can_be_done_again(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = make_backup(desk.folder, PHRASE, START)
    desk.books.close()
    again = AdministratorFolder(tmp_path / "again")
    for cut in range(1, 5):
        left = cut

        def failing(path: Path, content: bytes, mode: int) -> None:
            nonlocal left
            left -= 1
            if left == 0:
                raise OSError(28, "No space left on device")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            path.chmod(mode)

        with monkeypatch.context() as patch:
            patch.setattr(backup, "write_durably", failing)
            with pytest.raises((OSError, SmgwError)):
                restore_backup(data, PHRASE, again, START)
        assert not again.path.exists()
    restore_backup(data, PHRASE, again, START)
    assert not list(tmp_path.glob("*.restoring"))


@pytest.mark.parametrize("name", ["../evil", "/evil", "a/../../evil", ""])
def test_a_backup_writes_nothing_outside_the_folder(desk: Desk, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def forged(_data: bytes, _phrase: str) -> object:
        return backup._Contents("now", "0", {name: backup._File(0o600, b"x")})

    monkeypatch.setattr(backup, "_open", forged)
    desk.books.close()
    with pytest.raises(IntegrityFault, match="outside"):
        restore_backup(b"", PHRASE, AdministratorFolder(tmp_path / "again"), START)
    assert not list(tmp_path.rglob("evil"))


def test_a_backup_whose_trail_was_touched_is_not_restored(desk: Desk, tmp_path: Path) -> None:
    with desk.books.store.write() as database:
        database.execute("UPDATE audit SET actor='eve' WHERE id=1")
    data = make_backup(desk.folder, PHRASE, START)
    desk.books.close()
    with pytest.raises(IntegrityFault, match=r"administrator\.audit_chain"):
        restore_backup(data, PHRASE, AdministratorFolder(tmp_path / "again"), START)
    assert not (tmp_path / "again").exists()


def test_a_short_passphrase_is_refused(desk: Desk) -> None:
    with pytest.raises(ConfigError, match=r"administrator\.password"):
        make_backup(desk.folder, "short", START)
    desk.books.close()


def test_a_copied_folder_is_whole(desk: Desk, tmp_path: Path) -> None:
    """The comparison that the tests above rest on can fail."""
    data = make_backup(desk.folder, PHRASE, START)
    desk.books.close()
    restore_backup(data, PHRASE, AdministratorFolder(tmp_path / "again"), START)
    names = {path.relative_to(tmp_path / "again").as_posix() for path in (tmp_path / "again").rglob("*") if path.is_file()}
    shutil.rmtree(desk.folder.path / "trust")
    assert "trust/root.pem" in names
    assert msgspec.json.decode((tmp_path / "again" / "administrator.json").read_bytes())["name"] == "test.GWA"

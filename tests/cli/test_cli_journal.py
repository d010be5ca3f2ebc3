import json
from pathlib import Path

import pytest
from tests.storage.samples import METER, START, consumer_profile, entry, register, signed
from tests.storage.signing import SIGNER
from typer.testing import CliRunner, Result

from smgw.cli.journal import app, open_gateway_journal
from smgw.core.errors import ConfigError, UsageError
from smgw.core.log_event import Log
from smgw.gateway.boot import ANCHORED, BootRecord, noting_seals, save_record
from smgw.gateway.config import GatewayFolder
from smgw.net.clock import ManualClock
from smgw.security.secret_file import create_secret
from smgw.security.software import SoftwareModule
from smgw.storage.database import Database
from smgw.storage.journal import Journal, OutboxMessage

pytestmark = pytest.mark.req("LOG-02")


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes]:
    """Give a folder with a security module, and the key that it derives for the journal."""
    folder = GatewayFolder(tmp_path_factory.mktemp("gateway"))
    return folder.path, SoftwareModule.create(folder.module, create_secret(folder.secret)).storage_key("journal")


@pytest.fixture
def data(key: tuple[Path, bytes]) -> Path:
    """Give a gateway's folder with a filled journal."""
    folder = GatewayFolder(key[0])
    for file in folder.path.glob("journal.db*"):
        file.unlink()
    with Journal.open(folder.journal, key[1]) as journal:
        journal.append_readings([signed(number) for number in range(30)])
        journal.append_registers([register(1)])
        journal.append_log([entry(1), entry(1, Log.CONSUMER, "flat1"), entry(2, Log.CONSUMER, "flat1")])
        journal.put_profile(consumer_profile(), b"document", START)
        journal.enqueue(OutboxMessage("m1", "emt1.sm", "taf7-1.sm", b"body", START))
    return folder.path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def lines(result: Result) -> list[dict[str, object]]:
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_a_broken_chain_ends_with_exit_code_5_and_its_place(data: Path, key: tuple[Path, bytes]) -> None:
    database = Database.open(data / "journal.db", key[1])
    database.connection.execute("DROP TRIGGER readings_no_update")
    database.connection.execute("UPDATE readings SET raw = 1 WHERE sequence = 17")
    database.close()
    result = run("verify", "--data", data, "--json")
    assert result.exit_code == 5
    assert json.loads(result.stdout) == {"ok": False, "code": "journal.chain", "detail": "readings: row 17 was altered"}
    assert "journal.chain: readings: row 17 was altered" in result.stderr
    assert run("verify", "--data", data).exit_code == 5


def test_a_journal_that_was_set_back_ends_with_exit_code_5(data: Path, key: tuple[Path, bytes]) -> None:
    folder = GatewayFolder(data)
    older = folder.journal.read_bytes()
    with Journal.open(folder.journal, key[1]) as journal:
        journal.seal_by(SIGNER, ManualClock(START))
        journal.append_log([entry(2)])
        journal.seal_ends()
        save_record(folder, noting_seals(BootRecord(), journal))
        journal.set_state(ANCHORED, b"1")
    newer = folder.journal.read_bytes()
    try:
        assert run("verify", "--data", data).exit_code == 0
        folder.journal.write_bytes(older)
        result = run("verify", "--data", data, "--json")
        assert (result.exit_code, json.loads(result.stdout)["code"]) == (5, "boot.set_back")
        folder.journal.write_bytes(newer)
    finally:
        folder.boot.unlink()
    result = run("verify", "--data", data, "--json")
    assert (result.exit_code, json.loads(result.stdout)["detail"]) == (5, "boot.json was lost or emptied, so nobody can tell")


def test_a_folder_without_gateway_is_said_so(tmp_path: Path) -> None:
    for command in ("verify", "list", "export"):
        result = run(command, "--data", tmp_path)
        assert (result.exit_code, "gateway.not_initialised" in result.stderr) == (3, True)
    with pytest.raises(ConfigError, match=r"gateway\.not_initialised"):
        open_gateway_journal(tmp_path)


def test_a_gateway_that_never_ran_has_no_journal(data: Path) -> None:
    for file in data.glob("journal.db*"):
        file.unlink()
    for command in ("verify", "export"):
        result = run(command, "--data", data)
        assert (result.exit_code, "journal.missing" in result.stderr) == (3, True)
        assert not (data / "journal.db").exists()


def test_another_module_does_not_open_the_journal(data: Path, tmp_path: Path) -> None:
    other = GatewayFolder(tmp_path)
    SoftwareModule.create(other.module, create_secret(other.secret))
    (data / "journal.db").rename(other.journal)
    result = run("verify", "--data", tmp_path)
    assert (result.exit_code, "journal.key" in result.stderr) == (5, True)


def test_an_intact_journal_ends_with_exit_code_0(data: Path) -> None:
    (facts,) = lines(run("verify", "--data", data, "--json"))
    chains = facts.pop("chains")
    assert facts == {"ok": True, "messages": 1, "acknowledged": 0, "signatures": "not checked: the gateway has no certificate"}
    assert isinstance(chains, list)
    assert {(chain["chain"], chain["scope"]): chain["length"] for chain in chains} == {
        ("consumer", "flat1"): 2,
        ("profiles", ""): 1,
        ("readings", ""): 30,
        ("registers", ""): 1,
        ("system", ""): 1,
    }
    assert all(len(chain["hash"]) == 64 for chain in chains)


def test_a_table_shows_the_chains(data: Path) -> None:
    result = run("verify", "--data", data)
    assert result.exit_code == 0
    assert "readings" in result.stdout
    assert "1 messages, 0 acknowledged" in result.stdout


def test_verify_works_beside_a_running_gateway(data: Path, key: tuple[Path, bytes]) -> None:
    with Journal.open(data / "journal.db", key[1]) as journal, journal.transaction():
        journal.append_readings([signed(100)])
        (facts,) = lines(run("verify", "--data", data, "--json"))
        assert facts["ok"] is True


def test_the_opened_journal_can_not_be_written(data: Path) -> None:
    with open_gateway_journal(data) as journal, pytest.raises(UsageError, match=r"journal\.read_only"):
        journal.set_state("a", b"b")


def test_an_export_is_checked_without_a_gateway(data: Path, tmp_path: Path) -> None:
    file = tmp_path / "journal.jsonl"
    written = run("export", "--data", data)
    assert written.exit_code == 0
    file.write_bytes(written.stdout_bytes)
    assert lines(run("verify", "--export", file, "--json"))[0]["ok"] is True
    # The export itself stands in the system log.
    assert len(lines(run("export", "--data", data))) == 1 + 30 + 1 + 3 + 2
    file.write_bytes(file.read_bytes().replace(b'"raw":1000007', b'"raw":1000008'))
    result = run("verify", "--export", file)
    assert (result.exit_code, "journal.chain: readings: row 8 was altered" in result.stderr) == (5, True)
    file.write_bytes(b"something else")
    result = run("verify", "--export", file)
    assert (result.exit_code, "journal.export" in result.stderr) == (4, True)


def test_chosen_chains_are_exported(data: Path) -> None:
    _, *rows = lines(run("export", "--data", data, "--chain", "system", "--chain", "registers"))
    assert {row["chain"] for row in rows} == {"system", "registers"}
    assert run("export", "--data", data, "--chain", "profiles").exit_code == 2


def test_what_was_stored_last_is_listed(data: Path) -> None:
    readings = lines(run("list", "--data", data, "--count", 2, "--json"))
    assert [line["number"] for line in readings] == [29, 30]
    assert readings[1] == {
        "number": 30,
        "meter": METER,
        "register": "1-0:1.8.0*255",
        "value": "100002.9 Wh",
        "for": "2026-11-21T07:15:00Z",
        "captured": "2026-11-21T07:15:02Z",
        "status": "0000000500000004",
    }


@pytest.mark.parametrize(
    ("arguments", "fields"),
    [
        (["registers"], {"profile": "taf1-1.sm", "TAF": 1, "readings": 2}),
        (["system"], {"number": 1, "level": "FATAL", "event": 1004, "text": "Self-test failed: test 1"}),
        (["consumer", "--consumer", "flat1", "--count", "1"], {"number": 2, "text": "Self-test failed: test 2"}),
        (["profiles"], {"kind": "consumer", "id": "consumer1.sm", "version": 1}),
        (["outbox"], {"message": "m1", "to": "emt1.sm", "octets": 4, "attempts": 0}),
    ],
)
def test_everything_can_be_listed(data: Path, arguments: list[str], fields: dict[str, object]) -> None:
    (line,) = lines(run("list", *arguments, "--data", data, "--json"))
    assert {name: line[name] for name in fields} == fields
    assert run("list", *arguments, "--data", data).exit_code == 0


def test_an_empty_list_says_so(data: Path) -> None:
    result = run("list", "calibration", "--data", data)
    assert (result.exit_code, result.stdout.strip()) == (0, "calibration: nothing stored")

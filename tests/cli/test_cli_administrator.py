"""`smgw administrator`: what can't start ends with its code and one line; with one that runs, as a user types."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.administrator.interface_parts import Thread
from tests.gateway.gateway_parts import GATEWAY_ID, START, meter_profile
from typer.testing import CliRunner

from smgw.administrator.books import open_books
from smgw.administrator.config import AdministratorConfig, AdministratorFolder
from smgw.cli.administrator import app

RUN = CliRunner()


def test_without_a_folder_the_option_is_named() -> None:
    result = RUN.invoke(app, ["run"])
    assert result.exit_code == 2
    assert "--data" in result.output


def stopped(folder: Path, *arguments: str) -> tuple[int, str]:
    result = RUN.invoke(app, ["run", "--data", str(folder), *arguments])
    assert result.stdout == ""
    (line,) = [json.loads(text) for text in result.stderr.splitlines()]
    return result.exit_code, line["code"]


@pytest.mark.parametrize("content", [None, b"{}", b"\xff"])
def test_a_folder_that_holds_none_is_refused(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        AdministratorFolder(tmp_path).config.write_bytes(content)
    assert stopped(tmp_path) == (3, "administrator.config")


def test_an_administrator_without_certificates_is_refused(tmp_path: Path) -> None:
    AdministratorFolder(tmp_path).save(AdministratorConfig("test.GWA"))
    assert stopped(tmp_path) == (3, "identity.missing")


def test_a_wrong_clock_is_refused(tmp_path: Path) -> None:
    assert stopped(tmp_path, "--clock", "sundial") == (3, "clock.spec")
    assert stopped(tmp_path, "--clock", f"paced:{tmp_path / 'clock'}") == (6, "clock.lost")


# -- with one that runs -----------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    path = tmp_path_factory.mktemp("administrator") / "gwa"
    with Thread(path, "profile") as served:
        yield path, served.url


def call(running: tuple[Path, str], *arguments: str, stdin: str = "") -> tuple[int, Any, str]:
    """Run a command that asks the running administrator, and read its JSON."""
    data, url = running
    result = RUN.invoke(app, [*arguments, "--data", str(data), "--url", url, "--json"], input=stdin)
    return result.exit_code, json.loads(result.stdout), result.stderr


def at_hand(running: tuple[Path, str], *arguments: str) -> tuple[int, Any, str]:
    """Run a command that works on the folder, beside the running administrator."""
    result = RUN.invoke(app, [*arguments, "--data", str(running[0]), "--json"])
    return result.exit_code, json.loads(result.stdout), result.stderr


def secret(path: Path, text: str) -> str:
    path.write_text(text + "\n")
    path.chmod(0o600)
    return str(path)


@pytest.mark.req("ADM-13")
def test_the_fleet_and_a_gateway_are_shown(running: tuple[Path, str]) -> None:
    code, fleet, _ = call(running, "gateways", "--search", "esgw0000000001", "--unreachable")
    assert (code, fleet["total"], [row["device_id"] for row in fleet["gateways"]]) == (0, 1, [GATEWAY_ID])
    code, view, _ = call(running, "gateway", GATEWAY_ID)
    assert (code, {one["use"] for one in view["certificates"]}) == (0, {"TLS", "SIG", "ENC"})
    code, answer, stderr = call(running, "gateway", "ESGW0000000099")
    assert (code, answer["code"]) == (4, "administrator.unknown_gateway")
    assert "[administrator.unknown_gateway]" in stderr


def test_tables_are_for_people(running: tuple[Path, str]) -> None:
    arguments = ["--data", str(running[0]), "--url", running[1]]
    for command in (
        ["gateways"],
        ["gateway", GATEWAY_ID],
        ["profile", "list", GATEWAY_ID],
        ["job", "list", GATEWAY_ID],
        ["log", GATEWAY_ID],
    ):
        result = RUN.invoke(app, [*command, *arguments], env={"COLUMNS": "200"})
        assert result.exit_code == 0, result.output
    assert "1 of 1 gateways" in RUN.invoke(app, ["gateways", *arguments], env={"COLUMNS": "200"}).stdout


@pytest.mark.req("ADM-02", "WAN-08")
def test_a_command_is_ordered_shown_and_taken_back(running: tuple[Path, str]) -> None:
    code, job, _ = call(running, "job", "add", GATEWAY_ID, "get", "state")
    assert (code, job["state"], job["created_by"]) == (0, "waiting", "local")
    assert call(running, "job", "show", str(job["id"]))[1] == job
    assert call(running, "job", "list", GATEWAY_ID)[1] == [job]
    assert call(running, "job", "cancel", str(job["id"]))[1]["state"] == "cancelled"
    assert call(running, "job", "cancel", str(job["id"]))[1]["code"] == "administrator.unknown_job"
    assert call(running, "job", "add", GATEWAY_ID, "POST", "fas/event", "--body", "{")[:2][0] == 3
    assert call(running, "log", GATEWAY_ID, "calibration", "--fetch")[1]["resource"] == "log/calibration/1"


@pytest.mark.req("ADM-02", "ADM-10")
def test_a_profile_waits_for_a_second_person_and_for_nobody_else(running: tuple[Path, str], tmp_path: Path) -> None:
    profile = json.dumps(msgspec.to_builtins(meter_profile(version=7)))
    code, proposal, _ = call(running, "profile", "put", GATEWAY_ID, "meter", "-", stdin=profile)
    assert (code, proposal["state"], proposal["proposed_by"]) == (0, "waiting", "local")
    number = str(proposal["id"])
    assert call(running, "proposal", "approve", number)[1]["code"] == "administrator.forbidden"
    password = secret(tmp_path / "password", "a password of op2")
    at_hand(running, "user", "add", "op2", "--role", "approver", "--role", "viewer", "--password", password)
    books = open_books(AdministratorFolder(running[0]).inventory)
    token = secret(tmp_path / "token", books.users.add_token("op2", "test", bytes(32), START)[1])
    books.close()
    assert call(running, "proposal", "approve", number, "--token", token)[1]["state"] == "approved"
    assert [row["version"] for row in call(running, "profile", "list", GATEWAY_ID)[1] if row["kind"] == "meter"] == [7]
    assert call(running, "proposal", "list")[1][0]["decided_by"] == "op2"
    trail = at_hand(running, "audit", "list", "--actor", "op2", "--limit", "1")[1]
    assert trail[0]["action"].startswith("approve put meter profile")


@pytest.mark.req("ADM-02")
@pytest.mark.parametrize(("change", "word"), [({"registers": []}, "registers"), ({"server_id": 7}, "server_id"), ({"colour": 1}, "colour")])
def test_a_profile_that_does_not_fit_is_refused_with_a_sentence(running: tuple[Path, str], change: dict[str, Any], word: str) -> None:
    profile = json.dumps({**msgspec.to_builtins(meter_profile(version=9)), **change})
    code, answer, stderr = call(running, "profile", "put", GATEWAY_ID, "meter", "-", stdin=profile)
    assert (code, answer["code"]) == (4, "command.profile")
    assert word in answer["detail"] and word in stderr


@pytest.mark.req("ADM-10")
def test_the_trail_is_verified_and_exported_beside_the_running_administrator(running: tuple[Path, str], tmp_path: Path) -> None:
    code, first, _ = at_hand(running, "audit", "verify")
    assert (code, first["intact"]) == (0, True)
    call(running, "job", "add", GATEWAY_ID, "GET", "state")
    assert at_hand(running, "audit", "verify", "--head", first["head"])[1]["entries"] == first["entries"] + 1
    code, answer, _ = at_hand(running, "audit", "verify", "--head", f"{first['entries']}:{'00' * 32}")
    assert (code, answer["code"]) == (5, "administrator.audit_chain")
    out = tmp_path / "trail.ndjson"
    exported = at_hand(running, "audit", "export", "--out", str(out))[1]
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert lines[-1] == {"head": exported["head"]} and len(lines) == exported["entries"] + 1


@pytest.mark.req("ADM-13")
def test_users_are_kept_at_the_machine(running: tuple[Path, str], tmp_path: Path) -> None:
    password = secret(tmp_path / "password", "a password of eve")
    assert at_hand(running, "user", "add", "eve", "--role", "viewer", "--password", password)[1]["roles"] == ["viewer"]
    assert at_hand(running, "user", "add", "eve", "--password", password)[1]["code"] == "administrator.user"
    assert at_hand(running, "user", "roles", "eve", "--role", "auditor")[1]["roles"] == ["auditor"]
    assert at_hand(running, "user", "off", "eve")[1]["active"] is False
    assert at_hand(running, "user", "on", "eve")[1]["active"] is True
    assert (
        at_hand(running, "user", "password", "eve", "--password", secret(tmp_path / "short", "short"))[1]["code"]
        == "administrator.password"
    )
    assert at_hand(running, "user", "password", "nobody", "--password", password)[1]["code"] == "administrator.unknown_user"
    assert "eve" in [row["name"] for row in at_hand(running, "user", "list")[1]]


@pytest.mark.req("OPS-03")
def test_a_backup_of_the_running_administrator_opens_in_an_empty_folder(running: tuple[Path, str], tmp_path: Path) -> None:
    phrase, out = secret(tmp_path / "phrase", "a phrase for the backup"), tmp_path / "b.smgwbackup"
    code, made, _ = at_hand(running, "backup", "--passphrase", phrase, "--out", str(out))
    assert (code, made["file"]) == (0, out.name)
    again = tmp_path / "again", ""
    code, facts, _ = at_hand(again, "restore", "--passphrase", phrase, str(out))
    assert (code, facts["audit_head"]) == (0, made["audit_head"])
    assert at_hand(again, "restore", "--passphrase", phrase, str(out))[1]["code"] == "administrator.restore"
    assert at_hand(again, "audit", "verify", "--head", made["audit_head"])[0] == 0


def test_an_administrator_that_does_not_run_is_named(tmp_path: Path) -> None:
    folder = AdministratorFolder(tmp_path)
    folder.save(AdministratorConfig("test.GWA", api_port=1))
    folder.token.write_text("x")
    result = RUN.invoke(app, ["gateways", "--data", str(tmp_path), "--json"])
    assert (result.exit_code, json.loads(result.stdout)["code"]) == (6, "administrator.not_running")

"""`smgw administrator case`, as a user types it, with an administrator that runs."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.administrator.interface_parts import Thread
from tests.gateway.gateway_parts import GATEWAY_ID, START, participant_identity, pki
from typer.testing import CliRunner

from smgw.cli.administrator import app
from smgw.cli.technician import KEYS
from smgw.net.identity import create_keys
from smgw.pki.names import Role
from smgw.security.tls import pem_bundle

pytestmark = pytest.mark.req("DIAG-01", "DIAG-02", "ADM-13")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    path = tmp_path_factory.mktemp("administrator")
    package = create_keys(path / "technician", KEYS, Role.TECHNICIAN, "service")
    (path / "technician.pem").write_bytes(pem_bundle(list(pki().issue(package, Role.TECHNICIAN, now=START))))
    (path / "participant.pem").write_bytes(pem_bundle([participant_identity().triple.tls]))
    with Thread(path / "gwa") as served:
        yield path, served.url


def ask(running: tuple[Path, str], *words: str, code: int = 0) -> Any:
    path, url = running
    result = CliRunner().invoke(app, [*words, "--data", str(path / "gwa"), "--url", url, "--json"])
    assert result.exit_code == code, result.output
    return json.loads(result.stdout)


def orders(running: tuple[Path, str]) -> list[tuple[str, str]]:
    return [(job["method"], job["resource"]) for job in ask(running, "job", "list", GATEWAY_ID)]


def opened(running: tuple[Path, str], file: str, code: int = 0) -> Any:
    return ask(running, "case", "open", GATEWAY_ID, "--technician", str(running[0] / file), "--reason", "no contact", code=code)


def test_a_case_from_its_opening_to_its_end(running: tuple[Path, str]) -> None:
    case = opened(running, "technician.pem")
    assert (case["technician"], case["state"], case["reason"]) == ("service.SRV", "open", "no contact")
    assert orders(running)[0] == ("POST", "fas/technician")
    assert [row["number"] for row in ask(running, "case", "list", "--gateway", GATEWAY_ID)] == [case["number"]]
    shown = ask(running, "case", "show", case["number"])
    assert (shown["case"], shown["report"], shown["diagnosis"]) == (case, "", None)
    assert ask(running, "case", "close", case["number"])["state"] == "closed"
    assert orders(running)[0] == ("DELETE", f"fas/technician/{case['number']}")
    assert ask(running, "case", "close", case["number"], code=4)["code"] == "administrator.case_state"
    assert ask(running, "case", "show", "C999999", code=4)["code"] == "administrator.unknown_case"


def test_only_technicians_are_sent(running: tuple[Path, str]) -> None:
    before = orders(running)
    assert opened(running, "participant.pem", code=4)["code"] == "administrator.request"
    (running[0] / "nonsense.pem").write_text("-----BEGIN nonsense")
    assert opened(running, "nonsense.pem", code=4)["code"].startswith("pki.")
    assert opened(running, "missing.pem", code=3)["code"] == "pki.file"
    assert orders(running) == before


def test_people_read_words(running: tuple[Path, str]) -> None:
    number = opened(running, "technician.pem")["number"]
    path, url = running
    result = CliRunner().invoke(app, ["case", "show", number, "--data", str(path / "gwa"), "--url", url])
    assert "reason: no contact" in result.stdout

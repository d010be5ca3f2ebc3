"""`smgw administrator`: what can't start ends with its code and one line."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

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

"""`smgw meter` as a user calls it."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from smgw.cli.meter import app

RUNNER = CliRunner()


@pytest.mark.parametrize(
    ("arguments", "code", "exit_code"),
    [
        (["run", "--id", "nonsense", "--link", "pty:/tmp/x"], "value.device_id", 4),
        (["run", "--id", "1SGW0010000001", "--link", "pty:/tmp/x", "--profile", "castle"], "simulation.profile", 3),
        (["replay", "/absent/dump", "--link", "pty:/tmp/x"], "simulation.dump", 3),
    ],
)
def test_wrong_arguments_say_what_to_do(arguments: list[str], code: str, exit_code: int) -> None:
    result = RUNNER.invoke(app, arguments)
    assert result.exit_code == exit_code
    assert f"[{code}]" in result.stderr
    assert result.stdout == ""


def test_an_empty_dump_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    result = RUNNER.invoke(app, ["replay", str(tmp_path / "empty"), "--link", "pty:/tmp/x"])
    assert result.exit_code == 3
    assert "[simulation.dump]" in result.stderr

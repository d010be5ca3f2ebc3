"""The command line as a whole: every command is listed, can be loaded and explains itself; an unknown one is refused."""

import subprocess
import sys

import pytest
from typer.testing import CliRunner

from smgw.cli import COMMANDS, app

RUN = CliRunner()


def test_an_unknown_command_is_refused() -> None:
    result = RUN.invoke(app, ["teleport"])
    assert result.exit_code == 2
    assert "teleport" in result.output


def test_help_lists_every_command_and_imports_none() -> None:
    source = "import sys; sys.argv[1:] = ['--help']\ntry:\n import smgw.cli; smgw.cli.main()\nexcept SystemExit: pass\n"
    source += "print([name for name in sys.modules if name.startswith(('smgw.gateway', 'smgw.pki', 'apsw', 'cryptography'))])"
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True, timeout=60)
    assert all(name in done.stdout for name in COMMANDS)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name: str) -> None:
    result = RUN.invoke(app, [name, "--help"])
    assert result.exit_code == 0
    assert "Usage" in result.output

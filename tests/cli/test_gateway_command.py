import json
import subprocess
import sys
from pathlib import Path

from smgw.gateway.config import GatewayFolder


def _run(*arguments: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "smgw", "gateway", "run", *arguments]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_a_folder_without_a_gateway_is_refused(tmp_path: Path) -> None:
    with _run("--data", str(tmp_path)) as process:
        out, err = process.communicate(timeout=60)
    assert process.returncode == 3
    assert out == ""
    assert json.loads(err)["code"] == "gateway.not_initialised"


def test_a_broken_configuration_is_refused(tmp_path: Path) -> None:
    GatewayFolder(tmp_path).config.write_text("{}")
    with _run("--data", str(tmp_path)) as process:
        _, err = process.communicate(timeout=60)
    assert process.returncode == 3
    assert json.loads(err)["code"] == "gateway.config"


def test_options_are_checked_before_the_program_starts(tmp_path: Path) -> None:
    with _run("--folder", str(tmp_path)) as process:
        _, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "--folder" in err


def test_a_gateway_s_process_loads_only_what_a_gateway_needs() -> None:
    """Its memory is promised: arrays, the other roles, the simulation and what reads the options stay out."""
    source = (
        "import sys; import smgw.cli.gateway, smgw.cli.service, smgw.gateway.service, smgw.net.clock;"
        "strangers = ('numpy', 'pydantic', 'pkcs11', 'smgw.simulation', 'smgw.administrator', 'smgw.participant', 'smgw.transparency');"
        "print([name for name in strangers if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True, timeout=110)
    assert done.stdout.strip() == "[]"

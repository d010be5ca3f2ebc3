"""`smgw up`: options that can't be meant are refused before anything is made, faults are one line with a code."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from smgw.cli.up import _farewell as farewell
from smgw.cli.up import _welcome as welcome
from smgw.cli.up import app

RUN = CliRunner()


@pytest.mark.parametrize(
    "arguments",
    [
        ["--until", "tomorrow"],
        ["--period", "77"],
        ["--period", "86400"],
        ["--speed", "0"],
        ["--speed", "nan"],
        ["--speed", "inf"],
        ["--speed", "fast"],
        ["--interval", "0"],
        ["--timeout", "0"],
        ["--timeout", "nan"],
        ["--gateway-id", "XX"],
        ["--gateway-id", "1SGW0000000001"],
        ["--gateway-id", "esgw0000000001"],
        ["--colour", "red"],
    ],
)
def test_an_option_that_can_t_be_meant_is_refused_and_nothing_is_made(tmp_path: Path, arguments: list[str]) -> None:
    result = RUN.invoke(app, ["--data", str(tmp_path / "data"), *arguments])
    assert result.exit_code == 2
    assert arguments[0] in result.output
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "exit_code", "code"),
    [
        (["--meter", "sml:/nowhere.bin"], 3, "simulation.dump"),
        (["--meter", "roof:pigeon"], 3, "link.url"),
        (["--meter", "tcp://127.0.0.1:1"], 6, "link.lost"),
    ],
)
@pytest.mark.parametrize("as_json", [[], ["--json"]], ids=["text", "json"])
def test_a_fault_is_one_line_with_a_code_and_no_trace(
    tmp_path: Path, arguments: list[str], exit_code: int, code: str, as_json: list[str]
) -> None:
    result = RUN.invoke(app, ["--data", str(tmp_path / "data"), *arguments, *as_json])
    assert result.exit_code == exit_code
    assert result.stderr.strip().endswith(f"[{code}]")
    assert "Traceback" not in result.output
    assert as_json == [] or result.stdout == ""


@pytest.mark.req("ADM-01")
def test_a_fleet_that_needs_more_open_files_than_the_system_allows_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    limited = (
        "import resource, runpy; resource.setrlimit(resource.RLIMIT_NOFILE, (256, 1024)); runpy.run_module('smgw', run_name='__main__')"
    )
    done = subprocess.run(
        [sys.executable, "-c", limited, "up", "--data", str(tmp_path / "data"), "--fleet", "101"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 3
    assert done.stderr.strip().endswith("[simulation.files]")
    assert "100 need 1400, the hard limit is 1024" in done.stderr
    assert [path.name for path in (tmp_path / "data").iterdir() if path.is_dir() and path.name != "run"] == []


def test_a_data_folder_that_can_t_be_one_is_a_fault_with_a_code(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("x")
    result = RUN.invoke(app, ["--data", str(tmp_path / "data")])
    assert result.exit_code == 3
    assert "[up.folder]" in result.stderr


def test_what_is_shown_names_everything_a_user_needs() -> None:
    ready = {
        "gateway_id": "ESGW0000000001",
        "consumer": {"url": "https://127.0.0.1:1", "user": "consumer", "password": "pw"},
        "participant": {"url": "http://127.0.0.1:2", "token_file": "/a"},
        "administrator": {"url": "http://127.0.0.1:3", "token_file": "/b"},
        "fleet": 50,
        "data": "/data",
    }
    shown = welcome(ready)
    for text in (
        "ESGW0000000001",
        "https://127.0.0.1:1",
        "consumer",
        "pw",
        "http://127.0.0.1:2",
        "/a",
        "http://127.0.0.1:3",
        "/b",
        "50 gateways",
        "/data",
    ):
        assert text in shown
    assert "not certified" in shown
    names = ("meters", "telegrams", "readings", "deliveries", "rejected", "log_entries")
    assert farewell(dict.fromkeys(names, 7)).count("7") == len(names)
    assert json.dumps(ready)

"""`smgw administrator wake-up`, as a user types it, with an administrator that runs."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.administrator.interface_parts import Thread
from tests.gateway.gateway_parts import GATEWAY_ID
from typer.testing import CliRunner

from smgw.cli.administrator import app

pytestmark = pytest.mark.req("WAN-04", "ADM-04", "ADM-13")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    path = tmp_path_factory.mktemp("administrator") / "gwa"
    with Thread(path) as served:
        yield path, served.url


def ask(running: tuple[Path, str], *words: str, code: int = 0) -> Any:
    data, url = running
    result = CliRunner().invoke(app, ["wake-up", *words, "--data", str(data), "--url", url, "--json"])
    assert result.exit_code == code, result.output
    return json.loads(result.stdout)


def test_an_address_is_set_and_shown_and_calls_are_counted(running: tuple[Path, str]) -> None:
    assert ask(running, "show", GATEWAY_ID, code=4)["code"] == "wakeup.address"
    assert ask(running, "call", GATEWAY_ID, code=4)["code"] == "wakeup.address"
    wanted = {"host": "gateway.example", "port": 15_100, "timestamp_order": "little", "on_wake_up": False}
    assert ask(running, "set", GATEWAY_ID, "gateway.example", "--no-on-wake-up", "--set-gateway") == wanted
    assert ask(running, "show", GATEWAY_ID) == wanted
    assert ask(running, "statistics")["calls"] == 0


def test_facts_are_for_people(running: tuple[Path, str]) -> None:
    data, url = running
    result = CliRunner().invoke(app, ["wake-up", "statistics", "--data", str(data), "--url", url])
    assert "wait_p99_ms: 0" in result.stdout

"""How `smgw gateway run` gives way to the program in the active slot, and back: words, import path, watchdog."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from smgw.cli import gateway
from smgw.gateway import starter
from smgw.gateway.starter import STARTUP_S, Program

pytestmark = pytest.mark.req("ADM-05")


class _Gone(Exception):
    """Stand for the process that gave way to another program."""


class Process:
    """Record what the process would become."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        self.words = ["gateway", "run", "--data", str(folder), "--clock", "system"]
        self.alarms: list[int] = []
        self.became: list[str] = []
        self.environment: dict[str, str] = {}
        self.program: Program | None = None
        self.served = (0, False)
        self.on_trial = False
        monkeypatch.setattr(signal, "alarm", self.alarms.append)
        monkeypatch.setattr(os, "execve", self.become)
        monkeypatch.setattr(starter, "choose", lambda *_: self.program)
        monkeypatch.setattr(starter, "is_on_trial", lambda _: self.on_trial)
        monkeypatch.setattr(gateway, "serve", lambda *_, **__: self.served)

    def become(self, _: str, words: list[str], environment: dict[str, str]) -> None:
        self.became, self.environment = words[1:], environment
        raise _Gone

    def start(self, *more: str) -> Any:
        try:
            return gateway.start([*self.words, *more])
        except _Gone:
            return "gone"


@pytest.fixture
def process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Process:
    monkeypatch.delenv("PYTHONPATH", raising=False)
    return Process(monkeypatch, tmp_path)


def test_without_an_update_the_installed_program_serves(process: Process) -> None:
    process.served = (7, False)
    assert process.start("--stop-on-eof") == 7
    assert process.became == []
    assert process.alarms == []


@pytest.mark.parametrize("on_trial", [False, True])
def test_a_slot_s_program_goes_to_the_front_of_the_import_path(process: Process, tmp_path: Path, on_trial: bool) -> None:
    process.program = Program("b", tmp_path / "slots" / "b", on_trial)
    assert process.start("--stop-on-eof") == "gone"
    assert process.became == ["-P", "-m", "smgw.cli.gateway", *process.words, "--stop-on-eof", "--slot", "b"]
    assert process.environment["PYTHONPATH"] == str(tmp_path / "slots" / "b")
    assert process.alarms == ([STARTUP_S] if on_trial else [])


@pytest.mark.parametrize("more", [[], ["--slot", "b"]])
def test_whoever_wants_to_be_started_again_goes_to_the_installed_program(process: Process, more: list[str]) -> None:
    process.served = (0, True)
    assert process.start(*more) == "gone"
    assert process.became == ["-m", "smgw.cli.gateway", *process.words]
    assert "PYTHONPATH" not in process.environment


def test_a_new_version_that_ends_with_an_error_is_tried_again_and_an_old_one_is_not(process: Process) -> None:
    process.served, process.on_trial = (5, False), True
    assert process.start("--slot", "b") == "gone"
    process.on_trial = False
    assert process.start("--slot", "b") == 5
    process.served, process.on_trial = (0, False), True
    assert process.start("--slot", "b") == 0


def test_a_watchdog_outlives_the_change_of_program() -> None:
    words = "import os, signal, sys; signal.setitimer(signal.ITIMER_REAL, 0.2); os.execv(sys.executable, [sys.executable, '-c', {!r}])"
    done = subprocess.run([sys.executable, "-c", words.format("import signal; signal.pause()")], timeout=60, check=False)
    assert done.returncode == -signal.SIGALRM

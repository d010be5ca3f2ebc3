"""Roles as processes: however one ends, there is an exit code, and one line that says why."""

import asyncio
import errno
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from io import StringIO, TextIOWrapper
from pathlib import Path

import pytest

from smgw.cli import service
from smgw.cli.service import Ready, cause_of, run_role
from smgw.core.errors import ConfigError, SmgwError, Unavailable
from smgw.net.clock import ClockPort


async def until_stopped(_: ClockPort, ready: Ready, stop: asyncio.Event) -> dict[str, object]:
    ready({"role": "test", "port": 7})
    await stop.wait()
    return {"role": "test", "served": 3}


def lines(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize(("fault", "code"), [(ConfigError("gateway.config", "han_port"), 3), (Unavailable("journal.full"), 6)])
def test_a_fault_ends_with_its_code_and_one_line(fault: SmgwError, code: int, capsys: pytest.CaptureFixture[str]) -> None:
    async def role(_: ClockPort, ready: Ready, stop: asyncio.Event) -> dict[str, object]:
        raise fault

    assert run_role(role, "system", stop_on_eof=False) == code
    out, err = capsys.readouterr()
    assert out == ""
    (line,) = lines(err)
    assert (line["event"], line["code"], line["hint"]) == ("stopped", fault.code, fault.hint)


def test_a_fault_in_one_of_several_tasks_is_told_like_any_other(capsys: pytest.CaptureFixture[str]) -> None:
    async def role(_: ClockPort, ready: Ready, stop: asyncio.Event) -> dict[str, object]:
        async with asyncio.TaskGroup() as group:
            group.create_task(fail())
            await stop.wait()
        return {}

    async def fail() -> None:
        raise Unavailable("clock.lost")

    assert run_role(role, "system", stop_on_eof=False) == 6
    assert lines(capsys.readouterr().err)[0]["code"] == "clock.lost"


def test_a_mistake_of_ours_is_not_hidden() -> None:
    async def role(_: ClockPort, ready: Ready, stop: asyncio.Event) -> dict[str, object]:
        raise ExceptionGroup("tasks", [Unavailable("clock.lost"), ZeroDivisionError()])

    with pytest.raises(ExceptionGroup):
        run_role(role, "system", stop_on_eof=False)


def test_the_cause_of_a_group_is_its_first_fault() -> None:
    first, second = Unavailable("clock.lost"), ConfigError("clock.spec")
    assert cause_of(ExceptionGroup("a", [ExceptionGroup("b", [first]), second])) is first
    assert cause_of(ExceptionGroup("a", [first, ValueError()])) is None
    assert cause_of(ValueError()) is None


def test_a_clock_that_is_none_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_role(until_stopped, "sundial", stop_on_eof=False) == 3
    assert lines(capsys.readouterr().err)[0]["code"] == "clock.spec"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_in_good_order(number: signal.Signals, capsys: pytest.CaptureFixture[str]) -> None:
    async def role(clock: ClockPort, ready: Ready, stop: asyncio.Event) -> dict[str, object]:
        asyncio.get_running_loop().call_soon(os.kill, os.getpid(), number)
        return await until_stopped(clock, ready, stop)

    assert run_role(role, "system", stop_on_eof=False) == 0
    assert lines(capsys.readouterr().out) == [
        {"event": "ready", "role": "test", "port": 7},
        {"event": "stopped", "role": "test", "served": 3},
    ]


@pytest.fixture
def standard_input(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Give the other end of standard input."""
    ours, theirs = os.pipe()
    with TextIOWrapper(os.fdopen(ours, "rb", buffering=0)) as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        yield theirs


@pytest.mark.req("OPS-05")
def test_a_role_ends_with_whoever_started_it(standard_input: int, capsys: pytest.CaptureFixture[str]) -> None:
    async def role(clock: ClockPort, ready: Ready, stop: asyncio.Event) -> dict[str, object]:
        os.write(standard_input, b"words that nobody reads\n")
        asyncio.get_running_loop().call_later(0.01, os.close, standard_input)
        return await until_stopped(clock, ready, stop)

    assert run_role(role, "system", stop_on_eof=True) == 0
    assert lines(capsys.readouterr().out)[-1]["event"] == "stopped"


@pytest.mark.req("OPS-05")
@pytest.mark.parametrize("source", ["/dev/null", "a file", "nothing", "closed"])
def test_an_input_that_can_not_be_waited_for_has_ended(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = Path(source) if source.startswith("/") else tmp_path / "input"
    path.touch()
    with path.open() as stdin:
        if source == "closed":
            stdin.close()
        monkeypatch.setattr("sys.stdin", None if source == "nothing" else stdin)
        assert run_role(until_stopped, "system", stop_on_eof=True) == 0
    assert [line["event"] for line in lines(capsys.readouterr().out)] == ["ready", "stopped"]


def test_a_stop_that_takes_long_names_what_still_runs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(service, "SLOW_STOP_S", 0.0)

    async def role(_: ClockPort, ready: Ready, stop: asyncio.Event) -> dict[str, object]:
        stop.set()
        for _ in range(10):
            await asyncio.sleep(0)
        return {}

    assert run_role(role, "system", stop_on_eof=False) == 0
    (line,) = lines(capsys.readouterr().err)
    assert line["event"] == "slow_stop"
    assert "service.py:" in str(line["tasks"])
    assert " > test_service.py:" in str(line["tasks"])


class _Full(StringIO):
    """Take nothing, as a file on a full disk."""

    def write(self, text: str) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    def flush(self) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.req("OPS-05")
def test_a_full_disk_under_the_diagnostics_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async def role(_: ClockPort, ready: Ready, stop: asyncio.Event) -> dict[str, object]:
        service.structlog.get_logger("x").error("something", code="x.y")
        ready({"role": "test"})
        return {}

    monkeypatch.setattr("sys.stderr", _Full())
    monkeypatch.setattr("sys.stdout", _Full())
    assert run_role(role, "system", stop_on_eof=False) == 0


def test_diagnostics_go_to_standard_error_and_never_to_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    service.configure_diagnostics("warning")
    log = service.structlog.get_logger("x")
    log.info("quiet")
    log.warning("loud", code="x.y")
    out, err = capsys.readouterr()
    assert out == ""
    assert [line["event"] for line in lines(err)] == ["loud"]


@pytest.mark.req("ADM-01")
def test_the_limit_of_open_files_is_raised_to_what_the_system_grants() -> None:
    program = (
        "from resource import RLIMIT_NOFILE, getrlimit, setrlimit\n"
        "setrlimit(RLIMIT_NOFILE, (64, 900))\n"
        "from smgw.cli.service import allow_many_connections\n"
        "allow_many_connections()\n"
        "print(getrlimit(RLIMIT_NOFILE))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "(900, 900)"

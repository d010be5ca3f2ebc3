"""Processes of the system: started when they say so, refused when they end instead, and none outlives its owner."""

import asyncio
import os
from pathlib import Path

import pytest

from smgw.core.errors import Unavailable
from smgw.simulation.processes import Processes, Running


def meter(folder: Path, name: str) -> list[str]:
    return ["meter", "run", "--id", "1SGW0010000001", "--link", f"pty:{folder / name}", "--stop-on-eof"]


async def test_a_process_that_ends_instead_of_starting_names_its_log(tmp_path: Path) -> None:
    processes = Processes(tmp_path / "log")
    with pytest.raises(Unavailable, match=r"up\.start: gateway ended; see .*gateway\.log"):
        await processes.start("gateway", ["gateway", "run", "--data", str(tmp_path / "nothing")])
    assert "gateway.not_initialised" in (tmp_path / "log" / "gateway.log").read_text()
    await processes.kill()


async def test_processes_are_started_stopped_in_order_and_their_last_lines_kept(tmp_path: Path) -> None:
    processes = Processes(tmp_path / "log")
    first, second = await asyncio.gather(processes.start("first", meter(tmp_path, "a")), processes.start("second", meter(tmp_path, "b")))
    assert processes.ended() == []
    closing = await processes.stop()
    assert set(closing) == {"first", "second"}
    assert closing["first"]["event"] == "stopped"
    assert [running.process.returncode for running in (first, second)] == [0, 0]
    assert sorted(processes.ended()) == ["first", "second"]


@pytest.mark.req("OPS-05")
async def test_one_that_is_killed_is_noticed_and_one_whose_owner_goes_ends_by_itself(tmp_path: Path) -> None:
    processes = Processes(tmp_path / "log")
    first, second = await asyncio.gather(processes.start("first", meter(tmp_path, "a")), processes.start("second", meter(tmp_path, "b")))
    first.process.kill()
    async with asyncio.timeout(60):
        await processes.first_end()
    assert processes.ended() == ["first"]
    assert second.process.stdin is not None
    second.process.stdin.close()
    async with asyncio.timeout(60):
        assert await second.process.wait() == 0
    await processes.kill()


async def test_kill_ends_what_still_runs(tmp_path: Path) -> None:
    processes = Processes(tmp_path / "log")
    running: Running = await processes.start("meter", meter(tmp_path, "a"))
    await processes.kill()
    assert running.process.returncode == -9
    with pytest.raises(ProcessLookupError):
        os.kill(running.process.pid, 0)

"""Start, watch and stop the processes of a system; each reports on its standard output in JSON lines."""

import asyncio
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from smgw.core.errors import Unavailable

START_S = 60.0
"""Every process must have reported by then."""

STOP_S = 10.0
"""So long each process has to stop in good order."""


class Running(NamedTuple):
    """Hold one started process and the lines it printed."""

    name: str
    process: asyncio.subprocess.Process
    lines: asyncio.Queue[dict[str, Any]]
    stop_s: float


class Processes:
    """Own processes of the command `smgw`; diagnostics go to one file each.

    They end when their standard input does, so none outlives its owner however that one ends.
    """

    def __init__(self, log_folder: Path) -> None:
        self._log_folder = log_folder
        self._running: list[Running] = []
        self._readers: list[asyncio.Task[None]] = []

    async def start(self, name: str, arguments: Sequence[str], stop_s: float = STOP_S) -> Running:
        """Start a process and wait until it says that it is ready; later it has `stop_s` to stop. Raises: Unavailable up.start."""
        log_path = self._log_folder / f"{name}.log"
        self._log_folder.mkdir(parents=True, exist_ok=True)
        with log_path.open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "smgw",
                *arguments,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        running = Running(name, process, asyncio.Queue(), stop_s)
        self._running.append(running)
        self._readers.append(asyncio.create_task(_read_lines(running)))
        try:
            async with asyncio.timeout(START_S):
                line = await running.lines.get()
        except TimeoutError as problem:
            raise Unavailable("up.start", f"{name} did not report; see {log_path}") from problem
        if line.get("event") != "ready":
            raise Unavailable("up.start", f"{name} ended; see {log_path}")
        return running

    async def first_end(self) -> None:
        """Return when any process has ended."""
        ends = [asyncio.create_task(running.process.wait()) for running in self._running]
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for end in ends:
                end.cancel()

    def ended(self) -> list[str]:
        """Name the processes that have ended."""
        return [running.name for running in self._running if running.process.returncode is not None]

    async def stop(self) -> dict[str, dict[str, Any]]:
        """Stop in the reverse order of starting, each in good order; gives each one's closing line by name."""
        for running in reversed(self._running):
            with suppress(ProcessLookupError):
                running.process.send_signal(signal.SIGTERM)
            with suppress(TimeoutError):
                async with asyncio.timeout(running.stop_s):
                    await running.process.wait()
        closing: dict[str, dict[str, Any]] = {}
        for running, reader in zip(self._running, self._readers, strict=True):
            with suppress(TimeoutError):
                async with asyncio.timeout(STOP_S):
                    await reader
            while not running.lines.empty():
                line = running.lines.get_nowait()
                if line.get("event") == "stopped":
                    closing[running.name] = line
        return closing

    async def kill(self) -> None:
        """End what is still running, at once."""
        for running in self._running:
            if running.process.returncode is None:
                with suppress(ProcessLookupError):
                    running.process.kill()
                await running.process.wait()


async def _read_lines(running: Running) -> None:
    assert running.process.stdout is not None
    async for raw in running.process.stdout:
        with suppress(msgspec.MsgspecError):
            running.lines.put_nowait(msgspec.json.decode(raw, type=dict[str, Any]))
    running.lines.put_nowait({"event": "ended"})

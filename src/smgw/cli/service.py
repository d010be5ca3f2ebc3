"""Run a role as a process: signals, the clock, diagnostics on standard error, one JSON line when ready and one at the end."""

import asyncio
import os
import resource
import signal
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import TextIO, cast

import msgspec
import structlog

from smgw.core.errors import SmgwError
from smgw.net.clock import ClockPort, open_clock

SLOW_STOP_S = 5.0

Ready = Callable[[dict[str, object]], None]
"""Call it once with what others need to know: ports, ids."""

Role = Callable[[ClockPort, Ready, asyncio.Event], Awaitable[dict[str, object]]]
"""Serve until the event is set; give the closing counters."""


def configure_diagnostics(level: str = "info") -> None:
    """Write diagnostics as JSON lines to standard error; a terminal gets readable lines. They hold no reading, key or password."""
    levels = {"debug": 10, "info": 20, "warning": 30, "error": 40}
    renderer: structlog.types.Processor = structlog.dev.ConsoleRenderer() if sys.stderr.isatty() else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(levels[level]),
        logger_factory=structlog.PrintLoggerFactory(cast("TextIO", _Unfailing(sys.stderr))),
    )


class _Unfailing:
    """Write diagnostics where they can be written: a full disk or a closed pipe is no reason to end."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with suppress(OSError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            self._stream.flush()


def say(line: dict[str, object]) -> None:
    """Print one JSON line on standard output; whoever listened may be gone."""
    with suppress(OSError):
        sys.stdout.write(msgspec.json.encode(line).decode() + "\n")
        sys.stdout.flush()


def allow_many_connections() -> None:
    """Raise the limit of open files to what the system grants: a fleet has many connections."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def run_role(role: Role, clock_spec: str, *, stop_on_eof: bool) -> int:
    """Run one role until SIGTERM, SIGINT or, with `stop_on_eof`, the end of standard input; returns the exit code."""
    configure_diagnostics()
    try:
        asyncio.run(_run(role, clock_spec, stop_on_eof=stop_on_eof))
    except (SmgwError, ExceptionGroup) as problem:
        fault = cause_of(problem)
        if fault is None:
            raise
        structlog.get_logger(__name__).error("stopped", code=fault.code, detail=fault.detail, hint=fault.hint)
        return fault.exit_code
    return 0


def cause_of(problem: Exception) -> SmgwError | None:
    """Give the first fault of a group whose members are all faults with a code; None when another error is among them."""
    if isinstance(problem, ExceptionGroup):
        causes = [cause_of(member) for member in problem.exceptions]
        return causes[0] if all(causes) else None
    return problem if isinstance(problem, SmgwError) else None


async def _run(role: Role, clock_spec: str, *, stop_on_eof: bool) -> None:
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if stop_on_eof:
        _watch_standard_input(loop, stop)
    clock = open_clock(clock_spec)
    watch = asyncio.create_task(_watch_stop(stop))
    try:
        say({"event": "stopped", **await role(clock, lambda facts: say({"event": "ready", **facts}), stop)})
    finally:
        watch.cancel()
        clock.close()


async def _watch_stop(stop: asyncio.Event) -> None:
    """Name what still runs when stopping takes long: the place to look for a task that does not end."""
    await stop.wait()
    await asyncio.sleep(SLOW_STOP_S)
    places = [f"{task.get_name()}: {_place(task.get_coro())}" for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    structlog.get_logger(__name__).warning("slow_stop", tasks=places)


def _place(awaited: object) -> str:
    """Name the lines that a suspended coroutine waits at, the outermost first."""
    lines = []
    while (frame := getattr(awaited, "cr_frame", None)) is not None:
        lines.append(f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}")
        awaited = getattr(awaited, "cr_await", None)
    return " > ".join(lines)


def _watch_standard_input(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    """Stop when whoever started us is gone, however it went; a file, `/dev/null` or a closed input has ended already."""
    try:
        handle = sys.stdin.fileno()
        os.set_blocking(handle, False)
    except (AttributeError, ValueError, OSError):
        # There is no standard input, so nobody can end it later.
        stop.set()
        return

    def readable() -> None:
        with suppress(BlockingIOError):
            if not os.read(handle, 4096):
                loop.remove_reader(handle)
                stop.set()

    try:
        loop.add_reader(handle, readable)
    except PermissionError:
        # A file never makes its reader wait: it can't be watched, and needn't be.
        stop.set()

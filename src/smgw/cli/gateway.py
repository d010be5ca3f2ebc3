"""`smgw gateway`: run a gateway.

A gateway runs for months, on small machines too. What reads the options is needed for a moment only, so it gives way to this module as a
program of its own: same process id, same standard streams, a tenth less memory.
"""

import asyncio
import os
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from smgw.cli import commission

if TYPE_CHECKING:
    from smgw.gateway.config import GatewayFolder
    from smgw.gateway.starter import Program
    from smgw.net.clock import ClockPort

app = typer.Typer(help="Run a gateway.", no_args_is_help=True)
app.add_typer(commission.app, name="commission")

STOP_ON_EOF = "--stop-on-eof"
SLOT = "--slot"


@app.callback()
def group() -> None:
    """Run a gateway."""


@app.command()
def run(
    data: Annotated[Path, typer.Option(help="The gateway's folder.")],
    clock: Annotated[str, typer.Option(help="`system`, or `paced:PATH` for simulated time.")] = "system",
    stop_on_eof: Annotated[bool, typer.Option(help="Stop when standard input ends.")] = False,
) -> None:
    """Run the gateway of a folder until it is stopped."""
    words = ["gateway", "run", "--data", str(data), "--clock", clock, *([STOP_ON_EOF] if stop_on_eof else [])]
    os.execv(sys.executable, [sys.executable, "-m", "smgw.cli.gateway", *words])  # noqa: S606


@app.command("sign-program")
def sign_program_command(data: Annotated[Path, typer.Option(help="The gateway's folder.")]) -> None:
    """Let the gateway start with the program that is installed now: sign the list of its files with the gateway's own key.

    Without it, or with the manufacturer's signature beside it, a start refuses a program that is not the one signed.
    """
    from smgw.core.errors import SmgwError
    from smgw.gateway.boot import sign_program
    from smgw.gateway.config import GatewayFolder

    try:
        version = sign_program(GatewayFolder(data), datetime.now(UTC))
    except SmgwError as fault:
        typer.echo(f"{fault.title} ({fault})\n{fault.hint}", err=True)
        raise typer.Exit(fault.exit_code) from fault
    typer.echo(f"signed: version {version}")


def serve(data: Path, clock: str, *, stop_on_eof: bool) -> tuple[int, bool]:
    """Run the gateway in this process until it is stopped; gives the exit code, and whether it wants to be started again."""
    from smgw.cli.service import Ready, run_role
    from smgw.gateway.config import GatewayFolder
    from smgw.gateway.firmware import Host
    from smgw.gateway.phases import run_phases
    from smgw.net.clock import ClockPort

    again = False

    async def role(port: ClockPort, ready: Ready, stop: asyncio.Event) -> dict[str, object]:
        def restart() -> None:
            nonlocal again
            again = True
            stop.set()

        return await run_phases(GatewayFolder(data), port, ready, stop, Host(restart, signal.alarm))

    return run_role(role, clock, stop_on_eof=stop_on_eof), again


def start(words: list[str]) -> int:
    """Run the program that the active slot holds, or the installed one; gives the exit code.

    `words` are exactly those that `run` wrote, so that a list of processes shows what was typed. A slot's program is the same process, too,
    started with two words more.
    """
    from smgw.gateway import starter
    from smgw.gateway.config import GatewayFolder

    data, clock = Path(words[3]), words[5]
    if SLOT not in words:
        program = _chosen(GatewayFolder(data), clock)
        if program is not None:
            if program.on_trial:
                signal.alarm(starter.STARTUP_S)
            _execute([*words, SLOT, program.slot], starter.environment(program.path), "-P")
    code, again = serve(data, clock, stop_on_eof=STOP_ON_EOF in words)
    if again or (code != 0 and SLOT in words and starter.is_on_trial(GatewayFolder(data))):
        _execute(words[: words.index(SLOT)] if SLOT in words else words, starter.environment(None))
    return code


def _chosen(folder: "GatewayFolder", clock: str) -> "Program | None":
    from smgw.cli.service import configure_diagnostics
    from smgw.core.errors import SmgwError
    from smgw.gateway import starter
    from smgw.net.clock import open_clock

    configure_diagnostics()
    try:
        return starter.choose(folder, lambda: _now(open_clock(clock)))
    except SmgwError:
        # The installed program finds the same fault and reports it in the way of a start.
        return None


def _now(clock: "ClockPort") -> datetime:
    try:
        return clock.now()
    finally:
        clock.close()


def _execute(words: list[str], environment: dict[str, str], *options: str) -> None:
    os.execve(sys.executable, [sys.executable, *options, "-m", "smgw.cli.gateway", *words], environment)  # noqa: S606


if __name__ == "__main__":
    sys.exit(start(sys.argv[1:]))

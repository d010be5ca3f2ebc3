"""`smgw gateway`: run a gateway.

A gateway runs for months, on small machines too. What reads the options is needed for a moment only, so it gives way to this module as a
program of its own: same process id, same standard streams, a tenth less memory.
"""

import asyncio
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Run a gateway.", no_args_is_help=True)

STOP_ON_EOF = "--stop-on-eof"


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


def serve(data: Path, clock: str, *, stop_on_eof: bool) -> int:
    """Run the gateway in this process until it is stopped; gives the exit code."""
    from smgw.cli.service import Ready, run_role
    from smgw.gateway.config import GatewayFolder
    from smgw.gateway.service import run_gateway
    from smgw.net.clock import ClockPort

    async def role(port: ClockPort, ready: Ready, stop: asyncio.Event) -> dict[str, object]:
        return await run_gateway(GatewayFolder(data), port, ready, stop)

    return run_role(role, clock, stop_on_eof=stop_on_eof)


if __name__ == "__main__":
    # Exactly the words that `run` wrote: a list of processes shows what was typed.
    sys.exit(serve(Path(sys.argv[4]), sys.argv[6], stop_on_eof=STOP_ON_EOF in sys.argv[7:]))

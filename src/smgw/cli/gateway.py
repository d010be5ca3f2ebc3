"""`smgw gateway`: run a gateway.

A gateway runs for months, on small machines too. What reads the options is needed for a moment only, so it gives way to this module as a
program of its own: same process id, same standard streams, a tenth less memory.
"""

import asyncio
import os
import sys
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

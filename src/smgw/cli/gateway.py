"""`smgw gateway`: run a gateway."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from smgw.cli.service import Ready, run_role
from smgw.gateway.config import GatewayFolder
from smgw.gateway.service import run_gateway
from smgw.net.clock import ClockPort

app = typer.Typer(help="Run a gateway.", no_args_is_help=True)


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

    async def role(port: ClockPort, ready: Ready, stop: asyncio.Event) -> dict[str, object]:
        return await run_gateway(GatewayFolder(data), port, ready, stop)

    raise typer.Exit(run_role(role, clock, stop_on_eof=stop_on_eof))

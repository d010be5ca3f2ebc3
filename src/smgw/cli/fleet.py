"""`smgw fleet`: many virtual gateways in one process."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from smgw.cli.service import Ready, allow_many_connections, run_role
from smgw.net.clock import ClockPort
from smgw.simulation.fleet import Fleet

app = typer.Typer(no_args_is_help=True, help="Run many virtual gateways in one process.")


@app.callback()
def group() -> None:
    """Run many virtual gateways in one process."""


@app.command()
def run(
    data: Annotated[Path, typer.Option(exists=True, file_okay=False, help="Folder with a folder for each gateway.")],
    interval: Annotated[float, typer.Option(help="Seconds between telegrams of the simulated meters.", min=0.01)] = 900.0,
    clock: Annotated[str, typer.Option(help="`system`, or `paced:PATH` of a pacemaker.")] = "system",
    stop_on_eof: Annotated[bool, typer.Option(help="Stop when standard input ends.")] = False,
) -> None:
    """Run all gateways of a folder, each with a simulated meter of its own; `smgw up --fleet N` makes such a folder."""

    allow_many_connections()

    async def role(port: ClockPort, ready: Ready, stop: asyncio.Event) -> dict[str, object]:
        return await Fleet(data, port, timedelta(seconds=interval)).run(ready, stop)

    raise typer.Exit(run_role(role, clock, stop_on_eof=stop_on_eof))

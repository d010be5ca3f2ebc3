"""`smgw administrator`: run a gateway administrator."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from smgw.administrator.config import AdministratorFolder
from smgw.administrator.service import run_administrator
from smgw.cli.service import Ready, run_role
from smgw.net.clock import ClockPort

app = typer.Typer(help="Run a gateway administrator.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Run a gateway administrator."""


@app.command()
def run(
    data: Annotated[Path, typer.Option(help="The administrator's folder.")],
    clock: Annotated[str, typer.Option(help="`system`, or `paced:PATH` for simulated time.")] = "system",
    stop_on_eof: Annotated[bool, typer.Option(help="Stop when standard input ends.")] = False,
) -> None:
    """Run the administrator of a folder until it is stopped."""

    async def role(port: ClockPort, ready: Ready, stop: asyncio.Event) -> dict[str, object]:
        return await run_administrator(AdministratorFolder(data), port, ready, stop)

    raise typer.Exit(run_role(role, clock, stop_on_eof=stop_on_eof))

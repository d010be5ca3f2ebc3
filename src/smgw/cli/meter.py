"""`smgw meter`: simulated and replayed meters."""

import asyncio
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from smgw.cli.option_values import device_id_of
from smgw.cli.service import Ready, run_role
from smgw.core.errors import ConfigError, SmgwError
from smgw.net.clock import ClockPort
from smgw.simulation.household import Household
from smgw.simulation.meters.port import Faults, Meter, MeterPort, open_line
from smgw.simulation.meters.replay import ReplayMeter
from smgw.simulation.meters.sector_meter import SECTORS, SectorMeter
from smgw.simulation.meters.sml_meter import SmlMeter

app = typer.Typer(help="Run simulated meters, or replay recorded ones.", no_args_is_help=True)

_Link = Annotated[str, typer.Option(help="Where to send: pty:PATH makes a terminal, tcp:HOST:PORT listens.")]
_Interval = Annotated[float, typer.Option(help="Seconds between telegrams.")]
_Clock = Annotated[str, typer.Option(help="`system`, or `paced:PATH` for simulated time.")]
_Fault = Annotated[list[str] | None, typer.Option(help="NAME=PROBABILITY; NAME is bitflip, cut, drop, noise or twice. May be repeated.")]
_Seed = Annotated[int, typer.Option(help="The same seed gives the same values and faults.")]
_Name = Annotated[str, typer.Option(help="Name under which the reader accounts for this link in simulated time.")]
_StopOnEof = Annotated[bool, typer.Option(help="Stop when standard input ends.")]


@app.command()
def run(
    meter_id: Annotated[str, typer.Option("--id", help="Device id after DIN 43849, for example 1SGW0010000001.")],
    link: _Link,
    profile: Annotated[str, typer.Option(help="flat, household, heat-pump, solar or prosumer.")] = "household",
    seed: _Seed = 1,
    interval: _Interval = 2.0,
    clock: _Clock = "system",
    name: _Name = "meter",
    fault: _Fault = None,
    stop_on_eof: _StopOnEof = False,
) -> None:
    """Run a simulated meter: electricity of a household, or gas (7), water (8, 9), heat (6), cold (5) by the first digit of its id."""
    try:
        device_id = device_id_of(meter_id)
        meter = SectorMeter(device_id) if device_id.medium in SECTORS else SmlMeter(device_id, Household(profile, seed))
    except SmgwError as problem:
        raise _refused(problem) from problem
    _run(meter, str(device_id), link, seed, interval, clock, name, fault, stop_on_eof=stop_on_eof)


@app.command()
def replay(
    dump: Annotated[Path, typer.Argument(help="A recorded dump of an optical head.")],
    link: _Link,
    played: Annotated[bool, typer.Option(help="The dump was played before: go on with its last good file.")] = False,
    seed: _Seed = 1,
    interval: _Interval = 2.0,
    clock: _Clock = "system",
    name: _Name = "meter",
    fault: _Fault = None,
    stop_on_eof: _StopOnEof = False,
) -> None:
    """Replay a recorded dump octet by octet, one recorded file an interval, then its last good file again and again."""
    try:
        meter = ReplayMeter(dump.read_bytes(), played=played)
    except OSError as problem:
        raise _refused(ConfigError("simulation.dump", str(problem))) from problem
    except SmgwError as problem:
        raise _refused(problem) from problem
    _run(meter, dump.name, link, seed, interval, clock, name, fault, stop_on_eof=stop_on_eof)


def _refused(fault: SmgwError) -> typer.Exit:
    typer.echo(f"{fault.title}: {fault.detail}\n{fault.hint} [{fault.code}]", err=True)
    return typer.Exit(fault.exit_code)


def _run(
    meter: Meter, meter_name: str, place: str, seed: int, interval_s: float, clock_spec: str, name: str, fault: list[str] | None,
    *, stop_on_eof: bool,
) -> None:  # fmt: skip
    async def role(clock: ClockPort, ready: Ready, stop: asyncio.Event) -> dict[str, object]:
        line = await open_line(place)
        port = MeterPort(meter, line, clock, name, timedelta(seconds=interval_s), Faults(fault or (), seed))
        sending = asyncio.create_task(port.run())
        ready({"meter": meter_name, "link": place})
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait((sending, stopping), return_when=asyncio.FIRST_COMPLETED)
            if sending.done():
                sending.result()
        finally:
            stopping.cancel()
            sending.cancel()
            with suppress(asyncio.CancelledError):
                await sending
            line.close()
        return {"telegrams": port.telegrams, "octets": port.octets}

    raise typer.Exit(run_role(role, clock_spec, stop_on_eof=stop_on_eof))

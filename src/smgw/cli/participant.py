"""`smgw participant`: run a market participant, register gateways, look at what arrived."""

import asyncio
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Column, Table

from smgw.cli import participant_order
from smgw.cli.service import Ready, allow_many_connections, run_role
from smgw.core.errors import ConfigError, SmgwError
from smgw.core.instant import BERLIN
from smgw.core.obis import Obis
from smgw.core.quantity import unit_symbol
from smgw.net.clock import ClockPort, SystemClock
from smgw.participant.config import ParticipantFolder
from smgw.participant.database import connect, connect_read_only
from smgw.participant.load import day_load_csv
from smgw.participant.records import Records, day_csv
from smgw.participant.registry import DEFAULT_PERIOD_S, Registry
from smgw.participant.service import run_participant
from smgw.participant.store import ParticipantStore

app = typer.Typer(help="Run a market participant and look at what it received.", no_args_is_help=True)
app.add_typer(participant_order.app, name="order")

DAYS_LISTED = 31

DataFolder = Annotated[Path, typer.Option("--data", help="The participant's folder.", metavar="DIR")]


@app.command()
def run(
    data: DataFolder,
    clock: Annotated[str, typer.Option(help="`system`, or `paced:PATH` for simulated time.")] = "system",
    stop_on_eof: Annotated[bool, typer.Option(help="Stop when standard input ends.")] = False,
) -> None:
    """Run the participant of a folder until it is stopped."""
    allow_many_connections()

    async def role(port: ClockPort, ready: Ready, stop: asyncio.Event) -> dict[str, object]:
        return await run_participant(ParticipantFolder(data), port, ready, stop)

    raise typer.Exit(run_role(role, clock, stop_on_eof=stop_on_eof))


@app.command()
def register(
    data: DataFolder,
    gateway: Annotated[str, typer.Option(help="Device id, for example ESGW0000000001.")],
    meter: Annotated[list[str] | None, typer.Option(help="Meter id as the gateway shows it. May be repeated.")] = None,
    contract: Annotated[list[str] | None, typer.Option(help="Contract, for example taf7-1.sm. May be repeated.")] = None,
    period: Annotated[int, typer.Option(help="Register period of the meters in seconds.", min=1)] = DEFAULT_PERIOD_S,
) -> None:
    """Let a gateway deliver values of meters under contracts, also while the participant runs.

    Example: smgw participant register --data emt --gateway ESGW0000000001 --meter 1SGW0010000001 --contract taf7-1.sm
    """
    with _faults_shown():
        folder = ParticipantFolder(data)
        folder.load()
        with closing(connect(folder.store)) as connection:
            Registry(connection).register(gateway, meter or (), contract or (), period_s=period)


@app.command("list")
def list_meters(data: DataFolder, as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False) -> None:
    """List meters and registers with their last values and the number of complete days among the last 31."""
    with _faults_shown(), _records(data) as records:
        rows = [row for meter in records.meters() for row in _register_rows(records, meter.meter_id)]
    if as_json:
        sys.stdout.write(msgspec.json.encode(rows).decode() + "\n")
        return
    names = (Column(name, no_wrap=True) for name in ("Meter", "Register", "Last value"))
    table = Table(*names, "For", f"Complete of {DAYS_LISTED} days")
    for row in rows:
        table.add_row(*(str(row[name]) for name in ("meter_id", "obis", "value", "target_time", "complete_days")))
    Console().print(table)


@app.command()
def export(
    data: DataFolder,
    meter: Annotated[str, typer.Option(help="Meter id.")],
    day: Annotated[datetime, typer.Option(help="Local day, for example 2026-11-21.", formats=["%Y-%m-%d"])],
    obis: Annotated[str, typer.Option(help="Register, for example 1-0:1.8.0*255; all registers without it.")] = "",
) -> None:
    """Print a day's values as CSV, both boundaries included.

    Example: smgw participant export --data emt --meter 1SGW0010000001 --day 2026-11-21 > day.csv
    """
    with _faults_shown(), _records(data) as records:
        found = records.meter(meter)
        if found is None:
            raise ConfigError("participant.no_meter", meter)
        codes = [Obis.parse(obis)] if obis else [register.span.obis for register in found.registers]
        sys.stdout.write(day_csv(records.store, meter, codes, day.date()))


@app.command("load-profile")
def load_profile(
    data: DataFolder,
    meter: Annotated[str, typer.Option(help="Meter id.")],
    day: Annotated[datetime, typer.Option(help="Local day, for example 2026-11-21.", formats=["%Y-%m-%d"])],
    obis: Annotated[str, typer.Option(help="Register of energy or volume.")] = "1-0:1.8.0*255",
    factor: Annotated[int, typer.Option(help="Factor of current and voltage transformers.", min=1, max=1_000_000)] = 1,
) -> None:
    """Print a day's load profile as CSV: energy and average power of each register period, with the transformer factor applied.

    Example: smgw participant load-profile --data emt --meter 1SGW0010000001 --day 2026-11-21 --factor 40 > load.csv
    """
    with _faults_shown(), _records(data) as records:
        found = records.meter(meter)
        if found is None:
            raise ConfigError("participant.no_meter", meter)
        sys.stdout.write(day_load_csv(records.store, found, Obis.parse(obis), day.date(), factor))


@contextmanager
def _records(data: Path) -> Iterator[Records]:
    folder = ParticipantFolder(data)
    config = folder.load()
    with closing(connect_read_only(folder.store)) as connection:
        yield Records(config.name, ParticipantStore(connection), Registry(connection), SystemClock())


def _register_rows(records: Records, meter_id: str) -> Iterator[dict[str, object]]:
    meter = records.meter(meter_id)
    for span, last in meter.registers if meter else ():
        value = last.value if last else None
        amount = value.quantity if value else None
        whole = [status for status in records.recent_days(span, DAYS_LISTED) if status.complete]
        yield {
            "meter_id": meter_id,
            "obis": str(span.obis),
            "value": f"{amount.decimal():f} {unit_symbol(amount.unit)}" if amount else "",
            "target_time": value.target_time.astimezone(BERLIN).isoformat() if value else "",
            "first_day": span.first_day.isoformat(),
            "last_day": span.last_day.isoformat(),
            "complete_days": len(whole),
        }


@contextmanager
def _faults_shown() -> Iterator[None]:
    try:
        yield
    except SmgwError as fault:
        typer.echo(f"{fault.title}: {fault.detail}\n{fault.hint} [{fault.code}]", err=True)
        raise typer.Exit(fault.exit_code) from fault

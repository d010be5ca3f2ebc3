"""`smgw tariff`: explain the tariff use cases, and evaluate any of them on readings of one's own."""

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from smgw.codec import trudi_xml
from smgw.codec.readings_csv import MAX_BYTES, read_readings, write_readings
from smgw.core.errors import ConfigError, DomainFault, SmgwError
from smgw.core.instant import BERLIN, local_midnight
from smgw.core.obis import Obis
from smgw.core.quantity import Unit
from smgw.core.reading import Reading, SignedReading
from smgw.core.status_word import GATEWAY_OK, METER_IDENTIFICATION
from smgw.simulation.household import REGISTER_SCALER, Household
from smgw.tariff.catalogue import CATALOGUE, ProfileField, UseCase, profile_fields, use_case
from smgw.tariff.common import boundaries
from smgw.tariff.outcome import Outcome, amount_text, local_text
from smgw.tariff.profile_file import MAX_OCTETS, read_profile
from smgw.tariff.run import run as evaluate
from smgw.transparency.stored_readings import stored_readings

app = typer.Typer(help="Evaluate a tariff use case on readings of your own.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_SHOWN_BOOKINGS = 50
_FILE_WIDTH = 160
_UNITS = {"1-0:1.8.0*255": Unit.WATT_HOUR, "1-0:2.8.0*255": Unit.WATT_HOUR, "1-0:16.7.0*255": Unit.WATT}


@contextmanager
def _faults_shown(as_json: bool) -> Iterator[None]:
    try:
        yield
    except SmgwError as fault:
        if as_json:
            _print_json({"error": fault.code, "detail": fault.detail})
        console = Console(stderr=True)
        for line in (f"{fault.title}: {fault.detail}", f"{fault.hint} [{fault.code}]"):
            console.print(_text(line), soft_wrap=True)
        raise typer.Exit(fault.exit_code) from fault


def _text(content: str) -> Text:
    """Keep what a file says from steering the terminal."""
    return Text("".join(character if character.isprintable() else "\ufffd" for character in content))


def _console() -> Console:
    """Give a console; what goes to a file or a pipe has room for a whole booking."""
    return Console(width=None if sys.stdout.isatty() else _FILE_WIDTH)


def _print_json(content: object) -> None:
    sys.stdout.write(msgspec.json.encode(content).decode() + "\n")


def _read(path: Path, limit: int) -> bytes:
    """Read a file, one octet more than allowed at most; `-` is standard input. Raises: ConfigError readings.file."""
    try:
        if str(path) == "-":
            return sys.stdin.buffer.read(limit + 1)
        with path.open("rb") as file:
            return file.read(limit + 1)
    except OSError as problem:
        raise ConfigError("readings.file", f"{path}: {problem.strerror}") from problem


def _readings(path: Path) -> list[SignedReading]:
    data = _read(path, max(MAX_BYTES, trudi_xml.MAX_BYTES))
    # In front of the first bracket may stand white space and the marks of UTF-8 and UTF-16.
    is_xml = data[:1_000].lstrip(b"\xef\xbb\xbf\xff\xfe\0 \t\r\n").startswith(b"<")
    return stored_readings(trudi_xml.read_device_file(data)) if is_xml else read_readings(data)


@app.command("list")
def list_command(as_json: AsJson = False) -> None:
    """List the fourteen use cases."""
    if as_json:
        _print_json([_described(case) for case in CATALOGUE.values()])
        return
    table = Table("TAF", "name", "German name", "stored", box=SIMPLE_HEAD)
    for case in CATALOGUE.values():
        table.add_row(str(case.number), case.en, case.de, "yes" if case.stored else "no")
    _console().print(table)


def _described(case: UseCase) -> dict[str, object]:
    return {name: value for name, value in case._asdict().items() if name != "evaluate"}


@app.command("show")
def show_command(number: Annotated[int, typer.Argument(help="1 to 14.", metavar="NUMBER")], as_json: AsJson = False) -> None:
    """Explain one use case and what its profile file takes."""
    with _faults_shown(as_json):
        case, fields = use_case(number), profile_fields(number)
    if as_json:
        _print_json({**_described(case), "profile": [field._asdict() for field in fields]})
        return
    console = _console()
    console.print(Text(f"TAF {case.number}: {case.en} (German: {case.de})"))
    explained = Table(show_header=False, box=None)
    for name, value in _described(case).items():
        if name not in ("number", "en", "de"):
            shown = ("yes" if value else "no") if isinstance(value, bool) else str(value)
            explained.add_row(name.replace("_", " "), Text(shown))
    console.print(explained)
    console.print(_field_table(fields))


def _field_table(fields: Iterable[ProfileField]) -> Table:
    table = Table("field", "takes", "default", title="Profile file (TOML)", title_justify="left", box=SIMPLE_HEAD)
    table.add_row("tariff_use_case", "the number", "needed")
    for field in fields:
        table.add_row(field.name, Text(field.kind), "needed" if field.default is None else field.default)
    return table


@app.command("run")
def run_command(
    profile: Annotated[Path, typer.Argument(help="Tariff profile (TOML), see `smgw tariff show NUMBER`.", metavar="PROFILE.toml")],
    readings: Annotated[
        Path,
        typer.Argument(help="Table of readings (CSV) or a gateway's read-out (AR 2418-6 XML); - is standard input.", metavar="READINGS"),
    ],
    as_json: AsJson = False,
    limit: Annotated[
        int | None, typer.Option(min=0, help=f"Give at most so many bookings; 0 means all. Left out: {_SHOWN_BOOKINGS}, with --json all.")
    ] = None,
) -> None:
    """Evaluate a tariff use case on readings, and explain each booking.

    The table has the columns meter_id,obis,target_time,value,scaler,unit,status, in any order, separated by comma, semicolon or tab; the
    status is 16 hex digits and may be left out.

    Example: smgw tariff run examples/tariffs/taf02-day-and-night.toml readings.csv
    """
    with _faults_shown(as_json):
        outcome = evaluate(read_profile(_read(profile, MAX_OCTETS)), _readings(readings))
    shown = (0 if as_json else _SHOWN_BOOKINGS) if limit is None else limit
    if as_json:
        _print_json(_as_json(outcome, shown))
    else:
        _print_outcome(outcome, shown, _console())


def _as_json(outcome: Outcome, shown: int) -> dict[str, object]:
    return {
        "tariff_use_case": outcome.taf,
        "period": {"start": outcome.start.astimezone(BERLIN).isoformat(), "end": outcome.end.astimezone(BERLIN).isoformat()},
        "meter_id": outcome.meter_id,
        "registers": [
            {
                "obis": str(value.obis),
                "tariff": value.obis.e,
                "value": value.raw,
                "scaler": value.scaler,
                "unit": value.unit,
                "start": value.period_start.astimezone(BERLIN).isoformat(),
                "end": value.period_end.astimezone(BERLIN).isoformat(),
            }
            for value in outcome.registers
        ],
        "bookings": [
            {
                "start": booking.start.astimezone(BERLIN).isoformat(),
                "end": booking.end.astimezone(BERLIN).isoformat(),
                "obis": str(booking.obis),
                "value": booking.raw,
                "scaler": booking.scaler,
                "unit": booking.unit,
                "stage": booking.stage,
                "why": booking.why,
            }
            for booking in outcome.bookings[: shown or None]
        ],
        "bookings_total": len(outcome.bookings),
        "findings": [{"name": finding.name, "obis": str(finding.obis), "text": finding.text} for finding in outcome.findings],
    }


def _print_outcome(outcome: Outcome, shown: int, console: Console) -> None:
    case = use_case(outcome.taf)
    head = (
        f"TAF {case.number}, {case.en}: meter {outcome.meter_id}, {local_text(outcome.start)} to {local_text(outcome.end)} (Europe/Berlin)"
    )
    console.print(Text(head), soft_wrap=True)
    table = _table("Bookings", ("from", "to", "register", "amount", "stage", "why"))
    for booking in outcome.bookings[: shown or None]:
        stage = "" if booking.stage is None else str(booking.stage)
        amount = amount_text(booking.raw, booking.scaler, booking.unit)
        table.add_row(local_text(booking.start), local_text(booking.end), str(booking.obis), amount, stage, _text(booking.why))
    console.print(table)
    if shown and len(outcome.bookings) > shown:
        console.print(f"{len(outcome.bookings) - shown} bookings more; --limit 0 shows all.", highlight=False)
    if outcome.registers:
        table = _table("Registers", ("from", "to", "register", "amount"))
        for value in outcome.registers:
            amount = amount_text(value.raw, value.scaler, value.unit)
            table.add_row(local_text(value.period_start), local_text(value.period_end), str(value.obis), amount)
        console.print(table)
    for finding in outcome.findings:
        console.print(Text(f"{finding.obis}: {finding.text} [{finding.name}]"), soft_wrap=True)


def _table(title: str, columns: Iterable[str]) -> Table:
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD)
    for name in columns:
        table.add_column(name, justify="right" if name in ("amount", "stage") else "left", no_wrap=name != "why")
    return table


@app.command("example")
def example_command(
    year: Annotated[int, typer.Option(min=2026, max=2100, help="Local calendar year.")] = 2026,
    household: Annotated[str, typer.Option(help="flat, household, heat-pump, solar or prosumer.")] = "household",
    seed: Annotated[int, typer.Option(help="The same seed gives the same readings.")] = 1,
    meter_id: Annotated[str, typer.Option(help="Id of the meter.")] = "1SGW0010000001",
    period: Annotated[int, typer.Option(min=60, help="Register period in seconds, a divisor of a day.")] = 900,
    days: Annotated[int | None, typer.Option(min=1, help="Only so many days from 1 January on.")] = None,
    register: Annotated[
        list[str] | None, typer.Option(help=f"Any of {', '.join(_UNITS)}; may be repeated. Left out: the first.", metavar="OBIS")
    ] = None,
) -> None:
    """Write a year of readings of a simulated household as a table.

    Example: smgw tariff example --year 2026 > readings.csv
    """
    with _faults_shown(as_json=False):
        codes = register or list(_UNITS)[:1]
        for text in codes:
            if text not in _UNITS:
                raise ConfigError("value.obis", text)
        if 86_400 % period:
            raise DomainFault("tariff.raster", f"{period} s")
        first, last = date(year, 1, 1), date(year + 1, 1, 1)
        last = last if days is None else min(last, first + timedelta(days=days))
        sys.stdout.writelines(write_readings(_example(Household(household, seed), meter_id, first, last, period, codes)))


def _example(household: Household, meter_id: str, first: date, last: date, period_s: int, codes: list[str]) -> Iterator[Reading]:
    start, end = local_midnight(first), local_midnight(last)
    registers = [(Obis.parse(text), REGISTER_SCALER if _UNITS[text] == Unit.WATT_HOUR else 0, _UNITS[text]) for text in codes]
    for moment in boundaries(start - timedelta(seconds=1), end, period_s):
        values = household.registers_at(moment)
        for obis, scaler, unit in registers:
            yield Reading(meter_id, obis, values[obis], scaler, unit, moment, moment, GATEWAY_OK, METER_IDENTIFICATION)

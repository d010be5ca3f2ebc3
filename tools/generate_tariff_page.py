"""Write the page of the tariff use cases: what each takes and gives, and an example evaluated on the readings that its first line names."""

import shlex
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from typer.testing import CliRunner

if TYPE_CHECKING:
    from smgw.tariff.catalogue import ProfileField

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = ROOT / "examples" / "tariffs"
_READINGS = "# Readings for it: smgw "
_SHOWN = 5

_INTRODUCTION = """# Tariff use cases

A tariff use case (German: Tarifanwendungsfall, TAF) says what the gateway makes of readings. Each is a pure function of profile and readings
in a file of its own below `src/smgw/tariff/`; TAF 2 to 5 also go on reading by reading with a state that is a value, and give bit for bit
what a recomputation of the whole series gives.

Common rules:

- Energy is the exact difference of two readings, in the integer, scaler and unit of the meter. The stages and the error register 63 add up to
  the total, always.
- A reading is usable when it has a value and neither its gateway nor its meter word marks it as unfit for a bill (PTB status below 3); a
  reading taken while the clock was not valid is not usable.
- Register periods are aligned to the full hour UTC. Days, months and switching times are those of Europe/Berlin, with days of 23 and 25 hours.
- What is missing is marked and never filled; what is doubled or out of order is reported.

Try one on readings of your own, in a table with the columns `meter_id,obis,target_time,value,scaler,unit,status` (in any order,
separated by comma, semicolon or tab) or in an AR 2418-6 read-out:

```text
smgw tariff run PROFILE.toml READINGS.csv
```

`smgw tariff list` names the use cases, `smgw tariff show NUMBER` explains one, `smgw tariff example` writes a year of readings of a simulated
household. Every profile file takes these fields, and further ones by use case:
"""


def tariff_page() -> str:
    """Give the whole page, without the line that marks it as generated."""
    from smgw.tariff.catalogue import CATALOGUE

    rows = [f"| [{case.number}](#taf-{case.number}) | {case.en} | {case.de} | {_yes(case.stored)} |" for case in CATALOGUE.values()]
    overview = "| TAF | name | German name | stored |\n| --- | --- | --- | --- |\n" + "\n".join(rows) + "\n"
    return "\n".join([_INTRODUCTION, _field_table(_common_fields()), overview, *(_section(number) for number in CATALOGUE)])


def _common_fields() -> list[tuple[str, str, str]]:
    """List the fields that every profile file takes, the number of the use case first."""
    import msgspec

    from smgw.tariff.catalogue import profile_fields
    from smgw.tariff.profile_file import TariffProfile

    names = {field.name for field in msgspec.structs.fields(TariffProfile)}
    fields = [_row(field) for field in profile_fields(1) if field.name in names]
    return [("tariff_use_case", "1 to 14", "needed"), *fields]


def _own_fields(number: int) -> list[tuple[str, str, str]]:
    from smgw.tariff.catalogue import profile_fields

    common = {name for name, *_ in _common_fields()}
    return [_row(field) for field in profile_fields(number) if field.name not in common]


def _row(field: "ProfileField") -> tuple[str, str, str]:
    return field.name, field.kind, "needed" if field.default is None else field.default


def _field_table(rows: list[tuple[str, str, str]]) -> str:
    lines = [f"| `{name}` | {kind} | {default} |" for name, kind, default in rows]
    return "| field | takes | default |\n| --- | --- | --- |\n" + "\n".join(lines) + "\n"


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _section(number: int) -> str:
    from smgw.tariff.catalogue import use_case

    case = use_case(number)
    rows = [
        ("inputs", case.inputs),
        ("registers", case.registers),
        ("period", case.period),
        ("triggers", case.triggers),
        ("error register", case.error_register),
        ("retention", case.retention),
    ]
    table = "\n".join(f"| {name} | {text} |" for name, text in rows)
    own = _own_fields(number)
    fields = f"Fields of its own:\n\n{_field_table(own)}" if own else "Its profile file has no further fields.\n"
    (example,) = EXAMPLES.glob(f"taf{number:02}-*.toml")
    return (
        f'<a id="taf-{number}"></a>\n\n## TAF {number}: {case.en}\n\nGerman: {case.de}.\n\n'
        f"| | |\n| --- | --- |\n{table}\n\n{fields}\n"
        f"Example `{example.relative_to(ROOT)}`:\n\n```toml\n{example.read_text().rstrip()}\n```\n\n{_result(example)}"
    )


def _result(example: Path) -> str:
    """Evaluate an example and show its registers and first bookings."""
    from smgw.codec.readings_csv import read_readings
    from smgw.tariff.outcome import amount_text, local_text
    from smgw.tariff.profile_file import read_profile
    from smgw.tariff.run import run

    profile = read_profile(example.read_bytes())
    outcome = run(profile, read_readings(_readings(_command(example))))
    bookings = [
        f"| {local_text(booking.start)} | {local_text(booking.end)} | {amount_text(booking.raw, booking.scaler, booking.unit)}"
        f" | {'' if booking.stage is None else booking.stage} | {booking.why} |"
        for booking in outcome.bookings[:_SHOWN]
    ]
    more = len(outcome.bookings) - len(bookings)
    shown = "It books:\n\n| from | to | amount | stage | why |\n| --- | --- | ---: | ---: | --- |\n" + "\n".join(bookings) + "\n"
    shown += f"\n… and {more} more.\n" if more else ""
    registers = [
        f"| {value.obis} | {amount_text(value.raw, value.scaler, value.unit)} | {local_text(value.period_start)} |"
        f" {local_text(value.period_end)} |"
        for value in outcome.registers[:_SHOWN]
    ]
    if registers:
        more = len(outcome.registers) - len(registers)
        shown += "\nIts registers:\n\n| register | amount | from | to |\n| --- | ---: | --- | --- |\n" + "\n".join(registers) + "\n"
        shown += f"\n… and {more} more.\n" if more else ""
    return shown


def _command(example: Path) -> str:
    """Give the command in an example's comment that makes its readings."""
    (line,) = (line for line in example.read_text().splitlines() if line.startswith(_READINGS))
    return line.removeprefix(_READINGS).partition(" > ")[0]


@cache
def _readings(command: str) -> bytes:
    from smgw.cli import app

    result = CliRunner().invoke(app, shlex.split(command), prog_name="smgw")
    if result.exit_code:
        raise ValueError(f"{command}: {result.output}")
    return result.stdout.encode()


if __name__ == "__main__":
    print(tariff_page(), end="")

"""Show the result of a check: as JSON for programs, as a table on the terminal, and as an HTML page to read and print.

The page holds German and English, needs no network and runs no script; the same input gives the same page.
Source: CON-06.
"""

from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from functools import cache
from typing import Final, NamedTuple

import jinja2
import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from smgw.core.errors import SmgwError
from smgw.core.obis import ERROR_REGISTER_TARIFF, Obis
from smgw.transparency.findings import local_text, offset_text
from smgw.transparency.recompute import DayAmount, Register, Verification

_UNITS: Final[dict[int, tuple[str, int]]] = {
    72: ("kWh", -3),
    71: ("kVAh", -3),
    73: ("kvarh", -3),
    31: ("J", 0),
    42: ("m³", 0),
    38: ("W", 0),
    61: ("VA", 0),
    63: ("var", 0),
}
"""ESPI unit code -> symbol shown, and the power of ten between both."""
_LANGUAGES: Final = ("de", "en")


def as_json(verification: Verification) -> bytes:
    """Give one JSON object: use case, period, registers in the raw unit of the read-out, findings."""
    return msgspec.json.encode(
        {
            "tariff_use_case": verification.use_case,
            "period": {"start": offset_text(verification.start), "end": offset_text(verification.end)},
            "registers": [
                {"obis": str(register.obis), "tariff": register.tariff, "value": register.value} for register in verification.registers
            ],
            "findings": [finding.as_json() for finding in verification.findings],
        }
    )


def error_json(error: SmgwError) -> bytes:
    """Give one JSON object that names why the input was refused."""
    return msgspec.json.encode({"error": error.code, "detail": error.detail})


def amount_text(value: int, scaler: int, uom: int, language: str) -> str:
    """Write an amount exactly, in the unit that bills use, with the separators of the language."""
    symbol, shift = _UNITS.get(uom, ("", 0))
    text = f"{Decimal(value).scaleb(scaler + shift):,f}"
    if language == "de":
        text = text.translate(str.maketrans(",.", ".,"))
    return f"{text} {symbol}".strip()


def print_table(verification: Verification, console: Console) -> None:
    """Print the result for the eye."""
    span = f"{local_text(verification.start, 'en')} to {local_text(verification.end, 'en')}"
    name = _printable(verification.tariff_name)
    console.print(f"TAF {verification.use_case}, tariff {name}, {span} (Europe/Berlin)", markup=False, highlight=False)
    table = Table()
    for title in ("register", "tariff", "name"):
        table.add_column(title)
    table.add_column("raw value", justify="right")
    table.add_column("amount", justify="right")
    for register in verification.registers:
        amount = amount_text(register.value, register.scaler, register.uom, "en") if register.uom else ""
        cells = (str(register.obis), str(register.tariff), _printable(_name(register, "en")), str(register.value), amount)
        table.add_row(*(Text(cell) for cell in cells))
    console.print(table)
    counts = verification.signatures
    console.print(f"Signatures: {counts.verified} verified of {sum(counts)} readings, {counts.unsigned} unsigned", highlight=False)
    for finding in verification.findings:
        console.print(f"  {finding.code}  {finding.register}  {finding.text('en')}", markup=False, highlight=False, soft_wrap=True)
    if not verification.findings:
        console.print("  no findings", highlight=False)


def print_error(error: SmgwError, console: Console) -> None:
    """Print why the input was refused."""
    lines = (f"refused: {error.title} ({error.code})", f"  {error.detail}" if error.detail else "", f"  {error.hint}")
    for line in filter(None, lines):
        console.print(_printable(line), markup=False, highlight=False, soft_wrap=True)


def _printable(text: str) -> str:
    """Keep what a file says from steering the terminal."""
    return "".join(character if character.isprintable() else "\ufffd" for character in text)


def _name(register: Register, language: str) -> str:
    if register.description:
        return register.description
    if register.tariff == ERROR_REGISTER_TARIFF:
        return "Fehlerregister" if language == "de" else "error register"
    return f"Tarif {register.tariff}" if language == "de" else f"tariff {register.tariff}"


class Bar(NamedTuple):
    """Hold one part of a day's bar: position and height in the chart's own units, tariff and text."""

    x: float
    y: float
    height: float
    tariff: int
    label: str


class Chart(NamedTuple):
    """Hold the days of one list as stacked bars."""

    obis: Obis
    width: float
    bar_width: float
    height: float
    bars: tuple[Bar, ...]
    tariffs: tuple[int, ...]
    first: date
    last: date
    highest: int


def chart_of(obis: Obis, days: Iterable[DayAmount]) -> Chart | None:
    """Lay out a list's days as stacked bars, or None without days. Falls of a register are not drawn."""
    by_day: dict[date, list[DayAmount]] = {}
    for amount in days:
        if amount.obis == obis and amount.value > 0:
            by_day.setdefault(amount.day, []).append(amount)
    if not by_day:
        return None
    first, last = min(by_day), max(by_day)
    highest = max(sum(amount.value for amount in amounts) for amounts in by_day.values())
    count = (last - first).days + 1
    pitch, height = 720 / count, 160.0
    bars = []
    for day, amounts in sorted(by_day.items()):
        y = height
        for amount in sorted(amounts, key=lambda amount: amount.tariff):
            part = height * amount.value / highest
            y -= part
            bars.append(Bar(round((day - first).days * pitch, 2), round(y, 2), round(part, 2), amount.tariff, f"{day}: {amount.value}"))
    tariffs = tuple(sorted({bar.tariff for bar in bars}))
    return Chart(obis, 720, round(min(pitch * 0.8, 40), 2), height, tuple(bars), tariffs, first, last, highest)


@cache
def _template() -> jinja2.Template:
    loader = jinja2.PackageLoader("smgw.transparency")
    environment = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.get_template("report.html")


def render_html(verification: Verification, digests: dict[str, str]) -> str:
    """Give the page; `digests` names the checked files with their SHA-256 in hex."""
    by_list = [(held, chart_of(held.obis, verification.days)) for held in verification.lists]
    table: dict[tuple[date, Obis], dict[int, int]] = {}
    for amount in verification.days:
        row = table.setdefault((amount.day, amount.obis), {})
        row[amount.tariff] = row.get(amount.tariff, 0) + amount.value
    return _template().render(
        result=verification,
        lists=by_list,
        days=sorted(table.items()),
        tariffs=sorted({amount.tariff for amount in verification.days}),
        digests=digests,
        languages=_LANGUAGES,
        amount=amount_text,
        name=_name,
        local=local_text,
    )

"""What a benchmark gives, and how it is printed."""

import json
from typing import NamedTuple

from rich.console import Console
from rich.table import Table


class BenchResult(NamedTuple):
    """Hold measured rates (their unit ends their name), ratios to a peer or limit, and what to know when reading them."""

    name: str
    rates: dict[str, float]
    ratios: dict[str, float]
    notes: list[str]


def as_json(result: BenchResult) -> str:
    """Write one line of JSON."""
    rates = {name: round(value, 3) for name, value in result.rates.items()}
    ratios = {name: round(value, 3) for name, value in result.ratios.items()}
    return json.dumps({"bench": result.name, "rates": rates, "ratios": ratios})


def print_table(result: BenchResult, console: Console) -> None:
    """Print rates, ratios and notes for the eye."""
    table = Table(title=result.name, title_justify="left")
    table.add_column("measured")
    table.add_column("value", justify="right")
    for name, value in result.rates.items():
        table.add_row(name, f"{value:,.0f}" if abs(value) >= 100 else f"{value:,.2f}")
    table.add_section()
    for name, value in result.ratios.items():
        table.add_row(name, f"{value:,.3f}" if abs(value) < 1 else f"{value:,.2f}")
    console.print(table)
    for note in result.notes:
        console.print(f"  {note}", style="dim", markup=False, highlight=False)

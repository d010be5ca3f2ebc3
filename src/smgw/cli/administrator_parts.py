"""What the commands of `smgw administrator` share: options, faults, tables."""

import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.table import Column, Table

from smgw.administrator.approvals import Proposal
from smgw.administrator.books import Books, open_books
from smgw.administrator.client import Client
from smgw.administrator.config import AdministratorFolder
from smgw.administrator.orders import Hand, submit
from smgw.administrator.users import LOCAL
from smgw.core.errors import SmgwError

DataFolder = Annotated[Path, typer.Option("--data", help="The administrator's folder.", metavar="DIR")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Url = Annotated[str, typer.Option("--url", help="Address of the administrator; else that of the folder's configuration.", metavar="URL")]
TokenFile = Annotated[
    Path | None, typer.Option("--token", help="File with a user's token; else the folder's token is shown.", metavar="FILE")
]

_FRACTION = re.compile(r"(?<=:\d\d)\.\d+Z\Z")
"""Of a second, at the end of a time: people get whole ones."""


@contextmanager
def faults_shown(as_json: bool = False) -> Iterator[None]:
    """End with the code, the title and the hint of a fault."""
    try:
        yield
    except SmgwError as fault:
        if as_json:
            print_json({"ok": False, "code": fault.code, "detail": fault.detail})
        typer.echo(f"{fault.title}: {fault.detail}\n{fault.hint} [{fault.code}]", err=True)
        raise typer.Exit(fault.exit_code) from fault


@contextmanager
def asking(data: Path, url: str, token: Path | None, as_json: bool) -> Iterator[Client]:
    """Give a client of the running administrator."""
    with faults_shown(as_json):
        yield Client(AdministratorFolder(data), url, token)


@contextmanager
def local_books(data: Path, as_json: bool = False) -> Iterator[Books]:
    """Open the books of a folder at this machine, also while the administrator runs."""
    with faults_shown(as_json):
        folder = AdministratorFolder(data)
        folder.load()
        books = open_books(folder.inventory)
        try:
            yield books
        finally:
            books.close()


def hand_at(books: Books) -> Hand:
    """Give what a deed is done with by whoever sits at the machine."""
    return Hand(books, LOCAL, datetime.now(UTC), os.urandom)


def done_locally(
    books: Books, data: Path, deed: str, summary: str, order: Any, shown: Callable[[Any], dict[str, object]]
) -> dict[str, object]:
    """Do a deed at the machine, or propose it where the configuration wants a second person; `shown` tells what came of the deed."""
    done = submit(hand_at(books), AdministratorFolder(data).load().four_eyes, deed, summary, order)
    if isinstance(done, Proposal):
        return {"gateway": done.device_id, "proposal": done.id, "state": done.state}
    return shown(done)


def print_json(value: object) -> None:
    """Print one value as JSON."""
    sys.stdout.write(msgspec.json.encode(value).decode() + "\n")


def say(text: str) -> None:
    """Print one line for a person."""
    Console(soft_wrap=True, highlight=False, markup=False).print(text)


def show_table(rows: Sequence[Any], columns: dict[str, str], as_json: bool) -> None:
    """Print rows as JSON or as a table; `columns` gives the heading of each field."""
    if as_json:
        print_json(rows)
        return
    table = Table(*(Column(heading, overflow="fold", no_wrap=number == 0) for number, heading in enumerate(columns.values())))
    for row in rows:
        table.add_row(*(_cell(row[name]) for name in columns))
    Console(markup=False).print(table)


def show_facts(facts: dict[str, Any], as_json: bool) -> None:
    """Print names and values as JSON or line by line."""
    if as_json:
        print_json(facts)
        return
    for name, value in facts.items():
        say(f"{name}: {_cell(value)}")


def _cell(value: Any) -> str:
    if isinstance(value, str | int) and not isinstance(value, bool):
        return _FRACTION.sub("Z", str(value))
    return "yes" if value is True else "no" if value is False else "–" if value is None else msgspec.json.encode(value).decode()

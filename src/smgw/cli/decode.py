"""`smgw decode`: explain recorded octets."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from smgw.cli import decode_cms, decode_sml, decode_status, decode_wakeup
from smgw.cli.language import Language
from smgw.core.errors import ConfigError
from smgw.core.status_flags import Layout

app = typer.Typer(help="Explain recorded octets.", no_args_is_help=True)

_Source = Annotated[str, typer.Argument(help="A file, or - for standard input.")]
_Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
LIMIT = 64 << 20
"""Octets that are read at most."""


def read(source: str) -> bytes:
    """Read a file or standard input, at most 64 MiB; a file that can't be read ends the program with code 3."""
    if source == "-":
        return sys.stdin.buffer.read(LIMIT)
    try:
        with Path(source).open("rb") as file:
            return file.read(LIMIT)
    except OSError as problem:
        fault = ConfigError("decode.file", f"{source}: {problem.strerror}")
        typer.echo(f"{fault.title}: {fault.detail}\n{fault.hint} [{fault.code}]", err=True)
        raise typer.Exit(fault.exit_code) from problem


@app.command()
def sml(source: _Source, as_json: _Json = False) -> None:
    """Explain SML files of an optical head; exit code 0 when any file was good, 4 otherwise."""
    raise typer.Exit(decode_sml.run(read(source), as_json=as_json, out=sys.stdout))


@app.command()
def cms(source: _Source, as_json: _Json = False) -> None:
    """Explain a CMS message (DER, PEM or hex)."""
    raise typer.Exit(decode_cms.run_cms(read(source), as_json=as_json, out=sys.stdout))


@app.command()
def cert(source: _Source, as_json: _Json = False) -> None:
    """Explain a certificate (DER, PEM or hex)."""
    raise typer.Exit(decode_cms.run_certificate(read(source), as_json=as_json, out=sys.stdout))


@app.command()
def wakeup(source: _Source, as_json: _Json = False) -> None:
    """Explain a wake-up packet (octets or hex)."""
    raise typer.Exit(decode_wakeup.run(read(source), as_json=as_json, out=sys.stdout))


@app.command()
def status(
    word: Annotated[str, typer.Argument(help="16 hex digits, 8 for one word alone, or a decimal number.", metavar="WORD")],
    layout: Annotated[Layout, typer.Option(help="Layout of the gateway's word; its bits don't tell.")] = Layout.V2,
    language: Annotated[Language, typer.Option("--lang", help="Language of the flags.")] = Language.EN,
    as_json: _Json = False,
) -> None:
    """Explain a status word; the order of its bits is found out."""
    raise typer.Exit(decode_status.run(word, layout=layout, language=language, as_json=as_json, out=sys.stdout))

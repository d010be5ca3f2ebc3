"""`smgw verify`: recompute a bill from a supplier's tariff file and a gateway's read-out."""

import hashlib
import sys
from pathlib import Path
from typing import Annotated, TextIO

import typer
from rich.console import Console

from smgw.codec.trudi_xml import MAX_BYTES, read_device_file, read_supplier_file
from smgw.core.errors import ConfigError, SmgwError
from smgw.transparency.recompute import verify
from smgw.transparency.report import as_json as result_json
from smgw.transparency.report import error_json, print_error, print_table, render_html

app = typer.Typer(help="Recompute a bill from a tariff file and a read-out.")


def _read(path: Path) -> bytes:
    """Read a file, one octet more than allowed at most. Raises: ConfigError verify.file."""
    try:
        with path.open("rb") as stream:
            return stream.read(MAX_BYTES + 1)
    except OSError as problem:
        raise ConfigError("verify.file", f"{path}: {problem.strerror}") from problem


def run(supplier: Path, readout: Path, *, as_json: bool, html: Path | None, out: TextIO) -> int:
    """Check both files, write the result to `out` and, when asked, the page; give the exit code: 0, 3 for a file, 4 when refused."""
    try:
        supplier_octets, readout_octets = _read(supplier), _read(readout)
        verification = verify(read_supplier_file(supplier_octets), read_device_file(readout_octets))
        if html is not None:
            digests = {
                path.name: hashlib.sha256(octets).hexdigest() for path, octets in ((supplier, supplier_octets), (readout, readout_octets))
            }
            try:
                html.write_text(render_html(verification, digests), encoding="utf-8")
            except OSError as problem:
                raise ConfigError("verify.file", f"{html}: {problem.strerror}") from problem
    except SmgwError as error:
        if as_json:
            print(error_json(error).decode(), file=out)
        else:
            print_error(error, Console(file=out))
        return error.exit_code
    if as_json:
        print(result_json(verification).decode(), file=out)
    else:
        print_table(verification, Console(file=out))
    return 0


@app.command()
def command(
    supplier: Annotated[Path, typer.Argument(help="The supplier's tariff file (AR 2418-6 XML).")],
    readout: Annotated[Path, typer.Argument(help="What the gateway was read out (AR 2418-6 XML).")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    html: Annotated[Path | None, typer.Option("--html", help="Also write a page to read and print.")] = None,
) -> None:
    """Recompute a bill as TRuDI does; exit code 4 when the files are refused, with the reason."""
    raise typer.Exit(run(supplier, readout, as_json=as_json, html=html, out=sys.stdout))

"""`smgw administrator case`: send a technician to a gateway, see what came back, close the case."""

from pathlib import Path
from typing import Annotated
from urllib.parse import urlencode

import typer

from smgw.cli.administrator_parts import AsJson, DataFolder, TokenFile, Url, asking, print_json, show_facts, show_table
from smgw.core.errors import ConfigError

app = typer.Typer(help="Diagnosis on site by a technician.", no_args_is_help=True)

Number = Annotated[str, typer.Argument(help="Number of the case, for example C000001.")]


@app.command("open")
def open_case(
    data: DataFolder,
    gateway: Annotated[str, typer.Argument(help="Device id, for example ESGW0000000001.")],
    technician: Annotated[Path, typer.Option("--technician", help="The technician's certificates (PEM), TLS first.", metavar="FILE")],
    reason: Annotated[str, typer.Option(help="Why somebody has to go there.")],
    hours: Annotated[int, typer.Option(help="So long the gateway lets the technician in.", min=1, max=168)] = 8,
    url: Url = "",
    token: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Open a case: the gateway lets this technician in as soon as its channel is open."""
    with asking(data, url, token, as_json) as client:
        try:
            body = {"certificate": technician.read_text(), "reason": reason, "hours": hours}
        except (OSError, UnicodeDecodeError) as problem:
            raise ConfigError("pki.file", f"{technician}: {type(problem).__name__}") from problem
        show_facts(client.ask("POST", f"/gateways/{gateway}/cases", body), as_json)


@app.command("list")
def list_cases(
    data: DataFolder,
    gateway: Annotated[str, typer.Option("--gateway", help="Only of this gateway.", metavar="ID")] = "",
    url: Url = "",
    token: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """List cases, newest first."""
    with asking(data, url, token, as_json) as client:
        rows = client.ask("GET", f"/cases?{urlencode({'gateway': gateway})}")
    columns = {"number": "Case", "device_id": "Gateway", "technician": "Technician", "state": "State", "until": "Until", "reason": "Reason"}
    show_table(rows, columns, as_json)


@app.command()
def show(data: DataFolder, number: Number, url: Url = "", token: TokenFile = None, as_json: AsJson = False) -> None:
    """Show a case with the technician's report and the gateway's diagnosis."""
    with asking(data, url, token, as_json) as client:
        shown = client.ask("GET", f"/cases/{number}")
    if as_json:
        print_json(shown)
        return
    show_facts({**shown["case"], "report": shown["report"]}, as_json=False)
    print_json(shown["diagnosis"])


@app.command()
def close(
    data: DataFolder,
    number: Number,
    keep_diagnosis: Annotated[bool, typer.Option("--keep-diagnosis", help="Keep the diagnosis; else it is deleted.")] = False,
    url: Url = "",
    token: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Close a case; the technician gets in no longer."""
    with asking(data, url, token, as_json) as client:
        show_facts(client.ask("POST", f"/cases/{number}/close", {"keep_diagnosis": keep_diagnosis}), as_json)

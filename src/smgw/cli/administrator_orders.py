"""`smgw administrator order`: what market participants ask of gateways, and who decides."""

from pathlib import Path
from typing import Annotated
from urllib.parse import quote, urlencode

import typer

from smgw.cli.administrator_parts import AsJson, DataFolder, TokenFile, Url, asking, print_json, show_facts, show_table

app = typer.Typer(help="Orders of market participants.", no_args_is_help=True)

OrderId = Annotated[str, typer.Argument(help="Id of the order, a UUID.")]


@app.command("list")
def list_orders(
    data: DataFolder,
    gateway: Annotated[str, typer.Option("--gateway", help="Only of this gateway.", metavar="ID")] = "",
    url: Url = "",
    token: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """List orders with their state and whether the gateway's profiles permit them, and what was refused lately."""
    with asking(data, url, token, as_json) as client:
        found = client.ask("GET", f"/market-orders?{urlencode({'gateway': gateway})}")
    if as_json:
        print_json(found)
        return
    columns = {"order_id": "Order", "sender": "Sender", "device_id": "Gateway", "kind": "What", "state": "State", "permitted": "Permitted",
               "code": "Code"}  # fmt: skip
    show_table(found["orders"], columns, as_json=False)
    if found["refusals"]:
        show_table(found["refusals"], {"at": "Refused", "sender": "Sender", "code": "Code"}, as_json=False)


@app.command()
def show(data: DataFolder, order: OrderId, url: Url = "", token: TokenFile = None, as_json: AsJson = False) -> None:
    """Show one order."""
    with asking(data, url, token, as_json) as client:
        show_facts(client.ask("GET", f"/market-orders/{quote(order, safe='')}"), as_json)


@app.command()
def approve(data: DataFolder, order: OrderId, url: Url = "", token: TokenFile = None, as_json: AsJson = False) -> None:
    """Let an order happen that waits for a decision; needs the token of an approver."""
    _decide(order, "approve", data, url, token, as_json)


@app.command()
def reject(data: DataFolder, order: OrderId, url: Url = "", token: TokenFile = None, as_json: AsJson = False) -> None:
    """Turn an order down, or take one back that still waits for its gateway."""
    _decide(order, "reject", data, url, token, as_json)


def _decide(order: str, how: str, data: Path, url: str, token: Path | None, as_json: bool) -> None:
    with asking(data, url, token, as_json) as client:
        show_facts(client.ask("POST", f"/market-orders/{quote(order, safe='')}/{how}"), as_json)

"""`smgw administrator wake-up`: where gateways are called, calls, and how long gateways took to come."""

from typing import Annotated, Literal

import typer

from smgw.administrator.wakeup import PAUSES_S
from smgw.cli.administrator_parts import AsJson, DataFolder, TokenFile, Url, asking, print_json, show_facts, show_table

app = typer.Typer(help="Calls by wake-up packet.", no_args_is_help=True)

GatewayId = Annotated[str, typer.Argument(help="Device id, for example ESGW0000000001.")]


@app.command()
def show(data: DataFolder, device_id: GatewayId, url: Url = "", token: TokenFile = None, as_json: AsJson = False) -> None:
    """Show where a gateway is called."""
    with asking(data, url, token, as_json) as client:
        show_facts(client.ask("GET", f"/gateways/{device_id}/wake-up"), as_json)


@app.command("set")
def set_address(
    data: DataFolder,
    device_id: GatewayId,
    host: Annotated[str, typer.Argument(help="Where the gateway takes wake-up packets.")],
    port: Annotated[int, typer.Option(help="UDP port.", min=1, max=65_535)] = 15_100,
    order: Annotated[Literal["little", "big"], typer.Option(help="Which octet of the time comes first.")] = "little",
    on_wake_up: Annotated[bool, typer.Option(help="The gateway opens its channel only when called.")] = True,
    set_gateway: Annotated[bool, typer.Option("--set-gateway", help="Order the gateway, too, to listen on that port.")] = False,
    url: Url = "",
    token: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Set where a gateway is called."""
    body = {"host": host, "port": port, "timestamp_order": order, "on_wake_up": on_wake_up, "set_gateway": set_gateway}
    with asking(data, url, token, as_json) as client:
        show_facts(client.ask("PUT", f"/gateways/{device_id}/wake-up", body), as_json)


@app.command()
def call(data: DataFolder, device_id: GatewayId, url: Url = "", token: TokenFile = None, as_json: AsJson = False) -> None:
    """Call a gateway and wait until it comes, about two minutes at most. Exit code 6: it did not."""
    with asking(data, url, token, as_json) as client:
        show_facts(client.ask("POST", f"/gateways/{device_id}/wake-up", timeout_s=sum(PAUSES_S) + 30), as_json)


@app.command()
def calls(data: DataFolder, device_id: GatewayId, url: Url = "", token: TokenFile = None, as_json: AsJson = False) -> None:
    """Show the last calls of a gateway, and whether it is being called."""
    with asking(data, url, token, as_json) as client:
        found = client.ask("GET", f"/gateways/{device_id}/wake-up/calls")
    if as_json:
        print_json(found)
        return
    show_table(found["calls"], {"started_at": "Begun", "state": "State", "packets": "Packets", "waited_ms": "Wait, ms"}, as_json=False)


@app.command()
def statistics(data: DataFolder, url: Url = "", token: TokenFile = None, as_json: AsJson = False) -> None:
    """Sum up all calls: how many were answered, and after how long."""
    with asking(data, url, token, as_json) as client:
        show_facts(client.ask("GET", "/wake-ups"), as_json)

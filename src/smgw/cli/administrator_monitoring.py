"""`smgw administrator incident` and `alarm`: what is wrong with the fleet, and what gateways told by themselves."""

from typing import Annotated
from urllib.parse import urlencode

import typer

from smgw.cli.administrator_parts import AsJson, DataFolder, TokenFile, Url, asking, print_json, say, show_facts, show_table

incident_app = typer.Typer(help="What is wrong with the fleet, and who was told.", no_args_is_help=True)
alarm_app = typer.Typer(help="What gateways told by themselves.", no_args_is_help=True)

Gateway = Annotated[str, typer.Option("--gateway", help="Only of this gateway.", metavar="ID")]
Language = Annotated[str, typer.Option("--lang", help="Language of the texts, `en` or `de`.")]


@incident_app.command("list")
def list_incidents(
    data: DataFolder,
    gateway: Gateway = "",
    everything: Annotated[bool, typer.Option("--all", help="Those that are over, too.")] = False,
    language: Language = "en",
    url: Url = "",
    token: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """List incidents, newest first."""
    query = urlencode({"gateway": gateway, "all": str(everything).lower(), "language": language})
    with asking(data, url, token, as_json) as client:
        rows = client.ask("GET", f"/incidents?{query}")
    columns = {"id": "No.", "device_id": "Gateway", "severity": "Severity", "text": "What", "opened_at": "Since", "closed_at": "Over"}
    show_table(rows, columns, as_json)


@incident_app.command("show")
def show_incident(
    data: DataFolder,
    number: Annotated[int, typer.Argument(help="Number of the incident.")],
    url: Url = "",
    token: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Show one incident and who was told of it."""
    with asking(data, url, token, as_json) as client:
        shown = client.ask("GET", f"/incidents/{number}")
    if as_json:
        print_json(shown)
        return
    show_facts(shown["incident"], as_json=False)
    columns = {"channel": "Channel", "what": "What", "state": "State", "attempts": "Attempts", "next_at": "Next", "code": "Code"}
    show_table(shown["notifications"], columns, as_json=False)


@incident_app.command("close")
def close_incident(
    data: DataFolder,
    number: Annotated[int, typer.Argument(help="Number of the incident.")],
    url: Url = "",
    token: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Close the incident of a notice; its notices count as acknowledged. Every other incident ends by itself."""
    with asking(data, url, token, as_json) as client:
        show_facts(client.ask("POST", f"/incidents/{number}/close")["incident"], as_json)


@alarm_app.command("list")
def list_alarms(
    data: DataFolder,
    gateway: Gateway = "",
    unseen: Annotated[bool, typer.Option("--unseen", help="Only what nobody has acknowledged.")] = False,
    language: Language = "en",
    url: Url = "",
    token: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """List what gateways told by themselves, newest first."""
    query = urlencode({"gateway": gateway, "unseen": str(unseen).lower(), "language": language})
    with asking(data, url, token, as_json) as client:
        rows = client.ask("GET", f"/alarms?{query}")
    columns = {"id": "No.", "device_id": "Gateway", "level": "Level", "text": "What", "raised_at": "When", "seen_by": "Seen by"}
    show_table(rows, columns, as_json)


@alarm_app.command("acknowledge")
def acknowledge_alarm(
    data: DataFolder,
    number: Annotated[int, typer.Argument(help="Number of the alarm.")],
    url: Url = "",
    token: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Note that you have looked at an alarm; its incident is over by that."""
    with asking(data, url, token, as_json) as client:
        shown = client.ask("POST", f"/alarms/{number}/acknowledge")
    if as_json:
        print_json(shown)
        return
    say(f"{shown['device_id']}: {shown['text']}, seen by {shown['seen_by']}")

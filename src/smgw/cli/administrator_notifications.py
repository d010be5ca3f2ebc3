"""`smgw administrator notification`: what is watched, and who is told of it."""

from typing import Annotated
from urllib.parse import quote

import typer

from smgw.cli.administrator_parts import AsJson, DataFolder, TokenFile, Url, asking, print_json, show_facts, show_table

app = typer.Typer(help="Who is told of incidents.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Name of the channel.")]
Host = Annotated[str, typer.Argument(help="Server.")]
CaFile = Annotated[str, typer.Option("--ca", help="PEM file in the administrator's folder, named `channel…`.", metavar="NAME")]
LoginName = Annotated[str, typer.Option("--user", help="Name to log in with.")]
PasswordFile = Annotated[str, typer.Option("--password", help="File in the administrator's folder, named `channel…`.", metavar="NAME")]
Port = Annotated[int, typer.Option(help="Port of the server.", min=1, max=65_535)]

add_app = typer.Typer(help="Tell of incidents by one more channel.", no_args_is_help=True)
app.add_typer(add_app, name="add")


@app.command("list")
def list_channels(data: DataFolder, url: Url = "", token: TokenFile = None, as_json: AsJson = False) -> None:
    """List channels and rules."""
    with asking(data, url, token, as_json) as client:
        found = client.ask("GET", "/notifications")
    if as_json:
        print_json(found)
        return
    show_table(found["channels"], {"name": "Channel", "kind": "Kind", "host": "Host", "to": "To", "protected": "Protected"}, as_json=False)
    show_table(found["rules"], {"name": "Rule", "severity": "Severity", "limits": "Limits"}, as_json=False)


@add_app.command()
def webhook(
    data: DataFolder,
    name: Name,
    address: Annotated[str, typer.Argument(help="Gets a POST with JSON.", metavar="URL")],
    secret: Annotated[str, typer.Option(help="File in the administrator's folder, named `channel…`, that signs.", metavar="NAME")] = "",
    ca: CaFile = "",
    url: Url = "",
    token: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Tell by an HTTP request.

    Example: smgw administrator notification add webhook --data gwa operations https://hook.invalid/incidents
    """
    body = {"kind": "webhook", "name": name, "url": address, "secret_file": secret, "ca_file": ca}
    with asking(data, url, token, as_json) as client:
        show_facts(client.ask("POST", "/notifications", body), as_json)


@add_app.command()
def email(
    data: DataFolder,
    name: Name,
    host: Host,
    sender: Annotated[str, typer.Option(help="Address that the mail comes from.")],
    to: Annotated[list[str], typer.Option(help="Address that the mail goes to; repeat.")],
    port: Port = 587,
    implicit_tls: Annotated[bool, typer.Option("--implicit-tls", help="TLS from the first octet, as on port 465; else STARTTLS.")] = False,
    user: LoginName = "",
    password: PasswordFile = "",
    ca: CaFile = "",
    language: Annotated[str, typer.Option("--lang", help="Language of the text, `en` or `de`.")] = "en",
    url: Url = "",
    token: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Tell by e-mail, over TLS."""
    body = {"kind": "email", "name": name, "host": host, "port": port, "sender": sender, "recipients": to, "user": user,
            "password_file": password, "ca_file": ca, "language": language, "implicit_tls": implicit_tls}  # fmt: skip
    with asking(data, url, token, as_json) as client:
        show_facts(client.ask("POST", "/notifications", body), as_json)


@add_app.command()
def mqtt(
    data: DataFolder,
    name: Name,
    host: Host,
    topic: Annotated[str, typer.Option(help="Topic that messages are published under.")] = "smgw/incidents",
    port: Port = 8883,
    user: LoginName = "",
    password: PasswordFile = "",
    ca: CaFile = "",
    url: Url = "",
    token: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Tell by messages to an MQTT broker over TLS."""
    body = {
        "kind": "mqtt",
        "name": name,
        "host": host,
        "port": port,
        "topic": topic,
        "user": user,
        "password_file": password,
        "ca_file": ca,
    }
    with asking(data, url, token, as_json) as client:
        show_facts(client.ask("POST", "/notifications", body), as_json)


@app.command()
def remove(data: DataFolder, name: Name, url: Url = "", token: TokenFile = None, as_json: AsJson = False) -> None:
    """Tell by a channel no more; what waited for it is told no more, either."""
    with asking(data, url, token, as_json) as client:
        found = client.ask("DELETE", f"/notifications/{quote(name, safe='')}")
    show_facts({"channels": [one["name"] for one in found["channels"]]}, as_json)


@app.command("try")
def try_channel(data: DataFolder, name: Name, url: Url = "", token: TokenFile = None, as_json: AsJson = False) -> None:
    """Send one message by a channel now."""
    with asking(data, url, token, as_json) as client:
        show_facts(client.ask("POST", f"/notifications/{quote(name, safe='')}/try"), as_json)

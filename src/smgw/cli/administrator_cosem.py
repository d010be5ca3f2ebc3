"""`smgw administrator cosem`: what gateways offer as COSEM objects, read, written, deleted and called; the XML as it is."""

import re
import sys
import time
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import msgspec
import typer

from smgw.administrator.client import Client
from smgw.administrator.profile_check import read_profile
from smgw.cli.administrator_parts import AsJson, DataFolder, TokenFile, Url, asking, faults_shown, print_json, show_facts
from smgw.codec.cosem_elements import Attribute, CosemObject, MethodCall, encode_document
from smgw.codec.cosem_message import COSEM_ROOT
from smgw.codec.cosem_profiles import CONTENT, MAPPING_VERSION, json_value, profile_device, profile_object_name
from smgw.codec.cosem_values import Value
from smgw.core.errors import ConfigError, Unavailable

app = typer.Typer(help="COSEM objects of gateways.", no_args_is_help=True)

GatewayId = Annotated[str, typer.Argument(help="Device id, for example ESGW0000000001.")]
Address = Annotated[str, typer.Argument(help="Address, for example ldevs; see docs/cosem.md.", metavar="ADDRESS")]
Wait = Annotated[int, typer.Option(help="Wait so many seconds for the gateway's answer; 0 only orders.", min=0, max=3600)]
PAUSE_S = 0.2
_CONTROL = re.compile("[^\t\n -~\u00a0-\U0010ffff]")
"""What a gateway says must not reach a terminal as a control sequence."""


@app.command()
def get(
    data: DataFolder,
    device_id: GatewayId,
    address: Address,
    part: Annotated[str, typer.Option("--range", help="Only these octets of the XML, for example bytes=0-65535.", metavar="RANGE")] = "",
    wait: Wait = 60,
    url: Url = "",
    token: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Read a list, a device, an object or an attribute.

    Example: smgw administrator cosem get --data gwa ESGW0000000001 ldevs
    """
    _order("GET", data, device_id, address, {"range": part}, wait, url, token, as_json)


@app.command()
def put(
    data: DataFolder,
    device_id: GatewayId,
    address: Address,
    file: Annotated[Path, typer.Argument(help="The XML; `-` reads standard input.", metavar="FILE")],
    wait: Wait = 60,
    url: Url = "",
    token: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Write an attribute, an object, a device or a container, whole or not at all."""
    _order("PUT", data, device_id, address, {"xml": _read_xml(file, as_json)}, wait, url, token, as_json)


@app.command()
def delete(
    data: DataFolder,
    device_id: GatewayId,
    address: Address,
    wait: Wait = 60,
    url: Url = "",
    token: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Delete an object, a meter's device or a container."""
    _order("DELETE", data, device_id, address, {}, wait, url, token, as_json)


@app.command()
def call(
    data: DataFolder,
    device_id: GatewayId,
    address: Address,
    parameter: Annotated[str, typer.Argument(help="What the method takes, as text; nothing if left out.", metavar="PARAMETER")] = "",
    wait: Wait = 60,
    url: Url = "",
    token: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Call a method.

    Example: smgw administrator cosem call --data gwa ESGW0000000001 ldevs/esgw0000000001.sm/objects/32808-0080020000ff/methods/1
    """
    with faults_shown(as_json):
        xml = encode_document(MethodCall(Value("UTF8-string", parameter) if parameter else None)).decode()
    _order("POST", data, device_id, address, {"xml": xml}, wait, url, token, as_json)


@app.command("object")
def show_object(
    device_id: GatewayId,
    kind: Annotated[str, typer.Argument(help="meter, communication, evaluation or consumer.")],
    file: Annotated[Path, typer.Argument(help="The profile as JSON; `-` reads standard input.", metavar="FILE")],
    as_json: AsJson = False,
) -> None:
    """Write a profile as an object: on standard output the XML that `cosem put` takes, on standard error its address."""
    with faults_shown(as_json):
        profile = read_profile(kind, _read_json(file))
        name = profile_object_name(profile)
        address = f"{COSEM_ROOT}ldevs/{profile_device(profile, device_id)}/objects/{name}"
        xml = encode_document(CosemObject(name, MAPPING_VERSION, (Attribute(CONTENT, json_value(profile)),))).decode()
    if as_json:
        print_json({"address": address, "xml": xml})
        return
    typer.echo(address, err=True)
    sys.stdout.write(xml)


def _order(
    method: str, data: Path, device_id: str, address: str, body: dict[str, str], wait: int, url: str, token: Path | None, as_json: bool
) -> None:
    """Order a command, wait for its answer and print it. Exit code 4: the gateway refused it."""
    whole = address if address.startswith(COSEM_ROOT) else f"{COSEM_ROOT}{address}"
    wanted = {"method": method, "address": whole, **{name: value for name, value in body.items() if value}}
    with asking(data, url, token, as_json) as client:
        job = client.ask("POST", f"/gateways/{quote(device_id, safe='')}/cosem", wanted)
        if "command_id" not in job or not wait:
            show_facts(job, as_json)
            return
        answer = _answer(client, job["id"], wait)
    job = answer["job"]
    if as_json:
        print_json(answer)
    else:
        sys.stdout.write(_CONTROL.sub("\ufffd", answer["xml"]))
        typer.echo(" ".join(str(word) for word in (job["status"], job["code"], answer["range"]) if word), err=True)
    if job["state"] == "failed":
        raise typer.Exit(4)


def _answer(client: Client, number: int, wait: int) -> Any:
    """Give the answer once there is one. Raises: Unavailable administrator.no_answer_yet."""
    until = time.monotonic() + wait
    while (answer := client.ask("GET", f"/cosem/{number}"))["job"]["state"] in ("waiting", "accepted"):
        if time.monotonic() > until:
            raise Unavailable("administrator.no_answer_yet", f"job {number} waits for the gateway's channel")
        time.sleep(PAUSE_S)
    return answer


def _read(file: Path) -> bytes:
    try:
        return sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    except OSError as problem:
        raise ConfigError("administrator.config", f"{file.name}: {problem.strerror}") from problem


def _read_xml(file: Path, as_json: bool) -> str:
    with faults_shown(as_json):
        try:
            return _read(file).decode()
        except UnicodeDecodeError as problem:
            raise ConfigError("administrator.config", f"{file.name}: not UTF-8") from problem


def _read_json(file: Path) -> object:
    try:
        return msgspec.json.decode(_read(file))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as problem:
        raise ConfigError("administrator.config", f"{file.name}: {str(problem)[:160]}") from problem

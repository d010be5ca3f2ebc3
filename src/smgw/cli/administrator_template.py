"""`smgw administrator template`: profiles for the common contracts."""

import getpass
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import msgspec
import typer
from cryptography.hazmat.primitives.serialization import Encoding

from smgw.administrator.client import Client
from smgw.administrator.meter_keys import seal_meter_key
from smgw.administrator.profile_check import check_profile
from smgw.administrator.profile_templates import TEMPLATES, Consumer, Order, fill
from smgw.cli.administrator_parts import (
    AsJson,
    DataFolder,
    TokenFile,
    Url,
    asking,
    faults_shown,
    local_books,
    print_json,
    say,
    show_facts,
    show_table,
)
from smgw.cli.option_values import moment_of
from smgw.core.errors import ConfigError, DomainFault
from smgw.core.profiles import PROFILE_KINDS, CommunicationProfile, Profile, profile_key
from smgw.net.identity import open_module
from smgw.pki.triple import read_certificates, triple_of
from smgw.protocol.digest_auth import CONSUMER_REALM, Algorithm, ha1
from smgw.security.secret_file import load_secret

app = typer.Typer(help="Profiles for the common contracts.", no_args_is_help=True)


@app.command("list")
def list_templates(as_json: AsJson = False) -> None:
    """List the templates and the meters that each takes."""
    rows = [
        {"name": name, "title": one.title, "meters": one.meters, "tenants": "one for each meter" if one.tenants else "one"}
        for name, one in TEMPLATES.items()
    ]
    show_table(rows, {"name": "Template", "title": "For", "meters": "Meters", "tenants": "Consumers"}, as_json)


@app.command("fill")
def fill_template(
    template: Annotated[str, typer.Argument(help="Name of the template.")],
    meter: Annotated[list[str], typer.Option(help="DIN id of a meter; repeat in the template's order.")],
    point: Annotated[list[str], typer.Option(help="Metering point id of each meter; repeat.")],
    consumer: Annotated[list[str], typer.Option(help="ID:USER of the consumer, or of each tenant; repeat.", metavar="ID:USER")],
    supplier: Annotated[Path, typer.Option(help="Communication profile of the supplier, JSON.", metavar="FILE")],
    begins: Annotated[str, typer.Option("--from", help="Begin of the contracts, 2026-04-01T00:00:00+02:00.", metavar="TIME")],
    grid: Annotated[Path | None, typer.Option(help="That of the grid operator; the supplier's by default.", metavar="FILE")] = None,
    ends: Annotated[str, typer.Option("--to", help="End of the contracts.", metavar="TIME")] = "",
    link: Annotated[str, typer.Option(help="The gateway's line that the meters are connected to.")] = "meter1",
    password: Annotated[
        list[Path] | None, typer.Option(help="File with the consumer's password, readable by its owner alone; repeat. Else it is asked.")
    ] = None,
    version: Annotated[int, typer.Option(help="Version of all profiles.", min=1)] = 1,
    label: Annotated[str, typer.Option(help="Goes into the contracts' names, so that several orders fit into one gateway.")] = "",
    put: Annotated[str, typer.Option(help="Have this gateway hold them; without it they are printed.", metavar="GATEWAY")] = "",
    data: DataFolder = Path(),
    url: Url = "",
    token: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Make the profiles of a template, and print them or have a gateway hold them.

    Example: smgw administrator template fill household --meter 1SGW0010000001 --point DE0001 --consumer consumer1.sm:tenant1
    --supplier emt1.json --from 2026-04-01T00:00:00+02:00
    """
    with faults_shown(as_json):
        partner = _partner(supplier)
        order = Order(
            tuple(meter),
            tuple(_consumer(text, password, index) for index, text in enumerate(consumer)),
            partner,
            _partner(grid) if grid is not None else partner,
            tuple(point),
            moment_of(begins).astimezone(UTC),
            moment_of(ends).astimezone(UTC) if ends else None,
            link,
            version,
            label,
        )
        profiles = fill(template, order)
    if not put:
        print_json([{"kind": _kind(profile), "id": profile_key(profile), "profile": profile} for profile in profiles])
        return
    with asking(data, url, token, as_json) as client:
        new = _new(client, put, profiles)
        for profile in new:
            address = "/".join(quote(part, safe="") for part in (put, "profiles", _kind(profile), profile_key(profile)))
            client.ask("PUT", f"/gateways/{address}", msgspec.to_builtins(profile))
    say(f"{put} shall hold {len(new)} profiles more; {len(profiles) - len(new)} it shall hold already")


@app.command("meter-key")
def seal_key(
    gateway: Annotated[str, typer.Argument(help="Device id of the gateway that hears the meter.")],
    server_id: Annotated[str, typer.Option(help="The meter's server id, as in its profile: 01, then its address in hex.")],
    key: Annotated[Path, typer.Option(help="File with the meter's key in hex, readable by its owner alone.", metavar="FILE")],
    data: DataFolder,
    as_json: AsJson = False,
) -> None:
    """Seal a wireless meter's key for its gateway, and print what goes into the profile as `sealed_key`."""
    with local_books(data, as_json) as books:
        known = books.inventory.gateway(gateway)
        if known is None:
            raise DomainFault("administrator.unknown_gateway", gateway)
        try:
            octets, meter = bytes.fromhex(load_secret(key).decode("ascii")), bytes.fromhex(server_id)
        except ValueError as problem:
            raise ConfigError("oms.key", "neither key nor server id may be anything but hex") from problem
        sealed = seal_meter_key(meter, octets, known.enc, open_module(data))
    show_facts({"gateway": gateway, "server_id": meter.hex(), "sealed_key": sealed}, as_json)


@app.command("partner")
def make_partner(
    partner: Annotated[str, typer.Argument(help="Logical name of the partner, for example emt1.sm.")],
    certificates: Annotated[Path, typer.Option(help="Its TLS, SIG and ENC certificates (PEM).", metavar="FILE")],
    host: Annotated[str, typer.Option(help="Where it takes deliveries.")],
    port: Annotated[int, typer.Option(help="Port of its deliveries.", min=1, max=65_535)],
    through: Annotated[str, typer.Option(help="Who passes messages on: another partner, or `administrator`.")] = "",
    version: Annotated[int, typer.Option(help="Version of the profile.", min=1)] = 1,
) -> None:
    """Print the communication profile of a market participant, made from its certificates.

    Example: smgw administrator template partner emt1.sm --certificates emt.pem --host emt.invalid --port 15103 > emt1.json
    """
    with faults_shown(False):
        try:
            triple = triple_of(read_certificates(certificates.read_bytes())[:3])
        except OSError as problem:
            raise ConfigError("pki.file", f"{certificates.name}: {problem.strerror}") from problem
        tls, sig, enc = (certificate.public_bytes(Encoding.DER).hex() for certificate in triple)
        profile = CommunicationProfile(partner, host, port, tls, sig, enc, through=through, version=version)
        check_profile(profile, {}, datetime.now(UTC))
    print_json(profile)


def _new(client: Client, device_id: str, profiles: list[Profile]) -> list[Profile]:
    """Leave out what the gateway shall hold already; what it holds otherwise needs a higher version, which is said before anything is sent.

    A consumer that is held stays as it is unless the version is higher: its password is never given out, and so can't be compared.
    """
    address = f"/gateways/{quote(device_id, safe='')}"
    shown = {(row["kind"], row["id"]): row["profile"] for row in client.ask("GET", f"{address}/profiles")}
    held = {(row["kind"], row["id"]): row["version"] for row in client.ask("GET", address)["profiles"]}
    new = []
    for profile in profiles:
        key = _kind(profile), profile_key(profile)
        content = shown.get(key)
        if content is not None and {**content, "version": 0} == {**msgspec.json.decode(msgspec.json.encode(profile)), "version": 0}:
            continue
        if key in held and held[key] >= profile.version:
            if key[0] == "consumer":
                continue
            raise DomainFault("profile.version", f"{key[1]} has version {held[key]} with another content; take --version {held[key] + 1}")
        new.append(profile)
    return new


def _kind(profile: Profile) -> str:
    return next(name for name, kind in PROFILE_KINDS.items() if isinstance(profile, kind))


def _partner(path: Path) -> CommunicationProfile:
    try:
        return msgspec.json.decode(path.read_bytes(), type=CommunicationProfile)
    except OSError as problem:
        raise ConfigError("command.template", f"{path.name}: {problem.strerror}") from problem
    except (msgspec.MsgspecError, UnicodeDecodeError) as problem:
        raise ConfigError("command.template", f"{path.name}: {str(problem)[:200]}") from problem


def _consumer(text: str, files: list[Path] | None, index: int) -> Consumer:
    consumer_id, _, user = text.partition(":")
    if not user:
        raise ConfigError("command.template", f"consumers: {text[:40]}: write it like `consumer1.sm:tenant1`")
    if files:
        secret = load_secret(files[min(index, len(files) - 1)]).decode()
    elif sys.stdin.isatty():
        secret = getpass.getpass(f"Password of {user}: ")
    else:
        raise ConfigError("command.template", f"password of {user}: name a file with --password")
    digests = (ha1(algorithm, user, CONSUMER_REALM, secret) for algorithm in (Algorithm.MD5, Algorithm.SHA256))
    return Consumer(consumer_id, user, *digests)

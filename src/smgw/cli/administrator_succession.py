"""`smgw administrator succession`: hand gateways over to another administrator, and take gateways over, by files that both exchange."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from smgw.administrator.books import Books
from smgw.administrator.config import AdministratorFolder
from smgw.administrator.initial_configuration import Address, load_authentication, make_initial_configuration
from smgw.administrator.inventory import Inventory
from smgw.administrator.orders import Hand, SuccessionOrder, begin_succession
from smgw.administrator.succession import Infrastructure, Offer, State, open_infrastructure, pack_infrastructure, profiles_in, read_offer
from smgw.administrator.users import LOCAL
from smgw.administrator.wakeup import Address as WakeUpAddress
from smgw.cli.administrator_parts import AsJson, DataFolder, faults_shown, local_books, show_facts, show_table
from smgw.core.errors import ConfigError, DomainFault
from smgw.core.identifiers import DeviceId
from smgw.core.instant import parse_time, utc_text
from smgw.core.profiles import profile_key
from smgw.net.identity import Identity, load_identity
from smgw.pki.parsing import load_certificate
from smgw.pki.triple import ADMINISTRATOR_KEYS
from smgw.security.files import write_durably

app = typer.Typer(help="Change of a gateway's administrator.", no_args_is_help=True)

_LIMIT = 8 << 20
_WITHDRAWN: dict[State, State] = {"wanted": "withdrawn", "announced": "unwanted", "expected": "refused"}
"""State of a change -> the one that gives it up; from `unwanted` the gateway is told."""
_SHORTEST, _LONGEST = timedelta(minutes=5), timedelta(days=14)

Gateway = Annotated[str, typer.Argument(help="Device id, for example ESGW0000000001.")]
OfferFile = Annotated[Path, typer.Option("--offer", help="The new administrator's offer.", metavar="FILE")]
Out = Annotated[Path, typer.Option("--out", "-o", help="File to write.", metavar="FILE")]
Until = Annotated[str, typer.Option("--until", help="Until when the change has to be complete.", metavar="TIME")]


@app.command()
def offer(
    gateway: Gateway,
    out: Out,
    data: DataFolder,
    host: Annotated[str, typer.Option(help="Where gateways reach this administrator; its own address when left out.")] = "",
    as_json: AsJson = False,
) -> None:
    """New administrator: make the signed offer for one gateway, which the old one announces to it."""
    with faults_shown(as_json):
        config, identity = AdministratorFolder(data).load(), _own(data)
        if not (config.management_port and config.time_port):
            raise ConfigError("administrator.config", "management_port and time_port: gateways need fixed ones")
        address = Address(host or config.host, config.management_port, config.time_port, config.service_port)
        device_id = DeviceId.parse(gateway)
        write_durably(out, make_initial_configuration(identity, load_authentication(data).certificate, address, device_id, _now()))
    show_facts({"gateway": str(device_id), "administrator": identity.triple.common_name, "file": str(out)}, as_json)


@app.command()
def infrastructure(gateway: Gateway, offer_file: OfferFile, out: Out, data: DataFolder, as_json: AsJson = False) -> None:
    """Old administrator: tell the new one what the gateway is and holds, sealed for it alone."""
    with local_books(data, as_json) as books:
        identity, found = _own(data), _offer(offer_file, data, gateway)
        recipient = load_certificate(found.content.enc_certificate)
        write_durably(out, pack_infrastructure(gateway, books.inventory, identity, recipient, identity.triple.common_name), 0o600)
        books.audit.note(_now(), LOCAL, "tell of infrastructure", f"{gateway}/{found.content.administrator}", "done")
    show_facts({"gateway": gateway, "for": found.content.administrator, "file": str(out)}, as_json)


@app.command()
def announce(gateway: Gateway, offer_file: OfferFile, until: Until, data: DataFolder, as_json: AsJson = False) -> None:
    """Old administrator: announce the new one to the gateway, as soon as its channel is open."""
    with local_books(data, as_json) as books:
        if books.inventory.gateway(gateway) is None:
            raise DomainFault("administrator.unknown_gateway", gateway)
        found, config = _offer(offer_file, data, gateway), AdministratorFolder(data).load()
        order = SuccessionOrder(gateway, "outgoing", found.content.administrator, found.document, _until(until))
        if "change" in config.four_eyes:
            summary = f"announce {order.other} as the new administrator"
            proposal = books.approvals.propose("change", "succession", gateway, summary, order, at=_now(), actor=LOCAL)
            facts: dict[str, object] = {"gateway": gateway, "proposal": proposal.id, "state": proposal.state}
        else:
            change = begin_succession(Hand(books, LOCAL, _now(), os.urandom), order)
            facts = {"gateway": gateway, "other": change.other, "state": change.state, "until": change.until}
    show_facts(facts, as_json)


@app.command()
def accept(
    file: Annotated[Path, typer.Argument(help="What the old administrator told of the gateway.", metavar="FILE")],
    until: Until,
    data: DataFolder,
    wake_up: Annotated[str, typer.Option(help="Where the gateway takes wake-up packets; empty: nowhere.", metavar="HOST:PORT")] = "",
    as_json: AsJson = False,
) -> None:
    """New administrator: expect the gateway, compare it when it calls, and take it over when all is as promised."""
    with local_books(data, as_json) as books:
        told = open_infrastructure(_read(file), _own(data), _now())
        place = _place(wake_up) if wake_up else None
        with books.store.write():
            count = _take_in(books, told)
            if place is not None:
                books.wake_ups.set_address(told.device_id, place, _now(), LOCAL)
            order = SuccessionOrder(told.device_id, "incoming", told.former, b"", _until(until))
            change = begin_succession(Hand(books, LOCAL, _now(), os.urandom), order)
    show_facts({"gateway": told.device_id, "other": told.former, "state": change.state, "profiles": count}, as_json)


@app.command()
def withdraw(gateway: Gateway, data: DataFolder, as_json: AsJson = False) -> None:
    """Give a change up that is not complete: everything stays as it was."""
    with local_books(data, as_json) as books:
        held = books.successions.change(gateway)
        if held is None or held.state not in _WITHDRAWN:
            raise DomainFault("succession.none", held.state if held is not None else gateway)
        books.successions.move(gateway, _WITHDRAWN[held.state], _now(), LOCAL)
    show_facts({"gateway": gateway, "state": _WITHDRAWN[held.state]}, as_json)


@app.command()
def confirm(gateway: Gateway, data: DataFolder, as_json: AsJson = False) -> None:
    """Old administrator: note that the new one has confirmed that the gateway is its own."""
    with local_books(data, as_json) as books:
        held = books.successions.change(gateway)
        if held is None or (held.side, held.state) != ("outgoing", "announced"):
            raise DomainFault("succession.none", held.state if held is not None else gateway)
        books.successions.move(gateway, "handed_over", _now(), LOCAL)
    show_facts({"gateway": gateway, "other": held.other, "state": "handed_over"}, as_json)


@app.command("list")
def list_changes(data: DataFolder, as_json: AsJson = False) -> None:
    """List the changes, with how far each is and why it was refused."""
    with local_books(data, as_json) as books:
        rows = [
            {
                "device_id": one.device_id,
                "side": one.side,
                "other": one.other,
                "state": one.state,
                "until": one.until,
                "finding": one.finding,
            }
            for one in books.successions.all()
        ]
    columns = {"device_id": "Gateway", "side": "Side", "other": "Other", "state": "State", "until": "Until", "finding": "Finding"}
    show_table(rows, columns, as_json)


def _now() -> datetime:
    return datetime.now(UTC)


def _own(data: Path) -> Identity:
    return load_identity(data, ADMINISTRATOR_KEYS)


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_LIMIT)
    except OSError as problem:
        raise ConfigError("pki.file", f"{path}: {problem.strerror}") from problem


def _offer(path: Path, data: Path, gateway: str) -> Offer:
    own = _own(data)
    found = read_offer(_read(path), own, _now())
    if found.content.device_id != gateway:
        raise DomainFault("succession.none", f"the offer is for {found.content.device_id}")
    if found.content.administrator == own.triple.common_name:
        raise DomainFault("succession.same", found.content.administrator)
    return found


def _until(text: str) -> str:
    moment = parse_time(text)
    if not _SHORTEST <= moment - _now() <= _LONGEST:
        raise DomainFault("succession.until", text)
    return utc_text(moment)


def _place(text: str) -> WakeUpAddress:
    host, _, port = text.rpartition(":")
    return WakeUpAddress(host, int(port) if port.isdecimal() else 0, on_wake_up=False)


def _take_in(books: Books, told: Infrastructure) -> int:
    """Enter gateway and profiles as promised; what is held already stays. Gives how many profiles were promised."""
    certificates = [load_certificate(told.certificates[use]) for use in ("tls", "sig", "enc")]
    books.inventory.add_gateway(told.device_id, certificates[0], certificates[1], certificates[2], _now(), LOCAL)
    promised = profiles_in(told)
    held = _versions(books.inventory, told.device_id)
    for profile in promised:
        if held.get((type(profile).__name__, profile_key(profile)), 0) < profile.version:
            books.inventory.put_profile(told.device_id, profile, _now(), LOCAL)
    return len(promised)


def _versions(inventory: Inventory, device_id: str) -> dict[tuple[str, str], int]:
    return {(type(one).__name__, profile_key(one)): one.version for _, one in inventory.profiles(device_id)}

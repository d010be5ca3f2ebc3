"""`smgw administrator succession`: hand gateways over to another administrator, and take gateways over, by files that both exchange."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from smgw.administrator.config import AdministratorFolder
from smgw.administrator.orders import WithdrawalOrder, confirm_succession
from smgw.administrator.succession import Change
from smgw.administrator.succession_desk import Party, summary_of
from smgw.administrator.users import LOCAL
from smgw.administrator.wakeup import Address as WakeUpAddress
from smgw.cli.administrator_parts import AsJson, DataFolder, done_locally, faults_shown, hand_at, local_books, show_facts, show_table
from smgw.cli.option_values import device_id_of
from smgw.core.errors import ConfigError
from smgw.net.identity import load_identity
from smgw.pki.triple import ADMINISTRATOR_KEYS
from smgw.security.files import write_durably

app = typer.Typer(help="Change of a gateway's administrator.", no_args_is_help=True)

_LIMIT = 8 << 20

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
        party, device_id = _party(data), str(device_id_of(gateway))
        write_durably(out, party.offer(device_id, host))
    show_facts({"gateway": device_id, "administrator": party.identity.triple.common_name, "file": str(out)}, as_json)


@app.command()
def infrastructure(gateway: Gateway, offer_file: OfferFile, out: Out, data: DataFolder, as_json: AsJson = False) -> None:
    """Old administrator: tell the new one what the gateway is and holds, sealed for it alone."""
    with local_books(data, as_json) as books:
        party, document = _party(data), _read(offer_file)
        write_durably(out, party.tell(books, document, gateway, LOCAL), 0o600)
        recipient = party.read(document, gateway).content.administrator
    show_facts({"gateway": gateway, "for": recipient, "file": str(out)}, as_json)


@app.command()
def announce(gateway: Gateway, offer_file: OfferFile, until: Until, data: DataFolder, as_json: AsJson = False) -> None:
    """Old administrator: announce the new one to the gateway, as soon as its channel is open."""
    with local_books(data, as_json) as books:
        order = _party(data).handover(books, _read(offer_file), gateway, until)
        facts = done_locally(books, data, "succession", summary_of(order), order, _shown)
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
        order = _party(data).intake(_read(file), until, _place(wake_up) if wake_up else None)
        facts = done_locally(books, data, "intake", summary_of(order), order, _shown)
    show_facts({**facts, "profiles": len(order.profiles)}, as_json)


@app.command()
def withdraw(gateway: Gateway, data: DataFolder, as_json: AsJson = False) -> None:
    """Give a change up that is not complete: everything stays as it was."""
    with local_books(data, as_json) as books:
        books.successions.known(gateway)
        order = WithdrawalOrder(gateway)
        facts = done_locally(books, data, "withdrawal", "give the change of administrator up", order, _shown)
    show_facts(facts, as_json)


@app.command()
def confirm(gateway: Gateway, data: DataFolder, as_json: AsJson = False) -> None:
    """Old administrator: note that the new one has confirmed that the gateway is its own."""
    with local_books(data, as_json) as books:
        change = confirm_succession(hand_at(books), gateway)
    show_facts(_shown(change), as_json)


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


def _party(data: Path) -> Party:
    folder = AdministratorFolder(data)
    return Party(folder, folder.load(), load_identity(data, ADMINISTRATOR_KEYS), datetime.now(UTC))


def _shown(change: Change) -> dict[str, object]:
    return {"gateway": change.device_id, "other": change.other, "state": change.state, "until": change.until}


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_LIMIT)
    except OSError as problem:
        raise ConfigError("pki.file", f"{path}: {problem.strerror}") from problem


def _place(text: str) -> WakeUpAddress:
    host, _, port = text.rpartition(":")
    return WakeUpAddress(host, int(port) if port.isdecimal() else 0, on_wake_up=False)

"""`smgw administrator life`: a gateway's first file, its enrolment, the exchange of its keys, and its end."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from smgw.administrator.books import Books
from smgw.administrator.config import AdministratorFolder
from smgw.administrator.enrolment import check_seal
from smgw.administrator.exchanges import DECOMMISSION, RENEWAL, Exchange, Exchanges
from smgw.administrator.initial_configuration import Address, load_authentication, make_initial_configuration
from smgw.administrator.orders import EnrolmentOrder, ExchangeOrder, JobOrder, seal_of
from smgw.cli.administrator_parts import AsJson, DataFolder, done_locally, faults_shown, local_books, show_facts, show_table
from smgw.cli.option_values import device_id_of, moment_of
from smgw.core.errors import ConfigError, DomainFault, UsageError
from smgw.core.instant import utc_text
from smgw.net.identity import load_identity
from smgw.pki.triple import ADMINISTRATOR_KEYS, read_certificates, triple_of
from smgw.security.files import write_durably
from smgw.security.policy import Use, curve_named, preferred_curve, require_curve

app = typer.Typer(help="Bring gateways to work, exchange their keys, end their life.", no_args_is_help=True)

Gateway = Annotated[str, typer.Argument(help="Device id, for example ESGW0000000042.")]
Curve = Annotated[str, typer.Option(help="Curve of the new keys; the crypto policy's when left out.")]


def _now() -> datetime:
    return datetime.now(UTC)


def _exchanges(books: Books) -> Exchanges:
    return Exchanges(books.store, books.audit, books.inventory)


def _curve(wanted: str) -> str:
    year = _now().year
    if not wanted:
        return preferred_curve(Use.END_ENTITY, year)
    curve_named(wanted)
    require_curve(wanted, Use.END_ENTITY, year)
    return wanted


@app.command("initial-configuration")
def initial_configuration_command(
    device: Annotated[str, typer.Option("--for", help="Device id of the gateway.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="File to write.", metavar="FILE")],
    data: DataFolder,
    host: Annotated[str, typer.Option(help="Where gateways reach the administrator; its own address when left out.")] = "",
    as_json: AsJson = False,
) -> None:
    """Make the signed file by which a new gateway finds and knows this administrator."""
    with faults_shown(as_json):
        folder = AdministratorFolder(data)
        config, identity = folder.load(), load_identity(data, ADMINISTRATOR_KEYS)
        if not (config.management_port and config.time_port):
            raise ConfigError("administrator.config", "management_port and time_port: gateways need fixed ones")
        address = Address(host or config.host, config.management_port, config.time_port, config.service_port)
        device_id = device_id_of(device)
        document = make_initial_configuration(identity, load_authentication(data).certificate, address, device_id, _now())
        write_durably(out, document)
    show_facts({"gateway": str(device_id), "administrator": identity.triple.common_name, "file": str(out)}, as_json)


@app.command("enrol")
def enrol_command(
    device: Gateway,
    seal: Annotated[Path, typer.Option(help="The gateway's seal certificates (PEM).", metavar="FILE")],
    data: DataFolder,
    curve: Curve = "",
    as_json: AsJson = False,
) -> None:
    """Take a new gateway into the inventory by its seal certificates; it is personalised as soon as it calls."""
    with local_books(data, as_json) as books:
        try:
            triple = triple_of(read_certificates(seal.read_bytes())[:3])
        except OSError as problem:
            raise ConfigError("pki.file", f"{seal}: {problem.strerror}") from problem
        if str(triple.device_id) != str(device_id_of(device)):
            raise UsageError("pki.name", f"the certificates are of {triple.device_id}")
        check_seal(triple, load_identity(data, ADMINISTRATOR_KEYS).trust, _now())
        order = EnrolmentOrder(str(triple.device_id), seal_of(triple), _curve(curve))
        facts = done_locally(books, data, "enrolment", "enrol a new gateway", order, _waiting)
    show_facts(facts, as_json)


@app.command("renew-keys")
def renew_keys_command(device: Gateway, data: DataFolder, curve: Curve = "", as_json: AsJson = False) -> None:
    """Have a gateway make new keys, on another curve too; it happens when its channel is open."""
    with local_books(data, as_json) as books:
        order = ExchangeOrder(device, RENEWAL, _curve(curve))
        facts = done_locally(books, data, "exchange", f"order new keys on {order.curve}", order, _waiting)
    show_facts(facts, as_json)


@app.command("announce-end")
def announce_end_command(
    device: Gateway,
    at: Annotated[str, typer.Option(help="When the end comes, at least 24 hours from now.", metavar="TIME")],
    data: DataFolder,
    as_json: AsJson = False,
) -> None:
    """Announce a gateway's end to its consumers, so that they fetch and keep what is theirs."""
    with local_books(data, as_json) as books:
        moment = moment_of(at)
        ends_at = utc_text(moment)
        if moment < _now() + timedelta(hours=24):
            raise DomainFault("lifecycle.notice", ends_at)
        if books.inventory.gateway(device) is None:
            raise DomainFault("administrator.unknown_gateway", device)
        order = JobOrder(device, "POST", "life/announce-end", {"at": ends_at})
        facts = done_locally(books, data, "job", f"announce the end for {ends_at}", order, lambda job: {"gateway": device, "job": job.id})
    show_facts({**facts, "ends_at": ends_at}, as_json)


@app.command("decommission")
def decommission_command(device: Gateway, data: DataFolder, as_json: AsJson = False) -> None:
    """End a gateway's life after the announced time: its keys and all personal data are erased, for good."""
    with local_books(data, as_json) as books:
        order = ExchangeOrder(device, DECOMMISSION, "")
        facts = done_locally(books, data, "exchange", "order the end", order, _waiting)
    show_facts(facts, as_json)


@app.command("list")
def list_command(data: DataFolder, as_json: AsJson = False) -> None:
    """List the exchanges of keys, and ends, that wait for their gateways."""
    with local_books(data, as_json) as books:
        rows = [
            {"device_id": one.device_id, "reason": one.reason, "curve": one.curve, "ordered_at": one.ordered_at, "by": one.ordered_by,
             "issued": bool(one.certificates)}
            for one in _exchanges(books).listed()
        ]  # fmt: skip
    columns = {"device_id": "Gateway", "reason": "What", "curve": "Curve", "ordered_at": "Since", "by": "By", "issued": "Certified"}
    show_table(rows, columns, as_json)


def _waiting(exchange: Exchange) -> dict[str, object]:
    return {"gateway": exchange.device_id, "waits_for": exchange.reason, "curve": exchange.curve}

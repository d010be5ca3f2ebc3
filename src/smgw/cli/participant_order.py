"""`smgw participant order`: ask a gateway's administrator for a connection or for values of past days."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any, get_args
from uuid import uuid4

import msgspec
import typer

from smgw.cli.administrator_parts import AsJson, faults_shown, show_facts
from smgw.codec.market_order import MarketOrder, MarketOrderState, Reason
from smgw.core.errors import ConfigError
from smgw.net.clock import ClockPort, SystemClock
from smgw.net.identity import Identity, load_identity
from smgw.participant.orders import Administrator, order_state, place_order
from smgw.pki.triple import PARTICIPANT_KEYS, read_certificates, triple_of

app = typer.Typer(help="Orders to the administrator of a gateway.", no_args_is_help=True)

DataFolder = Annotated[Path, typer.Option("--data", help="The participant's folder.", metavar="DIR")]
Place = Annotated[str, typer.Option("--administrator", help="The administrator's service address.", metavar="HOST:PORT")]
Certificates = Annotated[
    Path, typer.Option("--certificates", help="The administrator's TLS, SIG and ENC certificates (PEM).", metavar="FILE")
]
Gateway = Annotated[str, typer.Argument(help="Device id, for example ESGW0000000001.")]
OrderId = Annotated[str, typer.Option("--id", help="Id of an order that is sent once more; else a new one.", metavar="UUID")]
Day = Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="Local day whose value at 00:00 is asked for.", metavar="DATE")]


@app.command()
def connect(
    gateway: Gateway, data: DataFolder, place: Place, certificates: Certificates, order: OrderId = "", as_json: AsJson = False
) -> None:
    """Have a gateway call this participant now."""
    _place(data, place, certificates, MarketOrder(order or str(uuid4()), gateway, "connect"), as_json)


@app.command("read-out")
def read_out(
    gateway: Gateway,
    contract: Annotated[str, typer.Argument(help="Contract for read-outs in case of need, for example taf6-1.sm.")],
    first: Day,
    last: Day,
    reason: Annotated[str, typer.Option(help=f"Why: {', '.join(get_args(Reason))}.")],
    data: DataFolder,
    place: Place,
    certificates: Certificates,
    order: OrderId = "",
    as_json: AsJson = False,
) -> None:
    """Have a gateway send daily values of the past six weeks; they arrive like all others."""
    days: tuple[date, date] = (first.date(), last.date())
    wanted: dict[str, Any] = {"contract": contract, "first": days[0], "last": days[1], "reason": reason}
    _place(data, place, certificates, MarketOrder(order or str(uuid4()), gateway, "read-out", **wanted), as_json)


@app.command()
def show(
    order: Annotated[str, typer.Argument(help="Id of the order.", metavar="UUID")],
    data: DataFolder,
    place: Place,
    certificates: Certificates,
    as_json: AsJson = False,
) -> None:
    """Ask how far an order is."""
    _ask(data, place, certificates, lambda own, administrator, clock: order_state(own, administrator, order, clock), as_json)


def _place(data: Path, place: str, certificates: Path, order: MarketOrder, as_json: bool) -> None:
    _ask(data, place, certificates, lambda own, administrator, clock: place_order(own, administrator, order, clock), as_json)


_Question = Callable[[Identity, Administrator, ClockPort], Awaitable[MarketOrderState]]


def _ask(data: Path, place: str, certificates: Path, question: _Question, as_json: bool) -> None:
    host, _, port = place.rpartition(":")
    if not host or not port.isdecimal():
        raise typer.BadParameter(f"{place[:80]}: HOST:PORT is needed")

    async def conversation() -> MarketOrderState:
        clock = SystemClock()
        try:
            return await question(load_identity(data, PARTICIPANT_KEYS), administrator, clock)
        finally:
            clock.close()

    with faults_shown(as_json):
        try:
            administrator = Administrator(host, int(port), triple_of(read_certificates(certificates.read_bytes())[:3]))
        except OSError as problem:
            raise ConfigError("pki.file", f"{certificates}: {problem.strerror}") from problem
        show_facts(msgspec.to_builtins(asyncio.run(conversation())), as_json)

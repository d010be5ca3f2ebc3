"""`smgw gateway commission`: manufacture a gateway, pre-personalise, integrate and install it at its local interface.

A running gateway is spoken to over its socket; otherwise the command opens the folder itself, by the same rules.
"""

import asyncio
import sys
from base64 import b64decode, b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

if TYPE_CHECKING:
    from smgw.core.errors import SmgwError
    from smgw.gateway.config import LinkConfig
    from smgw.gateway.local_interface import Opening, Order

app = typer.Typer(help="Bring a gateway from the works to its first call: its local interface, with PINs.", no_args_is_help=True)

Data = Annotated[Path, typer.Option(help="The gateway's folder.")]
Pin = Annotated[Path, typer.Option("--pin-file", help="File with the PIN, `-` for standard input: a PIN never stands in a command line.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
INTEGRATOR, FIRST_CONFIGURATOR = "integrator", "first_configurator"
_STANDING = ("device_id", "phase", "done", "possible")


def _order(action: str, **fields: Any) -> "Order":
    from smgw.gateway.local_interface import Order

    return Order(action, **fields)


@contextmanager
def _shown() -> Iterator[None]:
    """Show a fault in two lines, and end with its exit code."""
    from smgw.core.errors import SmgwError

    try:
        yield
    except SmgwError as fault:
        raise _fail(fault) from fault


def _fail(fault: "SmgwError") -> typer.Exit:
    typer.echo(f"{fault.title} ({fault})\n{fault.hint}", err=True)
    return typer.Exit(fault.exit_code)


def _read(path: Path) -> bytes:
    from smgw.core.errors import ConfigError

    try:
        with path.open("rb") as file:
            return file.read(128 * 1024)
    except OSError as problem:
        raise ConfigError("lifecycle.file", f"{path}: {problem.strerror}") from problem


def _pin(path: Path) -> str:
    return (sys.stdin.readline() if str(path) == "-" else _read(path).decode(errors="replace")).strip()


def _work(data: Path, role: str, pin: Path, orders: "list[Order]", *, as_json: bool) -> list[dict[str, Any]]:
    """Open a session and give the orders one after another; shows where the gateway then stands."""
    from smgw.gateway.local_interface import Opening

    with _shown():
        replies = _converse(data, msgspec.convert({"role": role, "pin": _pin(pin)}, Opening), orders)
    last = replies[-1]
    if not last["ok"]:
        if as_json:
            typer.echo(msgspec.json.encode(last))
        typer.echo(f"{last['title']} ({last['code']}{': ' if last['detail'] else ''}{last['detail']})\n{last['hint']}", err=True)
        raise typer.Exit(5 if last["code"].startswith(("local.", "cms.", "pki.")) else 1)
    results = [reply.get("result", {}) for reply in replies[1:]]
    _show({key: last[key] for key in _STANDING}, as_json=as_json)
    return results


def _converse(data: Path, opening: "Opening", orders: "list[Order]") -> list[dict[str, Any]]:
    from smgw.core.errors import Unavailable
    from smgw.gateway.commissioning import open_workshop
    from smgw.gateway.config import GatewayFolder
    from smgw.gateway.lifecycle import LifeKeeper
    from smgw.gateway.local_interface import answer
    from smgw.gateway.phases import sign_installed_program
    from smgw.net.clock import SystemClock

    try:
        return asyncio.run(_over_socket(data, opening, orders))
    except Unavailable:
        clock, folder = SystemClock(), GatewayFolder(data)
        with LifeKeeper.open(folder, clock) as keeper:
            shop = open_workshop(keeper, clock, lambda: sign_installed_program(folder, clock.now()))
            reply, actor = answer(shop, None, msgspec.json.encode(opening))
            replies = [reply]
            for order in orders:
                if replies[-1]["ok"]:
                    reply, actor = answer(shop, actor, msgspec.json.encode(order))
                    replies.append(reply)
            return replies


async def _over_socket(data: Path, opening: "Opening", orders: "list[Order]") -> list[dict[str, Any]]:
    from smgw.gateway.local_interface import LocalSession

    async with LocalSession.connect(data) as session:
        replies = [await session.ask(opening)]
        for order in orders:
            if replies[-1]["ok"]:
                replies.append(await session.ask(order))
        return replies


def _show(standing: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        typer.echo(msgspec.json.encode(standing).decode())
        return
    typer.echo(f"{standing['device_id']}: {standing['phase']}")
    typer.echo(f"possible next: {', '.join(standing['possible']) or 'nothing here'}")


@app.command("manufacture")
def manufacture_command(
    data: Annotated[Path, typer.Option(help="Folder to make.")],
    device_id: Annotated[str, typer.Option("--id", help="Device id after DIN 43863-5, for example ESGW0000000042.")],
    as_json: AsJson = False,
) -> None:
    """Make a new gateway: device id, initialised security module, two PINs. The PINs are shown once and kept nowhere."""
    from smgw.gateway.commissioning import manufacture
    from smgw.gateway.config import GatewayFolder
    from smgw.net.clock import SystemClock

    with _shown():
        pins = manufacture(GatewayFolder(data), device_id, SystemClock())
    if as_json:
        typer.echo(msgspec.json.encode({"device_id": device_id, "pins": pins}).decode())
        return
    typer.echo(f"{device_id} manufactured in {data}")
    for actor, pin in pins.items():
        typer.echo(f"PIN of the {actor.replace('_', ' ')}: {pin}")


@app.command("status")
def status_command(data: Data, as_json: AsJson = False) -> None:
    """Show the phase of a gateway's life and what is possible next; needs no PIN and changes nothing."""
    from smgw.core.life_cycle import possible
    from smgw.gateway.config import GatewayFolder
    from smgw.gateway.lifecycle import load_record

    with _shown():
        record = load_record(GatewayFolder(data))
    standing = {
        "device_id": record.device_id,
        "phase": record.phase,
        "done": list(record.marks),
        "possible": possible(record.life),
        "locked": [actor for actor, pin in record.pins.items() if pin.is_locked],
        "ends_at": record.ends_at,
    }
    _show(standing, as_json=as_json)


@app.command("import-root")
def import_root_command(
    file: Annotated[Path, typer.Argument(help="Root certificate, PEM or DER.", metavar="FILE")],
    fingerprint: Annotated[str, typer.Option(help="SHA-256 of the certificate in hex, received by another way.")],
    data: Data,
    pin_file: Pin,
    as_json: AsJson = False,
) -> None:
    """Take the SM-PKI's root certificate into the security module (integrator)."""
    order = _order("import_root", certificates=_base64(file), fingerprint=fingerprint)
    _work(data, INTEGRATOR, pin_file, [order], as_json=as_json)


@app.command("request")
def request_command(
    data: Data,
    pin_file: Pin,
    out: Annotated[Path, typer.Option("--out", "-o", help="File for the request package.")],
    as_json: AsJson = False,
) -> None:
    """Make the provisional keys if they aren't made yet, and write the request package for the seal certificates (integrator)."""
    from smgw.security.files import write_durably

    orders = [] if "provisional_keys" in _marks(data) else [_order("make_provisional_keys")]
    results = _work(data, INTEGRATOR, pin_file, [*orders, _order("request_seal")], as_json=as_json)
    write_durably(out, b64decode(results[-1]["request"]))


@app.command("import-seal")
def import_seal_command(
    file: Annotated[Path, typer.Argument(help="The three seal certificates and their issuer's, PEM.", metavar="FILE")],
    data: Data,
    pin_file: Pin,
    as_json: AsJson = False,
) -> None:
    """Take the seal certificates; nothing is stored unless all lead to the root and are for this gateway's keys (integrator)."""
    _work(data, INTEGRATOR, pin_file, [_order("import_seal", certificates=_base64(file))], as_json=as_json)


@app.command("integrate")
def integrate_command(data: Data, pin_file: Pin, as_json: AsJson = False) -> None:
    """Make the storage key and pair gateway and security module; before or after the seal certificates (integrator)."""
    orders = [] if "storage_key" in _marks(data) else [_order("make_storage_key")]
    _work(data, INTEGRATOR, pin_file, [*orders, _order("pair_module")], as_json=as_json)


@app.command("load-configuration")
def load_configuration_command(
    file: Annotated[Path, typer.Argument(help="The administrator's signed initial configuration file.", metavar="FILE")],
    data: Data,
    pin_file: Pin,
    as_json: AsJson = False,
) -> None:
    """Verify and take the administrator's file, then erase the import keys: the end of pre-personalisation (integrator)."""
    load, erase = _order("load_configuration", document=_base64(file)), _order("erase_import_keys")
    # A power cut may have come between the two.
    orders = [erase] if "erase_import_keys" in _possible(data) else [load, erase]
    _work(data, INTEGRATOR, pin_file, orders, as_json=as_json)


@app.command("network")
def network_command(
    data: Data,
    pin_file: Pin,
    link: Annotated[list[str] | None, typer.Option(help="Line to meters as NAME=URL; may be repeated.")] = None,
    han_host: Annotated[str | None, typer.Option(help="Own address at the HAN.")] = None,
    han_port: Annotated[int | None, typer.Option(help="Port of the consumer interface.")] = None,
    wan_address: Annotated[str | None, typer.Option(help="Own address at the WAN.")] = None,
    as_json: AsJson = False,
) -> None:
    """Set lines and addresses on site (first configurator)."""
    if not link and han_host is None and han_port is None and wan_address is None:
        raise typer.BadParameter("name at least one of --link, --han-host, --han-port, --wan-address")
    order = _order("set_network", links=tuple(map(_link, link or ())), han_host=han_host, han_port=han_port, wan_address=wan_address)
    _work(data, FIRST_CONFIGURATOR, pin_file, [order], as_json=as_json)


def _link(text: str) -> "LinkConfig":
    """Read NAME=URL, or a URL alone, which may have an equals sign of its own."""
    from smgw.gateway.config import LinkConfig

    name, _, url = text.partition("=")
    return LinkConfig(name, url) if url and "://" not in name else LinkConfig("", text)


@app.command("address")
def address_command(
    data: Data,
    pin_file: Pin,
    host: Annotated[str, typer.Option(help="Host of the administrator.")],
    management_port: Annotated[int, typer.Option(help="Port of its management channel.")],
    time_port: Annotated[int, typer.Option(help="Port of its time server.")],
    as_json: AsJson = False,
) -> None:
    """Correct the administrator's address; its certificates stay (first configurator)."""
    order = _order("correct_address", host=host, management_port=management_port, time_port=time_port)
    _work(data, FIRST_CONFIGURATOR, pin_file, [order], as_json=as_json)


@app.command("log")
def log_command(
    data: Data,
    pin_file: Pin,
    start: Annotated[int, typer.Option("--from", min=1, help="Number of the first entry.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Read the system log on site, 200 entries at a time (first configurator)."""
    results = _work(data, FIRST_CONFIGURATOR, pin_file, [_order("read_system_log", start=start)], as_json=as_json)
    for entry in results[0]["log"]:
        typer.echo(msgspec.json.encode(entry).decode() if as_json else f"{entry['index']:5} {entry['time']}  {entry['text']}")


@app.command("reset-pin")
def reset_pin_command(data: Data, pin_file: Pin, as_json: AsJson = False) -> None:
    """Give the first configurator a new PIN, in place of a locked one (integrator)."""
    results = _work(data, INTEGRATOR, pin_file, [_order("reset_pin")], as_json=as_json)
    typer.echo(msgspec.json.encode(results[0]).decode() if as_json else f"PIN of the first configurator: {results[0]['pin']}")


@app.command("finish")
def finish_command(data: Data, pin_file: Pin, as_json: AsJson = False) -> None:
    """End the installation: the local interface is off from now on, for good (first configurator)."""
    _work(data, FIRST_CONFIGURATOR, pin_file, [_order("finish_installation")], as_json=as_json)


def _marks(data: Path) -> frozenset[str]:
    from smgw.gateway.config import GatewayFolder
    from smgw.gateway.lifecycle import load_record

    with _shown():
        return frozenset(load_record(GatewayFolder(data)).marks)


def _possible(data: Path) -> frozenset[str]:
    from smgw.core.life_cycle import possible
    from smgw.gateway.config import GatewayFolder
    from smgw.gateway.lifecycle import load_record

    with _shown():
        return frozenset(possible(load_record(GatewayFolder(data)).life))


def _base64(file: Path) -> str:
    with _shown():
        return b64encode(_read(file)).decode()

"""`smgw up`: a whole metering system in one command."""

import asyncio
import signal
import sys
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console

from smgw.cli.service import configure_diagnostics
from smgw.core.errors import PeerFault, SmgwError
from smgw.core.identifiers import DeviceId
from smgw.simulation.fleet import LIMIT as FLEET_LIMIT
from smgw.simulation.system import Launcher, Options

PERIODS_S = (60, 300, 900, 1800, 3600)
NOTICE = "This gateway is software and not certified: for tests, learning and private use, never for billing under calibration law."


def up(
    data: Annotated[Path, typer.Option(help="Folder of the system; made at the first start, continued at the next.")] = Path("smgw-data"),
    meter: Annotated[
        list[str] | None,
        typer.Option(help="sim:household, sim:heat-pump, sml:DUMP, serial:///dev/ttyUSB0?baud=9600 or tcp://HOST:PORT. May be repeated."),
    ] = None,
    speed: Annotated[float, typer.Option(help="Simulated seconds in a real second.", min=0.1, max=1e6)] = 1.0,
    interval: Annotated[int | None, typer.Option(help="Seconds between telegrams of simulated and replayed meters.", min=1)] = None,
    period: Annotated[int | None, typer.Option(help="Register period in seconds: 60, 300, 900, 1800 or 3600.")] = None,
    until: Annotated[str, typer.Option(help="`delivered`: end as soon as the participant holds a complete, verified day.")] = "",
    timeout: Annotated[
        float | None, typer.Option(help="End after so many real seconds; with --until delivered this is a failure.", min=0.1)
    ] = None,
    fleet: Annotated[
        int | None,
        typer.Option(help="Gateways of the fleet: beside the one gateway so many virtual ones that they are N.", min=1, max=FLEET_LIMIT),
    ] = None,
    gateway_id: Annotated[str, typer.Option(help="Device id of the gateway, for example ESGW0000000001; only at the first start.")] = "",
    fault: Annotated[
        list[str] | None, typer.Option(help="NAME=PROBABILITY of a simulated meter, see `smgw meter run`. May be repeated.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON line when all is up and one at the end.")] = False,
) -> None:
    """Start PKI, administrator, market participant, gateway and meters on this machine, and keep them until Ctrl-C.

    Example: smgw up --speed 3600 --until delivered
    """
    if until not in ("", "delivered"):
        raise typer.BadParameter("only `delivered` is known", param_hint="--until")
    if period is not None and period not in PERIODS_S:
        raise typer.BadParameter(f"one of {', '.join(map(str, PERIODS_S))}", param_hint="--period")
    if gateway_id and not _is_gateway_id(gateway_id):
        raise typer.BadParameter("E, three letters, two hex digits, eight digits: ESGW0000000001", param_hint="--gateway-id")
    options = Options(
        data=data,
        meters=tuple(meter or ()),
        speed=speed,
        interval_s=interval,
        period_s=period,
        gateway_id=gateway_id,
        fleet=fleet,
        until_delivered=until == "delivered",
        timeout_s=timeout,
        faults=tuple(fault or ()),
    )
    configure_diagnostics("warning")
    console = Console(stderr=True)
    try:
        asyncio.run(_up(options, console, as_json=as_json))
    except SmgwError as fault_:
        console.print(f"{fault_.title}: {fault_.detail}\n{fault_.hint} [{fault_.code}]", highlight=False, markup=False, soft_wrap=True)
        raise typer.Exit(fault_.exit_code) from fault_


def _is_gateway_id(text: str) -> bool:
    try:
        device_id = DeviceId.parse(text)
    except PeerFault:
        return False
    return device_id.medium == "E" and str(device_id) == text


async def _up(options: Options, console: Console, *, as_json: bool) -> None:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    if not as_json:
        console.print(f"Starting the system in {options.data} …", highlight=False)

    def tell(line: dict[str, Any]) -> None:
        if as_json:
            _print(msgspec.json.encode(line).decode())
        else:
            _print(_welcome(line))

    summary = await Launcher(options, tell, stop).run()
    _print(msgspec.json.encode(summary).decode() if as_json else _farewell(summary))


def _print(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _welcome(line: dict[str, Any]) -> str:
    consumer = line["consumer"]
    return "\n".join(
        (
            "",
            f"  Gateway         {line['gateway_id']}",
            f"  Consumer page   {consumer['url']}",
            f"                  user {consumer['user']}, password {consumer['password']}",
            f"  Participant     {line['participant']['url']}",
            f"                  token in {line['participant']['token_file']}",
            f"  Administrator   {line['administrator']['url']}",
            f"                  token in {line['administrator']['token_file']}",
            *([f"  Fleet           {line['fleet']} gateways"] if line["fleet"] > 1 else []),
            f"  Data            {line['data']}",
            "",
            f"  {NOTICE}",
            "  The consumer page shows a certificate that your browser doesn't know; that is expected. Stop with Ctrl-C.",
        )
    )


def _farewell(summary: dict[str, Any]) -> str:
    names = {"meters": "meters", "telegrams": "telegrams", "readings": "readings", "deliveries": "deliveries", "rejected": "rejected"}
    return "Stopped. " + ", ".join(f"{summary[key]} {name}" for key, name in names.items()) + f", {summary['log_entries']} log entries."


app = typer.Typer()
app.command()(up)

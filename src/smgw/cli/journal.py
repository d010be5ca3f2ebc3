"""`smgw journal`: check, list and export a gateway's journal, also while the gateway runs."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from smgw.core.errors import ConfigError, SmgwError
from smgw.core.instant import utc_text
from smgw.core.log_event import Log
from smgw.core.profiles import PROFILE_KINDS, profile_key
from smgw.core.quantity import Quantity, unit_symbol
from smgw.core.status_word import to_hex_msb_first
from smgw.gateway.config import GatewayFolder
from smgw.security.secret_file import load_secret
from smgw.security.software import SoftwareModule
from smgw.storage.journal import Journal
from smgw.storage.journal_export import EXPORTED, ExportChain, bounded_lines, export_chains, verify_export

app = typer.Typer(name="journal", help="Check, list and export a gateway's journal, also while the gateway runs.", no_args_is_help=True)

DataFolder = Annotated[Path, typer.Option("--data", help="The gateway's data folder.", metavar="DIR")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
Line = dict[str, object]


class Content(StrEnum):
    """Name what `smgw journal list` shows."""

    READINGS = "readings"
    REGISTERS = "registers"
    SYSTEM = "system"
    CALIBRATION = "calibration"
    CONSUMER = "consumer"
    PROFILES = "profiles"
    OUTBOX = "outbox"


def open_gateway_journal(data_dir: Path) -> Journal:
    """Open the journal of a gateway's folder to read; the folder's security module gives the key.

    Raises: ConfigError gateway.not_initialised, and what `SoftwareModule.open` and `Journal.open_read_only` raise.
    """
    folder = GatewayFolder(data_dir)
    if not folder.module.is_file() or not folder.secret.is_file():
        raise ConfigError("gateway.not_initialised", str(data_dir))
    module = SoftwareModule.open(folder.module, load_secret(folder.secret))
    return Journal.open_read_only(folder.journal, module.storage_key("journal"))


@contextmanager
def _faults_shown(as_json: bool = False) -> Iterator[None]:
    try:
        yield
    except SmgwError as fault:
        if as_json:
            _print_json({"ok": False, "code": fault.code, "detail": fault.detail})
        Console(stderr=True, soft_wrap=True, highlight=False, markup=False).print(f"{fault.title} ({fault})\n{fault.hint}")
        raise typer.Exit(fault.exit_code) from fault


def _print_json(line: object) -> None:
    sys.stdout.write(msgspec.json.encode(line).decode() + "\n")


def _print_table(lines: list[Line], title: str) -> None:
    table = Table(*(lines[0] if lines else ()), title=title, title_justify="left")
    for line in lines:
        table.add_row(*(str(value) for value in line.values()))
    Console().print(table if lines else f"{title}: nothing stored")


@app.command("verify")
def verify_command(
    data: DataFolder = Path(),
    export: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="Check an exported file instead; that needs no key.", metavar="FILE")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Recompute every hash of every chain. Exit code 0: intact, 5: broken, with the place."""
    with _faults_shown(as_json):
        facts: Line = {}
        chains: tuple[ExportChain, ...]
        if export is not None:
            with export.open("rb") as file:
                chains = verify_export(bounded_lines(file.readline))
        else:
            with open_gateway_journal(data) as journal:
                report = journal.verify()
            chains = export_chains(report.chains)
            facts = {"messages": report.messages, "acknowledged": report.acknowledged}
    if as_json:
        _print_json({"ok": True, "chains": chains, **facts})
        return
    _print_table([{"chain": c.chain, "of": c.scope, "rows": c.length, "last hash": c.hash} for c in chains], "Chains, all intact")
    if facts:
        Console().print(f"Outbox: {facts['messages']} messages, {facts['acknowledged']} acknowledged")


def _amount(quantity: Quantity | None) -> str:
    return "–" if quantity is None else f"{quantity.decimal():f} {unit_symbol(quantity.unit)}".rstrip()


def _readings(journal: Journal, _: str, count: int) -> list[Line]:
    return [
        {
            "number": signed.sequence,
            "meter": signed.reading.meter_id,
            "register": str(signed.reading.obis),
            "value": _amount(signed.reading.quantity),
            "for": utc_text(signed.reading.target_time),
            "captured": utc_text(signed.reading.capture_time),
            "status": to_hex_msb_first(signed.reading.gateway_status, signed.reading.meter_status),
        }
        for signed in journal.recent_readings(count)
    ]


def _registers(journal: Journal, _: str, count: int) -> list[Line]:
    return [
        {
            "profile": value.profile_id,
            "TAF": value.taf,
            "register": str(value.obis),
            "value": _amount(value.quantity),
            "from": utc_text(value.period_start),
            "to": utc_text(value.period_end),
            "readings": len(value.inputs),
        }
        for value in journal.recent_registers(count)
    ]


def _log(log: Log) -> Callable[[Journal, str, int], list[Line]]:
    def lines(journal: Journal, consumer: str, count: int) -> list[Line]:
        start = max(1, journal.log_count(log, consumer) - count + 1)
        return [
            {
                "number": stored.index,
                "time": utc_text(stored.entry.time),
                "level": stored.entry.kind.level.name,
                "event": stored.entry.kind.number,
                "text": stored.entry.text("en"),
            }
            for stored in journal.log(log, consumer, from_index=start)
        ]

    return lines


def _profiles(journal: Journal, _: str, count: int) -> list[Line]:
    found = [(kind, profile) for kind in PROFILE_KINDS for profile in journal.profiles(kind)]
    return [{"kind": kind, "id": profile_key(profile), "version": profile.version} for kind, profile in found[:count]]


def _outbox(journal: Journal, _: str, count: int) -> list[Line]:
    return [
        {
            "message": message.message_id,
            "to": message.partner_id,
            "profile": message.profile_id,
            "since": utc_text(message.created_at),
            "octets": len(message.body),
            "attempts": message.attempts,
            "last fault": message.last_code,
        }
        for message in journal.pending(count)
    ]


_CONTENTS: dict[Content, Callable[[Journal, str, int], list[Line]]] = {
    Content.READINGS: _readings,
    Content.REGISTERS: _registers,
    **{Content(log.value): _log(log) for log in Log},
    Content.PROFILES: _profiles,
    Content.OUTBOX: _outbox,
}


@app.command("list")
def list_command(
    what: Annotated[Content, typer.Argument(help="What to list.")] = Content.READINGS,
    data: DataFolder = Path(),
    consumer: Annotated[str, typer.Option(help="Whose consumer log.", metavar="ID")] = "",
    count: Annotated[int, typer.Option(min=1, max=10_000, help="How many of the newest rows; of the outbox, the oldest.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List what was stored last; from the outbox, what waits for its receipt."""
    with _faults_shown(as_json), open_gateway_journal(data) as journal:
        lines = _CONTENTS[what](journal, consumer, count)
    if as_json:
        for line in lines:
            _print_json(line)
        return
    _print_table(lines, what.value)


def _chosen_chains(chosen: list[str] | None) -> list[str]:
    for kind in chosen or ():
        if kind not in EXPORTED:
            raise typer.BadParameter(f"{kind} is none of {', '.join(EXPORTED)}")
    return chosen or list(EXPORTED)


@app.command("export")
def export_command(
    data: DataFolder = Path(),
    output: Annotated[typer.FileBinaryWrite, typer.Option("--output", "-o", help="File to write.", metavar="FILE")] = "-",  # type: ignore[assignment]
    chain: Annotated[
        list[str] | None, typer.Option(help=f"Only this chain: {', '.join(EXPORTED)}; may be repeated.", metavar="NAME")
    ] = None,
) -> None:
    """Write chains as JSON lines that `smgw journal verify --export FILE` checks without a key."""
    kinds = _chosen_chains(chain)
    with _faults_shown(), open_gateway_journal(data) as journal:
        output.writelines(journal.export(kinds))

"""`smgw journal`: check, list and export a gateway's journal, also while the gateway runs."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from cryptography import x509
from rich.console import Console
from rich.table import Table

from smgw.cli.journal_files import exported, opened_for_export, read_evidence, verify_file, write_signed
from smgw.cli.language import Language
from smgw.cli.option_values import moment_of
from smgw.core.errors import ConfigError, SmgwError
from smgw.core.instant import utc_text
from smgw.core.log_event import Log
from smgw.core.profiles import PROFILE_KINDS, profile_key
from smgw.core.quantity import Quantity, unit_symbol
from smgw.core.status_word import to_hex_msb_first
from smgw.gateway.boot import check_not_set_back, load_record
from smgw.gateway.config import GatewayFolder
from smgw.gateway.exports import ExportFormat, ExportRequest
from smgw.gateway.journal_signature import verify_statements
from smgw.net.identity import TRIPLE_FILE, former_certificates, open_module
from smgw.pki.triple import read_certificates, triple_of
from smgw.security.module_folder import has_module
from smgw.storage.journal import Journal
from smgw.storage.journal_export import EXPORTED, ExportAbout, ExportChain, bounded_lines, export_chains, verify_export
from smgw.storage.journal_readings import READINGS, REGISTERS
from smgw.transparency.journal_file import Verdict

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

    Raises: ConfigError gateway.not_initialised, and what `open_module` and `Journal.open_read_only` raise.
    """
    folder = GatewayFolder(data_dir)
    if not has_module(folder.path):
        raise ConfigError("gateway.not_initialised", str(data_dir))
    return Journal.open_read_only(folder.journal, open_module(folder.path).storage_key("journal"))


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
    certificate: Annotated[
        list[Path] | None,
        typer.Option(help="The gateway's SIG certificate; repeat it for those before it.", metavar="CERT"),
    ] = None,
    trust: Annotated[Path | None, typer.Option(help="Trust folder with root, sub-CAs and revocation lists.", metavar="DIR")] = None,
    signature: Annotated[Path | None, typer.Option(help="Signature over the file; FILE.p7s by default.", metavar="FILE")] = None,
    at: Annotated[str, typer.Option(help="When certificates must be valid; the time of the export by default.", metavar="TIME")] = "",
    as_json: AsJson = False,
) -> None:
    """Recompute every hash of every chain, and check signatures where certificates are given.

    In a gateway's folder it is also checked that the journal was not set back to an earlier state of itself.
    An exported file is checked offline: the gateway's signature over it, the certificate's path, chains, seals and readings. Without
    --certificate only its chains are. Exit code 0: intact, 5: broken, with the place.
    """
    if certificate and export and trust is None:
        raise typer.BadParameter("the path of a certificate is checked with --trust DIR")
    with _faults_shown(as_json):
        if export is not None and certificate and trust is not None:
            moment = moment_of(at) if at else None
            evidence = read_evidence(certificate, trust, moment)
            _show_verdict(verify_file(export, signature or _signature_of(export), evidence), as_json)
            return
        facts: Line = {}
        chains: tuple[ExportChain, ...]
        if export is not None:
            with export.open("rb") as file:
                chains = verify_export(bounded_lines(file.readline))
            facts = {"signatures": "not checked: name --certificate and --trust"}
        else:
            folder = GatewayFolder(data)
            record = load_record(folder)
            with open_gateway_journal(data) as journal:
                report = journal.verify()
                # A gateway that starts for the first time may have written its first record meanwhile.
                check_not_set_back(journal, record if record.seals else load_record(folder))
                held = _own_certificates(data, certificate or [])
                facts = {"signatures": verify_statements(journal, held) if held else "not checked: the gateway has no certificate"}
            chains = export_chains(report.chains)
            facts |= {"messages": report.messages, "acknowledged": report.acknowledged}
    if as_json:
        _print_json({"ok": True, "chains": chains, **facts})
        return
    _print_table([{"chain": c.chain, "of": c.scope, "rows": c.length, "last hash": c.hash} for c in chains], "Chains, all intact")
    Console().print(f"Signatures of seals and cuts: {facts['signatures']}")
    if "messages" in facts:
        Console().print(f"Outbox: {facts['messages']} messages, {facts['acknowledged']} acknowledged")


def _own_certificates(data: Path, more: list[Path]) -> list[x509.Certificate]:
    triple = data / TRIPLE_FILE
    own = [triple_of(read_certificates(triple.read_bytes())).sig] if triple.is_file() else []
    own += former_certificates(data)
    return own + [certificate for path in more for certificate in read_certificates(path.read_bytes())]


def _signature_of(path: Path) -> Path:
    return path.with_name(path.name + ".p7s")


def _show_verdict(verdict: Verdict, as_json: bool) -> None:
    facts: Line = {
        "gateway": str(verdict.gateway),
        "signer": verdict.signer.subject.rfc4514_string(),
        "certificates valid at": utc_text(verdict.at),
        "form": verdict.form,
    }
    chains: tuple[ExportChain, ...] = ()
    if verdict.journal is not None:
        report, chains = verdict.journal, verdict.journal.head.chains
        facts |= {"exported": report.head.time, "consumer": report.head.consumer, "rows": report.rows, "single rows": report.items}
        facts |= {"seals and cuts": report.seals, "signed readings": report.readings}
    if verdict.readings is not None:
        facts |= {"signed readings": verdict.readings.verified, "unsigned readings": verdict.readings.unsigned}
    if as_json:
        _print_json({"ok": True, "chains": chains, **{name.replace(" ", "_"): value for name, value in facts.items()}})
        return
    for name, value in facts.items():
        Console().print(f"{name:<22}{value}", highlight=False, markup=False, soft_wrap=True)
    if chains:
        _print_table([{"chain": c.chain, "of": c.scope, "rows": c.length, "last hash": c.hash} for c in chains], "Chains, all intact")


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


def _chosen_chains(chosen: list[str] | None, consumer: str) -> list[str]:
    for kind in chosen or ():
        if kind not in EXPORTED:
            raise typer.BadParameter(f"{kind} is none of {', '.join(EXPORTED)}")
    return chosen or ([READINGS, REGISTERS, Log.CONSUMER.value] if consumer else list(EXPORTED))


@app.command("export")
def export_command(
    data: DataFolder = Path(),
    output: Annotated[Path, typer.Option("--output", "-o", help="File to write; - for standard output.", metavar="FILE")] = Path("-"),
    form: Annotated[ExportFormat, typer.Option("--format", help="Form of the export.")] = ExportFormat.JSON,
    chain: Annotated[
        list[str] | None, typer.Option(help=f"Only this chain: {', '.join(EXPORTED)}; may be repeated.", metavar="NAME")
    ] = None,
    consumer: Annotated[str, typer.Option(help="Only what is this consumer's.", metavar="ID")] = "",
    contract: Annotated[str, typer.Option(help="Contract of an AR 2418-6 file.", metavar="ID")] = "",
    since: Annotated[str, typer.Option("--from", help="Start of an AR 2418-6 file.", metavar="TIME")] = "",
    until: Annotated[str, typer.Option("--to", help="End of an AR 2418-6 file.", metavar="TIME")] = "",
    language: Annotated[Language, typer.Option("--lang", help="Language of log entries.")] = Language.EN,
    signature: Annotated[Path | None, typer.Option(help="Signature to write; FILE.p7s by default.", metavar="FILE")] = None,
) -> None:
    """Write chains as a file with the gateway's signature beside it; check both with `smgw journal verify --export FILE`.

    `json` holds every proof, `csv` one table, `conexa` one log as the consumer interface answers it, `trudi` one contract as AR 2418-6.
    """
    kinds = _chosen_chains(chain, consumer)
    with _faults_shown():
        folder = GatewayFolder(data)
        with opened_for_export(folder) as opened:
            gateway = str(opened.identity.triple.device_id) if opened.identity is not None else ""
            start, end = (moment_of(text) if text else None for text in (since, until))
            request = ExportRequest(tuple(kinds), ExportAbout(gateway, "", consumer), contract, start, end, language.value)
            parts = exported(opened, folder, form, request)
            if output == Path("-"):
                sys.stdout.buffer.writelines(parts)
            else:
                write_signed(opened, parts, output, signature or _signature_of(output))

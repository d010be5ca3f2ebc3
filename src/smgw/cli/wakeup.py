"""`smgw wakeup`: make and check wake-up packets, so that others can test their side."""

import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Literal

import typer
from cryptography.hazmat.primitives.asymmetric import ec

from smgw.cli.credentials import (
    certificate_of,
    described,
    faults_shown,
    party,
    print_json,
    read_file,
    require_out,
    require_signing,
    write_file,
)
from smgw.cli.hex_input import unhexed
from smgw.cli.option_values import device_id_of, moment_of
from smgw.codec.wakeup import decode_packet, moment_text, recipient_id
from smgw.core.errors import ConfigError, PeerFault, Unavailable
from smgw.core.instant import utc_text
from smgw.pki.certificate_profiles import Kind
from smgw.protocol.wakeup_guard import CHECKS, NEVER, Case, WakeUpRules, checks
from smgw.security.wakeup import make_packet

app = typer.Typer(name="wakeup", help="Make and check wake-up packets.", no_args_is_help=True)

_Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
PORT = 15100


@app.command("make")
def make_command(
    gateway: Annotated[str, typer.Argument(help="Device id of the gateway, for example ESGW0000000001.", metavar="GATEWAY")],
    module: Annotated[
        Path | None, typer.Option("--module", help="Folder with the administrator's security module and triple.", metavar="DIR")
    ] = None,
    key: Annotated[Path | None, typer.Option("--key", help="Private key, PEM or DER; in place of --module.", metavar="FILE")] = None,
    certificate: Annotated[Path | None, typer.Option("--certificate", help="Certificate of the key; PEM or DER.", metavar="FILE")] = None,
    password: Annotated[Path | None, typer.Option("--password-file", help="File with the password of the key.", metavar="FILE")] = None,
    at: Annotated[str | None, typer.Option(help="Time of the packet; now when left out.", metavar="TIME")] = None,
    order: Annotated[
        Literal["little", "big"], typer.Option(help="Which octet of the time comes first: the least or the most significant.")
    ] = "little",
    out: Annotated[
        Path | None, typer.Option("--out", help="File to write, - for standard output; hex is printed when left out.", metavar="FILE")
    ] = None,
    send: Annotated[str | None, typer.Option(help="Send it over UDP; there is never an answer.", metavar="HOST:PORT")] = None,
    as_json: _Json = False,
) -> None:
    """Make a signed packet that lets a gateway call its administrator."""
    with faults_shown(as_json):
        if out is not None:
            require_out(out, as_json)
        device = device_id_of(gateway)
        moment = datetime.now(UTC) if at is None else moment_of(at)
        signer = party(Kind.SIG, module, key, certificate, password)
        require_signing(signer.credential.certificate)
        packet = make_packet(device, moment, module=signer.module, signer=signer.credential, order=order)
        if out is not None:
            write_file(out, packet)
        if send is not None:
            _send(packet, send)
        signed_by = described(signer.credential.certificate)
    if as_json:
        print_json(
            {
                "ok": True,
                "gateway": str(device),
                "time": utc_text(moment.replace(microsecond=0)),
                "octets": len(packet),
                "packet": packet.hex(),
                "signer": signed_by,
                "sent": send,
            }
        )
    elif out is None and send is None:
        typer.echo(packet.hex())
    elif str(out) != "-":
        typer.echo(f"{len(packet)} octets for {device}{'' if send is None else f', sent to {send}'}")


def _send(packet: bytes, place: str) -> None:
    host, _, port = place.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65_536:
        raise ConfigError("key.choice", f"{place}: HOST:PORT")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, kind, protocol) as caller:
            caller.sendto(packet, address)
    except OSError as problem:
        raise Unavailable("net.unreachable", f"{place}: {problem.strerror}") from problem


@app.command("check")
def check_command(
    source: Annotated[Path, typer.Argument(help="File with the packet (octets or hex), or - for standard input.", metavar="FILE")],
    certificate: Annotated[Path, typer.Option("--certificate", help="Administrator's SIG certificate, or its triple.", metavar="FILE")],
    gateway: Annotated[str | None, typer.Option(help="Device id that it must be for; any when left out.", metavar="GATEWAY")] = None,
    at: Annotated[str | None, typer.Option(help="Time of the check; now when left out.", metavar="TIME")] = None,
    window: Annotated[int, typer.Option(min=5, max=300, help="How many seconds the packet may be away from it.")] = 30,
    order: Annotated[
        Literal["little", "big", "auto"], typer.Option(help="Order in which the time is read; `auto` takes what fits.")
    ] = "little",
    last: Annotated[str | None, typer.Option(help="Time of the last accepted packet; this one has to be newer.", metavar="TIME")] = None,
    as_json: _Json = False,
) -> None:
    """Check a packet as a gateway does, check by check. Exit code 0: accepted, 4 or 5: refused, with the reason."""
    with faults_shown(as_json):
        now = datetime.now(UTC) if at is None else moment_of(at)
        sig = require_signing(certificate_of(Kind.SIG, certificate))
        public_key = sig.public_key()
        if not isinstance(public_key, ec.EllipticCurvePublicKey):
            raise ConfigError("key.certificate", "not an elliptic-curve key")
        data = unhexed(read_file(source))
        results: list[dict[str, str]] = []
        fault: PeerFault | None = None
        facts: dict[str, object] = {"octets": len(data)}
        try:
            packet = decode_packet(data)
        except PeerFault as problem:
            fault = problem
        results.append(_result("format", fault))
        if fault is None:
            recipient = packet.recipient if gateway is None else device_id_of(gateway).to_wake_up()
            rules = WakeUpRules(recipient, public_key, sig.not_valid_before_utc, sig.not_valid_after_utc, timedelta(seconds=window), order)
            case = Case(packet, rules, now, True, NEVER if last is None else int(moment_of(last).timestamp()), None)
            facts |= {"recipient": str(recipient_id(packet.recipient) or packet.recipient.hex()), "time": moment_text(case.seconds)}
            for name, fault in checks(case):
                results.append(_result(name, fault))
        results += [{"check": name, "result": "not reached"} for name, _ in CHECKS[len(results) - 1 :]]
        if as_json and fault is not None:
            print_json({"ok": False, "code": fault.code, "detail": fault.detail, **facts, "checks": results})
            raise typer.Exit(fault.exit_code)
        if not as_json:
            for name, value in facts.items():
                typer.echo(f"{name:<12} {value}")
            for line in results:
                typer.echo(f"{line['check']:<12} {line['result']}")
        if fault is not None:
            raise fault
    if as_json:
        print_json({"ok": True, **facts, "checks": results})


def _result(name: str, fault: PeerFault | None) -> dict[str, str]:
    return {"check": name, "result": "ok" if fault is None else f"refused: {fault}"}

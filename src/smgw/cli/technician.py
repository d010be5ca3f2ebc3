"""`smgw technician`: read a gateway's diagnosis on site, and hand it over to the administrator."""

import asyncio
import hashlib
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec
import typer
from cryptography import x509

from smgw.cli.credentials import faults_shown
from smgw.codec.diagnosis import Submission, SubmissionReceipt, decode_receipt
from smgw.core.errors import PeerFault, SecurityFault
from smgw.net.clock import SystemClock
from smgw.net.http_exchange import HttpClient, Streams
from smgw.net.identity import Identity, load_identity
from smgw.net.smpki_tls import dial
from smgw.pki.chain import CertificateUse
from smgw.pki.names import Role
from smgw.pki.triple import KeyNames
from smgw.protocol.tunnel_http import Response
from smgw.security.content import SignerClaim, verify_encapsulated

app = typer.Typer(name="technician", help="Read a gateway's diagnosis on site and hand it over.", no_args_is_help=True)

_T = TypeVar("_T")

KEYS = KeyNames.of("SRV_WAN")
READ = "/smgw/srv/v1/"
SUBMIT = "/smgw/gwa/v1/diagnoses"

_Identity = Annotated[
    Path, typer.Option("--identity", help="Folder with the technician's keys, certificates and trust store.", metavar="DIR")
]
_Gateway = Annotated[str, typer.Option("--gateway", help="The gateway's technician interface, HOST:PORT.", metavar="HOST:PORT")]


@app.command("read")
def read_command(
    what: Annotated[str, typer.Argument(help="state, meters, certificates, connections, log or log/INDEX.")],
    gateway: _Gateway,
    identity: _Identity,
) -> None:
    """Print one part of the diagnosis as JSON, then log off."""
    with faults_shown(as_json=False):
        sys.stdout.write(asyncio.run(_ask(identity, gateway, READ + what)).decode() + "\n")


@app.command("fetch")
def fetch_command(
    gateway: _Gateway,
    identity: _Identity,
    output: Annotated[
        Path, typer.Option("--out", help="File for the sealed diagnosis; only the administrator can open it.", metavar="FILE")
    ],
) -> None:
    """Fetch the whole diagnosis, signed by the gateway and encrypted for its administrator, then log off."""
    with faults_shown(as_json=False):
        output.write_bytes(asyncio.run(_ask(identity, gateway, READ + "diagnosis")))
        output.chmod(0o600)


@app.command("submit")
def submit_command(
    diagnosis: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The fetched diagnosis.", metavar="FILE")],
    case: Annotated[str, typer.Option(help="The administrator's number of the case.", metavar="NUMBER")],
    administrator: Annotated[str, typer.Option(help="The administrator's service address, HOST:PORT.", metavar="HOST:PORT")],
    identity: _Identity,
    report: Annotated[str, typer.Option(help="What was seen and done on the spot.")] = "",
) -> None:
    """Hand diagnosis and report over; with the administrator's receipt the file is deleted, as the process asks."""
    with faults_shown(as_json=False):
        body = msgspec.json.encode(Submission(case, report, diagnosis.read_bytes()))
        receipt = asyncio.run(_submit(identity, administrator, body))
        if (receipt.case, receipt.digest) != (case, hashlib.sha256(body).hexdigest()):
            raise SecurityFault("delivery.receipt", "for another submission")
        diagnosis.unlink()
        typer.echo(f"Case {case}: stored at {receipt.stored_at}; {diagnosis} is deleted.")


async def _ask(folder: Path, place: str, target: str) -> bytes:
    async def conversation(client: HttpClient, _: Identity) -> bytes:
        response = await client.request("GET", target, {}, b"")
        body = _good(response).body
        await client.request("POST", f"{READ}log-off", {}, b"")
        return body

    return await _connected(folder, place, Role.SMGW, conversation)


async def _submit(folder: Path, place: str, body: bytes) -> SubmissionReceipt:
    async def conversation(client: HttpClient, own: Identity) -> SubmissionReceipt:
        response = await client.request("POST", SUBMIT, {"Content-Type": "application/json"}, body)

        def signer(claim: SignerClaim) -> x509.Certificate:
            if claim.certificate is None:
                raise SecurityFault("delivery.receipt", "no certificate")
            roles = frozenset({Role.GWA})
            return own.trust.validate(claim.certificate, now=datetime.now(UTC), use=CertificateUse.SIG, roles=roles).certificate

        return decode_receipt(verify_encapsulated(_good(response).body, signer=signer).content)

    return await _connected(folder, place, Role.GWA, conversation)


async def _connected(folder: Path, place: str, role: Role, conversation: Callable[[HttpClient, Identity], Awaitable[_T]]) -> _T:
    host, _, port = place.rpartition(":")
    if not host or not port.isdecimal():
        raise typer.BadParameter(f"{place[:80]}: HOST:PORT is needed")
    own, clock = load_identity(folder, KEYS), SystemClock()
    try:
        channel = await dial(
            host, int(port), module=own.module, identity=own.tls, trust=own.trust, clock=clock, roles=frozenset({role}), timeout_s=10.0
        )
        async with channel:
            return await conversation(HttpClient(Streams(channel.reader, channel.writer), host), own)
    finally:
        clock.close()


def _good(response: Response) -> Response:
    if response.status != 200:
        raise PeerFault("http.refused", f"status {response.status}")
    return response

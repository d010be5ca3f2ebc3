"""`smgw pki order-revocation`: have a certification authority elsewhere revoke certificates."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from smgw.cli.credentials import certificates, faults_shown, party, print_json
from smgw.core.errors import UsageError
from smgw.net.pki_service import ROOT_PATH, order_revocation
from smgw.pki.certificate_profiles import Kind
from smgw.pki.names import END_ENTITY_ROLES, common_name_of, role_of
from smgw.pki.revocation_order import REASONS, make_revocation_order


def order_revocation_command(
    file: Annotated[
        Path,
        typer.Argument(help="Certificates of one holder, for example a triple; an authority's beside them is passed over.", metavar="FILE"),
    ],
    url: Annotated[str, typer.Option(help="Where the PKI is served, for example http://127.0.0.1:8080.", metavar="URL")],
    module: Annotated[Path | None, typer.Option(help="Folder of whoever orders, with its security module.", metavar="DIR")] = None,
    key: Annotated[Path | None, typer.Option(help="Its SIG key in a file, in place of the folder.", metavar="FILE")] = None,
    certificate: Annotated[Path | None, typer.Option(help="Its SIG certificate; of a folder, triple.pem is taken.", metavar="FILE")] = None,
    password: Annotated[Path | None, typer.Option(help="File with the key file's password.", metavar="FILE")] = None,
    reason: Annotated[str, typer.Option(help="RFC 5280 reason, one that is for good.")] = "unspecified",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Order the revocation of certificates over the network: one's own, or as an administrator a gateway's.

    Example: smgw pki order-revocation gateway.pem --url http://127.0.0.1:8080 --module gwa --reason key_compromise
    """
    with faults_shown(as_json):
        chosen = next((one for one in REASONS if one == reason), None)
        if chosen is None:
            raise UsageError("pki.reason", reason)
        # Beside a triple lies its issuer's certificate.
        meant = [one for one in certificates(file) if role_of(one) in END_ENTITY_ROLES]
        orderer = party(Kind.SIG, module, key, certificate, password)
        order = make_revocation_order(meant, chosen, module=orderer.module, signer=orderer.credential)
        asyncio.run(order_revocation(order, url.rstrip("/") + ROOT_PATH))
    if as_json:
        print_json({"ok": True, "common_name": common_name_of(meant[0]), "serials": [f"{one.serial_number:x}" for one in meant]})
    else:
        typer.echo(f"{len(meant)} certificates of {common_name_of(meant[0])} are revoked.")

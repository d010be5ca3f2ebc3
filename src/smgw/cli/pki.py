"""`smgw pki`: found a test PKI, request and issue triples, revoke, publish, and check certificates."""

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from rich.console import Console

from smgw.cli.option_values import moment_of
from smgw.cli.pki_check import Checked, check_certificates, check_revocation_list
from smgw.cli.pki_files import Found, is_authentication_request, read_found, read_octets, trust_of
from smgw.cli.pki_orders import order_revocation_command
from smgw.cli.pki_parties import ask, ask_authentication, meant
from smgw.cli.service import run_role
from smgw.core.errors import CertificateRejected, ConfigError, SmgwError, Unavailable, UsageError
from smgw.core.instant import utc_text
from smgw.net.clock import ClockPort
from smgw.net.identity import TRIPLE_FILE
from smgw.net.pki_service import Ready
from smgw.net.pki_service import serve as serve_pki
from smgw.pki.authority import DEFAULT_ADDRESS
from smgw.pki.chain import CertificateUse
from smgw.pki.deployment import DEFAULT_SUB_NAME, MODULE_FILE, SECRET_FILE, PkiFolder
from smgw.pki.describe import Description, describe_authentication_request, describe_certificate, describe_request, describe_revocation_list
from smgw.pki.names import END_ENTITY_ROLES, Role, common_name_of, role_of
from smgw.pki.renewal import make_renewal, renew
from smgw.pki.triple import triple_of
from smgw.security.files import write_durably
from smgw.security.module_folder import open_backend, open_or_create_backend
from smgw.security.policy import curve_name

app = typer.Typer(name="pki", help="Run the test SM-PKI and look at certificates. Only test names are issued.", no_args_is_help=True)

PkiDir = Annotated[Path, typer.Argument(help="Folder of the test PKI.", metavar="DIR")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Output = Annotated[Path, typer.Option("--out", help="File to write.", metavar="FILE")]
RoleOption = Annotated[Role, typer.Option("--role", help="Role that is granted.")]


def _now() -> datetime:
    return datetime.now(UTC)


@contextmanager
def _faults_shown(as_json: bool = False) -> Iterator[None]:
    try:
        with _system_faults():
            yield
    except SmgwError as fault:
        if as_json:
            _print_json({"ok": False, "code": fault.code, "detail": fault.detail})
        _complain(fault)
        raise typer.Exit(fault.exit_code) from fault


@contextmanager
def _system_faults() -> Iterator[None]:
    """What the operating system refuses is a fault with a code too. Raises: Unavailable key.output."""
    try:
        yield
    except OSError as problem:
        raise Unavailable("key.output", f"{problem.filename}: {problem.strerror}") from problem


def _complain(fault: SmgwError) -> None:
    Console(stderr=True, soft_wrap=True, highlight=False, markup=False).print(f"{fault.title} ({fault})\n{fault.hint}")


def _print_json(value: object) -> None:
    sys.stdout.write(msgspec.json.encode(value).decode() + "\n")


def _say(text: str) -> None:
    Console(soft_wrap=True, highlight=False, markup=False).print(text)


@app.command("init")
def init_command(
    folder: Annotated[
        Path | None,
        typer.Argument(help="Folder of the test PKI; asked for at a terminal when left out.", metavar="DIR", show_default=False),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(
            help=f"Bare name of the sub-CA, {DEFAULT_SUB_NAME} when left out; in a folder that has a root already, one more is made."
        ),
    ] = None,
    address: Annotated[
        str | None, typer.Option(help=f"Web address that certificates name for revocation lists; {DEFAULT_ADDRESS} when left out.")
    ] = None,
    crl_signer: Annotated[
        bool | None, typer.Option("--crl-signer/--no-crl-signer", help="Let a key of its own sign the root's revocation lists.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Found a root and a sub-CA with keys in an encrypted module, and write the trust folder others need.

    Without DIR every choice is asked for; each has a flag, so that scripts are never asked. Every folder is a test PKI of its own: as many
    as wanted stand beside each other, and none trusts another.
    """
    with _faults_shown(as_json):
        if folder is None:
            folder, name, address, crl_signer = _asked(name, address, crl_signer)
        name, address, crl_signer = name or DEFAULT_SUB_NAME, address or DEFAULT_ADDRESS, bool(crl_signer)
        if (folder / MODULE_FILE).exists():
            pki = PkiFolder.open(folder)
            pki.found_sub(name, now=_now())
        else:
            pki = PkiFolder.found(folder, now=_now(), sub_name=name, address=address, crl_signer=crl_signer)
        pki.trust(_now()).save(folder / "trust")
        made = [
            {"name": authority.name, "role": authority.role, "until": utc_text(authority.certificate.not_valid_after_utc)}
            for authority in pki.authorities
        ]
    if as_json:
        _print_json({"ok": True, "authorities": made, "trust": str(folder / "trust")})
        return
    for line in made:
        _say(f"{line['name']} ({line['role']}), valid until {line['until']}")
    _say(f"keys     {folder / MODULE_FILE}, opened by {folder / SECRET_FILE}: keep both from others\ntrust    {folder / 'trust'}")


def _at_terminal() -> bool:
    return sys.stdin.isatty()


def _asked(name: str | None, address: str | None, crl_signer: bool | None) -> tuple[Path, str, str, bool]:
    """Ask at a terminal for what no flag says. Raises: UsageError pki.folder elsewhere."""
    if not _at_terminal():
        raise UsageError("pki.folder")
    folder = Path(typer.prompt("Folder of the test PKI"))
    name = name or typer.prompt("Bare name of the sub-CA", default=DEFAULT_SUB_NAME)
    if not (folder / MODULE_FILE).exists():
        address = address or typer.prompt("Web address of the revocation lists", default=DEFAULT_ADDRESS)
        if crl_signer is None:
            crl_signer = typer.confirm("Shall a key of its own sign the root's revocation lists?", default=False)
    return folder, str(name), address or DEFAULT_ADDRESS, bool(crl_signer)


@app.command("request")
def request_command(
    folder: Annotated[Path, typer.Argument(help="Folder of the party; its security module is made when it is missing.", metavar="DIR")],
    role: RoleOption,
    name: Annotated[str, typer.Option(help="Bare name of the organisation, or the device id of a gateway.")],
    out: Output,
    contact: Annotated[str, typer.Option(help="E-mail or web address that the certificates name.")] = "",
    suffix: Annotated[str, typer.Option(help="Suffix of the key names, for example _PRE for the preliminary set.")] = "",
    authentication: Annotated[
        bool, typer.Option("--authentication", help="Ask for an administrator's AUT certificate, in place of the triple.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make the three keys of a party and the package that asks for their certificates; what exists of them is kept."""
    with _faults_shown(as_json):
        if role not in END_ENTITY_ROLES:
            raise UsageError("pki.role", role)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        module = open_or_create_backend(folder)
        year = _now().year
        if authentication:
            asked = ask_authentication(module, role, name, year=year, contact=contact)
        else:
            asked = ask(module, role, name, year=year, contact=contact, suffix=suffix)
        write_durably(out, asked.document)
    if as_json:
        _print_json({"ok": True, "keys": asked.keys, "request": asked.said})
    else:
        _say(f"{asked.said['subject']}\nkeys     {', '.join(asked.keys)} in {folder}\nrequest  {out}")


@app.command("issue")
def issue_command(
    folder: PkiDir,
    request: Annotated[Path, typer.Option(help="Request package.", metavar="FILE")],
    role: RoleOption,
    out: Output,
    days: Annotated[int | None, typer.Option(min=1, help="Validity; the profile's when left out.")] = None,
    sub: Annotated[str, typer.Option(help="Bare name of the sub-CA, where there are several.")] = "",
    as_json: AsJson = False,
) -> None:
    """Issue TLS, SIG and ENC certificate for a request package; the file holds them as PEM in this order, then the sub-CA's.

    For a request of an administrator's AUT key, its AUT certificate alone.
    """
    with _faults_shown(as_json):
        pki = PkiFolder.open(folder)
        validity = None if days is None else timedelta(days=days)
        asked = read_octets(request)
        if is_authentication_request(asked):
            if role is not Role.GWA:
                raise CertificateRejected("pki.role", f"an AUT certificate for {role}")
            issued, what = [pki.issue_authentication(asked, now=_now(), sub_name=sub)], "AUT certificate"
            write_durably(out, issued[0].public_bytes(serialization.Encoding.PEM))
        else:
            triple = pki.issue(asked, role, now=_now(), sub_name=sub, validity=validity)
            issued, what = list(triple), "TLS, SIG and ENC certificate"
            write_durably(out, triple.to_pem() + pki.sub(sub).certificate.public_bytes(serialization.Encoding.PEM))
    if as_json:
        _print_json({"ok": True, "certificates": [describe_certificate(one) for one in issued]})
    else:
        _say(f"{common_name_of(issued[0])}: {what} valid until {utc_text(issued[0].not_valid_after_utc)} in {out}")


@app.command("list")
def list_command(
    folder: PkiDir,
    name: Annotated[str, typer.Option(help="Only names that contain this text.")] = "",
    days: Annotated[int | None, typer.Option("--expiring", min=0, help="Only what ends within so many days.", metavar="DAYS")] = None,
    as_json: AsJson = False,
) -> None:
    """List the certificates that the authorities of a folder issued, with their standing."""
    with _faults_shown(as_json):
        last = None if days is None else _now() + timedelta(days=days)
        lines = [
            {
                "issuer": authority.name,
                "name": issued.common_name,
                "kind": issued.kind,
                "serial": f"{issued.certificate.serial_number:x}",
                "until": utc_text(issued.certificate.not_valid_after_utc),
                "standing": "" if issued.reason == "remove_from_crl" else issued.reason,
            }
            for authority in PkiFolder.open(folder).authorities
            for issued in authority.certificates()
            if name.lower() in issued.common_name.lower() and (last is None or issued.certificate.not_valid_after_utc <= last)
        ]
    if as_json:
        _print_json({"ok": True, "certificates": lines})
        return
    for line in [dict(zip(lines[0], lines[0], strict=True)), *lines] if lines else ():
        _say(f"{line['name']:24} {line['kind']:10} {line['until']:21} {line['serial']:40} {line['issuer']:16} {line['standing']}".rstrip())


@app.command("keys")
def keys_command(
    folder: Annotated[Path, typer.Argument(help="Folder with a security module.", metavar="DIR")], as_json: AsJson = False
) -> None:
    """List the names, curves and public keys of a security module; private keys are never shown."""
    with _faults_shown(as_json):
        module = open_backend(folder)
        form = serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
        lines = []
        for name in module.names():
            key = module.public_key(name)
            lines.append({"name": name, "curve": curve_name(key), "public": key.public_bytes(*form).hex()})
    if as_json:
        _print_json({"ok": True, "keys": lines})
    else:
        _say("\n".join(f"{line['name']:24} {line['curve']:16} {line['public'][:32]}…" for line in lines) or "no keys")


@app.command("show")
def show_command(
    file: Annotated[
        Path,
        typer.Argument(
            help="Certificates, revocation list or request package; a test PKI's folder shows its authorities.",
            metavar="FILE",
        ),
    ],
    as_json: AsJson = False,
) -> None:
    """Show what certificates, a revocation list or a request package say. Showing isn't checking."""
    with _faults_shown(as_json):
        found = Found(list(PkiFolder.open(file).certificates), []) if file.is_dir() else read_found(file)
        shown: list[Description] = [] if found.request is None else [describe_request(found.request)]
        shown += [] if found.authentication is None else [describe_authentication_request(found.authentication)]
        shown += [describe_certificate(one) for one in found.certificates]
        shown += [describe_revocation_list(one) for one in found.lists]
    if as_json:
        _print_json({"ok": True, "items": shown})
        return
    for number, description in enumerate(shown):
        _say("\n" * (number > 0) + "\n".join(_lines(description)))


def _lines(description: Description) -> Iterator[str]:
    for key, value in description.items():
        if isinstance(value, dict):
            yield f"{key}:"
            yield from (f"  {name}: {text}" for name, text in value.items())
        else:
            yield f"{key}: {', '.join(value) if isinstance(value, list) else value}"


_Certificates = Annotated[
    Path | None,
    typer.Option("--certificate", help="Certificates of end entities, PEM or DER; a sub-CA's among them is skipped.", metavar="FILE"),
]
_Serials = Annotated[
    list[str] | None,
    typer.Option("--serial", help="Serial number in hex as `list` shows it, in place of a file. May be repeated.", metavar="HEX"),
]


@app.command("revoke")
def revoke_command(
    folder: PkiDir,
    file: _Certificates = None,
    serials: _Serials = None,
    reason: Annotated[str, typer.Option(help="RFC 5280 reason; `certificate_hold` suspends.")] = "unspecified",
    as_json: AsJson = False,
) -> None:
    """Revoke certificates for good; the revocation lists say so from now on."""
    with _faults_shown(as_json):
        if reason not in x509.ReasonFlags.__members__ or reason == "remove_from_crl":
            raise UsageError("pki.reason", reason)
        pki = _revoke(folder, file, serials, x509.ReasonFlags[reason])
    _report_lists(pki, folder, as_json)


@app.command("suspend")
def suspend_command(folder: PkiDir, file: _Certificates = None, serials: _Serials = None, as_json: AsJson = False) -> None:
    """Suspend certificates for the time being; `resume` ends that."""
    with _faults_shown(as_json):
        pki = _revoke(folder, file, serials, x509.ReasonFlags.certificate_hold)
    _report_lists(pki, folder, as_json)


def _revoke(folder: Path, file: Path | None, serials: list[str] | None, reason: x509.ReasonFlags) -> PkiFolder:
    pki = PkiFolder.open(folder)
    for authority, serial in meant(pki, file, serials or []):
        authority.revoke(serial, reason, _now())
    return pki


app.command("order-revocation")(order_revocation_command)


@app.command("resume")
def resume_command(folder: PkiDir, file: _Certificates = None, serials: _Serials = None, as_json: AsJson = False) -> None:
    """End the suspension of certificates."""
    with _faults_shown(as_json):
        pki = PkiFolder.open(folder)
        for authority, serial in meant(pki, file, serials or []):
            authority.release(serial, _now())
    _report_lists(pki, folder, as_json)


@app.command("renew")
def renew_command(
    folder: PkiDir,
    party: Annotated[Path, typer.Option("--module", help="Folder of the party, with its security module.", metavar="DIR")],
    out: Output,
    certificate: Annotated[
        Path | None, typer.Option("--certificate", help="The triple to renew; the folder's triple.pem when left out.", metavar="FILE")
    ] = None,
    days: Annotated[int | None, typer.Option(min=1, help="Validity; the profile's when left out.")] = None,
    revoke_old: Annotated[bool, typer.Option("--revoke-old", help="Revoke the old triple as superseded; else both overlap.")] = False,
    as_json: AsJson = False,
) -> None:
    """Give a party new keys and a new triple; the request is signed with its old SIG key, which has to be in good standing.

    The party's folder gets the keys, the file the new triple and the sub-CA's certificate; nothing that exists is overwritten.
    """
    with _faults_shown(as_json):
        pki, module, now = PkiFolder.open(folder), open_backend(party), _now()
        old = triple_of([one for one in read_found(certificate or party / TRIPLE_FILE).certificates if role_of(one) in END_ENTITY_ROLES])
        asked = make_renewal(module, old, now)
        triple = renew(pki, asked.document, old, now=now, validity=None if days is None else timedelta(days=days))
        issuer = pki.issuer_of(triple.sig).certificate
        write_durably(out, triple.to_pem() + issuer.public_bytes(serialization.Encoding.PEM))
        for one in old if revoke_old else ():
            pki.issuer_of(one).revoke(one.serial_number, x509.ReasonFlags.superseded, now)
        pki.trust(now).save(folder / "trust")
    if as_json:
        _print_json(
            {"ok": True, "keys": asked.keys, "certificates": [describe_certificate(one) for one in triple], "old_revoked": revoke_old}
        )
    else:
        until = utc_text(triple.tls.not_valid_after_utc)
        _say(f"{triple.common_name}: new triple valid until {until} in {out}\nkeys     {', '.join(asked.keys)} in {party}")


@app.command("crl")
def crl_command(folder: PkiDir, as_json: AsJson = False) -> None:
    """Publish the present revocation lists into the trust folder; new ones are made where needed."""
    with _faults_shown(as_json):
        pki = PkiFolder.open(folder)
    _report_lists(pki, folder, as_json)


@app.command("check")
def check_command(
    files: Annotated[
        list[Path],
        typer.Argument(help="Certificates, chains and revocation lists: PEM, DER or PKCS#7, - for standard input.", metavar="FILE"),
    ],
    trust: Annotated[
        Path,
        typer.Option(help="Trust folder with anchors/, intermediates/ and crls/, or a file with the root.", metavar="DIR|FILE"),
    ],
    use: Annotated[
        CertificateUse | None, typer.Option(help="What the certificate is to do; told by the certificate when left out.")
    ] = None,
    role: Annotated[Role | None, typer.Option(help="Role that the holder must have; any end entity when left out.")] = None,
    at: Annotated[str | None, typer.Option(help="Time of the check; now when left out.", metavar="TIME")] = None,
    as_json: AsJson = False,
) -> None:
    """Check certificates, chains and revocation lists, each with its path to a trusted root.

    Exit code 0: all good, 5: one is not, with the reason, 4: what is no certificate at all. Authorities and revocation lists in the files
    serve as links, as far as the trusted roots certify them. Standing is never left out: a list of each issuer is needed.
    """
    with _faults_shown(as_json):
        now = _now() if at is None else moment_of(at)
        found = [(path, read_found(path)) for path in files]
        if any(one.asks for _, one in found):
            raise ConfigError("pki.request", "a request; `smgw pki show` reads it")
        links = [certificate for _, one in found for certificate in one.certificates]
        store = trust_of(trust, links, [crl for _, one in found for crl in one.lists])
        checked = [
            ({**finding, "file": str(path)}, fault)
            for path, one in found
            for finding, fault in (
                *check_certificates(one.certificates, store, now, use, role),
                *(check_revocation_list(crl, store, now) for crl in one.lists),
            )
        ]
    _report_findings(checked, as_json)


@app.command("serve")
def serve_command(
    folder: PkiDir,
    listen: Annotated[str, typer.Option(help="Address and port; port 0 takes a free one.", metavar="HOST:PORT")] = "127.0.0.1:0",
    clock: Annotated[str, typer.Option(help="`system`, or `paced:PATH` for simulated time.")] = "system",
    stop_on_eof: Annotated[bool, typer.Option(help="Stop at the end of standard input.")] = False,
) -> None:
    """Serve authority certificates, revocation lists and the directory of what was issued over HTTP until stopped."""
    host, _, port = listen.rpartition(":")
    with _faults_shown():
        if not host or not port.isdecimal() or int(port) > 65535:
            raise UsageError("net.unreachable", listen)

    async def role(port_clock: ClockPort, ready: Ready, stop: asyncio.Event) -> dict[str, object]:
        return await serve_pki(folder, host.strip("[]"), int(port), port_clock, ready, stop)

    raise typer.Exit(run_role(role, clock, stop_on_eof=stop_on_eof))


_NOT_SHOWN = frozenset({"type", "serial", "file"})


def _report_findings(checked: list[Checked], as_json: bool) -> None:
    """Print every finding; end with the first fault's exit code, if there is one."""
    first = next((fault for _, fault in checked if fault is not None), None)
    if as_json:
        rows = [
            {
                "ok": fault is None,
                **finding,
                **({} if fault is None else {"code": fault.code, "detail": fault.detail, "title": fault.title}),
            }
            for finding, fault in checked
        ]
        head = {"ok": True} if first is None else {"ok": False, "code": first.code, "detail": first.detail}
        _print_json({**head, "checked": rows})
    else:
        for finding, fault in checked:
            facts = "  ".join(f"{key} {value}" for key, value in finding.items() if value != "" and key not in _NOT_SHOWN)
            _say(f"{'good' if fault is None else 'BAD '}  {facts}{'' if fault is None else f'  {fault}'}")
    if first is not None:
        _complain(first)
        raise typer.Exit(first.exit_code)


def _report_lists(pki: PkiFolder, folder: Path, as_json: bool) -> None:
    with _faults_shown(as_json):
        store = pki.trust(_now())
        store.save(folder / "trust")
        lines = [
            {
                "issuer": common_name_of(authority.certificate),
                "number": crl.number,
                "entries": len(crl.entries),
                "until": utc_text(crl.next_update),
            }
            for authority, crl in zip(pki.authorities, store.revocation_lists, strict=True)
        ]
    if as_json:
        _print_json({"ok": True, "lists": lines})
        return
    for line in lines:
        _say(f"{line['issuer']}: list {line['number']} with {line['entries']} entries, until {line['until']}")

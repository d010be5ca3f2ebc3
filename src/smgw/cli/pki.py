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

from smgw.cli.service import run_role
from smgw.core.errors import ConfigError, DecodeFault, SmgwError, UsageError
from smgw.core.instant import parse_time, utc_text
from smgw.net.clock import ClockPort
from smgw.net.pki_service import Ready
from smgw.net.pki_service import serve as serve_pki
from smgw.pki.authority import DEFAULT_ADDRESS
from smgw.pki.certificate_profiles import Kind
from smgw.pki.chain import CertificateUse
from smgw.pki.crl import MAX_REVOCATION_LIST, RevocationList, read_revocation_list
from smgw.pki.deployment import DEFAULT_SUB_NAME, MODULE_FILE, SECRET_FILE, PkiFolder
from smgw.pki.describe import Description, describe_certificate, describe_request, describe_revocation_list
from smgw.pki.names import END_ENTITY_ROLES, Role, common_name_of, role_of
from smgw.pki.requests import RequestPackage, make_request_package, read_request_package
from smgw.pki.triple import ADMINISTRATOR_KEYS, GATEWAY_KEYS, PARTICIPANT_KEYS, KeyNames, kind_of, read_certificates
from smgw.pki.trust import TrustStore
from smgw.security.files import write_durably
from smgw.security.module_folder import open_backend, open_or_create_backend
from smgw.security.policy import Use, curve_name, preferred_curve

app = typer.Typer(name="pki", help="Run the test SM-PKI and look at certificates. Only test names are issued.", no_args_is_help=True)

KEYS_OF_ROLE = {
    Role.SMGW: GATEWAY_KEYS,
    Role.GWA: ADMINISTRATOR_KEYS,
    Role.EMT: PARTICIPANT_KEYS,
    Role.GWH: KeyNames.of("GWH_WAN"),
    Role.TECHNICIAN: KeyNames.of("SRV_WAN"),
}

USES_OF_KIND = {
    Kind.TLS: (CertificateUse.TLS_CLIENT, CertificateUse.TLS_SERVER),
    Kind.SIG: (CertificateUse.SIG,),
    Kind.ENC: (CertificateUse.ENC,),
}

PkiDir = Annotated[Path, typer.Argument(help="Folder of the test PKI.", metavar="DIR")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Output = Annotated[Path, typer.Option("--out", help="File to write.", metavar="FILE")]
RoleOption = Annotated[Role, typer.Option("--role", help="Role that is granted.")]


def _now() -> datetime:
    return datetime.now(UTC)


@contextmanager
def _faults_shown(as_json: bool = False) -> Iterator[None]:
    try:
        yield
    except SmgwError as fault:
        if as_json:
            _print_json({"ok": False, "code": fault.code, "detail": fault.detail})
        Console(stderr=True, soft_wrap=True, highlight=False, markup=False).print(f"{fault.title} ({fault})\n{fault.hint}")
        raise typer.Exit(fault.exit_code) from fault


def _print_json(value: object) -> None:
    sys.stdout.write(msgspec.json.encode(value).decode() + "\n")


def _say(text: str) -> None:
    Console(soft_wrap=True, highlight=False, markup=False).print(text)


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_REVOCATION_LIST + 1)
    except OSError as problem:
        raise ConfigError("pki.file", f"{path}: {problem.strerror}") from problem


def _read_any(path: Path) -> list[x509.Certificate] | RevocationList | RequestPackage:
    """Tell certificates, revocation lists and request packages apart by trying."""
    data = _read(path)
    try:
        return read_certificates(data)
    except DecodeFault as first:
        for reader in (read_revocation_list, read_request_package):
            try:
                return reader(data)
            except DecodeFault:
                continue
        raise first


@app.command("init")
def init_command(
    folder: PkiDir,
    name: Annotated[
        str, typer.Option(help="Bare name of the sub-CA; in a folder that has a root already, one more is made.")
    ] = DEFAULT_SUB_NAME,
    address: Annotated[str, typer.Option(help="Web address that certificates name for revocation lists.")] = DEFAULT_ADDRESS,
    crl_signer: Annotated[bool, typer.Option(help="Let a key of its own sign the root's revocation lists.")] = False,
    as_json: AsJson = False,
) -> None:
    """Found a root and a sub-CA with keys in an encrypted module, and write the trust folder others need."""
    with _faults_shown(as_json):
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


@app.command("request")
def request_command(
    folder: Annotated[Path, typer.Argument(help="Folder of the party; its security module is made when it is missing.", metavar="DIR")],
    role: RoleOption,
    name: Annotated[str, typer.Option(help="Bare name of the organisation, or the device id of a gateway.")],
    out: Output,
    contact: Annotated[str, typer.Option(help="E-mail or web address that the certificates name.")] = "",
    suffix: Annotated[str, typer.Option(help="Suffix of the key names, for example _PRE for the preliminary set.")] = "",
    as_json: AsJson = False,
) -> None:
    """Make the three keys of a party and the package that asks for their certificates."""
    with _faults_shown(as_json):
        if role not in END_ENTITY_ROLES:
            raise UsageError("pki.role", role)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        module = open_or_create_backend(folder)
        keys = KeyNames(*(f"{key}{suffix}" for key in KEYS_OF_ROLE[role]))
        for key in keys:
            if key not in module.names():
                module.generate(key, preferred_curve(Use.END_ENTITY, _now().year))
        package = make_request_package(module, keys, role, name, contact=contact)
        write_durably(out, package)
        asked = describe_request(read_request_package(package))
    if as_json:
        _print_json({"ok": True, "keys": keys, "request": asked})
    else:
        _say(f"{asked['subject']}\nkeys     {', '.join(keys)} in {folder}\nrequest  {out}")


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
    """Issue TLS, SIG and ENC certificate for a request package; the file holds them as PEM in this order, then the sub-CA's."""
    with _faults_shown(as_json):
        pki = PkiFolder.open(folder)
        validity = None if days is None else timedelta(days=days)
        triple = pki.issue(_read(request), role, now=_now(), sub_name=sub, validity=validity)
        write_durably(out, triple.to_pem() + pki.sub(sub).certificate.public_bytes(serialization.Encoding.PEM))
    if as_json:
        _print_json({"ok": True, "certificates": [describe_certificate(one) for one in triple]})
    else:
        _say(f"{triple.common_name}: TLS, SIG and ENC certificate valid until {utc_text(triple.tls.not_valid_after_utc)} in {out}")


@app.command("list")
def list_command(folder: PkiDir, as_json: AsJson = False) -> None:
    """List every certificate that the authorities of a folder issued."""
    with _faults_shown(as_json):
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
        ]
    if as_json:
        _print_json({"ok": True, "certificates": lines})
        return
    for line in lines:
        _say(f"{line['name']:24} {line['kind']:10} {line['until']}  {line['serial']:40} {line['issuer']:16} {line['standing']}".rstrip())


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
    file: Annotated[Path, typer.Argument(help="Certificate, PEM bundle, revocation list or request package.", metavar="FILE")],
    as_json: AsJson = False,
) -> None:
    """Show what certificates, a revocation list or a request package say. Showing isn't checking."""
    with _faults_shown(as_json):
        found = _read_any(file)
        shown: list[Description]
        if isinstance(found, RevocationList):
            shown = [describe_revocation_list(found)]
        elif isinstance(found, RequestPackage):
            shown = [describe_request(found)]
        else:
            shown = [describe_certificate(one) for one in found]
    if as_json:
        _print_json({"ok": True, "items": shown})
        return
    for description in shown:
        for key, value in description.items():
            if isinstance(value, dict):
                _say("\n".join((f"{key}:", *(f"  {name}: {text}" for name, text in value.items()))))
            else:
                _say(f"{key}: {value}")


@app.command("revoke")
def revoke_command(
    folder: PkiDir,
    file: Annotated[Path, typer.Option("--certificate", help="Certificates to revoke (PEM or DER); a sub-CA's among them is skipped.")],
    reason: Annotated[str, typer.Option(help="RFC 5280 reason; `certificate_hold` suspends.")] = "unspecified",
    as_json: AsJson = False,
) -> None:
    """Revoke or suspend certificates; the revocation lists say so from now on."""
    with _faults_shown(as_json):
        if reason not in x509.ReasonFlags.__members__ or reason == "remove_from_crl":
            raise UsageError("pki.reason", reason)
        pki = PkiFolder.open(folder)
        for certificate in _end_entities(file):
            pki.issuer_of(certificate).revoke(certificate.serial_number, x509.ReasonFlags[reason], _now())
    _report_lists(pki, folder, as_json)


@app.command("release")
def release_command(
    folder: PkiDir,
    file: Annotated[Path, typer.Option("--certificate", help="Suspended certificates (PEM or DER).")],
    as_json: AsJson = False,
) -> None:
    """End the suspension of certificates."""
    with _faults_shown(as_json):
        pki = PkiFolder.open(folder)
        for certificate in _end_entities(file):
            pki.issuer_of(certificate).release(certificate.serial_number, _now())
    _report_lists(pki, folder, as_json)


@app.command("crl")
def crl_command(folder: PkiDir, as_json: AsJson = False) -> None:
    """Publish the present revocation lists into the trust folder; new ones are made where needed."""
    with _faults_shown(as_json):
        pki = PkiFolder.open(folder)
    _report_lists(pki, folder, as_json)


@app.command("check")
def check_command(
    file: Annotated[Path, typer.Argument(help="Certificate, chain or revocation list.", metavar="FILE")],
    trust: Annotated[Path, typer.Option(help="Trust folder with anchors/, intermediates/ and crls/.", metavar="DIR")],
    use: Annotated[
        CertificateUse | None, typer.Option(help="What the certificate is to do; told by the certificate when left out.")
    ] = None,
    role: Annotated[Role | None, typer.Option(help="Role that the holder must have; any end entity when left out.")] = None,
    at: Annotated[str | None, typer.Option(help="Time of the check; now when left out.", metavar="TIME")] = None,
    as_json: AsJson = False,
) -> None:
    """Check certificates or a revocation list against a trust folder. Exit code 0: all good, 5: one is not, with the reason."""
    with _faults_shown(as_json):
        store, now = TrustStore.load(trust), _now() if at is None else parse_time(at)
        found = _read_any(file)
        if isinstance(found, RequestPackage):
            raise UsageError("pki.request", "a request package; `smgw pki show` reads it")
        if isinstance(found, RevocationList):
            store.require_signer(found)
            found.require_current(now)
            checked: list[dict[str, str]] = [{"number": str(found.number), "until": utc_text(found.next_update)}]
        else:
            checked = [_check(one, store, now, use, role) for one in found if role_of(one) in END_ENTITY_ROLES]
            if not checked:
                raise UsageError("pki.role", "no end entity's certificate in the file")
    if as_json:
        _print_json({"ok": True, "checked": checked})
    else:
        for line in checked:
            _say("  ".join(f"{key} {value}" for key, value in line.items()))


@app.command("serve")
def serve_command(
    folder: PkiDir,
    listen: Annotated[str, typer.Option(help="Address and port; port 0 takes a free one.", metavar="HOST:PORT")] = "127.0.0.1:0",
    clock: Annotated[str, typer.Option(help="`system`, or `paced:PATH` for simulated time.")] = "system",
    stop_on_eof: Annotated[bool, typer.Option(help="Stop at the end of standard input.")] = False,
) -> None:
    """Serve authority certificates and revocation lists over HTTP until stopped."""
    host, _, port = listen.rpartition(":")
    with _faults_shown():
        if not host or not port.isdecimal() or int(port) > 65535:
            raise UsageError("net.unreachable", listen)

    async def role(port_clock: ClockPort, ready: Ready, stop: asyncio.Event) -> dict[str, object]:
        return await serve_pki(folder, host.strip("[]"), int(port), port_clock, ready, stop)

    raise typer.Exit(run_role(role, clock, stop_on_eof=stop_on_eof))


def _end_entities(file: Path) -> list[x509.Certificate]:
    found = [one for one in read_certificates(_read(file)) if role_of(one) in END_ENTITY_ROLES]
    if not found:
        raise UsageError("pki.role", "no end entity's certificate in the file")
    return found


def _check(
    certificate: x509.Certificate, store: TrustStore, now: datetime, use: CertificateUse | None, role: Role | None
) -> dict[str, str]:
    uses = USES_OF_KIND[kind_of(certificate)] if use is None else (use,)
    roles = END_ENTITY_ROLES if role is None else frozenset({role})
    for one in uses:
        valid = store.validate(certificate, now=now, use=one, roles=roles)
    return {"name": valid.common_name, "role": valid.role, "use": ", ".join(uses), "until": utc_text(valid.valid_until)}


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

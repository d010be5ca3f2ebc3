"""Keys and certificates as commands name them: a folder with a security module, or a private key in a file with its certificate."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple, Protocol

import msgspec
import typer
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from smgw.cli.pki_files import trust_of
from smgw.codec.cms.party import party_of
from smgw.core.errors import CertificateRejected, ConfigError, DecodeFault, SmgwError, Unavailable
from smgw.net.identity import TRIPLE_FILE, open_module
from smgw.pki.certificate_profiles import Kind
from smgw.pki.chain import CertificateUse
from smgw.pki.names import END_ENTITY_ROLES
from smgw.pki.parsing import PARSE_FAULTS
from smgw.pki.triple import kind_of, read_certificates
from smgw.security.content import ContentKeys, Credential, SignerClaim, SignerResolver, key_identifier
from smgw.security.files import write_durably
from smgw.security.pem_keys import PemKeys

LIMIT = 64 << 20
"""Octets of a file at most; a larger one is refused, never cut."""

_PEM_LABEL = re.compile(rb"-----BEGIN ([A-Z0-9 ]{1,40})-----")


class NamedKeys(ContentKeys, Protocol):
    """Find keys by name."""

    def names(self) -> list[str]:
        """List the names of all keys held."""

    def public_key(self, name: str) -> ec.EllipticCurvePublicKey:
        """Give the public half."""


class Party(NamedTuple):
    """Hold a private key with its certificate."""

    module: NamedKeys
    credential: Credential


@contextmanager
def faults_shown(as_json: bool) -> Iterator[None]:
    """Turn a fault into two lines for the eye or one JSON object, and end with its exit code."""
    try:
        yield
    except SmgwError as fault:
        if as_json:
            print_json({"ok": False, "code": fault.code, "detail": fault.detail})
        else:
            typer.echo(f"{fault.title} ({fault})\n{fault.hint}", err=True)
        raise typer.Exit(fault.exit_code) from fault


def print_json(value: object) -> None:
    """Print one JSON object in one line."""
    typer.echo(msgspec.json.encode(value).decode())


def require_out(out: Path, as_json: bool) -> None:
    """Demand a file for the result where standard output is taken. Raises: ConfigError key.choice."""
    if as_json and str(out) == "-":
        raise ConfigError("key.choice", "--json needs --out")


def read_file(path: Path) -> bytes:
    """Read a file of at most 64 MiB, or standard input for `-`. Raises: ConfigError key.file."""
    try:
        if str(path) == "-":
            data = typer.get_binary_stream("stdin").read(LIMIT + 1)
        else:
            with path.open("rb") as file:
                data = file.read(LIMIT + 1)
    except OSError as problem:
        raise ConfigError("key.file", f"{path}: {problem.strerror}") from problem
    if len(data) > LIMIT:
        raise ConfigError("key.file", f"{path}: more than {LIMIT} octets")
    return data


def write_file(path: Path, data: bytes) -> None:
    """Write a file as a whole, or standard output for `-`. Raises: Unavailable key.output."""
    if str(path) == "-":
        typer.get_binary_stream("stdout").write(data)
        return
    try:
        write_durably(path, data)
    except OSError as problem:
        raise Unavailable("key.output", f"{path}: {problem.strerror}") from problem


def party(kind: Kind, folder: Path | None, key: Path | None, certificate: Path | None, password: Path | None = None) -> Party:
    """Open the key and certificate of one kind.

    A folder's own triple.pem is taken where no certificate is named. Raises: ConfigError key.choice when neither or both sources are named,
    key.file, key.certificate when no certificate belongs to a key.
    """
    if (folder is None) == (key is None) or (key is not None and certificate is None):
        raise ConfigError("key.choice", "either --module, or --key with --certificate")
    module: NamedKeys
    if folder is not None:
        module = open_module(folder)
    else:
        assert key is not None
        module = PemKeys()
        module.load(key.name, read_file(key), None if password is None else read_file(password).strip())
    place = certificate or (folder or Path()) / TRIPLE_FILE
    return Party(module, _credential(kind, module, certificates(place), place))


def certificates(path: Path) -> list[x509.Certificate]:
    """Read the certificates of a file; keys and parameters beside them in a PEM file are passed over.

    Raises: ConfigError key.file, key.certificate.
    """
    try:
        return read_certificates(without_keys(read_file(path)))
    except DecodeFault as problem:
        raise ConfigError("key.certificate", f"{path}: {problem}") from problem


def without_keys(data: bytes) -> bytes:
    """Leave the private keys and curve parameters of a PEM text out; other octets are given as they are."""
    for label in {match[1] for match in _PEM_LABEL.finditer(data)}:
        if label.endswith((b"PRIVATE KEY", b"PARAMETERS")):
            data = re.sub(b"-----BEGIN %b-----[^-]*-----END %b-----" % (label, label), b"", data)
    return data


def certificate_of(kind: Kind, path: Path) -> x509.Certificate:
    """Give the certificate of a kind from a file with one, a triple or a chain. Raises: ConfigError key.file, key.certificate."""
    found = certificates(path)
    fitting = _of_kind(kind, found)
    if fitting is None:
        raise ConfigError("key.certificate", f"{path}: no {kind} certificate")
    return fitting


def require_signing(certificate: x509.Certificate) -> x509.Certificate:
    """Demand a certificate whose key may sign. Raises: CertificateRejected cms.key_usage, cms.certificate."""
    if not party_of(certificate).may_sign:
        raise CertificateRejected("cms.key_usage", "not a signature certificate")
    return certificate


def _of_kind(kind: Kind, found: list[x509.Certificate]) -> x509.Certificate | None:
    """Choose the certificate of a kind; the only one that is no authority's is taken for any kind."""
    of_kind = [one for one in found if _is(kind, one)]
    leaves = [one for one in found if len(found) == 1 or not _is_authority(one)]
    return of_kind[0] if of_kind else leaves[0] if len(leaves) == 1 else None


def _credential(kind: Kind, module: NamedKeys, found: list[x509.Certificate], place: Path) -> Credential:
    names = {_spki(module.public_key(name)): name for name in module.names()}
    chosen = _of_kind(kind, [one for one in found if _key_octets(one) in names])
    if chosen is None:
        raise ConfigError("key.certificate", f"{place}: no {kind} certificate of a key that is held")
    return Credential(chosen, names[_key_octets(chosen)])


def _key_octets(certificate: x509.Certificate) -> bytes:
    try:
        key = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        return b""
    return _spki(key) if isinstance(key, ec.EllipticCurvePublicKey) else b""


def _is(kind: Kind, certificate: x509.Certificate) -> bool:
    try:
        return kind_of(certificate) is kind
    except CertificateRejected:
        return False


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (x509.ExtensionNotFound, *PARSE_FAULTS):
        return False


def _spki(key: ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def resolver(signer: Path | None, trust: Path | None, now: datetime | None = None) -> SignerResolver:
    """Say whose signature is good: a named certificate's, or any end entity's under a trust folder or root.

    Raises: ConfigError key.choice when neither or both are named.
    """
    if (signer is None) == (trust is None):
        raise ConfigError("key.choice", "either --signer or --trust")
    if signer is not None:
        pinned = certificate_of(Kind.SIG, signer)
        return lambda _claim: pinned
    assert trust is not None
    store = trust_of(trust)

    def trusted(claim: SignerClaim) -> x509.Certificate:
        carried = claim.certificate
        if carried is None:
            raise ConfigError("key.choice", "the message carries no certificate: name the signer's with --signer")
        moment = now or datetime.now(UTC)
        return store.validate(carried, now=moment, use=CertificateUse.SIG, roles=END_ENTITY_ROLES).certificate

    return trusted


def described(certificate: x509.Certificate) -> dict[str, str]:
    """Name a certificate as results do: subject and key identifier."""
    return {
        "subject": certificate.subject.rfc4514_string({NameOID.SERIAL_NUMBER: "SERIALNUMBER"}),
        "ski": key_identifier(certificate).hex(),
    }

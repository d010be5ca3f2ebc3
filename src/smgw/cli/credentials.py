"""Keys and certificates as commands name them: a folder with a security module, or a private key in PEM form with its certificate."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple, Protocol

import msgspec
import typer
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from smgw.core.errors import CertificateRejected, ConfigError, SmgwError, Unavailable
from smgw.net.identity import TRIPLE_FILE, open_module
from smgw.pki.certificate_profiles import Kind
from smgw.pki.chain import CertificateUse
from smgw.pki.names import END_ENTITY_ROLES
from smgw.pki.triple import kind_of, read_certificates
from smgw.pki.trust import TrustStore
from smgw.security.content import ContentKeys, Credential, SignerClaim, SignerResolver, key_identifier
from smgw.security.files import write_durably
from smgw.security.pem_keys import PemKeys

LIMIT = 64 << 20
"""Octets of a file that are read at most."""


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
    """Read a file, or standard input for `-`. Raises: ConfigError key.file."""
    try:
        if str(path) == "-":
            return typer.get_binary_stream("stdin").read(LIMIT)
        with path.open("rb") as file:
            return file.read(LIMIT)
    except OSError as problem:
        raise ConfigError("key.file", f"{path}: {problem.strerror}") from problem


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
        raise ConfigError("key.choice", "a folder, or a key with its certificate")
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
    """Read the certificates of a file. Raises: ConfigError key.file; DecodeFault pki.malformed."""
    return read_certificates(read_file(path))


def certificate_of(kind: Kind, path: Path) -> x509.Certificate:
    """Give the certificate of a kind from a file with one or a triple. Raises: ConfigError key.file, key.certificate."""
    found = certificates(path)
    fitting = [one for one in found if len(found) == 1 or _is(kind, one)]
    if not fitting:
        raise ConfigError("key.certificate", f"{path}: no {kind} certificate")
    return fitting[0]


def _credential(kind: Kind, module: NamedKeys, found: list[x509.Certificate], place: Path) -> Credential:
    names = {_spki(module.public_key(name)): name for name in module.names()}
    for one in found:
        key = one.public_key()
        if (len(found) == 1 or _is(kind, one)) and isinstance(key, ec.EllipticCurvePublicKey) and _spki(key) in names:
            return Credential(one, names[_spki(key)])
    raise ConfigError("key.certificate", f"{place}: no {kind} certificate of a key that is held")


def _is(kind: Kind, certificate: x509.Certificate) -> bool:
    try:
        return kind_of(certificate) is kind
    except CertificateRejected:
        return False


def _spki(key: ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def resolver(signer: Path | None, trust: Path | None, now: datetime | None = None) -> SignerResolver:
    """Say whose signature is good: a named certificate's, or any end entity's under a trust folder.

    Raises: ConfigError key.choice when neither or both are named.
    """
    if (signer is None) == (trust is None):
        raise ConfigError("key.choice", "the signer's certificate, or a trust folder")
    if signer is not None:
        pinned = certificate_of(Kind.SIG, signer)
        return lambda _claim: pinned
    assert trust is not None
    store = TrustStore.load(trust)

    def trusted(claim: SignerClaim) -> x509.Certificate:
        carried = claim.certificate
        if carried is None:
            raise ConfigError("key.choice", "the message carries no certificate: name the signer's")
        moment = now or datetime.now(UTC)
        return store.validate(carried, now=moment, use=CertificateUse.SIG, roles=END_ENTITY_ROLES).certificate

    return trusted


def described(certificate: x509.Certificate) -> dict[str, str]:
    """Name a certificate as results do: subject and key identifier."""
    return {
        "subject": certificate.subject.rfc4514_string({NameOID.SERIAL_NUMBER: "SERIALNUMBER"}),
        "ski": key_identifier(certificate).hex(),
    }

"""A role's identity in its folder: security module, certificate triple and trust store."""

from pathlib import Path
from typing import NamedTuple

from cryptography import x509

from smgw.core.errors import ConfigError
from smgw.pki.names import Role
from smgw.pki.requests import make_request_package
from smgw.pki.triple import CertificateTriple, KeyNames, read_certificates, triple_of
from smgw.pki.trust import TrustStore
from smgw.security.content import Credential
from smgw.security.files import write_durably
from smgw.security.secret_file import create_secret, load_secret
from smgw.security.software import SoftwareModule
from smgw.security.tls import TlsIdentity, pem_bundle

MODULE_FILE = "module.smgwkeys"
SECRET_FILE = "module.secret"  # noqa: S105 - a file name
TRIPLE_FILE = "triple.pem"
ISSUERS_FILE = "issuers.pem"
TRUST_FOLDER = "trust"


class Identity(NamedTuple):
    """Hold what a role proves itself with, and whom it trusts."""

    module: SoftwareModule
    triple: CertificateTriple
    tls: TlsIdentity
    signer: Credential
    recipient: Credential
    trust: TrustStore


def create_keys(folder: Path, keys: KeyNames, role: Role, name: str) -> bytes:
    """Make a security module with three key pairs in a new folder; returns the request package for the certification authority."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    module = SoftwareModule.create(folder / MODULE_FILE, create_secret(folder / SECRET_FILE))
    for key in keys:
        module.generate(key, "brainpoolP256r1")
    return make_request_package(module, keys, role, name)


def install_certificates(folder: Path, triple: CertificateTriple, issuers: list[x509.Certificate]) -> None:
    """Store the issued triple and the sub-CA certificates that others need to check it, the triple last: it completes the identity."""
    write_durably(folder / ISSUERS_FILE, pem_bundle(issuers))
    write_durably(folder / TRIPLE_FILE, triple.to_pem())


def open_module(folder: Path) -> SoftwareModule:
    """Open the folder's security module with its secret file."""
    return SoftwareModule.open(folder / MODULE_FILE, load_secret(folder / SECRET_FILE))


def load_identity(folder: Path, keys: KeyNames) -> Identity:
    """Open everything.

    Raises: ConfigError identity.missing, identity.unreadable, secret.missing; faults of module, triple and trust store.
    """
    try:
        triple = triple_of(read_certificates((folder / TRIPLE_FILE).read_bytes()))
        issuers = read_certificates((folder / ISSUERS_FILE).read_bytes())
    except FileNotFoundError as problem:
        raise ConfigError("identity.missing", folder.name) from problem
    except OSError as problem:
        raise ConfigError("identity.unreadable", problem.strerror or "") from problem
    return Identity(
        module=open_module(folder),
        triple=triple,
        tls=TlsIdentity(keys.tls, (triple.tls, *issuers)),
        signer=Credential(triple.sig, keys.sig),
        recipient=Credential(triple.enc, keys.enc),
        trust=TrustStore.load(folder / TRUST_FOLDER),
    )

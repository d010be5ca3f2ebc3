"""A role's identity in its folder: security module, certificate triple and trust store."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from smgw.core.errors import ConfigError
from smgw.core.key_inventory import split_generation
from smgw.pki.names import Role
from smgw.pki.requests import make_request_package
from smgw.pki.triple import CertificateTriple, KeyNames, read_certificates, triple_of
from smgw.pki.trust import TrustStore
from smgw.security.content import Credential
from smgw.security.files import write_durably
from smgw.security.key_guard import RECORD, KeyGuard
from smgw.security.module import ModuleBackend, SecurityModule
from smgw.security.module_folder import MODULE_FILE as MODULE_FILE
from smgw.security.module_folder import SECRET_FILE as SECRET_FILE
from smgw.security.module_folder import create_backend, open_backend
from smgw.security.octet_signature import key_id
from smgw.security.secret_file import load_secret
from smgw.security.tls import TlsIdentity, pem_bundle

PIN_FILE = "gateway.pin"
"""The gateway system PIN, by which gateway and security module are paired."""
TRIPLE_FILE = "triple.pem"
ISSUERS_FILE = "issuers.pem"
FORMER_FILE = "former.pem"
TRUST_FOLDER = "trust"


class Identity(NamedTuple):
    """Hold what a role proves itself with, and whom it trusts."""

    module: SecurityModule
    triple: CertificateTriple
    tls: TlsIdentity
    signer: Credential
    recipient: Credential
    trust: TrustStore
    former: tuple[x509.Certificate, ...] = ()
    """SIG certificates of former keys, newest first."""

    @property
    def signers(self) -> tuple[x509.Certificate, ...]:
        """Give every certificate whose key may have signed what this role keeps, the present one first."""
        return (self.triple.sig, *self.former)


def create_keys(folder: Path, keys: KeyNames, role: Role, name: str, *, curve: str = "brainpoolP256r1") -> bytes:
    """Make a security module with three key pairs in a new folder; returns the request package for the certification authority.

    `curve` is for the caller to take from the crypto policy, by the year.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    module = create_backend(folder)
    for key in keys:
        module.generate(key, curve)
    return make_request_package(module, keys, role, name)


def install_certificates(folder: Path, triple: CertificateTriple, issuers: list[x509.Certificate]) -> None:
    """Store the issued triple and the sub-CA certificates that others need to check it, the triple last: it completes the identity."""
    write_durably(folder / ISSUERS_FILE, pem_bundle(issuers))
    write_durably(folder / TRIPLE_FILE, triple.to_pem())


def open_module(folder: Path) -> SecurityModule:
    """Open the folder's security module: under its rules where its maker has prepared it, else the bare key store."""
    backend = open_backend(folder)
    return guarded(folder, backend) if RECORD in backend.files() else backend


def guarded(folder: Path, backend: ModuleBackend) -> KeyGuard:
    """Put a prepared key store under its rules; sessions are opened with the gateway system PIN of the folder."""
    return KeyGuard(backend, time.monotonic, lambda: load_secret(folder / PIN_FILE))


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
    identity = identity_of(open_module(folder), keys, triple, issuers, TrustStore.load(folder / TRUST_FOLDER))
    return identity._replace(former=tuple(former_certificates(folder)))


def former_certificates(folder: Path) -> list[x509.Certificate]:
    """Read the SIG certificates of former keys, newest first."""
    path = folder / FORMER_FILE
    return read_certificates(path.read_bytes()) if path.exists() else []


def identity_of(
    module: SecurityModule, keys: KeyNames, triple: CertificateTriple, issuers: Sequence[x509.Certificate], trust: TrustStore
) -> Identity:
    """Join certificates with their keys; of several generations of a key, the one whose public half a certificate holds."""
    names = KeyNames(*(_key_of(module, name, certificate) for name, certificate in zip(keys, triple, strict=True)))
    return Identity(
        module=module,
        triple=triple,
        tls=TlsIdentity(names.tls, (triple.tls, *issuers)),
        signer=Credential(triple.sig, names.sig),
        recipient=Credential(triple.enc, names.enc),
        trust=trust,
    )


def _key_of(module: SecurityModule, stem: str, certificate: x509.Certificate) -> str:
    """Name the generation of a key that a certificate is for; where there is none, the first, which a self-test will find wrong."""
    wanted = key_id_of(certificate)
    generations = (name for name in module.names() if split_generation(name)[0] == stem)
    return next((name for name in generations if key_id(module.public_key(name)) == wanted), stem)


def key_id_of(certificate: x509.Certificate) -> bytes:
    """Give the SHA-256 of a certificate's public key; empty for a key that is not on an elliptic curve."""
    key = certificate.public_key()
    return key_id(key) if isinstance(key, ec.EllipticCurvePublicKey) else b""

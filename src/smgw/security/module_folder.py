"""The security module of a role's folder: which backend, and which key lies where.

Without `security-module.json` the folder holds a software module, `module.smgwkeys` under `module.secret`. With it, keys lie in a token,
and by choice those of TLS in software, for machines whose TLS library can't use a token.
Source: SEC-01; 40-crypto-stack 3.
"""

import importlib
import ssl
from pathlib import Path
from typing import Literal, cast

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec

from smgw.core.errors import ConfigError
from smgw.security.module import ModuleBackend
from smgw.security.secret_file import create_secret, load_secret
from smgw.security.software import SoftwareModule
from smgw.security.token_tls import require_token_tls

MODULE_FILE = "module.smgwkeys"
SECRET_FILE = "module.secret"  # noqa: S105 - a file name
CONFIG_FILE = "security-module.json"
LOCK_FILE = "module.lock"


class SecurityModuleConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Say where the keys of a role lie."""

    backend: Literal["software", "pkcs11"] = "software"
    """`software`: an encrypted file of the folder; `pkcs11`: a token."""
    library: str = ""
    """Path of the token's PKCS#11 library, for example `/usr/lib/softhsm/libsofthsm2.so`."""
    token_label: str = ""
    """Label of the token, which this role alone uses."""
    pin_file: str = "token.pin"
    """File with the token's user PIN (mode 0600), from the folder on."""
    tls_keys: Literal["token", "software"] = "token"
    """Where keys of TLS lie; `software` where OpenSSL can't use the token, see `module.token_tls`."""


class MixedModule:
    """Keep keys of TLS in software and everything else in a token; a `ModuleBackend` itself."""

    def __init__(self, token: ModuleBackend, software: ModuleBackend) -> None:
        self._token = token
        self._software = software

    def names(self) -> list[str]:
        """List the names of all keys held, sorted."""
        return sorted({*self._token.names(), *self._software.names()})

    def generate(self, name: str, curve: str) -> ec.EllipticCurvePublicKey:
        """Make a key pair where it belongs; raises as the backends."""
        return self._place(name).generate(name, curve)

    def public_key(self, name: str) -> ec.EllipticCurvePublicKey:
        """Give the public half; raises as the backends."""
        return self._place(name).public_key(name)

    def sign_digest(self, name: str, digest: bytes) -> bytes:
        """Sign a digest with ECDSA; returns DER (r, s); raises as the backends."""
        return self._place(name).sign_digest(name, digest)

    def ecdh(self, name: str, peer: ec.EllipticCurvePublicKey) -> bytes:
        """Give the shared x-coordinate; raises as the backends."""
        return self._place(name).ecdh(name, peer)

    def random(self, count: int) -> bytes:
        """Give unpredictable octets of the token."""
        return self._token.random(count)

    def destroy(self, name: str) -> None:
        """Erase a key pair for good; raises as the backends."""
        self._place(name).destroy(name)

    def storage_key(self, purpose: str) -> bytes:
        """Derive the key of one encrypted store inside the token."""
        return self._token.storage_key(purpose)

    def tls_attach(self, context: ssl.SSLContext, name: str, chain_pem: bytes) -> None:
        """Let a TLS context prove possession of a key; raises as the backends."""
        self._place(name).tls_attach(context, name, chain_pem)

    def files(self) -> list[str]:
        """List the names of all file objects, sorted."""
        return self._token.files()

    def get_file(self, name: str) -> bytes:
        """Read a file object of the token; raises as the backend."""
        return self._token.get_file(name)

    def put_file(self, name: str, data: bytes) -> None:
        """Write a file object into the token; raises as the backend."""
        self._token.put_file(name, data)

    def delete_file(self, name: str) -> None:
        """Remove a file object of the token; raises as the backend."""
        self._token.delete_file(name)

    def forget_storage(self) -> None:
        """Exchange the secret that storage keys come from."""
        self._token.forget_storage()

    def _place(self, name: str) -> ModuleBackend:
        return self._software if is_tls_key(name) else self._token


def is_tls_key(name: str) -> bool:
    """Tell whether a key is one of TLS by its name: `GW_WAN_TLS`, `GW_HAN_TLS`, `GW_WAN_TLS_PRE`, `GW_WAN_TLS_G2`."""
    return "TLS" in name.split("_")


def module_config(folder: Path) -> SecurityModuleConfig:
    """Read where a folder's keys lie. Raises: ConfigError module.config."""
    try:
        data = (folder / CONFIG_FILE).read_bytes()
    except FileNotFoundError:
        return SecurityModuleConfig()
    except OSError as problem:
        raise ConfigError("module.config", problem.strerror or "") from problem
    try:
        config = msgspec.json.decode(data, type=SecurityModuleConfig)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as problem:
        raise ConfigError("module.config", str(problem)[:200]) from problem
    if config.backend == "pkcs11" and not (config.library and config.token_label and config.pin_file):
        raise ConfigError("module.config", "library, token_label, pin_file")
    return config


def has_module(folder: Path) -> bool:
    """Tell whether a folder has a security module, or names one."""
    return (folder / CONFIG_FILE).is_file() or ((folder / MODULE_FILE).is_file() and (folder / SECRET_FILE).is_file())


def create_backend(folder: Path) -> ModuleBackend:
    """Make the empty security module of a folder, in the token that its configuration names, or in software.

    Raises: ConfigError module.exists, module.config, module.missing, module.locked, module.library, module.token_tls, secret.exists.
    """
    config = module_config(folder)
    if config.backend == "software":
        return _create_software(folder)
    token = _token_backend("create", folder, config)
    return token if config.tls_keys == "token" else MixedModule(token, _create_software(folder))


def open_backend(folder: Path) -> ModuleBackend:
    """Open the security module of a folder.

    Raises: ConfigError module.missing, module.config, module.locked, module.library, module.token_tls, module.permissions,
    secret.missing; IntegrityFault module.damaged; Unavailable module.token.
    """
    config = module_config(folder)
    if config.backend == "software":
        return _open_software(folder)
    token = _token_backend("open", folder, config)
    return token if config.tls_keys == "token" else MixedModule(token, _open_software(folder))


def open_or_create_backend(folder: Path) -> ModuleBackend:
    """Open the security module of a folder, or make it where there is none; raises as both."""
    if module_config(folder).backend == "software":
        return open_backend(folder) if (folder / MODULE_FILE).exists() else create_backend(folder)
    try:
        return open_backend(folder)
    except ConfigError as problem:
        if problem.code != "module.missing":
            raise
    return create_backend(folder)


def discard_beginnings(folder: Path, keys: frozenset[str], files: frozenset[str]) -> None:
    """Remove what is left of a module whose making was cut short; one that holds other keys or files stays as it is.

    Raises: ConfigError module.exists, as `open_backend`.
    """
    try:
        backend = open_backend(folder)
        if not (keys >= set(backend.names()) and files >= set(backend.files())):
            raise ConfigError("module.exists", folder.name)
        for name in backend.names():
            backend.destroy(name)
        for name in backend.files():
            backend.delete_file(name)
    except ConfigError as problem:
        if problem.code not in ("module.missing", "secret.missing"):
            raise
    for left in (MODULE_FILE, SECRET_FILE):
        (folder / left).unlink(missing_ok=True)


def _create_software(folder: Path) -> SoftwareModule:
    return SoftwareModule.create(folder / MODULE_FILE, create_secret(folder / SECRET_FILE), random_secret=True)


def _open_software(folder: Path) -> SoftwareModule:
    return SoftwareModule.open(folder / MODULE_FILE, load_secret(folder / SECRET_FILE))


def _token_backend(way: Literal["create", "open"], folder: Path, config: SecurityModuleConfig) -> ModuleBackend:
    """Load the token's part of the program only here: whoever keeps keys in software needs none of it."""
    try:
        backend = importlib.import_module("smgw.security.pkcs11").Pkcs11Module
    except ImportError as problem:
        raise ConfigError("module.library", "the extra `pkcs11` is not installed") from problem
    if config.tls_keys == "token":
        require_token_tls(config.library)
    pin = load_secret(folder / config.pin_file)
    return cast("ModuleBackend", getattr(backend, way)(config.library, config.token_label, pin, folder / LOCK_FILE))

"""TLS with a key inside a token: OpenSSL's PKCS#11 engine, set on a context that Python's `ssl` made.

Python's `ssl` takes keys from files only, and OpenSSL 3.0 of Debian 12 has no provider for tokens. What works there is libp11's engine
(Debian package libengine-pkcs11-openssl), loaded by name from OpenSSL's own folder and asked for the key by its URI. Engines are gone in
OpenSSL 4; there, and where the engine isn't installed, this refuses with a code, and TLS keys must be kept in software by configuration.
Source: SEC-01; 40-crypto-stack 3.
"""

import _ssl
import ctypes
import functools
import os
import ssl
from urllib.parse import quote

from smgw.core.errors import ConfigError, UsageError

ENGINE = b"pkcs11"

_Pointer = ctypes.c_void_p
_SIGNATURES: dict[str, tuple[type | None, tuple[type, ...]]] = {
    "ENGINE_by_id": (_Pointer, (ctypes.c_char_p,)),
    "ENGINE_ctrl_cmd_string": (ctypes.c_int, (_Pointer, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_int)),
    "ENGINE_init": (ctypes.c_int, (_Pointer,)),
    "ENGINE_load_private_key": (_Pointer, (_Pointer, ctypes.c_char_p, _Pointer, _Pointer)),
    "EVP_PKEY_free": (None, (_Pointer,)),
    "ERR_clear_error": (None, ()),
    "SSL_CTX_use_certificate_chain_file": (ctypes.c_int, (_Pointer, ctypes.c_char_p)),
    "SSL_CTX_use_PrivateKey": (ctypes.c_int, (_Pointer, _Pointer)),
    "SSL_CTX_check_private_key": (ctypes.c_int, (_Pointer,)),
    "SSL_CTX_get_options": (ctypes.c_uint64, (_Pointer,)),
}


def require_token_tls(library: str) -> None:
    """Demand that this machine's TLS can use keys of tokens at all. Raises: ConfigError module.token_tls."""
    _engine(library)


def attach_token_key(context: ssl.SSLContext, library: str, token: str, label: str, pin: bytes, chain_pem: bytes) -> None:
    """Give a context a chain and the key of that label inside a token.

    Raises: UsageError module.tls (certificate and key do not belong together); ConfigError module.token_tls.
    """
    native, engine = _native(), _engine(library)
    pointer = _Pointer.from_address(id(context) + object.__basicsize__).value
    if pointer is None or native.SSL_CTX_get_options(pointer) & 0xFFFFFFFF != int(context.options) & 0xFFFFFFFF:
        raise ConfigError("module.token_tls", "the context's memory layout is unknown")
    uri = f"pkcs11:token={quote(token)};object={quote(label)};type=private;pin-value={quote(pin.decode())}".encode()
    key = native.ENGINE_load_private_key(engine, uri, None, None)
    if not key:
        native.ERR_clear_error()
        raise ConfigError("module.token_tls", f"the engine does not give {label}")
    try:
        _use_chain(native, pointer, label, chain_pem)
        if native.SSL_CTX_use_PrivateKey(pointer, key) != 1 or native.SSL_CTX_check_private_key(pointer) != 1:
            native.ERR_clear_error()
            raise UsageError("module.tls", label)
    finally:
        native.EVP_PKEY_free(key)


def _use_chain(native: ctypes.CDLL, pointer: int, label: str, chain_pem: bytes) -> None:
    handle = os.memfd_create("smgw-chain", os.MFD_CLOEXEC)
    try:
        with open(handle, "wb", closefd=False) as file:
            file.write(chain_pem)
        if native.SSL_CTX_use_certificate_chain_file(pointer, f"/proc/self/fd/{handle}".encode()) != 1:
            native.ERR_clear_error()
            raise UsageError("module.tls", label)
    finally:
        os.close(handle)


@functools.cache
def _native() -> ctypes.CDLL:
    native = ctypes.CDLL(getattr(_ssl, "__file__", None))
    try:
        for name, (result, arguments) in _SIGNATURES.items():
            function = getattr(native, name)
            function.restype, function.argtypes = result, list(arguments)
    except AttributeError as problem:
        raise ConfigError("module.token_tls", "this OpenSSL has no engines") from problem
    return native


@functools.cache
def _engine(library: str) -> int:
    native = _native()
    engine: int | None = native.ENGINE_by_id(ENGINE)
    if not engine or native.ENGINE_ctrl_cmd_string(engine, b"MODULE_PATH", library.encode(), 0) != 1 or native.ENGINE_init(engine) != 1:
        native.ERR_clear_error()
        raise ConfigError("module.token_tls", "OpenSSL's engine for PKCS#11 is not installed")
    return engine

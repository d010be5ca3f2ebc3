"""Secret files: one unpredictable secret, readable by its owner alone."""

import os
from pathlib import Path

from smgw.core.errors import ConfigError
from smgw.security.files import sync_folder

SECRET_OCTETS = 32
_LIMIT = 4096


def create_secret(path: Path) -> bytes:
    """Make a new secret file (hex text, mode 0600) and give its content. Raises: ConfigError secret.exists."""
    secret = os.urandom(SECRET_OCTETS).hex().encode()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as problem:
        raise ConfigError("secret.exists", path.name) from problem
    with os.fdopen(handle, "wb") as file:
        file.write(secret + b"\n")
        file.flush()
        os.fsync(handle)
    sync_folder(path.parent)
    return secret


def load_secret(path: Path) -> bytes:
    """Read a secret file. Raises: ConfigError secret.missing, and secret.readable when group or others may read it."""
    try:
        mode = path.stat().st_mode
        secret = path.read_bytes()[:_LIMIT].strip()
    except OSError as problem:
        raise ConfigError("secret.missing", path.name) from problem
    if mode & 0o077:
        raise ConfigError("secret.readable", path.name)
    return secret

"""Tokens of SoftHSM2 for tests: one folder of tokens a process, each wiped before a test uses it."""

import functools
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

PIN = "a-pin-for-tests"
LABELS = tuple(f"smgw test {number}" for number in range(4))
"""More than one, so that two modules can stand side by side; the blank is on purpose."""
UNTOUCHED = "smgw untouched"
"""A token that no test logs in to with the right PIN."""
LIBRARIES = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/local/lib/softhsm/libsofthsm2.so",
)


def missing(reason: str) -> None:
    """Skip the calling test for what this machine lacks; where tests must be complete, fail it."""
    pytest.fail(reason) if os.environ.get("CI") == "true" else pytest.skip(reason)


@functools.cache
def engine() -> bool:
    """Tell whether OpenSSL has its engine for PKCS#11."""
    shown = subprocess.run(["openssl", "version", "-e"], check=True, capture_output=True, text=True, timeout=60).stdout
    return (Path(shown.split('"')[1]) / "pkcs11.so").exists()


@functools.cache
def library() -> str:
    """Give the library, with all tokens made; the environment is set for child processes too."""
    found = next((path for path in LIBRARIES if Path(path).exists()), "")
    if not found or shutil.which("softhsm2-util") is None:
        missing("SoftHSM2 is not installed: `apt-get install softhsm2`")
    # The library reads its configuration once a process, so the folder outlives each test.
    folder = Path(tempfile.mkdtemp(prefix="smgw-softhsm-"))
    tokens = folder / "tokens"
    tokens.mkdir()
    configuration = folder / "softhsm2.conf"
    configuration.write_text(f"directories.tokendir = {tokens}\nobjectstore.backend = file\nlog.level = ERROR\n")
    os.environ["SOFTHSM2_CONF"] = str(configuration)
    for label in (*LABELS, UNTOUCHED):
        command = ["softhsm2-util", "--init-token", "--free", "--label", label, "--pin", PIN, "--so-pin", "12345678"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=60)
    return found


def fresh_token(number: int = 0) -> str:
    """Give the label of a token that holds nothing."""
    import pkcs11

    from smgw.security.pkcs11 import token_of

    token = token_of(library(), LABELS[number], PIN.encode())
    for stored in list(token.session.get_objects({pkcs11.Attribute.TOKEN: True})):
        stored.destroy()
    return LABELS[number]


def write_configuration(folder: Path, tls_keys: str, number: int = 0) -> None:
    """Make a role's folder whose keys will lie in a fresh token."""
    if tls_keys == "token" and not engine():
        missing("OpenSSL's engine for PKCS#11 is not installed: `apt-get install libengine-pkcs11-openssl`")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    label, path = fresh_token(number), folder / "token.pin"
    (folder / "security-module.json").write_text(
        f'{{"backend": "pkcs11", "library": "{library()}", "token_label": "{label}", "tls_keys": "{tls_keys}"}}\n'
    )
    path.write_text(PIN)
    path.chmod(0o600)

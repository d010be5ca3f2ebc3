"""What a security module holds, as a list for people and for comparison with the phase of the life cycle.

Source: LIFE-10.
"""

from datetime import datetime
from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.x509.oid import NameOID

from smgw.core.key_inventory import GATEWAY_PIN, STORAGE_KEY, pair_names, split_generation
from smgw.security.key_guard import KeyGuard, ModuleState
from smgw.security.module import SecurityModule, may_agree
from smgw.security.octet_signature import key_id
from smgw.security.policy import curve_name


class KeyObject(NamedTuple):
    """Describe one key pair."""

    name: str
    curve: str
    fingerprint: str
    """SHA-256 of the public key, hex."""
    use: str
    generation: int
    state: str
    """`prepared`, `active` or `deactivated`."""


class FileObject(NamedTuple):
    """Describe one file object; what isn't a certificate has neither subject nor times."""

    name: str
    octets: int
    subject: str = ""
    valid_from: datetime | None = None
    valid_to: datetime | None = None


class ModuleInventory(NamedTuple):
    """Hold what a module holds."""

    state: str
    keys: tuple[KeyObject, ...]
    files: tuple[FileObject, ...]

    @property
    def names(self) -> frozenset[str]:
        """Give the names of the field, as `smgw.core.key_inventory.compare` takes them."""
        pairs = {half for key in self.keys for half in pair_names(split_generation(key.name)[0])}
        paired = {GATEWAY_PIN, STORAGE_KEY} if self.state in (ModuleState.PAIRED, ModuleState.LOCKED) else set()
        return frozenset(pairs | paired | {file.name for file in self.files})


def take_inventory(module: SecurityModule) -> ModuleInventory:
    """List what a module holds; a bare backend, which has no states, shows its keys as active."""
    guard = module if isinstance(module, KeyGuard) else None
    keys = tuple(_key(module, guard, name) for name in module.names())
    files = tuple(_file(name, guard.get_file(name)) for name in guard.files()) if guard is not None else ()
    return ModuleInventory(guard.state if guard is not None else "unguarded", keys, files)


def _key(module: SecurityModule, guard: KeyGuard | None, name: str) -> KeyObject:
    public = module.public_key(name)
    state = guard.key_state(name) if guard is not None else "active"
    use = "agree" if may_agree(name) and "ENC" in name.split("_") else "sign" if not may_agree(name) else "any"
    return KeyObject(name, curve_name(public), key_id(public).hex(), use, split_generation(name)[1], state)


def _file(name: str, data: bytes) -> FileObject:
    try:
        certificate = x509.load_der_x509_certificate(data)
        subject = certificate.subject.rfc4514_string({NameOID.SERIAL_NUMBER: "SERIALNUMBER"})
        start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion):
        return FileObject(name, len(data))
    return FileObject(name, len(data), subject, start, end)

"""What program a gateway runs: the manifest of its files, and the two slots that hold an old and a new version.

A slot is one installation of the program. The gateway runs the active one; an update goes into the other, which becomes active, is judged
by its own self-test, and stays good or turns bad. A bad inactive slot may stand for 30 days; then the gateway no longer starts with it.
Source: STATE-01; handbook D-2.1; 20-wan-crypto-pki 1.9.
"""

import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Literal

import msgspec

from smgw.core.errors import DecodeFault, IntegrityFault

MANIFEST_FORMAT = "smgw-manifest-1"
FAULTY_FOR = timedelta(days=30)
"""A bad inactive slot may stand so long."""

_SHOWN = 3


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Name every file of one version with its SHA-256; signed beside it (German: signierte Dateiliste)."""

    format: str
    version: str
    created: datetime
    files: dict[str, str]
    """Path below the package, with `/` -> SHA-256, lower-case hex."""


class SlotState(StrEnum):
    """Say what is known of a slot's content."""

    EMPTY = "empty"
    PENDING = "pending"
    """Activated or about to be; its self-test has not ended."""
    GOOD = "good"
    BAD = "bad"


class Slot(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Hold one of the two installations (German: Partition)."""

    version: str
    state: SlotState
    since: datetime
    """When it got this state."""


class Slots(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Hold both slots and which one runs."""

    active: Literal["a", "b"]
    a: Slot
    b: Slot

    @property
    def running(self) -> Slot:
        """Give the active slot."""
        return self.a if self.active == "a" else self.b

    @property
    def waiting(self) -> Slot:
        """Give the inactive slot."""
        return self.b if self.active == "a" else self.a


def first_slots(version: str, now: datetime) -> Slots:
    """Give the slots of a gateway that was just installed."""
    return Slots("a", Slot(version, SlotState.GOOD, now), Slot("", SlotState.EMPTY, now))


def installed_files(root: Traversable | None = None) -> dict[str, str]:
    """Hash every file of the program; compiled files are left out, because they are made anew from the others."""
    found: dict[str, str] = {}
    _collect(resources.files("smgw") if root is None else root, "", found)
    return found


@cache
def running_files() -> dict[str, str]:
    """Give the installed files as they were when this process first asked: what runs was loaded once, so it is hashed once.

    A self-test looks at what is installed now, and compares.
    """
    return installed_files()


def _collect(folder: Traversable, prefix: str, found: dict[str, str]) -> None:
    for entry in folder.iterdir():
        path = f"{prefix}{entry.name}"
        if entry.is_dir():
            if entry.name != "__pycache__":
                _collect(entry, f"{path}/", found)
        elif not entry.name.endswith(".pyc"):
            found[path] = hashlib.sha256(entry.read_bytes()).hexdigest()


def program_hash(files: Mapping[str, str]) -> str:
    """Give the SHA-256 over all files of the program, sorted by path: the firmware's hash."""
    digest = hashlib.sha256()
    for path, file_hash in sorted(files.items()):
        digest.update(path.encode() + b"\0" + bytes.fromhex(file_hash))
    return digest.hexdigest()


def make_manifest(version: str, files: Mapping[str, str], now: datetime) -> bytes:
    """Write the manifest of a version; the octets are what is signed."""
    manifest = Manifest(MANIFEST_FORMAT, version, now, dict(files))
    return msgspec.json.format(msgspec.json.encode(manifest, order="deterministic"), indent=1) + b"\n"


def read_manifest(octets: bytes) -> Manifest:
    """Read a manifest whose signature is verified. Raises: DecodeFault boot.manifest."""
    try:
        manifest = msgspec.json.decode(octets, type=Manifest)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as problem:
        raise DecodeFault("boot.manifest", str(problem)[:200]) from problem
    if manifest.format != MANIFEST_FORMAT:
        raise DecodeFault("boot.manifest", f"format {manifest.format[:40]}")
    return manifest


def check_files(manifest: Manifest, files: Mapping[str, str]) -> None:
    """Compare the installed files with the manifest. Raises: IntegrityFault boot.program with the first that differ."""
    differing = sorted(path for path in manifest.files.keys() | files.keys() if manifest.files.get(path) != files.get(path))
    if differing:
        more = f" and {len(differing) - _SHOWN} more" if len(differing) > _SHOWN else ""
        raise IntegrityFault("boot.program", ", ".join(differing[:_SHOWN]) + more)


def check_version(slots: Slots, manifest: Manifest, running: str) -> None:
    """Demand that the version that runs is the one expected. Raises: IntegrityFault boot.version."""
    if not slots.running.version == manifest.version == running:
        raise IntegrityFault("boot.version", f"runs {running}, slot {slots.running.version}, manifest {manifest.version}")


def check_inactive(slots: Slots, now: datetime) -> None:
    """Demand that the inactive slot is not bad for 30 days already. Raises: IntegrityFault boot.slot."""
    waiting = slots.waiting
    if waiting.state is SlotState.BAD and now - waiting.since >= FAULTY_FOR:
        raise IntegrityFault("boot.slot", f"{waiting.version} since {waiting.since:%Y-%m-%d}")

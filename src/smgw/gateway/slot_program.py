"""The program in a slot: put there from a package, and verified again before each start.

A slot's folder holds `manifest.json` and `manifest.cms` as the maker signed them, and the files below `payload/`. It appears as a whole:
the files are written beside it and synced, then one rename makes them the slot.
Source: ADM-05; 20-wan-crypto-pki 1.9.
"""

import hashlib
import os
import shutil
from datetime import datetime
from pathlib import Path

from smgw.codec.firmware_package import (
    MANIFEST_NAME,
    PAYLOAD,
    SIGNATURE_NAME,
    FirmwareManifest,
    PackagedFile,
    PackageHead,
    PackageReader,
    check_update,
    read_manifest,
)
from smgw.core.errors import DomainFault, IntegrityFault, Unavailable
from smgw.gateway.config import GatewayFolder
from smgw.gateway.firmware_model import MANIFEST_FORMAT, Manifest
from smgw.pki.maker import chunks_of, load_makers, verify_head
from smgw.security.files import write_durably

PACKAGE = "smgw/"
"""Where in the payload the import package lies."""


def payload(slot: Path) -> Path:
    """Give the folder that goes to the front of the import path."""
    return slot / PAYLOAD.rstrip("/")


def unpack(folder: GatewayFolder, package: Path, slot: str, *, version: str, running: str, now: datetime) -> FirmwareManifest:
    """Verify a package and put it into a slot; what the slot held before is gone once the package is good, and not earlier.

    Raises: CertificateRejected, SecurityFault, DecodeFault, LimitFault for the package; DomainFault firmware.* when it may not replace
    the running version; Unavailable gateway.files.
    """
    makers = load_makers(folder.makers)
    target = folder.slot(slot)
    fresh = target.with_name(target.name + ".new")
    reader, manifest = PackageReader(), None
    try:
        shutil.rmtree(fresh, ignore_errors=True)
        for chunk in chunks_of(package):
            for event in reader.receive_data(chunk):
                if isinstance(event, PackageHead):
                    manifest = verify_head(event, makers, now)
                    _check(manifest, version, running)
                    write_durably(fresh / MANIFEST_NAME, event.octets)
                    write_durably(fresh / SIGNATURE_NAME, event.signature)
                else:
                    _write(payload(fresh), event)
        reader.receive_eof()
        _sync_folders(fresh)
        _replace(fresh, target)
    except OSError as problem:
        raise Unavailable("gateway.files", f"slot {slot}: {problem.strerror}") from problem
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    assert manifest is not None
    return manifest


def _check(manifest: FirmwareManifest, version: str, running: str) -> None:
    if manifest.version != version:
        raise DomainFault("firmware.not_ordered", f"{manifest.version} where {version} was ordered")
    check_update(manifest, running)


def _write(root: Path, file: PackagedFile) -> None:
    path = root / file.path
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
    with os.fdopen(handle, "wb") as out:
        out.write(file.content)
        out.flush()
        os.fsync(handle)


def _sync_folders(root: Path) -> None:
    for folder, _, _ in os.walk(root):
        _sync(Path(folder))


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _replace(fresh: Path, target: Path) -> None:
    old = target.with_name(target.name + ".old")
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        target.rename(old)
    fresh.rename(target)
    _sync(target.parent)
    shutil.rmtree(old, ignore_errors=True)


def verify_slot(folder: GatewayFolder, slot: str) -> FirmwareManifest:
    """Verify signature and files of the program in a slot, as they lie on the disk now.

    The maker's certificate is judged at the time at which the manifest was made: a program does not turn bad by age.
    Raises: IntegrityFault boot.files, boot.program; CertificateRejected, SecurityFault, DecodeFault, LimitFault.
    """
    path = folder.slot(slot)
    try:
        octets, signature = (path / MANIFEST_NAME).read_bytes(), (path / SIGNATURE_NAME).read_bytes()
        manifest = read_manifest(octets)
        verify_head(PackageHead(octets, signature, manifest), load_makers(folder.makers), manifest.created)
        found = _hashes(payload(path))
    except OSError as problem:
        raise IntegrityFault("boot.files", f"slot {slot}: {problem.strerror}") from problem
    differing = sorted(name for name in found.keys() | manifest.files.keys() if found.get(name) != manifest.files.get(name))
    if differing:
        raise IntegrityFault("boot.program", f"slot {slot}: {', '.join(differing[:3])}")
    return manifest


def _hashes(root: Path) -> dict[str, str]:
    """Hash every file below a folder; compiled files are left out, because they are made anew from the others."""
    found = {}
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if name != "__pycache__"]
        for name in files:
            path = Path(folder, name)
            regular = path.is_file() and not path.is_symlink()
            found[path.relative_to(root).as_posix()] = hashlib.sha256(path.read_bytes()).hexdigest() if regular else "not a file"
    return found


def program_manifest(folder: GatewayFolder, slot: str) -> Manifest:
    """Give the manifest of a slot's program in the form that a start compares. Raises: as `verify_slot`."""
    manifest = verify_slot(folder, slot)
    files = {path.removeprefix(PACKAGE): file_hash for path, file_hash in manifest.files.items() if path.startswith(PACKAGE)}
    return Manifest(MANIFEST_FORMAT, manifest.version, manifest.created, files)

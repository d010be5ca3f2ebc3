"""Backup and restore of an administrator: store, keys, certificates and configuration in one file, encrypted with a passphrase.

The file is `header, nonce, sealed, checksum`: the header names format, scrypt cost and salt; the contents are sealed by AES-256-GCM with
the header as associated data; the SHA-256 at the end tells a damaged file from a wrong passphrase. The store is copied while it is written
to: the copy is one moment of it. Keys that live in a token of PKCS#11 are not in the folder, and so not in the backup.
Source: OPS-03.
"""

import hashlib
import hmac
import os
import shutil
import sqlite3
import struct
from contextlib import closing
from datetime import datetime
from pathlib import Path, PurePosixPath

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from smgw.administrator.books import open_books
from smgw.administrator.config import AdministratorFolder
from smgw.administrator.users import LOCAL
from smgw.core.errors import ConfigError, IntegrityFault, Unavailable
from smgw.core.instant import utc_text
from smgw.security.files import write_durably

MIN_PASSPHRASE = 12
_MAGIC = b"SMGWBACK"
_HEADER = struct.Struct(">8sBBBB16s")
_COST = (15, 8, 1)
_NONCE = 12
_CHECKSUM = 32
_MAX_FILE = 256 << 20
_SKIPPED = (".new", "-wal", "-shm", ".lock", ".restoring")
_ROUNDS = 5
_VERSIONS = slice(18, 20)
"""Read and write version in the header of an SQLite file; 1 stands for a file without a write-ahead log."""


class _File(msgspec.Struct, frozen=True):
    mode: int
    content: bytes


class _Contents(msgspec.Struct, frozen=True):
    made_at: str
    audit_head: str
    files: dict[str, _File]


class BackupFacts(msgspec.Struct, frozen=True):
    """Say what a backup holds."""

    made_at: str
    audit_head: str
    """Head of the audit trail in it."""
    files: int
    octets: int
    cancelled_jobs: int = 0
    """Commands that waited when it was made and are not sent after a restore."""


def make_backup(folder: AdministratorFolder, passphrase: str, now: datetime) -> bytes:
    """Give a backup of a folder, also while the administrator runs.

    Raises: ConfigError administrator.password for a short passphrase, Unavailable administrator.store.
    """
    _require_passphrase(passphrase)
    for _ in range(_ROUNDS):
        before = _files(folder)
        store = _store(folder.inventory)
        # Keys and store must be of one moment: when a file changed meanwhile, all is taken again.
        if _files(folder) == before:
            break
    else:
        raise Unavailable("administrator.store", "the folder changes too often")
    before[folder.inventory.name] = _File(0o600, store)
    contents = _Contents(utc_text(now), _head(store), before)
    header = _HEADER.pack(_MAGIC, 1, *_COST, os.urandom(16))
    nonce = os.urandom(_NONCE)
    sealed = header + nonce + AESGCM(_key(passphrase, header)).encrypt(nonce, msgspec.msgpack.encode(contents), header)
    return sealed + hashlib.sha256(sealed).digest()


def restore_backup(data: bytes, passphrase: str, folder: AdministratorFolder, now: datetime) -> BackupFacts:
    """Make a folder of a backup: it is there as a whole or not at all. Commands that waited are cancelled, for the gateways may have obeyed
    them since.

    Raises: ConfigError administrator.backup, administrator.restore; IntegrityFault administrator.backup, administrator.audit_chain.
    """
    contents = _open(data, passphrase)
    if folder.path.exists() and (not folder.path.is_dir() or any(folder.path.iterdir())):
        raise ConfigError("administrator.restore", folder.path.name)
    staging = folder.path.with_name(folder.path.name + ".restoring")
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(parents=True, mode=0o700)
    for name, file in contents.files.items():
        write_durably(staging / _inside(name), file.content, file.mode)
    cancelled = _after_restore(AdministratorFolder(staging), contents.made_at, now)
    if folder.path.exists():
        folder.path.rmdir()
    staging.rename(folder.path)
    octets = sum(len(file.content) for file in contents.files.values())
    return BackupFacts(contents.made_at, contents.audit_head, len(contents.files), octets, cancelled)


def _after_restore(folder: AdministratorFolder, made_at: str, now: datetime) -> int:
    """Prove the audit trail, cancel what waited and note the restore; gives the number of cancelled jobs."""
    books = open_books(folder.inventory)
    try:
        books.audit.verify()
        with books.store.write():
            waiting = [job for device_id in books.inventory.gateways() for job in books.jobs.waiting(device_id)]
            for job in waiting:
                books.jobs.cancel(job.id, now, LOCAL)
            books.audit.note(now, LOCAL, f"restore backup of {made_at}", folder.path.stem, "done")
    finally:
        books.close()
    return len(waiting)


def _files(folder: AdministratorFolder) -> dict[str, _File]:
    """Read everything of a folder but the store."""
    found = {}
    for path in sorted(folder.path.rglob("*")):
        name = path.relative_to(folder.path)
        if path.is_symlink() or not path.is_file() or path == folder.inventory or path.name.endswith(_SKIPPED):
            continue
        found[name.as_posix()] = _File(path.stat().st_mode & 0o777, path.read_bytes())
    return found


def _store(path: Path) -> bytes:
    """Copy the store as it is at one moment."""
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as source, closing(sqlite3.connect(":memory:")) as target:
            source.backup(target)
            copy = bytearray(target.serialize())
    except sqlite3.Error as problem:
        raise Unavailable("administrator.store", str(problem)) from problem
    # The copy is whole without a log beside it; its header must not promise one.
    copy[_VERSIONS] = b"\1\1"
    return bytes(copy)


def _head(store: bytes) -> str:
    with closing(sqlite3.connect(":memory:")) as database:
        database.deserialize(store)
        row = database.execute("SELECT id, hash FROM audit ORDER BY id DESC LIMIT 1").fetchone()
    return f"{row[0]}:{bytes(row[1]).hex()}" if row else "0"


def _open(data: bytes, passphrase: str) -> _Contents:
    """Open a backup. Raises: IntegrityFault or, for a wrong passphrase, ConfigError administrator.backup."""
    sealed, checksum = data[:-_CHECKSUM], data[-_CHECKSUM:]
    if not len(sealed) > _HEADER.size + _NONCE or len(data) > _MAX_FILE:
        raise IntegrityFault("administrator.backup", "size")
    if not hmac.compare_digest(hashlib.sha256(sealed).digest(), checksum):
        raise IntegrityFault("administrator.backup", "checksum: the file is damaged")
    header, nonce, rest = sealed[: _HEADER.size], sealed[_HEADER.size :][:_NONCE], sealed[_HEADER.size + _NONCE :]
    magic, version, *cost, _ = _HEADER.unpack(header)
    if magic != _MAGIC or version != 1 or tuple(cost) != _COST:
        raise IntegrityFault("administrator.backup", "not a backup of this program's version")
    try:
        return msgspec.msgpack.decode(AESGCM(_key(passphrase, header)).decrypt(nonce, rest, header), type=_Contents)
    except InvalidTag as problem:
        raise ConfigError("administrator.backup", "wrong passphrase") from problem
    except msgspec.MsgspecError as problem:
        raise IntegrityFault("administrator.backup", "contents") from problem


def _inside(name: str) -> PurePosixPath:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.parts:
        raise IntegrityFault("administrator.backup", "a file outside the folder")
    return path


def _key(passphrase: str, header: bytes) -> bytes:
    log2_n, block, parallel, salt = _HEADER.unpack(header)[2:]
    return Scrypt(salt=salt, length=32, n=1 << log2_n, r=block, p=parallel).derive(passphrase.encode(errors="surrogatepass"))


def _require_passphrase(passphrase: str) -> None:
    if len(passphrase) < MIN_PASSPHRASE:
        raise ConfigError("administrator.password", f"{len(passphrase)} characters")

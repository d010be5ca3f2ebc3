"""Firmware packages: a tar file of manifest, the maker's signature over it, and the files that the manifest names.

The tar is plain ustar with regular files alone, in this order: `manifest.json`, `manifest.cms`, then every file below `payload/` as the
manifest sorts them. Nothing may be missing, doubled or unknown. The reader takes octets in pieces of any size, holds one file at a time
and gives a file only when its hash is the manifest's; whether the manifest's signature is good is for the caller to say, who gets it first.
Our choice: the public sources leave the format open. Source: ADM-05; 20-wan-crypto-pki 1.9; POSIX pax, ustar interchange format.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Annotated, Final, NamedTuple

import msgspec

from smgw.codec.explain import Explained
from smgw.core.errors import DecodeFault, DomainFault, LimitFault, UsageError

FORMAT: Final = "smgw-firmware-1"
PRODUCT: Final = "smgw"
HARDWARE_CLASS: Final = "software"
"""The one kind of device that this project makes firmware for."""

MANIFEST_NAME: Final = "manifest.json"
SIGNATURE_NAME: Final = "manifest.cms"
PAYLOAD: Final = "payload/"

MANIFEST_LIMIT: Final = 1 << 20
SIGNATURE_LIMIT: Final = 16 << 10
FILE_LIMIT: Final = 16 << 20
PACKAGE_LIMIT: Final = 64 << 20
FILES_LIMIT: Final = 10_000

_BLOCK: Final = 512
_MAX_DEPTH: Final = 16
_PATH = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*(?:/[A-Za-z0-9_][A-Za-z0-9_.+-]*)*\Z")
_HASH = re.compile(r"[0-9a-f]{64}\Z")
_VERSION = re.compile(
    r"(0|[1-9]\d{0,5})\.(0|[1-9]\d{0,5})\.(0|[1-9]\d{0,5})(?:-([0-9A-Za-z-]{1,20}(?:\.[0-9A-Za-z-]{1,20}){0,3}))?\Z", re.ASCII
)


class FirmwareManifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Describe one version and name each of its files with its SHA-256."""

    format: str
    name: str
    version: Annotated[str, msgspec.Meta(max_length=100)]
    """Semantic version, for example `1.4.0` or `1.5.0-rc.1`."""
    min_version: Annotated[str, msgspec.Meta(max_length=100)]
    """The lowest version that may be replaced by this one."""
    hardware_class: str
    created: datetime
    files: dict[str, str]
    """Path below `payload/`, with `/` -> SHA-256, lower-case hex."""
    allow_rollback: bool = False
    """Whether it may replace a higher version."""
    emergency: bool = False
    """Whether it is an emergency update that is not yet certified."""
    notes: Annotated[str, msgspec.Meta(max_length=2_000)] = ""


class PackageHead(NamedTuple):
    """Hold what comes before the files; nothing of it is verified yet."""

    octets: bytes
    """The manifest as it was signed."""
    signature: bytes
    """DER of the detached CMS message."""
    manifest: FirmwareManifest


class PackagedFile(NamedTuple):
    """Hold one file whose hash is the manifest's."""

    path: str
    """Path below `payload/`."""
    content: bytes


def version_key(version: str) -> tuple[object, ...]:
    """Give the key that orders versions: one with a suffix comes before the same without. Raises: DecodeFault firmware.structure."""
    match = _VERSION.match(version)
    if match is None:
        raise DecodeFault("firmware.structure", f"version {version[:40]!r}")
    words = (match[4] or "").split(".") if match[4] else []
    suffix = tuple((0, int(word), "") if word.isdigit() else (1, 0, word) for word in words)
    return (int(match[1]), int(match[2]), int(match[3]), not words, suffix)


def check_update(manifest: FirmwareManifest, running: str, hardware_class: str = HARDWARE_CLASS) -> None:
    """Demand that a version may replace the running one.

    Raises: DomainFault firmware.hardware, firmware.min_version, firmware.same_version, firmware.downgrade; DecodeFault firmware.structure.
    """
    if manifest.hardware_class != hardware_class:
        raise DomainFault("firmware.hardware", f"for {manifest.hardware_class[:40]}, this is {hardware_class}")
    new, old = version_key(manifest.version), version_key(running)
    if old < version_key(manifest.min_version):
        raise DomainFault("firmware.min_version", f"{running} runs, {manifest.min_version} is needed")
    if new == old:
        raise DomainFault("firmware.same_version", running)
    if new < old and not manifest.allow_rollback:
        raise DomainFault("firmware.downgrade", f"{running} runs, {manifest.version} is older")


# --------------------------------------------------------------------------------------------------------------- manifest


def encode_manifest(manifest: FirmwareManifest) -> bytes:
    """Write a manifest; the octets are what is signed. Raises: UsageError firmware.manifest for one that no reader takes."""
    octets = msgspec.json.format(msgspec.json.encode(manifest, order="deterministic"), indent=1) + b"\n"
    try:
        read_manifest(octets)
    except (DecodeFault, LimitFault) as fault:
        raise UsageError("firmware.manifest", fault.detail) from fault
    return octets


def read_manifest(octets: bytes) -> FirmwareManifest:
    """Read a manifest. Raises: DecodeFault firmware.structure, LimitFault firmware.size."""
    if len(octets) > MANIFEST_LIMIT:
        raise LimitFault("firmware.size", "manifest")
    try:
        manifest = msgspec.json.decode(octets, type=FirmwareManifest)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as problem:
        raise DecodeFault("firmware.structure", f"manifest: {str(problem)[:100]}") from problem
    if (manifest.format, manifest.name) != (FORMAT, PRODUCT):
        raise DecodeFault("firmware.structure", f"manifest of {manifest.name[:20]} in format {manifest.format[:20]}")
    if manifest.created.tzinfo is None:
        raise DecodeFault("firmware.structure", "manifest: time without zone")
    version_key(manifest.version)
    version_key(manifest.min_version)
    _check_paths(manifest.files)
    return manifest


def _check_paths(files: Mapping[str, str]) -> None:
    if not 0 < len(files) <= FILES_LIMIT:
        raise LimitFault("firmware.size", f"{len(files)} files")
    folders = {path[:at] for path in files for at in range(len(path)) if path[at] == "/"}
    for path, file_hash in files.items():
        parts = path.split("/")
        if _PATH.match(path) is None or len(parts) > _MAX_DEPTH or path in folders or path.endswith(".pyc") or "__pycache__" in parts:
            raise DecodeFault("firmware.structure", f"path {path[:60]!r}")
        if _HASH.match(file_hash) is None:
            raise DecodeFault("firmware.structure", f"hash of {path[:60]}")
        _split_name(PAYLOAD + path)


# -------------------------------------------------------------------------------------------------------------------- tar


def write_package(manifest: bytes, signature: bytes, files: Iterable[tuple[str, bytes]]) -> Iterator[bytes]:
    """Write a package piece by piece; `files` come as path below `payload/` and content, sorted by path as in the manifest."""
    members = ((MANIFEST_NAME, manifest), (SIGNATURE_NAME, signature), *((PAYLOAD + path, content) for path, content in files))
    for name, content in members:
        yield _header(name, len(content))
        yield content + bytes(-len(content) % _BLOCK)
    yield bytes(2 * _BLOCK)


def _split_name(name: str) -> tuple[str, str]:
    """Divide a name into prefix and name as ustar holds them. Raises: DecodeFault firmware.structure for one that does not fit."""
    if len(name) <= 100:
        return "", name
    at = name.find("/", len(name) - 101)
    if not 0 < at <= 155:
        raise DecodeFault("firmware.structure", f"path too long: {name[:40]}")
    return name[:at], name[at + 1 :]


def _header(name: str, size: int) -> bytes:
    prefix, short = _split_name(name)
    fields = (
        (short, 100), ("0000644", 8), ("0000000", 8), ("0000000", 8), (f"{size:011o}", 12), ("00000000000", 12), (" " * 8, 8), ("0", 1),
        ("", 100), ("ustar", 6), ("00", 2), ("", 32), ("", 32), ("0000000", 8), ("0000000", 8), (prefix, 155), ("", 12),
    )  # fmt: skip
    block = b"".join(text.encode("ascii").ljust(length, b"\0") for text, length in fields)
    return block[:148] + f"{sum(block):06o}\0 ".encode() + block[156:]


class _Member(NamedTuple):
    name: str
    size: int


def _read_header(block: bytes, offset: int) -> _Member:
    """Read one header. Raises: DecodeFault firmware.structure."""
    if block[257:265] != b"ustar\x0000" or block[156:157] not in (b"0", b"\0") or block[157:257].strip(b"\0"):
        raise DecodeFault("firmware.structure", "not a regular file of an ustar archive", offset=offset)
    plain = block[:148] + b" " * 8 + block[156:]
    if _octal(block[148:156], offset) != sum(plain):
        raise DecodeFault("firmware.structure", "checksum of a header", offset=offset)
    prefix, short = _field(block[345:500], offset), _field(block[:100], offset)
    return _Member(f"{prefix}/{short}" if prefix else short, _octal(block[124:136], offset))


def _field(octets: bytes, offset: int) -> str:
    text, _, rest = octets.partition(b"\0")
    if rest.strip(b"\0") or not text.isascii():
        raise DecodeFault("firmware.structure", "name of a member", offset=offset)
    return text.decode("ascii")


def _octal(octets: bytes, offset: int) -> int:
    digits = octets.strip(b" \0")
    if not digits or digits.strip(b"01234567"):
        raise DecodeFault("firmware.structure", "number in a header", offset=offset)
    return int(digits, 8)


class PackageReader:
    """Take a package octet by octet or at once, and give its head and then each file.

    `receive_data` raises DecodeFault firmware.structure, firmware.hash and LimitFault firmware.size; after a fault it is of no further use.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._taken = 0
        self._member: _Member | None = None
        self._manifest = b""
        self._expected: list[tuple[str, str]] = []
        self._next = -2
        """Index of the next file; -2 is the manifest, -1 the signature."""
        self._head: FirmwareManifest | None = None
        self._end_blocks = 0

    @property
    def offset(self) -> int:
        """Give how many octets are used up: the start of the next member."""
        return self._taken

    def receive_data(self, data: bytes) -> list[PackageHead | PackagedFile]:
        """Take octets; gives what they complete."""
        if self._taken + len(self._buffer) + len(data) > PACKAGE_LIMIT:
            raise LimitFault("firmware.size", f"more than {PACKAGE_LIMIT} octets")
        self._buffer += data
        given: list[PackageHead | PackagedFile] = []
        while True:
            if self._member is None:
                if len(self._buffer) < _BLOCK:
                    return given
                self._member = self._next_member(self._take(_BLOCK))
                continue
            padded = self._member.size + -self._member.size % _BLOCK
            if len(self._buffer) < padded:
                return given
            octets = self._take(padded)
            content, padding = octets[: self._member.size], octets[self._member.size :]
            if padding.strip(b"\0"):
                raise DecodeFault("firmware.structure", "padding", offset=self._taken)
            self._member = None
            given += self._finish(content)

    def receive_eof(self) -> None:
        """Learn that there is no more. Raises: DecodeFault firmware.structure when the package is not whole."""
        if self._buffer or self._member is not None or self._end_blocks < 2:
            raise DecodeFault("firmware.structure", "the package ends too early", offset=self._taken)

    def _take(self, count: int) -> bytes:
        octets = bytes(self._buffer[:count])
        del self._buffer[:count]
        self._taken += count
        return octets

    def _next_member(self, block: bytes) -> _Member | None:
        at = self._taken - _BLOCK
        if not block.strip(b"\0"):
            if self._head is None or self._next < len(self._expected):
                raise DecodeFault("firmware.structure", "files are missing", offset=at)
            self._end_blocks += 1
            return None
        if self._end_blocks:
            raise DecodeFault("firmware.structure", "octets behind the end", offset=at)
        member = _read_header(block, at)
        name, limit = self._wanted()
        if member.name != name:
            raise DecodeFault("firmware.structure", f"{member.name[:60]!r} where {name[:60]!r} belongs", offset=at)
        if member.size > limit:
            raise LimitFault("firmware.size", f"{name[:60]}: {member.size} octets")
        return member

    def _wanted(self) -> tuple[str, int]:
        if self._next == -2:
            return MANIFEST_NAME, MANIFEST_LIMIT
        if self._next == -1:
            return SIGNATURE_NAME, SIGNATURE_LIMIT
        if self._next < len(self._expected):
            return PAYLOAD + self._expected[self._next][0], FILE_LIMIT
        return "the end", 0

    def _finish(self, content: bytes) -> Iterator[PackageHead | PackagedFile]:
        at, self._next = self._next, self._next + 1
        if at == -2:
            self._manifest = content
        elif at == -1:
            self._head = read_manifest(self._manifest)
            self._expected = sorted(self._head.files.items())
            yield PackageHead(self._manifest, content, self._head)
        else:
            path, file_hash = self._expected[at]
            if hashlib.sha256(content).hexdigest() != file_hash:
                raise DecodeFault("firmware.hash", path[:80], offset=self._taken)
            yield PackagedFile(path, content)


def explain(octets: bytes) -> Iterator[Explained]:
    """Say what each member of a package is. Raises: as `PackageReader`, at the place where the package breaks."""
    reader, before = PackageReader(), 0
    for at in range(0, len(octets), _BLOCK):
        for event in reader.receive_data(octets[at : at + _BLOCK]):
            length, start = reader.offset - before, before
            before = reader.offset
            if isinstance(event, PackageHead):
                manifest = event.manifest
                size = _BLOCK + len(event.octets) + -len(event.octets) % _BLOCK
                yield Explained(
                    start,
                    size,
                    0,
                    f"manifest: {manifest.name} {manifest.version} for {manifest.hardware_class}, {len(manifest.files)} files",
                )
                for name in ("min_version", "created", "allow_rollback", "emergency", "notes"):
                    yield Explained(start + _BLOCK, len(event.octets), 1, f"{name}: {getattr(manifest, name)}")
                yield Explained(start + size, length - size, 0, f"signature: CMS, {len(event.signature)} octets")
            else:
                yield Explained(start, length, 0, f"file {event.path}: {len(event.content)} octets, hash as in the manifest")
    reader.receive_eof()
    yield Explained(before, reader.offset - before, 0, "end of the archive")

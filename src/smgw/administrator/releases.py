"""The releases of firmware that the administrator may offer, which of them are certified, and the server that gateways fetch them from.

A package is taken only with a trusted maker's signature. It is offered when the list of certified versions names its manifest, or as an
emergency update when the maker has signed it as one. Source: ADM-05; annex VI 3.3, 3.4 of TR-03109-1; 20-wan-crypto-pki 1.9.
"""

import asyncio
import hashlib
import re
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path

import msgspec
import structlog

from smgw.administrator.audit import Audit
from smgw.administrator.store import Store
from smgw.codec.firmware_package import PACKAGE_LIMIT, FirmwareManifest, encode_manifest, read_manifest
from smgw.core.errors import DomainFault, LimitFault, PeerFault, SmgwError, Unavailable
from smgw.core.instant import utc_text
from smgw.net.http_server import Reply, serve_http
from smgw.pki.chain import ValidatedCertificate
from smgw.pki.maker import CHUNK, load_makers, verified_package
from smgw.protocol.tunnel_http import Request
from smgw.security.files import write_durably

_SCHEMA = """
CREATE TABLE IF NOT EXISTS firmware_release (
  version TEXT PRIMARY KEY, sha256 TEXT NOT NULL UNIQUE, size INTEGER NOT NULL, manifest BLOB NOT NULL, manifest_sha256 TEXT NOT NULL,
  uploaded_at TEXT NOT NULL, uploaded_by TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS firmware_certified (
  manifest_sha256 TEXT PRIMARY KEY, certificate TEXT NOT NULL, noted_at TEXT NOT NULL, noted_by TEXT NOT NULL
) STRICT;
"""
_COLUMNS = (
    "r.version, r.sha256, r.size, r.manifest, r.manifest_sha256, r.uploaded_at, r.uploaded_by, coalesce(c.certificate, '') "
    "FROM firmware_release r LEFT JOIN firmware_certified c USING (manifest_sha256)"
)

PATH = "/firmware/"
PIECE_LIMIT = 512 << 10
"""At most so many octets in one answer."""

PARTS_LIMIT = 8
"""At most so many packages may be on their way here."""

_HASH = re.compile(r"[0-9a-f]{64}\Z")
_RANGE = re.compile(r"bytes=(\d{1,9})-(\d{1,9})?\Z", re.ASCII)

log = structlog.get_logger(__name__)


class Certified(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Hold one row of the list of certified versions."""

    manifest_sha256: str
    certificate: str
    """Number of the certificate, for example `BSI-DSZ-CC-0000-2026`."""


class Release(msgspec.Struct, frozen=True):
    """Hold one release."""

    version: str
    sha256: str
    """Of the whole package."""
    size: int
    manifest_sha256: str
    certificate: str
    """Empty while it is not certified."""
    emergency: bool
    min_version: str
    allow_rollback: bool
    notes: str
    created: datetime
    uploaded_at: str
    uploaded_by: str

    @property
    def may_be_offered(self) -> bool:
        """Tell whether it is certified, or an emergency."""
        return bool(self.certificate) or self.emergency


class Releases:
    """Keep the packages in a folder and what is known of them in the store."""

    def __init__(self, store: Store, audit: Audit, folder: Path) -> None:
        self._store = store
        self._audit = audit
        self._folder = folder / "firmware"
        self.makers = folder / "makers.pem"
        store.install(_SCHEMA)

    def receive(self, sha256: str, start: int, octets: bytes) -> int:
        """Take a piece of a package on its way here; gives how much of it there is, which is where the next piece begins.

        Raises: PeerFault firmware.size, administrator.request; Unavailable administrator.store.
        """
        if _HASH.match(sha256) is None:
            raise PeerFault("administrator.request", "sha256")
        path = self._part(sha256)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("ab") as file:
                held = file.tell()
                if start != held:
                    return held
                if held + len(octets) > PACKAGE_LIMIT or (not held and len(list(path.parent.glob("*.part"))) > PARTS_LIMIT):
                    raise LimitFault("firmware.size", f"{held + len(octets)} octets")
                file.write(octets)
                return held + len(octets)
        except OSError as problem:
            raise Unavailable("administrator.store", f"{sha256}: {problem.strerror}") from problem

    def take(self, sha256: str, at: datetime, actor: str) -> Release:
        """Verify the package whose pieces have arrived, and take it. Raises: as `upload`, and PeerFault firmware.hash."""
        if _HASH.match(sha256) is None or not self._part(sha256).exists():
            raise PeerFault("administrator.request", "sha256: nothing was uploaded")
        path = self._part(sha256)
        octets = path.read_bytes()
        path.unlink()
        if hashlib.sha256(octets).hexdigest() != sha256:
            raise PeerFault("firmware.hash", sha256)
        return self.upload(octets, at, actor)

    def _part(self, sha256: str) -> Path:
        return self._folder / f"{sha256}.part"

    def upload(self, octets: bytes, at: datetime, actor: str) -> Release:
        """Verify a package and take it; the same again changes nothing.

        Raises: PeerFault firmware.*, cms.*; DomainFault administrator.release for another package of a version that is there;
        Unavailable administrator.store.
        """
        if len(octets) > PACKAGE_LIMIT:
            raise LimitFault("firmware.size", f"{len(octets)} octets")
        chunks = (octets[start : start + CHUNK] for start in range(0, len(octets), CHUNK))
        parts = list(verified_package(chunks, load_makers(self.makers), at))
        manifest = next(part for part in parts if isinstance(part, FirmwareManifest))
        sha256 = hashlib.sha256(octets).hexdigest()
        held = self._find("WHERE r.version=?", manifest.version)
        if held and held[0].sha256 != sha256:
            raise DomainFault("administrator.release", f"{manifest.version} is there with another content")
        if not held:
            try:
                write_durably(self.path(sha256), octets)
            except OSError as problem:
                raise Unavailable("administrator.store", f"{sha256}: {problem.strerror}") from problem
            self._insert(manifest, sha256, len(octets), at, actor)
        return self.release(manifest.version)

    def _insert(self, manifest: FirmwareManifest, sha256: str, size: int, at: datetime, actor: str) -> None:
        signed = encode_manifest(manifest)
        with self._store.write() as database:
            database.execute(
                "INSERT INTO firmware_release VALUES (?,?,?,?,?,?,?)",
                (manifest.version, sha256, size, signed, hashlib.sha256(signed).hexdigest(), utc_text(at), actor),
            )
            self._audit.note(at, actor, "upload firmware", manifest.version, "done")

    def certify(self, rows: Iterable[Certified], at: datetime, actor: str) -> None:
        """Take rows of the list of certified versions; a version may be uploaded before or after."""
        with self._store.write() as database:
            for row in rows:
                database.execute(
                    "INSERT INTO firmware_certified VALUES (?,?,?,?) ON CONFLICT(manifest_sha256) DO UPDATE SET "
                    "certificate=excluded.certificate, noted_at=excluded.noted_at, noted_by=excluded.noted_by",
                    (row.manifest_sha256, row.certificate, utc_text(at), actor),
                )
                self._audit.note(at, actor, "note certified firmware", row.manifest_sha256, row.certificate)

    def all(self) -> list[Release]:
        """List the releases, the last uploaded first."""
        return self._find("ORDER BY r.uploaded_at DESC, r.version DESC")

    def release(self, version: str) -> Release:
        """Give one release. Raises: DomainFault administrator.unknown_release."""
        found = self._find("WHERE r.version=?", version)
        if not found:
            raise DomainFault("administrator.unknown_release", version[:40])
        return found[0]

    def offered(self, version: str) -> Release:
        """Give a release that may go to gateways. Raises: DomainFault administrator.unknown_release, administrator.not_certified."""
        release = self.release(version)
        if not release.may_be_offered:
            raise DomainFault("administrator.not_certified", version)
        return release

    def path(self, sha256: str) -> Path:
        """Give the file of a package."""
        return self._folder / f"{sha256}.fw"

    def size(self, sha256: str) -> int | None:
        """Give the size of a package by its hash, None where there is none."""
        rows = self._store.rows("SELECT size FROM firmware_release WHERE sha256=?", (sha256,))
        return int(rows[0][0]) if rows else None

    def _find(self, condition: str, *values: object) -> list[Release]:
        return [_release(row) for row in self._store.rows(f"SELECT {_COLUMNS} {condition}", values)]


def _release(row: tuple[object, ...]) -> Release:
    version, sha256, size, octets, manifest_sha256, uploaded_at, uploaded_by, certificate = row
    assert isinstance(octets, bytes)
    assert isinstance(size, int)
    manifest = read_manifest(octets)
    return Release(
        version=str(version),
        sha256=str(sha256),
        size=size,
        manifest_sha256=str(manifest_sha256),
        certificate=str(certificate),
        emergency=manifest.emergency,
        min_version=manifest.min_version,
        allow_rollback=manifest.allow_rollback,
        notes=manifest.notes,
        created=manifest.created,
        uploaded_at=str(uploaded_at),
        uploaded_by=str(uploaded_by),
    )


# ----------------------------------------------------------------------------------------------------------------- server


async def serve_downloads(
    releases: Releases,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    peer: ValidatedCertificate,
    require_known: Callable[[ValidatedCertificate], object],
) -> None:
    """Give a gateway the pieces of packages that it asks for; `require_known` raises for one that is not of this fleet."""
    try:
        require_known(peer)
    except SmgwError as fault:
        log.warning("download_refused", gateway=str(peer.device_id), code=fault.code)
        return

    async def respond(request: Request) -> Reply:
        return await asyncio.to_thread(piece, releases.path, _size_of(releases, request), request)

    await serve_http(reader, writer, respond, on_fault=lambda fault: log.info("download_refused", code=fault.code))


def _size_of(releases: Releases, request: Request) -> int | None:
    return releases.size(request.target.removeprefix(PATH)) if request.target.startswith(PATH) else None


def piece(path_of: Callable[[str], Path], size: int | None, request: Request) -> Reply:
    """Answer one request for a range of octets, at most `PIECE_LIMIT` of them; `size` is None for what there is not."""
    if request.method != "GET":
        return Reply(405)
    if size is None:
        return Reply(404)
    match = _RANGE.match(dict(request.headers).get("range", "bytes=0-"))
    start = int(match[1]) if match else 0
    last = min(int(match[2]) if match and match[2] else size - 1, size - 1, start + PIECE_LIMIT - 1)
    if match is None or start > last:
        return Reply(416, headers=(("Content-Range", f"bytes */{size}"),))
    try:
        with path_of(request.target.removeprefix(PATH)).open("rb") as file:
            file.seek(start)
            octets = file.read(last - start + 1)
    except OSError as problem:
        log.error("download_failed", problem=problem.strerror)
        return Reply(503)
    headers = (("Content-Type", "application/octet-stream"), ("Accept-Ranges", "bytes"), ("Content-Range", f"bytes {start}-{last}/{size}"))
    return Reply(206, octets, headers) if len(octets) == last - start + 1 else Reply(503)

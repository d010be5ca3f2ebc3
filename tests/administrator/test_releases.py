"""Releases of firmware: a trusted maker signed what is taken, what is offered is certified or an emergency, any piece is served."""

import hashlib
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from tests.codec.firmware_packages import CREATED, maker, package

from smgw.administrator import releases as module
from smgw.administrator.audit import Audit
from smgw.administrator.releases import PATH, PIECE_LIMIT, Certified, Releases, piece
from smgw.administrator.store import Store
from smgw.codec.firmware_package import PACKAGE_LIMIT
from smgw.core.errors import DomainFault, PeerFault, Unavailable
from smgw.protocol.tunnel_http import Request

pytestmark = pytest.mark.req("ADM-05")

NOW = CREATED + timedelta(days=1)


@pytest.fixture
def releases(tmp_path: Path) -> Releases:
    (tmp_path / "makers.pem").write_bytes(maker().root.public_bytes(Encoding.PEM))
    store = Store(tmp_path / "inventory.db")
    return Releases(store, Audit(store), tmp_path)


def test_a_package_is_taken_once_and_kept_as_it_came(releases: Releases) -> None:
    release = releases.upload(package(notes="less noise"), NOW, "user1")
    assert (release.version, release.notes, release.uploaded_by, release.certificate) == ("1.2.0", "less noise", "user1", "")
    assert release.size == releases.path(release.sha256).stat().st_size
    assert hashlib.sha256(releases.path(release.sha256).read_bytes()).hexdigest() == release.sha256
    assert releases.upload(releases.path(release.sha256).read_bytes(), NOW, "user2") == release
    assert releases.all() == [release]
    assert releases.size(release.sha256) == release.size
    assert releases.size("0" * 64) is None


@pytest.mark.parametrize(
    ("octets", "code"),
    [
        (package(by=maker("other")), "firmware.signer"),
        (package()[:-2_000], "firmware.structure"),
        (package().replace(b"STATE = 1", b"STATE = 2", 1), "firmware.hash"),
        (b"", "firmware.structure"),
        (bytes(PACKAGE_LIMIT + 1), "firmware.size"),
    ],
    ids=["signer", "short", "hash", "empty", "large"],
)
def test_nothing_else_is_taken(releases: Releases, octets: bytes, code: str) -> None:
    with pytest.raises(PeerFault, match=code):
        releases.upload(octets, NOW, "user1")
    assert releases.all() == []
    assert not (releases.makers.parent / "firmware").exists()


def test_one_version_has_one_content(releases: Releases) -> None:
    releases.upload(package(), NOW, "user1")
    with pytest.raises(DomainFault, match=r"administrator\.release"):
        releases.upload(package(notes="other"), NOW, "user1")


def test_only_certified_versions_and_emergencies_are_offered(releases: Releases) -> None:
    release = releases.upload(package(), NOW, "user1")
    with pytest.raises(DomainFault, match=r"administrator\.not_certified"):
        releases.offered("1.2.0")
    releases.certify(
        [Certified("0" * 64, "BSI-DSZ-CC-0001-2026"), Certified(release.manifest_sha256, "BSI-DSZ-CC-0002-2026")], NOW, "user1"
    )
    assert releases.offered("1.2.0").certificate == "BSI-DSZ-CC-0002-2026"
    emergency = releases.upload(package(version="1.2.1", emergency=True), NOW, "user1")
    assert releases.offered("1.2.1") == emergency
    releases.certify([Certified(emergency.manifest_sha256, "BSI-DSZ-CC-0003-2026")], NOW, "user1")
    assert releases.offered("1.2.1").certificate == "BSI-DSZ-CC-0003-2026"
    with pytest.raises(DomainFault, match=r"administrator\.unknown_release"):
        releases.offered("9.9.9")


def test_a_disk_that_refuses_leaves_no_release(releases: Releases, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "write_durably", refuse)
    with pytest.raises(Unavailable, match="No space left"):
        releases.upload(package(), NOW, "user1")
    assert releases.all() == []


CONTENT = bytes(range(256)) * 4_096
SIZE = len(CONTENT)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "x.fw"
    path.write_bytes(CONTENT)
    return path


@pytest.mark.parametrize(
    ("text", "start", "last"),
    [
        (None, 0, PIECE_LIMIT - 1),
        ("bytes=0-0", 0, 0),
        ("bytes=0-99", 0, 99),
        ("bytes=1000-", 1_000, 1_000 + PIECE_LIMIT - 1),
        (f"bytes={SIZE - 1}-", SIZE - 1, SIZE - 1),
        (f"bytes={SIZE - 10}-{SIZE + 10}", SIZE - 10, SIZE - 1),
    ],
)
def test_any_range_is_served(file: Path, text: str | None, start: int, last: int) -> None:
    reply = piece(lambda _: file, SIZE, Request("GET", PATH + "x", (("range", text),) if text else (), b""))
    assert reply.status == 206
    assert reply.body == CONTENT[start : last + 1]
    assert dict(reply.headers)["Content-Range"] == f"bytes {start}-{last}/{SIZE}"


@pytest.mark.parametrize("text", [f"bytes={SIZE}-", "bytes=5-4", "bytes=-5", "bytes=a-b", "lines=0-1", "bytes=0-1,3-4", "bytes=٣-"])
def test_a_range_that_is_none_is_refused(file: Path, text: str) -> None:
    reply = piece(lambda _: file, SIZE, Request("GET", PATH + "x", (("range", text),), b""))
    assert (reply.status, reply.body) == (416, b"")


def test_what_there_is_not_is_not_served(file: Path, tmp_path: Path) -> None:
    assert piece(lambda _: file, None, Request("GET", PATH + "x", (), b"")).status == 404
    assert piece(lambda _: file, SIZE, Request("POST", PATH + "x", (), b"")).status == 405
    assert piece(lambda _: tmp_path / "none", SIZE, Request("GET", PATH + "x", (), b"")).status == 503
    assert piece(lambda _: file, SIZE + 10, Request("GET", PATH + "x", (("range", f"bytes={SIZE}-"),), b"")).status == 503

"""Firmware packages: what is written is read back in pieces of any size, and nothing else passes."""

import io
import tarfile
from collections.abc import Callable

import pytest
from tests.codec.firmware_packages import CREATED, FILES, manifest_of, package

from smgw.codec.firmware_package import (
    FILE_LIMIT,
    MANIFEST_LIMIT,
    PACKAGE_LIMIT,
    PackagedFile,
    PackageHead,
    PackageReader,
    check_update,
    encode_manifest,
    explain,
    read_manifest,
    version_key,
    write_package,
)
from smgw.core.errors import DecodeFault, DomainFault, LimitFault, PeerFault, UsageError

pytestmark = pytest.mark.req("ADM-05")


def read(octets: bytes, piece: int = 1 << 20) -> list[PackageHead | PackagedFile]:
    reader = PackageReader()
    events = [event for at in range(0, len(octets), piece) for event in reader.receive_data(octets[at : at + piece])]
    reader.receive_eof()
    return events


@pytest.mark.parametrize("piece", [1, 7, 511, 512, 513, 1 << 20])
def test_a_package_is_read_alike_however_it_is_cut(piece: int) -> None:
    head, *files = read(package(), piece)
    assert isinstance(head, PackageHead)
    assert head.manifest == manifest_of()
    assert {file.path: file.content for file in files if isinstance(file, PackagedFile)} == FILES


def test_other_programs_read_the_archive() -> None:
    with tarfile.open(fileobj=io.BytesIO(package())) as archive:
        names = archive.getnames()
        assert names == ["manifest.json", "manifest.cms", *(f"payload/{path}" for path in sorted(FILES))]
        content = archive.extractfile("payload/smgw/core/state.py")
        assert content is not None
        assert content.read() == FILES["smgw/core/state.py"]


def test_an_archive_of_another_program_is_read() -> None:
    octets = encode_manifest(manifest_of())
    members = (("manifest.json", octets), ("manifest.cms", b"cms"), *((f"payload/{path}", FILES[path]) for path in sorted(FILES)))
    assert len(read(tar_of(members))) == 1 + len(FILES)


def tar_of(members: "tuple[tuple[str, bytes], ...]", change: Callable[[tarfile.TarInfo], None] = lambda _: None) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            change(info)
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def test_long_paths_travel() -> None:
    files = {f"smgw/{'deep/' * 12}{'n' * 60}.py": b"x"}
    assert [event.path for event in read(package(files)) if isinstance(event, PackagedFile)] == list(files)


@pytest.mark.parametrize("at", [0, 1, 100, 511, 512, 513, 4000])
def test_a_package_that_ends_early_is_not_whole(at: int) -> None:
    with pytest.raises(DecodeFault, match=r"firmware\.structure"):
        read(package()[:at])


def test_missing_end_is_noticed() -> None:
    with pytest.raises(DecodeFault, match="too early"):
        read(package()[:-512])


OCTETS = encode_manifest(manifest_of())
GOOD = (("manifest.json", OCTETS), ("manifest.cms", b"cms"), *((f"payload/{path}", FILES[path]) for path in sorted(FILES)))


@pytest.mark.parametrize(
    "members",
    [
        GOOD[1:],
        (GOOD[1], GOOD[0], *GOOD[2:]),
        GOOD[:-1],
        (*GOOD, ("payload/more.py", b"")),
        (*GOOD, GOOD[-1]),
        (*GOOD[:2], GOOD[3], GOOD[2], *GOOD[4:]),
        (*GOOD[:2], ("payload/../../etc/passwd", b""), *GOOD[3:]),
        (*GOOD[:2], ("/payload/smgw/__init__.py", b""), *GOOD[3:]),
    ],
    ids=["no-manifest", "order", "missing", "unknown", "twice", "unsorted", "parent", "absolute"],
)
def test_members_that_the_manifest_does_not_name_there_are_refused(members: "tuple[tuple[str, bytes], ...]") -> None:
    with pytest.raises(DecodeFault, match=r"firmware\.structure"):
        read(tar_of(members))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_only_regular_files_are_taken(kind: bytes) -> None:
    def change(info: tarfile.TarInfo) -> None:
        if info.name.startswith("payload/"):
            info.type, info.linkname = kind, "target"

    with pytest.raises(DecodeFault, match="regular file"):
        read(tar_of(GOOD, change))


def test_another_content_is_noticed() -> None:
    changed = package().replace(b"STATE = 1", b"STATE = 2", 1)
    with pytest.raises(DecodeFault, match=r"firmware\.hash"):
        read(changed)


def test_a_damaged_header_is_noticed() -> None:
    octets = bytearray(package())
    octets[100] ^= 1
    with pytest.raises(DecodeFault, match="checksum"):
        read(bytes(octets))


def test_octets_behind_the_end_are_refused_and_zeros_are_not() -> None:
    assert read(package() + bytes(8 * 512))
    with pytest.raises(DecodeFault, match="behind the end"):
        read(package() + b"x" * 512)


def test_sizes_are_bounded() -> None:
    for name, limit in (("manifest.json", MANIFEST_LIMIT), ("manifest.json", 8**11 - 2)):
        info = tarfile.TarInfo(name)
        info.size = limit + 1
        with pytest.raises(LimitFault, match=r"firmware\.size"):
            PackageReader().receive_data(info.tobuf(tarfile.USTAR_FORMAT))
    big = {"a": bytes(FILE_LIMIT + 1)}
    with pytest.raises(LimitFault, match=r"firmware\.size"):
        read(package(big))
    reader = PackageReader()
    with pytest.raises(LimitFault, match=r"firmware\.size"):
        reader.receive_data(bytes(PACKAGE_LIMIT + 1))


@pytest.mark.parametrize(
    "path",
    ["", "/a", "a/", "a//b", "../a", "a/../b", "./a", ".a", "a/.b", "a\\b", "a b", "ä", "a\0", "a\n", "-a", "x" * 101, "a/" * 17 + "b",
     "a.pyc", "__pycache__/a"],
)  # fmt: skip
def test_a_manifest_names_no_other_paths_than_plain_ones(path: str) -> None:
    with pytest.raises(UsageError, match=r"firmware\.manifest"):
        encode_manifest(manifest_of({path: b""}))


def test_a_file_is_not_a_folder_too() -> None:
    with pytest.raises(UsageError, match="path 'a'"):
        encode_manifest(manifest_of({"a": b"", "a/b": b""}))


@pytest.mark.parametrize(
    "octets",
    [b"", b"{}", b"[]", b"\xff", b"[" * 10_000, OCTETS.replace(b"firmware-1", b"firmware-2"), OCTETS.replace(b'"smgw",', b'"other",'),
     OCTETS.replace(b'"version": "1.2.0"', b'"version": "1.2"'), OCTETS.replace(b"T12:00:00Z", b"T12:00:00"),
     OCTETS.replace(b'"notes": ""', b'"note": ""'), bytes(MANIFEST_LIMIT + 1)],
)  # fmt: skip
def test_what_is_no_manifest_is_refused(octets: bytes) -> None:
    assert read_manifest(OCTETS) == manifest_of()
    with pytest.raises(PeerFault, match=r"firmware\.(structure|size)"):
        read_manifest(octets)


def test_versions_are_ordered() -> None:
    ordered = [
        "0.1.0",
        "0.2.0",
        "0.10.0",
        "1.0.0-alpha",
        "1.0.0-alpha.1",
        "1.0.0-alpha.beta",
        "1.0.0-rc.2",
        "1.0.0-rc.11",
        "1.0.0",
        "1.0.1",
    ]
    by_text = sorted(ordered)
    assert sorted(by_text, key=version_key) == ordered
    for text in ("1", "1.0", "01.0.0", "1.0.0-", "v1.0.0", "1.0.0\n", "1.0.0+x", "١.0.0", "9999999.0.0"):
        with pytest.raises(DecodeFault):
            version_key(text)


@pytest.mark.parametrize(
    ("changes", "running", "code"),
    [
        ({}, "0.1.0", ""),
        ({}, "1.2.0-rc.1", ""),
        ({}, "0.0.9", "firmware.min_version"),
        ({}, "1.2.0", "firmware.same_version"),
        ({}, "1.3.0", "firmware.downgrade"),
        ({"allow_rollback": True}, "1.3.0", ""),
        ({"allow_rollback": True}, "1.2.0", "firmware.same_version"),
        ({"hardware_class": "other"}, "0.1.0", "firmware.hardware"),
    ],
)
def test_what_may_replace_what(changes: dict[str, object], running: str, code: str) -> None:
    manifest = manifest_of(**changes)
    if not code:
        check_update(manifest, running)
        return
    with pytest.raises(DomainFault, match=code):
        check_update(manifest, running)


def test_an_explanation_covers_every_octet_once() -> None:
    octets = package(notes="less noise")
    lines = list(explain(octets))
    outer = [line for line in lines if line.depth == 0]
    assert outer[0].offset == 0
    assert [line.offset + line.length for line in outer[:-1]] == [line.offset for line in outer[1:]]
    assert outer[-1].offset + outer[-1].length == len(octets)
    assert "smgw 1.2.0 for software, 3 files" in lines[0].meaning
    assert any("less noise" in line.meaning for line in lines)


def test_an_explanation_ends_where_the_package_breaks() -> None:
    lines = explain(package()[:-1024])
    assert "manifest" in next(lines).meaning
    with pytest.raises(DecodeFault):
        list(lines)


def test_writing_is_the_same_every_time() -> None:
    def write() -> bytes:
        return b"".join(write_package(OCTETS, b"cms", sorted(FILES.items())))

    assert write() == write()
    assert len(write()) % 512 == 0


def test_a_manifest_needs_a_time_zone() -> None:
    with pytest.raises(UsageError, match="zone"):
        encode_manifest(manifest_of(created=CREATED.replace(tzinfo=None)))

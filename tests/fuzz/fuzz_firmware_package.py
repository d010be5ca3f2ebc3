"""Fuzz target: a firmware package gives files that its manifest names, or a PeerFault; the same however it is cut.

Run for longer with `python tests/fuzz/fuzz_firmware_package.py -max_total_time=60`.
"""

import hashlib
import sys

import atheris

with atheris.instrument_imports():
    from smgw.codec.firmware_package import FirmwareManifest, PackagedFile, PackageHead, PackageReader, explain, read_manifest
    from smgw.core.errors import PeerFault


def read(data: bytes, piece: int) -> tuple[list[object], str]:
    """Read a package in pieces; gives what came out and the code of the fault, if any."""
    reader, given = PackageReader(), list[object]()
    manifest: FirmwareManifest | None = None
    try:
        for at in range(0, len(data), piece):
            for event in reader.receive_data(data[at : at + piece]):
                given.append(event)
                if isinstance(event, PackageHead):
                    manifest = event.manifest
                elif isinstance(event, PackagedFile):
                    if manifest is None or manifest.files[event.path] != hashlib.sha256(event.content).hexdigest():
                        raise AssertionError("a file that the manifest does not name")
                    if event.path.startswith("/") or ".." in event.path.split("/"):
                        raise AssertionError("a path that leads out")
        reader.receive_eof()
    except PeerFault as fault:
        return given, fault.code
    return given, ""


def one_input(data: bytes) -> None:
    """Read one package at once, in pieces and as a manifest alone, and explain it."""
    whole = read(data, max(1, len(data)))
    pieces = read(data, 97)
    if pieces[1] != whole[1] or (not whole[1] and pieces != whole):
        raise AssertionError("the cut matters")
    for reader in (read_manifest, lambda octets: list(explain(octets))):
        try:
            reader(data)
        except PeerFault as fault:
            if not fault.code.startswith("firmware."):
                raise AssertionError(fault.code) from fault


if __name__ == "__main__":
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()

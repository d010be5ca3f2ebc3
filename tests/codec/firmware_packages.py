"""Small firmware packages, signed by a maker of the test process."""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

from cryptography import x509

from smgw.codec.firmware_package import FORMAT, HARDWARE_CLASS, PRODUCT, FirmwareManifest, encode_manifest, write_package
from smgw.pki.maker import SIGNING_KEY, make_root, make_signer
from smgw.security.content import Credential, sign_detached
from smgw.security.software import SoftwareModule

CREATED = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
FILES = {"smgw/__init__.py": b"", "smgw/core/state.py": b"STATE = 1\n" * 80, "smgw.dist-info/METADATA": b"Version: 1.2.0\n"}


class Maker:
    """Hold a maker's module and certificates."""

    def __init__(self, name: str) -> None:
        self.module = SoftwareModule.create(Path(mkdtemp(prefix="smgw-maker-")) / "module.smgwkeys", bytes(32))
        self.root: x509.Certificate = make_root(self.module, name, CREATED)
        self.signer: x509.Certificate = make_signer(self.module, name, CREATED)

    def sign(self, manifest: bytes, certificate: x509.Certificate | None = None) -> bytes:
        """Sign a manifest as it travels beside it."""
        return sign_detached(manifest, module=self.module, signer=Credential(certificate or self.signer, SIGNING_KEY))


@cache
def maker(name: str = "test") -> Maker:
    """Found a maker once for the whole test process."""
    return Maker(name)


def manifest_of(files: Mapping[str, bytes] = FILES, **changes: object) -> FirmwareManifest:
    """Describe files as version 1.2.0."""
    values: dict[str, object] = {
        "format": FORMAT,
        "name": PRODUCT,
        "version": "1.2.0",
        "min_version": "0.1.0",
        "hardware_class": HARDWARE_CLASS,
        "created": CREATED,
        "files": {path: hashlib.sha256(content).hexdigest() for path, content in files.items()},
    }
    return FirmwareManifest(**{**values, **changes})  # type: ignore[arg-type]


def package(files: Mapping[str, bytes] = FILES, by: Maker | None = None, **changes: object) -> bytes:
    """Make a signed package of files."""
    octets = encode_manifest(manifest_of(files, **changes))
    return b"".join(write_package(octets, (by or maker()).sign(octets), sorted(files.items())))

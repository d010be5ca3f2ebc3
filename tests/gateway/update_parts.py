"""A gateway's folder with an update in any state, a maker whom it trusts, and packages of a program that tells its version."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from tests.codec.firmware_packages import CREATED, maker, package

from smgw.gateway import config
from smgw.gateway.config import GatewayFolder
from smgw.gateway.firmware_model import Slots, first_slots
from smgw.gateway.firmware_record import Order, Update, UpdateState, load_slots, save_slots, save_update

OLD, NEW = "0.1.0", "1.2.0"
ORDER = Order(NEW, "0" * 64, 4_096, "127.0.0.1", 15_105, "/firmware/x")


def program(version: str = NEW, cli: str = "", service: str = "") -> dict[str, bytes]:
    """Give the files of a program that does nothing but load and know its version."""
    files = {
        "smgw/__init__.py": "",
        "smgw/cli/__init__.py": "",
        "smgw/cli/gateway.py": cli,
        "smgw/gateway/__init__.py": "",
        "smgw/gateway/service.py": service,
        "smgw.dist-info/METADATA": f"Metadata-Version: 2.1\nName: smgw\nVersion: {version}\n",
    }
    return {path: text.encode() for path, text in files.items()}


@cache
def good_package() -> bytes:
    """Give a package of version 1.2.0."""
    return package(program())


def updated_folder(path: Path, octets: bytes = b"") -> GatewayFolder:
    """Make a folder that holds what concerns updates alone: slots, makers, and perhaps a downloaded package."""
    path.mkdir(parents=True, exist_ok=True)
    folder = GatewayFolder(path)
    folder.makers.write_bytes(maker().root.public_bytes(Encoding.PEM))
    save_slots(folder, first_slots(OLD, CREATED))
    if octets:
        folder.package.write_bytes(octets)
    return folder


def slots_of(folder: GatewayFolder) -> Slots:
    """Read the slots."""
    slots = load_slots(folder)
    assert slots is not None
    return slots


def remember(folder: GatewayFolder, state: UpdateState, **changes: object) -> Update:
    """Write an update in a state."""
    update = Update(state, CREATED, "order-1", ORDER, before=OLD)
    update = msgspec.structs.replace(update, **changes)
    save_update(folder, update)
    return update


@contextmanager
def power_cut(writes: int) -> Iterator[None]:
    """Let so many files of a gateway's folder be written, and none after them."""
    left, write = [writes], config.write_durably

    def failing(path: Path, data: bytes, *rest: int) -> None:
        if left[0] == 0:
            raise OSError("power")
        left[0] -= 1
        write(path, data, *rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(config, "write_durably", failing)
        yield

"""A whole gateway's folder, made once and copied for each test."""

import shutil
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

from tests.gateway.gateway_parts import GATEWAY_ID, START, administrator_identity, pki

from smgw.gateway.boot import sign_program
from smgw.gateway.config import AdministratorConfig, GatewayConfig, GatewayFolder
from smgw.net.identity import create_keys, install_certificates
from smgw.pki.names import Role
from smgw.pki.triple import GATEWAY_KEYS
from smgw.simulation.provisioning import hex_der


@cache
def _model() -> Path:
    path = Path(mkdtemp(prefix="smgw-gateway-"))
    package = create_keys(path, GATEWAY_KEYS, Role.SMGW, GATEWAY_ID)
    install_certificates(path, pki().issue(package, Role.SMGW, now=START), [pki().sub().certificate])
    pki().trust(START).save(path / "trust")
    GatewayFolder(path).save(config())
    return path


def config(**changes: object) -> GatewayConfig:
    """Give the configuration of a gateway whose administrator is not there: its ports answer nobody."""
    triple = administrator_identity().triple
    administrator = AdministratorConfig("smgw-test.GWA", "127.0.0.1", 9, 9, hex_der(triple.tls), hex_der(triple.sig), hex_der(triple.enc))
    return GatewayConfig(GATEWAY_ID, administrator, (), **changes)  # type: ignore[arg-type]


def founded_folder(path: Path) -> GatewayFolder:
    """Copy the folder of a gateway that was founded and never started, its program not signed."""
    shutil.copytree(_model(), path, dirs_exist_ok=True)
    return GatewayFolder(path)


def gateway_folder(path: Path) -> GatewayFolder:
    """Copy the folder of a gateway that was founded and never started, and sign the program as it is now."""
    folder = founded_folder(path)
    sign_program(folder, START)
    return folder

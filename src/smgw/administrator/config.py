"""The administrator's folder and configuration."""

from pathlib import Path
from typing import Literal

import msgspec

from smgw.core.errors import ConfigError
from smgw.security.files import write_durably


class AdministratorConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Say under which name and where the administrator serves its gateways."""

    name: str
    """Common name in the SM-PKI, for example `smgw-test.GWA`."""
    host: str = "127.0.0.1"
    management_port: int = 0
    time_port: int = 0
    service_port: int = 0
    """Where gateways tell what happens and hand over what is passed on; 0 takes a free one."""
    firmware_port: int = 0
    """Where gateways fetch firmware; 0 takes a free one, but then an order given before a restart leads nowhere."""
    max_gateways: int = 2000
    """So many connections are open at once on each port for gateways; one of a gateway beyond them is refused."""
    api_port: int = 0
    """Loopback port of the operator's page and API."""
    crl_url: str = ""
    """Base address of the PKI service that revocation lists are fetched from; empty: only the trust folder's lists are used."""
    four_eyes: tuple[Literal["profile", "firmware", "keys", "change", "decommission"], ...] = ()
    """What waits until a second person approves it."""


class AdministratorFolder:
    """Name the files of the administrator's folder."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config = path / "administrator.json"
        self.module = path / "module.smgwkeys"
        self.secret = path / "module.secret"
        self.inventory = path / "inventory.db"
        self.trust = path / "trust"
        self.certificates = path / "certificates"
        self.token = path / "administrator.token"

    def load(self) -> AdministratorConfig:
        """Read the configuration. Raises: ConfigError administrator.config."""
        try:
            return msgspec.json.decode(self.config.read_bytes(), type=AdministratorConfig)
        except OSError as problem:
            raise ConfigError("administrator.config", f"{self.config.name}: {problem.strerror}") from problem
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as problem:
            raise ConfigError("administrator.config", str(problem)[:200]) from problem

    def save(self, config: AdministratorConfig) -> None:
        """Write the configuration in one step."""
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_durably(self.config, msgspec.json.format(msgspec.json.encode(config), indent=2) + b"\n")

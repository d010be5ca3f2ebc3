"""The gateway's folder: where its parts lie, and the initial configuration that the administrator gave it.

Everything that governs measurement comes later, as signed profiles. Source: LIFE-05.
"""

from pathlib import Path

import msgspec

from smgw.core.errors import ConfigError


class LinkConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Name one physical connection to meters."""

    name: str
    """Referred to by meter profiles."""
    url: str
    """`serial:///dev/ttyUSB0?baud=9600`, `pty:///path`, `tcp://host:port` or `file:///path`."""


class AdministratorConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Say where the administrator is and by which certificates it is known."""

    name: str
    """Common name, for example `smgw-test.GWA`."""
    host: str
    management_port: int
    time_port: int
    tls_certificate: str
    """DER in hex, pinned."""
    sig_certificate: str
    enc_certificate: str


class GatewayConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Hold what a gateway knows before its first profile."""

    device_id: str
    administrator: AdministratorConfig
    links: tuple[LinkConfig, ...]
    han_host: str = "127.0.0.1"
    han_port: int = 0
    han_digest: str = "MD5"
    """Algorithm of the log-in challenge at the HAN: MD5 (what clients of today's gateways expect) or SHA-256; both are accepted."""


class GatewayFolder:
    """Name the files of one gateway's folder."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config = path / "gateway.json"
        self.module = path / "module.smgwkeys"
        self.secret = path / "module.secret"
        self.journal = path / "journal.db"
        self.trust = path / "trust"
        self.certificates = path / "certificates"

    def load(self) -> GatewayConfig:
        """Read the configuration. Raises: ConfigError gateway.not_initialised, gateway.config."""
        try:
            return msgspec.json.decode(self.config.read_bytes(), type=GatewayConfig)
        except FileNotFoundError as problem:
            raise ConfigError("gateway.not_initialised", self.path.name) from problem
        except msgspec.MsgspecError as problem:
            raise ConfigError("gateway.config", str(problem)) from problem

    def save(self, config: GatewayConfig) -> None:
        """Write the configuration in one step, so that a power failure leaves the old or the new one."""
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        partial = self.config.with_suffix(".partial")
        partial.write_bytes(msgspec.json.format(msgspec.json.encode(config), indent=2) + b"\n")
        partial.replace(self.config)

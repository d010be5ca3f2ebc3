"""The gateway's folder: where its parts lie, and the initial configuration that the administrator gave it.

Everything that governs measurement comes later, as signed profiles. Source: LIFE-05.
"""

from pathlib import Path
from typing import Literal

import msgspec

from smgw.core.errors import ConfigError, PeerFault, Unavailable
from smgw.core.identifiers import DeviceId
from smgw.pki.names import Role, role_of
from smgw.pki.parsing import load_certificate
from smgw.security.files import write_durably


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
    han_digest: Literal["MD5", "SHA-256"] = "MD5"
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
            config = msgspec.json.decode(self.config.read_bytes(), type=GatewayConfig)
        except FileNotFoundError as problem:
            raise ConfigError("gateway.not_initialised", self.path.name) from problem
        except OSError as problem:
            raise ConfigError("gateway.config", problem.strerror or "") from problem
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as problem:
            raise ConfigError("gateway.config", str(problem)[:200]) from problem
        _check(config)
        return config

    def save(self, config: GatewayConfig) -> None:
        """Write the configuration in one step, so that a power failure leaves the old or the new one. Raises: Unavailable gateway.files."""
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.write(self.config, msgspec.json.format(msgspec.json.encode(config), indent=2) + b"\n")

    def write(self, path: Path, data: bytes) -> None:
        """Replace one file of the folder as a whole. Raises: Unavailable gateway.files when the disk refuses; the old file stays."""
        try:
            write_durably(path, data)
        except OSError as problem:
            raise Unavailable("gateway.files", f"{path.name}: {problem.strerror}") from problem


def _check(config: GatewayConfig) -> None:
    """Demand what the types can't say. Raises: ConfigError gateway.config with the key."""
    administrator = config.administrator
    _require(_device_id(config.device_id) == config.device_id, "device_id")
    for key in ("tls_certificate", "sig_certificate", "enc_certificate"):
        _require(_role(getattr(administrator, key)) is Role.GWA, f"administrator.{key}")
    for key in ("management_port", "time_port"):
        _require(0 < getattr(administrator, key) < 65_536, f"administrator.{key}")
    _require(0 <= config.han_port < 65_536, "han_port")
    names = [link.name for link in config.links]
    _require(len(set(names)) == len(names), "links: one name twice")


def _device_id(text: str) -> str | None:
    try:
        return str(DeviceId.parse(text))
    except PeerFault:
        return None


def _role(hex_der: str) -> Role | None:
    try:
        return role_of(load_certificate(bytes.fromhex(hex_der)))
    except (PeerFault, ValueError):
        return None


def _require(condition: bool, key: str) -> None:
    if not condition:
        raise ConfigError("gateway.config", key)

"""The gateway's folder: where its parts lie, and the initial configuration that the administrator gave it.

Everything that governs measurement comes later, as signed profiles. Source: LIFE-05.
"""

import re
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
    protocol: Literal["sml", "oms"] = "sml"
    """What comes: SML that meters push, or telegrams of wireless meters (OMS), one to a line in hex, as a radio receiver writes them."""


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
    service_port: int = 0
    """Where the administrator takes notices and what it passes on; 0: it takes none."""
    connection: Literal["permanent", "on_wake_up"] = "permanent"
    """Whether the management channel is always held, or opened at the start, after a wake-up packet and while the clock isn't valid."""
    aut_certificate: str = ""
    """Authenticates to the security module before keys are changed; empty in gateways that were made without one."""


class WakeUpConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Say where and how wake-up packets are received. Source: WAN-04; 20-wan-crypto-pki 1.7."""

    host: str = ""
    """Own address at the WAN on which packets are received; empty: none are. Never the consumer interface's address with its port."""
    port: int = 15100
    """UDP; 0 takes a free one. The administrator may set another one, which then counts."""
    window_s: int = 30
    """A packet may be so much older or newer than the own clock says, 5 to 300 s."""
    timestamp_order: Literal["little", "big", "auto"] = "little"
    """Which octet of a packet's time comes first, the least or the most significant; `auto` takes the order that fits."""


class RetentionRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Say how long what is stored stays; the values left out are the shortest allowed. Source: MEAS-04; 20-wan-crypto-pki 3.4."""

    reading_months: int = 13
    """Readings of meters without a contract, and what was delivered; at least 13."""
    weeks_after_billing: int = 6
    """Readings stay so long after the end of the billing period they belong to; at least 6."""
    display_months: int = 24
    """Readings that a consumer's contract covers, from which days, months and years are shown, and the consumer's log; at least 24."""
    register_months: int = 36
    """Values of billing periods; at least 36."""
    system_log_months: int = 12
    """Entries of the system log; older ones go only when room is needed; at least 12."""


class StorageLimits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Say how many rows each store may hold; at 80 % and 95 % it is told, at 100 % the operating state changes. Source: STATE-04."""

    readings: int = 4_000_000
    """About 200 octets each: 24 months of ten meters with five registers and quarter hours."""
    system_log: int = 1_000_000
    """About 400 octets each."""
    calibration_log: int = 250_000
    """Never deleted: some 25 years of ordinary operation."""
    consumer_log: int = 500_000
    """Each consumer's."""


class GatewayConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Hold what a gateway knows before its first profile."""

    device_id: str
    administrator: AdministratorConfig
    links: tuple[LinkConfig, ...]
    han_host: str = "127.0.0.1"
    han_port: int = 0
    han_digest: Literal["MD5", "SHA-256"] = "MD5"
    """Algorithm of the log-in challenge at the HAN: MD5 (what clients of today's gateways expect) or SHA-256; both are accepted."""
    technician_port: int = 0
    """Port of the technician's interface at the HAN, open only while one is admitted; 0 takes a free one."""
    wan_address: str = ""
    """Own address facing the WAN; the self-test then makes sure that nothing listens there. Empty where WAN and HAN share one machine."""
    retention: RetentionRules = RetentionRules()
    """How long what is stored stays, see below."""
    limits: StorageLimits = StorageLimits()
    """How much may be stored, see below."""
    wake_up: WakeUpConfig = WakeUpConfig()
    """Where wake-up packets are received, see below."""
    lamps: dict[Literal["PWR", "TLS", "LMC", "wMT"], str] = {}
    """Outputs of real lamps: `/sys/class/gpio/gpio17` or `/sys/class/leds/NAME` by lamp."""
    housing_contact: str = ""
    """Input of the contact of the housing, `/sys/class/gpio/gpio27`, 1 while the case is closed; empty: there is none."""


_DOTTED = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})*")
_HOST = re.compile(r"[0-9A-Za-z][0-9A-Za-z.\-]*|[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*(%[0-9A-Za-z]+)?")

_LEAST_RETENTION = {field: getattr(RetentionRules(), field) for field in RetentionRules.__struct_fields__}

LEAST_ROWS = 1_000
"""No store may be limited to fewer rows."""


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
        self.manifest = path / "manifest.json"
        self.manifest_signature = path / "manifest.cms"
        self.manufacturer = path / "manufacturer.pem"
        self.slots = path / "slots.json"
        self.boot = path / "boot.json"
        self.life = path / "life.json"
        self.pin = path / "gateway.pin"
        self.seal = path / "seal.pem"
        self.makers = path / "makers.pem"
        self.update = path / "firmware.json"
        self.package = path / "firmware.fw"

    def slot(self, name: str) -> Path:
        """Give the folder of one slot's program; the program that is installed on the computer has none."""
        return self.path / "slots" / name

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
        check_config(config)
        return config

    def save(self, config: GatewayConfig) -> None:
        """Write the configuration in one step, so that a power failure leaves the old or the new one. Raises: Unavailable gateway.files."""
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.write(self.config, msgspec.json.format(msgspec.json.encode(config), indent=2) + b"\n")

    def write(self, path: Path, data: bytes, mode: int = 0o644) -> None:
        """Replace one file of the folder as a whole. Raises: Unavailable gateway.files when the disk refuses; the old file stays."""
        try:
            write_durably(path, data, mode)
        except OSError as problem:
            raise Unavailable("gateway.files", f"{path.name}: {problem.strerror}") from problem


def check_config(config: GatewayConfig) -> None:
    """Demand what the types can't say. Raises: ConfigError gateway.config with the key."""
    administrator = config.administrator
    _require(_device_id(config.device_id) == config.device_id, "device_id")
    for key in ("tls_certificate", "sig_certificate", "enc_certificate"):
        _require(_role(getattr(administrator, key)) is Role.GWA, f"administrator.{key}")
    _require(_is_host(administrator.host), "administrator.host: a name or an address")
    for key in ("management_port", "time_port"):
        _require(0 < getattr(administrator, key) < 65_536, f"administrator.{key}")
    _require(0 <= administrator.service_port < 65_536, "administrator.service_port")
    _require(_is_host(config.han_host), "han_host: a name or an address")
    _require(0 <= config.han_port < 65_536, "han_port")
    _require(not config.wan_address or _is_host(config.wan_address), "wan_address: an address, or nothing")
    _require(not config.wake_up.host or _is_host(config.wake_up.host), "wake_up.host: an address, or nothing")
    _require(0 <= config.wake_up.port < 65_536, "wake_up.port")
    _require(5 <= config.wake_up.window_s <= 300, "wake_up.window_s: 5 to 300")
    _require(bool(config.wake_up.host) or administrator.connection == "permanent", "wake_up.host: needed to connect on wake-up")
    names = [link.name for link in config.links]
    _require(all(name and name.isprintable() and name == name.strip() and len(name) <= 64 for name in names), "links: name each, NAME=URL")
    _require(len(set(names)) == len(names), "links: one name twice")
    for key, least in _LEAST_RETENTION.items():
        _require(getattr(config.retention, key) >= least, f"retention.{key}: at least {least}")
    for key in StorageLimits.__struct_fields__:
        _require(getattr(config.limits, key) >= LEAST_ROWS, f"limits.{key}: at least {LEAST_ROWS}")


def _is_host(text: str) -> bool:
    """Tell whether a text can be the name of a computer or its address; one that looks like an IPv4 address must be one."""
    if _DOTTED.fullmatch(text):
        return all(int(octet) < 256 for octet in text.split(".")) and text.count(".") == 3
    return len(text) <= 253 and _HOST.fullmatch(text) is not None


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

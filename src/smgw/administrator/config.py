"""The administrator's folder and configuration."""

from pathlib import Path
from typing import Annotated, Literal

import msgspec

from smgw.core.errors import ConfigError
from smgw.security.files import write_durably

_Minutes = Annotated[int, msgspec.Meta(ge=0, le=525_600)]
_Percent = Annotated[int, msgspec.Meta(ge=1, le=100)]
_Port = Annotated[int, msgspec.Meta(ge=1, le=65_535)]


class MonitoringConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Say from where on something is an incident."""

    silent_minutes: _Minutes = 15
    """A gateway that holds its channel open is missed after so long without contact; 0 misses nobody."""
    silent_on_wake_up_minutes: _Minutes = 0
    """The same for a gateway that opens its channel only when called; 0, for it has no reason to call by itself."""
    certificate_days: tuple[Annotated[int, msgspec.Meta(ge=0, le=3_650)], ...] = (90, 30, 7)
    """Each opens an incident of its own when fewer days of a gateway's first certificate to end are left."""
    fill_percent: tuple[_Percent, ...] = (80, 95)
    """Each opens an incident of its own when one of a gateway's stores is so full."""
    waiting_messages: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] = 100
    """A gateway in which so many messages wait for their recipients doesn't deliver as it should; 0 never says so."""
    alarm_levels: tuple[Literal["INFO", "WARNING", "ERROR", "FATAL"], ...] = ("ERROR", "FATAL")
    """Notices of these levels are incidents until somebody acknowledges them."""
    alarm_events: tuple[str, ...] = ("meter_lost", "link_lost", "power_returned")
    """Notices of these events, too, whatever their level."""


class Webhook(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="webhook"):
    """Tell of incidents by an HTTP request."""

    name: str
    """What the channel is called; a channel that is named anew is a new one."""
    url: str
    """Gets a POST with JSON; over TLS, or as plain HTTP within the own network."""
    secret_file: str = ""
    """File in the administrator's folder; its text is the key of the HMAC-SHA-256 in the header `X-Smgw-Signature`. Empty: unsigned."""
    ca_file: str = ""
    """PEM file in the administrator's folder that the server's certificate is checked with; empty: the system's."""


class Mail(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="email"):
    """Tell of incidents by e-mail."""

    name: str
    """What the channel is called; a channel that is named anew is a new one."""
    host: str
    """Server that takes the mail (SMTP)."""
    sender: str
    """Address that the mail comes from."""
    recipients: Annotated[tuple[str, ...], msgspec.Meta(min_length=1, max_length=50)]
    """Addresses that the mail goes to."""
    port: _Port = 587
    """Port of the server."""
    starttls: bool = True
    """Whether the connection is protected by STARTTLS; without protection no password is sent."""
    implicit_tls: bool = False
    """Whether TLS begins with the first octet, as on port 465; then `starttls` says nothing."""
    user: str = ""
    """Name to log in with; empty: no log-in."""
    password_file: str = ""
    """File in the administrator's folder that holds the password."""
    ca_file: str = ""
    """PEM file in the administrator's folder that the server's certificate is checked with; empty: the system's."""
    language: Literal["de", "en"] = "en"
    """Language of the text."""


class Mqtt(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="mqtt"):
    """Tell of incidents by messages to an MQTT 3.1.1 broker, with quality of service 1."""

    name: str
    """What the channel is called; a channel that is named anew is a new one."""
    host: str
    """Broker."""
    port: _Port = 8883
    """Port of the broker."""
    topic: Annotated[str, msgspec.Meta(pattern="^[^+#]{1,200}$")] = "smgw/incidents"
    """Topic that messages are published under."""
    tls: bool = True
    """Whether the connection is protected by TLS; without it no password is sent."""
    user: str = ""
    """Name to log in with; empty: no log-in."""
    password_file: str = ""
    """File in the administrator's folder that holds the password."""
    ca_file: str = ""
    """PEM file in the administrator's folder that the broker's certificate is checked with; empty: the system's."""


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
    four_eyes: tuple[Literal["profile", "firmware", "keys", "change", "wake-up", "decommission", "order"], ...] = ()
    """What waits until a second person approves it."""
    monitoring: MonitoringConfig = MonitoringConfig()
    """From where on something is an incident, see below."""
    notifications: tuple[Webhook | Mail | Mqtt, ...] = ()
    """Who is told of incidents, and how; see below. Each has a name of its own."""


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

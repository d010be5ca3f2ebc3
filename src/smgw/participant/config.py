"""The participant's folder and configuration."""

from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import msgspec

from smgw.core.errors import ConfigError
from smgw.participant.database import connect
from smgw.participant.registry import DEFAULT_PERIOD_S, Registry
from smgw.security.files import write_durably
from smgw.security.secret_file import create_secret, load_secret


class PassedOn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Name a participant for whom this one takes messages and passes them on unread (German: Durchleitung). Source: WAN-06."""

    partner_id: str
    """Logical name that gateways address, for example `grid1.sm`."""
    host: str
    port: int
    tls_certificate: str
    """Its end-entity TLS certificate, DER in hex: pinned."""
    gateways: tuple[str, ...] = ()
    """Device ids of the gateways that may send through us; empty: every registered one."""


class ParticipantConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Say under which name and where the participant receives deliveries and shows them."""

    name: str
    """Logical name that gateways address, for example `emt1.sm`."""
    host: str = "127.0.0.1"
    deliveries_port: int = 0
    """Port of the WAN endpoint; 0 takes a free one."""
    max_gateways: int = 2000
    """So many connections of gateways are open at once; one beyond them is refused, and that gateway tries again."""
    api_host: str = "127.0.0.1"
    api_port: int = 0
    """Port of the operator's interface and portal, plain HTTP: keep it on loopback."""
    relays: tuple[str, ...] = ()
    """Common names of the administrators and participants that may pass messages of gateways on to us."""
    passes_on: tuple[PassedOn, ...] = ()
    """For whom we pass messages on, see below."""
    crl_url: str = ""
    """Base address of the PKI service that revocation lists are fetched from; empty: only the trust folder's lists are used."""


class ParticipantFolder:
    """Name the files of the participant's folder."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config = path / "participant.json"
        self.store = path / "participant.db"
        self.token = path / "participant.token"

    def load(self) -> ParticipantConfig:
        """Read the configuration. Raises: ConfigError participant.not_initialised, participant.config."""
        try:
            return msgspec.json.decode(self.config.read_bytes(), type=ParticipantConfig)
        except FileNotFoundError as problem:
            raise ConfigError("participant.not_initialised", str(self.path)) from problem
        except msgspec.MsgspecError as problem:
            raise ConfigError("participant.config", str(problem)[:200]) from problem

    def save(self, config: ParticipantConfig) -> None:
        """Write the configuration in one step."""
        write_durably(self.config, msgspec.json.format(msgspec.json.encode(config), indent=2) + b"\n")

    def operator_token(self) -> str:
        """Give the token of the operator's interface; it is made once and readable by its owner alone."""
        if not self.token.exists():
            create_secret(self.token)
        return load_secret(self.token).decode()


def provision_participant(
    folder: Path,
    *,
    name: str,
    deliveries_port: int,
    api_port: int,
    crl_url: str,
    gateway_id: str,
    meters: Iterable[str],
    contracts: Iterable[str],
    period_s: int = DEFAULT_PERIOD_S,
) -> None:
    """Write the configuration and register one gateway with its meters and contracts; doing it twice changes nothing."""
    place = ParticipantFolder(folder)
    place.save(ParticipantConfig(name=name, deliveries_port=deliveries_port, api_port=api_port, crl_url=crl_url))
    place.operator_token()
    with closing(connect(place.store)) as connection:
        Registry(connection).register(gateway_id, meters, contracts, period_s=period_s)

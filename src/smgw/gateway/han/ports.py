"""What the consumer interface needs to know of the gateway: one port, filled by the journal in a running gateway."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, NamedTuple, Protocol

import msgspec

from smgw.core.identifiers import DeviceId
from smgw.core.instant import ClockStatus
from smgw.core.obis import Obis
from smgw.core.profiles import ConsumerProfile, EvaluationProfile
from smgw.core.quantity import Quantity
from smgw.core.reading import Reading, SignedReading
from smgw.core.register import RegisterValue
from smgw.core.state import ShownPattern, State
from smgw.storage.journal import StoredLogEntry


class Led(NamedTuple):
    """Describe one of the device's lamps."""

    name: Literal["PWR", "TLS", "LMC", "wMT"]
    pattern: ShownPattern
    phases_ms: tuple[int, ...] = ()
    """Milliseconds lit, dark, lit …, again and again; empty for a steady lamp."""


class WanCertificates(NamedTuple):
    """Hold a signature certificate of the gateway and its issuer's, both DER."""

    signature: bytes
    issuer: bytes


class GatewayInfo(msgspec.Struct, frozen=True):
    """Tell what the gateway is and how it is at this moment."""

    device_id: DeviceId
    firmware_version: str
    firmware_hash: str
    """SHA-256 over the program, 64 hex digits."""
    gateway_status: int
    """32-bit gateway word."""
    state: State
    time: datetime
    clock_status: ClockStatus
    leds: tuple[Led, ...]
    last_delivery: datetime | None
    """When a partner last confirmed a message."""
    han_certificate: bytes
    """DER of the certificate that this interface shows."""
    wan_certificates: tuple[WanCertificates, ...] = ()
    """The seal certificate's pair first (German: Gütesiegelzertifikat)."""


class Channel(NamedTuple):
    """Name one register of a contract and the scale of its values at the consumer interface."""

    obis: Obis
    scaler: int
    unit: int


class BillingPeriod(NamedTuple):
    """Bound a billing period, aware UTC."""

    start: datetime
    end: datetime


class Contract(msgspec.Struct, frozen=True):
    """Join an evaluation profile to what a consumer sees of it; only its owner's calls ever hold one."""

    profile: EvaluationProfile
    medium: str
    state: Literal["ready", "running", "archive"]
    channels: tuple[Channel, ...]
    billing_periods: tuple[BillingPeriod, ...] = ()
    signed_profile: bytes = b""
    """The signed document that the profile came in, DER."""

    def channel(self, obis: Obis) -> Channel | None:
        """Give the channel of an OBIS code, or None when the contract has no such register."""
        return next((channel for channel in self.channels if channel.obis == obis), None)


class Credit(NamedTuple):
    """Say how much of a prepaid credit is left (TAF 12)."""

    remaining: Quantity
    level: Literal["enough", "low", "used_up"]

    @property
    def cut_off(self) -> bool:
        """Tell whether the signal to cut off supply holds."""
        return self.level == "used_up"


class ConsumerData(Protocol):
    """Answer for one gateway; values are reached through a consumer's own contracts only, so that nobody sees another's.

    Source: CON-03.
    """

    def consumer_by_user(self, user: str) -> ConsumerProfile | None:
        """Find a consumer by user name."""

    def consumer_by_id(self, consumer_id: str) -> ConsumerProfile | None:
        """Find a consumer by logical name."""

    def consumer_by_certificate(self, fingerprint: str) -> ConsumerProfile | None:
        """Find a consumer by the SHA-256 fingerprint of a client certificate, lower-case hex."""

    def contracts(self, consumer_id: str) -> list[Contract]:
        """List a consumer's contracts, oldest first."""

    def readings(
        self, contract: Contract, obis: Sequence[Obis], *, after: datetime, until: datetime, limit: int | None = None
    ) -> list[SignedReading]:
        """Read values of the contract's own registers and time, ordered by target time; `after` is exclusive, `until` inclusive."""

    def last_readings(self, contract: Contract, obis: Sequence[Obis]) -> list[SignedReading]:
        """Read the newest value of each register that has one."""

    def current(self, contract: Contract) -> list[Reading]:
        """Give the newest value of each register of a running contract whose values are sent on and not stored (TAF 9, 10, 14)."""

    def credit(self, contract: Contract) -> Credit | None:
        """Give the credit of a prepaid contract; None for all others, and before the first usable reading."""

    def registers(self, contract: Contract, *, after: datetime, until: datetime) -> list[RegisterValue]:
        """Read what the tariff use case made of the readings; `after` is exclusive, `until` inclusive."""

    def log(
        self,
        consumer_id: str,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        from_index: int | None = None,
        count: int | None = None,
    ) -> list[StoredLogEntry]:
        """Read a consumer's own log, oldest first; `since` and `from_index` are inclusive, `until` is exclusive."""

    def log_count(self, consumer_id: str) -> int:
        """Count the entries of a consumer's own log."""

    def record(self, event: str, consumer_id: str = "", *, subject: str = "", success: bool = True, **parameters: object) -> None:
        """Write an event to the logs that the catalogue names for it."""

    def gateway_info(self) -> GatewayInfo:
        """Describe the gateway at this moment."""

    def start_self_test(self) -> None:
        """Start a self-test; its result appears in the consumer's log."""

"""Profiles: what the administrator lets the gateway read, price, send and show.

Profiles arrive signed; nothing else configures measurement.
"""

import hashlib
from datetime import datetime
from typing import Any, Literal

import msgspec

from smgw.core.obis import Obis


class RegisterProfile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Name one register of a meter that may be stored."""

    obis: str
    """`A-B:C.D.E*F`."""
    shown_scaler: int = -1
    """Scaler at the consumer interface; values are never rounded to reach it."""
    unit: int = 30
    """DLMS unit code that the register must have; another unit is an integrity failure."""

    @property
    def code(self) -> Obis:
        """Give the parsed OBIS code."""
        return Obis.parse(self.obis)


class MeterProfile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Admit one meter to the gateway (German: Zählerprofil). Source: LMN-03; 20-wan-crypto-pki 1.12 a."""

    meter_id: str
    server_id: str
    """The SML server id, lower-case hex."""
    registers: tuple[RegisterProfile, ...]
    link: str
    """Name of the gateway's link that the meter is connected to; a meter heard on another link is refused."""
    medium: Literal["electricity", "gas", "water", "heat", "cold"] = "electricity"
    period_s: int = 900
    transformer_factor: int = 1
    """Applied in back ends only, never to a stored original."""
    active: bool = True
    """False once the meter is taken away: it is expected no more, and what it sends is refused."""
    version: int = 1
    sealed_key: str = ""
    """A wireless meter's key, sealed for this gateway and this meter, hex; empty for a meter on a line of its own."""


class CommunicationProfile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Name one partner at the WAN and how it is reached (German: Kommunikationsprofil). Source: WAN-02, WAN-03; 1.12 b."""

    partner_id: str
    """Logical name of the partner, for example `emt1.sm`."""
    host: str
    port: int
    tls_certificate: str
    """The partner's end-entity TLS certificate, DER in hex: pinned."""
    sig_certificate: str
    enc_certificate: str
    content_cipher: Literal["aes128-gcm", "aes128-cbc-cmac"] = "aes128-gcm"
    oid_profile: Literal["tr", "rfc5753"] = "tr"
    through: str = ""
    """Who passes on what is encrypted for this partner: another partner's id, or `administrator`; empty: it is reached directly."""
    notices: tuple[str, ...] = ()
    """Disturbances that the partner is told of at once, by the names of `core.notices`."""
    version: int = 1


class EvaluationProfile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Say how one meter's values are evaluated, for whom and where the result goes (German: Auswertungsprofil). Source: TAF-23, TAF-30."""

    profile_id: str
    """Logical name of the tariff use case, for example `taf7-1.sm`."""
    taf: int
    meter_id: str
    registers: tuple[str, ...]
    """OBIS codes taken from the meter."""
    consumer_id: str
    usage_point_name: str
    metering_point_id: str
    valid_from: datetime
    valid_to: datetime | None = None
    period_s: int = 900
    billing_months: int = 1
    """Length of a billing period in calendar months, local time; not used by TAF 7."""
    recipients: tuple[str, ...] = ()
    """Partner ids of communication profiles that receive the result."""
    delivery: Literal["period", "daily", "billing"] = "daily"
    """When results are sent: after each register period, after each local day, at the end of the billing period."""
    rules: dict[str, Any] = {}
    """What the use case needs besides (German: Regelwerk), as plain data; the struct of `tariff.rules` that belongs to it checks it."""
    version: int = 1


class ConsumerProfile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Give one consumer access to own data (German: Letztverbraucher). Source: CON-01, CON-03."""

    consumer_id: str
    """Logical name, for example `consumer1.sm`."""
    user_name: str
    digest_md5: str
    """HA1 = MD5(user:realm:password), hex; password-equivalent, so it is stored only encrypted."""
    digest_sha256: str
    certificate_fingerprints: tuple[str, ...] = ()
    """SHA-256 fingerprints (hex) of client certificates that log this consumer in."""
    language: Literal["de", "en"] = "de"
    version: int = 1


Profile = MeterProfile | CommunicationProfile | EvaluationProfile | ConsumerProfile

PROFILE_KINDS: dict[str, type[MeterProfile] | type[CommunicationProfile] | type[EvaluationProfile] | type[ConsumerProfile]] = {
    "meter": MeterProfile,
    "communication": CommunicationProfile,
    "evaluation": EvaluationProfile,
    "consumer": ConsumerProfile,
}
"""Kind of profile, as used in resource names and in the journal."""


def profile_key(profile: Profile) -> str:
    """Give the id under which a profile is installed."""
    match profile:
        case MeterProfile():
            return profile.meter_id
        case CommunicationProfile():
            return profile.partner_id
        case EvaluationProfile():
            return profile.profile_id
        case ConsumerProfile():
            return profile.consumer_id


_CANONICAL = msgspec.json.Encoder(order="deterministic")


def profile_digest(profile: Profile) -> str:
    """Give the SHA-256 of a profile's canonical JSON, hex: both sides compare it instead of the profile, which may hold secrets."""
    return hashlib.sha256(_CANONICAL.encode(profile)).hexdigest()

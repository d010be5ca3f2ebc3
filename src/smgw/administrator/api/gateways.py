"""The fleet and its gateways as they were last seen. Source: ADM-01, ADM-06."""

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from cryptography import x509
from cryptography.x509.oid import NameOID

from smgw.administrator.api.endpoints import SEEING, Call, Endpoint, Limit, Number, ShortText
from smgw.administrator.inventory import GatewayStatus
from smgw.core.errors import DomainFault
from smgw.core.instant import utc_text
from smgw.core.profiles import profile_key

_ATTRIBUTES = {NameOID.SERIAL_NUMBER: "serialNumber"}
Days = Annotated[int, msgspec.Meta(ge=-10_000, le=10_000)]


class FleetQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Choose gateways; every condition given must hold."""

    search: ShortText = ""
    """Part of device id, state or firmware; capital and small letters count the same."""
    state: ShortText = ""
    reachable: bool | None = None
    """Whether the channel is open now."""
    days: Days | None = None
    """At most so many days of the first certificate to end are left."""
    firmware: ShortText = ""
    alarm: bool | None = None
    """Whether something is wrong and lasts, or something was told that nobody has acknowledged."""
    sort: Literal["device_id", "state", "last_contact", "certificate_days_left", "firmware"] = "device_id"
    limit: Limit = 100
    offset: Number = 0


class GatewayRow(msgspec.Struct, frozen=True):
    """Show one gateway in a list; what it never reported is empty or null."""

    device_id: str
    state: str
    reachable: bool
    last_contact: str
    clock: str
    firmware: str
    phase: str
    alarms: int
    """What is wrong and lasts."""
    unseen: int
    """What the gateway told from a warning on and nobody has acknowledged."""
    certificate_days_left: int
    profiles: int
    meters: int | None
    unknown_meters: int | None
    waiting_deliveries: int | None


class Fleet(msgspec.Struct, frozen=True):
    """List gateways: `total` fit the conditions, of `all` in the inventory."""

    total: int
    all: int
    gateways: list[GatewayRow]


class CertificateRow(msgspec.Struct, frozen=True):
    """Describe one certificate of a gateway."""

    use: Literal["TLS", "SIG", "ENC"]
    subject: str
    issuer: str
    serial: str
    """Hexadecimal."""
    not_before: str
    not_after: str
    days_left: int


class ProfileName(msgspec.Struct, frozen=True):
    """Name one profile that a gateway shall hold."""

    kind: str
    id: str
    version: int


class GatewayView(msgspec.Struct, frozen=True):
    """Show one gateway."""

    gateway: GatewayRow
    certificates: list[CertificateRow]
    profiles: list[ProfileName]
    facts: dict[str, Any]
    """What it last reported about itself; counters and states, never a reading."""


def facts_of(status: GatewayStatus) -> dict[str, Any]:
    """Read what a gateway reported; it may be anything, so nothing is taken for granted."""
    try:
        return msgspec.json.decode(status.facts, type=dict[str, Any])
    except msgspec.MsgspecError:
        return {}


def gateway_row(status: GatewayStatus, reachable: bool, unseen: int) -> GatewayRow:
    """Show one gateway of the inventory."""
    facts = facts_of(status)

    def text(name: str) -> str:
        value = facts.get(name)
        return value[:80] if isinstance(value, str) else ""

    def count(name: str) -> int | None:
        value = facts.get(name)
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    alarms = facts.get("alarms")
    return GatewayRow(
        device_id=status.device_id,
        state=status.state[:80],
        reachable=reachable,
        last_contact=status.last_contact,
        clock=text("clock"),
        firmware=text("firmware"),
        phase=text("phase"),
        alarms=len(alarms) if isinstance(alarms, list) else 0,
        unseen=unseen,
        certificate_days_left=status.certificate_days_left,
        profiles=status.profiles,
        meters=count("meters"),
        unknown_meters=count("unknown_meters"),
        waiting_deliveries=count("waiting"),
    )


def _fits(row: GatewayRow, query: FleetQuery) -> bool:
    text = f"{row.device_id} {row.state} {row.firmware}".lower()
    return (
        query.search.strip().lower() in text
        and query.state in ("", row.state)
        and query.firmware in ("", row.firmware)
        and query.reachable in (None, row.reachable)
        and query.alarm in (None, row.alarms + row.unseen > 0)
        and (query.days is None or row.certificate_days_left <= query.days)
    )


def _rows(call: Call, found: list[GatewayStatus]) -> list[GatewayRow]:
    unseen, inventory = call.books.alarms.unseen(), call.books.inventory
    return [gateway_row(status, inventory.is_connected(status.device_id), unseen.get(status.device_id, 0)) for status in found]


def fleet(call: Call) -> Fleet:
    """List the gateways that fit."""
    query: FleetQuery = call.query
    rows = _rows(call, call.books.inventory.status(call.now))
    found = sorted((row for row in rows if _fits(row, query)), key=lambda row: (getattr(row, query.sort), row.device_id))
    return Fleet(len(found), len(rows), found[query.offset : query.offset + query.limit])


def status_of(call: Call) -> GatewayStatus:
    """Give the gateway that the path names. Raises: DomainFault administrator.unknown_gateway."""
    device_id = call.path["device_id"]
    found = call.books.inventory.status(call.now, device_id) if device_id else []
    if not found:
        raise DomainFault("administrator.unknown_gateway", device_id[:40])
    return found[0]


def gateway(call: Call) -> GatewayView:
    """Show one gateway."""
    status = status_of(call)
    held = call.books.inventory.gateway(status.device_id)
    assert held is not None
    names = [ProfileName(kind, profile_key(profile), profile.version) for kind, profile in call.books.inventory.profiles(status.device_id)]
    return GatewayView(
        _rows(call, [status])[0],
        [_certificate("TLS", held.tls, call.now), _certificate("SIG", held.sig, call.now), _certificate("ENC", held.enc, call.now)],
        names,
        facts_of(status),
    )


def _certificate(use: Literal["TLS", "SIG", "ENC"], certificate: x509.Certificate, now: datetime) -> CertificateRow:
    end = certificate.not_valid_after_utc
    return CertificateRow(
        use,
        certificate.subject.rfc4514_string(_ATTRIBUTES),
        certificate.issuer.rfc4514_string(_ATTRIBUTES),
        f"{certificate.serial_number:X}",
        utc_text(certificate.not_valid_before_utc),
        utc_text(end),
        (end - now).days,
    )


ENDPOINTS = (
    Endpoint("GET", "/gateways", SEEING, fleet, "List the fleet", Fleet, query=FleetQuery),
    Endpoint("GET", "/gateways/{device_id}", SEEING, gateway, "Show a gateway", GatewayView),
)

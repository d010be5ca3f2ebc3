"""Rows for the tables of the pages: readings, certificates and log entries."""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from cryptography import x509

from smgw.core.quantity import Quantity
from smgw.core.reading import SignedReading
from smgw.gateway.han.i18n import Language, status_key
from smgw.gateway.han.ports import Contract, GatewayInfo
from smgw.storage.journal import StoredLogEntry


class CertificateRow(NamedTuple):
    """Show one certificate."""

    use: str
    """Key of the catalogue."""
    subject: str
    issuer: str
    not_before: datetime
    not_after: datetime
    fingerprint: str
    """SHA-256, hex pairs."""


def certificate_rows(info: GatewayInfo) -> list[CertificateRow]:
    """List the gateway's certificates: that of this interface, then those of the WAN."""
    rows = [_certificate("certificate.han", info.han_certificate)]
    for pair in info.wan_certificates:
        rows += [_certificate("certificate.signature", pair.signature), _certificate("certificate.issuer", pair.issuer)]
    return rows


def _certificate(use: str, der: bytes) -> CertificateRow:
    certificate = x509.load_der_x509_certificate(der)
    return CertificateRow(
        use,
        certificate.subject.rfc4514_string(),
        certificate.issuer.rfc4514_string(),
        certificate.not_valid_before_utc,
        certificate.not_valid_after_utc,
        hashlib.sha256(der).digest().hex(" ", 4),
    )


class LogRow(NamedTuple):
    """Show one log entry."""

    number: int
    time: datetime
    level: str
    """Key of the catalogue: info, warning, error or fatal."""
    event: int
    text: str


def log_rows(stored: Sequence[StoredLogEntry], language: Language) -> list[LogRow]:
    """Put log entries newest first."""
    return [
        LogRow(item.index, item.entry.time, item.entry.kind.level.name.lower(), item.entry.kind.number, item.entry.text(language.code))
        for item in reversed(stored)
    ]


class ReadingRow(NamedTuple):
    """Show what all registers of a contract held at one moment."""

    time: datetime
    cells: tuple[Quantity | None, ...]
    """One for each channel of the contract."""
    status: str
    """The weightiest status of the row."""
    captured: datetime
    """When the first of the values reached the gateway."""
    signed: bool
    """Every value carries the gateway's signature."""


_WEIGHT = ("measured", "warning", "clock", "invalid", "tamper", "fatal", "missing")


def reading_status(signed: SignedReading) -> str:
    """Name what a reading's status words say, a key of the catalogue."""
    return status_key(signed.reading.gateway_status, signed.reading.meter_status, signed.reading.raw)


def reading_rows(contract: Contract, signed_readings: Sequence[SignedReading]) -> list[ReadingRow]:
    """Put readings that belong to the same moment side by side, oldest first."""
    moments: dict[datetime, list[SignedReading]] = {}
    for signed in signed_readings:
        moments.setdefault(signed.reading.target_time, []).append(signed)
    rows = []
    for moment, group in moments.items():
        values = {signed.reading.obis: signed.reading.quantity for signed in group}
        rows.append(
            ReadingRow(
                time=moment,
                cells=tuple(values.get(channel.obis) for channel in contract.channels),
                status=max((reading_status(signed) for signed in group), key=_WEIGHT.index),
                captured=min(signed.reading.capture_time for signed in group),
                signed=all(signed.signature for signed in group),
            )
        )
    return rows

"""TAF 13, display over the WAN (German: Bereitstellung zur Visualisierung über die WAN-Schnittstelle): copies for a portal.

Only what TAF 1, 2 or 7 gave is copied, unchanged, and only for time and recipient that the consumer consented to.
Source: TAF-13; 20-wan-crypto-pki 3.2.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Final

import msgspec

from smgw.core.errors import DomainFault
from smgw.core.register import RegisterValue
from smgw.tariff.rules import Consent, check_consent
from smgw.tariff.taf07 import SeriesValue

NUMBER: Final = 13
SOURCES: Final = frozenset({1, 2, 7})


class PortalCopy(msgspec.Struct, frozen=True):
    """Hold what a portal gets."""

    recipient: str
    source_taf: int
    registers: tuple[RegisterValue, ...]
    values: tuple[SeriesValue, ...]


def evaluate(
    source_taf: int,
    consent: Consent | None,
    *,
    consumer_id: str,
    recipient: str,
    registers: Iterable[RegisterValue] = (),
    values: Iterable[SeriesValue] = (),
    now: datetime,
) -> PortalCopy:
    """Select what lies wholly in the time of the consent; register values by their period, readings by their target time.

    Raises: DomainFault tariff.source, tariff.consent.
    """
    if source_taf not in SOURCES:
        raise DomainFault("tariff.source", f"TAF {source_taf}")
    given = check_consent(consent, consumer_id, recipient, now)
    held = list(registers)
    if any(value.taf != source_taf for value in held):
        raise DomainFault("tariff.source", "a register value of another use case")
    return PortalCopy(
        recipient=recipient,
        source_taf=source_taf,
        registers=tuple(value for value in held if _covers(given, value.period_start, value.period_end)),
        values=tuple(value for value in values if given.covers(value.reading.target_time)),
    )


def _covers(consent: Consent, start: datetime, end: datetime) -> bool:
    return consent.valid_from <= start and (consent.valid_to is None or end <= consent.valid_to)

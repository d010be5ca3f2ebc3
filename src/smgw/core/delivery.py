"""A delivery: what one contract owes one market participant for one period, as the gateway sends it."""

import re
from datetime import datetime

import msgspec

from smgw.core.reading import SignedReading
from smgw.core.register import RegisterValue


class Delivery(msgspec.Struct, frozen=True):
    """Join signed readings and register values of one meter to the contract they are sent for (German: Messwertlieferung).

    Source: WAN-03, WAN-05, EMT-01; 20-wan-crypto-pki 1.6 (replay) and 3.7.
    """

    message_id: str
    """UUID in lower case; the receiver's key against replay, so it is never used for another content."""
    created_at: datetime
    """When the gateway made the message, aware UTC."""
    sender: str
    """Device id of the gateway, `EBSI0012345678`, or a pseudonym: then it is `meter_id` too, and no reading is signed."""
    recipient: str
    """Logical name of the market participant, `emt1.sm`."""
    contract: str
    """Id of the evaluation profile, `taf7-1.sm`."""
    taf: int
    """Number of the tariff use case, 1…14."""
    metering_point_id: str
    period_start: datetime
    period_end: datetime
    meter_id: str
    readings: tuple[SignedReading, ...] = ()
    """In canonical order: by OBIS, then target time, then sequence."""
    registers: tuple[RegisterValue, ...] = ()

    @property
    def pseudonymous(self) -> bool:
        """Tell whether the message names neither gateway nor meter."""
        return is_pseudonym(self.sender)


_PSEUDONYM = re.compile(r"[0-9a-f]{14}")


def is_pseudonym(text: str) -> bool:
    """Tell whether a text stands in place of a device id: 14 lower-case hex digits. Source: WAN-06; 20-wan-crypto-pki 3.5."""
    return _PSEUDONYM.fullmatch(text) is not None


def reading_order(signed: SignedReading) -> tuple[bytes, datetime, int]:
    """Give the sort key of the canonical order of readings in a delivery."""
    return bytes(signed.reading.obis), signed.reading.target_time, signed.sequence

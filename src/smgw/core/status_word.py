"""Status words: the gateway's and the meter's word, their text forms, the flags they carry and the PTB scale.

The combined word has 64 bits: the gateway's 32, then the meter's 32. Bit 0 is the least significant of each word. Texts write it with bit 0
left-most (consumer interface, AR 2418-6) or right-most (PPC, this program); the bits of the gateway's word that are always one tell them
apart.
Source: MEAS-01; 20-wan-crypto-pki 3.6.
"""

import re
from collections.abc import Sequence
from enum import IntFlag
from itertools import product
from typing import NamedTuple

from smgw.core.errors import PeerFault
from smgw.core.status_flags import GATEWAY_FLAGS, METER_FLAGS, Layout, MeterKind, PtbStatus, StatusFlag, mask_of

__all__ = [
    "GATEWAY_OK",
    "METER_EXPORT",
    "METER_FATAL",
    "METER_IDENTIFICATION",
    "METER_MAGNETIC",
    "METER_MECHANICAL",
    "CombinedStatus",
    "GatewayStatus",
    "Layout",
    "MeterKind",
    "PtbStatus",
    "SetFlag",
    "StatusFlag",
    "TextForm",
    "flags_of",
    "from_hex",
    "identification_of",
    "meter_kind",
    "meter_word",
    "oms_meter_word",
    "parse_status",
    "ptb_status",
    "to_hex_lsb_first",
    "to_hex_msb_first",
]


class GatewayStatus(IntFlag):
    """Hold the 32-bit gateway word; bits 0 and 2 are always one. Source: MEAS-01; TR-03109-1 v2.0 details 15."""

    IDENTIFICATION = 0x5
    NOT_FOR_BILLING = 1 << 1
    ERROR = 1 << 8
    TIME_NOT_VALID = 1 << 9
    WARNING = 1 << 12
    NO_VALUE = 1 << 13
    METER_TAMPER = 1 << 14
    METER_ERROR = 1 << 15
    VALUE_TRIGGERED = 1 << 16
    WIRELESS = 1 << 17


METER_IDENTIFICATION = 0x4
METER_MAGNETIC = 1 << 9
METER_MECHANICAL = 1 << 10
METER_EXPORT = 1 << 11
METER_FATAL = 1 << 17

GATEWAY_OK = int(GatewayStatus.IDENTIFICATION)

_IDENTIFICATION = {MeterKind.WIRED_ELECTRICITY: METER_IDENTIFICATION, MeterKind.WIRED_GAS: 0x8, MeterKind.WIRELESS: 0}
_WIRELESS = int(GatewayStatus.WIRELESS)
_WORD = (1 << 32) - 1


def identification_of(kind: MeterKind) -> int:
    """Give the word of a meter that says nothing but its kind; a wireless meter's word has no mark of its own."""
    return _IDENTIFICATION[kind]


def meter_word(status: int | None, kind: MeterKind = MeterKind.WIRED_ELECTRICITY) -> int:
    """Give the 32-bit meter word of the status a wired meter sent, or the bare identification when it sent none.

    Four-octet words of current meters are FNN or G697 words already. Older, shorter words have their own bit meaning and can't be mapped in
    general: their low octet is not the identification, and then only the identification is kept here; the original stays in the reading.
    """
    identification = _IDENTIFICATION[kind]
    if status is not None and status & 0xFF == identification and status < 1 << 32:
        return status
    return identification


def oms_meter_word(extended: Sequence[int], status: int) -> int:
    """Join the octets EF1 to EF3 and STS of a wireless meter; OMS counts their bits from the other end."""
    octets = (*extended, status)
    return sum(int(f"{octet:08b}"[::-1], 2) << 8 * place for place, octet in enumerate(octets))


def meter_kind(gateway_word: int, meter_word_value: int, layout: Layout = Layout.V2) -> MeterKind:
    """Tell the layout of a meter's word: wireless by the gateway's bit 17, gas by the meter's bit 3, else electricity.

    The older layout of the gateway's word knows no wireless meters.
    """
    if layout is Layout.V2 and gateway_word & _WIRELESS:
        return MeterKind.WIRELESS
    return MeterKind.WIRED_GAS if meter_word_value & 0xFF == 0x8 else MeterKind.WIRED_ELECTRICITY


_RANKED = (PtbStatus.FATAL, PtbStatus.TEMPORARY_ERROR, PtbStatus.TEMPORARY_ERROR_USABLE, PtbStatus.WARNING)
_MASKS = {
    (layout, kind): tuple((rank, mask_of(GATEWAY_FLAGS[layout], rank), mask_of(METER_FLAGS[kind], rank)) for rank in _RANKED)
    for layout, kind in product(Layout, MeterKind)
}


def ptb_status(gateway_word: int, meter_word_value: int, layout: Layout = Layout.V2) -> PtbStatus:
    """Map both words to the PTB scale 0…4: the weightiest flag counts. Source: MEAS-01; 20-wan-crypto-pki 3.6."""
    for rank, gateway_mask, meter_mask in _MASKS[layout, meter_kind(gateway_word, meter_word_value, layout)]:
        if gateway_word & gateway_mask or meter_word_value & meter_mask:
            return rank
    return PtbStatus.NONE


class SetFlag(NamedTuple):
    """Name one bit that is set, and in which word."""

    word: str
    """`gateway` or `meter`."""
    flag: StatusFlag


def flags_of(gateway_word: int, meter_word_value: int, layout: Layout = Layout.V2) -> list[SetFlag]:
    """List what both words say, bit by bit; bits that no table defines are named `reserved`."""
    tables = (
        ("gateway", gateway_word, GATEWAY_FLAGS[layout]),
        ("meter", meter_word_value, METER_FLAGS[meter_kind(gateway_word, meter_word_value, layout)]),
    )
    found = []
    for name, word, flags in tables:
        known = {flag.bit: flag for flag in flags}
        for bit in (bit for bit in range(32) if word >> bit & 1):
            found.append(SetFlag(name, known.get(bit) or StatusFlag(bit, "reserved", "reserved, should be 0", "reserviert, sollte 0 sein")))
    return found


def _reverse32(value: int) -> int:
    return int(f"{value:032b}"[::-1], 2)


def to_hex_lsb_first(gateway_word: int, meter_word_value: int) -> str:
    """Write 16 hex digits as the consumer interface does: bit 0 is the left-most bit, so an unmarked value is a000000020000000."""
    return f"{_reverse32(gateway_word):08x}{_reverse32(meter_word_value):08x}"


def to_hex_msb_first(gateway_word: int, meter_word_value: int) -> str:
    """Write 16 hex digits with bit 31 left-most, so an unmarked value is 0000000500000004."""
    return f"{gateway_word:08x}{meter_word_value:08x}"


class TextForm(NamedTuple):
    """Tell how a status text was written."""

    bit_0_first: bool
    number: bool = False
    """Written as one decimal number, as PPC gateways may."""


class CombinedStatus(NamedTuple):
    """Hold what a status text says; a word that the text does not have is None."""

    gateway: int | None
    meter: int | None
    form: TextForm


_HEX = re.compile(r"(?:0[xX])?([0-9a-fA-F]{16}|[0-9a-fA-F]{8})")
_SEPARATORS = str.maketrans("", "", " :_-")
_NUMBER = re.compile(r"[0-9]{1,20}")


def parse_status(text: str) -> CombinedStatus:
    """Read a status in any form of the field: 16 hex digits (both words) or 8 (one), in either bit order, or one decimal number.

    Blanks, colons and a leading `0x` are allowed. Which word 8 digits are, and which bit stands left, follows from the bits that are always
    one; a wireless meter's word alone has none and is refused. 8 or 16 digits are never taken for a decimal number.
    Raises: PeerFault value.status_word.
    """
    compact = text.strip().translate(_SEPARATORS)
    match = _HEX.fullmatch(compact)
    if match is None:
        if _NUMBER.fullmatch(compact) and GATEWAY_OK <= (number := int(compact)) < 1 << 64:
            gateway, meter = (number >> 32, number & _WORD) if number > _WORD else (number, None)
            if _is_gateway(gateway):
                return CombinedStatus(gateway, meter, TextForm(bit_0_first=False, number=True))
        raise PeerFault("value.status_word", text[:40])
    digits = match[1]
    if len(digits) == 16:
        written = int(digits[:8], 16), int(digits[8:], 16)
        return _chosen([(*written, TextForm(False)), (_reverse32(written[0]), _reverse32(written[1]), TextForm(True))], text)
    word = int(digits, 16)
    readings = [(word, TextForm(False)), (_reverse32(word), TextForm(True))]
    for value, form in readings:
        if value & 0xFF in (METER_IDENTIFICATION, _IDENTIFICATION[MeterKind.WIRED_GAS]):
            return CombinedStatus(None, value, form)
    return _chosen([(value, None, form) for value, form in readings], text)


def _chosen(readings: Sequence[tuple[int, int | None, TextForm]], text: str) -> CombinedStatus:
    """Take the reading whose gateway word carries the always-one bits; where both do, the one with fewer undefined bits."""
    fitting = [CombinedStatus(*reading) for reading in readings if _is_gateway(reading[0])]
    if not fitting:
        raise PeerFault("value.status_word", text[:40])
    return min(fitting, key=lambda found: ((found.gateway or 0) & ~_DEFINED).bit_count())


_DEFINED = mask_of(GATEWAY_FLAGS[Layout.V2]) | mask_of(GATEWAY_FLAGS[Layout.FNN_OLD])


def _is_gateway(word: int) -> bool:
    return word & GATEWAY_OK == GATEWAY_OK


def from_hex(text: str) -> tuple[int, int]:
    """Read 16 hex digits in either bit order; the always-one bits 0 and 2 of the gateway word decide.

    Raises: PeerFault value.status_word.
    """
    found = parse_status(text) if re.fullmatch(r"[0-9a-fA-F]{16}", text) else None
    if found is None or found.gateway is None or found.meter is None:
        raise PeerFault("value.status_word", text[:40])
    return found.gateway, found.meter

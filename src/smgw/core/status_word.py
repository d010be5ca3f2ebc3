"""Status words: the gateway's and the meter's word, their hex forms and the PTB scale."""

import re
from enum import IntEnum, IntFlag

from smgw.core.errors import PeerFault


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


class PtbStatus(IntEnum):
    """Rank a value's usability on the scale that TRuDI shows."""

    NONE = 0
    WARNING = 1
    TEMPORARY_ERROR_USABLE = 2
    TEMPORARY_ERROR = 3
    FATAL = 4


METER_IDENTIFICATION = 0x4
METER_MAGNETIC = 1 << 9
METER_MECHANICAL = 1 << 10
METER_EXPORT = 1 << 11
METER_FATAL = 1 << 17

GATEWAY_OK = int(GatewayStatus.IDENTIFICATION)

_HEX = re.compile(r"[0-9a-fA-F]{16}")


def meter_word(status: int | None) -> int:
    """Give the 32-bit meter word of the status a meter sent, or the bare identification when it sent none.

    Four-octet words of current meters are FNN words already. Older, shorter words have their own bit meaning and can't be mapped in
    general: their low byte is not 4, and then only the identification is kept here; the original stays in the reading.
    """
    if status is not None and status & 0xFF == METER_IDENTIFICATION and status < 1 << 32:
        return status
    return METER_IDENTIFICATION


def ptb_status(gateway_word: int, meter_word_value: int) -> PtbStatus:
    """Map both words to the PTB scale 0…4. Source: MEAS-01; 20-wan-crypto-pki 3.6."""
    if gateway_word & GatewayStatus.ERROR or meter_word_value & METER_FATAL:
        return PtbStatus.FATAL
    bad = GatewayStatus.TIME_NOT_VALID | GatewayStatus.NO_VALUE | GatewayStatus.METER_TAMPER | GatewayStatus.NOT_FOR_BILLING
    if gateway_word & bad or meter_word_value & (METER_MAGNETIC | METER_MECHANICAL):
        return PtbStatus.TEMPORARY_ERROR
    if gateway_word & GatewayStatus.WARNING:
        return PtbStatus.WARNING
    return PtbStatus.NONE


def _reverse32(value: int) -> int:
    return int(f"{value:032b}"[::-1], 2)


def to_hex_lsb_first(gateway_word: int, meter_word_value: int) -> str:
    """Write 16 hex digits as the consumer interface does: bit 0 is the left-most bit, so an unmarked value is a000000020000000."""
    return f"{_reverse32(gateway_word):08x}{_reverse32(meter_word_value):08x}"


def to_hex_msb_first(gateway_word: int, meter_word_value: int) -> str:
    """Write 16 hex digits with bit 31 left-most, so an unmarked value is 0000000500000004."""
    return f"{gateway_word:08x}{meter_word_value:08x}"


def from_hex(text: str) -> tuple[int, int]:
    """Read 16 hex digits in either bit order; the always-one bits 0 and 2 of the gateway word decide.

    Raises: PeerFault value.status_word.
    """
    if _HEX.fullmatch(text) is None:
        raise PeerFault("value.status_word", text[:40])
    words = int(text[:8], 16), int(text[8:], 16)
    if words[0] & 0x5 == 0x5:
        return words
    reversed_words = _reverse32(words[0]), _reverse32(words[1])
    if reversed_words[0] & 0x5 == 0x5:
        return reversed_words
    raise PeerFault("value.status_word", text[:40])

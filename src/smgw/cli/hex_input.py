"""Octets that may come as hex."""

_HEX_DIGITS = frozenset(b"0123456789abcdefABCDEF")


def unhexed(data: bytes) -> bytes:
    """Give the octets of hex text, blanks and colons passed over; what isn't hex is given as it is."""
    digits = data.translate(None, b" \t\r\n:")
    return bytes.fromhex(digits.decode("ascii")) if digits and len(digits) % 2 == 0 and set(digits) <= _HEX_DIGITS else data

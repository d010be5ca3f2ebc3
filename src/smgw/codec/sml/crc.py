"""The two 16-bit checksums that meters use, at the speed of the standard library.

Both are the reflected CCITT polynomial. `binascii.crc_hqx` computes the unreflected one, so octets are mirrored first with
one `bytes.translate`; the register then holds the mirrored checksum.
"""

from binascii import crc_hqx
from enum import Enum

MIRROR = bytes(int(f"{octet:08b}"[::-1], 2) for octet in range(256))
"""Translation table that reverses the bits of each octet."""


class Checksum(Enum):
    """Choose the checksum of a meter, for the transport and for each message.

    X25 is the norm's: preset and inverted, low octet first. KERMIT is what some HOLLEY and ITRON meters send: neither preset
    nor inverted, high octet first. KERMIT is never tried on its own, a meter's profile has to name it.

    Source: SML 1.03, SML_Message and transport version 1; LMN-02.
    """

    X25 = (0xFFFF, 0xFFFF, True)
    KERMIT = (0x0000, 0x0000, False)

    def __init__(self, start: int, final: int, low_octet_first: bool) -> None:
        self.start = start
        self.final = final
        self.low_octet_first = low_octet_first

    def wire(self, register: int) -> int:
        """Turn the mirrored register into the 16 bits as they stand on the wire, first octet in the high half."""
        first, second = MIRROR[register >> 8], MIRROR[register & 0xFF]
        if not self.low_octet_first:
            first, second = second, first
        return (first << 8 | second) ^ self.final

    def of(self, data: bytes) -> int:
        """Compute the checksum of `data` as the number that its two octets on the wire make, read big-endian."""
        return self.wire(crc_hqx(data.translate(MIRROR), self.start))

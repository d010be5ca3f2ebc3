"""Device identifiers after DIN 43849 (formerly DIN 43863-5) and their forms on the wire."""

import re
from typing import NamedTuple

from smgw.core.errors import PeerFault

_DEVICE_ID = re.compile(r"([0-9A-Z])([A-Z]{3})([0-9A-F]{2})([0-9]{8})")
_MEDIA = frozenset("0123456789EFG")
_MEDIUM_DIGITS = "0123456789ABCDEFG"
_LOGICAL_NAME = re.compile(r"[0-9a-z][0-9a-z.-]{0,62}")


class DeviceId(NamedTuple):
    """Identify a device by medium, manufacturer (three FLAG letters), fabrication block and number.

    Medium is one character: 1 electricity, 2 DC electricity, 4 heat cost, 5 cold, 6 heat, 7 gas, 8 cold water, 9 hot water,
    E communication device (a gateway), F system, G control module. There is no check digit.
    Source: LIFE-02; DIN 43849.
    """

    medium: str
    manufacturer: str
    block: int
    number: int

    @classmethod
    def parse(cls, text: str) -> "DeviceId":
        """Read the 14 characters, with or without blanks, in any case, with or without `.sm`, `.smgw`.

        Raises: PeerFault value.device_id.
        """
        bare = text.strip().upper().replace(" ", "").split(".")[0]
        match = _DEVICE_ID.fullmatch(bare) if text.isascii() else None
        if match is None or match[1] not in _MEDIA:
            raise PeerFault("value.device_id", text[:40])
        return cls(match[1], match[2], int(match[3], 16), int(match[4]))

    def __str__(self) -> str:
        return f"{self.medium}{self.manufacturer}{self.block:02X}{self.number:08d}"

    @property
    def printed(self) -> str:
        """Give the form on the name plate: `1 EMH00 1059 9732`."""
        digits = f"{self.number:08d}"
        return f"{self.medium} {self.manufacturer}{self.block:02X} {digits[:4]} {digits[4:]}"

    @property
    def cosem_name(self) -> str:
        """Give the logical device name at LMN and WAN: lower case and `.sm`."""
        return f"{str(self).lower()}.sm"

    @property
    def han_name(self) -> str:
        """Give the name in the gateway's own HAN certificate: lower case and `.smgw`."""
        return f"{str(self).lower()}.smgw"

    @property
    def pki_name(self) -> str:
        """Give the common name in SM-PKI certificates: upper case and `.SMGW`."""
        return f"{self}.SMGW"

    def to_wake_up(self) -> bytes:
        """Give the nine octets of the wake-up packet: medium, letters, block, number (most significant first)."""
        return bytes((int(self.medium, 17),)) + self.manufacturer.encode() + bytes((self.block,)) + self.number.to_bytes(4, "big")


def meter_id_of(server_id: bytes) -> str:
    """Give the printable meter id of an SML server id.

    `0A 01` or `09 01` before letters, block and number is a DIN id; its medium is taken from the second octet. Everything else that
    meters send (EDL21 ids, serial numbers) is not a DIN id and is shown as lower-case hex, so that no two ids fall together.
    Source: LMN-02; 10-lmn-meter-protocols 9.2.
    """
    if len(server_id) == 10 and server_id[0] in (0x09, 0x0A) and server_id[1] < len(_MEDIUM_DIGITS):
        medium, letters, number = _MEDIUM_DIGITS[server_id[1]], server_id[2:5], int.from_bytes(server_id[6:10], "big")
        if medium in _MEDIA and letters.isalpha() and letters.isupper() and letters.isascii() and number <= 99_999_999:
            return str(DeviceId(medium, letters.decode(), server_id[5], number))
    return server_id.hex()


def server_id_of(device_id: DeviceId) -> bytes:
    """Give the SML server id of a DIN id: `0A`, medium, letters, block, number."""
    return (
        bytes((0x0A, int(device_id.medium, 17)))
        + device_id.manufacturer.encode()
        + bytes((device_id.block,))
        + device_id.number.to_bytes(4, "big")
    )


def is_logical_name(text: str) -> bool:
    """Tell whether a profile, contract or partner id has the characters of a COSEM canonical name."""
    return _LOGICAL_NAME.fullmatch(text) is not None

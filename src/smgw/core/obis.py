"""OBIS codes: what a value means, as six octets and as `A-B:C.D.E*F`."""

import re
from typing import NamedTuple

from smgw.core.errors import PeerFault

_TEXT = re.compile(r"(\d{1,3})-(\d{1,3}):(\d{1,3})\.(\d{1,3})\.(\d{1,3})(?:\*(\d{1,3}))?", re.ASCII)
_HEX = re.compile(r"[0-9a-fA-F]{12}")


class Obis(NamedTuple):
    """Name a quantity by its six value groups, each 0…255.

    Source: MEAS-01; IEC 62056-61.
    """

    a: int
    b: int
    c: int
    d: int
    e: int
    f: int = 255

    @classmethod
    def parse(cls, text: str) -> "Obis":
        """Read `A-B:C.D.E*F`, `A-B:C.D.E` (F is 255) or twelve hex digits.

        Raises: PeerFault value.obis.
        """
        if _HEX.fullmatch(text):
            return cls(*bytes.fromhex(text))
        match = _TEXT.fullmatch(text)
        if match is None:
            raise PeerFault("value.obis", text[:40])
        groups = [255 if group is None else int(group) for group in match.groups()]
        if max(groups) > 255:
            raise PeerFault("value.obis", text)
        return cls(*groups)

    @classmethod
    def from_bytes(cls, octets: bytes) -> "Obis":
        """Take six octets A to F. Raises: PeerFault value.obis."""
        if len(octets) != 6:
            raise PeerFault("value.obis", f"{len(octets)} octets")
        return cls(*octets)

    def __str__(self) -> str:
        return f"{self.a}-{self.b}:{self.c}.{self.d}.{self.e}*{self.f}"

    def __bytes__(self) -> bytes:
        return bytes((self.a, self.b, self.c, self.d, self.e, self.f))

    @property
    def hex(self) -> str:
        """Give the twelve lower-case hex digits used by COSEM names and the consumer interface."""
        return bytes(self).hex()

    def with_tariff(self, tariff: int) -> "Obis":
        """Give the same quantity for another tariff stage (group E); 63 is the error register."""
        return self._replace(e=tariff)


ERROR_REGISTER_TARIFF = 63
"""Group E of the register that takes energy which no stage can be given without doubt (TAF-20)."""

ACTIVE_ENERGY_IMPORT = Obis(1, 0, 1, 8, 0)
ACTIVE_ENERGY_EXPORT = Obis(1, 0, 2, 8, 0)
ACTIVE_POWER = Obis(1, 0, 16, 7, 0)

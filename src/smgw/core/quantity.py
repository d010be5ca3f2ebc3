"""Quantities: an integer, a decimal scaler and a unit. No binary float on any path that ends on a bill."""

from decimal import Decimal
from enum import IntEnum
from typing import NamedTuple

from smgw.core.errors import DomainFault


class Unit(IntEnum):
    """Name the DLMS unit codes that occur at meters (IEC 62056-62)."""

    YEAR = 1
    MONTH = 2
    WEEK = 3
    DAY = 4
    HOUR = 5
    MINUTE = 6
    SECOND = 7
    DEGREE = 8
    DEGREE_CELSIUS = 9
    CUBIC_METRE = 13
    CUBIC_METRE_PER_HOUR = 15
    PASCAL = 22
    BAR = 23
    JOULE = 25
    JOULE_PER_HOUR = 26
    WATT = 27
    VOLT_AMPERE = 28
    VAR = 29
    WATT_HOUR = 30
    VOLT_AMPERE_HOUR = 31
    VAR_HOUR = 32
    AMPERE = 33
    COULOMB = 34
    VOLT = 35
    HERTZ = 44
    COUNT = 255


UNIT_SYMBOLS: dict[int, str] = {
    1: "a", 2: "mo", 3: "wk", 4: "d", 5: "h", 6: "min", 7: "s", 8: "°", 9: "°C", 13: "m³", 15: "m³/h", 22: "Pa", 23: "bar",
    25: "J", 26: "J/h", 27: "W", 28: "VA", 29: "var", 30: "Wh", 31: "VAh", 32: "varh", 33: "A", 34: "C", 35: "V", 44: "Hz",
    255: "",
}  # fmt: skip
"""Symbols to print behind a number; a code that is not here prints as `unit N`."""


def unit_symbol(unit: int) -> str:
    """Give the printable symbol of a DLMS unit code."""
    return UNIT_SYMBOLS.get(unit, f"unit {unit}")


class Quantity(NamedTuple):
    """Hold a measured amount: `raw * 10**scaler` in `unit` (a DLMS unit code).

    Source: MEAS-01, MEAS-03.
    """

    raw: int
    scaler: int
    unit: int

    def decimal(self) -> Decimal:
        """Give the exact decimal value in `unit`."""
        return Decimal(self.raw).scaleb(self.scaler)

    def rescale(self, scaler: int) -> "Quantity":
        """Write the same amount with another scaler, exactly.

        Raises: DomainFault value.scale when digits would be lost.
        """
        if scaler <= self.scaler:
            return Quantity(self.raw * 10 ** (self.scaler - scaler), scaler, self.unit)
        raw, rest = divmod(self.raw, 10 ** (scaler - self.scaler))
        if rest:
            raise DomainFault("value.scale", f"10^{self.scaler} to 10^{scaler}")
        return Quantity(raw, scaler, self.unit)

    def minus(self, other: "Quantity") -> "Quantity":
        """Subtract exactly, at the finer of both scalers. Raises: DomainFault value.unit."""
        if self.unit != other.unit:
            raise DomainFault("value.unit", f"{self.unit} and {other.unit}")
        scaler = min(self.scaler, other.scaler)
        return Quantity(self.rescale(scaler).raw - other.rescale(scaler).raw, scaler, self.unit)

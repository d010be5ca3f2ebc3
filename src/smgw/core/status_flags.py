"""What each bit of a status word means, as data: names, text in both languages, and the weight on the PTB scale.

Four layouts of the meter's half are known: wired electricity (FNN base meter), wired gas (DVGW G697), wireless (OMS), and, for the
gateway's half, the present one (TR-03109-1 v2.0) and the older one of FNN that transparency software still reads.
Source: MEAS-01; 20-wan-crypto-pki 3.6; 30-han-consumer-interface 1.12.
"""

from enum import IntEnum, StrEnum
from typing import NamedTuple


class PtbStatus(IntEnum):
    """Rank a value's usability on the scale that TRuDI shows."""

    NONE = 0
    WARNING = 1
    TEMPORARY_ERROR_USABLE = 2
    TEMPORARY_ERROR = 3
    FATAL = 4


class MeterKind(StrEnum):
    """Name the layout of the meter's word."""

    WIRED_ELECTRICITY = "fnn"
    WIRED_GAS = "g697"
    WIRELESS = "oms"


class Layout(StrEnum):
    """Name the layout of the gateway's word; the bits alone don't tell which one it is."""

    V2 = "v2.0"
    FNN_OLD = "fnn-old"
    """Bits 13 and 14 are PTB errors here; used by transparency files."""


class StatusFlag(NamedTuple):
    """Describe one bit: its name, its meaning in both languages, and what it makes of the value."""

    bit: int
    name: str
    en: str
    de: str
    rank: PtbStatus = PtbStatus.NONE


_WARN, _USABLE, _TEMP, _FATAL = PtbStatus.WARNING, PtbStatus.TEMPORARY_ERROR_USABLE, PtbStatus.TEMPORARY_ERROR, PtbStatus.FATAL

GATEWAY_FLAGS: dict[Layout, tuple[StatusFlag, ...]] = {
    Layout.V2: (
        StatusFlag(0, "gateway_word_0", "gateway word, always set", "Gateway-Wort, immer gesetzt"),
        StatusFlag(1, "not_for_billing", "value not for billing", "Wert nicht abrechnungsrelevant", _TEMP),
        StatusFlag(2, "gateway_word_2", "gateway word, always set", "Gateway-Wort, immer gesetzt"),
        StatusFlag(8, "gateway_error", "fatal error of the gateway", "fataler Fehler des Gateways", _FATAL),
        StatusFlag(9, "time_not_valid", "gateway time not valid", "Systemzeit des Gateways ungültig", _TEMP),
        StatusFlag(12, "warning", "warning", "Warnung", _WARN),
        StatusFlag(13, "no_value", "no reading in the receive window", "kein Messwert im Empfangsfenster", _TEMP),
        StatusFlag(14, "meter_tamper", "manipulation of the meter noticed", "Manipulation am Zähler erkannt", _TEMP),
        StatusFlag(15, "meter_error", "error of a wireless meter", "Fehler eines Funkzählers", _TEMP),
        StatusFlag(16, "value_triggered", "sent because a threshold was crossed", "wegen einer Schwelle gesendet"),
        StatusFlag(17, "wireless", "wireless meter (OMS)", "Funkzähler (OMS)"),
    ),
    Layout.FNN_OLD: (
        StatusFlag(0, "gateway_word_0", "gateway word, always set", "Gateway-Wort, immer gesetzt"),
        StatusFlag(1, "transparency", "transparency bit", "Transparenzbit"),
        StatusFlag(2, "gateway_word_2", "gateway word, always set", "Gateway-Wort, immer gesetzt"),
        StatusFlag(8, "gateway_error", "fatal error of the gateway", "fataler Fehler des Gateways", _FATAL),
        StatusFlag(9, "time_not_valid", "gateway time not valid", "Systemzeit des Gateways ungültig", _TEMP),
        StatusFlag(12, "ptb_warning", "warning (PTB)", "Warnung (PTB)", _WARN),
        StatusFlag(13, "ptb_usable_error", "temporary error, value usable (PTB)", "temporärer Fehler, Wert nutzbar (PTB)", _USABLE),
        StatusFlag(14, "ptb_error", "temporary error, value not valid (PTB)", "temporärer Fehler, Wert ungültig (PTB)", _TEMP),
    ),
}  # fmt: skip
"""Layout -> the bits of the gateway's word that are defined, by bit. All others are 0."""

_ELECTRICITY = (
    StatusFlag(2, "meter_word", "meter word of wired electricity, always set", "Zähler-Wort Strom, immer gesetzt"),
    StatusFlag(8, "active_power", "active power present", "Wirkleistung liegt an"),
    StatusFlag(9, "magnetic_tamper", "magnetic manipulation", "magnetische Manipulation", _TEMP),
    StatusFlag(10, "mechanical_tamper", "mechanical manipulation (cover)", "mechanische Manipulation (Deckel)", _TEMP),
    StatusFlag(11, "export", "sum flows to the grid (−A)", "Summe fließt ins Netz (−A)"),
    StatusFlag(12, "export_l1", "L1 flows to the grid (−A)", "L1 fließt ins Netz (−A)"),
    StatusFlag(13, "export_l2", "L2 flows to the grid (−A)", "L2 fließt ins Netz (−A)"),
    StatusFlag(14, "export_l3", "L3 flows to the grid (−A)", "L3 fließt ins Netz (−A)"),
    StatusFlag(15, "rotating_field", "rotating field deviates from L1-L2-L3", "Drehfeld weicht von L1-L2-L3 ab"),
    StatusFlag(16, "backstop", "backstop active", "Rücklaufsperre aktiv"),
    StatusFlag(17, "fatal_error", "fatal error under calibration law", "eichrechtlich relevanter fataler Fehler", _FATAL),
    StatusFlag(18, "voltage_l1", "voltage on L1", "Spannung an L1"),
    StatusFlag(19, "voltage_l2", "voltage on L2", "Spannung an L2"),
    StatusFlag(20, "voltage_l3", "voltage on L3", "Spannung an L3"),
)  # fmt: skip

_GAS = (
    StatusFlag(3, "gas_word", "meter word of wired gas, always set", "Zähler-Wort Gas, immer gesetzt"),
    StatusFlag(8, "alarm", "alarm", "Alarm", _TEMP),
    StatusFlag(9, "tamper_1", "manipulation 1", "Manipulation 1", _TEMP),
    StatusFlag(10, "tamper_2", "manipulation 2", "Manipulation 2", _TEMP),
    StatusFlag(11, "volume_fault", "fault of the volume", "Störung Volumen", _TEMP),
    StatusFlag(12, "pressure_fault", "fault of the pressure", "Störung Druck", _TEMP),
    StatusFlag(13, "temperature_fault", "fault of the temperature", "Störung Temperatur", _TEMP),
    StatusFlag(14, "compressibility_fault", "fault of the K number", "Störung K-Zahl", _TEMP),
    StatusFlag(15, "energy_fault", "fault of the energy", "Störung Energie", _TEMP),
    StatusFlag(16, "low_range_fault", "below the measuring range", "Störung unterer Messbereich", _TEMP),
    StatusFlag(17, "fatal_error", "fatal error", "fataler Fehler", _FATAL),
    *(StatusFlag(bit, f"warning_{bit - 17}", f"warning {bit - 17}", f"Warnung {bit - 17}", _WARN) for bit in range(18, 28)),
    StatusFlag(28, "seal", "state of the calibration seal", "Zustand des Eichschlosses"),
)

_STS = {
    24: StatusFlag(24, "sts_7", "maker's own (STS bit 7)", "herstellerspezifisch (STS Bit 7)"),
    25: StatusFlag(25, "sts_6", "maker's own (STS bit 6)", "herstellerspezifisch (STS Bit 6)"),
    26: StatusFlag(26, "sts_5", "maker's own (STS bit 5)", "herstellerspezifisch (STS Bit 5)"),
    27: StatusFlag(27, "temporary_error", "temporary error (STS bit 4)", "temporärer Fehler (STS Bit 4)", _TEMP),
    28: StatusFlag(28, "permanent_error", "permanent error (STS bit 3)", "permanenter Fehler (STS Bit 3)", _FATAL),
    29: StatusFlag(29, "low_supply", "low supply, battery low (STS bit 2)", "Versorgung schwach, Batterie leer (STS Bit 2)", _WARN),
    30: StatusFlag(30, "application_error", "other error of the application (STS bit 1)", "anderer Anwendungsfehler (STS Bit 1)", _TEMP),
    31: StatusFlag(31, "sts_0", "application state (STS bit 0)", "Anwendungszustand (STS Bit 0)"),
}  # fmt: skip


def _extended(bit: int) -> StatusFlag:
    octet, place = bit // 8 + 1, 7 - bit % 8
    return StatusFlag(bit, f"ef{octet}_{place}", f"extended flag EF{octet} bit {place}", f"erweiterter Status EF{octet} Bit {place}")


METER_FLAGS: dict[MeterKind, tuple[StatusFlag, ...]] = {
    MeterKind.WIRED_ELECTRICITY: _ELECTRICITY,
    MeterKind.WIRED_GAS: _GAS,
    MeterKind.WIRELESS: (*(_extended(bit) for bit in range(24)), *_STS.values()),
}
"""Kind of meter -> the bits of its word that are defined, by bit.

OMS numbers the bits of its octets EF1, EF2, EF3 and STS the other way round: its bit 7 is the least significant of the word's octet.
"""


def mask_of(flags: tuple[StatusFlag, ...], rank: PtbStatus | None = None) -> int:
    """Join the bits of some flags, or of those with one rank."""
    return sum(1 << flag.bit for flag in flags if rank is None or flag.rank is rank)

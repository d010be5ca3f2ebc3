"""German and English: texts from two catalogues, numbers, dates and the names of quantities.

Source: CON-01; the display rules of the project's design.
"""

import re
from datetime import date, datetime
from decimal import ROUND_HALF_EVEN, Context, Decimal
from functools import cache
from importlib.resources import files
from typing import Literal

import msgspec

from smgw.core.instant import BERLIN
from smgw.core.obis import Obis
from smgw.core.quantity import Quantity, Unit, unit_symbol
from smgw.core.reading import Reading
from smgw.core.status_word import GatewayStatus, PtbStatus, ptb_status

LanguageCode = Literal["de", "en"]
LANGUAGES: tuple[LanguageCode, ...] = ("de", "en")
NO_BREAK = "\u00a0"
MINUS = "\u2212"

_KILO = {Unit.WATT_HOUR: "kWh", Unit.VOLT_AMPERE_HOUR: "kVAh", Unit.VAR_HOUR: "kvarh"}
_WIDE = Context(prec=400)
"""Room for every 64-bit value at every scaler of eight bits."""
_PHASES = {20: 1, 40: 2, 60: 3}
_MOMENTARY = {16: "power", 1: "power_import", 2: "power_export", 12: "voltage", 11: "current", 14: "frequency", 13: "power_factor"}


@cache
def catalogue(language: LanguageCode) -> dict[str, str]:
    """Give all texts of one language by key."""
    data = files("smgw.gateway.han").joinpath(f"catalogue_{language}.json").read_bytes()
    return msgspec.json.decode(data, type=dict[str, str])


class Language:
    """Speak one language."""

    def __init__(self, code: LanguageCode) -> None:
        self.code = code
        self._texts = catalogue(code)

    def text(self, key: str, **parameters: object) -> str:
        """Give a text of the catalogue with its parameters filled in."""
        return self._texts[key].format_map(parameters)

    def number(self, value: Decimal) -> str:
        """Write a decimal with all its digits, grouped by thousands: `1.234,5` or `1,234.5`."""
        plain = f"{value:,f}".replace("-", MINUS)
        return plain.translate(str.maketrans(",.", ".,")) if self.code == "de" else plain

    def quantity(self, quantity: Quantity, decimals: int | None = None) -> str:
        """Write an amount with its unit, energy in kilo units; `decimals` rounds for a glance, None keeps every digit."""
        value, symbol = scaled(quantity)
        if decimals is not None:
            value = value.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_EVEN, _WIDE)
        return f"{self.number(value)}{NO_BREAK}{symbol}" if symbol else self.number(value)

    def day(self, day: date) -> str:
        """Write `21.11.2026` or `21 Nov 2026`."""
        if self.code == "de":
            return f"{day:%d.%m.%Y}"
        return f"{day.day}{NO_BREAK}{self._texts[f'month.{day.month}'][:3]}{NO_BREAK}{day.year}"

    def long_date(self, day: date) -> str:
        """Write `Samstag, 21. November 2026` or `Saturday, 21 November 2026`."""
        names = {"weekday": self._texts[f"weekday.{day.isoweekday()}"], "month": self._texts[f"month.{day.month}"]}
        return self.text("date.long", day=day.day, year=day.year, **names)

    def clock(self, moment: datetime, *, seconds: bool = False) -> str:
        """Write the local time; the hour that comes twice in autumn says which one it is."""
        local = moment.astimezone(BERLIN)
        text = f"{local:%H:%M:%S}" if seconds else f"{local:%H:%M}"
        other = local.replace(fold=1 - local.fold)
        if other.utcoffset() != local.utcoffset():
            return f"{text}{NO_BREAK}{self._texts['zone.summer' if local.dst() else 'zone.winter']}"
        return text

    def moment(self, moment: datetime, *, seconds: bool = False) -> str:
        """Write local date and time."""
        return f"{self.day(moment.astimezone(BERLIN).date())}, {self.clock(moment, seconds=seconds)}"

    def duration(self, seconds: int) -> str:
        """Write a period such as `15 min` or `1 h`."""
        for size, key in ((86_400, "unit.days"), (3_600, "unit.hours"), (60, "unit.minutes")):
            if seconds % size == 0:
                return self.text(key, count=seconds // size)
        return self.text("unit.seconds", count=seconds)

    def register_name(self, obis: Obis) -> str:
        """Name a register in the user's words."""
        tariff = f" {self.text('register.tariff', number=obis.e)}" if obis.a == 1 and obis.d == 8 and 0 < obis.e < 63 else ""
        return self._texts[f"register.{_register_key(obis)}"].format(phase=_phase(obis)) + tariff

    def status_of(self, reading: Reading) -> str:
        """Say in words what a reading's status words mean."""
        return self._texts[f"status.{status_key(reading.gateway_status, reading.meter_status, reading.raw)}"]


def scaled(quantity: Quantity) -> tuple[Decimal, str]:
    """Give the exact decimal value and the unit it is shown in."""
    value, kilo = quantity.decimal(), _KILO.get(Unit(quantity.unit)) if quantity.unit in _KILO else None
    digits = max(0, -quantity.scaler) + (3 if kilo else 0)
    value = value.scaleb(-3) if kilo else value
    return value.quantize(Decimal(1).scaleb(-digits), context=_WIDE), kilo or unit_symbol(quantity.unit)


def _phase(obis: Obis) -> str:
    return next((f"L{number}" for start, number in _PHASES.items() if start < obis.c <= start + 19), "")


def _register_key(obis: Obis) -> str:
    phased = obis.c - next((start for start in _PHASES if start < obis.c <= start + 19), 0)
    if obis.a == 1 and obis.d == 8:
        return {1: "import", 2: "export"}.get(obis.c, "other")
    if obis.a == 1 and obis.d == 7:
        return f"{_MOMENTARY[phased]}{'_phase' if _phase(obis) else ''}" if phased in _MOMENTARY else "other"
    return {7: "gas", 8: "cold_water", 9: "hot_water", 6: "heat", 5: "cold", 4: "heat_cost"}.get(obis.a, "other")


def status_key(gateway_word: int, meter_word: int, raw: int | None) -> str:
    """Name the weightiest thing that a value's status words say."""
    if raw is None or gateway_word & GatewayStatus.NO_VALUE:
        return "missing"
    rank = ptb_status(gateway_word, meter_word)
    if rank is PtbStatus.FATAL:
        return "fatal"
    if rank is PtbStatus.TEMPORARY_ERROR:
        return (
            "clock" if gateway_word & GatewayStatus.TIME_NOT_VALID else "tamper" if gateway_word & GatewayStatus.METER_TAMPER else "invalid"
        )
    return "warning" if rank is not PtbStatus.NONE else "measured"


def choose(asked: str | None, remembered: str | None, profile: str | None, accepted: str | None) -> LanguageCode:
    """Take the language of the address, else of the cookie, else of the profile, else of the browser."""
    for wish in (asked, remembered, profile):
        if wish == "de":
            return "de"
        if wish == "en":
            return "en"
    return "de" if re.match(r"\s*de\b", accepted or "", re.IGNORECASE) else "en"

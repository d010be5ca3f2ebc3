"""German and English for the portal: texts, numbers, dates and the names of registers."""

from datetime import date, datetime
from decimal import Decimal
from importlib.resources import files
from typing import Literal

import msgspec

from smgw.core.instant import BERLIN
from smgw.core.obis import Obis
from smgw.core.quantity import Quantity, Unit, unit_symbol
from smgw.core.status_word import GatewayStatus
from smgw.storage.day_block import StoredValue

LanguageCode = Literal["de", "en"]
LANGUAGES: tuple[LanguageCode, ...] = ("de", "en")
_KILO = {Unit.WATT_HOUR: "kWh", Unit.VAR_HOUR: "kvarh", Unit.VOLT_AMPERE_HOUR: "kVAh"}
_FLAWS: tuple[tuple[GatewayStatus, str], ...] = (
    (GatewayStatus.NO_VALUE, "missing"),
    (GatewayStatus.TIME_NOT_VALID, "clock"),
    (GatewayStatus.METER_TAMPER, "tamper"),
)
"""Bits that have a word of their own, weightiest first."""


class Language:
    """Speak one language."""

    def __init__(self, code: LanguageCode) -> None:
        self.code = code
        texts = msgspec.json.decode((files(__package__) / "texts.json").read_bytes(), type=dict[str, dict[LanguageCode, str]])
        self._texts = {key: text[code] for key, text in texts.items()}

    def text(self, key: str, **parameters: object) -> str:
        """Give a text with its parameters filled in."""
        return self._texts[key].format_map(parameters)

    def number(self, value: Decimal | int) -> str:
        """Group by thousands and keep every digit: `1.234,5` or `1,234.5`."""
        plain = f"{value:,f}" if isinstance(value, Decimal) else f"{value:,}"
        return plain.replace("-", "\u2212").translate(str.maketrans(",.", ".,") if self.code == "de" else {})

    def amount(self, quantity: Quantity) -> str:
        """Write an amount with its unit, energy in kilo units."""
        kilo = _KILO.get(Unit(quantity.unit)) if quantity.unit in _KILO else None
        value = quantity._replace(scaler=quantity.scaler - 3).decimal() if kilo else quantity.decimal()
        return f"{self.number(value)}\u00a0{kilo or unit_symbol(quantity.unit)}".rstrip("\u00a0")

    def day(self, day: date) -> str:
        """Write `21.11.2026` or `21 Nov 2026`."""
        if self.code == "de":
            return f"{day:%d.%m.%Y}"
        return f"{day.day}\u00a0{self.text(f'month.{day.month}')[:3]}\u00a0{day.year}"

    def long_day(self, day: date) -> str:
        """Write `Samstag, 21. November 2026` or `Saturday, 21 November 2026`."""
        names = {"weekday": self.text(f"weekday.{day.isoweekday()}"), "month": self.text(f"month.{day.month}")}
        return self.text("date.long", number=day.day, year=day.year, **names)

    def clock(self, moment: datetime, day: date | None = None) -> str:
        """Write the local time of a day's value, its end as 24:00; the hour that comes twice in autumn names its zone."""
        local = moment.astimezone(BERLIN)
        if day is not None and local.date() > day:
            return "24:00"
        text = f"{local:%H:%M:%S}" if local.second else f"{local:%H:%M}"
        twice = local.replace(fold=1 - local.fold).utcoffset() != local.utcoffset()
        return f"{text}\u00a0{self.text('zone.summer' if local.dst() else 'zone.winter')}" if twice else text

    def moment(self, moment: datetime) -> str:
        """Write local date and time."""
        return f"{self.day(moment.astimezone(BERLIN).date())}, {self.clock(moment)}"

    def register(self, obis: Obis) -> str:
        """Name a register in the user's words."""
        direction = {1: "import", 2: "export"}.get(obis.c) if obis.a == 1 and obis.d == 8 else None
        if direction is None:
            return self.text("register.other")
        tariff = f" {self.text('register.tariff', number=obis.e)}" if 0 < obis.e < 63 else ""
        return self.text(f"register.{direction}") + tariff


def status_key(value: StoredValue) -> str:
    """Name the weightiest thing that a value's status says."""
    flaw = next((key for bit, key in _FLAWS if value.gateway_status & bit), None)
    if flaw is not None or not value.valid:
        return flaw or "invalid"
    return "warning" if value.gateway_status & GatewayStatus.WARNING else "measured"


def choose(asked: str | None, remembered: str | None, accepted: str) -> LanguageCode:
    """Take the language of the address, else of the cookie, else of the browser; German comes first only where it is wanted first."""
    for wish in (asked, remembered, accepted[:2].lower()):
        if wish == "de":
            return "de"
        if wish == "en":
            return "en"
    return "en"

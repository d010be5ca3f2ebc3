"""What a check of a bill found beside the numbers, as data: one row a code, with its sentence in both languages.

Source: CON-06; 30-han-consumer-interface 3.6.
"""

from datetime import datetime
from typing import Final, NamedTuple

import msgspec

from smgw.core.instant import BERLIN


class FindingKind(NamedTuple):
    """Give the sentence of one kind of finding; `{start}`, `{end}`, `{count}`, `{value}`, `{tariff}` and `{other}` stand for its fields."""

    en: str
    de: str


FINDINGS: Final[dict[str, FindingKind]] = {
    "gap": FindingKind(
        "Readings missing between {start} and {end}: {count}",
        "Fehlende Messwerte zwischen {start} und {end}: {count}",
    ),
    "invalid_status": FindingKind(
        "Not billable for PTB status {other}: from {start} to {end}, readings: {count}",
        "Nicht abrechenbar wegen PTB-Status {other}: von {start} bis {end}, Messwerte: {count}",
    ),
    "off_raster": FindingKind(
        "Readings off the quarter hour, which do not count: {count}, the first at {start}",
        "Messwerte neben der Viertelstunde, die nicht zählen: {count}, der erste um {start}",
    ),
    "duplicate": FindingKind(
        "Times that occur more than once: {count}, the first at {start}; the first reading counts",
        "Mehrfach vorkommende Zeitpunkte: {count}, der erste um {start}; der erste Messwert zählt",
    ),
    "outside_block": FindingKind(
        "Readings outside the span of their block, which do not count: {count}, the first at {start}",
        "Messwerte außerhalb des Zeitraums ihres Blocks, die nicht zählen: {count}, der erste um {start}",
    ),
    "decreasing": FindingKind(
        "The register fell by {value} between {start} and {end}",
        "Das Register ist zwischen {start} und {end} um {value} gefallen",
    ),
    "no_valid_start": FindingKind(
        "No valid reading stands at the start of the billing period; use before {start} is in no tariff register",
        "Am Beginn des Abrechnungszeitraums fehlt ein gültiger Messwert; die Energie vor {start} steht in keinem Tarifregister",
    ),
    "no_valid_end": FindingKind(
        "No valid reading stands at the end of the billing period; use after {end} is in no tariff register",
        "Am Ende des Abrechnungszeitraums fehlt ein gültiger Messwert; die Energie nach {end} steht in keinem Tarifregister",
    ),
    "error_register": FindingKind(
        "{value} between {start} and {end} went to the error register, because no reading tells the tariffs apart",
        "{value} zwischen {start} und {end} stehen im Fehlerregister, weil kein Messwert die Tarife trennt",
    ),
    "not_booked": FindingKind(
        "{value} between {start} and {end} are in no register, because the calendar gives that time no tariff",
        "{value} zwischen {start} und {end} stehen in keinem Register, weil der Kalender dieser Zeit keinen Tarif gibt",
    ),
    "list_not_billed": FindingKind(
        "The supplier has no tariff stage for this list",
        "Der Lieferant hat für diese Messwertliste keine Tarifstufe",
    ),
    "list_twice": FindingKind(
        "The file holds the list of this register and meter more than once, and each is billed: {count}",
        "Die Datei enthält die Liste dieses Registers und Zählers mehrfach, und jede wird abgerechnet: {count}",
    ),
    "list_derived": FindingKind(
        "Derived registers left out, because only original readings count: {count}",
        "Nicht berücksichtigte abgeleitete Register, weil nur originäre Messwerte zählen: {count}",
    ),
    "status_word": FindingKind(
        "Status words that can't be read, so that statusPTB alone was used: {count}",
        "Nicht lesbare Statuswörter, für die allein statusPTB galt: {count}",
    ),
    "signature_refused": FindingKind(
        "Signatures that do not fit their reading, which was altered or added after the read-out: {count}",
        "Signaturen, die nicht zum Messwert passen, der also nach der Ablesung geändert oder ergänzt wurde: {count}",
    ),
    "signature_unreadable": FindingKind(
        "Signatures that can't be checked here: {count}",
        "Signaturen, die hier nicht prüfbar sind: {count}",
    ),
    "trudi_last_slot": FindingKind(
        "TRuDI books {value} between {start} and {end} to tariff {other}, the calendar says tariff {tariff}",
        "TRuDI bucht {value} zwischen {start} und {end} auf Tarif {other}, laut Kalender gilt Tarif {tariff}",
    ),
    "trudi_midnight_gap": FindingKind(
        "TRuDI books {value} of the gap over midnight from {start} to {end} to tariff {other}, by its rule it is tariff {tariff}",
        "TRuDI bucht {value} der Lücke über Mitternacht von {start} bis {end} auf Tarif {other}, nach der Regel ist es Tarif {tariff}",
    ),
    "trudi_opening": FindingKind(
        "The first reading is not valid: {value} up to {end} went to the error register; TRuDI puts all of {other} there",
        "Der erste Messwert ist ungültig: {value} bis {end} stehen im Fehlerregister; TRuDI bucht dort den Zählerstand {other}",
    ),
    "trudi_tolerance": FindingKind(
        "Readings 1 % to 3 % of the period off the quarter hour, which do not count: {count}, the first at {start}; TRuDI takes them",
        "Messwerte 1 % bis 3 % der Periode neben der Viertelstunde, die nicht zählen: {count}, der erste um {start}; TRuDI nimmt sie",
    ),
}  # fmt: skip


class Finding(msgspec.Struct, frozen=True):
    """Hold one finding; values are in the list's raw unit."""

    code: str
    """Key of `FINDINGS`."""
    register: str = ""
    """OBIS code of the list, empty for the files as a whole."""
    start: datetime | None = None
    end: datetime | None = None
    count: int | None = None
    value: int | None = None
    tariff: int | None = None
    other: int | None = None
    """What TRuDI does instead, or a status."""

    def text(self, language: str) -> str:
        """Give the sentence in `de` or `en`, times in Europe/Berlin."""
        kind = FINDINGS[self.code]
        template = kind.de if language == "de" else kind.en
        return template.format(
            start=local_text(self.start, language),
            end=local_text(self.end, language),
            count=self.count,
            value=self.value,
            tariff=self.tariff,
            other=self.other,
        )

    def as_json(self) -> dict[str, object]:
        """Give the finding with what it says, in English and without empty fields."""
        fields = {
            "code": self.code,
            "register": self.register or None,
            "from": offset_text(self.start),
            "to": offset_text(self.end),
            "count": self.count,
            "value": self.value,
            "tariff": self.tariff,
            "other": self.other,
            "text": self.text("en"),
        }
        return {name: value for name, value in fields.items() if value is not None}


def local_text(moment: datetime | None, language: str) -> str:
    """Write a time as people read it, in Europe/Berlin; in the hour that occurs twice the offset tells which one it is."""
    if moment is None:
        return ""
    local = moment.astimezone(BERLIN)
    offset = f" ({local:%Z})" if local.utcoffset() != local.replace(fold=1 - local.fold).utcoffset() else ""
    seconds = ":%S" if local.second else ""
    return local.strftime(("%d.%m.%Y %H:%M" if language == "de" else "%Y-%m-%d %H:%M") + seconds) + offset


def offset_text(moment: datetime | None) -> str | None:
    """Write a time with the offset of legal time: `2017-11-04T00:00:00+01:00`."""
    return None if moment is None else moment.astimezone(BERLIN).isoformat()

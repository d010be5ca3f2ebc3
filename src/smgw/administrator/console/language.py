"""German and English for the console: texts, numbers and times. Source: ADM-13."""

from datetime import datetime
from importlib.resources import files
from typing import Any, Literal

import msgspec

from smgw.core.errors import PeerFault
from smgw.core.instant import BERLIN, parse_time
from smgw.core.life_cycle import PHASES, Phase

LanguageCode = Literal["de", "en"]
LANGUAGES: tuple[LanguageCode, ...] = ("de", "en")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class Language:
    """Speak one language."""

    def __init__(self, code: LanguageCode) -> None:
        self.code = code
        texts = msgspec.json.decode((files(__package__) / "texts.json").read_bytes(), type=dict[str, dict[LanguageCode, str]])
        self._texts = {key: text[code] for key, text in texts.items()}

    def text(self, key: str, **parameters: object) -> str:
        """Give a text with its parameters filled in."""
        return self._texts[key].format_map(parameters)

    def word(self, area: str, name: str) -> str:
        """Give the word for a name of the machine, else the name itself: gateways may be newer than this catalogue."""
        return self._texts.get(f"{area}.{name}", name.replace("_", " "))

    def phase(self, phase: Phase) -> str:
        """Name a phase of a gateway's life."""
        return PHASES[phase].german if self.code == "de" else self.text(f"phase.{phase.value}")

    def number(self, value: int) -> str:
        """Group by thousands: `1.234` or `1,234`."""
        return f"{value:,}".replace("-", "\u2212").translate(str.maketrans(",", ".") if self.code == "de" else {})

    def moment(self, moment: datetime | str) -> str:
        """Write local date and time of a time or its ISO text; what is no time stays as it is."""
        if isinstance(moment, str):
            try:
                moment = parse_time(moment)
            except PeerFault:
                return str(moment)
        local = moment.astimezone(BERLIN)
        day = f"{local:%d.%m.%Y}" if self.code == "de" else f"{local.day}\u00a0{_MONTHS[local.month - 1]}\u00a0{local.year}"
        return f"{day}, {local:%H:%M:%S}" if local.second else f"{day}, {local:%H:%M}"

    def _inner(self, name: str) -> str:
        """Name a part of a fact; within one a word may mean something else than by itself."""
        return self._texts.get(f"inner.{name}") or self.word("fact", name)

    def named(self, name: str, value: Any) -> str:
        """Write a fact with the words that there are for its kind."""
        if isinstance(value, str) and name in ("state", "clock", "phase", "condition", "medium"):
            return self.word(name, value)
        return self.fact(value)

    def fact(self, value: Any) -> str:
        """Write a fact that a gateway reported, whatever it is."""
        if isinstance(value, bool):
            return self.text("yes" if value else "no")
        if isinstance(value, int):
            return self.number(value)
        if isinstance(value, str):
            return self.moment(value) if value[4:5] == "-" and value[10:11] == "T" else value
        if isinstance(value, dict):
            return ", ".join(f"{self._inner(str(name))}: {self.named(str(name), one)}" for name, one in value.items()) or "–"
        if isinstance(value, list):
            return ", ".join(map(self.fact, value)) or "–"
        return "–" if value is None else str(value)


def choose(asked: str | None, remembered: str | None, accepted: str) -> LanguageCode:
    """Take the language of the address, else of the cookie, else of the browser; German comes first only where it is wanted first."""
    for wish in (asked, remembered, accepted[:2].lower()):
        if wish == "de":
            return "de"
        if wish == "en":
            return "en"
    return "en"

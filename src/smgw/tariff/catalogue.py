"""The fourteen tariff use cases as data (German: Tarifanwendungsfälle, TAF). Command line and documentation are made from this table.

Source: TAF-01 to TAF-14; 20-wan-crypto-pki 3.1, 3.2, 3.4; 004 table 2.
"""

from collections.abc import Iterator
from datetime import date, datetime
from enum import StrEnum
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, NamedTuple, Union, get_args, get_origin

import msgspec

from smgw.core.errors import DomainFault
from smgw.tariff.profile_file import PROFILES, TariffProfile
from smgw.tariff.run import ADAPTERS, Adapter


class UseCase(NamedTuple):
    """Describe one use case."""

    number: int
    en: str
    de: str
    inputs: str
    registers: str
    period: str
    triggers: str
    error_register: str
    retention: str
    stored: bool
    """Whether the gateway keeps what the use case gives; where not, the current value can be read."""
    evaluate: Adapter
    """Evaluates a profile file on readings."""

    @property
    def profile(self) -> type[TariffProfile]:
        """Give the profile file's struct."""
        return PROFILES[self.number - 1]


_BILLED: Final = (
    "until the end of the billing period and six weeks, at least 13 months; shown to the consumer for three years of billing periods"
)
_SHOWN: Final = "at least 13 months, and until delivered; shown to the consumer for 24 months"
_NOT_KEPT: Final = "not stored; the current value can be read at any time"
_DOUBT: Final = (
    "63 takes each interval with a missing or invalid reading, a clock fault or a falling register, and what was used before the first"
    " usable reading of the period"
)
_NO_ERROR_REGISTER: Final = "none"

_ROWS: Final[tuple[tuple[str, str, str, str, str, str, str, str, bool], ...]] = (
    (
        "Data-saving tariffs",
        "Datensparsame Tarife",
        "one to three energy registers",
        "one value a register and billing period: reading at the end less reading at the start",
        "1, 2, 3, 6 or 12 calendar months, local time",
        "end of the billing period",
        "none: an unusable reading at start or end leaves the value out, and it is repeated with the next usable ones",
        _BILLED,
        True,
    ),
    (
        "Time-variable tariffs",
        "Zeitvariable Tarife",
        "energy registers every quarter hour; a calendar of day profiles, holidays and special days",
        "up to 20 stages, the error register 63 and the total",
        "quarter hours; billing period of any whole local days",
        "each quarter hour; switching by local time, also on days of 23 and 25 hours",
        "63 takes each interval in which the calendar names more than one stage, and what was used before the first usable reading",
        _BILLED,
        True,
    ),
    (
        "Load-variable tariffs",
        "Lastvariable Tarife",
        "energy registers every register period; thresholds of average power",
        "up to 20 stages by power band, the error register 63 and the total",
        "a divisor of an hour, usually a quarter hour",
        "each register period; a threshold belongs to the band above it, without hysteresis",
        _DOUBT,
        _BILLED,
        True,
    ),
    (
        "Consumption-variable tariffs",
        "Verbrauchsvariable Tarife",
        "energy registers every register period; thresholds of energy since the start of the billing period",
        "up to 20 stages by quantity band, the error register 63 and the total",
        "any divisor of a day",
        "each register period; the interval that passes a threshold goes wholly into the new stage",
        _DOUBT,
        _BILLED,
        True,
    ),
    (
        "Event-variable tariffs",
        "Ereignisvariable Tarife",
        "energy registers; events with time stamp from a market participant or a control box",
        "up to 20 stages, the error register 63 and the total",
        "any divisor of a day; readings at events count too",
        "each event, from its time stamp on; intervals are booked when the latency of the profile has passed",
        _DOUBT + "; also what was used before the first event where there is no default, what was used after an unknown or late event until"
        " the next one, and each interval in which the stage changes",
        _BILLED,
        True,
    ),
    (
        "Read-out in case of need",
        "Abruf von Messwerten im Bedarfsfall",
        "the readings at 00:00 local time of the requested days, and the reason of the request",
        "the readings themselves, by register and day",
        "local days",
        "a request with reason: move, change of supplier or tariff, exchange of the meter, contract dispute",
        "none: a day without reading is marked",
        "six weeks",
        True,
    ),
    (
        "Meter-reading series",
        "Zählerstandsgangmessung",
        "energy registers every register period",
        "the readings themselves, each with its status",
        "a quarter hour for electricity, an hour for gas, any divisor of a day",
        "after each register period, each local day or billing period",
        "none: a gap is marked and never filled",
        _SHOWN,
        True,
    ),
    (
        "Extreme values of power",
        "Erfassung von Extremwerten",
        "energy registers every register period; a window of local time where wanted",
        "highest (group D = 6) and lowest (D = 3) average power with the register period in which it occurred",
        "each local month, or the whole billing period",
        "end of the month or billing period",
        "none: a register period without exact average power is left out",
        _BILLED,
        True,
    ),
    (
        "Actual feed-in",
        "Abruf der Ist-Einspeisung",
        "momentary power and energy",
        "the current value of each register",
        "a minute or longer, or none",
        "on demand, by time, and when a value goes beyond a threshold; the status then carries VALUE_TRIGGERED",
        _NO_ERROR_REGISTER,
        _NOT_KEPT,
        False,
    ),
    (
        "Grid state data",
        "Abruf von Netzzustandsdaten",
        "voltages, currents, angles, frequency, active and reactive power",
        "the current value of each register, under a pseudonym where wanted",
        "a minute or longer, or none",
        "on demand, by time, and when a value goes beyond a threshold; the status then carries VALUE_TRIGGERED",
        _NO_ERROR_REGISTER,
        _NOT_KEPT,
        False,
    ),
    (
        "Control of loads and generators",
        "Steuerung von unterbrechbaren Verbrauchseinrichtungen und Erzeugungsanlagen",
        "control actions with device, time and who ordered them; energy registers",
        "for each action and register the latest usable reading within one register period before it",
        "the register period of the readings",
        "each action",
        "none: an action without usable reading is recorded without value",
        _SHOWN,
        True,
    ),
    (
        "Prepaid tariff",
        "Prepaid-Tarif",
        "one energy register; loaded credits",
        "what was used in the period, and the remaining credit, which goes on into the next",
        "any divisor of a day",
        "each usable reading and each credit: warning, signal to cut off, signal to release",
        "none: an unusable reading uses up no credit, and a clock fault never causes a cut-off",
        _BILLED,
        True,
    ),
    (
        "Display over the WAN",
        "Bereitstellung von Messwertsätzen zur Visualisierung über die WAN-Schnittstelle",
        "what TAF 1, 2 or 7 gave, and the consumer's consent",
        "unchanged copies of what lies in the time of the consent",
        "that of the source",
        "whenever the source gives something new",
        "that of the source, copied",
        "that of the source; the copy is kept until delivered",
        True,
    ),
    (
        "High-frequency values for value-added services",
        "Hochfrequente Messwertbereitstellung für Mehrwertdienste",
        "momentary values and energy, and the consumer's consent",
        "the current value of each register",
        "a minute at most",
        "on demand, by time, and when a value goes beyond a threshold; the status then carries VALUE_TRIGGERED",
        _NO_ERROR_REGISTER,
        _NOT_KEPT,
        False,
    ),
)

CATALOGUE: Final[dict[int, UseCase]] = {number: UseCase(number, *row, ADAPTERS[number]) for number, row in enumerate(_ROWS, 1)}
"""Number -> use case."""


def use_case(number: int) -> UseCase:
    """Give one use case. Raises: DomainFault tariff.use_case."""
    if number not in CATALOGUE:
        raise DomainFault("tariff.use_case", f"{number}")
    return CATALOGUE[number]


class ProfileField(NamedTuple):
    """Describe one field of a profile file."""

    name: str
    """With the tables it stands in, for example `rules.stages`."""
    kind: str
    default: str | None
    """None where the field is needed."""


_SIMPLE: Final[dict[Any, str]] = {
    int: "integer",
    str: "text",
    date: "day",
    datetime: "time with offset",
}


def profile_fields(number: int) -> list[ProfileField]:
    """List what a profile file of a use case takes, in the order of the struct. Raises: DomainFault tariff.use_case."""
    return list(_fields(use_case(number).profile, ""))


def _fields(struct: type[msgspec.Struct], prefix: str) -> Iterator[ProfileField]:
    for field in msgspec.structs.fields(struct):
        inner, name = _inner(field.type), f"{prefix}{field.name}"
        yield ProfileField(name, _kind(field.type), _default(field))
        if inner is not None:
            yield from _fields(inner, f"{name}.")


def _default(field: msgspec.structs.FieldInfo) -> str | None:
    if field.required:
        return None
    if isinstance(field.default, msgspec.Struct):
        return "the defaults of its fields"
    return "none" if field.default in (msgspec.NODEFAULT, None, (), "") else str(field.default)


def _bare(kind: Any) -> Any:
    """Take away what a type is wrapped in: bounds, and the choice of leaving it out."""
    if get_origin(kind) is Annotated:
        return _bare(get_args(kind)[0])
    if get_origin(kind) in (Union, UnionType):
        (kind,) = (part for part in get_args(kind) if part is not NoneType)
        return _bare(kind)
    return kind


def _inner(kind: Any) -> type[msgspec.Struct] | None:
    bare = _bare(kind)
    if get_origin(bare) is tuple:
        bare = _bare(get_args(bare)[0])
    return bare if isinstance(bare, type) and issubclass(bare, msgspec.Struct) else None


def _kind(kind: Any) -> str:
    bare = _bare(kind)
    if get_origin(bare) is tuple:
        return f"list of {_kind(get_args(bare)[0])}"
    if get_origin(bare) is dict:
        key, value = get_args(bare)
        return f"table: {_kind(key)} to {_kind(value)}"
    if get_origin(bare) is Literal:
        return " or ".join(map(str, get_args(bare)))
    if isinstance(bare, type) and issubclass(bare, StrEnum):
        return " or ".join(bare)
    return _SIMPLE.get(bare, "table")

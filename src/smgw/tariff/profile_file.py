"""A tariff profile as a user writes it: a TOML file with one use case, its rules, its period and the inputs beside the readings.

Each use case has a struct of its own, told apart by the field `tariff_use_case`. Days are local, from 00:00 of `start` to 00:00 of `end`.
Source: TAF-01 to TAF-14; 20-wan-crypto-pki 1.12 c.
"""

import tomllib
from datetime import date, datetime
from functools import reduce
from operator import or_
from typing import Any, Final, Literal

import msgspec

from smgw.core.errors import ConfigError, DomainFault
from smgw.core.identifiers import is_logical_name
from smgw.core.instant import local_midnight
from smgw.core.obis import Obis
from smgw.core.profiles import EvaluationProfile
from smgw.tariff.rules import (
    Bands,
    CalendarRules,
    Consent,
    Credit,
    CreditRules,
    Event,
    EventRules,
    ExtremeRules,
    ReadOutRequest,
    SwitchAction,
    TriggerRules,
)
from smgw.tariff.stages import Frame

MAX_OCTETS: Final = 1 << 20
MAX_REGISTERS: Final = 20


class TariffProfile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="tariff_use_case"):
    """Hold what every use case takes.

    Raises: DomainFault tariff.registers, tariff.period, tariff.profile; PeerFault value.obis.
    """

    name: str
    """Logical name, for example `taf2-1.sm`."""
    registers: tuple[str, ...]
    """OBIS codes of the readings that are evaluated, each for itself."""
    start: date
    end: date
    """First local day that is no longer evaluated."""
    meter_id: str = ""
    """May be left out where the readings are of one meter."""
    consumer_id: str = "consumer1.sm"
    period_s: int = 900

    def __post_init__(self) -> None:
        codes = [Obis.parse(text) for text in self.registers]
        if not 1 <= len(codes) <= MAX_REGISTERS or len(set(codes)) != len(codes):
            raise DomainFault("tariff.registers", f"{len(codes)}")
        if self.start >= self.end:
            raise DomainFault("tariff.period", f"{self.start} to {self.end}")
        if not is_logical_name(self.name) or not is_logical_name(self.consumer_id):
            raise DomainFault("tariff.profile", "name or consumer_id")

    @property
    def number(self) -> int:
        """Give the number of the use case."""
        tag = type(self).__struct_config__.tag
        assert isinstance(tag, int)
        return tag

    @property
    def codes(self) -> tuple[Obis, ...]:
        """Give the parsed registers."""
        return tuple(Obis.parse(text) for text in self.registers)

    @property
    def start_time(self) -> datetime:
        """Give the start as aware UTC."""
        return local_midnight(self.start)

    @property
    def end_time(self) -> datetime:
        """Give the end as aware UTC."""
        return local_midnight(self.end)

    @property
    def frame(self) -> Frame:
        """Give the period with its raster. Raises: DomainFault tariff.raster, tariff.period."""
        return Frame(self.start_time, self.end_time, self.period_s)

    def evaluation_profile(self, meter_id: str, *, taf: int | None = None, billing_months: int = 1) -> EvaluationProfile:
        """Give the profile as the gateway would hold it."""
        return EvaluationProfile(
            profile_id=self.name,
            taf=self.number if taf is None else taf,
            meter_id=meter_id,
            registers=self.registers,
            consumer_id=self.consumer_id,
            usage_point_name=self.name,
            metering_point_id="",
            valid_from=self.start_time,
            valid_to=self.end_time,
            period_s=self.period_s,
            billing_months=billing_months,
        )


class Taf01Profile(TariffProfile, frozen=True, kw_only=True, tag=1):
    """Hold a data-saving tariff."""

    billing_months: int = 1


class Taf02Profile(TariffProfile, frozen=True, kw_only=True, tag=2):
    """Hold a time-variable tariff."""

    rules: CalendarRules


class Taf03Profile(TariffProfile, frozen=True, kw_only=True, tag=3):
    """Hold a load-variable tariff."""

    rules: Bands


class Taf04Profile(TariffProfile, frozen=True, kw_only=True, tag=4):
    """Hold a consumption-variable tariff."""

    rules: Bands


class Taf05Profile(TariffProfile, frozen=True, kw_only=True, tag=5):
    """Hold an event-variable tariff and the events that came."""

    rules: EventRules
    events: tuple[Event, ...] = ()


class Taf06Profile(TariffProfile, frozen=True, kw_only=True, tag=6):
    """Hold a read-out in case of need."""

    request: ReadOutRequest


class Taf07Profile(TariffProfile, frozen=True, kw_only=True, tag=7):
    """Hold a meter-reading series."""


class Taf08Profile(TariffProfile, frozen=True, kw_only=True, tag=8):
    """Hold a search for extreme values."""

    rules: ExtremeRules = ExtremeRules()


class Taf09Profile(TariffProfile, frozen=True, kw_only=True, tag=9):
    """Hold the actual feed-in."""

    rules: TriggerRules


class Taf10Profile(TariffProfile, frozen=True, kw_only=True, tag=10):
    """Hold grid state data."""

    rules: TriggerRules


class Taf11Profile(TariffProfile, frozen=True, kw_only=True, tag=11):
    """Hold the control of a load or generator and the actions that were taken."""

    actions: tuple[SwitchAction, ...] = ()


class Taf12Profile(TariffProfile, frozen=True, kw_only=True, tag=12):
    """Hold a prepaid tariff and the credits that were loaded; it takes one register."""

    rules: CreditRules
    credits: tuple[Credit, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.registers) != 1:
            raise DomainFault("tariff.registers", f"{len(self.registers)}, TAF 12 takes one")


class Taf13Profile(TariffProfile, frozen=True, kw_only=True, tag=13):
    """Hold a display over the WAN: what is copied for whom."""

    source: Literal[1, 2, 7]
    recipient: str
    consent: Consent | None = None
    rules: CalendarRules | None = None
    """Needed where the source is TAF 2."""
    billing_months: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.source == 2) != (self.rules is not None):
            raise DomainFault("tariff.profile", "rules go with source = 2")


class Taf14Profile(TariffProfile, frozen=True, kw_only=True, tag=14):
    """Hold high-frequency values."""

    rules: TriggerRules


PROFILES: Final[tuple[type[TariffProfile], ...]] = (
    Taf01Profile,
    Taf02Profile,
    Taf03Profile,
    Taf04Profile,
    Taf05Profile,
    Taf06Profile,
    Taf07Profile,
    Taf08Profile,
    Taf09Profile,
    Taf10Profile,
    Taf11Profile,
    Taf12Profile,
    Taf13Profile,
    Taf14Profile,
)
_ANY: Any = reduce(or_, PROFILES)


def read_profile(data: bytes) -> TariffProfile:
    """Read a TOML file; what it does not know, it refuses.

    Raises: ConfigError tariff.profile with line or field; DomainFault tariff.* and PeerFault value.obis for rules that do not fit.
    """
    if len(data) > MAX_OCTETS:
        raise ConfigError("tariff.profile", f"{len(data)} octets")
    try:
        content = tomllib.loads(data.decode())
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as problem:
        raise ConfigError("tariff.profile", str(problem)[:120]) from problem
    try:
        profile: TariffProfile = msgspec.convert(content, _ANY, str_keys=True)
    except msgspec.ValidationError as problem:
        raise ConfigError("tariff.profile", str(problem)[:160]) from problem
    return profile

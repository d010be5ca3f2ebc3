"""The rule sets of the use cases (German: Regelwerk), checked when they are made, and the rules by which profiles may follow each other.

Source: TAF-02 to TAF-14, TAF-23, TAF-24; 20-wan-crypto-pki 1.12 c, 3.2.
"""

import re
from collections.abc import Collection, Iterable
from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Final, Literal

import msgspec

from smgw.core.delivery import is_pseudonym
from smgw.core.errors import DomainFault
from smgw.core.instant import local_day, local_midnight, microseconds
from smgw.core.obis import ERROR_REGISTER_TARIFF, Obis
from smgw.core.profiles import EvaluationProfile
from smgw.core.quantity import Quantity
from smgw.tariff.calendar import SwitchCalendar, from_switch_times
from smgw.tariff.common import DAY_S

MAX_STAGES: Final = 20
MAX_LATENCY_S: Final = DAY_S
MIN_PUSH_S: Final = 60
"""Shortest interval at which TAF 9 and 10 push; TAF 14 pushes at least that often."""

Moment = Annotated[datetime, msgspec.Meta(tz=True)]
_YEARLY = re.compile(r"(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])")


def _require(condition: bool, code: str, detail: str) -> None:
    if not condition:
        raise DomainFault(code, detail)


def check_stages(stages: Collection[int]) -> None:
    """Refuse stages that no register can be made for. Raises: DomainFault tariff.stage_count, tariff.stage_unknown."""
    _require(ERROR_REGISTER_TARIFF not in stages, "tariff.stage_count", f"{ERROR_REGISTER_TARIFF} is named as a stage")
    _require(1 <= len(stages) <= MAX_STAGES, "tariff.stage_count", f"{len(stages)}")
    _require(all(0 < stage < 256 for stage in stages), "tariff.stage_unknown", f"{sorted(stages)}")


class Rules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Be the base of every rule set: an unknown field is refused, not passed over."""


class CalendarRules(Rules, frozen=True, kw_only=True):
    """Name the stage of each quarter hour of local time (TAF 2).

    Raises: DomainFault tariff.stage_count, tariff.stage_unknown, tariff.day_profile.
    """

    stages: tuple[int, ...]
    days: dict[str, dict[str, int]]
    """Name of a day profile -> `HH:MM` -> the stage that holds from then on."""
    week: tuple[str, ...] = ()
    """Seven day profiles, Monday first."""
    yearly: dict[str, str] = {}
    """`MM-DD` -> day profile."""
    special: dict[date, str] = {}

    def __post_init__(self) -> None:
        check_stages(self.stages)
        for text in self.yearly:
            _require(_YEARLY.fullmatch(text) is not None, "tariff.day_profile", f"{text[:20]} is not MM-DD")
        self.calendar()

    def calendar(self) -> SwitchCalendar:
        """Give the switching calendar."""
        profiles = {name: from_switch_times(times) for name, times in self.days.items()}
        return SwitchCalendar(profiles, self.special, self.yearly, self.week)


class Bands(Rules, frozen=True, kw_only=True):
    """Divide amounts into bands with a stage each: power in TAF 3, energy since the start of the billing period in TAF 4.

    Raises: DomainFault tariff.stage_count, tariff.stage_unknown, tariff.bands.
    """

    thresholds: tuple[int, ...]
    """Rising, above zero; times 10**scaler in W for TAF 3, in Wh for TAF 4, or what the register's unit makes of it."""
    stages: tuple[int, ...]
    """One more than thresholds: below the first, between the first and the second …"""
    scaler: Annotated[int, msgspec.Meta(ge=-9, le=9)] = 0

    def __post_init__(self) -> None:
        check_stages(self.stages)
        rising = all(low < high for low, high in zip((0, *self.thresholds), self.thresholds, strict=False))
        _require(rising, "tariff.bands", f"thresholds {self.thresholds}")
        _require(len(self.stages) == len(self.thresholds) + 1, "tariff.bands", f"{len(self.stages)} stages")
        _require(len(set(self.stages)) == len(self.stages), "tariff.bands", "one stage twice")

    def stage_from(self, amount: Quantity) -> int:
        """Name the stage of an amount; a threshold belongs to the band above it."""
        raw, factor = self._scaled(amount)
        return self.stages[sum(threshold * factor <= raw for threshold in self.thresholds)]

    def stage_up_to(self, amount: Quantity) -> int:
        """Name the stage of the last part of an amount; a threshold belongs to the band below it."""
        raw, factor = self._scaled(amount)
        return self.stages[sum(threshold * factor < raw for threshold in self.thresholds)]

    def _scaled(self, amount: Quantity) -> tuple[int, int]:
        finer = min(self.scaler, amount.scaler)
        return amount.raw * 10 ** (amount.scaler - finer), int(10 ** (self.scaler - finer))

    def band(self, stage: int) -> tuple[int | None, int | None]:
        """Give both thresholds of a stage; None where the band is open."""
        place = self.stages.index(stage)
        bounds = (None, *self.thresholds, None)
        return bounds[place], bounds[place + 1]


class EventRules(Rules, frozen=True, kw_only=True):
    """Name the stage that holds from each event on (TAF 5).

    Raises: DomainFault tariff.stage_count, tariff.stage_unknown, tariff.rules.
    """

    stages: tuple[int, ...]
    events: dict[str, int]
    """Name of an event -> its stage."""
    default: int | None = None
    """Stage before the first event; without one that energy goes to the error register."""
    latency_s: int = 900
    """An event that comes later than this after its time stamp is not obeyed: from then on no stage holds until the next event."""

    def __post_init__(self) -> None:
        check_stages(self.stages)
        named = {*self.events.values()} | ({self.default} if self.default is not None else set())
        _require(named <= set(self.stages), "tariff.stage_unknown", f"{sorted(named - set(self.stages))}")
        _require(bool(self.events), "tariff.rules", "events: none")
        _require(0 <= self.latency_s <= MAX_LATENCY_S, "tariff.rules", f"latency_s: {self.latency_s}")


class Event(Rules, frozen=True, kw_only=True):
    """Hold one tariff event as it came (German: Tarifumschaltereignis)."""

    name: str
    at: Moment
    """Time stamp of the event: from then on it holds."""
    received_at: Moment | None = None
    """When the gateway got it; left out where that is the same."""

    @property
    def received(self) -> datetime:
        """Give the time at which the event was known."""
        return self.at if self.received_at is None else self.received_at


class ReadOutReason(StrEnum):
    """Say why values are read out in case of need (TAF 6)."""

    MOVE = "move"
    SUPPLIER_CHANGE = "supplier_change"
    TARIFF_CHANGE = "tariff_change"
    METER_EXCHANGE = "meter_exchange"
    CONTRACT_DISPUTE = "contract_dispute"


class ReadOutRequest(Rules, frozen=True, kw_only=True):
    """Ask for daily values of the past weeks (TAF 6).

    Raises: DomainFault tariff.reason, tariff.period.
    """

    reason: ReadOutReason
    requested_by: str
    first: date
    """First local day whose value at 00:00 is asked for."""
    last: date
    asked_at: Moment

    def __post_init__(self) -> None:
        _require(bool(self.requested_by.strip()), "tariff.reason", "requested_by is empty")
        _require(self.first <= self.last, "tariff.period", f"{self.first} to {self.last}")


class Window(Rules, frozen=True, kw_only=True):
    """Hold a span of local time on each day; `end` at or before `start` reaches into the next day. Raises: DomainFault tariff.rules."""

    start: str
    """`HH:MM`."""
    end: str

    def __post_init__(self) -> None:
        for text in (self.start, self.end):
            try:
                from_switch_times({text: 1})
            except DomainFault as fault:
                raise DomainFault("tariff.rules", f"window: {text[:20]} is not a quarter hour") from fault

    def holds(self, start: datetime, end: datetime) -> bool:
        """Tell whether a span of local time, at most an hour long, lies in the window."""
        low, high = (int(text[:2]) * 60 + int(text[3:]) for text in (self.start, self.end))
        begin = (start.hour * 60 + start.minute - low) % 1440
        close = (end.hour * 60 + end.minute - low) % 1440 or 1440
        return begin < close <= ((high - low) % 1440 or 1440)


class ExtremeRules(Rules, frozen=True, kw_only=True):
    """Say over which spans the highest and lowest average power are looked for (TAF 8)."""

    span: Literal["month", "period"] = "month"
    """Each local calendar month, or the whole billing period."""
    window: Window | None = None


class Threshold(Rules, frozen=True, kw_only=True):
    """Push when a value goes above, or below, a limit. Raises: DomainFault tariff.rules."""

    register: str
    above: int | None = None
    below: int | None = None
    scaler: Annotated[int, msgspec.Meta(ge=-9, le=9)] = 0
    """The limit is above or below times 10**scaler in the unit of the register."""

    def __post_init__(self) -> None:
        Obis.parse(self.register)
        _require((self.above is None) != (self.below is None), "tariff.rules", f"{self.register}: either above or below")

    def is_beyond(self, value: Quantity) -> bool:
        """Tell whether a value lies beyond the limit, not on it."""
        finer = min(self.scaler, value.scaler)
        raw: int = value.raw * 10 ** (value.scaler - finer)
        factor: int = 10 ** (self.scaler - finer)
        return raw > self.above * factor if self.above is not None else raw < (self.below or 0) * factor


class Consent(Rules, frozen=True, kw_only=True):
    """Hold the consumer's consent that a recipient may have values (German: Einwilligung). Raises: DomainFault tariff.period."""

    consumer_id: str
    recipient: str
    valid_from: Moment
    valid_to: Moment | None = None

    def __post_init__(self) -> None:
        _require(self.valid_to is None or self.valid_to > self.valid_from, "tariff.period", "consent")

    def covers(self, moment: datetime) -> bool:
        """Tell whether the consent holds at a moment."""
        return self.valid_from <= moment and (self.valid_to is None or moment < self.valid_to)


def check_consent(consent: Consent | None, consumer_id: str, recipient: str, moment: datetime) -> Consent:
    """Give the consent when it covers consumer, recipient and moment. Raises: DomainFault tariff.consent."""
    if consent is None:
        raise DomainFault("tariff.consent", "none is given")
    _require(consent.consumer_id == consumer_id, "tariff.consent", "it is another consumer's")
    _require(consent.recipient == recipient, "tariff.consent", "it names another recipient")
    _require(consent.covers(moment), "tariff.consent", f"it does not hold at {moment}")
    return consent


class TriggerRules(Rules, frozen=True, kw_only=True):
    """Say when current values are pushed (TAF 9, 10, 14); they can be read at any time. Raises: DomainFault tariff.rules."""

    recipient: str
    interval_s: int = 0
    """0: not by time."""
    thresholds: tuple[Threshold, ...] = ()
    pseudonym: str = ""
    """14 lower-case hex digits that stand for the meter towards the recipient."""
    consent: Consent | None = None

    def __post_init__(self) -> None:
        _require(bool(self.recipient), "tariff.rules", "recipient: none")
        _require(self.interval_s >= 0, "tariff.rules", f"interval_s: {self.interval_s}")
        _require(len(self.thresholds) <= MAX_STAGES, "tariff.rules", f"thresholds: {len(self.thresholds)}")
        _require(not self.pseudonym or is_pseudonym(self.pseudonym), "tariff.rules", "pseudonym")


class SwitchAction(Rules, frozen=True, kw_only=True):
    """Hold one control action on a load or generator (TAF 11, German: Schalthandlung). Raises: DomainFault tariff.rules."""

    at: Moment
    device: str
    action: Literal["on", "off", "limit", "release"]
    ordered_by: str
    limit_w: int | None = None
    """Highest power in watts; only with `limit`."""

    def __post_init__(self) -> None:
        _require(bool(self.device) and bool(self.ordered_by), "tariff.rules", "device and ordered_by are needed")
        _require((self.action == "limit") == (self.limit_w is not None), "tariff.rules", f"limit_w with {self.action}")
        _require(self.limit_w is None or self.limit_w >= 0, "tariff.rules", f"limit_w: {self.limit_w}")


class CreditRules(Rules, frozen=True, kw_only=True):
    """Say how credit is counted (TAF 12). Raises: DomainFault tariff.rules."""

    warning: int
    """At this remaining credit or below, the consumer is warned."""
    scaler: Annotated[int, msgspec.Meta(ge=-9, le=9)] = 0
    """Credits and warning count 10**scaler of the register's unit."""

    def __post_init__(self) -> None:
        _require(self.warning >= 0, "tariff.rules", f"warning: {self.warning}")


class Credit(Rules, frozen=True, kw_only=True):
    """Hold a loaded credit (German: Guthaben). Raises: DomainFault tariff.credit."""

    credit_id: str
    at: Moment
    amount: int

    def __post_init__(self) -> None:
        _require(self.amount > 0, "tariff.credit", f"{self.credit_id[:40]}: {self.amount}")


PLAIN: Final = frozenset({1, 6, 7, 11})
"""Use cases that carry no state from reading to reading."""

PRICING: Final = frozenset({1, 2, 3, 4, 5, 12})
"""Use cases whose result is a price; one register is priced by one profile of a consumer at a time."""


def check_installable(profile: EvaluationProfile, installed: Iterable[EvaluationProfile], now: datetime) -> None:
    """Refuse an evaluation profile that would change what was evaluated or price a register twice.

    It starts and ends at ends of register periods. A version that starts later ends the one before at its start, so it starts in time to
    come; a version with the start of the one that holds may move only its end to a time to come, and what is of no account for the values.
    Two pricing profiles of the same consumer, use case, meter and register do not overlap. `installed` are terms.
    Raises: DomainFault tariff.period, tariff.raster, tariff.profile_past, tariff.profile_overlap.
    Source: TAF-23, TAF-24.
    """
    start, end, period_s = profile.valid_from, profile.valid_to, profile.period_s
    others = [other for other in installed if (other.profile_id, other.version) != (profile.profile_id, profile.version)]
    _require(end is None or end > start, "tariff.period", profile.profile_id)
    _require(period_s > 0 and DAY_S % period_s == 0, "tariff.raster", f"{period_s} s")
    changed = next((other for other in others if other.profile_id == profile.profile_id and other.valid_from == start), None)
    _require(changed is not None or _on_raster(start, period_s), "tariff.period", f"{profile.profile_id} starts off the raster")
    _require(end is None or profile.taf in PLAIN or _on_raster(end, period_s), "tariff.period", f"{profile.profile_id} ends off the raster")
    if start >= now:
        pass
    elif changed is None or _kernel(changed) != _kernel(profile):
        raise DomainFault("tariff.profile_past", f"{profile.profile_id}: {start}")
    else:
        # Of plain readings it may be told late that they are no more asked for.
        ends = (changed.valid_to,) if profile.taf in PLAIN else (changed.valid_to, end)
        _require(all(moment is None or moment >= now for moment in ends), "tariff.profile_past", f"{profile.profile_id} has ended")
    for other in others:
        rival = (
            other.profile_id != profile.profile_id
            and profile.taf in PRICING
            and (other.taf, other.meter_id, other.consumer_id) == (profile.taf, profile.meter_id, profile.consumer_id)
            and not {Obis.parse(text) for text in other.registers}.isdisjoint(Obis.parse(text) for text in profile.registers)
        )
        apart = (other.valid_to is not None and other.valid_to <= start) or (end is not None and end <= other.valid_from)
        _require(apart or not rival, "tariff.profile_overlap", f"{profile.profile_id} and {other.profile_id}")


def _on_raster(moment: datetime, period_s: int) -> bool:
    if period_s == DAY_S:
        return local_midnight(local_day(moment)) == moment
    return microseconds(moment) % (period_s * 1_000_000) == 0


def _kernel(profile: EvaluationProfile) -> EvaluationProfile:
    """Leave out what may change while a version holds: its end, its recipients and its names."""
    return msgspec.structs.replace(profile, valid_to=None, recipients=(), delivery="daily", usage_point_name="", version=1)

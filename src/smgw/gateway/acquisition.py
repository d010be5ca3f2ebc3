"""From a meter's record to readings: profile gate, plausibility, status, and the value of each register period.

Pure of I/O: records and time go in, readings and events come out; the caller stores them.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import NamedTuple

import msgspec

from smgw.codec.sml import GetListResponse, SmlMessage, SmlTime
from smgw.core.identifiers import meter_id_of
from smgw.core.instant import ClockStatus, period_floor, utc_text
from smgw.core.obis import Obis
from smgw.core.profiles import MeterProfile
from smgw.core.reading import Reading
from smgw.core.status_word import (
    METER_FATAL,
    METER_MAGNETIC,
    METER_MECHANICAL,
    GatewayStatus,
    MeterKind,
    identification_of,
    meter_word,
)

TOLERANCE_SHARE = 100
"""A value belongs to a period end when it was captured within 1/100 of the period around it (MEAS-02; PTB-A 50.8)."""

BACKFILL_LIMIT = 31 * 96
"""At most so many missed period ends are marked as missing after a standstill, per meter."""

SINGLE_GAPS = 4
"""So many missed period ends of one standstill are told one by one; more of them are told together."""

UNSET_REACH = timedelta(days=1)
"""So far beyond the newest value a clock that was never set may be before nothing is stored: a wrong one would close periods to come."""

_LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)

UNKNOWN_LIMIT = 64
"""At most so many unknown meters are remembered for the administrator's list."""


class Value(NamedTuple):
    """Hold one register's amount as the meter sent it."""

    raw: int
    scaler: int
    unit: int


class Record(msgspec.Struct, frozen=True):
    """Hold what one telegram said about a meter."""

    server_id: bytes
    captured: datetime
    """When the values were those of the meter, gateway time."""
    values: Mapping[Obis, Value]
    status: int | None
    received: datetime | None = None
    """When the telegram came, where the values are older than that."""


class Event(NamedTuple):
    """Tell the caller what to log: an event of the catalogue and its parameters."""

    name: str
    parameters: dict[str, str]
    times: tuple[datetime, ...] = ()
    """The period ends that it is about; empty when it is about the present."""


class Outcome(NamedTuple):
    """Give what one step brought: readings to store and events to log."""

    readings: list[Reading]
    events: list[Event]
    decided: Mapping[str, datetime] = MappingProxyType({})
    """Meters that were taken away, and the moment up to which nothing of them can come any more."""


def record_of(messages: Sequence[SmlMessage], captured: datetime) -> Record | None:
    """Take server id, registers and status out of one SML file; None when it holds no value list.

    When list and register both carry a seconds index, the capture time is moved back by the register's age.
    """
    body = next((message.body for message in messages if isinstance(message.body, GetListResponse)), None)
    if body is None or body.server_id is None:
        return None
    values: dict[Obis, Value] = {}
    status: int | None = None
    age_s = 0
    for entry in body.entries:
        if entry.status is not None and status is None:
            status = entry.status
        if type(entry.value) is int and entry.unit is not None and len(entry.obis) == 6:
            values[Obis(*entry.obis)] = Value(entry.value, entry.scaler or 0, entry.unit)
            age_s = max(age_s, _age_s(body.act_sensor_time, entry.val_time))
    return Record(body.server_id, captured - timedelta(seconds=age_s), values, status, captured)


def _age_s(sensor: SmlTime | None, value: SmlTime | None) -> int:
    if sensor is None or value is None or sensor.kind is not value.kind:
        return 0
    age = sensor.seconds - value.seconds
    return age if 0 <= age <= 3600 else 0


class _Meter:
    """Follow one admitted meter between two period ends."""

    def __init__(self, profile: MeterProfile, last_target: datetime | None, last_raw: dict[Obis, int]) -> None:
        self.profile = profile
        self.registers = {register.code: register for register in profile.registers}
        self.last_target = last_target
        self.last_raw = last_raw
        self.latest: tuple[Record, ClockStatus] | None = None
        self.kind = MeterKind.WIRED_GAS if profile.medium == "gas" else MeterKind.WIRED_ELECTRICITY
        self.seen = False
        self.lost = False
        self.flags = 0
        self.disordered = False
        self.halted = False

    @property
    def period(self) -> timedelta:
        return timedelta(seconds=self.profile.period_s)

    @property
    def tolerance(self) -> timedelta:
        return self.period / TOLERANCE_SHARE


class Acquisition:
    """Admit meters by profile and give one reading per register and period end.

    Source: LMN-03, LMN-04, LMN-06, MEAS-01, MEAS-02; TR-03109-1 Annex VI, chapter 3.
    """

    def __init__(self, clock_steps: Callable[[], int] = lambda: 0) -> None:
        """Make one that admits nobody yet; `clock_steps` counts the steps of the clock so far."""
        self._meters: dict[bytes, _Meter] = {}
        self._left: dict[bytes, tuple[MeterProfile, datetime]] = {}
        """Meters that were taken away, and the latest period end that was decided for them."""
        self._clock_steps = clock_steps
        self._steps_seen = clock_steps()
        self.unknown: dict[str, int] = {}
        """Unknown meters heard, with the number of their telegrams (LMN-03)."""
        self.telegrams = 0
        """Records taken from admitted meters."""

    def admit(self, profile: MeterProfile, last_target: datetime | None, last_raw: Mapping[Obis, int]) -> None:
        """Admit a meter; `last_target` and `last_raw` continue its series after a restart or a changed profile."""
        self._left.pop(bytes.fromhex(profile.server_id), None)
        self._meters[bytes.fromhex(profile.server_id)] = _Meter(profile, last_target, dict(last_raw))

    def hears(self, record: Record, link: str) -> bool:
        """Tell whether a record comes from an admitted meter on its own link."""
        meter = self._meters.get(record.server_id)
        return meter is not None and meter.profile.link == link

    def dismiss(self, profile: MeterProfile) -> None:
        """Expect a meter no more; its periods pass without values, and its records are a stranger's."""
        server_id = bytes.fromhex(profile.server_id)
        meter = self._meters.pop(server_id, None)
        last = meter.last_target if meter is not None else None
        self._left[server_id] = profile, last or _LONG_AGO

    def current(self, meter_id: str) -> Record | None:
        """Give the newest record of a meter, which is shown but not stored."""
        for meter in self._meters.values():
            if meter.profile.meter_id == meter_id and meter.latest is not None:
                return meter.latest[0]
        return None

    def receive(self, record: Record, link: str, clock: ClockStatus) -> Outcome:
        """Take one record. Unknown meters, and meters on another link than their profile says, are counted and not stored."""
        meter = self._meters.get(record.server_id)
        if meter is None or meter.profile.link != link:
            return Outcome([], self._count_unknown(record.server_id, link))
        self.telegrams += 1
        self._follow_clock()
        events = self._liveness(meter) + self._status_events(meter, record.status) + _order_events(meter, record, clock)
        readings: list[Reading] = []
        if meter.disordered or meter.halted:
            # Which of two telegrams has the wrong time is not known, so neither may stand for a period end.
            meter.latest = None if meter.disordered else (record, clock)
            return Outcome(readings, events)
        if meter.last_target is None:
            readings += self._readings(meter, record, record.captured.replace(microsecond=0), clock, events)
            meter.last_target = period_floor(record.captured, meter.profile.period_s)
        else:
            readings += self._close_periods(meter, record, clock, events)
        meter.latest = (record, clock)
        return Outcome(readings, events)

    def tick(self, now: datetime, clock: ClockStatus) -> Outcome:
        """Close period ends whose tolerance has run out without a value, for every meter."""
        self._follow_clock()
        outcome = Outcome([], [], self._pass_over(now, clock))
        for meter in self._meters.values():
            if meter.last_target is None:
                continue
            if _out_of_reach(meter, now, clock):
                outcome.events.extend(_halted(meter))
                continue
            end = period_floor(now - meter.tolerance, meter.profile.period_s)
            outcome.readings.extend(self._catch_up(meter, end, clock, outcome.events))
        return outcome

    def next_deadline(self) -> datetime | None:
        """Give the moment at which `tick` has something to close; a meter that waits for the clock has none."""
        meters = (meter for meter in self._meters.values() if not meter.halted)
        moments = [m.last_target + m.period + m.tolerance for m in meters if m.last_target is not None]
        return min(moments + [last + _closing(profile) for profile, last in self._left.values()], default=None)

    def _pass_over(self, now: datetime, clock: ClockStatus) -> dict[str, datetime]:
        """Let the periods of meters that were taken away pass, so that their contracts come to an end; only a valid clock says when."""
        decided = {}
        for server_id, (profile, last) in self._left.items():
            end = period_floor(now - _closing(profile), profile.period_s) + timedelta(seconds=profile.period_s)
            if end > last:
                self._left[server_id] = profile, end
                if clock is ClockStatus.VALID:
                    decided[profile.meter_id] = end
        return decided

    def _close_periods(self, meter: _Meter, record: Record, clock: ClockStatus, events: list[Event]) -> list[Reading]:
        assert meter.last_target is not None
        readings = []
        target = meter.last_target + meter.period
        if record.captured >= target:
            # Everything before the period end nearest to this record is decided by what was heard earlier.
            nearest = period_floor(record.captured + meter.tolerance, meter.profile.period_s)
            readings += self._catch_up(meter, nearest - meter.period, clock, events)
            if meter.last_target + meter.period == nearest and record.captured >= nearest:
                readings += self._decide(meter, nearest, record, clock, events)
        return readings

    def _catch_up(self, meter: _Meter, end: datetime, clock: ClockStatus, events: list[Event]) -> list[Reading]:
        assert meter.last_target is not None
        first = end - meter.period * BACKFILL_LIMIT
        if meter.last_target < first:
            events.append(Event("periods_skipped", {"meter": meter.profile.meter_id, "first": _text(first + meter.period)}))
            meter.last_target = first
        readings: list[Reading] = []
        told: list[Event] = []
        while meter.last_target + meter.period <= end:
            readings += self._decide(meter, meter.last_target + meter.period, None, clock, told)
        gaps = [event for event in told if event.name == "value_missing"]
        if len(gaps) > SINGLE_GAPS:
            times = (gaps[0].times[0], gaps[-1].times[0])
            facts = {"meter": meter.profile.meter_id, "first": _text(times[0]), "last": _text(times[1]), "count": str(len(gaps))}
            told = [Event("values_missing", facts, times), *(event for event in told if event.name != "value_missing")]
        events += told
        return readings

    def _decide(self, meter: _Meter, target: datetime, record: Record | None, clock: ClockStatus, events: list[Event]) -> list[Reading]:
        """Take the record nearest to the period end, if one is near enough; on a tie the earlier."""
        candidates = [(abs(r.captured - target), r, status) for r, status in _present(meter.latest, record, clock)]
        near = [candidate for candidate in candidates if candidate[0] <= meter.tolerance]
        meter.last_target = target
        if near:
            _, best, status = min(near, key=lambda candidate: candidate[0])
            return self._readings(meter, best, target, status, events)
        events.append(Event("value_missing", {"meter": meter.profile.meter_id, "target": _text(target)}, (target,)))
        if not meter.lost:
            meter.lost = True
            since = _text(meter.latest[0].captured) if meter.latest else "start"
            events.append(Event("meter_lost", {"meter": meter.profile.meter_id, "since": since}))
        missing, word = int(GatewayStatus.IDENTIFICATION | GatewayStatus.NO_VALUE), identification_of(meter.kind)
        return [
            Reading(meter.profile.meter_id, code, None, register.shown_scaler, register.unit, target, target, missing, word)
            for code, register in meter.registers.items()
        ]

    def _readings(self, meter: _Meter, record: Record, target: datetime, clock: ClockStatus, events: list[Event]) -> list[Reading]:
        word = meter_word(record.status, meter.kind)
        base = GatewayStatus.IDENTIFICATION
        if clock is not ClockStatus.VALID:
            base |= GatewayStatus.TIME_NOT_VALID
        if word & (METER_MAGNETIC | METER_MECHANICAL):
            base |= GatewayStatus.METER_TAMPER
        readings = []
        for code, register in meter.registers.items():
            value = record.values.get(code)
            status = base
            if value is None or value.unit != register.unit:
                status |= GatewayStatus.NO_VALUE
                raw, scaler = None, register.shown_scaler
            else:
                raw, scaler = value.raw, value.scaler
                scaled = _comparable(raw, scaler)
                if code in meter.last_raw and scaled < meter.last_raw[code]:
                    status |= GatewayStatus.NOT_FOR_BILLING | GatewayStatus.WARNING
                    events.append(Event("reading_implausible", {"meter": meter.profile.meter_id, "obis": str(code)}))
                meter.last_raw[code] = scaled
            readings.append(Reading(meter.profile.meter_id, code, raw, scaler, register.unit, record.captured, target, int(status), word))
        return readings

    def _liveness(self, meter: _Meter) -> list[Event]:
        news = not meter.seen or meter.lost
        meter.seen, meter.lost = True, False
        return [Event("meter_found", {"meter": meter.profile.meter_id})] if news else []

    def _status_events(self, meter: _Meter, status: int | None) -> list[Event]:
        word = meter_word(status, meter.kind)
        events = []
        for mask, name in ((METER_FATAL, "meter_fatal"), (METER_MAGNETIC | METER_MECHANICAL, "meter_tamper")):
            if word & mask and not meter.flags & mask:
                events.append(Event(name, {"meter": meter.profile.meter_id}))
        meter.flags = word
        return events

    def _follow_clock(self) -> None:
        """Forget what was heard before a step of the clock: its time was wrong by the step."""
        if self._clock_steps() != self._steps_seen:
            self._steps_seen = self._clock_steps()
            for meter in self._meters.values():
                meter.latest, meter.halted = None, False

    def _count_unknown(self, server_id: bytes, link: str) -> list[Event]:
        meter_id = meter_id_of(server_id)
        if meter_id in self.unknown:
            self.unknown[meter_id] += 1
            return []
        if len(self.unknown) >= UNKNOWN_LIMIT:
            return []
        self.unknown[meter_id] = 1
        return [Event("meter_unknown", {"meter": meter_id, "link": link})]


def _order_events(meter: _Meter, record: Record, clock: ClockStatus) -> list[Event]:
    """Notice a record whose time does not fit what came before it; each spell of them is told once."""
    latest, newest, now = meter.latest, meter.last_target, record.received or record.captured
    was_disordered, meter.disordered = meter.disordered, latest is not None and record.captured < latest[0].captured - meter.tolerance
    if _out_of_reach(meter, now, clock):
        return _halted(meter)
    was_behind, meter.halted = meter.halted, newest is not None and now < newest - meter.tolerance
    if newest is not None and meter.halted:
        facts = {"meter": meter.profile.meter_id, "seconds": str(int((newest - now).total_seconds()))}
        return [] if was_behind else [Event("clock_behind_values", facts)]
    if latest is not None and meter.disordered and not was_disordered:
        facts = {"meter": meter.profile.meter_id, "captured": _text(record.captured), "latest": _text(latest[0].captured)}
        return [Event("telegram_out_of_order", facts)]
    return []


def _closing(profile: MeterProfile) -> timedelta:
    """Give the time from one period end to the moment at which the next one is decided."""
    period = timedelta(seconds=profile.period_s)
    return period + period / TOLERANCE_SHARE


def _out_of_reach(meter: _Meter, moment: datetime, clock: ClockStatus) -> bool:
    """Tell whether a clock that was never set claims a time that no value leads up to."""
    return clock is ClockStatus.UNSET and (meter.last_target is None or moment > meter.last_target + UNSET_REACH)


def _halted(meter: _Meter) -> list[Event]:
    told, meter.halted = meter.halted, True
    return [] if told else [Event("clock_not_set", {"meter": meter.profile.meter_id})]


def _present(latest: tuple[Record, ClockStatus] | None, record: Record | None, clock: ClockStatus) -> Iterable[tuple[Record, ClockStatus]]:
    if latest is not None:
        yield latest
    if record is not None:
        yield record, clock


def _text(moment: datetime) -> str:
    return utc_text(moment.replace(microsecond=0))


SCALER_FLOOR = -12
"""Finest scaler that registers are compared at."""


def _comparable(raw: int, scaler: int) -> int:
    """Bring registers to one scaler, so that a meter that changes its scaler is still compared exactly."""
    shift = scaler - SCALER_FLOOR
    return raw * int(10**shift) if shift >= 0 else raw // int(10**-shift)


def comparable(reading: Reading) -> int | None:
    """Give a stored reading's amount in the form that decreasing registers are detected with."""
    return None if reading.raw is None else _comparable(reading.raw, reading.scaler)

"""Store what acquisition brings: readings, logs, evaluation and outbox in one transaction, or nothing of it."""

import asyncio
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from smgw.core.errors import DomainFault, Unavailable
from smgw.core.instant import day_bounds, local_day, local_midnight, microseconds, utc_text
from smgw.core.log_event import EVENTS, Level
from smgw.core.profiles import EvaluationProfile
from smgw.core.reading import Reading
from smgw.core.state import Event as StateEvent
from smgw.core.status_word import PtbStatus
from smgw.gateway.acquisition import Event, Outcome
from smgw.gateway.evaluation import Evaluation
from smgw.gateway.logs import Recorder
from smgw.net.clock import ClockPort
from smgw.security.module import SecurityModule
from smgw.security.reading_signature import sign_reading
from smgw.storage.journal import Journal

BACKLOG_LIMIT = 2_000
"""At most so many readings wait in memory while the store takes nothing; what is given up beyond it is told once the store takes again."""

_PROBE = "room"


class ReadingStore:
    """Commit readings with everything that follows from them.

    Source: MEAS-01, WAN-05, architecture rule 6.
    """

    def __init__(
        self,
        *,
        journal: Journal,
        recorder: Recorder,
        evaluation: Evaluation,
        module: SecurityModule,
        key_name: str,
        clock: ClockPort,
        evaluation_profiles: Callable[[], list[EvaluationProfile]],
        state_event: Callable[[StateEvent], None],
        queued: Callable[[], None],
    ) -> None:
        self._journal = journal
        self._recorder = recorder
        self._evaluation = evaluation
        self._module = module
        self._key_name = key_name
        self._clock = clock
        self._profiles = evaluation_profiles
        self._state_event = state_event
        self._queued = queued
        self._unsigned: list[Reading] = []
        self._backlog: list[tuple[Reading, bytes]] = []
        self._events: list[Event] = []
        self._given_up = 0
        self._refused = False
        """Whether the store took nothing the last time."""
        self.first_value = asyncio.Event()
        """Set once a reading is stored, or was already."""
        if journal.count_readings():
            self.first_value.set()
        self.readings = 0
        """Readings stored since the start."""

    def commit(self, outcome: Outcome, closed: Callable[[Reading], datetime] = lambda reading: reading.target_time) -> None:
        """Store one step's outcome; while store or security module take nothing, readings wait and the state says so."""
        if not (outcome.readings or outcome.events or outcome.decided or self._unsigned or self._backlog or self._events):
            return
        self._unsigned += outcome.readings
        self._events += outcome.events
        now = self._clock.now()
        try:
            self._sign()
            if self._refused:
                # All that waits is evaluated only when at least a few octets find room: telegrams come every second.
                # They differ from those there, for SQLite writes nothing where nothing changes.
                self._journal.set_state(_PROBE, microseconds(now).to_bytes(8, "big"))
            with self._journal.transaction():
                stored, refused = self._append()
                for event in [*self._events, *refused, *self._given_up_event(), *self._complete_days(stored)]:
                    self._record(event, now)
                ends = dict(outcome.decided)
                for reading in stored:
                    ends[reading.meter_id] = max(closed(reading), ends.get(reading.meter_id, closed(reading)))
                count = sum(self._evaluation.run(self._profiles(), meter, end, now) for meter, end in ends.items())
        except Unavailable:
            self._give_up_oldest()
            self._refused = True
            self._state_event(StateEvent.STORAGE_FULL)
            return
        self._refused = False
        self.readings += len(stored)
        if stored:
            self.first_value.set()
        self._backlog, self._events, self._given_up = [], [], 0
        self._state_event(StateEvent.STORAGE_AVAILABLE)
        if count:
            self._queued()

    def _sign(self) -> None:
        """Sign what waits, each value once; a security module that is away leaves the rest waiting."""
        while self._unsigned:
            self._backlog.append((self._unsigned[0], sign_reading(self._module, self._key_name, self._unsigned[0])))
            del self._unsigned[0]

    def _give_up_oldest(self) -> None:
        surplus = max(len(self._backlog) + len(self._unsigned) - BACKLOG_LIMIT, 0)
        self._given_up += surplus
        # What is signed is older than what isn't.
        signed = min(surplus, len(self._backlog))
        del self._backlog[:signed], self._unsigned[: surplus - signed], self._events[:-BACKLOG_LIMIT]

    def _given_up_event(self) -> list[Event]:
        return [Event("values_given_up", {"count": str(self._given_up)})] if self._given_up else []

    def _append(self) -> tuple[list[Reading], list[Event]]:
        """Append what waits; a second value of a period is refused alone, and said so."""
        try:
            self._journal.append_readings(self._backlog)
        except DomainFault:
            return self._append_one_by_one()
        return [reading for reading, _ in self._backlog], []

    def _append_one_by_one(self) -> tuple[list[Reading], list[Event]]:
        stored, refused = [], []
        for item in self._backlog:
            reading = item[0]
            try:
                self._journal.append_readings([item])
            except DomainFault:
                facts = {"meter": reading.meter_id, "obis": str(reading.obis), "target": utc_text(reading.target_time)}
                refused.append(Event("reading_refused", facts, (reading.target_time,)))
            else:
                stored.append(reading)
        return stored, refused

    def _record(self, event: Event, now: datetime) -> None:
        """Write an event; a consumer is told only what lies within the time of an own contract."""
        meter_id = event.parameters.get("meter", "")
        times = event.times or (now,)
        owners = {p.consumer_id for p in self._profiles() if p.meter_id == meter_id and all(_covers(p, moment) for moment in times)}
        success = EVENTS[event.name].level < Level.WARNING
        self._recorder.record_with(event.name, event.parameters, consumers=owners, subject=meter_id, success=success)

    def _complete_days(self, stored: Iterable[Reading]) -> list[Event]:
        """Sum up each meter's local day that ended with one of these readings."""
        ended = {(reading.meter_id, reading.target_time) for reading in stored if _is_midnight(reading.target_time)}
        return [self._day_event(meter_id, midnight) for meter_id, midnight in sorted(ended)]

    def _day_event(self, meter_id: str, midnight: datetime) -> Event:
        day = local_day(midnight - timedelta(seconds=1))
        readings = [signed.reading for signed in self._journal.readings(meter_id, after=day_bounds(day)[0], until=midnight)]
        counts = {
            "stored": sum(reading.raw is not None for reading in readings),
            "missing": sum(reading.raw is None for reading in readings),
            "marked": sum(reading.raw is not None and reading.ptb is not PtbStatus.NONE for reading in readings),
        }
        return Event("values_stored", {"meter": meter_id, "day": day.isoformat(), **{name: str(n) for name, n in counts.items()}})


def _covers(profile: EvaluationProfile, moment: datetime) -> bool:
    return profile.valid_from <= moment and (profile.valid_to is None or moment <= profile.valid_to)


def _is_midnight(moment: datetime) -> bool:
    return moment == local_midnight(local_day(moment))

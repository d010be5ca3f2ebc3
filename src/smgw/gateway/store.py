"""Store what acquisition brings: readings, logs, evaluation and outbox in one transaction, or nothing of it."""

import asyncio
from collections.abc import Callable
from datetime import datetime

from smgw.core.errors import Unavailable
from smgw.core.profiles import EvaluationProfile
from smgw.core.reading import Reading
from smgw.core.state import Event as StateEvent
from smgw.gateway.acquisition import Event, Outcome
from smgw.gateway.evaluation import Evaluation
from smgw.gateway.logs import Recorder
from smgw.net.clock import ClockPort
from smgw.security.module import SecurityModule
from smgw.security.reading_signature import sign_reading
from smgw.storage.journal import Journal

BACKLOG_LIMIT = 2_000
"""At most so many readings wait in memory while the store takes nothing; older ones are then marked missing by the gap they leave."""


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
        self._backlog: list[tuple[Reading, bytes]] = []
        self._events: list[Event] = []
        self.first_value = asyncio.Event()
        """Set once a reading is stored, or was already."""
        if journal.count_readings():
            self.first_value.set()
        self.readings = 0
        """Readings stored since the start."""

    def commit(self, outcome: Outcome, closed: Callable[[Reading], datetime] = lambda reading: reading.target_time) -> None:
        """Store one step's outcome; while the store takes nothing, readings wait and the state says so."""
        if not (outcome.readings or outcome.events or self._backlog or self._events):
            return
        self._backlog += [(reading, sign_reading(self._module, self._key_name, reading)) for reading in outcome.readings]
        self._events += outcome.events
        del self._backlog[:-BACKLOG_LIMIT], self._events[:-BACKLOG_LIMIT]
        now = self._clock.now()
        try:
            with self._journal.transaction():
                self._journal.append_readings(self._backlog)
                for event in self._events:
                    owners = {p.consumer_id for p in self._profiles() if p.meter_id == event.parameters.get("meter")}
                    self._recorder.record_with(event.name, event.parameters, consumers=owners, subject=event.parameters.get("meter", ""))
                ends: dict[str, datetime] = {}
                for reading, _ in self._backlog:
                    ends[reading.meter_id] = max(closed(reading), ends.get(reading.meter_id, closed(reading)))
                count = sum(self._evaluation.run(self._profiles(), meter, end, now) for meter, end in ends.items())
        except Unavailable:
            self._state_event(StateEvent.STORAGE_FULL)
            return
        self.readings += len(self._backlog)
        if self._backlog:
            self.first_value.set()
        self._backlog, self._events = [], []
        self._state_event(StateEvent.STORAGE_AVAILABLE)
        if count:
            self._queued()

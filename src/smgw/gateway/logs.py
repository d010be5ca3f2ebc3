"""Write events to the three logs: which log an event goes to stands in the catalogue, not here."""

from collections.abc import Iterable, Mapping

from smgw.core.instant import Clock
from smgw.core.log_event import EVENTS, Log, LogEntry
from smgw.storage.journal import Journal


class Recorder:
    """Turn events into log entries and append them.

    Source: LOG-01, LOG-03.
    """

    def __init__(self, journal: Journal, clock: Clock) -> None:
        self._journal = journal
        self._clock = clock

    def record(self, event: str, *, consumers: Iterable[str] = (), subject: str = "", success: bool = True, **parameters: object) -> None:
        """Append one event to every log its kind names; `consumers` are those whose own log shows it."""
        self.record_with(event, parameters, consumers=consumers, subject=subject, success=success)

    def record_with(
        self, event: str, parameters: Mapping[str, object], *, consumers: Iterable[str] = (), subject: str = "", success: bool = True
    ) -> None:
        """Append one event, its parameters given as a mapping.

        Joins an open journal transaction, so an event stands or falls with what it tells of.
        """
        now = self._clock.now()
        texts = {name: str(value) for name, value in parameters.items()}
        entries = []
        for log in EVENTS[event].logs:
            owners = sorted(set(consumers)) if log is Log.CONSUMER else [""]
            entries += [LogEntry(log, event, now, success, subject, owner, texts) for owner in owners]
        self._journal.append_log(entries)

"""Write events to the three logs: which log an event goes to stands in the catalogue, not here."""

from collections import deque
from collections.abc import Callable, Iterable, Mapping

import structlog

from smgw.core.errors import CertificateRejected, SmgwError, Unavailable
from smgw.core.instant import Clock
from smgw.core.log_event import EVENTS, Log, LogEntry
from smgw.storage.journal import Journal

log = structlog.get_logger(__name__)

WAITING_LIMIT = 1_000
"""At most so many entries wait in memory while the store takes nothing; the oldest are given up first."""


class Recorder:
    """Turn events into log entries and append them.

    `record` stands or falls with the work it tells of. `note` tells of something that has happened anyway, so it never fails: while the
    store takes nothing its entries wait, with the time they were made at.
    Source: LOG-01, LOG-03.
    """

    def __init__(self, journal: Journal, clock: Clock) -> None:
        self._journal = journal
        self._clock = clock
        self._waiting: deque[LogEntry] = deque(maxlen=WAITING_LIMIT)
        self._tell: Callable[[LogEntry], None] | None = None

    def tell_by(self, tell: Callable[[LogEntry], None]) -> None:
        """Have each entry told to others too, in the transaction that writes it."""
        self._tell = tell

    def record(self, event: str, *, consumers: Iterable[str] = (), subject: str = "", success: bool = True, **parameters: object) -> None:
        """Append one event to every log its kind names; `consumers` are those whose own log shows it."""
        self.record_with(event, parameters, consumers=consumers, subject=subject, success=success)

    def record_with(
        self, event: str, parameters: Mapping[str, object], *, consumers: Iterable[str] = (), subject: str = "", success: bool = True
    ) -> None:
        """Append one event, its parameters given as a mapping.

        Joins an open journal transaction, so an event stands or falls with what it tells of.
        """
        self._append(self._entries(event, parameters, consumers, subject, success))

    def note(self, event: str, *, consumers: Iterable[str] = (), subject: str = "", success: bool = True, **parameters: object) -> None:
        """Append one event now, or with a later one when the store takes nothing; never inside a transaction."""
        self.note_with(event, parameters, consumers=consumers, subject=subject, success=success)

    def note_with(
        self, event: str, parameters: Mapping[str, object], *, consumers: Iterable[str] = (), subject: str = "", success: bool = True
    ) -> None:
        """Append one event as `note` does, its parameters given as a mapping."""
        self._waiting += self._entries(event, parameters, consumers, subject, success)
        self.write_waiting()

    def write_waiting(self) -> None:
        """Try again to append what waits."""
        if not self._waiting:
            return
        try:
            self._append(self._waiting)
        except Unavailable as fault:
            log.error("log_entries_wait", code=fault.code, waiting=len(self._waiting), newest=self._waiting[-1].event)
        else:
            self._waiting.clear()

    def _append(self, entries: Iterable[LogEntry]) -> None:
        written = list(entries)
        with self._journal.transaction():
            self._journal.append_log(written)
            if self._tell is not None:
                for entry in written:
                    self._tell(entry)

    def _entries(
        self, event: str, parameters: Mapping[str, object], consumers: Iterable[str], subject: str, success: bool
    ) -> list[LogEntry]:
        now = self._clock.now()
        texts = {name: str(value) for name, value in parameters.items()}
        entries = []
        for log in EVENTS[event].logs:
            owners = sorted(set(consumers)) if log is Log.CONSUMER else [""]
            entries += [LogEntry(log, event, now, success, subject, owner, texts) for owner in owners]
        return entries


def partner_event(fault: SmgwError, otherwise: str) -> str:
    """Name the event that tells of a fault with a partner; `otherwise` is for faults without one of their own."""
    named = _EVENT_OF_CODE.get(fault.code)
    return named or ("peer_certificate_rejected" if isinstance(fault, CertificateRejected) else otherwise)


_EVENT_OF_CODE = {
    "pki.not_pinned": "peer_not_configured",
    "cms.signature": "content_signature_invalid",
    "cms.integrity": "content_unreadable",
    "cms.recipient": "content_unreadable",
}

"""Tell the administrator and partners of disturbances: a notice is queued in the transaction that writes its log entry.

Source: WAN-07, LMN-06; TR-03109-1 Annex VI, table 2 step 4.1.
"""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from uuid import UUID

from smgw.codec.notice import encode_notice
from smgw.core.log_event import EVENTS, Log, LogEntry
from smgw.core.notices import ADMINISTRATOR, NOTICES, Notice
from smgw.core.profiles import CommunicationProfile, EvaluationProfile, Profile
from smgw.storage.journal import Journal, OutboxMessage

WAITING_LIMIT = 500
"""At most so many notices wait for one recipient; the log has them all."""
REMEMBERED = 256
"""So many events are remembered for their pause."""


class Notifier:
    """Queue notices for what is logged."""

    def __init__(
        self, journal: Journal, device_id: str, random: Callable[[int], bytes], *, administrator: bool, queued: Callable[[], None]
    ) -> None:
        self._journal = journal
        self._device_id = device_id
        self._random = random
        self._administrator = administrator
        self._queued = queued
        self._told: dict[tuple[str, str], datetime] = {}

    def tell(self, entry: LogEntry) -> None:
        """Queue the notices of one entry of the system log; joins an open transaction."""
        if entry.log is not Log.SYSTEM or entry.event not in NOTICES or self._is_held_back(entry):
            return
        for recipient in self._recipients(entry):
            if self._journal.pending_count(recipient) < WAITING_LIMIT:
                notice = self._notice(entry)
                self._journal.enqueue(OutboxMessage(notice.message_id, recipient, "", encode_notice(notice), entry.time))
                self._queued()

    def _is_held_back(self, entry: LogEntry) -> bool:
        pause = timedelta(seconds=NOTICES[entry.event].pause_s)
        key = entry.event, entry.subject
        told = self._told.get(key)
        if pause and told is not None and told <= entry.time < told + pause:
            return True
        if pause:
            self._told.pop(key, None)
            self._told[key] = entry.time
            if len(self._told) > REMEMBERED:
                del self._told[next(iter(self._told))]
        return False

    def _recipients(self, entry: LogEntry) -> Iterator[str]:
        if self._administrator:
            yield ADMINISTRATOR
        if not NOTICES[entry.event].partners:
            return
        contracts = self._journal.profiles("evaluation")
        for partner in self._journal.profiles("communication"):
            if isinstance(partner, CommunicationProfile) and entry.event in partner.notices and _concerns(entry, partner, contracts):
                yield partner.partner_id

    def _notice(self, entry: LogEntry) -> Notice:
        kind = EVENTS[entry.event]
        return Notice(
            message_id=str(UUID(bytes=self._random(16), version=4)),
            device=self._device_id,
            event=entry.event,
            event_id=kind.number,
            level=kind.level.name,
            time=entry.time,
            subject=entry.subject,
            success=entry.success,
            parameters=dict(entry.parameters),
        )


def _concerns(entry: LogEntry, partner: CommunicationProfile, contracts: list[Profile]) -> bool:
    """Tell whether a partner may hear of an event: of a meter only who gets values of it."""
    meter = entry.parameters.get("meter")
    if meter is None:
        return True
    return any(
        isinstance(contract, EvaluationProfile) and contract.meter_id == meter and partner.partner_id in contract.recipients
        for contract in contracts
    )

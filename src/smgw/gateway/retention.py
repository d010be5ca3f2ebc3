"""What may be deleted, and deleting it: the oldest first, block by block, and nothing whose consequences are not acknowledged.

| what | stays |
| --- | --- |
| readings | 13 months, and until everything drawn from them is booked, sent and acknowledged |
| readings that a contract covers | besides, 24 months and until six weeks after the end of their billing period |
| register values | 36 months, and until sent and acknowledged |
| consumer logs | 24 months |
| system log | a ring: entries older than 12 months go when it is filled to 75 % |
| acknowledged messages | 13 months: their receipts prove the delivery |
| calibration log, profiles, seals, cuts | for ever |

The days, months and years shown to consumers are drawn from the readings themselves; therefore these stay for 24 months where somebody
sees them (this project's choice). A block is cut off the beginning of its chain under a signed cut; the log entry that tells of it stands
or falls with it. Deleting needs a valid clock: a wrong one could make everything old.
Source: MEAS-04; 20-wan-crypto-pki 3.4; TR-03109-1 Annex VI, 3.6 and table 1, 5.3.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial

from smgw.codec.delivery_xml import decode_delivery
from smgw.core.instant import from_microseconds, local_day, local_midnight
from smgw.core.log_event import Log
from smgw.core.obis import Obis
from smgw.core.profiles import EvaluationProfile
from smgw.gateway.billing import billing_period, open_since
from smgw.gateway.config import RetentionRules, StorageLimits
from smgw.gateway.contracts import contract_terms
from smgw.gateway.evaluation import ON_DEMAND
from smgw.gateway.limits import limits_in_force
from smgw.gateway.logs import Recorder
from smgw.gateway.tariffs import METHODS, Tariffs, extremes_key
from smgw.storage.chain import Signer
from smgw.storage.journal import Cut, Journal

BLOCK_ROWS = 2_000
"""Rows of one block: what is deleted in one transaction."""

RING_PERCENT = 75
"""The system log is emptied down to this share of its limit."""

RING_STEP = 100
"""Fewer entries of the system log are not worth a cut, which makes an entry itself."""

_NEVER = datetime(9999, 1, 1, tzinfo=UTC)
_ALWAYS = datetime(1970, 1, 1, tzinfo=UTC)


def months_before(now: datetime, months: int) -> datetime:
    """Give the local midnight so many calendar months before the day of `now`; the 31st becomes the last day of a shorter month."""
    today = local_day(now)
    index = today.year * 12 + today.month - 1 - months
    first = today.replace(year=index // 12, month=index % 12 + 1, day=1)
    last = (first.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)
    return local_midnight(first.replace(day=min(today.day, last.day)))


def settled_until(journal: Journal, tariffs: Tariffs, profile: EvaluationProfile) -> datetime:
    """Give the moment before which nothing of a contract is to be booked, sent or acknowledged any more."""
    marks = []
    if profile.taf == 1:
        marks.append(_mark(journal, f"booked/{profile.profile_id}"))
    elif profile.taf == 8:
        marks.append(_mark(journal, extremes_key(profile)))
    elif profile.taf in METHODS:
        marks.append(tariffs.booked_until(profile))
    if profile.taf not in ON_DEMAND:
        marks += [_mark(journal, f"queued/{profile.profile_id}/{partner}") for partner in profile.recipients]
    # What has come to the end of its term holds nothing back.
    marks = [mark for mark in marks if profile.valid_to is None or mark < profile.valid_to]
    late = (open_since(journal, profile) if profile.taf == 1 else None) or _NEVER
    return min(*marks, late, _waiting_since(journal, profile), _NEVER)


def _mark(journal: Journal, key: str) -> datetime:
    stored = journal.get_state(key)
    return _ALWAYS if stored is None else from_microseconds(int.from_bytes(stored, "big"))


def _waiting_since(journal: Journal, profile: EvaluationProfile) -> datetime:
    """Give the start of what the contract's oldest message without receipt is for; messages wait in the order of their time."""
    oldest = journal.oldest_pending(profile.profile_id)
    return _NEVER if oldest is None else decode_delivery(oldest.body).period_start


def release_of(journal: Journal, tariffs: Tariffs, profile: EvaluationProfile, now: datetime, rules: RetentionRules) -> datetime:
    """Give the moment before which a contract needs no readings: the start of its oldest billing period that is not over for long enough.

    The reading at a boundary belongs to the period that begins there, too. A contract that has ended needs none once its last period is
    over for long enough and everything sent is acknowledged.
    """
    over = now - timedelta(weeks=rules.weeks_after_billing)
    if profile.valid_to is not None and billing_period(profile, profile.valid_to)[1] <= over:
        return _waiting_since(journal, profile)
    needed = min(over, settled_until(journal, tariffs, profile))
    first = billing_period(profile, profile.valid_from)[0]
    return first if needed < first else billing_period(profile, needed)[0]


class Retention:
    """Delete what is past its time."""

    def __init__(self, journal: Journal, recorder: Recorder, signer: Signer, rules: RetentionRules, limits: StorageLimits) -> None:
        self._journal = journal
        self._recorder = recorder
        self._signer = signer
        self._rules = rules
        self._limits = limits
        self._tariffs = Tariffs(journal)

    def run(self, now: datetime) -> Iterator[Cut]:
        """Delete block by block everything that may go at a moment; the caller may do other work between two blocks.

        `now` must come from a valid clock. Raises: Unavailable when the disk refuses, with nothing half done.
        """
        journal = self._journal
        yield from self._cut("readings", "", now, lambda: journal.released_readings(self._readings(now), now, BLOCK_ROWS))
        yield from self._cut("registers", "", now, lambda: journal.released_registers(self._registers(now), now, BLOCK_ROWS))
        shown = months_before(now, self._rules.display_months)
        for consumer in journal.scopes(Log.CONSUMER):
            released = partial(journal.released_log, Log.CONSUMER, consumer, shown, now, BLOCK_ROWS)
            yield from self._cut(Log.CONSUMER, consumer, now, released)
        yield from self._cut(Log.SYSTEM, "", now, lambda: self._ring(now))
        while journal.forget_deliveries(months_before(now, self._rules.reading_months), BLOCK_ROWS):
            pass

    def _cut(self, kind: str, scope: str, now: datetime, released: Callable[[], int]) -> Iterator[Cut]:
        while number := released():
            with self._journal.transaction():
                cut = self._journal.cut(kind, scope, number, now, self._signer)
                self._recorder.record("retention_deleted", chain=f"{kind} {scope}".strip(), count=cut.removed, number=number)
            yield cut

    def _contracts(self) -> list[EvaluationProfile]:
        return contract_terms(self._journal)

    def _readings(self, now: datetime) -> dict[tuple[str, Obis], datetime]:
        """Give the moment before which readings of each series may go."""
        plain = months_before(now, self._rules.reading_months)
        shown = months_before(now, max(self._rules.display_months, self._rules.reading_months))
        releases = dict.fromkeys(self._journal.series(), plain)
        for profile in self._contracts():
            needed = min(shown, release_of(self._journal, self._tariffs, profile, now, self._rules))
            for text in profile.registers:
                series = (profile.meter_id, Obis.parse(text))
                if series in releases:
                    releases[series] = min(releases[series], needed)
        return releases

    def _registers(self, now: datetime) -> dict[str, datetime]:
        """Give the moment before which the periods of each contract's register values must have ended."""
        aged = months_before(now, self._rules.register_months)
        ends: dict[str, datetime] = {}
        for profile in self._contracts():
            settled = settled_until(self._journal, self._tariffs, profile)
            ends[profile.profile_id] = min(ends.get(profile.profile_id, aged), settled)
        return ends

    def _ring(self, now: datetime) -> int:
        surplus = self._journal.stored_rows(Log.SYSTEM) - limits_in_force(self._journal, self._limits).system_log * RING_PERCENT // 100
        if surplus < RING_STEP:
            return 0
        aged = months_before(now, self._rules.system_log_months)
        return self._journal.released_log(Log.SYSTEM, "", aged, now, min(surplus, BLOCK_ROWS))

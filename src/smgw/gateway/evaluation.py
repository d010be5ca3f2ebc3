"""From readings to what partners get: apply every evaluation profile, and queue what is due in the same transaction.

The watermark of a profile and partner is the period end up to which everything is queued; it moves in the transaction that queues, so a
power failure neither loses nor doubles a value.
"""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from uuid import UUID

from smgw.codec.delivery_xml import encode_delivery
from smgw.core.contract import term_at
from smgw.core.delivery import Delivery, reading_order
from smgw.core.errors import DomainFault, IntegrityFault, SmgwError, Unavailable
from smgw.core.instant import from_microseconds, local_day, local_midnight, microseconds, period_floor
from smgw.core.obis import Obis
from smgw.core.profiles import EvaluationProfile
from smgw.core.quantity import unit_symbol
from smgw.core.reading import SignedReading
from smgw.core.register import RegisterValue
from smgw.gateway.billing import billing_period, book_billing_periods
from smgw.gateway.contracts import Term, contract_terms, term_of
from smgw.gateway.logs import Recorder
from smgw.gateway.tariffs import METHODS, Tariffs, book_extremes
from smgw.storage.journal import Journal, OutboxMessage
from smgw.tariff import taf12, taf13
from smgw.tariff.contract_rules import PUSHED, rules_of
from smgw.tariff.taf07 import SeriesValue
from smgw.tariff.taf12 import SignalKind

__all__ = ["VALUES_PER_MESSAGE", "Evaluation", "billing_period", "due_until"]

VALUES_PER_MESSAGE = 1000
"""At most so many readings in one delivery, about 0.6 MiB of XML; more wait for the next one."""

OCTETS_PER_MESSAGE = 1 << 20
"""At most about so many octets of XML in one delivery with registers; a partner takes twice as many."""

READING_OCTETS, REGISTER_OCTETS = 700, 1000

REGISTERS = frozenset({1, 8, *METHODS})
"""Use cases that give register values at the end of a billing period."""

ON_DEMAND = frozenset({6, 11}) | PUSHED
"""Use cases whose values are sent when the administrator orders it, or with the telegram that brings them."""

PORTAL = 13
"""The use case that copies what another contract gave."""

SETTLED = timedelta(days=1)
"""So long after its end a term is still looked at."""

_SIGNALS = {SignalKind.WARNING: "credit_low", SignalKind.CUT_OFF: "credit_used_up", SignalKind.RELEASE: "credit_restored"}


def _over_key(profile: EvaluationProfile) -> str:
    return "over/" + "/".join(term_of(profile))


def parts_of(
    readings: tuple[SignedReading, ...], registers: tuple[RegisterValue, ...]
) -> list[tuple[tuple[SignedReading, ...], tuple[RegisterValue, ...]]]:
    """Split what is to be sent into messages of bounded size: all readings in the first, then registers in their order.

    A register names the readings that it was made of, and for a year these are many; one register alone always fits.
    """
    parts: list[list[RegisterValue]] = [[]]
    room = OCTETS_PER_MESSAGE - len(readings) * READING_OCTETS
    for value in registers:
        octets = REGISTER_OCTETS + sum(len(str(number)) + 1 for number in value.inputs)
        if octets > room and (parts[-1] or (readings and len(parts) == 1)):
            parts.append([])
            room = OCTETS_PER_MESSAGE
        parts[-1].append(value)
        room -= octets
    return [(readings if number == 0 else (), tuple(part)) for number, part in enumerate(parts)]


def due_until(profile: EvaluationProfile, closed: datetime) -> datetime:
    """Give the last moment up to which a profile's results are to be sent, once all periods up to `closed` are decided.

    At the end of the contract everything is due.
    """
    if profile.valid_to is not None and closed >= profile.valid_to:
        return profile.valid_to
    match profile.delivery:
        case "period":
            return closed
        case "daily":
            return local_midnight(local_day(closed))
        case "billing":
            return billing_period(profile, closed)[0]


class Evaluation:
    """Apply evaluation profiles to what the journal holds and fill the outbox.

    Source: TAF-23, TAF-30, WAN-05, WAN-06.
    """

    def __init__(self, journal: Journal, recorder: Recorder, gateway_id: str, random: Callable[[int], bytes]) -> None:
        self._journal = journal
        self._recorder = recorder
        self.tariffs = Tariffs(journal)
        self._gateway_id = gateway_id
        self._random = random
        self._failing: dict[Term, str] = {}
        """Terms that can't be evaluated at present, with the code that was told."""
        self._over: set[Term] = set()
        """Terms that ended and of which everything is booked and queued."""

    def run(self, profiles: Iterable[EvaluationProfile], meter_id: str, closed: datetime, now: datetime) -> int:
        """Evaluate all terms of one meter's contracts up to `closed`; returns the number of messages queued. Joins an open transaction.

        `profiles` are those of `core.contract.terms`; a term waits until the one before it is booked to its end.
        """
        queued = 0
        waiting: set[str] = set()
        # Copies come after what they are copied from.
        for profile in sorted(profiles, key=lambda profile: (profile.taf == PORTAL, profile.profile_id, profile.valid_from)):
            if profile.meter_id != meter_id or profile.valid_from > closed or profile.profile_id in waiting or self._was_over(profile):
                continue
            self._tell_active(profile)
            queued += self._contain(profile, closed, now)
            if not self._is_over(profile, closed):
                waiting.add(profile.profile_id)
        return queued

    def _is_over(self, profile: EvaluationProfile, closed: datetime) -> bool:
        """Tell whether the next term may begin, and remember a term that needs no evaluation any more."""
        if profile.valid_to is None or closed < profile.valid_to:
            return False
        if term_of(profile) in self._failing:
            # Credit must not be lost between two terms; all else goes on.
            return profile.taf != taf12.NUMBER
        if profile.taf in METHODS and self.tariffs.booked_until(profile) < profile.valid_to:
            return False
        if closed >= profile.valid_to + SETTLED:
            self._journal.set_state(_over_key(profile), b"1")
        return True

    def _was_over(self, profile: EvaluationProfile) -> bool:
        """Tell whether a term needs no evaluation any more; only what the journal says counts, because a commit may fail."""
        if profile.valid_to is None:
            return False
        if term_of(profile) not in self._over and self._journal.get_state(_over_key(profile)) is not None:
            self._over.add(term_of(profile))
        return term_of(profile) in self._over

    def _tell_active(self, profile: EvaluationProfile) -> None:
        key = f"active/{profile.profile_id}"
        known = int.from_bytes(self._journal.get_state(key) or b"", "big")
        if profile.version > known:
            facts = {"kind": "evaluation", "id": profile.profile_id, "version": profile.version}
            self._recorder.record_with("profile_activated", facts, subject=profile.profile_id)
            self._journal.set_state(key, profile.version.to_bytes(8, "big"))

    def _contain(self, profile: EvaluationProfile, closed: datetime, now: datetime) -> int:
        """Evaluate one contract; what it can't do stays its own affair, is told once, and stops neither measuring nor other contracts."""
        try:
            with self._journal.transaction():
                queued = self._evaluate(profile, closed, now)
        except (Unavailable, IntegrityFault):
            raise
        except SmgwError as fault:
            if self._failing.get(term_of(profile)) != fault.code:
                self._recorder.record(
                    "evaluation_failed",
                    consumers=[profile.consumer_id],
                    subject=profile.profile_id,
                    success=False,
                    contract=profile.profile_id,
                    code=fault.code,
                )
            self._failing[term_of(profile)] = fault.code
            return 0
        self._failing.pop(term_of(profile), None)
        return queued

    def _evaluate(self, profile: EvaluationProfile, closed: datetime, now: datetime) -> int:
        end = min(closed, profile.valid_to) if profile.valid_to is not None else closed
        due, signalled = due_until(profile, end), 0
        if profile.taf == 1 and (booked := book_billing_periods(self._journal, profile, end, now)) is not None:
            due = max(due, booked)
        elif profile.taf in METHODS:
            due, signalled = self._price(profile, closed, now)
        elif profile.taf == 8:
            due = book_extremes(self._journal, profile, end, now)
        elif profile.taf in ON_DEMAND:
            return 0
        elif profile.taf == PORTAL:
            due = min(due, self._copied_until(self._source(profile, now), end))
        return signalled + sum(self._queue(profile, partner, due, now) for partner in profile.recipients)

    def _price(self, profile: EvaluationProfile, closed: datetime, now: datetime) -> tuple[datetime, int]:
        """Carry a tariff on and tell what it signals; gives the moment up to which its periods are booked, and the messages queued."""
        booked = self.tariffs.advance(profile, closed, now)
        for code in booked.faults:
            self._tell(profile, "evaluation_failed", success=False, code=code)
        for signal in booked.signals:
            left = signal.remaining
            self._tell(
                profile,
                _SIGNALS[signal.kind],
                success=signal.kind is not SignalKind.CUT_OFF,
                remaining=f"{left.decimal()} {unit_symbol(left.unit)}",
            )
        return booked.until, sum(self._send_signal(profile, signal, now) for signal in booked.signals)

    def _send_signal(self, profile: EvaluationProfile, signal: taf12.Signal, now: datetime) -> int:
        """Queue a warning, cut-off or release for the recipients, who pass it on to the control box; gives the number of messages."""
        values = taf12.signal_values(signal, profile_id=profile.profile_id, created_at=now)
        return len(self.send(profile, (signal.time, signal.time), now, registers=values))

    def _tell(self, profile: EvaluationProfile, event: str, *, success: bool, **parameters: str) -> None:
        self._recorder.record_with(
            event,
            {"contract": profile.profile_id, **parameters},
            consumers=[profile.consumer_id],
            subject=profile.profile_id,
            success=success,
        )

    def _watermark(self, key: str, profile: EvaluationProfile) -> datetime:
        stored = self._journal.get_state(key)
        earliest = period_floor(profile.valid_from, profile.period_s) - timedelta(seconds=1)
        if stored is not None:
            return max(earliest, from_microseconds(int.from_bytes(stored, "big")))
        first = min(
            (r.reading.target_time for r in (self._journal.first_reading(profile.meter_id, Obis.parse(o)) for o in profile.registers) if r),
            default=profile.valid_from,
        )
        # The first value counts, so the mark starts just before it; values from before the profile's start stay out.
        return max(first - timedelta(seconds=1), earliest)

    def _set_watermark(self, key: str, moment: datetime) -> None:
        octets = microseconds(moment).to_bytes(8, "big")
        if octets != self._journal.get_state(key):
            self._journal.set_state(key, octets)

    def _queue(self, profile: EvaluationProfile, partner: str, due: datetime, now: datetime) -> int:
        key = f"queued/{profile.profile_id}/{partner}"
        mark = self._watermark(key, profile)
        queued = 0
        while mark < due:
            readings, registers, end = self._content(profile, mark, due, now)
            if readings or registers:
                queued += len(self._enqueue(profile, partner, (mark, end), now, readings, registers))
            mark = end
        self._set_watermark(key, mark)
        return queued

    def _source(self, profile: EvaluationProfile, now: datetime) -> EvaluationProfile:
        wanted = rules_of(profile).contract
        for other in term_at(contract_terms(self._journal), now):
            if other.profile_id == wanted:
                return other
        raise DomainFault("tariff.source", wanted[:40])

    def _copied_until(self, source: EvaluationProfile, closed: datetime) -> datetime:
        """Give the moment up to which a contract has given everything that can be copied."""
        if source.taf in METHODS:
            return self.tariffs.booked_until(source)
        return billing_period(source, closed)[0] if source.taf in REGISTERS else closed

    def _copies(
        self,
        profile: EvaluationProfile,
        readings: tuple[SignedReading, ...],
        registers: tuple[RegisterValue, ...],
        end: datetime,
        now: datetime,
    ) -> tuple[tuple[SignedReading, ...], tuple[RegisterValue, ...], datetime]:
        """Leave what lies in the time of the consent. Raises: DomainFault tariff.consent."""
        source, consent = self._source(profile, now), rules_of(profile).consent
        values = [SeriesValue(signed.reading, signed) for signed in readings]
        about = {"consumer_id": profile.consumer_id, "recipient": consent.recipient, "now": now}
        copy = taf13.evaluate(source.taf, consent, registers=registers, values=values, **about)
        return tuple(value.source for value in copy.values if value.source is not None), copy.registers, end

    def send(
        self,
        profile: EvaluationProfile,
        period: tuple[datetime, datetime],
        now: datetime,
        *,
        readings: Iterable[SignedReading] = (),
        registers: Iterable[RegisterValue] = (),
        pseudonym: str = "",
    ) -> list[str]:
        """Queue values for every recipient of a contract besides what is due; gives the message ids. Joins an open transaction.

        A pseudonym stands in place of the gateway; meter and readings must bear it already.
        """
        ordered, values = tuple(sorted(readings, key=reading_order)), tuple(registers)
        if not ordered and not values:
            return []
        sender = pseudonym or self._gateway_id
        return [each for partner in profile.recipients for each in self._enqueue(profile, partner, period, now, ordered, values, sender)]

    def _enqueue(
        self,
        profile: EvaluationProfile,
        partner: str,
        period: tuple[datetime, datetime],
        now: datetime,
        readings: tuple[SignedReading, ...],
        registers: tuple[RegisterValue, ...],
        sender: str = "",
    ) -> list[str]:
        """Put one message into the outbox, or several when it would become too large; gives their ids."""
        parts = parts_of(readings, registers)
        return [self._enqueue_part(profile, partner, period, now, *part, sender) for part in parts]

    def _enqueue_part(
        self,
        profile: EvaluationProfile,
        partner: str,
        period: tuple[datetime, datetime],
        now: datetime,
        readings: tuple[SignedReading, ...],
        registers: tuple[RegisterValue, ...],
        sender: str,
    ) -> str:
        message_id = str(UUID(bytes=self._random(16), version=4))
        delivery = Delivery(
            message_id=message_id,
            created_at=now,
            sender=sender or self._gateway_id,
            recipient=partner,
            contract=profile.profile_id,
            taf=profile.taf,
            metering_point_id=profile.metering_point_id,
            period_start=period[0],
            period_end=period[1],
            meter_id=profile.meter_id,
            readings=readings,
            registers=registers,
        )
        self._journal.enqueue(OutboxMessage(message_id, partner, profile.profile_id, encode_delivery(delivery), now))
        return message_id

    def _content(
        self, profile: EvaluationProfile, after: datetime, until: datetime, now: datetime
    ) -> tuple[tuple[SignedReading, ...], tuple[RegisterValue, ...], datetime]:
        """Collect what is due in (after, until], at most one message's worth, and say how far it reaches."""
        if profile.taf == PORTAL:
            return self._copies(profile, *self._content(self._source(profile, now), after, until, now), now)
        if profile.taf in REGISTERS:
            return (), tuple(self._journal.registers(profile.profile_id, after=after, until=until)), until
        codes = [Obis.parse(text) for text in profile.registers]
        readings = self._journal.readings(profile.meter_id, codes, after=after, until=until, limit=VALUES_PER_MESSAGE + 1)
        if len(readings) > VALUES_PER_MESSAGE:
            # Whole period ends only: the last one may be cut, so it waits for the next message.
            until = readings[-1].reading.target_time
            readings = [signed for signed in readings if signed.reading.target_time < until]
            until = readings[-1].reading.target_time
        return tuple(sorted(readings, key=reading_order)), (), until

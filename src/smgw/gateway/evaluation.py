"""From readings to what partners get: apply every evaluation profile, and queue what is due in the same transaction.

The watermark of a profile and partner is the period end up to which everything is queued; it moves in the transaction that queues, so a
power failure neither loses nor doubles a value.
"""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from uuid import UUID

from smgw.codec.delivery_xml import encode_delivery
from smgw.core.delivery import Delivery, reading_order
from smgw.core.instant import from_microseconds, local_day, local_midnight, microseconds, month_bounds, period_floor
from smgw.core.obis import Obis
from smgw.core.profiles import EvaluationProfile
from smgw.core.reading import SignedReading
from smgw.core.register import RegisterValue
from smgw.gateway.logs import Recorder
from smgw.storage.journal import Journal, OutboxMessage
from smgw.tariff.taf01 import evaluate as evaluate_taf01

VALUES_PER_MESSAGE = 1000
"""At most so many readings in one delivery, about 0.6 MiB of XML; more wait for the next one."""


def due_until(profile: EvaluationProfile, closed: datetime) -> datetime:
    """Give the last moment up to which a profile's results are to be sent, once all periods up to `closed` are decided."""
    match profile.delivery:
        case "period":
            return closed
        case "daily":
            return local_midnight(local_day(closed))
        case "billing":
            return billing_period(profile, closed)[0]


def billing_period(profile: EvaluationProfile, moment: datetime) -> tuple[datetime, datetime]:
    """Give the billing period that holds `moment`, as aware UTC; periods are counted in calendar months from the profile's start."""
    start_day = local_day(profile.valid_from).replace(day=1)
    today = local_day(moment)
    elapsed = (today.year - start_day.year) * 12 + today.month - start_day.month
    index = start_day.year * 12 + start_day.month - 1 + elapsed // profile.billing_months * profile.billing_months
    first = start_day.replace(year=index // 12, month=index % 12 + 1)
    return month_bounds(first, profile.billing_months)


class Evaluation:
    """Apply evaluation profiles to what the journal holds and fill the outbox.

    Source: TAF-23, TAF-30, WAN-05, WAN-06.
    """

    def __init__(self, journal: Journal, recorder: Recorder, gateway_id: str, random: Callable[[int], bytes]) -> None:
        self._journal = journal
        self._recorder = recorder
        self._gateway_id = gateway_id
        self._random = random

    def run(self, profiles: Iterable[EvaluationProfile], meter_id: str, closed: datetime, now: datetime) -> int:
        """Evaluate all profiles of one meter up to `closed`; returns the number of messages queued. Joins an open transaction."""
        queued = 0
        for profile in profiles:
            if profile.meter_id != meter_id or profile.valid_from > now:
                continue
            end = min(closed, profile.valid_to) if profile.valid_to is not None else closed
            if profile.taf == 1:
                self._book_billing_periods(profile, end, now)
            for partner in profile.recipients:
                queued += self._queue(profile, partner, due_until(profile, end), now)
        return queued

    def _watermark(self, key: str, profile: EvaluationProfile) -> datetime:
        stored = self._journal.get_state(key)
        if stored is not None:
            return from_microseconds(int.from_bytes(stored, "big"))
        first = min(
            (r.reading.target_time for r in (self._journal.first_reading(profile.meter_id, Obis.parse(o)) for o in profile.registers) if r),
            default=profile.valid_from,
        )
        # The first value counts, so the mark starts just before it; values from before the profile's start stay out.
        return max(first, period_floor(profile.valid_from, profile.period_s)) - timedelta(seconds=1)

    def _set_watermark(self, key: str, moment: datetime) -> None:
        self._journal.set_state(key, microseconds(moment).to_bytes(8, "big"))

    def _queue(self, profile: EvaluationProfile, partner: str, due: datetime, now: datetime) -> int:
        key = f"queued/{profile.profile_id}/{partner}"
        mark = self._watermark(key, profile)
        queued = 0
        while mark < due:
            readings, registers, end = self._content(profile, mark, due)
            if readings or registers:
                message_id = str(UUID(bytes=self._random(16), version=4))
                delivery = Delivery(
                    message_id=message_id,
                    created_at=now,
                    sender=self._gateway_id,
                    recipient=partner,
                    contract=profile.profile_id,
                    taf=profile.taf,
                    metering_point_id=profile.metering_point_id,
                    period_start=mark,
                    period_end=end,
                    meter_id=profile.meter_id,
                    readings=readings,
                    registers=registers,
                )
                self._journal.enqueue(OutboxMessage(message_id, partner, profile.profile_id, encode_delivery(delivery), now))
                queued += 1
            mark = end
        self._set_watermark(key, mark)
        return queued

    def _content(
        self, profile: EvaluationProfile, after: datetime, until: datetime
    ) -> tuple[tuple[SignedReading, ...], tuple[RegisterValue, ...], datetime]:
        """Collect what is due in (after, until], at most one message's worth, and say how far it reaches."""
        if profile.taf == 1:
            return (), tuple(self._journal.registers(profile.profile_id, after=after, until=until)), until
        codes = [Obis.parse(text) for text in profile.registers]
        readings = self._journal.readings(profile.meter_id, codes, after=after, until=until, limit=VALUES_PER_MESSAGE + 1)
        if len(readings) > VALUES_PER_MESSAGE:
            # Whole period ends only: the last one may be cut, so it waits for the next message.
            until = readings[-1].reading.target_time
            readings = [signed for signed in readings if signed.reading.target_time < until]
            until = readings[-1].reading.target_time
        return tuple(sorted(readings, key=reading_order)), (), until

    def _book_billing_periods(self, profile: EvaluationProfile, closed: datetime, now: datetime) -> None:
        key = f"booked/{profile.profile_id}"
        stored = self._journal.get_state(key)
        mark = from_microseconds(int.from_bytes(stored, "big")) if stored is not None else billing_period(profile, profile.valid_from)[0]
        start, end = billing_period(profile, mark)
        while end <= closed:
            self._journal.append_registers(self._bill(profile, start, end, now))
            self._set_watermark(key, end)
            start, end = billing_period(profile, end)

    def _bill(self, profile: EvaluationProfile, start: datetime, end: datetime, now: datetime) -> list[RegisterValue]:
        codes = [Obis.parse(text) for text in profile.registers]
        # The boundary values decide; readings after the end name the next valid one when a boundary value is not usable.
        readings = self._journal.readings(profile.meter_id, codes, after=start - timedelta(seconds=1), until=end)
        return evaluate_taf01(profile, readings, start, end, now)

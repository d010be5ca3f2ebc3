"""Fill the consumer interface from the gateway's journal."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Literal

from smgw.core.contract import shown_terms, term_at
from smgw.core.instant import Clock
from smgw.core.log_event import Log
from smgw.core.obis import Obis
from smgw.core.profiles import ConsumerProfile, EvaluationProfile, MeterProfile, RegisterProfile
from smgw.core.reading import Reading, SignedReading
from smgw.core.register import RegisterValue
from smgw.gateway.contracts import contract_terms
from smgw.gateway.evaluation import billing_period
from smgw.gateway.han.ports import BillingPeriod, Channel, Contract, Credit, GatewayInfo
from smgw.gateway.logs import Recorder
from smgw.gateway.tariffs import Tariffs
from smgw.storage.journal import Journal, StoredLogEntry
from smgw.tariff import taf12
from smgw.tariff.contract_rules import PUSHED, rules_of

_TICK = timedelta(microseconds=1)
_LOOK_BACK = timedelta(days=31)


class JournalData:
    """Answer the consumer interface from journal and profiles.

    A contract shows only values of its own registers and of its own time, so that who moves in never sees what was measured before.
    Source: CON-03, TAF-23.
    """

    def __init__(
        self,
        journal: Journal,
        recorder: Recorder,
        *,
        clock: Clock,
        gateway_info: Callable[[], GatewayInfo],
        start_self_test: Callable[[], None],
        current: Callable[[str], tuple[Reading, ...]] = lambda profile_id: (),
    ) -> None:
        self._journal = journal
        self._recorder = recorder
        self._clock = clock
        self._gateway_info = gateway_info
        self._start_self_test = start_self_test
        self._current = current
        self._tariffs = Tariffs(journal)

    def consumer_by_user(self, user: str) -> ConsumerProfile | None:
        """Find a consumer by user name."""
        return next((profile for profile in self._consumers() if profile.user_name == user), None)

    def consumer_by_id(self, consumer_id: str) -> ConsumerProfile | None:
        """Find a consumer by logical name."""
        return next((profile for profile in self._consumers() if profile.consumer_id == consumer_id), None)

    def consumer_by_certificate(self, fingerprint: str) -> ConsumerProfile | None:
        """Find a consumer by the SHA-256 fingerprint of a client certificate, lower-case hex."""
        return next((profile for profile in self._consumers() if fingerprint in profile.certificate_fingerprints), None)

    def _consumers(self) -> Iterator[ConsumerProfile]:
        return (profile for profile in self._journal.profiles("consumer") if isinstance(profile, ConsumerProfile))

    def contracts(self, consumer_id: str) -> list[Contract]:
        """List a consumer's contracts, oldest first."""
        meters = {meter.meter_id: meter for meter in self._journal.profiles("meter") if isinstance(meter, MeterProfile)}
        own = [profile for profile in shown_terms(contract_terms(self._journal), self._clock.now()) if profile.consumer_id == consumer_id]
        own.sort(key=lambda profile: (profile.valid_from, profile.profile_id))
        return [self._contract(profile, meters.get(profile.meter_id)) for profile in own]

    def _contract(self, profile: EvaluationProfile, meter: MeterProfile | None) -> Contract:
        now = self._clock.now()
        admitted = {register.code: register for register in meter.registers} if meter else {}
        codes = [Obis.parse(text) for text in profile.registers]
        return Contract(
            profile=profile,
            medium=meter.medium if meter else "electricity",
            state=contract_state(profile, now),
            channels=tuple(self._channel(profile.meter_id, admitted.get(code, RegisterProfile(str(code)))) for code in codes),
            billing_periods=tuple(billing_periods(profile, now)),
            signed_profile=self._journal.profile_document("evaluation", profile.profile_id) or b"",
        )

    def _channel(self, meter_id: str, register: RegisterProfile) -> Channel:
        """Take the shown scaler where the meter's values reach it exactly, else the meter's own finer one."""
        ends = (self._journal.first_reading(meter_id, register.code), self._journal.last_reading(meter_id, register.code))
        native = [signed.reading.scaler for signed in ends if signed is not None and signed.reading.raw is not None]
        last = ends[1]
        return Channel(register.code, min((register.shown_scaler, *native)), last.reading.unit if last else register.unit)

    def readings(
        self, contract: Contract, obis: Sequence[Obis], *, after: datetime, until: datetime, limit: int | None = None
    ) -> list[SignedReading]:
        """Read values of the contract's own registers and time, ordered by target time; `after` is exclusive, `until` inclusive."""
        return contract_readings(self._journal, contract.profile, obis, after, until, limit)

    def last_readings(self, contract: Contract, obis: Sequence[Obis]) -> list[SignedReading]:
        """Read the newest value of each register that has one."""
        return [signed for code in obis if contract.channel(code) and (signed := self._last(contract, code)) is not None]

    def _last(self, contract: Contract, code: Obis) -> SignedReading | None:
        profile = contract.profile
        newest = self._journal.last_reading(profile.meter_id, code)
        if newest is None or newest.reading.target_time < profile.valid_from:
            return None
        ended = profile.valid_to is not None and newest.reading.target_time > profile.valid_to
        if newest.reading.raw is not None and not ended:
            return newest
        until = profile.valid_to if ended and profile.valid_to else newest.reading.target_time
        recent = self.readings(contract, [code], after=until - _LOOK_BACK, until=until)
        return next((signed for signed in reversed(recent) if signed.reading.raw is not None), None)

    def current(self, contract: Contract) -> list[Reading]:
        """Give the newest value of each register of a running contract whose values are sent on and not stored (TAF 9, 10, 14)."""
        if contract.state != "running" or contract.profile.taf not in PUSHED:
            return []
        return [reading for reading in self._current(contract.profile.profile_id) if contract.channel(reading.obis)]

    def credit(self, contract: Contract) -> Credit | None:
        """Give the credit of a prepaid contract; None for all others, and before the first usable reading."""
        if contract.state != "running" or contract.profile.taf != taf12.NUMBER:
            return None
        terms = [term for term in contract_terms(self._journal) if term.profile_id == contract.profile.profile_id]
        for term in term_at(terms, self._clock.now()):
            for state in self._tariffs.states(term).values():
                if state.last is not None:
                    return Credit(state.remaining(rules_of(term)), state.level.value)
        return None

    def registers(self, contract: Contract, *, after: datetime, until: datetime) -> list[RegisterValue]:
        """Read what the tariff use case made of the readings; `after` is exclusive, `until` inclusive."""
        return self._journal.registers(contract.profile.profile_id, after=after, until=until)

    def log(
        self,
        consumer_id: str,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        from_index: int | None = None,
        count: int | None = None,
    ) -> list[StoredLogEntry]:
        """Read a consumer's own log, oldest first; `since` and `from_index` are inclusive, `until` is exclusive."""
        return self._journal.log(Log.CONSUMER, consumer_id, since=since, until=until, from_index=from_index, count=count)

    def log_count(self, consumer_id: str) -> int:
        """Count the entries of a consumer's own log."""
        return self._journal.log_count(Log.CONSUMER, consumer_id)

    def record(self, event: str, consumer_id: str = "", *, subject: str = "", success: bool = True, **parameters: object) -> None:
        """Write an event to the logs that the catalogue names for it."""
        consumers = (consumer_id,) if consumer_id else ()
        self._recorder.record(event, consumers=consumers, subject=subject, success=success, **parameters)

    def gateway_info(self) -> GatewayInfo:
        """Describe the gateway at this moment."""
        return self._gateway_info()

    def start_self_test(self) -> None:
        """Start a self-test; its result appears in the consumer's log."""
        self._start_self_test()


def contract_readings(
    journal: Journal, profile: EvaluationProfile, obis: Sequence[Obis], after: datetime, until: datetime, limit: int | None = None
) -> list[SignedReading]:
    """Read values of a contract's own registers and time, ordered by target time; `after` is exclusive, `until` inclusive.

    The only way from a contract to readings. Source: CON-03.
    """
    own = {Obis.parse(text) for text in profile.registers}
    codes = [code for code in obis if code in own]
    lower = max(after, profile.valid_from - _TICK)
    upper = until if profile.valid_to is None else min(until, profile.valid_to)
    if not codes or upper <= lower:
        return []
    return journal.readings(profile.meter_id, codes, after=lower, until=upper, limit=limit)


def contract_state(profile: EvaluationProfile, now: datetime) -> Literal["ready", "running", "archive"]:
    """Tell whether a contract is still to come, in force or over."""
    if now < profile.valid_from:
        return "ready"
    return "archive" if profile.valid_to is not None and now >= profile.valid_to else "running"


def billing_periods(profile: EvaluationProfile, now: datetime) -> Iterator[BillingPeriod]:
    """Give the billing periods that have begun, oldest first; a pure series of readings (TAF 7) has none."""
    last = now if profile.valid_to is None else min(now, profile.valid_to - _TICK)
    start, end = billing_period(profile, profile.valid_from)
    while profile.taf != 7 and start <= last and profile.valid_from <= last:
        yield BillingPeriod(start, end)
        start, end = billing_period(profile, end)

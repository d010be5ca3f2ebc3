"""Current values that are sent on but not stored: by time, and when one goes beyond a threshold (TAF 9, 10 and 14).

Nothing is kept over a stop but the messages that wait in the outbox; while one of a contract waits there, no other is put behind it.
Source: TAF-09, TAF-10, TAF-14.
"""

from collections.abc import Callable
from datetime import datetime

import msgspec

from smgw.core.errors import DomainFault, Unavailable
from smgw.core.instant import ClockStatus
from smgw.core.obis import Obis
from smgw.core.profiles import EvaluationProfile, MeterProfile
from smgw.core.reading import Reading, SignedReading
from smgw.core.status_word import GatewayStatus, meter_word
from smgw.gateway.acquisition import Record
from smgw.gateway.contracts import contract_terms
from smgw.gateway.evaluation import Evaluation
from smgw.gateway.logs import Recorder
from smgw.storage.journal import Journal
from smgw.tariff import taf14, trigger
from smgw.tariff.contract_rules import PUSHED, rules_of
from smgw.tariff.rules import TriggerRules
from smgw.tariff.trigger import Push, State


class LiveValues:
    """Hold the newest values of the registers that contracts of TAF 9, 10 and 14 name, and queue what they push."""

    def __init__(self, journal: Journal, recorder: Recorder, evaluation: Evaluation, sign: Callable[[Reading], bytes]) -> None:
        self._journal = journal
        self._recorder = recorder
        self._evaluation = evaluation
        self._sign = sign
        self._contracts: dict[bytes, list[tuple[EvaluationProfile, TriggerRules]]] = {}
        self._states: dict[str, State] = {}
        self._failing: dict[str, str] = {}

    def refresh(self) -> None:
        """Read the installed profiles anew; values of contracts that went are forgotten."""
        servers = {p.meter_id: bytes.fromhex(p.server_id) for p in self._journal.profiles("meter") if isinstance(p, MeterProfile)}
        self._contracts = {}
        kept: dict[str, State] = {}
        for profile in contract_terms(self._journal):
            if profile.taf in PUSHED and profile.meter_id in servers:
                self._contracts.setdefault(servers[profile.meter_id], []).append((profile, rules_of(profile)))
                kept[profile.profile_id] = self._states.get(profile.profile_id, State())
        self._states = kept

    def current(self, profile_id: str) -> tuple[Reading, ...]:
        """Give the newest value of each register of a contract, for a read-out on demand."""
        return self._states.get(profile_id, State()).current

    def take(self, record: Record, clock: ClockStatus, now: datetime) -> int:
        """Take one telegram of an admitted meter; gives the number of messages queued."""
        return sum(
            self._contain(profile, rules, record, clock, now)
            for profile, rules in self._contracts.get(record.server_id, ())
            if profile.valid_from <= now and (profile.valid_to is None or now < profile.valid_to)
        )

    def _contain(self, profile: EvaluationProfile, rules: TriggerRules, record: Record, clock: ClockStatus, now: datetime) -> int:
        try:
            return self._take(profile, rules, _readings(profile, record, clock), now)
        except Unavailable:
            # The state of the gateway tells of the store; a current value is not worth keeping until it takes data again.
            return 0
        except DomainFault as fault:
            self._states[profile.profile_id] = State()
            if self._failing.get(profile.profile_id) != fault.code:
                self._failing[profile.profile_id] = fault.code
                about = {"contract": profile.profile_id, "code": fault.code}
                self._recorder.note_with(
                    "evaluation_failed", about, consumers=[profile.consumer_id], subject=profile.profile_id, success=False
                )
            return 0

    def _take(self, profile: EvaluationProfile, rules: TriggerRules, readings: list[Reading], now: datetime) -> int:
        state = self._states[profile.profile_id]
        if profile.taf == taf14.NUMBER:
            state, pushes = taf14.step(rules, profile.consumer_id, state, readings, now)
        else:
            state, pushes = trigger.step(rules, state, readings, now)
        self._failing.pop(profile.profile_id, None)
        self._states[profile.profile_id] = state
        return sum(self._send(profile, rules, push) for push in pushes)

    def _send(self, profile: EvaluationProfile, rules: TriggerRules, push: Push) -> int:
        if self._journal.oldest_pending(profile.profile_id) is not None:
            return 0
        shown = msgspec.structs.replace(profile, meter_id=push.source)
        if rules.pseudonym:
            shown, push = msgspec.structs.replace(shown, metering_point_id=rules.pseudonym), _in_whole_seconds(push)
        times = [reading.target_time for reading in push.values]
        # A signature would tell which gateway measured.
        signed = [SignedReading(reading, b"" if rules.pseudonym else self._sign(reading), 0) for reading in push.values]
        with self._journal.transaction():
            return len(self._evaluation.send(shown, (min(times), max(times)), push.time, readings=signed, pseudonym=rules.pseudonym))


def _in_whole_seconds(push: Push) -> Push:
    """Leave out the part of a second at which a meter sends: it is as good as a name beside what is delivered openly of the same meter."""

    def whole(moment: datetime) -> datetime:
        return moment.replace(microsecond=0)

    values = tuple(
        msgspec.structs.replace(value, capture_time=whole(value.capture_time), target_time=whole(value.target_time))
        for value in push.values
    )
    return msgspec.structs.replace(push, time=whole(push.time), values=values)


def _readings(profile: EvaluationProfile, record: Record, clock: ClockStatus) -> list[Reading]:
    status = GatewayStatus.IDENTIFICATION
    if clock is not ClockStatus.VALID:
        status |= GatewayStatus.TIME_NOT_VALID
    found = ((code, record.values.get(code)) for code in map(Obis.parse, profile.registers))
    return [
        Reading(
            profile.meter_id, code, value.raw, value.scaler, value.unit, record.captured, record.captured, int(status),
            meter_word(record.status),
        )
        for code, value in found
        if value is not None
    ]  # fmt: skip

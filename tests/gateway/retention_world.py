"""A gateway's journal over months, a reading a day: evaluated, delivered as far as a test wants, and cleaned up."""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path

from tests.gateway.gateway_parts import METER_ID, communication_profile, consumer_profile, evaluation_profile, meter_profile
from tests.storage.samples import KEY
from tests.storage.signing import SIGNER

from smgw.core.instant import local_midnight
from smgw.core.log_event import Log
from smgw.core.obis import Obis
from smgw.core.profiles import EvaluationProfile, Profile
from smgw.core.reading import Reading
from smgw.gateway.config import RetentionRules, StorageLimits
from smgw.gateway.evaluation import Evaluation
from smgw.gateway.logs import Recorder
from smgw.gateway.retention import Retention
from smgw.net.clock import ManualClock
from smgw.storage.chain import Signer
from smgw.storage.journal import Cut, Journal

FIRST_DAY = date(2026, 1, 1)
CODES = (Obis.parse("1-0:1.8.0*255"), Obis.parse("1-0:2.8.0*255"))
RULES = RetentionRules(reading_months=2, weeks_after_billing=6, display_months=3, register_months=5, system_log_months=2)
"""Short times, so that a test need not write for years."""


def midnight(day: int) -> datetime:
    """Give the local midnight at which the n-th day begins."""
    return local_midnight(FIRST_DAY + timedelta(days=day))


def contract(taf: int, **changes: object) -> EvaluationProfile:
    """Give a contract that begins with the first day."""
    delivery = "daily" if taf == 7 else "billing"
    return evaluation_profile(taf, delivery, **{"valid_from": midnight(0), **changes})


class World:
    """Let days pass in a journal."""

    def __init__(
        self, path: Path, *contracts: EvaluationProfile, rules: RetentionRules = RULES, limits: StorageLimits | None = None
    ) -> None:
        self.journal = Journal.open(path, KEY)
        self.clock = ManualClock(midnight(0))
        self.journal.seal_by(SIGNER, self.clock)
        self.recorder = Recorder(self.journal, self.clock)
        self.limits = limits or StorageLimits()
        self.rules = rules
        self.contracts = list(contracts)
        profiles: list[Profile] = [communication_profile(), meter_profile(), consumer_profile(), *contracts]
        for profile in profiles:
            self.journal.put_profile(profile, b"", midnight(0))
        counter = iter(range(1, 1_000_000))
        self.evaluation = Evaluation(self.journal, self.recorder, "ESGW0000000001", lambda count: next(counter).to_bytes(count, "big"))
        self.day = 0

    @property
    def now(self) -> datetime:
        """Give the time, half an hour after the last midnight."""
        return midnight(self.day) + timedelta(minutes=30)

    def store(self, *, raw: Callable[[int], int | None] = lambda day: 1000 * day) -> None:
        """Store the readings of a midnight with all that follows from them, and let the day go by."""
        self.clock._us = int(self.now.timestamp() * 1e6)
        target = midnight(self.day)
        status = 5 if raw(self.day) is not None else 5 | 1 << 13
        with self.journal.transaction():
            readings = [Reading(METER_ID, code, raw(self.day), -1, 30, target, target, status, 4) for code in CODES]
            self.journal.append_readings([(reading, bytes(64)) for reading in readings])
            self.evaluation.run(self.contracts, METER_ID, target, self.now)
            self.recorder.record("login_succeeded", consumers=["consumer1.sm"], user="flat1")
        self.day += 1

    def pass_days(self, count: int, *, acknowledged: bool = True) -> None:
        """Let days pass, with or without receipts."""
        for _ in range(count):
            self.store()
            if acknowledged:
                self.acknowledge()

    def acknowledge(self, count: int = 1000) -> None:
        """Receive receipts of the oldest messages."""
        for message in self.journal.pending(count):
            self.journal.acknowledge(message.message_id, b"receipt", self.now)

    def delete(self, *, at: datetime | None = None, signer: Signer = SIGNER) -> list[Cut]:
        """Delete everything that may go."""
        self.clock._us = int((at or self.now).timestamp() * 1e6)
        return list(Retention(self.journal, self.recorder, signer, self.rules, self.limits).run(at or self.now))

    def held_days(self) -> list[int]:
        """List the days at whose beginning a reading is held."""
        first = self.journal.readings(METER_ID, CODES[:1])
        return [round((signed.reading.target_time - midnight(0)) / timedelta(days=1)) for signed in first]

    def count(self, log: Log, consumer: str = "") -> int:
        """Count the entries that a log holds."""
        return self.journal.stored_rows(log, consumer)

"""Current values: pushed by time and by threshold, readable at any time, never stored."""

from collections.abc import Iterator
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.gateway.gateway_parts import GATEWAY_ID, SERVER_ID, START, all_profiles, evaluation_profile

from smgw.codec.delivery_xml import decode_delivery
from smgw.core.errors import DomainFault
from smgw.core.instant import ClockStatus
from smgw.core.log_event import Log
from smgw.core.obis import Obis
from smgw.core.profiles import PROFILE_KINDS, CommunicationProfile, EvaluationProfile, Profile
from smgw.core.reading import Reading
from smgw.core.status_word import GatewayStatus
from smgw.gateway.acquisition import Record, Value
from smgw.gateway.evaluation import Evaluation
from smgw.gateway.live_values import LiveValues
from smgw.gateway.logs import Recorder
from smgw.net.clock import ManualClock
from smgw.pki.profile_rules import check_profile
from smgw.storage.journal import Journal

POWER = "1-0:16.7.0*255"
SECOND = timedelta(seconds=1)
CONSENT = {"consumer_id": "consumer1.sm", "recipient": "emt1.sm", "valid_from": START, "valid_to": START + timedelta(hours=1)}
INSTALLED: dict[str, list[Profile]] = {
    name: [profile for profile in all_profiles() if isinstance(profile, kind)] for name, kind in PROFILE_KINDS.items()
}


def contract(taf: int, **rules: Any) -> EvaluationProfile:
    held = msgspec.to_builtins({"recipient": "emt1.sm", "interval_s": 60} | rules)
    return evaluation_profile(taf, rules=held, registers=(POWER,))


class Bench:
    """Hold live values over a real journal."""

    def __init__(self, path: Path) -> None:
        self.journal = Journal.open(path, bytes(32))
        serial = count()
        recorder = Recorder(self.journal, ManualClock(START))
        evaluation = Evaluation(self.journal, recorder, GATEWAY_ID, lambda n: next(serial).to_bytes(n, "big"))
        self.live = LiveValues(self.journal, recorder, evaluation, lambda reading: bytes(64))

    def install(self, profile: EvaluationProfile, through: str = "") -> None:
        others = [msgspec.structs.replace(p, through=through) if isinstance(p, CommunicationProfile) else p for p in all_profiles()[:3]]
        check_profile(profile, INSTALLED | {"communication": [p for p in others if isinstance(p, CommunicationProfile)]}, START)
        for each in (*others, profile):
            self.journal.put_profile(each, b"document", START)
        self.live.refresh()

    def take(self, after_s: int, raw: int, clock: ClockStatus = ClockStatus.VALID) -> int:
        now = START + SECOND * after_s
        return self.live.take(Record(SERVER_ID, now, {Obis.parse(POWER): Value(raw, 0, 27)}, None), clock, now)

    def sent(self) -> list[Reading]:
        """Give what was queued, and let it count as delivered."""
        values = []
        for message in self.journal.pending(100):
            values += [signed.reading for signed in decode_delivery(message.body).readings]
            self.journal.acknowledge(message.message_id, b"receipt", START)
        return values


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path / "journal.db")
    yield bench
    bench.journal.close()


@pytest.mark.req("TAF-09", "TAF-10", "TAF-14")
@pytest.mark.parametrize(
    ("profile", "code"),
    [
        (contract(9, interval_s=5), "tariff.rules"),
        (contract(14), "tariff.consent"),
        (contract(14, consent=CONSENT | {"recipient": "emt2.sm"}), "tariff.consent"),
        (contract(14, consent=CONSENT, interval_s=300), "tariff.rules"),
        (contract(10, recipient="emt2.sm"), "tariff.rules"),
        (contract(10, colour=1), "tariff.profile"),
    ],
)
def test_what_does_not_fit_is_refused(profile: EvaluationProfile, code: str) -> None:
    with pytest.raises(DomainFault) as caught:
        check_profile(profile, INSTALLED, START)
    assert caught.value.code == code


@pytest.mark.req("TAF-09", "TAF-10", "TAF-14")
@pytest.mark.parametrize("profile", [contract(9), contract(10), contract(14, consent=CONSENT)], ids=["9", "10", "14"])
def test_values_are_pushed_by_time_and_never_stored(bench: Bench, profile: EvaluationProfile) -> None:
    bench.install(profile)
    sent = []
    for second in range(0, 150, 10):
        bench.take(second, second)
        sent += [reading.raw for reading in bench.sent()]
    assert sent == [0, 60, 120]
    assert [reading.raw for reading in bench.live.current(profile.profile_id)] == [140]
    assert bench.journal.count_readings() == 0


@pytest.mark.req("TAF-09")
def test_a_value_beyond_its_threshold_is_pushed_at_once_and_marked(bench: Bench) -> None:
    bench.install(contract(9, interval_s=3600, thresholds=[{"register": POWER, "above": 100}]))
    for second, raw in enumerate((50, 60, 150, 160, 90, 170)):
        bench.take(second, raw)
        bench.sent() if second == 0 else None
        if second == 2:
            assert [(r.raw, bool(r.gateway_status & GatewayStatus.VALUE_TRIGGERED)) for r in bench.sent()] == [(150, True)]
    assert [reading.raw for reading in bench.sent()] == [170]


@pytest.mark.req("TAF-10")
def test_a_pseudonym_stands_for_meter_and_metering_point(bench: Bench) -> None:
    profile = contract(10, pseudonym="0123456789abcd")
    with pytest.raises(DomainFault, match="the recipient is reached directly"):
        bench.install(profile)
    bench.install(profile, through="administrator")
    bench.take(0, 1)
    (message,) = bench.journal.pending(10)
    delivery = decode_delivery(message.body)
    assert (delivery.meter_id, delivery.metering_point_id) == ("0123456789abcd",) * 2
    assert {(signed.reading.meter_id, signed.signature) for signed in delivery.readings} == {("0123456789abcd", b"")}
    assert (delivery.sender, delivery.pseudonymous) == ("0123456789abcd", True)
    assert "1SGW0010000001" not in message.body.decode().upper()
    assert GATEWAY_ID not in message.body.decode()


@pytest.mark.req("TAF-10", "WAN-06")
@pytest.mark.parametrize("pseudonym", ["", "0123456789abcd"])
def test_the_part_of_a_second_at_which_a_meter_sends_is_no_name(bench: Bench, pseudonym: str) -> None:
    bench.install(contract(10, pseudonym=pseudonym) if pseudonym else contract(10), through="administrator")
    now = START + timedelta(microseconds=437_219)
    bench.live.take(Record(SERVER_ID, now, {Obis.parse(POWER): Value(1, 0, 27)}, None), ClockStatus.VALID, now)
    (message,) = bench.journal.pending(10)
    delivery = decode_delivery(message.body)
    (reading,) = (signed.reading for signed in delivery.readings)
    moments = {delivery.created_at, delivery.period_start, delivery.period_end, reading.capture_time, reading.target_time}
    assert moments == {START if pseudonym else now}


@pytest.mark.req("TAF-14")
def test_nothing_is_pushed_or_shown_after_the_consent(bench: Bench) -> None:
    bench.install(contract(14, consent=CONSENT))
    assert [bench.take(0, 1), bench.take(3600, 2), bench.take(3660, 3)] == [1, 0, 0]
    assert bench.live.current("taf14-1.sm") == ()
    assert [stored.entry.event for stored in bench.journal.log(Log.CONSUMER, "consumer1.sm")] == ["evaluation_failed"]


def test_the_outbox_does_not_fill_while_the_partner_is_away(bench: Bench) -> None:
    bench.install(contract(9))
    assert [bench.take(60 * minute, minute) for minute in range(5)] == [1, 0, 0, 0, 0]
    assert bench.take(400, 1, ClockStatus.INVALID) == 0
    assert bench.live.current("taf9-1.sm")[0].gateway_status & GatewayStatus.TIME_NOT_VALID

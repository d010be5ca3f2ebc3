"""Orders for a contract over the management channel: checked, obeyed once, logged for the consumer, never answered with a value."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.gateway.gateway_parts import METER_ID, START, all_profiles, evaluation_profile
from tests.gateway.management_channel import Channel

from smgw.codec.command import Answer
from smgw.codec.delivery_xml import decode_delivery
from smgw.core.delivery import Delivery
from smgw.core.instant import local_day, local_midnight
from smgw.core.log_event import Log
from smgw.core.obis import ACTIVE_ENERGY_IMPORT
from smgw.core.profiles import EvaluationProfile
from smgw.core.reading import Reading
from smgw.core.state import State
from smgw.core.status_word import GATEWAY_OK

DAYS = 5
QUARTER = timedelta(minutes=15)
FROM = local_midnight(local_day(START) - timedelta(days=DAYS))
EVENTS: dict[str, Any] = {"stages": [1, 2], "events": {"high": 2}, "default": 1}


def contract(taf: int, rules: dict[str, Any] | None = None) -> EvaluationProfile:
    about: dict[str, Any] = {"valid_from": FROM, "valid_to": FROM + timedelta(days=300), "registers": ("1-0:1.8.0*255",)}
    return evaluation_profile(taf, "billing", rules=rules or {}, **about)


class Desk(Channel):
    """Hold a channel to a gateway with contracts and five days of readings."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        for profile in all_profiles()[:3]:
            self.put(profile)
        for profile in (contract(5, EVENTS), contract(6), contract(11), contract(12, {"warning": 20})):
            self.journal.put_profile(profile, profile.profile_id.encode(), FROM)
        targets = [FROM + QUARTER * number for number in range((START - FROM) // QUARTER + 1)]
        rows = [
            Reading(METER_ID, ACTIVE_ENERGY_IMPORT, 10 * number, 0, 30, target, target, int(GATEWAY_OK), 4)
            for number, target in enumerate(targets)
            if local_day(target) != local_day(FROM + timedelta(days=2))
        ]
        self.journal.append_readings([(reading, bytes(64)) for reading in rows])

    def order(self, name: str, **body: object) -> Answer:
        return self.ask(self.command("POST", f"fas/{name}", body))

    def read_out(self, **changes: object) -> Answer:
        first, last = local_day(FROM + timedelta(days=1)), local_day(START)
        about: dict[str, object] = {"contract": "taf6-1.sm", "reason": "move", "requested_by": "supplier", "first": first, "last": last}
        return self.order("read-out", **about | changes)

    def sent(self) -> list[Delivery]:
        return [decode_delivery(message.body) for message in self.journal.pending(100)]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path / "journal.db")
    yield desk
    desk.journal.close()


@pytest.mark.req("TAF-06", "LOG-01")
@pytest.mark.step("2.2.3.5", event="read_out_ordered")
def test_a_read_out_sends_daily_values_and_tells_the_consumer_why(desk: Desk) -> None:
    answer = desk.read_out()
    body = msgspec.json.decode(answer.body)
    assert (answer.status, body["values"], body["missing"]) == (200, 4, 1)
    (delivery,) = desk.sent()
    assert body["messages"] == [delivery.message_id]
    assert [s.reading.target_time for s in delivery.readings] == [local_midnight(FROM.date() + timedelta(days=d)) for d in (2, 4, 5, 6)]
    assert desk.woken.is_set()
    assert desk.events(Log.CONSUMER) == ["read_out_ordered"]
    text = desk.journal.log(Log.CONSUMER, "consumer1.sm")[0].entry.text("en")
    assert "move" in text
    assert "supplier" in text


@pytest.mark.req("TAF-06")
@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"reason": "curiosity"}, "command.structure"),
        ({"reason": None}, "command.structure"),
        ({"requested_by": " "}, "tariff.reason"),
        ({"contract": "nobody.sm"}, "command.profile"),
        ({"contract": "taf5-1.sm"}, "tariff.use_case"),
        ({"first": "2025-12-01"}, "tariff.day_not_kept"),
        ({"last": "2026-04-01"}, "tariff.day_not_kept"),
        ({"last": "9999-12-31"}, "tariff.day_not_kept"),
        ({"more": 1}, "command.structure"),
    ],
)
def test_a_read_out_without_right_is_refused(desk: Desk, changes: dict[str, object], code: str) -> None:
    assert desk.read_out(**changes).code == code
    assert desk.sent() == []
    assert desk.events(Log.CONSUMER) == []
    assert desk.events()[-1] == "command_rejected"


@pytest.mark.req("STATE-01")
def test_a_state_that_does_not_obey_reads_nothing_out(desk: Desk) -> None:
    desk.state = State.SECURE_BOOT
    assert desk.read_out().code == "state.refused"
    assert desk.sent() == []


@pytest.mark.req("TAF-05")
def test_an_event_is_taken_once_however_often_the_command_comes(desk: Desk) -> None:
    command = desk.command("POST", "fas/event", {"contract": "taf5-1.sm", "name": "high", "at": START})
    assert desk.ask(command) == desk.ask(command)
    profile = contract(5, EVENTS)
    (state,) = desk.context.evaluation.tariffs.states(profile).values()
    assert [change.stage for change in (*state.ahead, state.current) if change] == [2]
    assert desk.events(Log.CONSUMER) == ["tariff_event"]
    assert len(desk.context.evaluation.tariffs.entries(profile)) == 1


@pytest.mark.req("TAF-12")
def test_a_credit_is_loaded_once_and_signals_at_once(desk: Desk) -> None:
    assert desk.order("credit", contract="taf12-1.sm", credit_id="a", amount=10).status == 200
    assert desk.events(Log.CONSUMER) == ["credit_loaded", "credit_used_up"]
    assert desk.order("credit", contract="taf12-1.sm", credit_id="a", amount=10).code == "tariff.credit"
    assert desk.order("credit", contract="taf12-1.sm", credit_id="b", amount=0).code == "tariff.credit"
    assert desk.order("credit", contract="taf12-1.sm", credit_id="c", amount=1 << 60).code == "tariff.credit"
    assert desk.order("credit", contract="taf12-1.sm", credit_id="d", amount=1_000_000).status == 200
    assert desk.events(Log.CONSUMER)[2:] == ["credit_loaded", "credit_restored"]


@pytest.mark.req("TAF-11")
def test_a_control_action_is_recorded_with_what_the_register_showed(desk: Desk) -> None:
    at = START - timedelta(minutes=5)
    body = {"contract": "taf11-1.sm", "at": at, "device": "wallbox", "action": "limit", "limit_w": 4200, "ordered_by": "grid"}
    assert desk.order("switch", **body).status == 200
    (delivery,) = desk.sent()
    (value,) = delivery.registers
    assert (value.raw, value.period_start, value.period_end) == (10 * ((START - FROM) // QUARTER - 1), START - QUARTER, at)
    assert list(delivery.registers) == desk.journal.registers("taf11-1.sm")
    assert desk.events(Log.CONSUMER) == ["device_switched"]
    assert desk.order("switch", **body | {"at": START + QUARTER}).code == "tariff.period"
    assert desk.order("switch", **body | {"limit_w": None}).code == "tariff.rules"


def test_an_unknown_order_is_no_resource(desk: Desk) -> None:
    assert desk.order("coffee").code == "command.resource"
    assert desk.ask(desk.command("POST", "fas/event/1", {})).code == "command.resource"

"""Monitoring: what is found in which facts, and that each incident opens once and closes by itself."""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.administrator.administrator_parts import add_gateway
from tests.gateway.gateway_parts import GATEWAY_ID, START
from tests.gateway.wan.wan_parts import until

from smgw.administrator import monitoring
from smgw.administrator.alarms import Pending
from smgw.administrator.books import Books, open_books
from smgw.administrator.config import MonitoringConfig
from smgw.administrator.inventory import GatewayStatus
from smgw.administrator.monitoring import RULES, Facts, Finding, Incident, Incidents, Watch, find, monitor
from smgw.administrator.store import Store
from smgw.administrator.succession import Change
from smgw.administrator.wakeup import Address
from smgw.core.errors import Unavailable
from smgw.core.instant import utc_text
from smgw.core.notices import Notice
from smgw.net.clock import ManualClock

pytestmark = pytest.mark.req("ADM-06")


DEFAULT = MonitoringConfig()


@dataclass
class Case:
    """Say what differs from a gateway that is well, and what is found then."""

    found: list[tuple[str, str]]
    state: str = "normal"
    reported: dict[str, Any] = field(default_factory=dict)
    days: int = 700
    silent: timedelta = timedelta(minutes=1)
    by_call: bool = False
    given_up: bool = False
    connected: bool = False
    alarms: list[Pending] = field(default_factory=list)
    config: MonitoringConfig = DEFAULT


def alarm(event: str, level: str) -> Pending:
    return Pending(GATEWAY_ID, event, "m1", level)


CASES = {
    "well": Case([]),
    "state": Case([("state", "")], state="secure_state_measurement"),
    "clock": Case([("clock", "")], reported={"clock": "invalid"}),
    "clock not set yet": Case([], reported={"clock": "unset"}),
    "90 days": Case([], days=90),
    "89 days": Case([("certificate", "90")], days=89),
    "29 days": Case([("certificate", "90"), ("certificate", "30")], days=29),
    "expired": Case([("certificate", "90"), ("certificate", "30"), ("certificate", "7")], days=-3),
    "79 %": Case([], reported={"fill_percent": {"readings": 79}}),
    "80 %": Case([("storage", "readings 80")], reported={"fill_percent": {"readings": 80, "system log": 3}}),
    "95 %": Case([("storage", "readings 80"), ("storage", "readings 95")], reported={"fill_percent": {"readings": 95}}),
    "99 messages wait": Case([], reported={"waiting": 99}),
    "100 messages wait": Case([("deliveries", "")], reported={"waiting": 100}),
    "however many wait": Case([], reported={"waiting": 5_000}, config=MonitoringConfig(waiting_messages=0)),
    "15 minutes": Case([], silent=timedelta(minutes=15)),
    "over 15 minutes": Case([("silent", "")], silent=timedelta(minutes=15, seconds=1)),
    "not asked for long, but there": Case([], silent=timedelta(minutes=40), connected=True),
    "comes when called": Case([], silent=timedelta(days=40), by_call=True),
    "comes when called, and is to come": Case(
        [("silent", "")], silent=timedelta(days=40), by_call=True, config=MonitoringConfig(silent_on_wake_up_minutes=2_880)
    ),
    "nobody is missed": Case([], silent=timedelta(days=40), config=MonitoringConfig(silent_minutes=0)),
    "given up": Case([("wake_up", "")], by_call=True, given_up=True),
    "given up, came by itself": Case([], by_call=True, given_up=True, connected=True),
    "alarm by level": Case([("alarm", "meter_tamper/m1")], alarms=[alarm("meter_tamper", "FATAL")]),
    "a self-test that failed": Case([("alarm", "self_test_failed/m1")], alarms=[alarm("self_test_failed", "FATAL")]),
    "alarm by event": Case([("alarm", "meter_lost/m1")], alarms=[alarm("meter_lost", "WARNING")]),
    "neither": Case([], alarms=[alarm("meter_found", "INFO"), alarm("login_locked", "WARNING")]),
    "nonsense": Case([], reported={"fill_percent": "full", "clock": 7}),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_what_is_found(case: Case) -> None:
    gateway = GatewayStatus(
        GATEWAY_ID, utc_text(START - case.silent), case.state, 1, case.days, msgspec.Raw(msgspec.json.encode(case.reported))
    )

    def who(it_is: bool) -> frozenset[str]:
        return frozenset({GATEWAY_ID} if it_is else ())

    facts = Facts(START, [gateway], who(case.connected), who(case.by_call), who(case.given_up), case.alarms, [])
    findings = list(find(facts, case.config))
    assert [(finding.rule, finding.subject) for finding in findings] == case.found
    assert {finding.device_id for finding in findings} <= {GATEWAY_ID}


def test_a_gateway_that_never_called_is_not_missed() -> None:
    gateway = GatewayStatus(GATEWAY_ID, "", "unknown", 0, 700, msgspec.Raw(b"{}"))
    assert not list(find(Facts(START, [gateway], frozenset(), frozenset(), frozenset(), [], []), MonitoringConfig()))


def test_a_stopped_campaign_is_no_single_gateways() -> None:
    facts = Facts(START, [], frozenset(), frozenset(), frozenset(), [], [("1.2.0", "administrator.too_many_failures")])
    assert list(find(facts, MonitoringConfig())) == [Finding("", "campaign", "1.2.0", "administrator.too_many_failures")]


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_has_its_words(rule: str) -> None:
    incident = Incident(1, GATEWAY_ID, rule, "SUBJECT", "error", "DETAIL", utc_text(START), "")
    german, english = incident.text("de"), incident.text("en")
    assert german != english
    assert "{" not in german + english


def test_each_thing_is_one_incident_from_its_beginning_to_its_end(tmp_path: Path) -> None:
    incidents, told = Incidents(Store(tmp_path / "inventory.db")), list[Incident]()
    full = Finding(GATEWAY_ID, "storage", "readings 80", "81")
    at = [START + timedelta(minutes=number) for number in range(5)]
    assert incidents.settle([full], at[0], told.append) == (1, 0)
    assert incidents.settle([full._replace(detail="83")], at[1], told.append) == (0, 0)
    assert incidents.settle([full, Finding(GATEWAY_ID, "clock")], at[2], told.append) == (1, 0)
    assert incidents.settle([Finding(GATEWAY_ID, "clock")], at[3], told.append) == (0, 1)
    assert incidents.settle([full, Finding(GATEWAY_ID, "clock")], at[4], told.append) == (1, 0)
    assert [(one.id, one.rule, one.closed_at) for one in told] == [
        (1, "storage", ""), (2, "clock", ""), (1, "storage", utc_text(at[3])), (3, "storage", ""),
    ]  # fmt: skip
    assert [one.id for one in incidents.listed(only_open=True)] == [3, 2]
    assert [one.id for one in incidents.listed(rule="storage")] == [3, 1]
    first = incidents.incident(1)
    assert first is not None
    assert (first.detail, first.opened_at) == ("81", utc_text(at[0]))
    assert incidents.incident(9) is None


def test_what_tells_of_an_incident_counts_with_it_or_not_at_all(tmp_path: Path) -> None:
    incidents = Incidents(Store(tmp_path / "inventory.db"))

    def tell(_: Incident) -> None:
        raise Unavailable("administrator.store")

    with pytest.raises(Unavailable):
        incidents.settle([Finding(GATEWAY_ID, "clock")], START, tell)
    assert incidents.listed() == []


def watch_of(books: Books) -> Watch:
    return Watch(books.inventory, books.alarms, books.campaigns, books.wake_ups, books.incidents, books.jobs, books.successions)


def notice(at: datetime) -> Notice:
    return Notice("m-1", GATEWAY_ID, "meter_tamper", 1804, "FATAL", at, "meter", False, {})


def test_facts_come_from_the_books(tmp_path: Path) -> None:
    books = open_books(tmp_path / "inventory.db")
    add_gateway(books.inventory)
    books.wake_ups.set_address(GATEWAY_ID, Address("127.0.0.1", 5_000), START, "user1")
    books.wake_ups.end(books.wake_ups.begin(GATEWAY_ID, START), 6, 126_000, "given_up")
    books.wake_ups.begin(GATEWAY_ID, START)
    books.alarms.accept(notice(START), START)
    with books.inventory.connected(GATEWAY_ID):
        facts = watch_of(books).facts(START)
    assert (facts.connected, facts.by_call, facts.given_up) == (frozenset({GATEWAY_ID}),) * 3
    assert facts.alarms == [Pending(GATEWAY_ID, "meter_tamper", "meter", "FATAL")]
    books.wake_ups.end(books.wake_ups.begin(GATEWAY_ID, START), 1, 100, "answered")
    books.alarms.acknowledge(1, START, "user1")
    facts = watch_of(books).facts(START)
    assert (facts.given_up, facts.alarms) == (frozenset(), [])
    books.close()


def test_a_gateway_that_was_handed_over_is_nobody_to_miss(tmp_path: Path) -> None:
    books = open_books(tmp_path / "inventory.db")
    add_gateway(books.inventory)
    books.inventory.note_contact(GATEWAY_ID, START, "normal", b"{}")
    late = START + timedelta(hours=1)

    def missed() -> list[str]:
        return [finding.rule for finding in find(watch_of(books).facts(late), DEFAULT)]

    books.successions.begin(Change(GATEWAY_ID, "outgoing", "new.GWA", "announced", b"", utc_text(late), "", ""), START, "user1")
    assert missed() == ["silent"]
    books.successions.move(GATEWAY_ID, "handed_over", START, "user1")
    assert missed() == []
    books.close()


async def test_an_alarm_is_looked_at_when_it_comes_and_trouble_with_the_books_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(monitoring, "SHORTEST_LOOK_S", 0.001)
    books, occasion, troubles = open_books(tmp_path / "inventory.db"), asyncio.Event(), [Unavailable("administrator.store")]
    settle = books.incidents.settle

    def troubled(*arguments: Any) -> tuple[int, int]:
        if troubles:
            raise troubles.pop()
        return settle(*arguments)

    monkeypatch.setattr(books.incidents, "settle", troubled)
    task = asyncio.create_task(monitor(watch_of(books), MonitoringConfig(), ManualClock(START), occasion, lambda _: None))
    await until(lambda: not troubles)
    books.alarms.accept(notice(START), START)
    occasion.set()
    await until(lambda: bool(books.incidents.listed(only_open=True)))
    books.alarms.acknowledge(1, START, "user1")
    occasion.set()
    await until(lambda: not books.incidents.listed(only_open=True))
    task.cancel()
    books.close()

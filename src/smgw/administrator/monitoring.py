"""Find what is wrong with the fleet, and keep an incident of each thing from its beginning to its end.

What is looked at is what gateways last reported, what they told by themselves, and the administrator's own books; never a value that was
measured. A finding opens one incident, however often it is found again, and the incident closes by itself once it is found no more.
Source: ADM-06; TR-03109-6 chapter 4.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

import msgspec
import structlog

from smgw.administrator.alarms import Alarms, Pending
from smgw.administrator.campaigns import Campaigns, CampaignState
from smgw.administrator.config import MonitoringConfig
from smgw.administrator.inventory import GatewayStatus, Inventory
from smgw.administrator.jobs import Jobs
from smgw.administrator.store import Store
from smgw.administrator.succession import Successions
from smgw.administrator.wakeup import WakeUps
from smgw.core.errors import SmgwError
from smgw.core.instant import parse_time, utc_text
from smgw.core.state import State
from smgw.net.clock import ClockPort

log = structlog.get_logger(__name__)

LOOK_S = 60.0
"""How often the fleet is looked at without an occasion, in real seconds."""
SHORTEST_LOOK_S = 1.0
"""Alarms that come at once are looked at together."""

Severity = Literal["warning", "error"]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS incident (
  id INTEGER PRIMARY KEY, device_id TEXT NOT NULL, rule TEXT NOT NULL, subject TEXT NOT NULL, severity TEXT NOT NULL,
  detail TEXT NOT NULL, opened_at TEXT NOT NULL, closed_at TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE UNIQUE INDEX IF NOT EXISTS incident_open ON incident (device_id, rule, subject) WHERE closed_at = '';
CREATE INDEX IF NOT EXISTS incident_of_gateway ON incident (device_id, id);
"""
_LISTED = (
    "SELECT * FROM incident WHERE (?1 = '' OR device_id = ?1) AND (?2 = '' OR rule = ?2) AND (NOT ?3 OR closed_at = '') "
    "ORDER BY id DESC LIMIT ?4"
)


class Rule(NamedTuple):
    """Say how grave a kind of finding is, and put it in words."""

    severity: Severity
    en: str
    de: str


RULES: dict[str, Rule] = {
    "alarm": Rule("error", "Notice of the gateway: {detail}", "Meldung des Gateways: {detail}"),
    "state": Rule("error", "Operating state {detail}", "Betriebszustand {detail}"),
    "certificate": Rule(
        "warning",
        "Fewer than {subject} days of a certificate are left: {detail}",
        "Ein Zertifikat gilt keine {subject} Tage mehr: {detail}",
    ),
    "clock": Rule("error", "Clock {detail}", "Uhr {detail}"),
    "storage": Rule("warning", "Store {subject} %: {detail} % in use", "Speicher {subject} %: {detail} % belegt"),
    "deliveries": Rule("warning", "Messages wait for their recipients: {detail}", "Nachrichten warten auf ihre Empfänger: {detail}"),
    "silent": Rule("error", "No contact since {detail}", "Kein Kontakt seit {detail}"),
    "campaign": Rule("error", "Firmware campaign {subject} stopped: {detail}", "Firmware-Kampagne {subject} angehalten: {detail}"),
    "wake_up": Rule("warning", "The gateway did not answer its wake-up packets", "Das Gateway hat seine Weckpakete nicht beantwortet"),
}
"""Rule -> its severity and words; `{subject}` is what it is about, `{detail}` what was found when the incident opened."""


class Finding(NamedTuple):
    """Say what is wrong; a device id is empty where it is no single gateway's."""

    device_id: str
    rule: str
    subject: str = ""
    detail: str = ""


class Facts(NamedTuple):
    """Hold what the rules look at."""

    now: datetime
    gateways: list[GatewayStatus]
    connected: frozenset[str]
    by_call: frozenset[str]
    """Gateways that open their channel only when called."""
    given_up: frozenset[str]
    """Gateways whose last call was given up."""
    alarms: list[Pending]
    """Notices that nobody has acknowledged."""
    stopped: list[tuple[str, str]]
    """Version and code of the newest campaign if it stopped by itself."""


class _Reported(msgspec.Struct, frozen=True):
    """Read what a gateway tells of itself."""

    clock: str = ""
    fill_percent: dict[str, int] = {}
    waiting: int = 0


def find(facts: Facts, config: MonitoringConfig) -> Iterator[Finding]:
    """Apply every rule; gives each finding once."""
    for gateway in facts.gateways:
        yield from _of_gateway(gateway, facts, config)
    for alarm in facts.alarms:
        if alarm.level in config.alarm_levels or alarm.event in config.alarm_events:
            yield Finding(alarm.device_id, "alarm", f"{alarm.event}/{alarm.subject}", alarm.event.replace("_", " "))
    for version, code in facts.stopped:
        yield Finding("", "campaign", version, code)


def _of_gateway(gateway: GatewayStatus, facts: Facts, config: MonitoringConfig) -> Iterator[Finding]:
    device, reported = gateway.device_id, _reported(bytes(gateway.facts))
    if gateway.state not in (State.NORMAL, State.BOOT, "unknown"):
        yield Finding(device, "state", detail=gateway.state[:40])
    if reported.clock == "invalid":
        yield Finding(device, "clock", detail=reported.clock)
    for days in config.certificate_days:
        if gateway.certificate_days_left < days:
            yield Finding(device, "certificate", str(days), str(gateway.certificate_days_left))
    for store, filled in sorted(reported.fill_percent.items())[:20]:
        for percent in config.fill_percent:
            if filled >= percent:
                yield Finding(device, "storage", f"{store[:40]} {percent}", str(filled))
    if config.waiting_messages and reported.waiting >= config.waiting_messages:
        yield Finding(device, "deliveries", detail=str(reported.waiting))
    if _is_silent(gateway, facts, config):
        yield Finding(device, "silent", detail=gateway.last_contact)
    if device in facts.given_up and device not in facts.connected:
        yield Finding(device, "wake_up")


def _is_silent(gateway: GatewayStatus, facts: Facts, config: MonitoringConfig) -> bool:
    by_call = gateway.device_id in facts.by_call
    minutes = config.silent_on_wake_up_minutes if by_call else config.silent_minutes
    # A gateway that never called is still on its way to its place; one whose channel is open is only not asked so often in a large fleet.
    if not minutes or not gateway.last_contact or gateway.device_id in facts.connected:
        return False
    return facts.now - parse_time(gateway.last_contact) > timedelta(minutes=minutes)


def _reported(facts: bytes) -> _Reported:
    try:
        return msgspec.json.decode(facts, type=_Reported)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        # What a gateway reports is its own word; whatever can't be read says nothing.
        return _Reported()


class Incident(msgspec.Struct, frozen=True):
    """Hold one incident, in the order of the table's columns."""

    id: int
    device_id: str
    rule: str
    subject: str
    severity: str
    detail: str
    """What was found when it opened."""
    opened_at: str
    closed_at: str
    """Empty while it lasts."""

    def text(self, language: str = "en") -> str:
        """Put it in words, German (`de`) or English."""
        rule = RULES.get(self.rule)
        if rule is None:
            return self.rule
        return (rule.de if language == "de" else rule.en).format(subject=self.subject, detail=self.detail)


Told = Callable[[Incident], None]


class Incidents:
    """Keep the incidents."""

    def __init__(self, store: Store) -> None:
        self._store = store
        store.install(_SCHEMA)

    def settle(self, findings: Iterable[Finding], at: datetime, tell: Told = lambda _: None) -> tuple[int, int]:
        """Open an incident for what is new and close what is over; gives how many of each.

        `tell` gets each of them within the transaction, so that what it writes counts with the incident or not at all.
        """
        found = {finding[:3]: finding for finding in findings}
        open_ = {(one.device_id, one.rule, one.subject): one for one in self.listed(only_open=True, limit=-1)}
        new, over = found.keys() - open_.keys(), open_.keys() - found.keys()
        if not new and not over:
            return 0, 0
        with self._store.write() as database:
            for key in sorted(new):
                finding = found[key]
                row = (*key, RULES[finding.rule].severity, finding.detail, utc_text(at))
                cursor = database.execute(
                    "INSERT INTO incident (device_id, rule, subject, severity, detail, opened_at) VALUES (?,?,?,?,?,?)", row
                )
                tell(Incident(cursor.lastrowid or 0, *row, ""))
            for key in sorted(over):
                database.execute("UPDATE incident SET closed_at=? WHERE id=?", (utc_text(at), open_[key].id))
                tell(msgspec.structs.replace(open_[key], closed_at=utc_text(at)))
        return len(new), len(over)

    def listed(self, device_id: str = "", rule: str = "", *, only_open: bool = False, limit: int = 200) -> list[Incident]:
        """List incidents, newest first; an empty filter lets all pass."""
        return [Incident(*row) for row in self._store.rows(_LISTED, (device_id, rule, int(only_open), limit))]

    def close(self, number: int, at: datetime) -> Incident:
        """Note that an incident is over; one that is over already stays as it was."""
        with self._store.write() as database:
            database.execute("UPDATE incident SET closed_at=? WHERE id=? AND closed_at=''", (utc_text(at), number))
        closed = self.incident(number)
        assert closed is not None  # whoever closes it has seen it
        return closed

    def incident(self, number: int) -> Incident | None:
        """Give one incident."""
        rows = self._store.rows("SELECT * FROM incident WHERE id=?", (number,))
        return Incident(*rows[0]) if rows else None


class Watch(NamedTuple):
    """Hold the books that monitoring looks at."""

    inventory: Inventory
    alarms: Alarms
    campaigns: Campaigns
    wake_ups: WakeUps
    incidents: Incidents
    jobs: Jobs
    successions: Successions

    def facts(self, now: datetime) -> Facts:
        """Gather what the rules look at."""
        given_away = self.successions.given_away()
        fleet = [one for one in self.inventory.status(now) if one.device_id not in given_away]
        newest = self.campaigns.all()[:1]
        return Facts(
            now,
            fleet,
            frozenset(one.device_id for one in fleet if self.inventory.is_connected(one.device_id)),
            frozenset(self.wake_ups.by_call()),
            frozenset(self.wake_ups.given_up()),
            self.alarms.pending(),
            [(one.version, one.code) for one in newest if one.state is CampaignState.STOPPED],
        )


async def monitor(watch: Watch, config: MonitoringConfig, clock: ClockPort, occasion: asyncio.Event, tell: Told) -> None:
    """Look at the fleet each minute, and when there is an occasion, until cancelled."""
    while True:
        occasion.clear()
        try:
            now = clock.now()
            watch.jobs.give_up(now)
            watch.incidents.settle(find(watch.facts(now), config), now, tell)
        except SmgwError as fault:
            # What goes wrong with the books must not end the monitoring for good.
            log.error("monitoring_waits", code=fault.code, detail=fault.detail)
        await asyncio.sleep(SHORTEST_LOOK_S)
        try:
            async with asyncio.timeout(LOOK_S - SHORTEST_LOOK_S):
                await occasion.wait()
        except TimeoutError:
            continue

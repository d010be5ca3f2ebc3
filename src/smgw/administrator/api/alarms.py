"""What gateways told by themselves, and who has looked at it. Source: ADM-06, WAN-07."""

from typing import Literal

import msgspec

from smgw.administrator.alarms import Alarm
from smgw.administrator.api.endpoints import OPERATING, SEEING, Call, Endpoint, Limit, ShortText
from smgw.core.log_event import EVENTS


class AlarmQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Choose alarms, newest first."""

    gateway: ShortText = ""
    level: Literal["", "INFO", "WARNING", "ERROR", "FATAL"] = ""
    unseen: bool = False
    """Only what nobody has acknowledged."""
    language: Literal["de", "en"] = "en"
    limit: Limit = 200


class AlarmRow(msgspec.Struct, frozen=True):
    """Show one alarm."""

    id: int
    device_id: str
    event: str
    level: str
    text: str
    subject: str
    raised_at: str
    received_at: str
    seen_by: str
    seen_at: str


def alarm_row(alarm: Alarm, language: str) -> AlarmRow:
    """Show an alarm as a sentence; an event that this catalogue doesn't know keeps its name."""
    kind = EVENTS.get(alarm.event)
    try:
        text = "" if kind is None else (kind.de if language == "de" else kind.en).format_map(alarm.parameters)
    except (KeyError, ValueError, IndexError, AttributeError):
        text = ""
    values = {name: getattr(alarm, name) for name in AlarmRow.__struct_fields__ if name != "text"}
    return AlarmRow(**values, text=text or alarm.event.replace("_", " "))


def alarms(call: Call) -> list[AlarmRow]:
    """List alarms."""
    query: AlarmQuery = call.query
    found = call.books.alarms.newest(query.gateway, query.level, unseen=query.unseen, limit=query.limit)
    return [alarm_row(alarm, query.language) for alarm in found]


def acknowledge(call: Call) -> AlarmRow:
    """Note that the user has looked at an alarm. Raises: DomainFault administrator.unknown_alarm."""
    return alarm_row(call.books.alarms.acknowledge(call.number(), call.now, call.user.name), "en")


ENDPOINTS = (
    Endpoint("GET", "/alarms", SEEING, alarms, "List what gateways told by themselves", list[AlarmRow], query=AlarmQuery),
    Endpoint("POST", "/alarms/{number}/acknowledge", OPERATING, acknowledge, "Note that somebody has looked at it", AlarmRow),
)

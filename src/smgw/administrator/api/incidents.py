"""What is, or was, wrong with the fleet, and who was told of it. Source: ADM-06."""

from typing import Literal

import msgspec

from smgw.administrator.api.endpoints import OPERATING, SEEING, Call, Endpoint, Limit, ShortText
from smgw.administrator.monitoring import Incident
from smgw.core.errors import DomainFault


class IncidentQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Choose incidents, newest first."""

    gateway: ShortText = ""
    rule: ShortText = ""
    all: bool = False
    """Those that are over, too."""
    language: Literal["de", "en"] = "en"
    limit: Limit = 200


class LanguageQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Choose the language of the texts."""

    language: Literal["de", "en"] = "en"


class IncidentRow(msgspec.Struct, frozen=True):
    """Show one incident."""

    id: int
    device_id: str
    """Empty where it is no single gateway's."""
    rule: str
    subject: str
    severity: str
    detail: str
    """What was found when it opened."""
    text: str
    opened_at: str
    closed_at: str
    """Empty while it lasts."""


class NotificationRow(msgspec.Struct, frozen=True):
    """Show who was, or is to be, told."""

    channel: str
    what: str
    state: str
    attempts: int
    next_at: str
    code: str
    """Why the last attempt failed."""


class IncidentView(msgspec.Struct, frozen=True):
    """Show one incident and who was told of it."""

    incident: IncidentRow
    notifications: list[NotificationRow]


def incident_row(incident: Incident, language: str = "en") -> IncidentRow:
    """Show an incident as a sentence."""
    values = {name: getattr(incident, name) for name in IncidentRow.__struct_fields__ if name != "text"}
    return IncidentRow(**values, text=incident.text(language))


def incidents(call: Call) -> list[IncidentRow]:
    """List incidents."""
    query: IncidentQuery = call.query
    found = call.books.incidents.listed(query.gateway, query.rule, only_open=not query.all, limit=query.limit)
    return [incident_row(incident, query.language) for incident in found]


def _incident(call: Call) -> Incident:
    incident = call.books.incidents.incident(call.number())
    if incident is None:
        raise DomainFault("administrator.unknown_incident", str(call.number()))
    return incident


def incident_view(call: Call) -> IncidentView:
    """Show one incident. Raises: DomainFault administrator.unknown_incident."""
    incident = _incident(call)
    told = call.books.notifications.of(incident.id)
    rows = [NotificationRow(one.channel, one.what, one.state, one.attempts, one.next_at, one.code) for one in told]
    language: str = call.query.language if call.query is not None else "en"
    return IncidentView(incident_row(incident, language), rows)


def close(call: Call) -> IncidentView:
    """Close the incident of a notice by acknowledging the notices that it stands for.

    Raises: DomainFault administrator.unknown_incident, administrator.incident_lasts for what ends by itself.
    """
    incident, books = _incident(call), call.books
    event, _, subject = incident.subject.partition("/")
    if incident.rule != "alarm":
        raise DomainFault("administrator.incident_lasts", incident.rule)
    with books.store.write():
        books.alarms.acknowledge_all(incident.device_id, event, subject, call.now, call.user.name)
        closed = books.incidents.close(incident.id, call.now)
        if not incident.closed_at:
            books.notifications.put(closed, call.desk.channels.names(), call.now)
            books.audit.note(call.now, call.user.name, f"close incident {incident.id}", incident.device_id, "done")
    return incident_view(call)


ENDPOINTS = (
    Endpoint("GET", "/incidents", SEEING, incidents, "List what is wrong with the fleet", list[IncidentRow], query=IncidentQuery),
    Endpoint("GET", "/incidents/{number}", SEEING, incident_view, "Show one incident and who was told", IncidentView, query=LanguageQuery),
    Endpoint("POST", "/incidents/{number}/close", OPERATING, close, "Close the incident of a notice", IncidentView),
)

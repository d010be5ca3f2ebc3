"""What the pages about faults show: incidents, and who is told of them. Source: ADM-06, ADM-13."""

from typing import Any

from smgw.administrator.api import channels, incidents
from smgw.administrator.api.endpoints import Call
from smgw.administrator.api.routes import read
from smgw.administrator.console.language import Language
from smgw.administrator.monitoring import RULES

INCIDENTS_SHOWN = 200

Values = dict[str, Any]


def incident_list(call: Call, asked: dict[str, str], language: Language) -> Values:
    """Show what is, or was, wrong."""
    given = {name: value for name, value in asked.items() if value and name in ("gateway", "rule", "all")}
    query = read({**given, "language": language.code, "limit": INCIDENTS_SHOWN}, incidents.IncidentQuery, strict=False)
    return {"rows": incidents.incidents(call._replace(query=query)), "query": query, "given": given, "rules": list(RULES)}


def incident(call: Call, _: dict[str, str], language: Language) -> Values:
    """Show one incident and who was told of it."""
    view = incidents.incident_view(call._replace(query=incidents.LanguageQuery(language.code)))
    return {"row": view.incident, "told": view.notifications, "by_hand": view.incident.rule == "alarm"}


def notifications(call: Call, _: dict[str, str], __: Language) -> Values:
    """Show what is watched, and by which channels people are told."""
    view = channels.notifying(call)
    return {"channels": view.channels, "rules": view.rules}

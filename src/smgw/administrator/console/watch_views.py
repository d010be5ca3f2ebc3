"""What the pages about faults show: incidents, and who is told of them. Source: ADM-06, ADM-13."""

from typing import Any

from smgw.administrator.api import channels, incidents
from smgw.administrator.api.endpoints import Call
from smgw.administrator.api.routes import read
from smgw.administrator.console.language import Language
from smgw.administrator.monitoring import RULES
from smgw.core.log_event import EVENTS

INCIDENTS_SHOWN = 200

Values = dict[str, Any]


def incident_list(call: Call, asked: dict[str, str], language: Language) -> Values:
    """Show what is, or was, wrong."""
    given = {name: value for name, value in asked.items() if value and name in ("gateway", "rule", "all")}
    query = read({**given, "language": language.code, "limit": INCIDENTS_SHOWN}, incidents.IncidentQuery, strict=False)
    rows = [(row, words(row, language)) for row in incidents.incidents(call._replace(query=query))]
    return {"rows": rows, "query": query, "given": given, "rules": list(RULES)}


def incident(call: Call, _: dict[str, str], language: Language) -> Values:
    """Show one incident and who was told of it."""
    view = incidents.incident_view(call._replace(query=incidents.LanguageQuery(language.code)))
    return {
        "row": view.incident,
        "text": words(view.incident, language),
        "told": view.notifications,
        "by_hand": view.incident.rule == "alarm",
    }


def notifications(call: Call, _: dict[str, str], __: Language) -> Values:
    """Show what is watched, and by which channels people are told."""
    view = channels.notifying(call)
    return {"channels": view.channels, "rules": view.rules}


class _Told(dict[str, str]):
    """Fill a sentence of the event catalogue with what an incident knows of it: its subject, and nothing else."""

    def __missing__(self, name: str) -> str:
        return self["subject"] if name in ("meter", "link", "device", "partner") else "…"


def words(row: incidents.IncidentRow, language: Language) -> str:
    """Say what is wrong, in the words and numbers of the reader."""
    rule = RULES.get(row.rule)
    if rule is None:
        return row.text
    detail = row.detail
    if row.rule in ("clock", "state"):
        detail = language.word(row.rule, detail)
    elif row.rule == "silent":
        detail = language.moment(detail)
    elif row.rule == "alarm":
        detail = _event(row.subject, language) or detail
    return (rule.de if language.code == "de" else rule.en).format(subject=row.subject, detail=detail)


def _event(subject: str, language: Language) -> str:
    name, _, about = subject.partition("/")
    event = EVENTS.get(name)
    if event is None:
        return ""
    try:
        return (event.de if language.code == "de" else event.en).format_map(_Told(subject=about))
    except (ValueError, IndexError, AttributeError):
        return ""

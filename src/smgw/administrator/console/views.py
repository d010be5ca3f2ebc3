"""What each page shows: one function from a call to the values of its template. Source: ADM-01, ADM-06, ADM-10, ADM-13."""

from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from smgw.administrator.api import (
    alarms,
    approvals,
    audit,
    cases,
    channels,
    exchanges,
    firmware,
    gateways,
    incidents,
    jobs,
    logs,
    market_orders,
    profiles,
    successions,
    users,
    wake_ups,
)
from smgw.administrator.api.endpoints import Call
from smgw.administrator.api.routes import read
from smgw.administrator.campaigns import Plan
from smgw.administrator.console.deeds import deed_in_words
from smgw.administrator.console.language import Language
from smgw.administrator.console.watch_views import incident, incident_list, notifications
from smgw.administrator.console.work_views import case, case_list, order_list, succession_list
from smgw.administrator.users import LOCAL, Role
from smgw.administrator.wakeup import Address
from smgw.core.errors import DomainFault
from smgw.core.life_cycle import Phase
from smgw.core.log_event import Level
from smgw.core.profiles import CommunicationProfile, MeterProfile, profile_key
from smgw.security.policy import CURVE_RULES, Use

PAGE_ROWS = 50
JOBS_SHOWN = 20
LOG_ROWS = 25
FACTS_SHOWN_ELSEWHERE = frozenset({"state", "clock", "firmware", "phase", "alarms", "self_test", "unknown"})

COMMON_ORDERS: dict[str, tuple[str, str]] = {
    "state": ("GET", "state"),
    "self_test": ("POST", "fas/self-test"),
    "firmware": ("GET", "firmware/status"),
    "keys": ("GET", "keys"),
    "meters": ("GET", "rts/meter"),
    "evaluations": ("GET", "rts/evaluation"),
    "communications": ("GET", "rts/communication"),
}
"""Orders that need no more than a press of a button -> method and resource."""

Values = dict[str, Any]
View = Callable[[Call, dict[str, str], Language], Values]


class Page(NamedTuple):
    """Describe one page."""

    path: str
    template: str
    view: View
    handler: Callable[[Call], Any]
    """The endpoint whose roles may see the page."""
    tab: str = ""
    """Key of its tab within its group; empty: it has none."""
    group: str = ""
    """Key of the entry in the navigation that it belongs to."""


def fleet(call: Call, asked: dict[str, str], _: Language) -> Values:
    """Show the fleet list."""
    given = {name: value for name, value in asked.items() if value and name in gateways.FleetQuery.__struct_fields__}
    query = msgspec.structs.replace(read(given, gateways.FleetQuery, strict=False), limit=PAGE_ROWS)
    found = gateways.fleet(call._replace(query=query))
    everything = gateways.fleet(call._replace(query=gateways.FleetQuery(limit=1_000_000)))
    return {
        "fleet": found,
        "query": query,
        "given": given,
        "states": sorted({row.state for row in everything.gateways}),
        "curves": curves(),
        "firmwares": sorted({row.firmware for row in everything.gateways} - {""}),
        "earlier": max(0, query.offset - PAGE_ROWS) if query.offset else None,
        "later": query.offset + PAGE_ROWS if query.offset + PAGE_ROWS < found.total else None,
        "sums": {
            "all": everything.all,
            "reachable": sum(row.reachable for row in everything.gateways),
            "alarm": sum(row.alarms + row.unseen > 0 for row in everything.gateways),
            "expiring": sum(row.certificate_days_left <= 30 for row in everything.gateways),
        },
    }


def gateway(call: Call, asked: dict[str, str], language: Language) -> Values:
    """Show one gateway."""
    view = gateways.gateway(call)
    held = call.books.inventory.profiles(view.gateway.device_id)
    name = asked.get("log", "system")
    given = {"language": language.code, "limit": LOG_ROWS, "before": asked.get("before", "0")}
    query = read(given, logs.LogQuery, strict=False)
    log = logs.log(call._replace(path={**call.path, "log": name}, query=query))
    return {
        "view": view,
        "row": view.gateway,
        "life": _life(view.gateway),
        "phases": tuple(Phase),
        "meters": [profile for _, profile in held if isinstance(profile, MeterProfile)],
        "partners": [profile for _, profile in held if isinstance(profile, CommunicationProfile)],
        "alarms": [alarm for alarm in _listed(view.facts.get("alarms")) if isinstance(alarm, dict)],
        "unknown": [meter for meter in _named(view.facts.get("unknown")) if isinstance(meter, str)][:20],
        "facts": {name: value for name, value in view.facts.items() if name not in FACTS_SHOWN_ELSEWHERE},
        "self_test": view.facts.get("self_test") if isinstance(view.facts.get("self_test"), dict) else None,
        "jobs": jobs.jobs(call._replace(query=jobs.JobsQuery(limit=JOBS_SHOWN))),
        "orders": COMMON_ORDERS,
        "exchange": next((one for one in exchanges.exchanges(call) if one.device_id == view.gateway.device_id), None),
        "curves": curves(),
        "wake": {"address": _wake_up_address(call), "state": wake_ups.calls(call)},
        "succession": call.books.successions.change(view.gateway.device_id),
        "log": log,
        "logs": logs.LOGS,
        "older": log.entries[-1].index if len(log.entries) == LOG_ROWS else 0,
        "kinds": profiles_kinds(),
    }


def curves() -> list[str]:
    """List the curves that new keys may be made on."""
    return [rule.curve for rule in CURVE_RULES if rule.use is Use.END_ENTITY]


def _wake_up_address(call: Call) -> Address | None:
    try:
        return wake_ups.address(call)
    except DomainFault:
        return None


def job(call: Call, _: dict[str, str], __: Language) -> Values:
    """Show one command and the gateway's answer."""
    row = jobs.job(call)
    return {"row": row, "text": msgspec.json.format(row.result, indent=2).decode(errors="replace")}


def profiles_kinds() -> tuple[str, ...]:
    """List the kinds of profiles that a form takes; a consumer's needs digests, which a program makes."""
    return ("meter", "communication", "evaluation")


def _life(row: gateways.GatewayRow) -> Phase | None:
    """Give the phase that a gateway reported; one that takes commands and reports none is at work."""
    reported = next((phase for phase in Phase if phase.value == row.phase), None)
    return reported or (Phase.NORMAL_OPERATION if row.last_contact else None)


def _named(value: object) -> list[Any]:
    return list(value) if isinstance(value, dict | list) else []


def _listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def profile(call: Call, _: dict[str, str], __: Language) -> Values:
    """Show one profile and its other versions' neighbours."""
    view = profiles.profile(call)
    users_of = [
        profile_key(other)
        for kind, other in call.books.inventory.profiles(call.path["device_id"])
        if kind == "evaluation" and view.id in (getattr(other, "meter_id", ""), *getattr(other, "recipients", ()))
    ]
    text = msgspec.json.format(msgspec.json.encode(view.profile), indent=2).decode()
    return {"device_id": call.path["device_id"], "view": view, "text": text, "used_by": users_of}


def proposals(call: Call, _: dict[str, str], language: Language) -> Values:
    """Show what waits for a second person, and what was decided."""
    rows = approvals.proposals(call._replace(query=approvals.ProposalQuery()))
    return {
        "rows": [(row, deed_in_words(row, language), msgspec.json.format(row.request, indent=2).decode()) for row in rows],
        "four_eyes": sorted(call.desk.four_eyes),
        "may_approve": Role.APPROVER in call.user.roles,
    }


def alarm_list(call: Call, asked: dict[str, str], language: Language) -> Values:
    """Show what gateways told by themselves."""
    given = {name: value for name, value in asked.items() if value and name in ("gateway", "level", "unseen")}
    query = read({**given, "limit": 2 * PAGE_ROWS, "language": language.code}, alarms.AlarmQuery, strict=False)
    return {
        "rows": alarms.alarms(call._replace(query=query)),
        "query": query,
        "given": given,
        "levels": [level.name for level in sorted(Level, reverse=True)],
    }


def campaign_list(call: Call, _: dict[str, str], __: Language) -> Values:
    """Show releases and campaigns."""
    rows = firmware.campaigns(call)
    stopped = [member for row in rows[:1] for member in firmware.members(_of(call, row.id)) if member.code]
    return {
        "campaigns": rows,
        "releases": firmware.releases(call),
        "failed": stopped[:PAGE_ROWS],
        "gateways": len(call.books.inventory.gateways()),
        "plan": Plan(),
        "under_way": any(row.state in ("running", "paused") for row in rows),
    }


def _of(call: Call, number: int) -> Call:
    return call._replace(path={"number": str(number)}, query=firmware.MembersQuery())


def audit_trail(call: Call, asked: dict[str, str], _: Language) -> Values:
    """Show the audit trail; with `check` its whole chain is walked."""
    given = {name: value for name, value in asked.items() if value and name in audit.AuditQuery.__struct_fields__}
    query = msgspec.structs.replace(read(given, audit.AuditQuery, strict=False), limit=PAGE_ROWS)
    trail = audit.trail(call._replace(query=query))
    check = audit.check(call._replace(query=audit.HeadQuery(asked.get("head", "")))) if "check" in asked else None
    last = trail.entries[-1].id if len(trail.entries) == PAGE_ROWS else 0
    return {"trail": trail, "query": query, "check": check, "head": asked.get("head", ""), "older": last if last > 1 else 0}


def user_list(call: Call, _: dict[str, str], __: Language) -> Values:
    """Show users and roles."""
    return {"users": users.users(call), "all_roles": tuple(Role)}


def account(call: Call, _: dict[str, str], __: Language) -> Values:
    """Show what the user may do for themselves."""
    return {
        "tokens": users.tokens(call),
        "is_person": call.user.name != LOCAL,
        "may_backup": Role.KEEPER in call.user.roles,
        "made": None,
    }


PAGES = (
    Page("/", "fleet.html", fleet, gateways.fleet, "fleet", "fleet"),
    Page("/gateways/{device_id}", "gateway.html", gateway, gateways.gateway, group="fleet"),
    Page("/gateways/{device_id}/profiles/{kind}/{profile_id}", "profile.html", profile, profiles.profile, group="fleet"),
    Page("/gateways/{device_id}/jobs/{number}", "job.html", job, jobs.job, group="fleet"),
    Page("/incidents", "incidents.html", incident_list, incidents.incidents, "incidents", "faults"),
    Page("/incidents/{number}", "incident.html", incident, incidents.incident_view, group="faults"),
    Page("/alarms", "alarms.html", alarm_list, alarms.alarms, "alarms", "faults"),
    Page("/notifications", "notifications.html", notifications, channels.notifying, "notifications", "faults"),
    Page("/campaigns", "campaigns.html", campaign_list, firmware.campaigns, "campaigns", "campaigns"),
    Page("/cases", "cases.html", case_list, cases.cases, "cases", "work"),
    Page("/cases/{case}", "case.html", case, cases.case, group="work"),
    Page("/successions", "successions.html", succession_list, successions.successions, "successions", "work"),
    Page("/market-orders", "market_orders.html", order_list, market_orders.orders, "orders", "work"),
    Page("/proposals", "proposals.html", proposals, approvals.proposals, "proposals", "proposals"),
    Page("/audit", "audit.html", audit_trail, audit.trail, "audit", "books"),
    Page("/users", "users.html", user_list, users.users, "users", "books"),
    Page("/account", "account.html", account, users.me),
)
"""Every page; each group stands in the navigation in this order, the pages of a group as tabs below it."""

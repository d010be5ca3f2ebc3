"""What forms do: each is an endpoint of the REST interface with its body made from the fields, so that both obey the same roles.

Source: ADM-02, ADM-13.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from smgw.administrator.api import (
    alarms,
    approvals,
    cases,
    channels,
    exchanges,
    firmware,
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
from smgw.administrator.console.views import COMMON_ORDERS
from smgw.core.errors import PeerFault
from smgw.core.instant import BERLIN, utc_text

Fields = Mapping[str, str]


class Form(NamedTuple):
    """Describe one form."""

    path: str
    handler: Callable[[Call], Any]
    """The endpoint that it leads to."""
    then: str
    """Address of the page that is shown afterwards; the path's names are filled in."""
    done: str
    """Key of the sentence that says what was done."""
    prepare: Callable[[Call, Fields, list[str]], Call] = lambda call, _fields, _chosen: call
    """Puts the fields, and the values that were chosen of `roles`, into the call."""


def _order(call: Call, fields: Fields, _: list[str]) -> Call:
    if fields.get("order"):
        method, resource = COMMON_ORDERS.get(fields["order"], ("", ""))
        return call._replace(body=read({"method": method, "resource": resource}, jobs.NewJob))
    body = _json(fields.get("body", "").strip() or "null", "body")
    return call._replace(
        body=read({"method": fields.get("method"), "resource": fields.get("resource", "").strip(), "body": body}, jobs.NewJob)
    )


def _profile(call: Call, fields: Fields, _: list[str]) -> Call:
    body, kind = _json(fields.get("profile", ""), "profile"), fields.get("kind", "")
    if not isinstance(body, dict):
        raise PeerFault("administrator.request", "profile: an object in JSON")
    names = {"meter": "meter_id", "communication": "partner_id", "evaluation": "profile_id"}
    return call._replace(path={**call.path, "kind": kind, "profile_id": str(body.get(names.get(kind, ""), ""))}, body=body)


def _exchange(call: Call, fields: Fields, _: list[str]) -> Call:
    return call._replace(body=read({"reason": fields.get("reason"), "curve": fields.get("curve", "")}, exchanges.NewExchange))


def _campaign(call: Call, fields: Fields, _: list[str]) -> Call:
    stages = [int(part) if part.isdigit() and len(part) < 4 else part for part in fields.get("stages", "").replace(",", " ").split()]
    numbers = {name: fields.get(name, "") for name in ("success_percent", "soak_s", "failure_percent")}
    plan = {name: int(text) for name, text in numbers.items() if text.isascii() and text.isdigit() and len(text) < 9}
    return call._replace(body=read({"version": fields.get("version", ""), "plan": {**plan, "stages": stages}}, firmware.NewCampaign))


def _new_user(call: Call, fields: Fields, roles: list[str]) -> Call:
    body = {"name": fields.get("name", "").strip(), "password": fields.get("password", ""), "roles": roles}
    return call._replace(body=read(body, users.NewUser))


def _user(call: Call, fields: Fields, roles: list[str]) -> Call:
    body: dict[str, Any] = {}
    if fields.get("change") == "roles":
        body["roles"] = roles
    elif fields.get("change") == "password":
        body["password"] = fields.get("password", "")
    elif fields.get("change") in ("on", "off"):
        body["active"] = fields["change"] == "on"
    return call._replace(body=read(body, users.UserChange))


def _password(call: Call, fields: Fields, _: list[str]) -> Call:
    return call._replace(body=read({"old": fields.get("old", ""), "new": fields.get("new", "")}, users.PasswordChange))


def _wake_up(call: Call, fields: Fields, _: list[str]) -> Call:
    body = {
        "host": fields.get("host", "").strip(),
        "port": _number(fields, "port"),
        "timestamp_order": fields.get("timestamp_order", "little"),
        "on_wake_up": fields.get("on_wake_up") == "true",
        "set_gateway": fields.get("set_gateway") == "true",
    }
    return call._replace(body=read(body, wake_ups.NewAddress))


def _wake(call: Call, _: Fields, __: list[str]) -> Call:
    return call._replace(query=wake_ups.WakeQuery(wait=False))


def _end(call: Call, fields: Fields, _: list[str]) -> Call:
    body = {"method": "POST", "resource": "life/announce-end", "body": {"at": _moment(fields, "at")}}
    return call._replace(body=read(body, jobs.NewJob))


def _seal(call: Call, fields: Fields, _: list[str]) -> Call:
    return call._replace(body=read({"seal": fields.get("seal", ""), "curve": fields.get("curve", "")}, exchanges.Enrolment))


def _case(call: Call, fields: Fields, _: list[str]) -> Call:
    body = {"certificate": fields.get("certificate", ""), "reason": fields.get("reason", "").strip(), "hours": _number(fields, "hours")}
    return _at_gateway(call, fields)._replace(body=read(body, cases.NewCase))


def _close_case(call: Call, fields: Fields, _: list[str]) -> Call:
    return call._replace(body=cases.Closing(fields.get("keep_diagnosis") == "true"))


def _handover(call: Call, fields: Fields, _: list[str]) -> Call:
    body = {"offer": fields.get("offer", ""), "until": _moment(fields, "until")}
    return _at_gateway(call, fields)._replace(body=read(body, successions.Handover))


def _intake(call: Call, fields: Fields, _: list[str]) -> Call:
    host = fields.get("host", "").strip()
    wake_up = {"host": host, "port": _number(fields, "port"), "on_wake_up": False} if host else None
    body = {"infrastructure": fields.get("infrastructure", ""), "until": _moment(fields, "until"), "wake_up": wake_up}
    return call._replace(body=read(body, successions.Intake))


def _channel(call: Call, fields: Fields, _: list[str]) -> Call:
    given: dict[str, Any] = {name: text.strip() for name, text in fields.items() if name != "form_key" and text.strip()}
    if "port" in given:
        given["port"] = _number(fields, "port")
    if "implicit_tls" in given:
        given["implicit_tls"] = given["implicit_tls"] == "true"
    if "recipients" in given:
        given["recipients"] = [part for part in given["recipients"].replace(",", " ").split() if part]
    return call._replace(body=read(given, channels.NewChannel))


def _at_gateway(call: Call, fields: Fields) -> Call:
    return call._replace(path={**call.path, "device_id": fields.get("device_id", "").strip()})


def _number(fields: Fields, name: str) -> int:
    text = fields.get(name, "").strip()
    if not (text.isascii() and text.isdigit() and len(text) < 9):
        raise PeerFault("administrator.request", f"{name}: a number")
    return int(text)


def _moment(fields: Fields, name: str) -> str:
    """Read local time as a browser sends it. Raises: PeerFault administrator.request."""
    try:
        return utc_text(datetime.strptime(fields.get(name, ""), "%Y-%m-%dT%H:%M").replace(tzinfo=BERLIN))
    except (ValueError, OverflowError) as problem:
        raise PeerFault("administrator.request", f"{name}: a day and a time") from problem


def _json(text: str, field: str) -> Any:
    try:
        return msgspec.json.decode(text.encode(errors="surrogatepass"))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as problem:
        raise PeerFault("administrator.request", f"{field}: {str(problem)[:160]}") from problem


_GATEWAY = "/gateways/{device_id}"
_PROFILE = "/gateways/{device_id}/profiles/{kind}/{profile_id}"

FORMS = (
    Form(f"{_GATEWAY}/jobs", jobs.add_job, f"{_GATEWAY}#jobs", "ordered", _order),
    Form(f"{_GATEWAY}/logs/{{log}}", logs.fetch, f"{_GATEWAY}?log={{log}}#log", "fetching"),
    Form(f"{_GATEWAY}/jobs/{{number}}/cancel", jobs.cancel, f"{_GATEWAY}#jobs", "cancelled"),
    Form(f"{_GATEWAY}/exchange", exchanges.order, _GATEWAY, "exchange", _exchange),
    Form(f"{_GATEWAY}/profiles", profiles.put_profile, f"{_GATEWAY}#profiles", "profile_put", _profile),
    Form(f"{_PROFILE}/delete", profiles.remove_profile, f"{_GATEWAY}#profiles", "profile_deleted"),
    Form(f"{_GATEWAY}/announce-end", jobs.add_job, f"{_GATEWAY}#jobs", "ordered", _end),
    Form(f"{_GATEWAY}/wake-up", wake_ups.set_address, f"{_GATEWAY}#wake-up", "wake_up_set", _wake_up),
    Form(f"{_GATEWAY}/wake", wake_ups.wake, f"{_GATEWAY}#wake-up", "called", _wake),
    Form("/enrolments", exchanges.enrol, "/", "enrolled", _seal),
    Form("/incidents/{number}/close", incidents.close, "/incidents", "incident_closed"),
    Form("/notifications", channels.add, "/notifications", "channel_added", _channel),
    Form("/notifications/{name}/try", channels.attempt, "/notifications", "channel_tried"),
    Form("/notifications/{name}/remove", channels.remove, "/notifications", "channel_removed"),
    Form("/cases", cases.open_case, "/cases", "case_opened", _case),
    Form("/cases/{case}/close", cases.close_case, "/cases/{case}", "case_closed", _close_case),
    Form("/successions", successions.take_over, "/successions", "succession_begun", _intake),
    Form("/successions/handover", successions.hand_over, "/successions", "succession_begun", _handover),
    Form("/successions/{device_id}/withdraw", successions.withdraw, "/successions", "succession_withdrawn"),
    Form("/successions/{device_id}/confirm", successions.confirm, "/successions", "succession_confirmed"),
    Form("/market-orders/{order}/approve", market_orders.approve, "/market-orders", "approved"),
    Form("/market-orders/{order}/reject", market_orders.reject, "/market-orders", "order_rejected"),
    Form("/alarms/{number}/acknowledge", alarms.acknowledge, "/alarms?unseen=true", "alarm"),
    Form("/campaigns", firmware.begin, "/campaigns", "campaign", _campaign),
    Form("/campaigns/{number}/pause", firmware.pause, "/campaigns", "campaign"),
    Form("/campaigns/{number}/resume", firmware.resume, "/campaigns", "campaign"),
    Form("/campaigns/{number}/abort", firmware.abort, "/campaigns", "campaign"),
    Form("/proposals/{number}/approve", approvals.approve, "/proposals", "approved"),
    Form("/proposals/{number}/reject", approvals.reject, "/proposals", "rejected"),
    Form("/users", users.add_user, "/users", "user_added", _new_user),
    Form("/users/{name}", users.change_user, "/users", "user_changed", _user),
    Form("/account/password", users.change_password, "/login", "password_changed", _password),
    Form("/account/tokens/{number}/delete", users.remove_token, "/account", "token_removed"),
)
"""Every form that ends with another page; log-in, new tokens, backups and files answer by themselves."""

FILES: tuple[tuple[str, Callable[[Call], Any], Callable[[dict[str, str]], Any]], ...] = (
    ("/successions/offer", successions.offer, lambda fields: read({"host": fields.get("host", "").strip()}, successions.NewOffer)),
    ("/successions/infrastructure", successions.tell, lambda fields: read({"offer": fields.get("offer", "")}, successions.Telling)),
)
"""Forms that answer with a file: address, endpoint, and its body from the fields."""

DONE = frozenset({form.done for form in FORMS} | {"proposed"})
"""Keys of the sentences that may stand at the top of a page."""

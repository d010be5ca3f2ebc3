"""What forms do: each is an endpoint of the REST interface with its body made from the fields, so that both obey the same roles.

Source: ADM-02, ADM-13.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgspec

from smgw.administrator.api import alarms, approvals, exchanges, firmware, jobs, logs, profiles, users
from smgw.administrator.api.endpoints import Call
from smgw.administrator.api.routes import read
from smgw.administrator.console.views import COMMON_ORDERS
from smgw.core.errors import PeerFault

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
"""Every form that ends with another page; log-in, new tokens and backups answer by themselves."""

DONE = frozenset({form.done for form in FORMS} | {"proposed"})
"""Keys of the sentences that may stand at the top of a page."""

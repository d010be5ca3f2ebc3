"""What can be done with an administrator, and by which of the three ways: console, REST interface, command line.

Each endpoint, page, form and command stands in the table once; a new one that stands nowhere fails the test, and a way that a capability
misses needs its reason.
"""

from typing import NamedTuple

import pytest
import typer.main

from smgw.administrator.api import ENDPOINTS
from smgw.administrator.api.openapi import operation_id
from smgw.administrator.console.forms import FILES, FORMS
from smgw.administrator.console.views import PAGES
from smgw.cli.administrator import app

pytestmark = pytest.mark.req("ADM-13")

OWN = {"/login", "/logout", "/account/tokens", "/backup", "/audit/export"}
"""Addresses of the console beside the tables of pages and forms."""


class Ways(NamedTuple):
    """Name the ways to one capability: addresses of the console, operations of the REST interface, commands; or why there is none."""

    console: str
    rest: str
    cli: str


def no(reason: str) -> str:
    """Say why a way is missing."""
    return f"! {reason}"


_OWN_AFFAIR = no("a person does this for themselves, at the page behind their name; at the machine the folder's token is used")
_FILES = no("packages are larger than a form takes; the pages show releases and campaigns")
_SUMMED = no("the pages show each gateway's calls")
_SERVED = no("done at the machine that the administrator runs on")

G = "/gateways/{device_id}"
P = f"{G}/profiles/{{kind}}/{{profile_id}}"

TABLE: dict[str, Ways] = {
    "see the fleet": Ways("/", "get_gateways", "gateways"),
    "see a gateway": Ways(G, "get_gateways_device_id", "gateway"),
    "enrol a gateway": Ways("/enrolments", "post_gateways", "life enrol"),
    "make a first file or an offer": Ways(
        "/successions/offer", "post_gateways_device_id_succession_offer", "life initial-configuration, succession offer"
    ),
    "list profiles": Ways(G, "get_gateways_device_id_profiles", "profile list"),
    "see a profile": Ways(P, "get_gateways_device_id_profiles_kind_profile_id", "profile list"),
    "put a profile": Ways(f"{G}/profiles", "put_gateways_device_id_profiles_kind_profile_id", "profile put, template fill"),
    "delete a profile": Ways(f"{P}/delete", "delete_gateways_device_id_profiles_kind_profile_id", "profile delete"),
    "compare profiles": Ways(
        no("it waits for the gateway's answer; the page shows which profile was refused"),
        "post_gateways_device_id_profiles_read_back, get_gateways_device_id_profiles_comparison",
        "profile compare",
    ),
    "make profiles of a template": Ways(
        no("a template takes files and passwords of many people"), no("a program puts profiles; templates are a help for people"),
        "template list, template fill, template partner, template meter-key",
    ),
    "list commands": Ways(G, "get_gateways_device_id_jobs", "job list"),
    "see a command": Ways(f"{G}/jobs/{{number}}", "get_jobs_number", "job show"),
    "order a command": Ways(f"{G}/jobs", "post_gateways_device_id_jobs", "job add"),
    "take a command back": Ways(f"{G}/jobs/{{number}}/cancel", "delete_jobs_number", "job cancel"),
    "see a log": Ways(G, "get_gateways_device_id_logs_log", "log"),
    "fetch a log": Ways(f"{G}/logs/{{log}}", "post_gateways_device_id_logs_log", "log"),
    "see notices": Ways("/alarms", "get_alarms", "alarm list"),
    "acknowledge a notice": Ways("/alarms/{number}/acknowledge", "post_alarms_number_acknowledge", "alarm acknowledge"),
    "see incidents": Ways("/incidents", "get_incidents", "incident list"),
    "see an incident": Ways("/incidents/{number}", "get_incidents_number", "incident show"),
    "close an incident": Ways("/incidents/{number}/close", "post_incidents_number_close", "incident close"),
    "see who is told": Ways("/notifications", "get_notifications", "notification list"),
    "add a channel": Ways(
        "/notifications", "post_notifications", "notification add webhook, notification add email, notification add mqtt"
    ),
    "try a channel": Ways("/notifications/{name}/try", "post_notifications_name_try", "notification try"),
    "remove a channel": Ways("/notifications/{name}/remove", "delete_notifications_name", "notification remove"),
    "see proposals": Ways("/proposals", "get_proposals", "proposal list"),
    "approve a proposal": Ways("/proposals/{number}/approve", "post_proposals_number_approve", "proposal approve"),
    "reject a proposal": Ways("/proposals/{number}/reject", "post_proposals_number_reject", "proposal reject"),
    "read the audit trail": Ways("/audit", "get_audit", "audit list"),
    "check the audit trail": Ways("/audit", "get_audit_check", "audit verify"),
    "export the audit trail": Ways("/audit/export", "get_audit_export", "audit export"),
    "see users": Ways("/users", "get_users", "user list"),
    "make a user": Ways("/users", "post_users", "user add"),
    "change a user": Ways("/users/{name}", "put_users_name", "user roles, user password, user off, user on"),
    "log in and out": Ways("/login, /logout", no("a program shows its token with each request"), no("a token is shown with each command")),
    "see who I am": Ways("/account", "get_me", _OWN_AFFAIR),
    "change my password": Ways("/account/password", "put_me_password", _OWN_AFFAIR),
    "see my tokens": Ways("/account", "get_me_tokens", _OWN_AFFAIR),
    "make a token": Ways("/account/tokens", "post_me_tokens", _OWN_AFFAIR),
    "take a token back": Ways("/account/tokens/{number}/delete", "delete_me_tokens_number", _OWN_AFFAIR),
    "take a backup": Ways("/backup", "post_backup", "backup"),
    "restore a backup": Ways(_SERVED, _SERVED, "restore"),
    "run an administrator": Ways(_SERVED, _SERVED, "run"),
    "see cases": Ways("/cases", "get_cases", "case list"),
    "see a case": Ways("/cases/{case}", "get_cases_case", "case show"),
    "send a technician": Ways("/cases", "post_gateways_device_id_cases", "case open"),
    "close a case": Ways("/cases/{case}/close", "post_cases_case_close", "case close"),
    "see exchanges of keys": Ways(G, "get_exchanges", "life list"),
    "order new keys or an end": Ways(f"{G}/exchange", "post_gateways_device_id_exchange", "life renew-keys, life decommission"),
    "announce an end": Ways(f"{G}/announce-end", "post_gateways_device_id_jobs", "life announce-end"),
    "see releases": Ways("/campaigns", "get_firmware_releases", "firmware list"),
    "upload a release": Ways(_FILES, "post_firmware_uploads, post_firmware_releases", "firmware upload"),
    "certify a release": Ways(no("the list comes as a file of the authority"), "post_firmware_certified", "firmware certify"),
    "see campaigns": Ways("/campaigns", "get_firmware_campaigns, get_firmware_campaigns_number", "firmware campaigns"),
    "see a campaign's gateways": Ways("/campaigns", "get_firmware_campaigns_number_gateways", "firmware show"),
    "begin a campaign": Ways("/campaigns", "post_firmware_campaigns", "firmware begin"),
    "pause a campaign": Ways("/campaigns/{number}/pause", "post_firmware_campaigns_number_pause", "firmware pause"),
    "resume a campaign": Ways("/campaigns/{number}/resume", "post_firmware_campaigns_number_resume", "firmware resume"),
    "abort a campaign": Ways("/campaigns/{number}/abort", "post_firmware_campaigns_number_abort", "firmware abort"),
    "sum up wake-up calls": Ways(_SUMMED, "get_wake_ups", "wake-up statistics"),
    "see a wake-up address": Ways(G, "get_gateways_device_id_wake_up", "wake-up show"),
    "set a wake-up address": Ways(f"{G}/wake-up", "put_gateways_device_id_wake_up", "wake-up set"),
    "see a gateway's calls": Ways(G, "get_gateways_device_id_wake_up_calls", "wake-up calls"),
    "wake a gateway": Ways(f"{G}/wake", "post_gateways_device_id_wake_up", "wake-up call"),
    "see changes of administrator": Ways("/successions", "get_successions, get_gateways_device_id_succession", "succession list"),
    "tell the new administrator": Ways(
        "/successions/infrastructure", "post_gateways_device_id_succession_infrastructure", "succession infrastructure"
    ),
    "hand a gateway over": Ways("/successions/handover", "post_gateways_device_id_succession", "succession announce"),
    "take a gateway over": Ways("/successions", "post_successions", "succession accept"),
    "give a change up": Ways("/successions/{device_id}/withdraw", "delete_gateways_device_id_succession", "succession withdraw"),
    "confirm a change": Ways("/successions/{device_id}/confirm", "post_gateways_device_id_succession_confirm", "succession confirm"),
    "see participants' orders": Ways("/market-orders", "get_market_orders, get_market_orders_order", "order list, order show"),
    "approve an order": Ways("/market-orders/{order}/approve", "post_market_orders_order_approve", "order approve"),
    "reject an order": Ways("/market-orders/{order}/reject", "post_market_orders_order_reject", "order reject"),
    "send a COSEM command": Ways(
        no("a form for XML helps nobody; the page of a command shows what came back"),
        "post_gateways_device_id_cosem, get_cosem_number",
        "cosem get, cosem put, cosem call, cosem delete, cosem object",
    ),
}  # fmt: skip


def names(way: str) -> set[str]:
    """Give the names of one way; none where it is missing."""
    return set() if way.startswith("!") else {name.strip() for name in way.split(",")}


def commands(group: object, path: str = "") -> set[str]:
    """List every command below `smgw administrator`."""
    found: set[str] = set()
    for name, command in getattr(group, "commands", {}).items():
        full = f"{path} {name}".strip()
        found |= commands(command, full) if hasattr(command, "commands") else {full}
    return found


EXISTING = {
    "console": {page.path for page in PAGES} | {form.path for form in FORMS} | {path for path, _, _ in FILES} | OWN,
    "rest": {operation_id(row) for row in ENDPOINTS},
    "cli": commands(typer.main.get_command(app)),
}


@pytest.mark.parametrize("way", EXISTING)
def test_everything_that_exists_stands_in_the_table_and_the_other_way_round(way: str) -> None:
    named = {name for row in TABLE.values() for name in names(getattr(row, way))}
    assert sorted(EXISTING[way] - named) == [], "it needs a row, or a place in one"
    assert sorted(named - EXISTING[way]) == [], "it does not exist"


def test_every_capability_has_each_way_or_a_reason() -> None:
    for capability, row in TABLE.items():
        for way in row:
            assert names(way) or len(way) > 20, capability
        assert any(names(way) for way in row), capability
    missing = [capability for capability, row in TABLE.items() if not all(map(names, row))]
    assert len(missing) < len(TABLE) / 4, missing

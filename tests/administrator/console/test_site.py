"""The console's forms do what the REST interface does, for the same roles; whatever is shown is text."""

import re
from collections.abc import Iterator
from datetime import timedelta
from html import unescape
from pathlib import Path
from typing import get_args

import msgspec
import pytest
from tests.administrator.administrator_parts import add_gateway
from tests.administrator.interface_parts import PASSWORD, add_user, make_desk, served
from tests.gateway.gateway_parts import GATEWAY_ID, START, meter_profile

from smgw.administrator.api.endpoints import ANYONE, Desk
from smgw.administrator.approvals import KINDS
from smgw.administrator.backup import restore_backup
from smgw.administrator.books import Books
from smgw.administrator.campaigns import CampaignState, GatewayState
from smgw.administrator.config import AdministratorFolder, MonitoringConfig, Mqtt
from smgw.administrator.console.forms import FORMS
from smgw.administrator.console.language import LANGUAGES, Language
from smgw.administrator.console.site import endpoint_of
from smgw.administrator.console.views import PAGES
from smgw.administrator.jobs import JobState
from smgw.administrator.monitoring import RULES, Finding
from smgw.administrator.orders import DEEDS
from smgw.administrator.succession import Change, State
from smgw.administrator.users import Role
from smgw.administrator.wakeup import Address
from smgw.codec.command import Answer
from smgw.codec.market_order import MarketOrder
from smgw.core.notices import Notice

NAMES = {
    "device_id": GATEWAY_ID, "kind": "meter", "profile_id": "1SGW0010000001", "log": "system", "number": "1", "name": "someone",
    "case": "C000001", "order": "00000000-0000-4000-8000-000000000001",
}  # fmt: skip
XSS = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&{{777*7777}}"


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = make_desk(tmp_path / "gwa")
    add_user(desk.books, "someone")
    fill(desk.books, "someone")
    yield desk
    desk.books.close()


def fill(books: Books, text: str) -> None:
    """Make one of each thing that has a page of its own, with a text of others in each place that takes one."""
    job = books.jobs.add(GATEWAY_ID, "POST", text, {"x": text}, at=START, actor=text, random=bytes(16))
    books.jobs.end(job, Answer(job.command_id, START, GATEWAY_ID, 200, text, msgspec.Raw(msgspec.json.encode({text: text}))), START)
    books.incidents.settle([Finding(GATEWAY_ID, "alarm", f"{text}/{text}", text)], START)
    (incident,) = books.incidents.listed()
    books.notifications.put(incident, [text], START)
    books.notifications.failed(books.notifications.due(text, START)[0], text, START)
    books.cases.open(GATEWAY_ID, text, text, text, until=START + timedelta(hours=8), at=START, actor=text)
    books.cases.report(
        "C000001", msgspec.json.encode({text: {text: text}, "x": [{text: text}, text, 1], "log": [{"text": text}]}), text, at=START, by=text
    )
    change = Change(GATEWAY_ID, "incoming", text, "expected", b"", text, "", "")
    books.successions.begin(change, START, text)
    books.successions.move(GATEWAY_ID, "refused", START, text, text)
    books.wake_ups.set_address(GATEWAY_ID, Address(text, 15_100), START, text)
    books.wake_ups.end(books.wake_ups.begin(GATEWAY_ID, START), 6, 1, "given_up")


@pytest.mark.req("ADM-13", "SEC-03")
@pytest.mark.parametrize("role", Role)
async def test_every_page_and_form_is_open_to_whom_its_endpoint_names(desk: Desk, role: Role) -> None:
    add_user(desk.books, "op1", role)
    async with served(desk) as caller:
        key = await caller.log_in("op1")
        for page in PAGES:
            status, text = await caller.page(page.path.format_map(NAMES))
            roles = endpoint_of(page.handler).roles
            assert status == (200 if roles == ANYONE or role in roles else 403), page.path
            assert "Traceback" not in text
        for form in FORMS:
            status, text = await caller.send(form.path.format_map(NAMES), {"form_key": key})
            roles = endpoint_of(form.handler).roles
            assert ("administrator.forbidden" in text) == (roles != ANYONE and role not in roles), form.path
            assert status in (303, 400, 403, 404, 409) or "wakeup.no_call_back" in text, form.path


@pytest.mark.req("SEC-03")
@pytest.mark.parametrize("language", LANGUAGES)
async def test_whatever_others_wrote_is_shown_as_text(tmp_path: Path, language: str) -> None:
    desk = make_desk(tmp_path / "gwa")
    books = desk.books
    fill(books, XSS)
    wanted = MarketOrder(NAMES["order"], GATEWAY_ID, "read-out", XSS, START.date(), START.date(), "move")
    books.market_orders.accept(wanted, XSS, XSS, XSS, at=START, random=bytes([1]) * 16, held=True)
    books.market_orders.refused(XSS, XSS, START)
    desk.channels.add(Mqtt("bus", XSS, topic="x<b>" + XSS.replace("+", "")[:100]), START, XSS)
    add_user(books, "op1", *Role)
    add_gateway(books.inventory, XSS)
    told = {
        "state": XSS,
        "clock": XSS,
        "firmware": XSS,
        "phase": XSS,
        XSS: XSS,
        "unknown": [XSS, {XSS: 1}],
        "self_test": {"time": XSS, "failed": [XSS]},
    }
    alarm = {"condition": XSS, "since": XSS, "reason": XSS}
    for device_id in (GATEWAY_ID, XSS):
        books.inventory.note_contact(device_id, START, XSS, msgspec.json.encode({**told, "alarms": [alarm, XSS]}))
    books.inventory.put_profile(GATEWAY_ID, msgspec.structs.replace(meter_profile(9), meter_id=XSS, link=XSS), START, XSS)
    job = books.jobs.add(GATEWAY_ID, "POST", XSS, {"x": XSS}, at=START, actor=XSS, random=bytes([2]) * 16)
    books.jobs.refuse(job, XSS, START)
    books.approvals.propose("profile", "job", GATEWAY_ID, XSS, {"device_id": XSS, "resource": XSS}, at=START, actor=XSS)
    notice = Notice(XSS, GATEWAY_ID, XSS, 1, XSS, START, XSS, False, {XSS: XSS})
    books.alarms.accept(notice, START)
    findings = [Finding(GATEWAY_ID, "clock", XSS, XSS), Finding(XSS, "alarm", XSS, XSS), Finding(GATEWAY_ID, "alarm", f"{XSS}/{XSS}", XSS)]
    books.incidents.settle(findings, START)
    books.users.add_token("op1", XSS, bytes(32), START)
    books.audit.note(START, XSS, XSS, XSS, XSS)
    paths = [
        *(page.path.format_map(NAMES) for page in PAGES if "profile_id" not in page.path),
        f"/incidents?gateway={XSS}&all=true",
        f"/cases?gateway={XSS}",
        f"/market-orders?gateway={XSS}",
        f"/successions?gateway={XSS}",
        f"/?search={XSS}&state={XSS}",
        f"/audit?actor={XSS}&head={XSS}",
    ]
    async with served(desk) as caller:
        await caller.log_in("op1")
        for path in [*paths, f"/audit?check=1&head={XSS}", f"/gateways/{XSS}", f"/{XSS}"]:
            target = caller.server.make_url("/").join(caller.server.make_url(path.replace("?", "?lang=" + language + "&", 1)))
            status, text = await caller.page(str(target))
            assert status in (200, 400, 404), path
            shown = re.sub(r"<(?:a|input|option|button)[^>]*>", "", text)
            assert "<script" not in text and "<img" not in text, path
            assert not re.search(r"<[^>]*onerror", re.sub(r'"[^"]*"', "", text)), path
            assert "6042729" not in shown, path


@pytest.mark.parametrize(("language", "words"), [("de", "läuft"), ("en", "under way")])
async def test_a_command_under_way_is_shown_as_such_and_can_not_be_taken_back(desk: Desk, language: str, words: str) -> None:
    add_user(desk.books, "op1", Role.VIEWER, Role.OPERATOR)
    job = desk.books.jobs.add(GATEWAY_ID, "POST", "fas/self-test", None, at=START, actor="op1", random=bytes([3]) * 16)
    desk.books.jobs.accept(job, Answer(job.command_id, START, GATEWAY_ID, 202), START)
    async with served(desk) as caller:
        await caller.log_in("op1")
        status, text = await caller.page(f"/gateways/{GATEWAY_ID}?lang={language}")
        assert status == 200
        assert f'<span class="chip warn">{words}</span>' in text
        assert f"/jobs/{job.id}/cancel" not in text
        _, row = await caller.ask("GET", f"/jobs/{job.id}")
    assert (row["state"], row["accepted_at"], row["ended_at"]) == ("accepted", "2026-03-01T12:00:00Z", "")


def test_both_languages_say_everything() -> None:
    german, english = Language("de"), Language("en")
    assert german._texts.keys() == english._texts.keys()
    for key, text in german._texts.items():
        assert set(re.findall(r"{(\w+)}", text)) == set(re.findall(r"{(\w+)}", english._texts[key])), key


WORDS = {
    "rule": RULES, "ends": RULES, "eyes": KINDS, "deed": [*DEEDS, "end"], "succession": get_args(State), "campaign": CampaignState,
    "member": GatewayState, "role": Role, "severity": ("warning", "error"), "outcome": get_args(JobState),
    "case": ("open", "reported", "closed"), "channel": ("webhook", "email", "mqtt"),
    "told": ("opened", "closed", "told", "waiting", "given_up"), "exchange": ("personalisation", "renewal", "decommission"),
    "wake": ("calling", "answered", "given_up"), "order_state": ("held", "waiting", "done", "failed", "cancelled"),
    "order_kind": ("connect", "read-out"), "event": MonitoringConfig().alarm_events, "nav": [page.group for page in PAGES if page.group],
    "tab": [page.tab for page in PAGES if page.tab and page.group in ("faults", "work", "books")],
}  # fmt: skip
"""Area of the catalogue -> names that the program may ask words for."""


@pytest.mark.parametrize("area", WORDS)
def test_whatever_has_a_name_has_words(area: str) -> None:
    assert [name for name in map(str, WORDS[area]) if f"{area}.{name}" not in Language("de")._texts] == []


def test_texts_that_templates_name_exist() -> None:
    folder = Path(__file__).parents[3] / "src" / "smgw" / "administrator" / "console"
    named = set()
    for path in [*folder.glob("templates/*.html"), *folder.glob("*.py")]:
        named |= set(re.findall(r'\b(?:t|text)\("([\w.-]+)"(?! ~)[,)]', path.read_text()))
    assert len(named) > 100
    assert sorted(named - Language("de")._texts.keys()) == []


async def test_users_are_made_changed_and_switched_off_by_forms(desk: Desk) -> None:
    add_user(desk.books, "op1", Role.USER_MANAGER)
    async with served(desk) as caller:
        key = await caller.log_in("op1")
        fields = [("form_key", key), ("name", "op3"), ("password", PASSWORD), ("roles", "viewer"), ("roles", "auditor")]
        assert await caller.send("/users", fields) == (303, "/users?done=user_added")
        assert desk.books.users.user("op3").roles == (Role.VIEWER, Role.AUDITOR)
        await caller.send("/users/op3", [("form_key", key), ("change", "roles"), ("roles", "keeper")])
        assert desk.books.users.user("op3").roles == (Role.KEEPER,)
        await caller.send("/users/op3", {"form_key": key, "change": "off"})
        assert desk.books.users.user("op3").active is False
        for wrong in ({"roles": "king"}, {"password": "short"}, {"name": "Eve!"}, {"name": "local"}):
            status, _ = await caller.send("/users", {"form_key": key, "name": "op2", "password": PASSWORD, **wrong})
            assert status in (400, 409), wrong
    assert [user.name for user in desk.books.users.users()] == ["op1", "op3", "someone"]


async def test_one_s_own_password_and_tokens(desk: Desk) -> None:
    add_user(desk.books, "op1", Role.VIEWER)
    async with served(desk) as caller:
        key = await caller.log_in("op1")
        status, page = await caller.send("/account/tokens", {"form_key": key, "purpose": "script"})
        token = re.search(r"smgw_[0-9a-f]{64}", page)
        assert status == 200 and token is not None
        assert (await caller.ask("GET", "/me", token[0]))[1]["name"] == "op1"
        assert token[0] not in (await caller.page("/account"))[1]
        number = desk.books.users.tokens("op1")[-1].id
        assert await caller.send(f"/account/tokens/{number}/delete", {"form_key": key}) == (303, "/account?done=token_removed")
        assert (await caller.ask("GET", "/me", token[0]))[0] == 401
        status, page = await caller.send("/account/password", {"form_key": key, "old": "wrong password", "new": "another password"})
        assert (status, "administrator.login" in page) == (403, True)
        status, where = await caller.send("/account/password", {"form_key": key, "old": PASSWORD, "new": "another password"})
        assert (status, where) == (303, "/login?done=password_changed")
        assert (await caller.page("/account"))[0] == 303
        await caller.log_in("op1", "another password")


@pytest.mark.req("OPS-03")
async def test_a_backup_is_downloaded_by_its_keeper(desk: Desk, tmp_path: Path) -> None:
    add_user(desk.books, "op1", Role.KEEPER)
    async with served(desk) as caller:
        key = await caller.log_in("op1")
        async with caller.session.post("/backup", data={"form_key": key, "passphrase": PASSWORD}) as reply:
            assert (reply.status, reply.content_type) == (200, "application/octet-stream")
            assert 'filename="test.GWA.smgwbackup"' in reply.headers["Content-Disposition"]
            data = await reply.read()
    restored = restore_backup(data, PASSWORD, AdministratorFolder(tmp_path / "again"), START)
    assert restored.files >= 2
    assert desk.books.audit.newest(1)[0]["action"] == "take backup"


async def test_the_audit_trail_is_downloaded(desk: Desk) -> None:
    add_user(desk.books, "op1", Role.AUDITOR)
    async with served(desk) as caller:
        await caller.log_in("op1")
        status, text = await caller.page("/audit/export")
    lines = text.splitlines()
    assert status == 200 and msgspec.json.decode(lines[-1])["head"].startswith(f"{len(lines) - 1}:")


async def test_a_fault_says_what_happened_and_leads_back(desk: Desk) -> None:
    add_user(desk.books, "op1", Role.OPERATOR)
    async with served(desk) as caller:
        key = await caller.log_in("op1")
        here = f"/gateways/{GATEWAY_ID}"
        fields = {"form_key": key, "kind": "meter", "profile": '{"meter_id": "x"}'}
        status, page = await caller.send(f"{here}/profiles", fields, headers={"Referer": str(caller.server.make_url(here))})
        assert status == 409
        assert "missing required field" in unescape(page) and f'href="{here}"' in page and "command.profile" in page
        status, page = await caller.send(f"{here}/profiles", {**fields, "profile": "{"})
        assert (status, "administrator.request" in page) == (400, True)

"""The administrator's console in a real browser: every page in both languages and themes, accessible, self-contained, worked with."""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest
from axe_playwright_python.sync_playwright import Axe
from cryptography.hazmat.primitives.serialization import Encoding
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, expect, sync_playwright
from tests.administrator.interface_parts import PASSWORD, Thread, add_user
from tests.codec.firmware_packages import CREATED, maker, package
from tests.gateway.gateway_parts import GATEWAY_ID, METER_ID, START, gateway_identity, meter_profile

from smgw.administrator.api.endpoints import Desk
from smgw.administrator.campaigns import Plan
from smgw.administrator.config import Mail, Mqtt, Webhook
from smgw.administrator.monitoring import Finding
from smgw.administrator.releases import Certified
from smgw.administrator.succession import Change
from smgw.administrator.users import Role
from smgw.administrator.wakeup import Address
from smgw.codec.command import Answer
from smgw.codec.market_order import MarketOrder
from smgw.core.instant import utc_text
from smgw.core.notices import Notice

FLEET = 60
PAGES = {
    "fleet": "/",
    "fleet-filtered": "/?state=secure_state_measurement&alarm=true",
    "gateway": f"/gateways/{GATEWAY_ID}",
    "gateway-silent": "/gateways/ESGW0000000009",
    "profile": f"/gateways/{GATEWAY_ID}/profiles/meter/{METER_ID}",
    "job": f"/gateways/{GATEWAY_ID}/jobs/1",
    "incidents": "/incidents?all=true",
    "incident": "/incidents/1",
    "alarms": "/alarms",
    "notifications": "/notifications",
    "cases": "/cases",
    "case": "/cases/C000001",
    "successions": "/successions",
    "market-orders": "/market-orders",
    "campaigns": "/campaigns",
    "proposals": "/proposals",
    "audit": "/audit?check=1",
    "users": "/users",
    "account": "/account",
    "missing": "/gateways/ESGW0000099999",
}
pytestmark = [pytest.mark.browser, pytest.mark.req("ADM-13")]


def facts(number: int) -> dict[str, Any]:
    """Make up what a gateway reports about itself."""
    wrong = number % 17 == 0
    alarm = {"condition": "clock_invalid", "since": utc_text(START - timedelta(hours=3)), "reason": "no time server"}
    return {
        "state": "secure_state_measurement" if wrong else "normal",
        "clock": "invalid" if wrong else "valid",
        "firmware": "0.2.0" if number % 3 else "0.1.9",
        "alarms": [alarm] if wrong else [],
        "unknown": ["1EMH0000000077"] if number == 1 else [],
        "self_test": {"time": utc_text(START - timedelta(hours=2)), "checks": ["program", "store"], "failed": []},
        "fill_percent": {"readings": 12, "logs": 3},
        "meters": 1 + number % 4, "telegrams": 8000 + number, "waiting": number % 5, "unknown_meters": int(number == 1),
    }  # fmt: skip


def fill(desk: Desk) -> None:
    """Make a fleet, users, jobs, a log and proposals."""
    books, triple = desk.books, gateway_identity().triple
    for number in range(2, FLEET + 1):
        books.inventory.add_gateway(f"ESGW{number:010d}", triple.tls, triple.sig, triple.enc, START, "op1")
    for number in range(1, FLEET + 1):
        if number != 9:
            seen = START - timedelta(minutes=7 * number)
            state = facts(number)
            books.inventory.note_contact(f"ESGW{number:010d}", seen, state["state"], msgspec.json.encode(state))
    add_user(books, "op1", Role.VIEWER, Role.OPERATOR, Role.AUDITOR, Role.USER_MANAGER, Role.KEEPER)
    add_user(books, "op2", Role.VIEWER, Role.APPROVER)
    entries = [
        {"index": 1, "text": "self-test passed", "log": "system", "event": "self_test_passed", "time": utc_text(START), "subject": "",
         "success": True, "consumer_id": "", "parameters": {}},
        {"index": 2, "text": "<script>alert(1)</script>", "log": "system", "event": "made_up", "time": utc_text(START), "subject": "<b>",
         "success": False, "consumer_id": "", "parameters": {}},
    ]  # fmt: skip
    for resource, result in (("log/system/1", entries), ("state", facts(1))):
        job = books.jobs.add(GATEWAY_ID, "GET", resource, None, at=START, actor="op1", random=desk.random(16))
        books.jobs.end(job, Answer(job.command_id, START, GATEWAY_ID, 200, "", msgspec.Raw(msgspec.json.encode(result))), START)
    for number, (event, level) in enumerate([("clock_invalid", "WARNING"), ("meter_tamper", "ERROR"), ("made_up_<b>", "FATAL")]):
        told = {"reason": "no time server", "meter": METER_ID}
        notice = Notice(f"{number}", f"ESGW{number + 1:010d}", event, number, level, START, METER_ID, False, told)
        books.alarms.accept(notice, START)
    findings = [Finding("ESGW0000000017", "clock", "", "invalid"), Finding("ESGW0000000009", "silent", "", utc_text(START))]
    books.incidents.settle([Finding("ESGW0000000002", "alarm", f"meter_tamper/{METER_ID}", "meter tamper"), *findings], START)
    books.notifications.put(books.incidents.listed()[-1], ["duty", "operations"], START)
    books.notifications.told(books.notifications.due("duty", START)[0])
    books.notifications.failed(books.notifications.due("operations", START)[0], "administrator.notification", START)
    desk.channels.add(Webhook("operations", "https://hook.invalid/incidents", "channel-hook.secret"), START, "op1")
    desk.channels.add(Mail("duty", "mail.invalid", "gwa@mail.invalid", ("duty@mail.invalid",)), START, "op1")
    desk.channels.add(Mqtt("bus", "broker.invalid", tls=False), START, "op1")
    fill_work(desk)
    books.releases.makers.write_bytes(maker().root.public_bytes(Encoding.PEM))
    release = books.releases.upload(package(), CREATED, "op1")
    books.releases.certify([Certified(release.manifest_sha256, "BSI-DSZ-CC-0001-2026")], CREATED, "op1")
    books.campaigns.create(release.version, Plan(), START, "op1")
    books.campaigns.step(START, ("127.0.0.1", 1), desk.random)
    job = books.jobs.add(GATEWAY_ID, "POST", "fas/credit", {}, at=START, actor="op1", random=desk.random(16))
    books.jobs.end(job, Answer(job.command_id, START, GATEWAY_ID, 409, "command.profile"), START)
    books.jobs.add(GATEWAY_ID, "GET", "rts/meter", None, at=START, actor="op2", random=desk.random(16))
    order = {"device_id": GATEWAY_ID, "kind": "meter", "profile": msgspec.to_builtins(meter_profile(version=2))}
    for actor in ("op1", "op2"):
        books.approvals.propose("profile", "profile", GATEWAY_ID, f"put meter profile {METER_ID} version 2", order, at=START, actor=actor)


def diagnosis() -> dict[str, Any]:
    """Make up what a technician brings back."""
    meter = {"meter": METER_ID, "address": "0a01", "medium": "electricity", "link": "optical", "active": True, "registers": 2,
             "last_stored": utc_text(START)}  # fmt: skip
    entry = {"index": 1, "time": utc_text(START), "event": "self_test_passed", "level": "INFO", "success": True,
             "text": "Self-test passed", "text_de": "Selbsttest bestanden"}  # fmt: skip
    return {
        "gateway": GATEWAY_ID,
        "state": facts(1),
        "meters": [meter],
        "connections": {"administrator": True, "waiting": 0},
        "log": [entry],
    }


def fill_work(desk: Desk) -> None:
    """Make cases, changes of the administrator, participants' orders and calls."""
    books = desk.books
    for number, reason in enumerate(("kein Kontakt seit gestern", "LED LMC leuchtet nicht")):
        until = START + timedelta(hours=8)
        books.cases.open(f"ESGW{number + 1:010d}", "test-technician.TECH", "00", reason, until=until, at=START, actor="op1")
    report = "Antenne getauscht. Empfang −71 dBm, vorher −109 dBm.\nZähler antwortet wieder."
    books.cases.report("C000001", msgspec.json.encode(diagnosis()), report, at=START, by="test-technician.TECH")
    until = utc_text(START + timedelta(days=3))
    for number, (side, states, finding) in enumerate(
        [("outgoing", ["wanted", "announced"], ""), ("incoming", ["expected", "checked"], ""),
         ("incoming", ["expected", "refused"], "meter 1SGW0010000001 is another"), ("outgoing", ["wanted", "announced", "handed_over"], "")]
    ):  # fmt: skip
        device = f"ESGW{number + 20:010d}"
        books.successions.begin(Change(device, side, "other.GWA", states[0], b"", until, "", ""), START, "op1")
        for state in states[1:]:
            books.successions.move(device, state, START, "op1", finding if state == states[-1] else "")
    for number, (kind, held) in enumerate([("connect", True), ("read-out", False), ("connect", False)]):
        contract = ("contract1", START.date(), START.date(), "move") if kind == "read-out" else ()
        order = MarketOrder(f"00000000-0000-4000-8000-{number:012d}", GATEWAY_ID, kind, *contract)
        books.market_orders.accept(order, "", "supplier1", "supplier.EMT", at=START, random=desk.random(16), held=held)
    books.market_orders.refused("stranger.EMT", "order.not_permitted", START)
    books.wake_ups.set_address(GATEWAY_ID, Address("gateway.invalid", 15_100), START, "op1")
    books.wake_ups.end(books.wake_ups.begin(GATEWAY_ID, START), 6, 126_000, "given_up")
    books.wake_ups.end(books.wake_ups.begin(GATEWAY_ID, START), 1, 840, "answered")


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Thread]:
    with Thread(tmp_path_factory.mktemp("console") / "gwa", "profile", "firmware", "order", prepare=fill) as console:
        yield console


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium")
    if chromium is None:
        reason = "chromium is missing; install it with: apt-get install chromium"
        pytest.fail(reason) if os.environ.get("CI") == "true" else pytest.skip(reason)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"] if os.geteuid() == 0 else [])
        yield browser
        browser.close()


@contextmanager
def visit(browser: Browser, console: Thread, name: str = "op1", **how: Any) -> Iterator[Page]:
    """Give a page of somebody who is logged in; complain about console errors and requests that leave this machine."""
    context = browser.new_context(**({"locale": "de-DE", "viewport": {"width": 1280, "height": 900}} | how))
    context.set_default_timeout(10_000)
    complaints: list[str] = []

    def on_console(message: ConsoleMessage) -> None:
        # Chromium itself notes each page that answers with a status from 400 on.
        if message.type in ("error", "warning") and "Failed to load resource" not in message.text:
            complaints.append(message.text)

    def on_request(request: Request) -> None:
        if urlsplit(request.url).hostname != "127.0.0.1":
            complaints.append(request.url)

    context.on("console", on_console)
    context.on("request", on_request)
    context.on("weberror", lambda error: complaints.append(str(error.error)))
    page = context.new_page()
    page.goto(console.url)
    page.get_by_label("Name").fill(name)
    page.get_by_label(re.compile("Passwort|Password")).fill(PASSWORD)
    page.get_by_role("button", name=re.compile("Anmelden|Log in")).click()
    page.wait_for_url(f"{console.url}/")
    yield page
    assert complaints == []
    context.close()


LOOKS = [("de-DE", "light", 1280), ("de-DE", "dark", 375), ("en-GB", "dark", 1280), ("en-GB", "light", 375)]
CHECKED = LOOKS[1:3]
"""Axe takes its time; both languages, themes and widths are among these."""


@pytest.mark.parametrize(("language", "theme", "width"), LOOKS)
def test_every_page_is_accessible_and_fits(
    browser: Browser, console: Thread, language: str, theme: Any, width: int, tmp_path: Path
) -> None:
    folder = Path(os.environ.get("SMGW_SCREENSHOTS", tmp_path))
    with visit(browser, console, locale=language, color_scheme=theme, viewport={"width": width, "height": 900}) as page:
        for name, path in PAGES.items():
            page.goto(console.url + path)
            page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true })")
            violations = Axe().run(page).response["violations"] if (language, theme, width) in CHECKED else []
            assert not violations, (name, [(one["id"], [node["html"] for node in one["nodes"]]) for one in violations])
            assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"), name
            assert page.locator("html").get_attribute("lang") == language[:2]
            page.screenshot(path=folder / f"console-{name}-{language[:2]}-{theme}-{width}.png", full_page=True)


def test_the_way_in_is_accessible(browser: Browser, console: Thread) -> None:
    page = browser.new_page(locale="en-GB")
    page.goto(console.url)
    assert not Axe().run(page).response["violations"]
    page.get_by_label(re.compile("Password")).fill("wrong")
    page.get_by_role("button").click()
    expect(page.get_by_role("alert")).to_contain_text("Nothing was changed")
    page.close()


def test_a_fleet_is_found_by_typing_and_turned_page_by_page(browser: Browser, console: Thread) -> None:
    with visit(browser, console) as page:
        expect(page.locator("tbody tr")).to_have_count(50)
        page.get_by_role("link", name="Weiter").click()
        expect(page.locator("tbody tr")).to_have_count(10)
        page.get_by_label("Suche").fill("00042")
        page.get_by_label("Suche").press("Enter")
        expect(page.locator("tbody tr")).to_have_count(1)
        page.get_by_role("link", name="ESGW0000000042").click()
        expect(page.locator("h1")).to_have_text("ESGW0000000042")


def test_a_fleet_is_narrowed_by_each_filter(browser: Browser, console: Thread) -> None:
    with visit(browser, console) as page:
        for label, choice, count in (
            ("Zustand", "secure_state_measurement", 3), ("Verbindung", "false", 50), ("Verbindung", "true", 0), ("Firmware", "0.1.9", 19),
            ("Zertifikat, Tage", "14", 0),
        ):  # fmt: skip
            page.goto(console.url)
            page.locator("form.filters").get_by_label(label).select_option(choice)
            page.get_by_role("button", name="Zeigen").click()
            expect(page.locator("tbody tr")).to_have_count(count)
            expect(page.locator("form.filters").get_by_label(label)).to_have_value(choice)
        page.get_by_role("link", name="Alle zeigen").click()
        page.locator("form.filters").get_by_label("Ordnung").select_option("last_contact")
        page.get_by_role("button", name="Zeigen").click()
        expect(page.locator("tbody tr").first).to_contain_text("noch nie gesehen")


def test_a_command_is_ordered_seen_and_taken_back(browser: Browser, console: Thread) -> None:
    with visit(browser, console) as page:
        page.goto(f"{console.url}/gateways/ESGW0000000003")
        page.get_by_label("Anordnen").select_option("state")
        page.locator("form.line", has=page.locator("#order")).get_by_role("button").click()
        expect(page.get_by_role("status")).to_contain_text("Der Befehl wartet auf sein Gateway")
        expect(page.locator("#jobs tbody tr").first).to_contain_text("GET state")
        page.get_by_role("button", name="Zurücknehmen").first.click()
        expect(page.locator("#jobs tbody tr").first).to_contain_text("zurückgenommen")


def test_what_a_gateway_says_is_text_and_nothing_else(browser: Browser, console: Thread) -> None:
    with visit(browser, console) as page:
        page.goto(f"{console.url}/gateways/{GATEWAY_ID}#log")
        expect(page.locator("#log")).to_contain_text("<script>alert(1)</script>")
        assert page.locator("#log script, #log b").count() == 0


def test_one_proposes_and_another_approves(browser: Browser, console: Thread) -> None:
    with visit(browser, console, "op2") as page:
        page.goto(f"{console.url}/proposals")
        cards = page.locator("section.card").filter(has_text=METER_ID)
        own, other = cards.nth(0), cards.nth(1)
        expect(own).to_contain_text("Über den eigenen Vorschlag entscheidet jemand anderes")
        assert own.get_by_role("button", name="Freigeben").count() == 0
        other.get_by_role("button", name="Freigeben").click()
        expect(page.get_by_role("status")).to_contain_text("Freigegeben und ausgeführt")
        own.get_by_role("button", name="Zurückziehen").click()
        expect(page.get_by_role("status")).to_contain_text("Abgelehnt")
        assert page.get_by_role("link", name="Verwaltung").count() == 0


def test_an_alarm_is_read_and_a_campaign_paused(browser: Browser, console: Thread) -> None:
    with visit(browser, console) as page:
        page.goto(f"{console.url}/alarms?unseen=true")
        before = page.locator("tbody tr").count()
        page.get_by_role("button", name="Gelesen").first.click()
        expect(page.get_by_role("status")).to_contain_text("quittiert")
        expect(page.locator("tbody tr")).to_have_count(before - 1)
        page.goto(f"{console.url}/campaigns")
        page.get_by_role("button", name="Anhalten").click()
        expect(page.locator("section.card").first).to_contain_text("angehalten")
        page.get_by_role("button", name="Fortsetzen").click()
        expect(page.locator("section.card").first).to_contain_text("läuft")


def test_work_with_others_is_led_from_its_pages(browser: Browser, console: Thread) -> None:
    with visit(browser, console, "op2") as page:
        page.get_by_role("link", name="Vorgänge").click()
        page.get_by_role("link", name="Aufträge von Partnern").click()
        row = page.locator("tbody tr").filter(has_text="wartet auf Entscheidung")
        row.get_by_role("button", name="Ablehnen").click()
        expect(page.get_by_role("status")).to_contain_text("Der Auftrag wird nicht ausgeführt")
        expect(page.locator("tbody tr").filter(has_text="order.rejected")).to_have_count(1)
    with visit(browser, console) as page:
        page.goto(f"{console.url}/incidents")
        page.get_by_role("link", name=re.compile("^Meldung des Gateways")).click()
        page.get_by_role("button", name="Störung schließen").click()
        expect(page.get_by_role("status")).to_contain_text("Die Störung ist geschlossen")
        page.goto(f"{console.url}/successions")
        page.get_by_role("button", name="Wechsel aufgeben").first.click()
        expect(page.get_by_role("status")).to_contain_text("alles bleibt, wie es war")
        page.goto(f"{console.url}/cases/C000001")
        page.get_by_role("button", name="Fall schließen").click()
        expect(page.locator("main")).to_contain_text("Die Diagnose wurde beim Schließen gelöscht")
        page.goto(f"{console.url}/notifications")
        page.get_by_role("button", name="Entfernen: bus").click()
        expect(page.locator("tbody").first).not_to_contain_text("broker.invalid")


def test_the_language_stays_once_chosen(browser: Browser, console: Thread) -> None:
    with visit(browser, console) as page:
        page.get_by_role("link", name="EN", exact=True).click()
        page.get_by_role("link", name="Management").click()
        expect(page.get_by_role("link", name="Audit trail")).to_be_visible()
        page.get_by_role("link", name="Audit trail").click()
        expect(page.locator("h1")).to_have_text("Audit trail")
        page.get_by_role("button", name="Check the chain").click()
        expect(page.get_by_role("status")).to_contain_text("The whole chain is as it was written")


def test_the_keyboard_reaches_what_a_page_offers(browser: Browser, console: Thread) -> None:
    with visit(browser, console) as page:
        page.keyboard.press("Tab")
        expect(page.get_by_text("Zum Inhalt")).to_be_focused()
        seen = set()
        for _ in range(25):
            page.keyboard.press("Tab")
            seen.add(page.evaluate("document.activeElement.id || document.activeElement.textContent.trim()"))
        assert {"search", "state", "reachable", "firmware", "sort", "Zeigen"} <= seen

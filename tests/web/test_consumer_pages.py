"""The consumer's pages in a real browser: numbers, keyboard, languages, themes, widths, accessibility, and nothing leaves the machine."""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, expect, sync_playwright
from playwright.sync_api import Error as PlaywrightError
from tests.gateway.han.consumer_gateway import (
    CONSUMER,
    DAYS,
    PASSWORD,
    TAF10,
    TAF12,
    USER,
    ConsumerGateway,
    household_readings,
    running_gateway,
    spend,
)

from smgw.core.instant import ClockStatus, day_bounds
from smgw.core.log_event import Log
from smgw.core.obis import ACTIVE_ENERGY_EXPORT, ACTIVE_ENERGY_IMPORT, Obis
from smgw.core.state import State
from smgw.gateway.han.ports import Led

PAGES = {"start": "/", "readings": "/readings", "contracts": "/contracts", "log": "/log", "device": "/device"}
THEMES = ("light", "dark")
LANGUAGES = ("de", "en")
WIDTHS = (1280, 390)
FOLDED = ("start", "contracts", "log")
"""Pages that put columns away on a narrow screen."""

pytestmark = [pytest.mark.browser, pytest.mark.req("CON-01")]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium")
    if chromium is None:
        reason = "chromium is missing; install it with: apt-get install chromium"
        pytest.fail(reason) if os.environ.get("CI") == "true" else pytest.skip(reason)
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=arguments)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ConsumerGateway]:
    with running_gateway(tmp_path_factory.mktemp("pages")) as gateway:
        yield gateway


@contextmanager
def watched(browser: Browser, *, log_in: bool = True, **how: Any) -> Iterator[BrowserContext]:
    """Give a browser context that fails on console errors and on requests to anywhere but this machine."""
    secret = {"http_credentials": {"username": USER, "password": PASSWORD}} if log_in else {}
    context = browser.new_context(ignore_https_errors=True, **({"locale": "de-DE"} | secret | how))
    context.set_default_timeout(10_000)
    complaints: list[str] = []

    def on_console(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            complaints.append(message.text)

    def on_request(request: Request) -> None:
        if urlsplit(request.url).hostname != "127.0.0.1":
            complaints.append(request.url)

    context.on("console", on_console)
    context.on("weberror", lambda error: complaints.append(str(error.error)))
    context.on("request", on_request)
    try:
        yield context
    finally:
        context.close()
    assert complaints == []


def raw_at(code: Obis, hour_end: Any) -> int:
    """Look a counter up in the made-up readings."""
    return next(item.raw or 0 for item, _ in household_readings(DAYS) if item.obis == code and item.target_time == hour_end)


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    with watched(browser, viewport={"width": 1280, "height": 900}) as context:
        yield context.new_page()


def test_without_password_there_is_only_the_log_in_page(browser: Browser, gateway: ConsumerGateway) -> None:
    context = browser.new_context(ignore_https_errors=True, locale="de-DE", http_credentials={"username": USER, "password": "wrong"})
    page = context.new_page()
    answer = page.goto(gateway.url)
    assert answer is not None and answer.status == 401
    assert page.locator("h1").inner_text() == "Anmeldung nötig"
    assert page.locator("nav").count() == 0
    context.close()


def test_todays_consumption_is_the_largest_thing_on_the_page(page: Page, gateway: ConsumerGateway) -> None:
    page.goto(gateway.url)
    start, _ = day_bounds(DAYS[-1])
    now = max(item.target_time for item, _ in household_readings(DAYS))
    for direction, code in (("import", ACTIVE_ENERGY_IMPORT), ("export", ACTIVE_ENERGY_EXPORT)):
        tenth_wh = raw_at(code, now) - raw_at(code, start)
        shown = page.locator(f".figure-{direction} .figure-value").inner_text()
        assert shown == f"{tenth_wh / 10_000:.2f}".replace(".", ",") + "\u00a0kWh"
    sizes = page.evaluate("[...document.querySelectorAll('body *')].map((e) => parseFloat(getComputedStyle(e).fontSize))")
    assert max(sizes) == 36 and page.locator(".figure-import .figure-label").inner_text() == "Heute bezogen"
    box = page.locator(".figure-import .figure-value").bounding_box()
    assert box is not None and box["y"] + box["height"] < 450


def test_the_table_twin_tells_every_digit_and_adds_up(page: Page, gateway: ConsumerGateway) -> None:
    page.goto(f"{gateway.url}/?day=2026-11-20")
    page.get_by_text("Als Tabelle").click()
    cells = page.locator(".twin tbody td:nth-child(2)").all_inner_texts()
    values = [int(re.sub(r"[^0-9]", "", cell)) for cell in cells]
    total = int(re.sub(r"[^0-9]", "", page.locator(".twin tfoot td").first.inner_text()))
    start, end = day_bounds(DAYS[-2])
    assert len(values) == 96
    assert sum(values) == total == raw_at(ACTIVE_ENERGY_IMPORT, end) - raw_at(ACTIVE_ENERGY_IMPORT, start)


def test_gaps_are_gaps_and_invalid_values_are_hatched(page: Page, gateway: ConsumerGateway) -> None:
    page.goto(gateway.url)
    assert page.locator(".gap").count() == 1
    assert page.locator("rect[fill='url(#hatch)']").count() > 0
    states = page.locator(".twin tbody .status").all_text_contents()
    assert states[12:16] == ["kein Wert"] * 4 and states[19:22] == ["ungültig"] * 3 and states[-1] == "steht noch aus"
    assert page.locator(".slot").count() == 96
    title, text = page.locator("svg.chart > title"), page.locator("svg.chart > desc")
    assert title.text_content() == "Energie je Viertelstunde, Samstag, 21. November 2026"
    assert "Zeitabschnitte ohne Wert: 4, mit ungültigem Wert: 3." in (text.text_content() or "")


@pytest.mark.parametrize("day,slots", [("2026-03-29", 92), ("2026-10-25", 100)])
def test_days_of_23_and_25_hours(page: Page, gateway: ConsumerGateway, day: str, slots: int) -> None:
    page.goto(f"{gateway.url}/?day={day}")
    assert page.locator(".slot").count() == slots
    times = page.locator(".twin tbody th").all_text_contents()
    assert ("02:00\u00a0MESZ–02:15\u00a0MESZ" in times) == (slots == 100)
    assert ("01:45–03:00" in times) == (slots == 92)
    assert page.locator(".gap").count() == 0


def test_pointer_and_keys_read_the_chart_out(page: Page, gateway: ConsumerGateway) -> None:
    page.goto(f"{gateway.url}/?day=2026-11-20")
    readout, plot = page.locator("[data-readout]"), page.locator("[data-chart]")
    before = page.locator("main").bounding_box()
    page.locator(".slot").nth(30).hover()
    expect(readout).to_contain_text(re.compile(r"^07:30–07:45: Bezug 0,\d{4}\u00a0kWh, Einspeisung 0,0000\u00a0kWh$"))
    plot.focus()
    page.keyboard.press("Home")
    expect(readout).to_contain_text("00:00–00:15")
    for key, start in (("ArrowRight", "00:15"), ("PageUp", "01:15"), ("ArrowLeft", "01:00"), ("End", "23:45"), ("ArrowRight", "23:45")):
        page.keyboard.press(key)
        expect(readout).to_contain_text(start)
    assert plot.get_attribute("aria-valuenow") == "96" and "23:45" in (plot.get_attribute("aria-valuetext") or "")
    assert page.locator("main").bounding_box() == before


def test_days_are_stepped_through(page: Page, gateway: ConsumerGateway) -> None:
    page.goto(gateway.url)
    page.get_by_role("link", name="Vorheriger Tag").click()
    assert page.locator("h1").inner_text() == "Freitag, 20. November 2026"
    page.get_by_role("link", name="Nächster Tag").click()
    assert page.get_by_role("link", name="Nächster Tag").count() == 0
    page.goto(f"{gateway.url}/readings?day=2026-10-25")
    page.get_by_role("link", name="Heute").click()
    assert page.locator(".subtitle").inner_text() == "Samstag, 21. November 2026"


def test_last_readings_and_how_to_connect(page: Page, gateway: ConsumerGateway) -> None:
    page.goto(gateway.url)
    rows = page.locator(".latest tbody tr")
    newest = max(item.target_time for item, _ in household_readings(DAYS))
    raw = str(raw_at(ACTIVE_ENERGY_IMPORT, newest))
    assert f"{raw[:2]}.{raw[2:5]},{raw[5:]}\u00a0kWh" in rows.first.inner_text()
    assert "1-0:1.8.0*255" in rows.first.inner_text() and "gemessen" in rows.first.inner_text()
    addresses = page.locator(".addresses code").all_inner_texts()
    assert addresses == [gateway.authority, f"{gateway.url}/smgw/m2m", f"{gateway.url}/smgw/m2m/01005e318011.consumer1.sm/json"]


def test_state_and_lamps_are_shown_as_the_device_shows_them(page: Page, gateway: ConsumerGateway) -> None:
    usual = gateway.leds
    gateway.state, gateway.clock_status = State.SECURE_MEASUREMENT, ClockStatus.INVALID
    gateway.leds = (Led("PWR", "blink_500"), Led("TLS", "blink_250"), Led("LMC", "off"), Led("wMT", "on"))
    try:
        page.goto(f"{gateway.url}/contracts")
        strip = page.locator(".strip")
        assert "Gesichert: Messung ohne gültige Zeit" in strip.inner_text() and "ungültig" in strip.inner_text()
        assert page.locator(".strip .led-PWR .lamp").evaluate("(e) => getComputedStyle(e).animationDuration") == "1s"
        assert "blinkt (250 ms)" in (page.locator(".strip .led-TLS").get_attribute("title") or "")
    finally:
        gateway.state, gateway.clock_status, gateway.leds = State.NORMAL, ClockStatus.VALID, usual


def test_reduced_motion_stills_the_lamps(browser: Browser, gateway: ConsumerGateway) -> None:
    usual, gateway.leds = gateway.leds, (Led("PWR", "blink_50"),)
    try:
        with watched(browser, reduced_motion="reduce") as context:
            page = context.new_page()
            page.goto(gateway.url)
            assert page.locator(".strip .lamp").evaluate("(e) => getComputedStyle(e).animationName") == "none"
    finally:
        gateway.leds = usual


def test_self_test_counts_down_and_log_out_ends_the_session(browser: Browser, gateway: ConsumerGateway) -> None:
    with watched(browser) as context:
        page = context.new_page()
        page.goto(f"{gateway.url}/device")
        page.get_by_role("button", name="Selbsttest starten").click()
        expect(page.get_by_role("status")).to_have_text("Der Selbsttest wurde gestartet.")
        expect(page.get_by_role("button", name="Selbsttest starten")).to_be_disabled()
        expect(page.locator("[data-countdown-text]")).to_contain_text(re.compile(r"Wieder möglich in (600|59\d) s"))
        page.get_by_role("link", name="Das Ergebnis steht im Protokoll").click()
        assert "Selbsttest bestanden" in page.locator("table").inner_text()
        answers: list[int] = []
        page.on("response", lambda response: answers.append(response.status))
        page.get_by_role("button", name="Abmelden").click()
        expect(page.locator("h1")).to_have_text("Sie sind abgemeldet")
        assert page.locator(".strip").count() == 0
    assert "self_test_passed" in gateway.events(Log.CONSUMER, CONSUMER)


@pytest.mark.parametrize("leave", ["idle", "log out"])
def test_a_browser_does_not_return_by_the_password_it_remembers(browser: Browser, gateway: ConsumerGateway, leave: str) -> None:
    """A browser without a user to ask reports that its remembered password is not enough."""
    context = browser.new_context(ignore_https_errors=True)
    page = context.new_page()
    page.goto(gateway.url.replace("https://", f"https://{USER}:{PASSWORD}@"))
    answer = page.goto(f"{gateway.url}/log")
    assert answer is not None and answer.status == 200
    if leave == "idle":
        gateway.seconds.value += 601
    else:
        page.locator("form[action='/logout'] button").click()
        expect(page.locator("h1")).to_have_text("Sie sind abgemeldet")
    with pytest.raises(PlaywrightError, match="ERR_INVALID_AUTH_CREDENTIALS"):
        page.goto(f"{gateway.url}/log")
    context.close()


def test_the_language_can_be_switched_and_stays(page: Page, gateway: ConsumerGateway) -> None:
    page.goto(f"{gateway.url}/?day=2026-11-20")
    assert page.locator("html").get_attribute("lang") == "de"
    page.get_by_role("link", name="EN", exact=True).click()
    assert page.locator("html").get_attribute("lang") == "en"
    assert page.locator("h1").inner_text() == "Friday, 20 November 2026"
    page.get_by_role("link", name="Readings").click()
    assert page.locator("html").get_attribute("lang") == "en"
    assert re.search(r"12,3\d\d\.\d{4}\u00a0kWh", page.locator("table").inner_text())


def test_pages_can_be_read_without_script(browser: Browser, gateway: ConsumerGateway) -> None:
    with watched(browser, java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(gateway.url)
        assert page.locator("svg.chart .bar").count() > 50
        page.goto(f"{gateway.url}/device")
        assert page.locator("h1").inner_text() == "Gateway"


@pytest.mark.parametrize("width", [360, 768, 1920])
def test_nothing_sticks_out_and_nothing_moves(browser: Browser, gateway: ConsumerGateway, width: int) -> None:
    with watched(browser, viewport={"width": width, "height": 800}) as context:
        page = context.new_page()
        for path in PAGES.values():
            page.goto(gateway.url + path)
            assert page.evaluate("document.documentElement.scrollWidth") <= width, path
            shift = """new Promise((done) => new PerformanceObserver((list) => done(list.getEntries().map((e) => e.value)))
                       .observe({type: "layout-shift", buffered: true}) || setTimeout(() => done([]), 50))"""
            assert sum(page.evaluate(shift)) == 0, path


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("theme", THEMES)
def test_pages_are_accessible_and_pictured(browser: Browser, gateway: ConsumerGateway, tmp_path: Path, theme: Any, language: str) -> None:
    folder = Path(os.environ.get("SMGW_SCREENSHOTS") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)
    for width in WIDTHS:
        with watched(browser, color_scheme=theme, viewport={"width": width, "height": 900}) as context:
            page = context.new_page()
            for name, path in PAGES.items():
                page.goto(f"{gateway.url}{path}?lang={language}")
                page.screenshot(path=folder / f"consumer-{name}-{theme}-{width}-{language}.png", full_page=True)
                if width == WIDTHS[0] or name in FOLDED:
                    result = Axe().run(page)
                    assert result.violations_count == 0, f"{name} {width}: {result.generate_report()}"


def test_a_printed_page_keeps_the_numbers_and_drops_the_controls(page: Page, gateway: ConsumerGateway) -> None:
    page.emulate_media(media="print")
    page.goto(f"{gateway.url}/?day=2026-11-20")
    expect(page.locator(".figure-import .figure-value")).to_be_visible()
    for control in (".nav", ".days", ".switch", ".head-end"):
        expect(page.locator(control).first).to_be_hidden()


@pytest.mark.req("TAF-10", "TAF-12")
@pytest.mark.parametrize("language", LANGUAGES)
def test_current_values_and_credit_are_shown(browser: Browser, tmp_path: Path, language: str) -> None:
    words = {
        "de": ("Aktuelle Werte", "431,2\u00a0W", "werden nicht gespeichert", "Signal zum Abschalten"),
        "en": ("Current values", "431.2\u00a0W", "are not stored", "signal to cut off"),
    }[language]
    with running_gateway(tmp_path) as gateway, watched(browser, viewport={"width": 1280, "height": 900}) as context:
        gateway.inside(lambda: spend(gateway.journal, gateway.recorder))
        page = context.new_page()
        page.goto(f"{gateway.url}/?contract={TAF10}&lang={language}")
        panel = page.locator(".panel", has=page.get_by_role("heading", name=words[0]))
        assert panel.locator("strong").inner_text() == words[1]
        assert words[2] in panel.inner_text() and "13:17:17" not in panel.inner_text() and "14:17:17" in panel.inner_text()
        assert Axe().run(page).violations_count == 0
        page.screenshot(path=tmp_path / "current.png", full_page=True)
        page.goto(f"{gateway.url}/?contract={TAF12}")
        assert words[3] in page.locator(".credit").inner_text()
        assert Axe().run(page).violations_count == 0
        page.screenshot(path=tmp_path / "credit.png", full_page=True)

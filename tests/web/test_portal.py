"""The participant's portal: the right numbers in both languages, closed to strangers; in a real browser accessible and self-contained."""

import asyncio
import os
import re
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import structlog
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Request, sync_playwright
from tests.participant.participant_parts import (
    DAY,
    METER,
    NOW,
    QUARTER,
    REGISTERS,
    STRANGER,
    Market,
    day_readings,
    delivery,
    gateway,
    participant_folder,
    reading,
    running,
    sealed,
    signed,
)

from smgw.core.instant import day_bounds
from smgw.core.register import RegisterValue
from smgw.core.status_word import GATEWAY_OK, GatewayStatus

PAGES = {"meters": "/", "day": f"/meters/{METER}?day={DAY}", "inbox": "/inbox", "refusals": "/refusals"}
pytestmark = pytest.mark.req("EMT-05")


async def _fill(market: Market) -> None:
    opening, closing = day_bounds(DAY)
    whole = delivery(day_readings(), number=1)
    next_day = [
        signed(reading(closing + QUARTER, 10_680), 400),
        signed(reading(closing + 2 * QUARTER, None, gateway_status=int(GATEWAY_OK | GatewayStatus.NO_VALUE)), 401),
        signed(reading(closing + 3 * QUARTER, 10_690, gateway_status=int(GATEWAY_OK | GatewayStatus.TIME_NOT_VALID)), 402),
        signed(reading(closing + 4 * QUARTER, 10_700), 403),
    ]
    later = delivery(tuple(next_day), number=2, period_end=closing + 4 * QUARTER)
    other = delivery((signed(reading(closing + 4 * QUARTER, 10_701), 404),), number=3, period_end=closing + 4 * QUARTER)
    booked = RegisterValue("taf1-1.sm", 1, REGISTERS[0], 10_007, -1, 30, opening, closing, GATEWAY_OK, (2,), NOW)
    bill = delivery((), number=4, contract="taf1-1.sm", taf=1, registers=(booked,))
    for one in (whole, later, other, bill):
        assert (await market.deliver(one)).status == 200
    strange = delivery(number=5, sender=STRANGER)
    assert (await market.post(sealed(strange, signer=gateway(STRANGER)), strange.message_id, gateway(STRANGER))).status == 400


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Market]:
    """Run a filled participant in a thread, so that the browser's own loop stays free."""
    structlog.reset_defaults()
    folder = participant_folder(tmp_path_factory.mktemp("portal"))
    ready, ending = threading.Event(), threading.Event()
    found: list[Market] = []

    async def serve() -> None:
        async with running(folder) as market:
            await _fill(market)
            found.append(market)
            ready.set()
            await asyncio.to_thread(ending.wait)

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    try:
        assert ready.wait(60)
        yield found[0]
    finally:
        ending.set()
        thread.join(60)


@pytest.fixture
def visitor(market: Market) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=market.address, headers={"Accept-Language": "de"}) as client:
        yield client


@pytest.fixture
def operator(visitor: httpx.Client, market: Market) -> httpx.Client:
    answer = visitor.post("/login", data={"token": market.folder.operator_token()})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")
    return visitor


# -- refused ----------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [*PAGES.values(), "/other"])
def test_strangers_see_only_the_log_in_page(visitor: httpx.Client, path: str) -> None:
    answer = visitor.get(path)
    assert (answer.status_code, answer.headers["Location"], answer.content) == (303, "/login", b"")
    visitor.cookies.set("smgw_participant", "made-up")
    assert visitor.get(path).status_code == 303


def test_a_wrong_token_opens_nothing(visitor: httpx.Client) -> None:
    answer = visitor.post("/login", data={"token": "guess"})
    assert answer.status_code == 403
    assert "Das ist nicht das Kennwort" in answer.text
    assert "Set-Cookie" not in answer.headers


def test_log_out_ends_the_session(operator: httpx.Client) -> None:
    session = operator.cookies["smgw_participant"]
    assert operator.get("/").status_code == 200
    operator.post("/logout")
    operator.cookies.set("smgw_participant", session)
    assert operator.get("/").status_code == 303


@pytest.mark.parametrize("path", ["/other", "/meters/other", f"/meters/{METER}?day=2026-11-23", f"/meters/{METER}?day=x", "/inbox/1"])
def test_unknown_pages_are_not_found(operator: httpx.Client, path: str) -> None:
    assert operator.get(path).status_code == 404


# -- shown ------------------------------------------------------------------------------------------------------------------------------


def _plain(text: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", text).replace("\u00a0", " "))


def test_the_first_page_shows_meters_and_complete_days(operator: httpx.Client) -> None:
    answer = operator.get("/")
    text = _plain(answer.text)
    assert '<html lang="de">' in answer.text
    assert "1SGW0010000001 Gateway ESGW0000000001" in text
    assert "Bezug 1-0:1.8.0*255 1,0701 kWh 22.11.2026, 01:00" in text
    assert "Einspeisung 1-0:2.8.0*255 1,1344 kWh 22.11.2026, 00:00" in text
    assert "21.11.2026: vollständig und geprüft" in text
    assert "22.11.2026: 2 von 96 Werten gültig, 1 Werte widersprechen früheren" in text
    assert "Abgewiesen 1" in text


def test_a_day_shows_every_quarter_hour_and_who_signed(operator: httpx.Client) -> None:
    text = _plain(operator.get(f"/meters/{METER}?day={DAY}").text)
    assert "Samstag, 21. November 2026" in text
    assert "vom Gateway signiert, hier geprüft Zertifikat ESGW0000000001.SMGW" in text
    assert "00:15 1,0007 kWh 1,0014 kWh gemessen 1" in text
    assert "24:00 1,0672 kWh 1,1344 kWh gemessen 1" in text
    assert text.count("gemessen") == 97
    assert "TAF 1 taf1-1.sm Bezug 1-0:1.8.0*255" in text


def test_flaws_are_shown(operator: httpx.Client) -> None:
    text = _plain(operator.get(f"/meters/{METER}").text)
    assert "00:30 – – fehlt 2" in text
    assert "00:45 1,0690 kWh – Uhr ungültig 2" in text
    assert "01:00 1,0701 kWh – gemessen widerspricht früherem Wert 3" in text


def test_inbox_and_refusals(operator: httpx.Client) -> None:
    inbox = _plain(operator.get("/inbox").text)
    assert "ESGW0000000001 TAF 7 taf7-1.sm 1SGW0010000001 21.11.2026, 00:00 – 22.11.2026, 00:00 194 194 neu ✓ geprüft" in inbox
    refusals = _plain(operator.get("/refusals").text)
    assert "ESGW0000000002.SMGW delivery.unknown_gateway The gateway of a delivery is not registered" in refusals


def test_english_is_of_equal_worth(operator: httpx.Client) -> None:
    answer = operator.get("/?lang=en")
    text = _plain(answer.text)
    assert '<html lang="en">' in answer.text
    assert "Import 1-0:1.8.0*255 1.0701 kWh 22 Nov 2026, 01:00" in text
    assert "21 Nov 2026: complete and verified" in text
    assert '<html lang="en">' in operator.get("/inbox").text


# -- in a browser -----------------------------------------------------------------------------------------------------------------------


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
def complaining(context: Any) -> Iterator[list[str]]:
    """Collect console errors and requests that leave this machine."""
    complaints: list[str] = []

    def on_console(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            complaints.append(message.text)

    def on_request(request: Request) -> None:
        if urlsplit(request.url).hostname != "127.0.0.1":
            complaints.append(request.url)

    context.on("console", on_console)
    context.on("request", on_request)
    yield complaints


@pytest.mark.browser
@pytest.mark.parametrize(
    ("language", "theme", "width"), [("de-DE", "light", 1280), ("de-DE", "dark", 360), ("en-GB", "dark", 1280), ("en-GB", "light", 360)]
)
def test_every_page_is_accessible_and_fits(browser: Browser, market: Market, language: str, theme: Any, width: int, tmp_path: Path) -> None:
    context = browser.new_context(locale=language, color_scheme=theme, viewport={"width": width, "height": 900})
    context.set_default_timeout(10_000)
    folder = Path(os.environ.get("SMGW_SCREENSHOTS", tmp_path))
    with complaining(context) as complaints:
        page = context.new_page()
        page.goto(market.address)
        assert not Axe().run(page).response["violations"]
        page.get_by_label(re.compile("Kennwort|Token")).fill(market.folder.operator_token())
        page.get_by_role("button").click()
        for name, path in PAGES.items():
            page.goto(market.address + path)
            violations = Axe().run(page).response["violations"]
            assert not violations, [(one["id"], [node["html"] for node in one["nodes"]]) for one in violations]
            assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
            page.screenshot(path=folder / f"portal-{name}-{language[:2]}-{theme}-{width}.png", full_page=True)
        page.get_by_role("button").click()
        page.wait_for_url(re.compile("/login$"))
    assert complaints == []
    context.close()

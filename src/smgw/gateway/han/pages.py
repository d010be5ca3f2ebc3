"""The pages of the consumer: each is one function from a visit to the values of its template.

Source: CON-01, CON-03; the display rules of the project's design.
"""

import hashlib
import hmac
import mimetypes
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from http import HTTPStatus
from importlib.resources import files
from typing import Any, NamedTuple

import jinja2
from aiohttp import web

from smgw.core.errors import PeerFault
from smgw.core.instant import day_bounds, local_day
from smgw.core.profiles import ConsumerProfile
from smgw.core.reading import SignedReading
from smgw.gateway.han.access import COOKIE, Access, Visit, refuse_cross_site
from smgw.gateway.han.charts import DayChart, chart_unit, day_chart
from smgw.gateway.han.consumption import DaySeries, SlotState, at_same_time, day_series, directions, slot_seconds
from smgw.gateway.han.i18n import LANGUAGES, Language, LanguageCode, choose, status_key
from smgw.gateway.han.m2m import M2mCalls, user_id
from smgw.gateway.han.ports import ConsumerData, Contract
from smgw.gateway.han.session import LONGEST_S, Shown
from smgw.gateway.han.views import certificate_rows, log_rows, reading_rows, reading_status
from smgw.net.clock import ClockPort
from smgw.net.web import tokens_css
from smgw.tariff.contract_rules import PUSHED

LANGUAGE_COOKIE = "smgw-language"
LOG_PAGE = 50
_STATIC = ("style.css", "chart.js", "countdown.js", "icon.svg")
_REFUSED: Mapping[int, str] = {401: "unauthorised", 404: "not_found"}


class Static(NamedTuple):
    """Hold one file of the pages; its address changes with its content, so browsers may keep it."""

    body: bytes
    content_type: str
    tag: str


def _load_static() -> dict[str, Static]:
    folder = files("smgw.gateway.han") / "static"
    bodies = {name: (folder / name).read_bytes() for name in _STATIC}
    bodies["style.css"] = tokens_css() + b"\n" + bodies["style.css"]
    return {
        name: Static(body, mimetypes.guess_type(name)[0] or "application/octet-stream", hashlib.sha256(body).hexdigest()[:12])
        for name, body in bodies.items()
    }


class Page(NamedTuple):
    """Hold what a page function needs: who asks, in which language, and the request."""

    visit: Visit
    language: Language
    request: web.Request

    @property
    def consumer(self) -> ConsumerProfile:
        """Give the consumer who asks."""
        return self.visit.consumer


class Pages:
    """Render the consumer's pages."""

    def __init__(
        self,
        data: ConsumerData,
        access: Access,
        calls: M2mCalls,
        *,
        clock: ClockPort,
        seconds: Callable[[], float],
        shown: Callable[[Shown], None],
    ) -> None:
        self._data = data
        self._access = access
        self._calls = calls
        self._clock = clock
        self._seconds = seconds
        self._shown = shown
        self._static = _load_static()
        self._languages: dict[LanguageCode, Language] = {code: Language(code) for code in LANGUAGES}
        self._templates = jinja2.Environment(
            loader=jinja2.PackageLoader("smgw.gateway.han"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    def routes(self) -> list[web.RouteDef]:
        """Give all routes of the pages."""
        views: dict[str, tuple[str, Callable[[Page], dict[str, Any]]]] = {
            "/": ("start.html", self._start),
            "/readings": ("readings.html", self._readings),
            "/contracts": ("contracts.html", self._contracts),
            "/log": ("log.html", self._log),
            "/device": ("device.html", self._device),
        }
        gets = [web.get(path, self._view(template, view), allow_head=False) for path, (template, view) in views.items()]
        return [
            *gets,
            web.post("/self-test", self._self_test),
            web.get("/logout", self._logout, allow_head=False),
            web.post("/logout", self._logout),
            web.get("/static/{tag}/{name}", self._file),
            web.get("/favicon.ico", self._no_icon),
            web.get("/{rest:.*}", self._unknown, allow_head=False),
        ]

    def error(self, request: web.Request, status: int) -> web.Response:
        """Give a page of constant text for a refused request."""
        language = self._language(request, None)
        key = _REFUSED.get(status, "failed" if status >= HTTPStatus.INTERNAL_SERVER_ERROR else "refused")
        return self._html("error.html", language, {"key": key, "status": status}, request, status=status)

    def _language(self, request: web.Request, consumer: ConsumerProfile | None) -> Language:
        profile = consumer.language if consumer else None
        code = choose(request.query.get("lang"), request.cookies.get(LANGUAGE_COOKIE), profile, request.headers.get("Accept-Language"))
        return self._languages[code]

    def _html(
        self, template: str, language: Language, values: Mapping[str, Any], request: web.Request, *, status: int = 200
    ) -> web.Response:
        address = {name: value for name, value in request.query.items() if name != "lang"}
        text = self._templates.get_template(template).render(
            lang=language,
            t=language.text,
            static={name: f"/static/{file.tag}/{name}" for name, file in self._static.items()},
            path=request.path,
            languages=[(code, str(request.rel_url.with_query({**address, "lang": code}))) for code in LANGUAGES],
            **values,
        )
        response = web.Response(text=text, content_type="text/html", charset="utf-8", status=status)
        if request.query.get("lang") in LANGUAGES:
            response.set_cookie(LANGUAGE_COOKIE, language.code, max_age=365 * 86_400, secure=True, httponly=True, samesite="Lax", path="/")
        return response

    def _view(self, template: str, view: Callable[[Page], dict[str, Any]]) -> Callable[[web.Request], Any]:
        async def handle(request: web.Request) -> web.Response:
            visit = self._access.browser(request)
            page = Page(visit, self._language(request, visit.consumer), request)
            values = self._frame(page) | view(page)
            return self._with_session(visit, self._html(template, page.language, values, request))

        return handle

    def _with_session(self, visit: Visit, response: web.Response) -> web.Response:
        if visit.fresh:
            response.set_cookie(COOKIE, visit.cookie, max_age=LONGEST_S, secure=True, httponly=True, samesite="Strict", path="/")
        return response

    def _frame(self, page: Page) -> dict[str, Any]:
        info = self._data.gateway_info()
        return {"info": info, "consumer": page.consumer, "form_token": page.visit.form_token, "now": self._clock.now()}

    # pages

    def _contract_of(self, page: Page, contracts: list[Contract]) -> Contract | None:
        asked = page.request.query.get("contract")
        if asked is not None:
            found = next((contract for contract in contracts if contract.profile.profile_id == asked), None)
            if found is None:
                raise web.HTTPNotFound
            return found
        rank = {"running": 0, "ready": 1, "archive": 2}
        return min(contracts, key=lambda contract: (rank[contract.state], contract.profile.taf != 7), default=None)

    def _day_of(self, page: Page, contract: Contract | None) -> tuple[date, date | None, date | None]:
        """Give the day asked for and its neighbours; before the contract and after today there is none."""
        today = local_day(self._clock.now())
        text = page.request.query.get("day")
        try:
            day = date.fromisoformat(text) if text is not None else today
        except ValueError:
            raise web.HTTPBadRequest from None
        if not date(1990, 1, 1) <= day <= today:
            raise web.HTTPNotFound
        first = local_day(contract.profile.valid_from) if contract else today
        return day, day - timedelta(days=1) if day > first else None, day + timedelta(days=1) if day < today else None

    def _start(self, page: Page) -> dict[str, Any]:
        contracts = self._data.contracts(page.consumer.consumer_id)
        contract = self._contract_of(page, contracts)
        day, earlier, later = self._day_of(page, contract)
        values: dict[str, Any] = {
            "contracts": contracts,
            "contract": contract,
            "day": day,
            "earlier": earlier,
            "later": later,
            "today": local_day(self._clock.now()),
            "host": page.request.host,
            "m2m_root": f"https://{page.request.host}/smgw/m2m",
            "m2m_address": f"https://{page.request.host}/smgw/m2m/{user_id(page.consumer)}/json",
            "chart": None,
            "last": [],
            "live": [],
            "credit": None,
            "unstored": contract is not None and contract.profile.taf in PUSHED,
        }
        if contract is None:
            return values
        chart, compared = self._day_chart(contract, day, page.language)
        live = self._data.current(contract)
        last = self._data.last_readings(contract, [channel.obis for channel in contract.channels])
        self._note_shown(page, contract, len(last) or len(live))
        values["last"] = [(item.reading, reading_status(item)) for item in last]
        values["live"] = [(item, status_key(item.gateway_status, item.meter_status, item.raw)) for item in live if item.raw is not None]
        values["credit"] = self._data.credit(contract)
        if chart.bought is None and chart.sold is None:
            return values
        states = {slot.state for series in (chart.bought, chart.sold) if series is not None for slot in series.slots}
        return values | {
            "chart": chart,
            "compared": compared,
            "drawing": day_chart(chart, page.language),
            "unit": chart_unit(chart, page.language),
            "flawed": SlotState.INVALID in states,
            "gaps": SlotState.MISSING in states,
            "slots": [_slot_row(chart, index) for index in range(len(chart.leading.slots))],
        }

    def _day_chart(self, contract: Contract, day: date, language: Language) -> tuple[DayChart, Any]:
        now = self._clock.now()
        counters = directions(contract)
        wanted = [channel for channel in counters if channel is not None]
        yesterday = day - timedelta(days=1)
        start = day_bounds(yesterday)[0] - timedelta(microseconds=1)
        signed = self._data.readings(contract, [channel.obis for channel in wanted], after=start, until=day_bounds(day)[1])
        readings = [item.reading for item in signed]
        step = slot_seconds(contract.profile.period_s)

        def series(channel: Any, of: date) -> DaySeries | None:
            return day_series(channel, readings, of, step, now) if channel is not None else None

        bought = series(counters.bought, day)
        before = series(counters.bought, yesterday)
        compared = None
        if bought is not None and bought.until is not None and bought.since == bought.slots[0].start:
            compared = at_same_time(bought, readings, yesterday, bought.until)
        title = language.text("chart.title", day=language.long_date(day))
        drawn_before = before if before is not None and any(slot.energy is not None for slot in before.slots) else None
        chart = DayChart(title, bought, series(counters.sold, day), drawn_before, now if day == local_day(now) else None)
        return chart, compared

    def _note_shown(self, page: Page, contract: Contract, count: int) -> None:
        self._shown(Shown(page.consumer.consumer_id, contract.profile.profile_id, page.consumer.user_name, count))

    def _readings(self, page: Page) -> dict[str, Any]:
        contracts = self._data.contracts(page.consumer.consumer_id)
        contract = self._contract_of(page, contracts)
        day, earlier, later = self._day_of(page, contract)
        signed: list[SignedReading] = []
        if contract is not None:
            start, end = day_bounds(day)
            codes = [channel.obis for channel in contract.channels]
            signed = self._data.readings(contract, codes, after=start - timedelta(microseconds=1), until=end)
            self._note_shown(page, contract, len(signed))
        return {
            "contracts": contracts,
            "contract": contract,
            "day": day,
            "earlier": earlier,
            "later": later,
            "today": local_day(self._clock.now()),
            "count": len(signed),
            "rows": reading_rows(contract, signed) if contract is not None else [],
        }

    def _contracts(self, page: Page) -> dict[str, Any]:
        return {"contracts": self._data.contracts(page.consumer.consumer_id)}

    def _log(self, page: Page) -> dict[str, Any]:
        total = self._data.log_count(page.consumer.consumer_id)
        pages = max(1, -(-total // LOG_PAGE))
        text = page.request.query.get("page", "1")
        number = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0
        if not 1 <= number <= pages:
            raise web.HTTPNotFound
        newest = total - (number - 1) * LOG_PAGE
        first = max(1, newest - LOG_PAGE + 1)
        stored = self._data.log(page.consumer.consumer_id, from_index=first, count=newest - first + 1) if total else []
        return {"rows": log_rows(stored, page.language), "number": number, "pages": pages, "total": total}

    def _device(self, page: Page) -> dict[str, Any]:
        info = self._data.gateway_info()
        return {
            "certificates": certificate_rows(info),
            "remaining_s": self._calls.self_test_lock.remaining_s(self._seconds()),
            "started": page.request.query.get("self-test") == "started",
        }

    # forms and files

    async def _self_test(self, request: web.Request) -> web.Response:
        refuse_cross_site(request)
        visit = self._access.browser(request)
        form = await request.post()
        if not hmac.compare_digest(str(form.get("token", "")).encode(), visit.form_token.encode()):
            raise web.HTTPForbidden
        try:
            self._calls.start_self_test()
        except PeerFault:
            raise web.HTTPSeeOther("/device") from None
        raise web.HTTPSeeOther("/device?self-test=started")

    async def _logout(self, request: web.Request) -> web.Response:
        refuse_cross_site(request)
        # The dead cookie stays: it makes the next page ask for the password again, which the browser would otherwise send by itself.
        return self._html("logged_out.html", self._language(request, self._access.leave(request)), {}, request)

    async def _file(self, request: web.Request) -> web.Response:
        file = self._static.get(request.match_info["name"])
        if file is None or file.tag != request.match_info["tag"]:
            raise web.HTTPNotFound
        headers = {"Cache-Control": "public, max-age=31536000, immutable"}
        return web.Response(body=file.body, content_type=file.content_type, headers=headers)

    async def _no_icon(self, request: web.Request) -> web.Response:
        return web.Response(status=204)

    async def _unknown(self, request: web.Request) -> web.Response:
        self._access.browser(request)
        raise web.HTTPNotFound


def _slot_row(chart: DayChart, index: int) -> dict[str, Any]:
    slot = chart.leading.slots[index]
    bought, sold = (series.slots[index].energy if series else None for series in (chart.bought, chart.sold))
    return {"start": slot.start, "end": slot.end, "import": bought, "export": sold, "state": slot.state}

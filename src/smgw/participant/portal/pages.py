"""The pages of the portal: each is one function from a request to the values of its template.

Source: EMT-05; the display rules of the project's design.
"""

import asyncio
from collections.abc import Callable
from datetime import date, datetime, timedelta
from http import HTTPStatus
from importlib.resources import files
from typing import Any, NamedTuple

import jinja2
from aiohttp import web

from smgw.core.error_codes import ERROR_CODES
from smgw.core.obis import Obis
from smgw.net.web import tokens_css
from smgw.participant.access import COOKIE, SESSION_S, Access
from smgw.participant.portal.language import LANGUAGES, Language, LanguageCode, choose, status_key
from smgw.participant.records import MeterRecord, Records
from smgw.storage.series import DayStatus, EffectiveValue

LANGUAGE_COOKIE = "smgw_language"
DAYS_SHOWN = 14
ROWS_SHOWN = 50
_FIRST_DAY = date(2000, 1, 1)

View = Callable[[web.Request, Language], dict[str, Any]]


class DayRow(NamedTuple):
    """Hold what one line of the day's table shows: the values of one period end, in the order of the registers."""

    target: datetime
    cells: list[EffectiveValue | None]
    status: str
    revised: bool
    messages: list[int]


def add_portal(app: web.Application, records: Records, access: Access) -> None:
    """Add the pages to the operator's application."""
    portal = Portal(records, access)
    views: dict[str, tuple[str, View]] = {
        "/": ("meters.html", portal.meters),
        "/meters/{meter_id}": ("day.html", portal.day),
        "/inbox": ("inbox.html", portal.inbox),
        "/refusals": ("refusals.html", portal.refusals),
    }
    app.add_routes([web.get(path, portal.page(template, view)) for path, (template, view) in views.items()])
    app.add_routes(
        [
            web.get("/login", portal.login_form),
            web.post("/login", portal.log_in),
            web.post("/logout", portal.log_out),
            web.get("/style.css", _style),
            web.get("/favicon.ico", _no_icon),
        ]
    )


class Portal:
    """Render pages in the language of the visitor."""

    def __init__(self, records: Records, access: Access) -> None:
        self._records = records
        self._access = access
        self._languages: dict[LanguageCode, Language] = {code: Language(code) for code in LANGUAGES}
        self._templates = jinja2.Environment(
            loader=jinja2.PackageLoader(str(__package__)),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    def page(self, template: str, view: View) -> Callable[[web.Request], Any]:
        """Make the handler of one page."""

        async def handle(request: web.Request) -> web.Response:
            language = self._language(request)
            try:
                values = view(request, language)
            except web.HTTPNotFound:
                return self._html(request, "error.html", {}, HTTPStatus.NOT_FOUND)
            frame = {"name": self._records.name, "now": self._records.now(), "totals": self._records.store.totals()}
            return self._html(request, template, frame | values)

        return handle

    def meters(self, _: web.Request, language: Language) -> dict[str, Any]:
        """Show every meter with its last values and the completeness of its last days."""
        meters = self._records.meters()
        days = {
            (meter.meter_id, register.span.obis): self._records.recent_days(register.span, DAYS_SHOWN)
            for meter in meters
            for register in meter.registers
        }
        return {
            "meters": meters,
            "days": days,
            "days_shown": DAYS_SHOWN,
            "describe": lambda status: describe_day(language, status),
        }

    def day(self, request: web.Request, language: Language) -> dict[str, Any]:
        """Show one day of a meter: values, status, completeness and where the evidence lies."""
        meter = self._records.meter(request.match_info["meter_id"])
        if meter is None:
            raise web.HTTPNotFound
        today = self._records.today()
        day = _day(request.query.get("day"), today)
        codes = [register.span.obis for register in meter.registers]
        rows = self._rows(meter, codes, day)
        numbers = sorted({number for row in rows for number in row.messages})
        first = min((register.span.first_day for register in meter.registers), default=today)
        return {
            "meter": meter,
            "codes": codes,
            "day": day,
            "earlier": day - timedelta(days=1) if day > first else None,
            "later": day + timedelta(days=1) if day < today else None,
            "rows": rows,
            "statuses": [describe_day(language, self._records.day_status(meter.meter_id, obis, day)) for obis in codes],
            "signers": self._records.store.signers(numbers),
            "derived": self._records.store.registers(meter.meter_id, ROWS_SHOWN),
        }

    def _rows(self, meter: MeterRecord, codes: list[Obis], day: date) -> list[DayRow]:
        columns = [
            {effective.value.target_time: effective for effective in self._records.store.series.day(meter.meter_id, obis, day)}
            for obis in codes
        ]
        rows = []
        for target in sorted({target for column in columns for target in column}):
            cells = [column.get(target) for column in columns]
            held = [cell for cell in cells if cell is not None]
            status = next((key for key in map(_status, held) if key != "measured"), "measured")
            revised = any(cell.contradicted for cell in held)
            rows.append(DayRow(target, cells, status, revised, sorted({cell.value.message for cell in held})))
        return rows

    def inbox(self, request: web.Request, _: Language) -> dict[str, Any]:
        """Show accepted messages with their verification."""
        entries = self._records.store.inbox(ROWS_SHOWN, _number(request))
        return {"entries": entries, "older": entries[-1].number if len(entries) == ROWS_SHOWN else None}

    def refusals(self, request: web.Request, _: Language) -> dict[str, Any]:
        """Show what was refused and why."""
        refusals = self._records.store.refusals(ROWS_SHOWN, _number(request))
        older = refusals[-1].number if len(refusals) == ROWS_SHOWN else None
        return {"refusals": refusals, "older": older, "titles": {code: row.title for code, row in ERROR_CODES.items()}}

    async def login_form(self, request: web.Request) -> web.Response:
        """Show the log-in form."""
        return self._html(request, "login.html", {"failed": False})

    async def log_in(self, request: web.Request) -> web.Response:
        """Start a session for the right token."""
        token = str((await request.post()).get("token", ""))
        session = self._access.log_in(token, asyncio.get_running_loop().time())
        if session is None:
            return self._html(request, "login.html", {"failed": True}, HTTPStatus.FORBIDDEN)
        response = web.Response(status=HTTPStatus.SEE_OTHER, headers={"Location": "/"})
        response.set_cookie(COOKIE, session, httponly=True, samesite="Strict", max_age=SESSION_S, path="/")
        return response

    async def log_out(self, request: web.Request) -> web.Response:
        """End the session."""
        self._access.log_out(request.cookies.get(COOKIE, ""))
        response = web.Response(status=HTTPStatus.SEE_OTHER, headers={"Location": "/login"})
        response.del_cookie(COOKIE, path="/")
        return response

    def _language(self, request: web.Request) -> Language:
        wishes = request.query.get("lang"), request.cookies.get(LANGUAGE_COOKIE), request.headers.get("Accept-Language", "")
        return self._languages[choose(*wishes)]

    def _html(self, request: web.Request, template: str, values: dict[str, Any], status: int = HTTPStatus.OK) -> web.Response:
        language = self._language(request)
        others = {name: value for name, value in request.query.items() if name != "lang"}
        text = self._templates.get_template(template).render(
            lang=language,
            t=language.text,
            path=request.path,
            languages=[(code, str(request.rel_url.with_query({**others, "lang": code}))) for code in LANGUAGES],
            **values,
        )
        response = web.Response(text=text, status=status, content_type="text/html", charset="utf-8")
        if request.query.get("lang") in LANGUAGES:
            response.set_cookie(LANGUAGE_COOKIE, language.code, httponly=True, samesite="Strict", max_age=365 * 86_400, path="/")
        return response


def describe_day(language: Language, status: DayStatus) -> tuple[str, str]:
    """Give the class of a day (complete, partial, empty) and the sentence that says why."""
    if status.complete:
        return "complete", language.text("day.complete")
    if not status.present:
        return "empty", language.text("day.empty")
    parts = [language.text("day.partial", valid=status.valid, expected=status.expected)]
    if not status.opening:
        parts.append(language.text("day.no_opening"))
    if status.contradicted:
        parts.append(language.text("day.contradicted", count=status.contradicted))
    return "partial", ", ".join(parts)


async def _style(_: web.Request) -> web.Response:
    body = tokens_css() + (files(__package__) / "static" / "style.css").read_bytes()
    return web.Response(body=body, content_type="text/css", charset="utf-8")


async def _no_icon(_: web.Request) -> web.Response:
    return web.Response(status=HTTPStatus.NO_CONTENT)


def _status(effective: EffectiveValue) -> str:
    return status_key(effective.value)


def _day(text: str | None, today: date) -> date:
    try:
        day = today if text is None else date.fromisoformat(text)
    except ValueError:
        raise web.HTTPNotFound from None
    if not _FIRST_DAY <= day <= today:
        raise web.HTTPNotFound
    return day


def _number(request: web.Request) -> int | None:
    text = request.query.get("before", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 18 else None

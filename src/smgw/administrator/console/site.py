"""The console as routes: pages, forms, log-in. Every form needs the key of the session that it was shown in. Source: ADM-13, SEC-03."""

import asyncio
from base64 import b64encode
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from importlib.resources import files
from typing import Any
from urllib.parse import quote, urlsplit

import jinja2
from aiohttp import web

from smgw.administrator.access import COOKIE, SESSION, USER, Access
from smgw.administrator.api import ENDPOINTS, audit, backup, successions, users
from smgw.administrator.api.endpoints import Call, Desk, Endpoint, ProposalRow, admit, obey, require_role
from smgw.administrator.api.routes import read
from smgw.administrator.console.forms import DONE, FILES, FORMS, Form
from smgw.administrator.console.language import LANGUAGES, Language, LanguageCode, choose
from smgw.administrator.console.views import PAGES, Page, account
from smgw.administrator.sessions import SESSION_S
from smgw.administrator.users import LOCAL, is_password
from smgw.core.error_codes import ERROR_CODES
from smgw.core.errors import SecurityFault, SmgwError
from smgw.net.web import tokens_css

LANGUAGE_COOKIE = "smgw_language"
LOGIN_OCTETS = 4_096
HASHES_AT_ONCE = 2
"""So many passwords are tried at once; each takes a tenth of a second of one core."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def endpoint_of(handler: Callable[[Call], Any]) -> Endpoint:
    """Give the row of the REST interface that a handler belongs to."""
    return next(row for row in ENDPOINTS if row.handler is handler)


class Console:
    """Render pages and take forms in the language of the visitor."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._languages: dict[LanguageCode, Language] = {code: Language(code) for code in LANGUAGES}
        self._hashing = asyncio.Semaphore(HASHES_AT_ONCE)
        self._templates = jinja2.Environment(
            loader=jinja2.PackageLoader(str(__package__)),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    def add(self, app: web.Application, access: Access) -> None:
        """Add every page and form."""
        self._access = access
        app.add_routes([web.get(page.path, self._page(page)) for page in PAGES])
        app.add_routes([web.post(form.path, self._form(form)) for form in FORMS])
        app.add_routes(
            [
                web.get("/login", self._login_page),
                web.post("/login", self._log_in),
                web.post("/logout", self._log_out),
                web.post("/account/tokens", self._make_token),
                web.post("/backup", self._backup),
                web.get("/audit/export", self._export),
                *(web.post(path, self._file(handler, body)) for path, handler, body in FILES),
                web.get("/style.css", _style),
                web.get("/favicon.ico", _no_icon),
            ]
        )

    def _page(self, page: Page) -> Handler:
        endpoint = endpoint_of(page.handler)

        async def handle(request: web.Request) -> web.StreamResponse:
            call = self._call(request)
            require_role(endpoint, call.user)
            language = self._language(request)
            values = page.view(call, dict(request.query), language)
            return self._html(request, page.template, values)

        return handle

    def _form(self, form: Form) -> Handler:
        endpoint = endpoint_of(form.handler)

        async def handle(request: web.Request) -> web.StreamResponse:
            fields = await self._fields(request)
            admit(endpoint, self._call(request))
            call = form.prepare(self._call(request), _texts(fields), _chosen(fields))
            result = await obey(endpoint, call)
            done = "proposed" if isinstance(result, ProposalRow) and endpoint.may_propose else form.done
            path, _, anchor = form.then.partition("#")
            path = path.format(**{name: quote(value, safe="") for name, value in call.path.items()})
            target = f"{path}{'&' if '?' in path else '?'}done={done}{'#' + anchor if anchor else ''}"
            return web.Response(status=HTTPStatus.SEE_OTHER, headers={"Location": target})

        return handle

    async def _fields(self, request: web.Request) -> Any:
        """Read a form that came from a page of this session. Raises: SecurityFault administrator.form."""
        fields = await request.post()
        if not _is_from_here(request) or not request[SESSION].owns(str(fields.get("form_key", ""))):
            raise SecurityFault("administrator.form")
        return fields

    def _call(self, request: web.Request) -> Call:
        return Call(self._desk, request[USER], dict(request.match_info))

    async def _login_page(self, request: web.Request) -> web.StreamResponse:
        return self._html(request, "login.html", {"failed": False})

    async def _log_in(self, request: web.Request) -> web.StreamResponse:
        if (request.content_length or 0) > LOGIN_OCTETS:
            raise web.HTTPRequestEntityTooLarge(LOGIN_OCTETS, request.content_length or 0)
        fields = await request.post()
        name, password = str(fields.get("name", "")).strip() or LOCAL, str(fields.get("password", ""))
        if not _is_from_here(request) or not await self._is_right(name, password):
            return self._html(request, "login.html", {"failed": True}, HTTPStatus.FORBIDDEN)
        user = self._access.user(name)
        if user is None:
            return self._html(request, "login.html", {"failed": True}, HTTPStatus.FORBIDDEN)
        self._note(name, "log in", "done")
        self._access.sessions.end(request.cookies.get(COOKIE, ""))
        session = self._access.sessions.begin(name, user.changed, self._access.seconds())
        response = web.Response(status=HTTPStatus.SEE_OTHER, headers={"Location": "/"})
        response.set_cookie(COOKIE, session, httponly=True, samesite="Strict", max_age=SESSION_S, path="/")
        return response

    async def _is_right(self, name: str, password: str) -> bool:
        """Try a password, or the folder's token; nothing is tried for a name that is locked."""
        sessions, now_s = self._access.sessions, self._access.seconds()
        known = name == LOCAL or bool(self._desk.books.users.password_hash(name))
        if sessions.is_locked(name, now_s):
            return False
        if name == LOCAL:
            right = self._access.is_folder_token(password)
        else:
            async with self._hashing:
                right = await asyncio.to_thread(is_password, password, self._desk.books.users.password_hash(name))
        if right:
            sessions.right(name)
        elif sessions.wrong(name, now_s) and known:
            self._note(name, "log in", "locked")
        elif known:
            self._note(name, "log in", "administrator.login")
        return right

    def _note(self, name: str, action: str, result: str) -> None:
        self._desk.books.audit.note(self._desk.office.clock.now(), name, action, self._desk.office.name, result)

    async def _log_out(self, request: web.Request) -> web.StreamResponse:
        await self._fields(request)
        self._access.sessions.end(request.cookies.get(COOKIE, ""))
        self._note(request[USER].name, "log out", "done")
        response = web.Response(status=HTTPStatus.SEE_OTHER, headers={"Location": "/login"})
        response.del_cookie(COOKIE, path="/")
        return response

    async def _make_token(self, request: web.Request) -> web.StreamResponse:
        fields = await self._fields(request)
        admit(endpoint_of(users.add_token), self._call(request))
        call = self._call(request)._replace(body=read({"purpose": str(fields.get("purpose", "")).strip()}, users.NewToken))
        made = await obey(endpoint_of(users.add_token), call)
        return self._html(request, "account.html", {**account(call, {}, self._language(request)), "made": made})

    async def _backup(self, request: web.Request) -> web.StreamResponse:
        fields = await self._fields(request)
        admit(endpoint_of(backup.take), self._call(request))
        call = self._call(request)._replace(body=read({"passphrase": str(fields.get("passphrase", ""))}, backup.BackupOrder))
        data = await obey(endpoint_of(backup.take), call)
        return _download(data, f"{self._desk.office.name}.smgwbackup", "application/octet-stream")

    def _file(self, handler: Callable[[Call], Any], body: Callable[[dict[str, str]], Any]) -> Handler:
        endpoint = endpoint_of(handler)

        async def handle(request: web.Request) -> web.StreamResponse:
            fields = _texts(await self._fields(request))
            call = self._call(request)
            call = call._replace(path={"device_id": fields.get("device_id", "").strip()})
            admit(endpoint, call)
            data = await obey(endpoint, call._replace(body=body(fields)))
            kind = "offer" if handler is successions.offer else "infrastructure"
            return _download(data, f"{call.path['device_id']}-{kind}.cms", endpoint.media)

        return handle

    async def _export(self, request: web.Request) -> web.StreamResponse:
        admit(endpoint_of(audit.export), self._call(request))
        data = await obey(endpoint_of(audit.export), self._call(request))
        return _download(data, "audit.ndjson", "application/x-ndjson")

    def fault(self, request: web.Request, fault: SmgwError, status: int) -> web.StreamResponse:
        """Show what went wrong."""
        detail = "" if isinstance(fault, SecurityFault) or status >= HTTPStatus.INTERNAL_SERVER_ERROR else fault.detail
        back = urlsplit(request.headers.get("Referer", "")).path or "/"
        values = {"fault": fault, "row": ERROR_CODES[fault.code], "detail": detail, "back": back if back.startswith("/") else "/"}
        return self._html(request, "error.html", values, status)

    def _language(self, request: web.Request) -> Language:
        wishes = request.query.get("lang"), request.cookies.get(LANGUAGE_COOKIE), request.headers.get("Accept-Language", "")
        return self._languages[choose(*wishes)]

    def _frame(self, request: web.Request, template: str) -> dict[str, Any]:
        """Give what stands on each page around its own matter."""
        user = request.get(USER)
        if user is None:
            return {"user": None, "form_key": "", "navigation": (), "group": "", "tabs": (), "strip": None}
        shown = [page for page in PAGES if page.tab and endpoint_of(page.handler).roles.intersection(user.roles)]
        groups = {page.group: page.path for page in reversed(shown)}
        group = next((page.group for page in PAGES if page.template == template), "")
        tabs = [(page.path, page.tab) for page in shown if page.group == group]
        inventory, now = self._desk.books.inventory, self._desk.office.clock.now()
        devices = inventory.gateways()
        return {
            "user": user,
            "form_key": request[SESSION].form_key,
            "navigation": [(groups[name], name) for name in dict.fromkeys(page.group for page in shown)],
            "group": group,
            "tabs": tabs if len(tabs) > 1 else (),
            "strip": {
                "name": self._desk.office.name,
                "now": now,
                "all": len(devices),
                "reachable": sum(map(inventory.is_connected, devices)),
                "waiting": {"proposals": self._desk.books.approvals.waiting(), "faults": sum(self._desk.books.alarms.unseen().values())},
            },
        }

    def _html(self, request: web.Request, template: str, values: dict[str, Any], status: int = HTTPStatus.OK) -> web.Response:
        language = self._language(request)
        others = {name: value for name, value in request.query.items() if name not in ("lang", "done")}
        done = request.query.get("done", "")
        text = self._templates.get_template(template).render(
            lang=language,
            t=language.text,
            path=request.path,
            languages=[(code, str(request.rel_url.with_query({**others, "lang": code}))) for code in _languages_of(request)],
            done=done if done in DONE else "",
            asked=others,
            **self._frame(request, template),
            **values,
        )
        response = web.Response(text=text, status=status, content_type="text/html", charset="utf-8")
        if request.query.get("lang") in LANGUAGES:
            response.set_cookie(LANGUAGE_COOKIE, language.code, httponly=True, samesite="Strict", max_age=365 * 86_400, path="/")
        return response


def _languages_of(request: web.Request) -> tuple[LanguageCode, ...]:
    """List what a page can be had in; one that answers a form has no address of its own."""
    return LANGUAGES if request.method == "GET" else ()


def _is_from_here(request: web.Request) -> bool:
    """Tell whether a form was sent by a page of ours, as far as the browser says."""
    origin = request.headers.get("Origin")
    return origin is None or urlsplit(origin).netloc.lower() == request.host.lower()


def _texts(fields: Any) -> dict[str, str]:
    """Give the fields of a form; a file as Base64."""
    return {name: _text(value) for name, value in fields.items()}


def _text(value: Any) -> str:
    return b64encode(value.file.read()).decode() if isinstance(value, web.FileField) else str(value)


def _chosen(fields: Any) -> list[str]:
    return [str(value) for value in fields.getall("roles", [])]


def _download(data: bytes, name: str, kind: str) -> web.Response:
    safe = "".join(character if character.isalnum() or character in ".-_" else "-" for character in name)
    return web.Response(body=data, content_type=kind, headers={"Content-Disposition": f'attachment; filename="{safe}"'})


async def _style(_: web.Request) -> web.StreamResponse:
    body = tokens_css() + (files(__package__) / "static" / "style.css").read_bytes()
    return web.Response(body=body, content_type="text/css", charset="utf-8")


async def _no_icon(_: web.Request) -> web.StreamResponse:
    return web.Response(status=HTTPStatus.NO_CONTENT)

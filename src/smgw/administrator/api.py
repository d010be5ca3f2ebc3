"""The operator's API and page on loopback: what the fleet is and what was done. Every answer needs the token of the folder.

Source: ADM-06, ADM-10, ADM-13.
"""

import hmac
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from http import HTTPStatus
from pathlib import Path

import jinja2
import msgspec
import structlog
from aiohttp import web

from smgw.administrator.config import AdministratorFolder
from smgw.administrator.management import Office
from smgw.core.errors import SmgwError, Unavailable
from smgw.core.instant import utc_text
from smgw.net.web import tokens_css
from smgw.security.files import write_durably

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

log = structlog.get_logger(__name__)

COOKIE = "smgw_administrator"
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
_PAGES = Path(__file__).parent / "pages"


def operator_token(path: Path, random: bytes) -> str:
    """Give the token of the folder; it is made once and kept readable by its owner alone."""
    if not path.exists():
        write_durably(path, random.hex().encode() + b"\n", 0o600)
    return path.read_text().strip()


async def start_api(stack: AsyncExitStack, office: Office, folder: AdministratorFolder, port: int) -> int:
    """Listen on loopback; returns the port. Raises: Unavailable net.unreachable."""
    token = operator_token(folder.token, office.module.random(32))
    runner = web.AppRunner(make_app(office, token), access_log=None)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
    except OSError as problem:
        raise Unavailable("net.unreachable", f"127.0.0.1:{port}") from problem
    return int(runner.addresses[0][1])


def make_app(office: Office, token: str) -> web.Application:
    """Make the application for one office and token."""
    pages = jinja2.Environment(loader=jinja2.FileSystemLoader(_PAGES), autoescape=True, undefined=jinja2.StrictUndefined)

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        shown = request.headers.get("Authorization", "").removeprefix("Bearer ") or request.cookies.get(COOKIE, "")
        if request.path not in _OPEN and not _is_token(shown, token):
            if request.path == "/":
                return web.Response(status=HTTPStatus.SEE_OTHER, headers={**HEADERS, "Location": "/login"})
            return _json({"error": "unauthorised"}, HTTPStatus.UNAUTHORIZED)
        try:
            response: web.StreamResponse = await handler(request)
        except web.HTTPException as answer:
            return _json({"error": answer.reason.lower()}, answer.status)
        except SmgwError as fault:
            log.error("request_failed", path=request.path, code=fault.code)
            status = HTTPStatus.SERVICE_UNAVAILABLE if fault.retryable else HTTPStatus.INTERNAL_SERVER_ERROR
            return _json({"error": fault.code}, status)
        response.headers.update(HEADERS)
        return response

    async def health(_: web.Request) -> web.Response:
        return _json({"status": "ok"})

    async def gateways(_: web.Request) -> web.Response:
        return _json(office.books.inventory.status(office.clock.now()))

    async def audit(_: web.Request) -> web.Response:
        return _json(office.books.audit.newest())

    async def profiles(request: web.Request) -> web.Response:
        device_id = request.match_info["device_id"]
        if office.books.inventory.gateway(device_id) is None:
            return _json({"error": "unknown gateway"}, HTTPStatus.NOT_FOUND)
        # The consumer's log-in digests are password-equivalent and stay in the inventory.
        listed = [{"kind": kind, "profile": profile} for kind, profile in office.books.inventory.profiles(device_id) if kind != "consumer"]
        return _json(listed)

    async def login_page(_: web.Request) -> web.Response:
        return _html(pages.get_template("login.html").render(failed=False))

    async def login(request: web.Request) -> web.Response:
        shown = str((await request.post()).get("token", ""))
        if not _is_token(shown.strip(), token):
            return _html(pages.get_template("login.html").render(failed=True), HTTPStatus.FORBIDDEN)
        response = web.Response(status=HTTPStatus.SEE_OTHER, headers={"Location": "/"})
        response.set_cookie(COOKIE, token, httponly=True, samesite="Strict", max_age=8 * 3600)
        return response

    async def start_page(_: web.Request) -> web.Response:
        now = office.clock.now()
        fleet = [(status, msgspec.json.decode(status.facts)) for status in office.books.inventory.status(now)]
        page = pages.get_template("fleet.html").render(
            name=office.name, now=utc_text(now), fleet=fleet, audit=office.books.audit.newest(20)
        )
        return _html(page)

    async def style(_: web.Request) -> web.Response:
        return web.Response(body=tokens_css() + (_PAGES / "style.css").read_bytes(), content_type="text/css")

    app = web.Application(middlewares=[guard], client_max_size=4096)
    app.add_routes(
        [
            web.get("/healthz", health),
            web.get("/api/v1/gateways", gateways),
            web.get("/api/v1/gateways/{device_id}/profiles", profiles),
            web.get("/api/v1/audit", audit),
            web.get("/login", login_page),
            web.post("/login", login),
            web.get("/style.css", style),
            web.get("/", start_page),
        ]
    )
    return app


_OPEN = frozenset({"/healthz", "/login", "/style.css"})


def _is_token(shown: str, token: str) -> bool:
    # Headers may hold octets that are no text; they come as lone surrogates.
    return hmac.compare_digest(shown.encode(errors="surrogatepass"), token.encode())


def _json(value: object, status: int = HTTPStatus.OK) -> web.Response:
    return web.Response(body=msgspec.json.encode(value), status=status, content_type="application/json", headers=HEADERS)


def _html(text: str, status: int = HTTPStatus.OK) -> web.Response:
    return web.Response(text=text, status=status, content_type="text/html")

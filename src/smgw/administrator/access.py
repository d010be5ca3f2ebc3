"""Who asks: users with a session at the console, users' programs with a token, and whoever holds the folder's token.

Each answer carries the protective headers; another Host name, a wrong token, a form from elsewhere and a fault have each one status.
Source: ADM-10, ADM-13, SEC-03.
"""

import hmac
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path

import msgspec
import structlog
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from smgw.administrator.api.endpoints import Desk
from smgw.administrator.api.openapi import Problem
from smgw.administrator.sessions import Session, Sessions
from smgw.administrator.users import LOCAL, LOCAL_USER, User
from smgw.core.error_codes import ERROR_CODES
from smgw.core.errors import (
    ConfigError,
    DomainFault,
    PeerFault,
    SecurityFault,
    SmgwError,
    Unavailable,
)
from smgw.security.files import write_durably

log = structlog.get_logger(__name__)

COOKIE = "smgw_administrator"
USER = web.RequestKey("user", User)
SESSION = web.RequestKey("session", Session)
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}
OPEN = frozenset({"/healthz", "/login", "/style.css", "/favicon.ico"})
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_MISSING = ("administrator.not_found", "administrator.unknown_")
"""How codes begin that mean that there is nothing of that name."""


def operator_token(path: Path, random: bytes) -> str:
    """Give the token of the folder; it is made once and kept readable by its owner alone."""
    if not path.exists():
        write_durably(path, random.hex().encode() + b"\n", 0o600)
    return path.read_text().strip()


class Access:
    """Find out who asks."""

    def __init__(self, desk: Desk, token: str, seconds: Callable[[], float]) -> None:
        self._desk = desk
        self._token = token.encode()
        self.seconds = seconds
        self.sessions = Sessions()

    def is_folder_token(self, shown: str) -> bool:
        """Tell whether this is the folder's token."""
        # Headers may hold octets that are no text; they come as lone surrogates.
        return hmac.compare_digest(shown.strip().encode(errors="surrogatepass"), self._token)

    def program(self, request: web.Request) -> User | None:
        """Give the user whose program asks with a token."""
        scheme, _, shown = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        return LOCAL_USER if self.is_folder_token(shown) else self._desk.books.users.bearer(shown.strip())

    def person(self, request: web.Request) -> tuple[User, Session] | None:
        """Give the user of a session; a changed password and switching off end it."""
        key = request.cookies.get(COOKIE, "")
        session = self.sessions.use(key, self.seconds())
        if session is None:
            return None
        user = self.user(session.user)
        if user is None or user.changed != session.changed:
            self.sessions.end(key)
            return None
        return user, session

    def user(self, name: str) -> User | None:
        """Give an active user by name."""
        if name == LOCAL:
            return LOCAL_USER
        try:
            user = self._desk.books.users.user(name)
        except DomainFault:
            return None
        return user if user.active else None


def is_for_us(request: web.Request) -> bool:
    """Tell whether the Host header names this machine, so that no foreign page can reach a loopback service under its own name."""
    host = request.host.strip().lower()
    bare = host[1 : host.find("]")] if host.startswith("[") else host.partition(":")[0]
    return bare in _LOOPBACK


def guard(access: Access, show_fault: Callable[[web.Request, SmgwError, int], web.StreamResponse]) -> Middleware:
    """Make the middleware of the whole application; `show_fault` makes the page for a person."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        response = await _answer(request, handler, access, show_fault)
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        return response

    return middleware


async def _answer(
    request: web.Request,
    handler: Handler,
    access: Access,
    show_fault: Callable[[web.Request, SmgwError, int], web.StreamResponse],
) -> web.StreamResponse:
    is_program = request.path.startswith("/api/")
    try:
        if not is_for_us(request):
            return web.Response(status=HTTPStatus.MISDIRECTED_REQUEST)
        if request.path not in OPEN:
            if is_program:
                user = access.program(request)
                if user is None:
                    raise SecurityFault("administrator.unauthorised")
                request[USER] = user
            else:
                found = access.person(request)
                if found is None:
                    return web.Response(status=HTTPStatus.SEE_OTHER, headers={"Location": "/login"})
                request[USER], request[SESSION] = found
        return await handler(request)
    except web.HTTPException as answer:
        if answer.status < 400:
            return answer
        code = "administrator.not_found" if answer.status == HTTPStatus.NOT_FOUND else "administrator.request"
        fault: SmgwError = PeerFault(code, answer.reason)
        status = answer.status
        allowed = {"Allow": answer.headers["Allow"]} if "Allow" in answer.headers else {}
    except SmgwError as problem:
        fault, status, allowed = problem, status_of(problem), {}
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        log.error("request_failed", path=request.path, code=fault.code, detail=fault.detail)
    response = _problem(fault, status) if is_program or USER not in request else show_fault(request, fault, status)
    response.headers.update(allowed)
    return response


def status_of(fault: SmgwError) -> int:
    """Give the HTTP status that tells of a fault."""
    if fault.code == "administrator.unauthorised":
        return HTTPStatus.UNAUTHORIZED
    if fault.code.startswith(_MISSING):
        return HTTPStatus.NOT_FOUND
    rows: tuple[tuple[type[SmgwError], int], ...] = (
        (SecurityFault, HTTPStatus.FORBIDDEN),
        (PeerFault, HTTPStatus.BAD_REQUEST),
        (ConfigError, HTTPStatus.BAD_REQUEST),
        (DomainFault, HTTPStatus.CONFLICT),
        (Unavailable, HTTPStatus.SERVICE_UNAVAILABLE),
    )
    return next((status for kind, status in rows if isinstance(fault, kind)), HTTPStatus.INTERNAL_SERVER_ERROR)


def _problem(fault: SmgwError, status: int) -> web.Response:
    # What a store or a security check says of itself is for the diagnostics, not for whoever asks.
    detail = "" if isinstance(fault, SecurityFault) or status >= HTTPStatus.INTERNAL_SERVER_ERROR else fault.detail
    row = ERROR_CODES[fault.code]
    headers = {"WWW-Authenticate": "Bearer"} if status == HTTPStatus.UNAUTHORIZED else {}
    body = msgspec.json.encode(Problem(fault.code, row.title, row.hint, detail))
    return web.Response(body=body, status=status, content_type="application/json", headers=headers)

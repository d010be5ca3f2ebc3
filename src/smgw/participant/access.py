"""Who may use the operator's interface: holders of the folder's token, as bearer token or through the log-in form."""

import hmac
import secrets
from collections.abc import Callable
from http import HTTPStatus

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

COOKIE = "smgw_participant"
SESSION_S = 8 * 3600
MAX_SESSIONS = 64
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
_OPEN = frozenset({"/healthz", "/readyz", "/login", "/style.css", "/favicon.ico"})
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


class Access:
    """Check every request; sessions live in memory and end with the process, after eight hours, or at log-out."""

    def __init__(self, token: str, host: str) -> None:
        self._token = token.encode()
        self._hosts = _LOOPBACK if host in _LOOPBACK else None
        self._sessions: dict[str, float] = {}

    def log_in(self, token: str, now_s: float) -> str | None:
        """Give a new session for the right token, else None; `now_s` is a monotonic time."""
        if not hmac.compare_digest(token.strip().encode(), self._token):
            return None
        self._sessions = {session: end for session, end in self._sessions.items() if end > now_s}
        while len(self._sessions) >= MAX_SESSIONS:
            del self._sessions[next(iter(self._sessions))]
        session = secrets.token_urlsafe(32)
        self._sessions[session] = now_s + SESSION_S
        return session

    def log_out(self, session: str) -> None:
        """End a session."""
        self._sessions.pop(session, None)

    def admits(self, request: web.Request, now_s: float) -> bool:
        """Tell whether a request carries the token or a living session."""
        scheme, _, shown = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "bearer" and hmac.compare_digest(shown.strip().encode(), self._token):
            return True
        return self._sessions.get(request.cookies.get(COOKIE, ""), 0.0) > now_s

    def is_for_us(self, request: web.Request) -> bool:
        """Tell whether the Host header names this machine, so that no foreign page can reach a loopback service under its own name."""
        host = request.host.strip().lower()
        bare = host[1 : host.find("]")] if host.startswith("[") else host.partition(":")[0]
        return self._hosts is None or bare in self._hosts

    def middleware(self, seconds: Callable[[], float]) -> Middleware:
        """Make the middleware that guards every route and adds the protective headers."""

        @web.middleware
        async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
            if not self.is_for_us(request):
                response: web.StreamResponse = web.Response(status=HTTPStatus.MISDIRECTED_REQUEST)
            elif request.path in _OPEN or self.admits(request, seconds()):
                try:
                    response = await handler(request)
                except web.HTTPException as answer:
                    response = web.Response(status=answer.status, text=answer.text, headers=_kept(answer))
            elif request.path.startswith("/api/"):
                response = web.json_response({"error": "unauthorised"}, status=401, headers={"WWW-Authenticate": "Bearer"})
            else:
                response = web.Response(status=HTTPStatus.SEE_OTHER, headers={"Location": "/login"})
            response.headers.update(HEADERS)
            return response

        return guard


def _kept(answer: web.HTTPException) -> dict[str, str]:
    return {name: answer.headers[name] for name in ("Location", "Allow") if name in answer.headers}

"""Who is asking: a registered client certificate, a browser session, or HTTP digest.

Refusals say the same to everyone; what went wrong stands in the gateway's log.
Source: CON-01, CON-03; 30-han-consumer-interface 1.1.
"""

import hashlib
from collections.abc import Callable
from typing import NamedTuple

from aiohttp import web

from smgw.core.errors import DecodeFault, Replay, SecurityFault
from smgw.core.profiles import ConsumerProfile
from smgw.gateway.han.ports import ConsumerData
from smgw.gateway.han.session import Presence, Sessions
from smgw.protocol.digest_auth import CONSUMER_REALM, Algorithm, DigestAuthenticator, FailureThrottle, parse_answer

COOKIE = "__Host-smgw-session"
M2M_ROOTS = frozenset({"/smgw/m2m", "/smgw/m2m/"})
FAILURES_PER_ADDRESS = 20
_USER_CHARS = 200


class Visit(NamedTuple):
    """Name the consumer of a page request and the session that it belongs to."""

    consumer: ConsumerProfile
    cookie: str
    form_token: str
    fresh: bool
    """The cookie is new and must be sent to the browser."""


class Access:
    """Let consumers in and keep count of who failed."""

    def __init__(
        self,
        data: ConsumerData,
        *,
        random: Callable[[int], bytes],
        seconds: Callable[[], float],
        algorithm: Algorithm,
        realm: str = CONSUMER_REALM,
    ) -> None:
        self._data = data
        self._random = random
        self._seconds = seconds
        self._digest = DigestAuthenticator(realm=realm, key=random(32), algorithm=algorithm)
        self._users = FailureThrottle()
        # Several clients may stand behind one address, so it takes more failures to lock it than to lock a name.
        self._addresses = FailureThrottle(failures=FAILURES_PER_ADDRESS)
        self._presence = Presence()
        self.sessions = Sessions(random)

    def machine(self, request: web.Request) -> ConsumerProfile:
        """Give the consumer of an M2M request. Raises: HTTPUnauthorized with a fresh challenge."""
        consumer = self._by_certificate(request) or self._by_digest(request)
        self._arrived(request, consumer, "m2m")
        return consumer

    def browser(self, request: web.Request) -> Visit:
        """Give the consumer of a page request and its session, a new one where none lives.

        A browser keeps sending a password that it knows, so a session that is over is answered with a challenge that is not stale: only
        then it asks its user again. Raises: HTTPUnauthorized.
        """
        now = self._seconds()
        cookie = request.cookies.get(COOKIE)
        session = self.sessions.find(cookie, now) if cookie else None
        certified = self._by_certificate(request)
        if cookie and session:
            consumer = certified or self._data.consumer_by_id(session.consumer_id)
            if consumer is not None and consumer.consumer_id == session.consumer_id:
                return Visit(consumer, cookie, session.form_token, fresh=False)
            self.sessions.end(cookie)
        if cookie and certified is None:
            refusal = self._unauthorised(stale=False)
            refusal.del_cookie(COOKIE, path="/", secure=True, httponly=True, samesite="Strict")
            raise refusal
        consumer = certified or self._by_digest(request)
        self._arrived(request, consumer, "browser")
        fresh = self.sessions.open(consumer.consumer_id, now)
        opened = self.sessions.find(fresh, now)
        assert opened is not None
        return Visit(consumer, fresh, opened.form_token, fresh=True)

    def leave(self, request: web.Request) -> ConsumerProfile | None:
        """End the session of a request; returns whose it was, or None when there was none."""
        cookie = request.cookies.get(COOKIE)
        session = self.sessions.find(cookie, self._seconds()) if cookie else None
        if cookie is None or session is None:
            return None
        self.sessions.end(cookie)
        return self._data.consumer_by_id(session.consumer_id)

    def _arrived(self, request: web.Request, consumer: ConsumerProfile, way: str) -> None:
        if self._presence.arrived(self._seconds(), consumer.consumer_id, request.remote or "", way):
            self._data.record("login_succeeded", consumer.consumer_id, subject=consumer.user_name, user=consumer.user_name)

    def _by_certificate(self, request: web.Request) -> ConsumerProfile | None:
        tls = request.transport.get_extra_info("ssl_object") if request.transport else None
        certificate = tls.getpeercert(binary_form=True) if tls else None
        return self._data.consumer_by_certificate(hashlib.sha256(certificate).hexdigest()) if certificate else None

    def _by_digest(self, request: web.Request) -> ConsumerProfile:
        header = request.headers.get("Authorization")
        if header is None:
            raise self._unauthorised(stale=False)
        try:
            answer = parse_answer(header)
        except DecodeFault:
            raise self._unauthorised(stale=False) from None
        now = self._seconds()
        address, user = request.remote or "?", answer.user[:_USER_CHARS]
        if self._users.locked_s(now, user) or self._addresses.locked_s(now, address):
            raise self._unauthorised(stale=False)
        consumer = self._data.consumer_by_user(answer.user)
        try:
            self._digest.verify(
                answer,
                method=request.method,
                target=request.raw_path,
                aliases=M2M_ROOTS if request.path.startswith("/smgw/m2m") else frozenset(),
                now=now,
                ha1_of=lambda _, algorithm: _secret(consumer, algorithm),
            )
        except Replay:
            raise self._unauthorised(stale=True) from None
        except SecurityFault as fault:
            if fault.code == "login.refused":
                self._failed(consumer, now, address, user)
            raise self._unauthorised(stale=fault.code == "login.stale") from None
        assert consumer is not None
        self._users.succeeded(user)
        self._addresses.succeeded(address)
        return consumer

    def _failed(self, consumer: ConsumerProfile | None, now: float, address: str, user: str) -> None:
        self._data.record("login_failed", success=False, address=address)
        locked_s = max(self._users.failed(now, user), self._addresses.failed(now, address))
        if locked_s:
            # A name that nobody has may be a mistyped password, so only known names are written down.
            name, owner = (consumer.user_name, consumer.consumer_id) if consumer else (address, "")
            self._data.record("login_locked", owner, subject=name, success=False, user=name, seconds=int(locked_s))

    def _unauthorised(self, *, stale: bool) -> web.HTTPUnauthorized:
        challenge = self._digest.challenge(self._seconds(), self._random(8), stale=stale)
        return web.HTTPUnauthorized(headers={"WWW-Authenticate": challenge})


def _secret(consumer: ConsumerProfile | None, algorithm: Algorithm) -> str | None:
    if consumer is None:
        return None
    return consumer.digest_md5 if algorithm is Algorithm.MD5 else consumer.digest_sha256


def refuse_cross_site(request: web.Request) -> None:
    """Refuse a POST that a foreign web page makes a logged-in browser send. Raises: HTTPForbidden."""
    if request.method == "POST" and request.headers.get("Sec-Fetch-Site", "none") in ("cross-site", "same-site"):
        raise web.HTTPForbidden

"""The technician's interface at the HAN: mutual TLS with SM-PKI certificates, and nothing but reading (IF_GW_SRV).

It listens only while a technician is admitted. Every read is logged; the session ends by log-off, by silence, or with the admission.
Source: DIAG-01, DIAG-02; TR-03109-1 Annex VI, table 4 steps 2.2 to 2.7; 003 2.3.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from http import HTTPStatus
from typing import NamedTuple

import msgspec
from cryptography import x509

from smgw.core.errors import PeerFault
from smgw.gateway.logs import Recorder
from smgw.gateway.technicians import READERS, Diagnosed, admissions, log_of, whole
from smgw.net.clock import ClockPort
from smgw.net.http_server import Reply, serve_http
from smgw.net.identity import Identity
from smgw.net.smpki_tls import listen
from smgw.pki.chain import ValidatedCertificate
from smgw.pki.names import Role
from smgw.pki.parsing import load_certificate
from smgw.protocol.tunnel_http import Request
from smgw.security.content import seal

PREFIX = "/smgw/srv/v1/"
IDLE_S = 300.0
LOOK_S = 1.0
"""So often, in real seconds, the admissions are looked at while somebody is admitted."""
TECHNICIANS = frozenset({Role.TECHNICIAN})
MAX_SESSIONS = 4
_JSON = ("Content-Type", "application/json")


class Post(NamedTuple):
    """Hold what the interface needs."""

    host: str
    port: int
    identity: Identity
    diagnosed: Diagnosed
    recorder: Recorder
    clock: ClockPort
    administrator_enc: Callable[[], x509.Certificate]
    """For whom the diagnosis bundle is encrypted."""


class TechnicianInterface:
    """Listen while somebody is admitted."""

    def __init__(self, post: Post) -> None:
        self._post = post
        self._sessions: dict[asyncio.StreamWriter, ValidatedCertificate] = {}
        self._told: dict[str, datetime] = {}
        self.changed = asyncio.Event()
        """Set it when the administrator admitted or dismissed somebody."""
        self.port = 0
        """The port listened on, 0 while nobody is admitted."""

    async def run(self) -> None:
        """Open and close with the admissions until cancelled."""
        server: asyncio.Server | None = None
        try:
            while True:
                self.changed.clear()
                admitted = self._admitted()
                if admitted and server is None:
                    server = await self._listen()
                elif not admitted and server is not None:
                    self._close(server)
                    server = None
                for writer, peer in list(self._sessions.items()):
                    if peer.certificate not in admitted:
                        writer.transport.abort()
                # An admission ends by its time or by an order; it begins by an order alone.
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_S if admitted else None):
                        await self.changed.wait()
        finally:
            if server is not None:
                self._close(server)

    def _admitted(self) -> list[x509.Certificate]:
        held = admissions(self._post.diagnosed.journal, self._post.clock.now())
        return [load_certificate(bytes.fromhex(admission.tls_certificate)) for admission in held]

    async def _listen(self) -> asyncio.Server:
        post = self._post
        server = await listen(
            self._serve,
            post.host,
            self.port or post.port,
            module=post.identity.module,
            identity=post.identity.tls,
            trust=post.identity.trust,
            clock=post.clock,
            roles=TECHNICIANS,
            on_refused=self._refused,
            max_connections=MAX_SESSIONS,
            pinned=self._admitted,
        )
        self.port = int(server.sockets[0].getsockname()[1])
        return server

    def _close(self, server: asyncio.Server) -> None:
        server.close()
        self.port = 0
        for writer in self._sessions:
            writer.transport.abort()

    def _refused(self, code: str, _address: str) -> None:
        """Log the first refusal of each kind in an hour: whoever knocks must not fill the log."""
        now = self._post.clock.now()
        told = self._told.get(code)
        if told is None or not 0 <= (now - told).total_seconds() < 3_600:
            self._told[code] = now
            self._post.recorder.note("technician_rejected", success=False, code=code)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, peer: ValidatedCertificate) -> None:
        user = peer.common_name
        self._sessions[writer] = peer
        self._post.recorder.note("technician_connected", subject=user, user=user)
        left = asyncio.Event()

        async def respond(request: Request) -> Reply:
            with self._post.clock.hold():
                reply = self._respond(request, user, left)
            if left.is_set():
                asyncio.get_running_loop().call_soon(writer.close)
            return reply

        try:
            with suppress(PeerFault):
                await serve_http(reader, writer, respond, on_fault=lambda _: None, idle_timeout_s=IDLE_S)
        finally:
            del self._sessions[writer]
            # A session that merely ends is a log-off, too, but not one that the technician asked for.
            self._post.recorder.note("technician_left", subject=user, success=left.is_set(), user=user)

    def _respond(self, request: Request, user: str, left: asyncio.Event) -> Reply:
        words = request.target.removeprefix(PREFIX).split("/") if request.target.startswith(PREFIX) else [""]
        if words == ["log-off"]:
            if request.method != "POST":
                return Reply(HTTPStatus.METHOD_NOT_ALLOWED, headers=[("Allow", "POST")])
            left.set()
            return Reply(HTTPStatus.NO_CONTENT)
        if words[0] not in (*READERS, "log", "diagnosis") or len(words) > (2 if words[0] == "log" else 1):
            return Reply(HTTPStatus.NOT_FOUND)
        if request.method != "GET":
            return Reply(HTTPStatus.METHOD_NOT_ALLOWED, headers=[("Allow", "GET")])
        start = words[1] if len(words) == 2 else "1"
        if not start.isascii() or not start.isdecimal() or len(start) > 9:
            return Reply(HTTPStatus.BAD_REQUEST)
        post = self._post
        post.recorder.note("diagnosis_read", subject=user, user=user, what="/".join(words))
        if words[0] == "diagnosis":
            identity = post.identity
            sealed = seal(whole(post.diagnosed), module=identity.module, signer=identity.signer, recipient=post.administrator_enc())
            return Reply(HTTPStatus.OK, sealed, [("Content-Type", "application/cms")])
        body = log_of(post.diagnosed, int(start)) if words[0] == "log" else READERS[words[0]](post.diagnosed)
        return Reply(HTTPStatus.OK, msgspec.json.encode(body), [_JSON])

"""The WAN endpoint of the participant over mutual TLS (INFO-REPORT): deliveries, notices, and what comes or goes through a relay.

Every refusal is noted with its code on our side; outward, all security failures look the same.
Source: EMT-01, WAN-03, WAN-06, WAN-07; 20-wan-crypto-pki 1.2 (WKS3), 1.4.
"""

import asyncio
import hashlib
import sqlite3
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from http import HTTPStatus

import structlog

from smgw.core.errors import LimitFault, PeerFault, SmgwError, Unavailable
from smgw.net.clock import ClockPort
from smgw.net.http_server import Reply, serve_http
from smgw.net.relay import PASSED_ON, RELAY, Relay
from smgw.participant.inbox import Inbox, Opened, verify_and_store
from smgw.participant.store import ParticipantStore, Stored
from smgw.pki.chain import ValidatedCertificate
from smgw.pki.names import Role
from smgw.protocol.tunnel_http import Request

log = structlog.get_logger(__name__)

TARGET = "/smgw/emt/v1/deliveries"
NOTICES = "/smgw/emt/v1/notices"
CONTENT_TYPE = "application/cms"
RETRY_AFTER_S = 30
MAX_WAITING_REFUSALS = 1_000
"""Beyond these a flood of refusals is only logged."""
_JSON = ("Content-Type", "application/json")
_REJECTED = b'{"error": "rejected"}'


class Endpoint:
    """Answer connected gateways and relays; verification of readings and the database have a thread of their own."""

    def __init__(
        self, inbox: Inbox, store: ParticipantStore, worker: ThreadPoolExecutor, clock: ClockPort, relay: Relay | None = None
    ) -> None:
        self._inbox = inbox
        self._store = store
        self._worker = worker
        self._clock = clock
        self._relay = relay
        self._waiting = 0
        self.available = True
        """False since the store last failed to take something."""
        self._routes: dict[str, Callable[[ValidatedCertificate, bytes, str], Awaitable[bytes]]] = {
            TARGET: self._take_direct,
            NOTICES: self._take_notice,
            f"{PASSED_ON}open": self._take_passed_on,
            f"{PASSED_ON}pseudonymous": self._take_pseudonymous,
        }

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, peer: ValidatedCertificate) -> None:
        """Serve one connection."""

        async def respond(request: Request) -> Reply:
            with self._clock.hold():
                return await self._respond(peer, request)

        def on_fault(fault: PeerFault) -> None:
            self.note_refusal(fault.code, peer.common_name, detail=fault.detail)

        await serve_http(reader, writer, respond, on_fault=on_fault)

    def note_refusal(self, code: str, peer: str, digest: bytes | None = None, detail: str = "") -> None:
        """Log a refusal at once and note it in the store when its thread is free."""
        log.warning("refused", code=code, peer=peer, detail=detail)
        if self._waiting < MAX_WAITING_REFUSALS:
            self._waiting += 1
            self._worker.submit(self._put_refusal, self._clock.now(), code, peer, digest)

    def _put_refusal(self, refused_at: datetime, code: str, peer: str, digest: bytes | None) -> None:
        self._waiting -= 1
        with suppress(Unavailable):
            self._store.refuse(refused_at, peer, code, digest)

    async def _respond(self, peer: ValidatedCertificate, request: Request) -> Reply:
        if self._relay is not None and request.target.startswith(RELAY) and peer.role is Role.SMGW:
            return await self._relay.respond(
                peer, request, lambda fault: self.note_refusal(fault.code, peer.common_name, detail=fault.detail)
            )
        take = self._routes.get(request.target)
        if take is None:
            return Reply(HTTPStatus.NOT_FOUND)
        if request.method != "POST":
            return Reply(HTTPStatus.METHOD_NOT_ALLOWED, headers=[("Allow", "POST")])
        fields = dict(request.headers)
        if fields.get("content-type", "").partition(";")[0].strip().lower() != CONTENT_TYPE:
            return Reply(HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
        try:
            receipt = await take(peer, request.body, fields.get("x-cid", "").removeprefix("uuid:"))
        except PeerFault as fault:
            self.note_refusal(fault.code, peer.common_name, hashlib.sha256(request.body).digest(), fault.detail)
            return _rejection(fault)
        except (SmgwError, sqlite3.Error) as problem:
            cause = problem if isinstance(problem, SmgwError) else Unavailable("participant.store", str(problem))
            self.available = False
            log.error("not_stored", code=cause.code, detail=cause.detail, peer=peer.common_name)
            return Reply(HTTPStatus.SERVICE_UNAVAILABLE, b'{"error": "unavailable"}', [_JSON, ("Retry-After", str(RETRY_AFTER_S))])
        self.available = True
        return Reply(HTTPStatus.OK, receipt, [("Content-Type", CONTENT_TYPE)])

    async def _take_direct(self, peer: ValidatedCertificate, message: bytes, message_id: str) -> bytes:
        return await self._store_delivery(self._inbox.open(peer, message, message_id), message)

    async def _take_passed_on(self, peer: ValidatedCertificate, message: bytes, message_id: str) -> bytes:
        opened = self._inbox.open_passed_on(peer, message, message_id)
        return await self._store_delivery(opened, self._inbox.passed_on_part(message, opened.signer.certificate))

    async def _take_pseudonymous(self, peer: ValidatedCertificate, message: bytes, message_id: str) -> bytes:
        opened = self._inbox.open_pseudonymous(peer, message, message_id)
        return await self._store_delivery(opened, self._inbox.passed_on_part(message, opened.signer.certificate))

    async def _store_delivery(self, opened: Opened, confirmed: bytes) -> bytes:
        stored = await asyncio.get_running_loop().run_in_executor(self._worker, verify_and_store, self._store, opened)
        _log_stored(opened, stored)
        return self._inbox.receipt(confirmed, opened.delivery.message_id, stored.stored_at, stored.values)

    async def _take_notice(self, peer: ValidatedCertificate, message: bytes, message_id: str) -> bytes:
        notice = self._inbox.open_notice(peer, message, message_id)
        loop, now = asyncio.get_running_loop(), self._clock.now()
        stored_at = await loop.run_in_executor(self._worker, self._store.notices.accept, notice, now)
        log.info("notice", gateway=notice.device, notified=notice.event, level=notice.level)
        return self._inbox.receipt(message, notice.message_id, stored_at, 1)


def _rejection(fault: PeerFault) -> Reply:
    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE if isinstance(fault, LimitFault) else HTTPStatus.BAD_REQUEST
    return Reply(status, _REJECTED, [_JSON])


def _log_stored(opened: Opened, stored: Stored) -> None:
    """Log that a message is stored; no value and no meter stands in the diagnostics."""
    facts = {"message": opened.delivery.message_id, "peer": opened.signer.common_name, "values": stored.values}
    log.info("repeated" if stored.repeated else "stored", number=stored.number, **facts)
    if stored.contradictions:
        late = sum(one.late for one in stored.contradictions)
        log.warning("contradicting_values", number=stored.number, late=late, contradicting=len(stored.contradictions) - late, **facts)

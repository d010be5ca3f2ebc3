"""The WAN endpoint of the participant: `POST /smgw/emt/v1/deliveries` over mutual TLS (INFO-REPORT).

Every refusal is noted with its code on our side; outward, all security failures look the same.
Source: EMT-01, WAN-03; 20-wan-crypto-pki 1.2 (WKS3), 1.4.
"""

import asyncio
import hashlib
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from http import HTTPStatus

import structlog

from smgw.core.errors import LimitFault, PeerFault, SmgwError, Unavailable
from smgw.net.clock import ClockPort
from smgw.net.http_server import Reply, serve_http
from smgw.participant.inbox import Inbox, Opened, verify_and_store
from smgw.participant.store import ParticipantStore, Stored
from smgw.pki.chain import ValidatedCertificate
from smgw.protocol.tunnel_http import Request

log = structlog.get_logger(__name__)

TARGET = "/smgw/emt/v1/deliveries"
CONTENT_TYPE = "application/cms"
RETRY_AFTER_S = 30
MAX_WAITING_REFUSALS = 1_000
"""Beyond these a flood of refusals is only logged."""
_JSON = ("Content-Type", "application/json")
_REJECTED = b'{"error": "rejected"}'


class Endpoint:
    """Answer connected gateways; verification of readings and the database have a thread of their own."""

    def __init__(self, inbox: Inbox, store: ParticipantStore, worker: ThreadPoolExecutor, clock: ClockPort) -> None:
        self._inbox = inbox
        self._store = store
        self._worker = worker
        self._clock = clock
        self._waiting = 0
        self.available = True
        """False since the store last failed to take something."""

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
        if request.target != TARGET:
            return Reply(HTTPStatus.NOT_FOUND)
        if request.method != "POST":
            return Reply(HTTPStatus.METHOD_NOT_ALLOWED, headers=[("Allow", "POST")])
        fields = dict(request.headers)
        if fields.get("content-type", "").partition(";")[0].strip().lower() != CONTENT_TYPE:
            return Reply(HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
        try:
            opened = self._inbox.open(peer, request.body, fields.get("x-cid", "").removeprefix("uuid:"))
            stored = await asyncio.get_running_loop().run_in_executor(self._worker, verify_and_store, self._store, opened)
            receipt = self._inbox.receipt(request.body, opened.delivery, stored)
        except PeerFault as fault:
            self.note_refusal(fault.code, peer.common_name, hashlib.sha256(request.body).digest(), fault.detail)
            return _rejection(fault)
        except (SmgwError, sqlite3.Error) as problem:
            cause = problem if isinstance(problem, SmgwError) else Unavailable("participant.store", str(problem))
            self.available = False
            log.error("not_stored", code=cause.code, detail=cause.detail, peer=peer.common_name)
            return Reply(HTTPStatus.SERVICE_UNAVAILABLE, b'{"error": "unavailable"}', [_JSON, ("Retry-After", str(RETRY_AFTER_S))])
        self.available = True
        _log_stored(opened, stored)
        return Reply(HTTPStatus.OK, receipt, [("Content-Type", CONTENT_TYPE)])


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

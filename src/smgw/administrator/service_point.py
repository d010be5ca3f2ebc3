"""The administrator's end point for what gateways send by themselves: notices, results, messages that it passes on unread; for reports
of technicians, and for orders of market participants (ADMIN-SERVICE).

Every refusal is noted with its code on our side; outward, all security failures look the same. Nothing that is passed on is kept.
Source: WAN-06, WAN-07, ADM-06, ADM-08, ADM-09, ADM-11, DIAG-02; 20-wan-crypto-pki 1.2 (WKS2), 3.5.
"""

import asyncio
import hashlib
from collections.abc import Callable
from http import HTTPStatus

import msgspec
import structlog
from cryptography import x509

from smgw.administrator.alarms import Alarm
from smgw.administrator.books import Books
from smgw.administrator.cases import REPORT_LIMIT
from smgw.administrator.management import known_gateway
from smgw.administrator.market_orders import OrderDesk
from smgw.administrator.results import is_for_results, take_result
from smgw.codec.diagnosis import SubmissionReceipt, decode_submission
from smgw.codec.notice import decode_notice
from smgw.core.errors import DecodeFault, PeerFault, SecurityFault, SmgwError
from smgw.core.instant import utc_text
from smgw.core.notices import ADMINISTRATOR
from smgw.core.profiles import CommunicationProfile
from smgw.net.clock import ClockPort
from smgw.net.http_server import Reply, serve_http
from smgw.net.identity import Identity
from smgw.net.relay import RELAY, Relay, Target
from smgw.pki.chain import ValidatedCertificate
from smgw.pki.names import Role
from smgw.pki.parsing import load_certificate
from smgw.protocol.tunnel_http import Request
from smgw.security.content import open_content, sign_encapsulated

log = structlog.get_logger(__name__)

NOTICES = "/smgw/gwa/v1/notices"
DIAGNOSES = "/smgw/gwa/v1/diagnoses"
PEERS = frozenset({Role.SMGW, Role.TECHNICIAN, Role.EMT})
CONTENT_TYPE = "application/cms"
_JSON = ("Content-Type", "application/json")


class Receipt(msgspec.Struct, frozen=True, rename="camel"):
    """State what is stored for good; the gateway keeps it, signed."""

    message_id: str
    digest: str
    """SHA-256 of the CMS message as received, hex."""
    stored_at: str


class ServicePoint:
    """Answer the gateways of the inventory, technicians who report on their cases, and partners of gateways with an order."""

    def __init__(
        self,
        identity: Identity,
        books: Books,
        clock: ClockPort,
        raised: Callable[[Alarm], None] = lambda _: None,
        *,
        holds_orders: bool = False,
    ) -> None:
        self._identity = identity
        self._inventory = books.inventory
        self._alarms = books.alarms
        self._cases = books.cases
        self._jobs = books.jobs
        self._clock = clock
        self._raised = raised
        self._desk = OrderDesk(identity, books.market_orders, clock.now, holds_orders)
        self._relay = Relay(identity, clock, self._target)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, peer: ValidatedCertificate) -> None:
        """Serve one connection."""

        async def respond(request: Request) -> Reply:
            with self._clock.hold():
                return await self._respond(peer, request)

        await serve_http(reader, writer, respond, on_fault=lambda fault: self._refused(peer, fault))

    async def _respond(self, peer: ValidatedCertificate, request: Request) -> Reply:
        try:
            if peer.role is Role.TECHNICIAN:
                return self._report(peer, request)
            if peer.role is Role.EMT:
                return self._desk.respond(peer, request)
            gateway = known_gateway(self._inventory, peer)
            if request.target.startswith(RELAY):
                return await self._relay.respond(peer, request, lambda fault: self._refused(peer, fault))
            take = self._take_result if is_for_results(request.target) else self._take_notice if request.target == NOTICES else None
            if take is None:
                return Reply(HTTPStatus.NOT_FOUND)
            if request.method != "POST":
                return Reply(HTTPStatus.METHOD_NOT_ALLOWED, headers=[("Allow", "POST")])
            message_id = take(gateway.sig, str(peer.device_id), request)
            return Reply(HTTPStatus.OK, self._receipt(message_id, request), [("Content-Type", CONTENT_TYPE)])
        except PeerFault as fault:
            self._refused(peer, fault)
            return Reply(HTTPStatus.BAD_REQUEST, b'{"error": "rejected"}', [_JSON])
        except SmgwError as fault:
            self._refused(peer, fault)
            return Reply(HTTPStatus.SERVICE_UNAVAILABLE, b'{"error": "unavailable"}', [_JSON])

    def _receipt(self, message_id: str, request: Request) -> bytes:
        receipt = Receipt(message_id, hashlib.sha256(request.body).hexdigest(), utc_text(self._clock.now()))
        return sign_encapsulated(msgspec.json.encode(receipt), module=self._identity.module, signer=self._identity.signer)

    def _take_result(self, signer: x509.Certificate, device_id: str, request: Request) -> str:
        return take_result(self._identity, self._jobs, signer, device_id, request, self._clock.now())

    def _take_notice(self, signer: x509.Certificate, device_id: str, request: Request) -> str:
        identity, now = self._identity, self._clock.now()
        opened = open_content(request.body, module=identity.module, recipient=identity.recipient, signer=lambda _claim: signer)
        notice = decode_notice(opened.content)
        if notice.device != device_id:
            raise SecurityFault("delivery.sender", notice.device[:20])
        if f"uuid:{notice.message_id}" != dict(request.headers).get("x-cid", ""):
            raise SecurityFault("delivery.message_id", notice.message_id[:40])
        alarm, is_new = self._alarms.accept(notice, now)
        log.info("notice", gateway=device_id, notified=alarm.event, level=alarm.level, new=is_new)
        if is_new:
            self._raised(alarm)
        return notice.message_id

    def _report(self, peer: ValidatedCertificate, request: Request) -> Reply:
        """Take a technician's report with the gateway's diagnosis; only its own technician can report on a case."""
        if request.target != DIAGNOSES:
            return Reply(HTTPStatus.NOT_FOUND)
        if request.method != "POST":
            return Reply(HTTPStatus.METHOD_NOT_ALLOWED, headers=[("Allow", "POST")])
        identity, now = self._identity, self._clock.now()
        submission = decode_submission(request.body)
        case = self._cases.case(submission.case)
        gateway = self._inventory.gateway(case.device_id)
        if gateway is None or case.fingerprint != peer.fingerprint.hex() or len(submission.report) > REPORT_LIMIT:
            raise SecurityFault("delivery.sender", f"{peer.common_name} on case {case.number}")
        opened = open_content(submission.diagnosis, module=identity.module, recipient=identity.recipient, signer=lambda _claim: gateway.sig)
        told = _gateway_of(opened.content)
        if told != case.device_id:
            raise SecurityFault("delivery.sender", told[:20])
        self._cases.report(case.number, opened.content, submission.report, at=now, by=peer.common_name)
        log.info("case_reported", case=case.number, gateway=case.device_id)
        receipt = SubmissionReceipt(case.number, hashlib.sha256(request.body).hexdigest(), utc_text(now))
        signed = sign_encapsulated(msgspec.json.encode(receipt), module=identity.module, signer=identity.signer)
        return Reply(HTTPStatus.OK, signed, [("Content-Type", CONTENT_TYPE)])

    def _target(self, peer: ValidatedCertificate, partner: str) -> Target | None:
        """Find a recipient among the profiles of that gateway: only what its profiles name is passed on, and only through us."""
        for _, profile in self._inventory.profiles(str(peer.device_id)):
            if isinstance(profile, CommunicationProfile) and (profile.partner_id, profile.through) == (partner, ADMINISTRATOR):
                return Target(profile.host, profile.port, load_certificate(bytes.fromhex(profile.tls_certificate)))
        return None

    def _refused(self, peer: ValidatedCertificate, fault: SmgwError) -> None:
        log.warning("service_refused", gateway=peer.common_name, code=fault.code)


class _About(msgspec.Struct):
    gateway: str


def _gateway_of(diagnosis: bytes) -> str:
    try:
        return msgspec.json.decode(diagnosis, type=_About).gateway
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as problem:
        raise DecodeFault("diagnosis.structure", "diagnosis") from problem

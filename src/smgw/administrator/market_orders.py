"""Orders of market participants: checked against what the gateway's profiles permit, handed to it, and kept with what came of them.

Permitted is who is a partner in a communication profile of that gateway, by its TLS certificate and its signature; a read-out, only of a
contract that names this partner as a recipient. Values never come back this way: the gateway sends them itself, sealed for the recipient.
Source: ADM-09, ADM-11; TR-03109-1 Annex VI, table 2 steps 2.2.1 to 2.2.5, 2.2.3.5.
"""

import hashlib
from collections.abc import Callable
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import NamedTuple

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from smgw.administrator.audit import Audit
from smgw.administrator.inventory import Inventory
from smgw.administrator.jobs import Jobs
from smgw.administrator.store import Store
from smgw.codec.market_order import CONTENT_TYPE, ORDER_ID, TARGET, MarketOrder, MarketOrderState, decode_order
from smgw.core.errors import PeerFault, SecurityFault
from smgw.core.instant import utc_text
from smgw.core.profiles import CommunicationProfile, EvaluationProfile, Profile
from smgw.net.http_server import Reply
from smgw.net.identity import Identity
from smgw.pki.chain import CertificateUse, ValidatedCertificate
from smgw.pki.names import Role
from smgw.protocol.tunnel_http import Request
from smgw.security.content import SignerClaim, open_content, sign_encapsulated

PARTICIPANTS = frozenset({Role.EMT})
READ_OUT_TAF = 6
REFUSALS_EVERY = timedelta(minutes=1)
"""A participant's refusals with the same code are audited so often, so that nobody can fill the trail."""
MOST_REMEMBERED = 1_000

_SCHEMA = """
CREATE TABLE IF NOT EXISTS market_order (
  order_id TEXT PRIMARY KEY, sender TEXT NOT NULL, digest TEXT NOT NULL, device_id TEXT NOT NULL, kind TEXT NOT NULL, job INTEGER NOT NULL,
  accepted_at TEXT NOT NULL
) STRICT;
"""


class Kept(NamedTuple):
    """Hold one accepted order, in the order of the table's columns."""

    order_id: str
    sender: str
    """Common name in the SM-PKI."""
    digest: str
    device_id: str
    kind: str
    job: int
    accepted_at: str


class MarketOrders:
    """Keep accepted orders."""

    def __init__(self, store: Store, audit: Audit, inventory: Inventory, jobs: Jobs) -> None:
        self._store = store
        self._audit = audit
        self._inventory = inventory
        self._jobs = jobs
        self._refused: dict[tuple[str, str], datetime] = {}
        store.install(_SCHEMA)

    def order(self, order_id: str) -> Kept | None:
        """Give one order."""
        rows = self._store.rows("SELECT * FROM market_order WHERE order_id=?", (order_id,))
        return Kept(*rows[0]) if rows else None

    def newest(self, device_id: str = "", limit: int = 100) -> list[Kept]:
        """List orders, newest first."""
        query = "SELECT * FROM market_order WHERE ?1 = '' OR device_id = ?1 ORDER BY accepted_at DESC, rowid DESC LIMIT ?2"
        return [Kept(*row) for row in self._store.rows(query, (device_id, limit))]

    def accept(self, order: MarketOrder, digest: str, partner: str, sender: str, *, at: datetime, random: bytes) -> Kept:
        """Queue what a permitted order asks for; the same once more has no effect. Raises: SecurityFault order.repeated."""
        held = self.order(order.order_id)
        if held is not None:
            if (held.sender, held.digest) != (sender, digest):
                raise SecurityFault("order.repeated", order.order_id)
            return held
        resource, body = _command(order, partner, sender)
        with self._store.write() as database:
            job = self._jobs.add(order.gateway, "POST", resource, body, at=at, actor=sender, random=random)
            kept = Kept(order.order_id, sender, digest, order.gateway, order.kind, job.id, utc_text(at))
            database.execute("INSERT INTO market_order VALUES (?,?,?,?,?,?,?)", kept)
            what = f"order of a participant: {order.kind} {order.contract}".rstrip()
            self._audit.note(at, sender, what, f"{order.gateway}/{partner}", "accepted")
        return kept

    def refused(self, sender: str, code: str, at: datetime) -> None:
        """Note in the audit trail that an order was refused."""
        key = (sender, code)
        if key in self._refused and at - self._refused[key] < REFUSALS_EVERY:
            return
        if len(self._refused) >= MOST_REMEMBERED:
            self._refused.clear()
        self._refused[key] = at
        self._audit.note(at, sender, "order of a participant", "", code)

    def state(self, kept: Kept) -> MarketOrderState:
        """Tell how far an order is."""
        job = self._jobs.job(kept.job)
        return MarketOrderState(kept.order_id, kept.digest, job.state, job.code, kept.accepted_at, job.ended_at)

    def permitted_partner(self, order: MarketOrder, tls: x509.Certificate, sig: x509.Certificate) -> str:
        """Give the partner that the sender of an order is at that gateway. Raises: SecurityFault order.not_permitted."""
        shown = _der(tls).hex(), _der(sig).hex()
        profiles = [profile for _, profile in self._inventory.profiles(order.gateway)]
        partners = (profile for profile in profiles if isinstance(profile, CommunicationProfile))
        for partner in partners:
            is_sender = (partner.tls_certificate, partner.sig_certificate) == shown
            if is_sender and (order.kind == "connect" or _is_recipient(profiles, order.contract, partner.partner_id)):
                return partner.partner_id
        raise SecurityFault("order.not_permitted", f"{order.kind} {order.gateway}")


def _is_recipient(profiles: list[Profile], contract: str, partner: str) -> bool:
    contracts = (one for one in profiles if isinstance(one, EvaluationProfile))
    return any((one.profile_id, one.taf) == (contract, READ_OUT_TAF) and partner in one.recipients for one in contracts)


def _command(order: MarketOrder, partner: str, sender: str) -> tuple[str, dict[str, object]]:
    if order.kind == "connect":
        return "fas/connect", {"partner": partner, "ordered_by": sender}
    asked: dict[str, object] = {"contract": order.contract, "reason": order.reason, "requested_by": sender, "first": order.first}
    return "fas/read-out", {**asked, "last": order.last}


def _der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)


class OrderDesk(NamedTuple):
    """Answer participants at the administrator's service point."""

    identity: Identity
    orders: MarketOrders
    now: Callable[[], datetime]

    def respond(self, peer: ValidatedCertificate, request: Request) -> Reply:
        """Take an order, or tell how far one is; what was refused is audited. Raises: PeerFault."""
        if request.target.startswith(f"{TARGET}/") and request.method == "GET":
            return self._show(peer, request.target.removeprefix(f"{TARGET}/"))
        if request.target != TARGET:
            return Reply(HTTPStatus.NOT_FOUND)
        if request.method != "POST":
            return Reply(HTTPStatus.METHOD_NOT_ALLOWED, headers=[("Allow", "POST")])
        try:
            return self._answer(HTTPStatus.ACCEPTED, self._take(peer, request.body))
        except PeerFault as fault:
            self.orders.refused(peer.common_name, fault.code, self.now())
            raise

    def _take(self, peer: ValidatedCertificate, message: bytes) -> Kept:
        own, now = self.identity, self.now()

        def signer(claim: SignerClaim) -> x509.Certificate:
            if claim.certificate is None:
                raise SecurityFault("order.sender", "no certificate")
            valid = own.trust.validate(claim.certificate, now=now, use=CertificateUse.SIG, roles=PARTICIPANTS)
            if valid.common_name != peer.common_name:
                raise SecurityFault("order.sender", valid.common_name)
            return valid.certificate

        opened = open_content(message, module=own.module, recipient=own.recipient, signer=signer)
        order = decode_order(opened.content)
        partner = self.orders.permitted_partner(order, peer.certificate, opened.signer_certificate)
        digest = hashlib.sha256(opened.content).hexdigest()
        return self.orders.accept(order, digest, partner, peer.common_name, at=now, random=own.module.random(16))

    def _show(self, peer: ValidatedCertificate, order_id: str) -> Reply:
        kept = self.orders.order(order_id) if ORDER_ID.fullmatch(order_id) else None
        # Nobody learns of another's orders, not even that there are any.
        if kept is None or kept.sender != peer.common_name:
            return Reply(HTTPStatus.NOT_FOUND)
        return self._answer(HTTPStatus.OK, kept)

    def _answer(self, status: HTTPStatus, kept: Kept) -> Reply:
        content = msgspec.json.encode(self.orders.state(kept))
        signed = sign_encapsulated(content, module=self.identity.module, signer=self.identity.signer)
        return Reply(status, signed, [("Content-Type", CONTENT_TYPE)])

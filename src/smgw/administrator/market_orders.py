"""Orders of market participants: checked against what the gateway's profiles permit, handed to it, and kept with what came of them.

Permitted is who is a partner in a communication profile of that gateway, by its TLS certificate and its signature; a read-out, only of a
contract that names this partner as a recipient. With `order` under four eyes a permitted order waits until somebody decides on it. Values
never come back this way: the gateway sends them itself, sealed for the recipient.
Source: ADM-09, ADM-11; TR-03109-1 Annex VI, table 2 steps 2.2.1 to 2.2.5, 2.2.3.5.
"""

import hashlib
from collections.abc import Callable
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any, Literal, NamedTuple

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from smgw.administrator.approvals import Approvals
from smgw.administrator.audit import Audit
from smgw.administrator.inventory import Inventory
from smgw.administrator.jobs import Job, Jobs
from smgw.administrator.store import Store
from smgw.codec.market_order import CONTENT_TYPE, ORDER_ID, TARGET, MarketOrder, MarketOrderState, decode_order
from smgw.core.errors import DomainFault, PeerFault, SecurityFault
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
REFUSED = "order of a participant"
"""Action of a refusal in the audit trail."""
LOOKED_BACK = 50_000
"""So many entries of the audit trail are searched for refusals."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS market_order (
  order_id TEXT PRIMARY KEY, sender TEXT NOT NULL, digest TEXT NOT NULL, device_id TEXT NOT NULL, kind TEXT NOT NULL, job INTEGER NOT NULL,
  accepted_at TEXT NOT NULL
) STRICT;
"""


_REFUSALS = (
    "SELECT at, actor, result FROM audit WHERE action = ? AND id > (SELECT coalesce(max(id), 0) FROM audit) - ? ORDER BY id DESC LIMIT ?"
)


class Kept(NamedTuple):
    """Hold one accepted order, in the order of the table's columns."""

    order_id: str
    sender: str
    """Common name in the SM-PKI."""
    digest: str
    device_id: str
    kind: str
    job: int
    """0 while it waits for somebody to decide on it, and after it was turned down."""
    accepted_at: str
    proposal: int = 0
    """What is decided on; 0 where nobody had to."""
    partner: str = ""
    """The sender's id in the gateway's profiles; empty for orders of former versions."""
    contract: str = ""


class Refusal(NamedTuple):
    """Hold one refusal; most of a flood of them are not kept."""

    at: str
    sender: str
    code: str


class HeldOrder(msgspec.Struct, frozen=True):
    """Ask for a permitted order to be obeyed."""

    device_id: str
    order_id: str
    resource: str
    body: dict[str, Any]


class MarketOrders:
    """Keep accepted orders."""

    def __init__(self, store: Store, audit: Audit, inventory: Inventory, jobs: Jobs, approvals: Approvals) -> None:
        self._store = store
        self._audit = audit
        self._inventory = inventory
        self._jobs = jobs
        self._approvals = approvals
        self._refused: dict[tuple[str, str], datetime] = {}
        store.install(_SCHEMA)
        store.add_column("market_order", "proposal", "INTEGER NOT NULL DEFAULT 0")
        store.add_column("market_order", "partner", "TEXT NOT NULL DEFAULT ''")
        store.add_column("market_order", "contract", "TEXT NOT NULL DEFAULT ''")

    def order(self, order_id: str) -> Kept | None:
        """Give one order."""
        rows = self._store.rows("SELECT * FROM market_order WHERE order_id=?", (order_id,))
        return Kept(*rows[0]) if rows else None

    def newest(self, device_id: str = "", limit: int = 100) -> list[Kept]:
        """List orders, newest first."""
        query = "SELECT * FROM market_order WHERE ?1 = '' OR device_id = ?1 ORDER BY accepted_at DESC, rowid DESC LIMIT ?2"
        return [Kept(*row) for row in self._store.rows(query, (device_id, limit))]

    def accept(
        self, order: MarketOrder, digest: str, partner: str, sender: str, *, at: datetime, random: bytes, held: bool = False
    ) -> Kept:
        """Queue what a permitted order asks for, or propose it where orders are `held`; the same once more has no effect.

        Raises: SecurityFault order.repeated.
        """
        known = self.order(order.order_id)
        if known is not None:
            if (known.sender, known.digest) != (sender, digest):
                raise SecurityFault("order.repeated", order.order_id)
            return known
        resource, body = _command(order, partner, sender)
        what = f"order of a participant: {order.kind} {order.contract}".rstrip()
        job = proposal = 0
        with self._store.write() as database:
            if held:
                request = HeldOrder(order.gateway, order.order_id, resource, body)
                proposal = self._approvals.propose("order", "market-order", order.gateway, what, request, at=at, actor=sender).id
            else:
                job = self._jobs.add(order.gateway, "POST", resource, body, at=at, actor=sender, random=random).id
            kept = Kept(order.order_id, sender, digest, order.gateway, order.kind, job, utc_text(at), proposal, partner, order.contract)
            database.execute(
                "INSERT INTO market_order (order_id, sender, digest, device_id, kind, job, accepted_at, proposal, partner, contract) "
                "VALUES (?,?,?,?,?,?,?,?,?,?)",
                kept,
            )
            self._audit.note(at, sender, what, f"{order.gateway}/{partner}", "waiting" if held else "accepted")
        return kept

    def obey(self, held: HeldOrder, *, at: datetime, actor: str, random: bytes) -> Job:
        """Queue an order that was held. Raises: DomainFault order.not_permitted if the gateway's profiles permit it no longer."""
        kept = self.known(held.order_id)
        if not self.is_permitted(kept):
            raise DomainFault("order.not_permitted", f"{kept.kind} {kept.device_id}")
        with self._store.write() as database:
            job = self._jobs.add(held.device_id, "POST", held.resource, held.body, at=at, actor=actor, random=random)
            database.execute("UPDATE market_order SET job=? WHERE order_id=?", (job.id, held.order_id))
        return job

    def known(self, order_id: str) -> Kept:
        """Give one order. Raises: DomainFault administrator.unknown_order."""
        kept = self.order(order_id)
        if kept is None:
            raise DomainFault("administrator.unknown_order", order_id[:40])
        return kept

    def is_permitted(self, kept: Kept) -> bool:
        """Tell whether the gateway's profiles permit an order now as they did when it came."""
        profiles = [profile for _, profile in self._inventory.profiles(kept.device_id)]
        partners = {one.partner_id for one in profiles if isinstance(one, CommunicationProfile)}
        return kept.partner in partners and (kept.kind == "connect" or _is_recipient(profiles, kept.contract, kept.partner))

    def refusals(self, limit: int = 20) -> list[Refusal]:
        """List who was refused lately and why, newest first."""
        return [Refusal(*row) for row in self._store.rows(_REFUSALS, (REFUSED, LOOKED_BACK, limit))]

    def refused(self, sender: str, code: str, at: datetime) -> None:
        """Note in the audit trail that an order was refused."""
        key = (sender, code)
        if key in self._refused and at - self._refused[key] < REFUSALS_EVERY:
            return
        if len(self._refused) >= MOST_REMEMBERED:
            self._refused.clear()
        self._refused[key] = at
        self._audit.note(at, sender, REFUSED, "", code)

    def state(self, kept: Kept) -> MarketOrderState:
        """Tell how far an order is."""
        if not kept.job:
            proposal = self._approvals.proposal(kept.proposal)
            turned_down = proposal.state == "rejected"
            code = "order.rejected" if turned_down else ""
            state: Literal["failed", "waiting"] = "failed" if turned_down else "waiting"
            return MarketOrderState(kept.order_id, kept.digest, state, code, kept.accepted_at, proposal.decided_at)
        job = self._jobs.job(kept.job)
        so_far = "waiting" if job.state == "accepted" else job.state
        return MarketOrderState(kept.order_id, kept.digest, so_far, job.code, kept.accepted_at, job.ended_at)

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


def _command(order: MarketOrder, partner: str, sender: str) -> tuple[str, dict[str, Any]]:
    if order.kind == "connect":
        return "fas/connect", {"partner": partner, "ordered_by": sender}
    asked: dict[str, Any] = {"contract": order.contract, "reason": order.reason, "requested_by": sender, "first": order.first}
    return "fas/read-out", {**asked, "last": order.last}


def _der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)


class OrderDesk(NamedTuple):
    """Answer participants at the administrator's service point."""

    identity: Identity
    orders: MarketOrders
    now: Callable[[], datetime]
    held: bool = False
    """Whether somebody decides on each permitted order."""

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
        random = own.module.random(16)
        return self.orders.accept(order, digest, partner, peer.common_name, at=now, random=random, held=self.held)

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

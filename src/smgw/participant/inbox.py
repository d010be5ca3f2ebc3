"""Judge a delivery: everything is verified before anything is stored, and a receipt is signed only for what is stored.

The steps, each of which can only pass or raise: the TLS peer is a gateway in good standing; the message is signed by the same gateway's
SIG certificate and encrypted for us; the content is well formed, addressed to us, from that gateway, for a meter and contract assigned to
it; each reading carries that gateway's signature. Then one transaction, then the receipt. What comes through a relay bears the gateway's
signature all the same, or under a pseudonym the relay's.
Source: EMT-01, WAN-03, WAN-06, WAN-07, SEC-03; 20-wan-crypto-pki 1.6, 3.5.
"""

import hashlib
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from smgw.codec.delivery_xml import decode_delivery
from smgw.codec.notice import decode_notice
from smgw.core.delivery import Delivery
from smgw.core.errors import CertificateRejected, PeerFault, SecurityFault
from smgw.core.instant import Clock, utc_text
from smgw.core.notices import Notice
from smgw.core.reading import SignedReading
from smgw.net.identity import Identity
from smgw.participant.registry import Registry
from smgw.participant.store import Arrival, ParticipantStore, Stored
from smgw.pki.chain import CertificateUse, ValidatedCertificate
from smgw.pki.names import Role
from smgw.security.content import SignerClaim, open_content, sign_encapsulated, verify_envelope
from smgw.security.octet_signature import elliptic_keys
from smgw.security.reading_signature import verify_reading

MAX_CONTENT_OCTETS = 2 * 1024 * 1024
"""Largest content after decompression; the message itself is bounded by the HTTP body."""
GATEWAYS = frozenset({Role.SMGW})
RELAYS = frozenset({Role.GWA, Role.EMT})
_EARLIEST, _LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)


class Receipt(msgspec.Struct, frozen=True, rename="camel"):
    """State what is stored for good; the gateway keeps it, signed, as proof of delivery."""

    message_id: str
    digest: str
    """SHA-256, hex, of the CMS message as received; of what was passed on, of the encrypted part, which nobody on the way can change."""
    stored_at: str
    values: int


class Opened(NamedTuple):
    """Hold a delivery whose envelope is verified; its readings are not yet."""

    delivery: Delivery
    message: bytes
    content: bytes
    signer: ValidatedCertificate
    received_at: datetime
    former: tuple[x509.Certificate, ...] = ()
    """The signer's earlier certificates, by which readings may be signed that waited while keys were renewed."""


class Inbox:
    """Take deliveries for one participant."""

    def __init__(self, name: str, identity: Identity, registry: Registry, clock: Clock, relays: Collection[str] = ()) -> None:
        self._name = name
        self._identity = identity
        self._registry = registry
        self._clock = clock
        self._relays = frozenset(relays)

    def require_peer(self, peer: ValidatedCertificate) -> None:
        """Demand that a connected gateway is in good standing still, and is registered.

        Raises: CertificateRejected; SecurityFault delivery.unknown_gateway.
        """
        self._identity.trust.validate(peer.certificate, now=self._clock.now(), use=CertificateUse.TLS_CLIENT, roles=GATEWAYS)
        self._registry.require_gateway(str(peer.device_id))

    def require_relay(self, peer: ValidatedCertificate) -> None:
        """Demand that who passes messages on is in good standing still, and may do so.

        Raises: CertificateRejected; SecurityFault delivery.relay.
        """
        self._identity.trust.validate(peer.certificate, now=self._clock.now(), use=CertificateUse.TLS_CLIENT, roles=RELAYS)
        if peer.common_name not in self._relays:
            raise SecurityFault("delivery.relay", peer.common_name)

    def open(self, peer: ValidatedCertificate, message: bytes, message_id: str) -> Opened:
        """Verify and decrypt a message from a connected gateway and judge its envelope; `message_id` is that of the HTTP header.

        Raises: PeerFault of the codes cms.*, pki.*, xml.*, delivery.*.
        """
        self.require_peer(peer)
        return self._open(message, message_id, GATEWAYS, peer)

    def open_passed_on(self, peer: ValidatedCertificate, message: bytes, message_id: str) -> Opened:
        """Open a message that a connected relay passed on as it was: the gateway's own signature stands on it. Raises: as `open`."""
        self.require_relay(peer)
        return self._open(message, message_id, GATEWAYS, None)

    def open_pseudonymous(self, peer: ValidatedCertificate, message: bytes, message_id: str) -> Opened:
        """Open a message that a connected relay signed in the gateway's place. Raises: as `open`."""
        self.require_relay(peer)
        return self._open(message, message_id, RELAYS, peer)

    def open_notice(self, peer: ValidatedCertificate, message: bytes, message_id: str) -> Notice:
        """Verify and decrypt a notice of a connected gateway. Raises: as `open`; PeerFault notice.*."""
        self.require_peer(peer)
        notice = decode_notice(self._content(message, GATEWAYS, peer)[0])
        if notice.device != str(peer.device_id):
            raise SecurityFault("delivery.sender", notice.device[:20])
        if notice.message_id != message_id:
            raise SecurityFault("delivery.message_id", notice.message_id[:40])
        return notice

    def _open(self, message: bytes, message_id: str, roles: frozenset[Role], named_as: ValidatedCertificate | None) -> Opened:
        content, signer, former = self._content(message, roles, named_as)
        delivery = decode_delivery(content)
        if delivery.pseudonymous is not (signer.role in RELAYS) or (not delivery.pseudonymous and delivery.sender != str(signer.device_id)):
            raise SecurityFault("delivery.sender", delivery.sender)
        if not delivery.pseudonymous:
            self._registry.require_gateway(delivery.sender)
        self._judge(delivery, message_id)
        return Opened(delivery, message, content, signer, self._clock.now(), former)

    def _content(
        self, message: bytes, roles: frozenset[Role], named_as: ValidatedCertificate | None
    ) -> tuple[bytes, ValidatedCertificate, tuple[x509.Certificate, ...]]:
        """Open a message whose signer has one of the roles and, where given, the name of the connected peer.

        Gives content, signer, and those further certificates of the signer that travel along: each in good standing, too.
        """
        now = self._clock.now()
        signers: list[ValidatedCertificate] = []
        former: list[x509.Certificate] = []

        def signer(claim: SignerClaim) -> x509.Certificate:
            if claim.certificate is None:
                raise CertificateRejected("delivery.sender", "the message carries no certificate")
            validated = self._identity.trust.validate(claim.certificate, now=now, use=CertificateUse.SIG, roles=roles)
            if named_as is not None and (validated.common_name, validated.role) != (named_as.common_name, named_as.role):
                raise SecurityFault("delivery.sender", f"{validated.common_name} over the connection of {named_as.common_name}")
            signers.append(validated)
            for other in claim.others:
                one = self._identity.trust.validate(other, now=now, use=CertificateUse.SIG, roles=roles)
                if one.common_name != validated.common_name:
                    raise SecurityFault("delivery.sender", f"{one.common_name} beside {validated.common_name}")
                former.append(one.certificate)
            return validated.certificate

        opened = open_content(
            message, module=self._identity.module, recipient=self._identity.recipient, signer=signer, limit=MAX_CONTENT_OCTETS
        )
        return opened.content, signers[0], tuple(former)

    def _judge(self, delivery: Delivery, message_id: str) -> None:
        if delivery.recipient != self._name:
            raise SecurityFault("delivery.recipient", delivery.recipient)
        if message_id != delivery.message_id:
            raise SecurityFault("delivery.message_id", delivery.message_id)
        self._registry.require_assignment(delivery.sender, delivery.meter_id, delivery.contract)
        require_consistent(delivery)

    def passed_on_part(self, message: bytes, signer: x509.Certificate) -> bytes:
        """Give what a relay leaves unchanged of a message that was opened before; that is what its receipt confirms."""
        return verify_envelope(message, signer=lambda _claim: signer).content

    def receipt(self, confirmed: bytes, message_id: str, stored_at: datetime, values: int) -> bytes:
        """Sign that a message is stored, named by the octets that its sender knows; returns CMS SignedData that holds a JSON `Receipt`."""
        content = Receipt(message_id, hashlib.sha256(confirmed).hexdigest(), utc_text(stored_at), values)
        return sign_encapsulated(msgspec.json.encode(content), module=self._identity.module, signer=self._identity.signer)


def require_consistent(delivery: Delivery) -> None:
    """Demand that times are of this century, and that values belong to the stated period and contract.

    Raises: PeerFault delivery.content.
    """
    moments = [delivery.created_at, delivery.period_start, delivery.period_end]
    for signed in delivery.readings:
        reading = signed.reading
        moments += (reading.capture_time, reading.target_time)
        if not delivery.period_start <= reading.target_time <= delivery.period_end:
            raise PeerFault("delivery.content", f"reading {signed.sequence} lies outside the period")
    for value in delivery.registers:
        moments += (value.period_start, value.period_end, value.created_at)
        if (value.profile_id, value.taf) != (delivery.contract, delivery.taf):
            raise PeerFault("delivery.content", f"register of {value.profile_id}")
    if not all(_EARLIEST <= moment < _LATEST for moment in moments):
        raise PeerFault("delivery.content", "time")


def verify_readings(opened: Opened) -> Arrival:
    """Verify the gateway's own signature of every reading: about 0.3 ms each on brainpoolP256r1.

    Raises: SecurityFault delivery.reading_signature.
    """
    keys = elliptic_keys((opened.signer.certificate, *opened.former))
    # Under a pseudonym the form admits no signature: it would tell which gateway measured.
    for signed in () if opened.delivery.pseudonymous else opened.delivery.readings:
        _verify_by_any(signed, keys)
    return Arrival(
        delivery=opened.delivery,
        message=opened.message,
        content_digest=hashlib.sha256(opened.content).digest(),
        signer=opened.signer.common_name,
        signer_fingerprint=opened.signer.certificate.fingerprint(hashes.SHA256()),
        received_at=opened.received_at,
    )


def _verify_by_any(signed: SignedReading, keys: Sequence[ec.EllipticCurvePublicKey]) -> None:
    """Verify a reading by the present key of its gateway, or by one of those before. Raises: SecurityFault delivery.reading_signature."""
    for key in keys[:-1]:
        try:
            verify_reading(signed, key)
        except SecurityFault:
            continue
        return
    verify_reading(signed, keys[-1])


def verify_and_store(store: ParticipantStore, opened: Opened) -> Stored:
    """Verify the readings and store the delivery. Raises: as `verify_readings` and `ParticipantStore.accept`."""
    return store.accept(verify_readings(opened))

"""Judge a delivery: everything is verified before anything is stored, and a receipt is signed only for what is stored.

The steps, each of which can only pass or raise: the TLS peer is a gateway in good standing; the message is signed by the same gateway's
SIG certificate and encrypted for us; the content is well formed, addressed to us, from that gateway, for a meter and contract assigned to
it; each reading carries that gateway's signature. Then one transaction, then the receipt.
Source: EMT-01, WAN-03, SEC-03; 20-wan-crypto-pki 1.6.
"""

import hashlib
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from smgw.codec.delivery_xml import decode_delivery
from smgw.core.delivery import Delivery
from smgw.core.errors import CertificateRejected, PeerFault, SecurityFault
from smgw.core.instant import Clock, utc_text
from smgw.net.identity import Identity
from smgw.participant.registry import Registry
from smgw.participant.store import Arrival, ParticipantStore, Stored
from smgw.pki.chain import CertificateUse, ValidatedCertificate
from smgw.pki.names import Role
from smgw.security.content import SignerClaim, open_content, sign_encapsulated
from smgw.security.reading_signature import verify_reading

MAX_CONTENT_OCTETS = 2 * 1024 * 1024
"""Largest content after decompression; the message itself is bounded by the HTTP body."""
GATEWAYS = frozenset({Role.SMGW})
_EARLIEST, _LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)


class Receipt(msgspec.Struct, frozen=True, rename="camel"):
    """State what is stored for good; the gateway keeps it, signed, as proof of delivery."""

    message_id: str
    digest: str
    """SHA-256 of the CMS message as received, hex."""
    stored_at: str
    values: int


class Opened(NamedTuple):
    """Hold a delivery whose envelope is verified; its readings are not yet."""

    delivery: Delivery
    message: bytes
    content: bytes
    signer: ValidatedCertificate
    received_at: datetime


class Inbox:
    """Take deliveries for one participant."""

    def __init__(self, name: str, identity: Identity, registry: Registry, clock: Clock) -> None:
        self._name = name
        self._identity = identity
        self._registry = registry
        self._clock = clock

    def require_peer(self, peer: ValidatedCertificate) -> None:
        """Demand that a connected gateway is in good standing still, and is registered.

        Raises: CertificateRejected; SecurityFault delivery.unknown_gateway.
        """
        self._identity.trust.validate(peer.certificate, now=self._clock.now(), use=CertificateUse.TLS_CLIENT, roles=GATEWAYS)
        self._registry.require_gateway(str(peer.device_id))

    def open(self, peer: ValidatedCertificate, message: bytes, message_id: str) -> Opened:
        """Verify and decrypt a message from a connected gateway and judge its envelope; `message_id` is that of the HTTP header.

        Raises: PeerFault of the codes cms.*, pki.*, xml.*, delivery.*.
        """
        self.require_peer(peer)
        now = self._clock.now()
        signers: list[ValidatedCertificate] = []

        def signer(claim: SignerClaim) -> x509.Certificate:
            if claim.certificate is None:
                raise CertificateRejected("delivery.sender", "the message carries no certificate")
            validated = self._identity.trust.validate(claim.certificate, now=now, use=CertificateUse.SIG, roles=GATEWAYS)
            if validated.device_id != peer.device_id:
                raise SecurityFault("delivery.sender", f"{validated.common_name} over the connection of {peer.common_name}")
            signers.append(validated)
            return validated.certificate

        opened = open_content(
            message, module=self._identity.module, recipient=self._identity.recipient, signer=signer, limit=MAX_CONTENT_OCTETS
        )
        delivery = decode_delivery(opened.content)
        self._judge(delivery, peer, message_id)
        return Opened(delivery, message, opened.content, signers[0], now)

    def _judge(self, delivery: Delivery, peer: ValidatedCertificate, message_id: str) -> None:
        if delivery.sender != str(peer.device_id):
            raise SecurityFault("delivery.sender", delivery.sender)
        if delivery.recipient != self._name:
            raise SecurityFault("delivery.recipient", delivery.recipient)
        if message_id != delivery.message_id:
            raise SecurityFault("delivery.message_id", delivery.message_id)
        self._registry.require_assignment(delivery.sender, delivery.meter_id, delivery.contract)
        require_consistent(delivery)

    def receipt(self, message: bytes, delivery: Delivery, stored: Stored) -> bytes:
        """Sign for a stored message; returns CMS SignedData that holds a JSON `Receipt`."""
        content = Receipt(delivery.message_id, hashlib.sha256(message).hexdigest(), utc_text(stored.stored_at), stored.values)
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
    key = opened.signer.certificate.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey), "the path check admits no other"
    for signed in opened.delivery.readings:
        verify_reading(signed, key)
    return Arrival(
        delivery=opened.delivery,
        message=opened.message,
        content_digest=hashlib.sha256(opened.content).digest(),
        signer=opened.signer.common_name,
        signer_fingerprint=opened.signer.certificate.fingerprint(hashes.SHA256()),
        received_at=opened.received_at,
    )


def verify_and_store(store: ParticipantStore, opened: Opened) -> Stored:
    """Verify the readings and store the delivery. Raises: as `verify_readings` and `ParticipantStore.accept`."""
    return store.accept(verify_readings(opened))

"""Empty the outbox: dial the partner, hand over the sealed message, keep it until the signed receipt is verified.

Source: WAN-01, WAN-02, WAN-03, WAN-05, WAN-06, WAN-07, LOG-03.
"""

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Final, NamedTuple

import msgspec
from cryptography import x509

from smgw.core.delivery import Delivery
from smgw.core.errors import DecodeFault, PeerFault, SecurityFault, SmgwError, Unavailable
from smgw.core.notices import ADMINISTRATOR, ADMINISTRATOR_RESULTS
from smgw.core.profiles import CommunicationProfile, EvaluationProfile
from smgw.gateway.logs import Recorder, partner_event
from smgw.gateway.ways import Way, direct_way, partners_of, way_of
from smgw.net.clock import ClockPort
from smgw.net.http_exchange import HttpClient, Streams
from smgw.net.smpki_tls import Channel, dial
from smgw.pki.parsing import load_certificate
from smgw.pki.trust import TrustStore
from smgw.security.content import Credential, seal, verify_encapsulated, verify_envelope
from smgw.security.module import SecurityModule
from smgw.security.tls import TlsIdentity
from smgw.storage.journal import Journal, OutboxMessage

CONTENT_TYPE = "application/cms"
RETRY_FIRST = timedelta(seconds=2)
RETRY_LAST = timedelta(minutes=15)
BATCH = 100
FORMER_MARGIN = timedelta(days=1)
"""New keys are in force at the latest so long after their certificate begins."""
MAX_FORMER = 3
"""So many former certificates travel along at most."""
REFUSALS_IN_ORDER = 3
"""So often a refused message is tried before those behind it are."""


class Receipt(msgspec.Struct, frozen=True):
    """Hold what the participant signs once a message is stored for good; further fields are allowed and kept in the journal."""

    message_id: str = msgspec.field(name="messageId")
    digest: str
    """SHA-256 of the message as sent, hex."""


class Refused(PeerFault):
    """The partner answered, and did not take the message."""


TO_ADMINISTRATOR: Final = frozenset({ADMINISTRATOR, ADMINISTRATOR_RESULTS})
"""Recipients of notices and results."""


class Sender(NamedTuple):
    """Hold what a delivery needs."""

    module: SecurityModule
    identity: TlsIdentity
    signer: Credential
    trust: TrustStore
    journal: Journal
    recorder: Recorder
    clock: ClockPort
    service: CommunicationProfile | None = None
    """The administrator's end point for notices and for what it passes on."""
    former: tuple[x509.Certificate, ...] = ()
    """SIG certificates of the keys before the present one, newest first."""


def retry_delay(attempts: int) -> timedelta:
    """Give the pause after so many failed attempts: doubling from two seconds to a quarter of an hour."""
    return min(RETRY_FIRST * (1 << min(attempts, 12)), RETRY_LAST)


class Pump:
    """Send what is pending, oldest first and one partner after another, until each message is acknowledged."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender
        self.wake = asyncio.Event()
        """Set it when something new is queued."""
        self.last_delivery = ""
        """Time of the last acknowledged message, for the status strip."""
        self._dispatched: set[str] = set()
        """Messages that left since the start and are not confirmed yet."""
        self._asked: dict[str, list[Callable[[str], None]]] = {}
        """Partners that are dialled at once, whether something waits for them or not, and who is told the code of the result."""
        self._untold: set[str] = set()
        """Those among them of which no result stands in a log."""

    async def run(self) -> None:
        """Work until cancelled."""
        await self._run(partners_only=frozenset())

    async def run_for_administrator(self) -> None:
        """Send the administrator's notices and results alone, until cancelled: what remains where the state forbids deliveries."""
        await self._run(partners_only=TO_ADMINISTRATOR)

    async def _run(self, *, partners_only: frozenset[str]) -> None:
        clock = self._sender.clock
        failures = 0
        while True:
            with clock.hold():
                self.wake.clear()
                failures = 0 if await self.flush(partners_only) else failures + 1
            deadline = clock.now() + retry_delay(failures - 1) if failures else None
            await clock.wait_until(deadline, self.wake)

    def connect(self, partner_id: str, report: Callable[[str], None] = lambda _: None) -> None:
        """Dial a partner at once, as the administrator ordered; `report` gets the error code, empty when the partner was reached."""
        self._asked.setdefault(partner_id, []).append(report)
        self.wake.set()

    async def flush(self, partners_only: frozenset[str] = frozenset()) -> bool:
        """Try every pending message once and tell whether all were taken; a partner that fails is left alone until the next round.

        With `partners_only` the others wait.
        """
        journal, complete, more = self._sender.journal, True, False
        partners = partners_of(journal.profiles("communication"), self._sender.service)
        for gone in self._asked.keys() - partners.keys():
            self._tell_result(gone, "profile.unknown")
        for partner in (held for held in partners.values() if not partners_only or held.partner_id in partners_only):
            if partner.partner_id in self._asked:
                self._tell_result(partner.partner_id, await self._show_up(partner))
            messages = journal.pending(BATCH, partner.partner_id)
            more |= len(messages) == BATCH
            for is_notice in (False, True):
                # Deliveries may take another way than notices, and neither has to wait for the other.
                same_way = [message for message in messages if is_notice is not bool(message.profile_id)]
                if same_way:
                    complete &= await self._serve(partner, partners, same_way)
        if complete and more:
            self.wake.set()
        return complete

    def _tell_result(self, partner_id: str, code: str) -> None:
        for report in self._asked.pop(partner_id):
            report(code)

    async def _show_up(self, partner: CommunicationProfile) -> str:
        """Open a channel to a partner and close it again; what waits for it follows as always. Gives the error code."""
        recorder = self._sender.recorder
        try:
            async with await _dial(self._sender, direct_way(partner)):
                recorder.note("channel_opened", partner=partner.partner_id)
        except SmgwError as fault:
            recorder.note(partner_event(fault, "handshake_failed"), success=False, partner=partner.partner_id, code=fault.code)
            return fault.code
        return ""

    async def _serve(self, partner: CommunicationProfile, partners: dict[str, CommunicationProfile], messages: list[OutboxMessage]) -> bool:
        """Send what is for one partner, and goes the same way, over one connection.

        The order is kept, so a failure ends the round; only a message that the partner goes on refusing is stepped over, for it must not
        hold up all others.
        """
        sender, channel, message, complete = self._sender, None, messages[0], True
        try:
            first = way_of(message, partner, partners)
            channel = await _dial(sender, first)
            client = HttpClient(Streams(channel.reader, channel.writer), first.hop.partner_id)
            for message in messages:
                try:
                    await self._deliver(client, partner, message, way_of(message, partner, partners))
                except Refused as fault:
                    complete = False
                    self._note_failure(message, fault, "delivery_failed")
                    if message.attempts < REFUSALS_IN_ORDER:
                        break
        except SmgwError as fault:
            self._note_failure(message, fault, "handshake_failed" if channel is None else "delivery_failed")
            return False
        else:
            return complete
        finally:
            if channel is not None:
                await channel.close()

    def _note_failure(self, message: OutboxMessage, fault: SmgwError, otherwise: str) -> None:
        """Count the attempt and tell of it, unless the store takes nothing: then the message merely stays queued.

        The first attempt is told, the ninth, and the first that values left by: its result belongs into the consumer's log.
        """
        sender, left = self._sender, message.message_id in self._dispatched
        tell = message.attempts in (0, 8) or message.message_id in self._untold
        event = partner_event(fault, otherwise)
        with suppress(Unavailable):
            with sender.journal.transaction():
                sender.journal.note_attempt(message.message_id, fault.code, sender.clock.now())
                facts = {"partner": message.partner_id, "code": fault.code, "message": message.message_id}
                owners = self._owners(message) if left else []
                for name in sorted({event, "delivery_failed"} if left else {event}) if tell else ():
                    sender.recorder.record_with(name, facts, consumers=owners, subject=message.partner_id, success=False)
            self._untold.discard(message.message_id)

    async def _deliver(self, client: HttpClient, partner: CommunicationProfile, message: OutboxMessage, way: Way) -> None:
        sender = self._sender
        document = seal(
            message.body,
            module=sender.module,
            signer=sender.signer,
            recipient=_certificate(partner.enc_certificate),
            cipher=partner.content_cipher,
            oid_profile=partner.oid_profile,
            others=_former(sender, way.delivery),
        )
        facts = _facts(message, partner, way)
        owners = self._owners(message)
        if message.message_id not in self._dispatched and way.delivery is not None:
            # Written before the first octet leaves: values that left without an entry would be worse than an entry too many.
            told = facts | {"partner": way.hop.partner_id, "recipient": partner.partner_id}
            sender.recorder.record_with(way.event, told, consumers=owners, subject=message.profile_id)
            self._dispatched.add(message.message_id)
            self._untold.add(message.message_id)
        headers = {"Content-Type": CONTENT_TYPE, "x-CID": f"uuid:{message.message_id}"}
        response = await client.request("POST", way.target, headers, document)
        if response.status != 200:
            raise Refused("http.refused", f"status {response.status}")
        # Who passes a message on may sign it anew, so its recipient confirms what is inside that signature.
        confirmed = _inside(document, sender.signer.certificate) if way.relayed else document
        check_receipt(response.body, message.message_id, confirmed, _certificate(partner.sig_certificate))
        with sender.journal.transaction():
            now = sender.clock.now()
            sender.journal.acknowledge(message.message_id, response.body, now)
            event = "acknowledged" if way.delivery is not None else way.event
            sender.recorder.record_with(event, facts, consumers=owners, subject=message.profile_id or partner.partner_id)
        self._dispatched.discard(message.message_id)
        self._untold.discard(message.message_id)
        self.last_delivery = now.strftime("%Y-%m-%dT%H:%M:%SZ")

    def _owners(self, message: OutboxMessage) -> list[str]:
        """List the consumers whose values a message holds."""
        profiles = (p for p in self._sender.journal.profiles("evaluation") if isinstance(p, EvaluationProfile))
        return [profile.consumer_id for profile in profiles if profile.profile_id == message.profile_id]


def _former(sender: Sender, delivery: Delivery | None) -> Sequence[x509.Certificate]:
    """Give the certificates by which readings can be verified that an earlier key of this gateway signed; they travel along."""
    if delivery is None or delivery.pseudonymous or not sender.former:
        # Under a pseudonym no reading is signed, and a certificate would be a name.
        return ()
    since = sender.signer.certificate.not_valid_before_utc + FORMER_MARGIN
    return sender.former if any(signed.reading.capture_time <= since for signed in delivery.readings) else ()


def _facts(message: OutboxMessage, partner: CommunicationProfile, way: Way) -> dict[str, object]:
    if way.delivery is None:
        return {**way.about, "partner": partner.partner_id}
    return {
        "count": len(way.delivery.readings) + len(way.delivery.registers),
        "contract": message.profile_id,
        "partner": partner.partner_id,
        "message": message.message_id,
    }


def _inside(document: bytes, own: x509.Certificate) -> bytes:
    return verify_envelope(document, signer=lambda _claim: own).content


def check_receipt(receipt: bytes, message_id: str, document: bytes, partner_sig: x509.Certificate) -> Receipt:
    """Verify that the partner signed for exactly these octets under this id.

    Raises: SecurityFault, DecodeFault from the content protection; SecurityFault delivery.receipt when it is for another message.
    """
    content = verify_encapsulated(receipt, signer=lambda _claim: partner_sig).content
    try:
        decoded = msgspec.json.decode(content, type=Receipt)
    except msgspec.MsgspecError as problem:
        raise DecodeFault("delivery.receipt", "structure") from problem
    if decoded.message_id != message_id or decoded.digest != hashlib.sha256(document).hexdigest():
        raise SecurityFault("delivery.receipt", "another message")
    return decoded


async def _dial(sender: Sender, way: Way) -> Channel:
    return await dial(
        way.hop.host,
        way.hop.port,
        module=sender.module,
        identity=sender.identity,
        trust=sender.trust,
        clock=sender.clock,
        roles=frozenset({way.role}),
        pinned=_certificate(way.hop.tls_certificate),
        timeout_s=10.0,
    )


def _certificate(hex_der: str) -> x509.Certificate:
    return load_certificate(bytes.fromhex(hex_der))

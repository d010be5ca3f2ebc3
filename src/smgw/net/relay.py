"""Pass on sealed messages that are for somebody else: unread, kept nowhere, and under a pseudonym without the gateway's signature.

The receipt of the final recipient goes back to the gateway as it came; only it can tell the gateway that its message is stored.
Source: WAN-06, ADM-08; TR-03109-1 Annex VI, table 2 steps 3.2, 3.3; 20-wan-crypto-pki 3.5.
"""

from collections.abc import Callable
from http import HTTPStatus
from typing import NamedTuple

from cryptography import x509

from smgw.core.errors import PeerFault, SecurityFault, SmgwError
from smgw.net.clock import ClockPort
from smgw.net.http_exchange import HttpClient, Streams
from smgw.net.http_server import Reply
from smgw.net.identity import Identity
from smgw.net.smpki_tls import dial
from smgw.pki.chain import CertificateUse, ValidatedCertificate
from smgw.pki.names import Role
from smgw.protocol.tunnel_http import Request
from smgw.security.content import SignerClaim, sign_envelope, verify_envelope

RELAY = "/smgw/relay/v1/"
"""Where gateways hand over what is for somebody else: `open/PARTNER` or `pseudonymous/PARTNER`."""
PASSED_ON = "/smgw/emt/v1/passed-on/"
"""Where its recipient takes it: `open` or `pseudonymous`."""
MANNERS = ("open", "pseudonymous")
CONTENT_TYPE = "application/cms"
DIAL_TIMEOUT_S = 8.0
_GATEWAYS, _RECIPIENTS = frozenset({Role.SMGW}), frozenset({Role.EMT})


class Target(NamedTuple):
    """Say where a final recipient is reached."""

    host: str
    port: int
    tls: x509.Certificate
    """Pinned."""


class Relay(NamedTuple):
    """Hold who passes messages on."""

    identity: Identity
    clock: ClockPort
    target: Callable[[ValidatedCertificate, str], Target | None]
    """(gateway, partner's id) -> where; None where this gateway may not send to that partner through us."""

    async def respond(self, peer: ValidatedCertificate, request: Request, on_refused: Callable[[SmgwError], None]) -> Reply:
        """Answer one request of a gateway below `RELAY`; `on_refused` is told why a message was not passed on."""
        manner, _, partner = request.target.removeprefix(RELAY).partition("/")
        target = self.target(peer, partner) if manner in MANNERS else None
        if target is None:
            return Reply(HTTPStatus.NOT_FOUND)
        if request.method != "POST":
            return Reply(HTTPStatus.METHOD_NOT_ALLOWED, headers=[("Allow", "POST")])
        try:
            receipt = await self._pass_on(peer, request, manner, partner, target)
        except PeerFault as fault:
            on_refused(fault)
            return Reply(HTTPStatus.BAD_REQUEST, b'{"error": "rejected"}', [("Content-Type", "application/json")])
        except SmgwError as fault:
            on_refused(fault)
            return Reply(HTTPStatus.SERVICE_UNAVAILABLE, b'{"error": "unavailable"}', [("Content-Type", "application/json")])
        return Reply(HTTPStatus.OK, receipt, [("Content-Type", CONTENT_TYPE)])

    async def _pass_on(self, peer: ValidatedCertificate, request: Request, manner: str, partner: str, target: Target) -> bytes:
        identity = self.identity
        document = self._outgoing(peer, request.body, manner)
        message_id = dict(request.headers).get("x-cid", "")
        channel = await dial(
            target.host,
            target.port,
            module=identity.module,
            identity=identity.tls,
            trust=identity.trust,
            clock=self.clock,
            roles=_RECIPIENTS,
            pinned=target.tls,
            timeout_s=DIAL_TIMEOUT_S,
        )
        async with channel:
            client = HttpClient(Streams(channel.reader, channel.writer), partner)
            headers = {"Content-Type": CONTENT_TYPE, "x-CID": message_id}
            response = await client.request("POST", PASSED_ON + manner, headers, document)
        if response.status != HTTPStatus.OK:
            raise PeerFault("http.refused", f"status {response.status}")
        return response.body

    def _outgoing(self, peer: ValidatedCertificate, message: bytes, manner: str) -> bytes:
        """Check that the connected gateway signed the message; under a pseudonym its signature gives way to ours."""
        opened = verify_envelope(message, signer=lambda claim: self._signer(peer, claim))
        if manner == "open":
            return message
        return sign_envelope(opened.content, module=self.identity.module, signer=self.identity.signer)

    def _signer(self, peer: ValidatedCertificate, claim: SignerClaim) -> x509.Certificate:
        if claim.certificate is None:
            raise SecurityFault("delivery.sender", "the message carries no certificate")
        validated = self.identity.trust.validate(claim.certificate, now=self.clock.now(), use=CertificateUse.SIG, roles=_GATEWAYS)
        if validated.device_id != peer.device_id:
            raise SecurityFault("delivery.sender", f"{validated.common_name} over the connection of {peer.common_name}")
        return validated.certificate

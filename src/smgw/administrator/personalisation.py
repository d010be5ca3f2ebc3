"""Bring a gateway to new keys: personalisation, renewal and change of algorithm are the same steps.

Authenticate with the AUT key, have keys made on board, have the SM-PKI certify them, bring the certificates; the gateway closes the channel
and calls with its new keys. What broke off goes on at the next call.
Source: LIFE-08; TR-03109-1 Annex VI, 2.3.3.
"""

from base64 import b64decode
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import NamedTuple, Protocol

import msgspec
import structlog
from cryptography import x509

from smgw.administrator.exchanges import DECOMMISSION, Exchange, Exchanges
from smgw.codec.command import Answer
from smgw.core.errors import DecodeFault, PeerFault
from smgw.pki.authorised import authorise, read_signed_package
from smgw.pki.names import common_name_of
from smgw.pki.triple import read_certificates, triple_of
from smgw.security.content import Credential
from smgw.security.key_guard import sign_challenge
from smgw.security.module import SecurityModule

log = structlog.get_logger(__name__)

ACTOR = "administrator"
Certify = Callable[[bytes], Awaitable[bytes]]
"""Have the SM-PKI certify an authorised request; gives PEM."""


class KeyOffice(NamedTuple):
    """Hold what an exchange of keys needs beside the management channel."""

    module: SecurityModule
    signer: Credential
    authentication: Credential
    """The AUT certificate and the name of its key."""
    certify: Certify
    exchanges: Exchanges


class Session(Protocol):
    """Speak to one gateway."""

    async def command(self, method: str, resource: str, body: object = None, command_id: str = "") -> Answer:
        """Send one command and give its verified answer."""


async def authenticate(session: Session, office: KeyOffice) -> None:
    """Prove to the gateway's security module that we are its administrator. Raises: PeerFault http.refused."""
    challenge = bytes.fromhex(str(_body(await session.command("POST", "keys/challenge")).get("challenge", "")))
    signature = sign_challenge(office.module, office.authentication.key_name, challenge)
    _body(await session.command("POST", "keys/authentication", {"challenge": challenge.hex(), "signature": signature.hex()}))


async def exchange_keys(session: Session, office: KeyOffice, exchange: Exchange, known: x509.Certificate, now: datetime) -> None:
    """Lead one exchange, or a gateway's end, on from where it broke off; `known` is the gateway's SIG certificate in force.

    Raises: PeerFault http.refused, pki.refused; SecurityFault; Unavailable.
    """
    device_id = exchange.device_id
    await authenticate(session, office)
    if exchange.reason == DECOMMISSION:
        answer = await session.command("POST", "life/decommission")
        office.exchanges.end(device_id, answer.code or "decommissioned", now, ACTOR)
        return
    certificates = exchange.certificates or await _new_certificates(session, office, exchange, known, now)
    answer = await session.command("PUT", "keys/certificates", {"certificates": certificates.decode()})
    if answer.code == "lifecycle.seal":
        # The keys were made anew since: what was issued before is for keys that are gone.
        office.exchanges.begin_again(device_id)
    _body(answer)
    log.info("certificates_installed", gateway=device_id, reason=exchange.reason)


async def _new_certificates(session: Session, office: KeyOffice, exchange: Exchange, known: x509.Certificate, now: datetime) -> bytes:
    answer = _body(await session.command("POST", "keys/generation", {"curve": exchange.curve}))
    signed_package = b64decode(str(answer.get("request", "")))
    package = read_signed_package(signed_package, known)
    if package.common_name != common_name_of(known):
        raise PeerFault("http.refused", f"asked for {package.common_name}")
    certificates = await office.certify(authorise(signed_package, module=office.module, signer=office.signer))
    issued = triple_of(read_certificates(certificates)[:3])
    if tuple(certificate.public_key() for certificate in issued) != package.keys:
        raise PeerFault("pki.refused", "certificates for other keys")
    office.exchanges.issued(exchange.device_id, certificates, now, ACTOR)
    return certificates


def _body(answer: Answer) -> dict[str, object]:
    if answer.status >= 300:
        raise PeerFault("http.refused", f"{answer.status} {answer.code}")
    try:
        body = msgspec.json.decode(answer.body, type=dict[str, object] | None)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as problem:
        raise DecodeFault("command.structure", "body of an answer") from problem
    return body or {}

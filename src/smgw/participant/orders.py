"""A market participant's orders to a gateway's administrator: have the gateway call, or send values of past days.

Source: ADM-09, EMT-01.
"""

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import NamedTuple

import msgspec
from cryptography import x509

from smgw.codec.market_order import CONTENT_TYPE, TARGET, MarketOrder, MarketOrderState, decode_order, decode_order_state
from smgw.core.errors import PeerFault, SecurityFault
from smgw.net.clock import ClockPort
from smgw.net.http_exchange import HttpClient, Streams
from smgw.net.identity import Identity
from smgw.net.smpki_tls import dial
from smgw.pki.chain import CertificateUse
from smgw.pki.names import Role
from smgw.pki.triple import CertificateTriple
from smgw.protocol.tunnel_http import Response
from smgw.security.content import seal, verify_encapsulated

ADMINISTRATORS = frozenset({Role.GWA})
TIMEOUT_S = 10.0


class Administrator(NamedTuple):
    """Say where an administrator takes orders, and its certificates, which are pinned."""

    host: str
    port: int
    triple: CertificateTriple


async def place_order(own: Identity, administrator: Administrator, order: MarketOrder, clock: ClockPort) -> MarketOrderState:
    """Send one order and give its state as the administrator signed it; the same order once more has no effect.

    Raises: PeerFault order.structure; http.refused where the administrator does not permit it; SecurityFault delivery.receipt;
    CertificateRejected; Unavailable.
    """
    content = msgspec.json.encode(order)
    decode_order(content)
    message = seal(content, module=own.module, signer=own.signer, recipient=_standing(own, administrator, clock, CertificateUse.ENC))
    async with _connected(own, administrator, clock) as client:
        response = await client.request("POST", TARGET, {"Content-Type": CONTENT_TYPE}, message)
    state = _opened(own, administrator, clock, response, HTTPStatus.ACCEPTED)
    if (state.order_id, state.digest) != (order.order_id, hashlib.sha256(content).hexdigest()):
        raise SecurityFault("delivery.receipt", "for another order")
    return state


async def order_state(own: Identity, administrator: Administrator, order_id: str, clock: ClockPort) -> MarketOrderState:
    """Ask how far an order is. Raises: as `place_order`."""
    async with _connected(own, administrator, clock) as client:
        response = await client.request("GET", f"{TARGET}/{order_id}", {}, b"")
    state = _opened(own, administrator, clock, response, HTTPStatus.OK)
    if state.order_id != order_id:
        raise SecurityFault("delivery.receipt", "for another order")
    return state


@asynccontextmanager
async def _connected(own: Identity, administrator: Administrator, clock: ClockPort) -> AsyncIterator[HttpClient]:
    channel = await dial(
        administrator.host,
        administrator.port,
        module=own.module,
        identity=own.tls,
        trust=own.trust,
        clock=clock,
        pinned=administrator.triple.tls,
        roles=ADMINISTRATORS,
        timeout_s=TIMEOUT_S,
    )
    async with channel:
        yield HttpClient(Streams(channel.reader, channel.writer), administrator.host)


def _opened(own: Identity, administrator: Administrator, clock: ClockPort, response: Response, expected: HTTPStatus) -> MarketOrderState:
    if response.status != expected:
        raise PeerFault("http.refused", f"status {response.status}")
    certificate = _standing(own, administrator, clock, CertificateUse.SIG)
    return decode_order_state(verify_encapsulated(response.body, signer=lambda _claim: certificate).content)


def _standing(own: Identity, administrator: Administrator, clock: ClockPort, use: CertificateUse) -> x509.Certificate:
    """Give a certificate of the administrator that counts now. Raises: CertificateRejected."""
    certificate = administrator.triple.enc if use is CertificateUse.ENC else administrator.triple.sig
    return own.trust.validate(certificate, now=clock.now(), use=use, roles=ADMINISTRATORS).certificate

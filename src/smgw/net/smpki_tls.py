"""Dial and listen with SM-PKI certificates: mutual TLS whose peers are judged by our own clock before a byte of theirs is given out.

A dialer that pins knows its peer beforehand: the pinned certificate is checked before anything is sent, and the handshake itself fails
with any other. A listener lets any holder of an SM-PKI certificate shake hands, then judges path, role, time and revocation.
A refused peer sees its connection close; why, only our log says.
Source: WAN-01 to WAN-03, WAN-09; SEC-03; 20-wan-crypto-pki 1.1, 4.1.
"""

import asyncio
import contextlib
import ssl
from asyncio import sslproto
from collections.abc import Awaitable, Callable, Collection
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from smgw.core.errors import CertificateRejected, SecurityFault, SmgwError, Unavailable
from smgw.core.instant import Clock
from smgw.pki.chain import CertificateUse, ValidatedCertificate
from smgw.pki.names import Role
from smgw.pki.parsing import load_certificate
from smgw.pki.trust import TrustStore
from smgw.security.module import SecurityModule
from smgw.security.policy import TLS_CLOSE_LIMIT_S, TLS_SESSION_LIMIT_S
from smgw.security.tls import TlsIdentity, require_parameters, wan_context

BUFFER_LIMIT = 256 * 1024
"""Octets that a stream reader holds at most before it stops reading from the socket (twice this is its hard bound)."""

RECEIVED_AT_ONCE = 32 * 1024
"""Octets taken from a socket in one go: two records. Each open connection keeps a buffer of this size, used or not."""
sslproto.SSLProtocol.max_size = RECEIVED_AT_ONCE

CLOSE_CANCELLED_S = 1.0
"""So long a connection's closing may take in a task that was told to end: a peer that keeps silent must not hold up a stop."""

WAN_PARTNERS = frozenset({Role.GWA, Role.EMT})
"""Who a gateway calls at the WAN."""

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter, ValidatedCertificate], Awaitable[None]]
OnRefused = Callable[[str, str], None]
"""Called with the error code and the address of a peer that was refused."""

_VERIFY_CODES = {
    2: "pki.unknown_issuer",
    7: "pki.signature",
    18: "pki.unknown_issuer",
    19: "pki.unknown_issuer",
    20: "pki.unknown_issuer",
    21: "pki.unknown_issuer",
    24: "pki.not_ca",
    25: "pki.path_length",
    26: "pki.usage",
    34: "pki.critical_extension",
    79: "pki.not_ca",
}
"""Verification result of the TLS library -> our code; all others are `tls.handshake`."""


class Channel:
    """Hold an open connection with its validated peer; it ends by itself when the session's time is over."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, peer: ValidatedCertificate, limit_s: float) -> None:
        self.reader = reader
        self.writer = writer
        self.peer = peer
        self._timer = asyncio.get_running_loop().call_later(limit_s, writer.transport.abort)

    async def __aenter__(self) -> "Channel":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connection, in good order if the peer plays along within 20 s, or 1 s in a task that is being cancelled."""
        self._timer.cancel()
        await _close(self.writer)


async def dial(
    host: str,
    port: int,
    *,
    module: SecurityModule,
    identity: TlsIdentity,
    trust: TrustStore,
    clock: Clock,
    pinned: x509.Certificate | None = None,
    roles: frozenset[Role] = WAN_PARTNERS,
    server_name: str = "",
    timeout_s: float = 20,
    session_limit_s: float = TLS_SESSION_LIMIT_S,
) -> Channel:
    """Connect to a peer of the WAN, which must hold one of `roles`.

    With `pinned` (a gateway's rule) only that certificate is accepted; without, the trust store needs current revocation lists.
    `server_name` goes out as SNI; an empty one sends none.
    Raises: Unavailable net.unreachable, net.timeout; CertificateRejected; SecurityFault tls.handshake, tls.parameters.
    """
    context = client_ssl_context(module=module, identity=identity, trust=trust, clock=clock, roles=roles, pinned=pinned)
    try:
        async with asyncio.timeout(timeout_s):
            reader, writer = await asyncio.open_connection(host, port, ssl=context, server_hostname=server_name, limit=BUFFER_LIMIT)
    except TimeoutError as problem:
        raise Unavailable("net.timeout", f"{host}:{port}") from problem
    except ssl.SSLError as problem:
        raise _handshake_fault(problem, pinned is not None) from problem
    except ConnectionRefusedError as problem:
        raise Unavailable("net.unreachable", f"{host}:{port}") from problem
    except ConnectionError as problem:
        raise SecurityFault("tls.handshake", "the peer closed the connection") from problem
    except OSError as problem:
        raise Unavailable("net.unreachable", f"{host}:{port}") from problem
    try:
        peer = peer_of(writer.transport, trust=trust, clock=clock, roles=roles, use=CertificateUse.TLS_SERVER, pinned=pinned)
    except SmgwError:
        writer.transport.abort()
        raise
    return Channel(reader, writer, peer, session_limit_s)


async def listen(
    handler: Handler,
    host: str,
    port: int,
    *,
    module: SecurityModule,
    identity: TlsIdentity,
    trust: TrustStore,
    clock: Clock,
    roles: frozenset[Role],
    on_refused: OnRefused | None = None,
    handshake_timeout_s: float = 10,
    max_connections: int = 256,
    session_limit_s: float = TLS_SESSION_LIMIT_S,
    pinned: Callable[[], Collection[x509.Certificate]] | None = None,
) -> asyncio.Server:
    """Accept peers that hold one of `roles`; `handler` is awaited once a peer, and the connection is closed after it.

    With `pinned` (a gateway's rule) only the certificates that it gives are accepted; without, revocation lists must be current.
    A peer that is refused is closed, and `on_refused` is told. Beyond `max_connections` new ones are refused with tls.too_many.
    Raises: Unavailable net.unreachable when the address can't be bound.
    """
    context = server_ssl_context(module=module, identity=identity, trust=trust)
    open_now = 0

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # The first step must not yield before start_tls: until then nothing has been read from the socket.
        nonlocal open_now
        if open_now >= max_connections:
            _refuse(writer, "tls.too_many", on_refused)
            return
        open_now += 1
        try:
            await _serve(reader, writer)
        finally:
            open_now -= 1

    async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await writer.start_tls(context, ssl_handshake_timeout=handshake_timeout_s)
            pin = None if pinned is None else _pin_of(writer.transport, pinned())
            peer = peer_of(writer.transport, trust=trust, clock=clock, roles=roles, use=CertificateUse.TLS_CLIENT, pinned=pin)
        except ssl.SSLError as problem:
            _refuse(writer, _handshake_fault(problem, False).code, on_refused)
            return
        except SmgwError as problem:
            _refuse(writer, problem.code, on_refused)
            return
        except (ConnectionError, OSError, TimeoutError):
            _refuse(writer, "tls.handshake", on_refused)
            return
        timer = asyncio.get_running_loop().call_later(session_limit_s, writer.transport.abort)
        try:
            await handler(reader, writer, peer)
        finally:
            timer.cancel()
            await _close(writer)

    try:
        return await asyncio.start_server(accept, host, port, limit=BUFFER_LIMIT, backlog=max(100, max_connections))
    except OSError as problem:
        raise Unavailable("net.unreachable", f"{host}:{port}") from problem


def server_ssl_context(*, module: SecurityModule, identity: TlsIdentity, trust: TrustStore) -> ssl.SSLContext:
    """Make a listener's context, also for an HTTP server; each of its requests has to pass `peer_of`."""
    anchors = (*trust.anchors, *trust.intermediates)
    return wan_context(server=True, module=module, identity=identity, anchors=anchors)


def client_ssl_context(
    *,
    module: SecurityModule,
    identity: TlsIdentity,
    trust: TrustStore,
    clock: Clock,
    roles: frozenset[Role],
    pinned: x509.Certificate | None = None,
) -> ssl.SSLContext:
    """Make a dialer's context.

    With `pinned` the certificate is validated here and now, and no handshake succeeds with another one: such a context may go to any
    client library, for as long as the session limit. Without, the peer has to pass `peer_of` before anything is sent.
    Raises: CertificateRejected for a pinned certificate that is not acceptable now.
    """
    if pinned is None:
        return wan_context(server=False, module=module, identity=identity, anchors=(*trust.anchors, *trust.intermediates))
    trust.validate(pinned, now=clock.now(), use=CertificateUse.TLS_SERVER, roles=roles, pinned=pinned)
    return wan_context(server=False, module=module, identity=identity, anchors=(pinned,), pinned=True)


def peer_of(
    transport: asyncio.BaseTransport | None,
    *,
    trust: TrustStore,
    clock: Clock,
    roles: frozenset[Role],
    use: CertificateUse = CertificateUse.TLS_CLIENT,
    pinned: x509.Certificate | None = None,
) -> ValidatedCertificate:
    """Validate the certificate a connection's peer showed; for an HTTP server, of `request.transport`.

    Raises: CertificateRejected; SecurityFault tls.no_certificate, tls.parameters; DecodeFault pki.malformed.
    """
    tls: Any = None if transport is None else transport.get_extra_info("ssl_object")
    encoded = None if tls is None else tls.getpeercert(True)
    if not encoded:
        raise SecurityFault("tls.no_certificate")
    require_parameters(tls)
    return trust.validate(load_certificate(encoded), now=clock.now(), use=use, roles=roles, pinned=pinned)


def _pin_of(transport: asyncio.BaseTransport, held: Collection[x509.Certificate]) -> x509.Certificate:
    tls: Any = transport.get_extra_info("ssl_object")
    shown = None if tls is None else tls.getpeercert(True)
    for certificate in held:
        if shown == certificate.public_bytes(Encoding.DER):
            return certificate
    raise CertificateRejected("pki.not_pinned")


def _handshake_fault(problem: ssl.SSLError, pinned: bool) -> SecurityFault:
    if isinstance(problem, ssl.SSLCertVerificationError):
        if pinned:
            return CertificateRejected("pki.not_pinned", problem.verify_message)
        code = _VERIFY_CODES.get(problem.verify_code)
        if code is not None:
            return CertificateRejected(code, problem.verify_message)
    if problem.reason == "PEER_DID_NOT_RETURN_A_CERTIFICATE":
        return SecurityFault("tls.no_certificate")
    return SecurityFault("tls.handshake", problem.reason or "closed")


def _refuse(writer: asyncio.StreamWriter, code: str, on_refused: OnRefused | None) -> None:
    peer = writer.get_extra_info("peername")
    writer.transport.abort()
    if on_refused is not None:
        on_refused(code, str(peer[0]) if isinstance(peer, tuple) else "")


async def _close(writer: asyncio.StreamWriter) -> None:
    """Close in good order; a task that is being cancelled waits for a silent peer only for a moment."""
    task = asyncio.current_task()
    limit_s = CLOSE_CANCELLED_S if task is not None and task.cancelling() else TLS_CLOSE_LIMIT_S
    writer.close()
    try:
        with contextlib.suppress(OSError, TimeoutError, ssl.SSLError):
            async with asyncio.timeout(limit_s):
                await writer.wait_closed()
    finally:
        writer.transport.abort()

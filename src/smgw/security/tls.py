"""TLS contexts of the gateway's networks: TLS 1.2 only, the four suites of the policy, no tickets, no resumption, no renegotiation.

Python 3.11 can name one group only and can't switch the session cache off, so three calls go to the TLS library under `ssl` directly;
an in-memory handshake proves at first use that they did what they are for. The library checks no validity times, because the gateway's
clock isn't the machine's: whoever uses these contexts at the WAN lets `smgw.pki.chain` judge the peer before the first byte.
Source: SEC-03; 20-wan-crypto-pki 4.1; 40-crypto-stack 2.
"""

import _ssl
import ctypes
import functools
import os
import ssl
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from smgw.core.errors import SecurityFault, Unavailable
from smgw.security.module import SecurityModule
from smgw.security.policy import HAN_GROUPS, TLS12_SIGNATURES, TLS12_SUITES, WAN_GROUPS, curve_named, signature_hash

NO_CHECK_TIME = ssl.VerifyFlags(0x200000)
"""X509_V_FLAG_NO_CHECK_TIME, which `ssl` has no name for."""

_SET_SESSION_CACHE_MODE = 44
_SET_GROUPS = 92
_SET_SIGNATURES = 98
_SET_CLIENT_SIGNATURES = 102


class TlsIdentity(NamedTuple):
    """Name the key in the security module and hold its certificates, end entity first, without root."""

    key_name: str
    chain: tuple[x509.Certificate, ...]

    @property
    def chain_pem(self) -> bytes:
        """Give the chain as PEM."""
        return pem_bundle(self.chain)


def pem_bundle(certificates: Iterable[x509.Certificate]) -> bytes:
    """Write certificates as PEM, one after the other."""
    return b"".join(certificate.public_bytes(serialization.Encoding.PEM) for certificate in certificates)


def wan_context(
    *, server: bool, module: SecurityModule, identity: TlsIdentity, anchors: Sequence[x509.Certificate], pinned: bool = False
) -> ssl.SSLContext:
    """Make a context for the WAN: mutual authentication, brainpoolP256r1 first.

    `anchors` are the roots and intermediates that peers chain to; with `pinned` the anchors are end-entity certificates, and the
    handshake succeeds only with one of them. Neither validity times, roles nor revocation are judged here.
    Raises: UsageError module.no_key, module.tls; Unavailable tls.capability.
    """
    _self_test()
    context = _bare_context(server, WAN_GROUPS)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=pem_bundle(anchors).decode())
    if pinned:
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    module.tls_attach(context, identity.key_name, identity.chain_pem)
    return context


def han_server_context(*, module: SecurityModule, identity: TlsIdentity) -> ssl.SSLContext:
    """Make a server context for the HAN: own self-signed certificate, secp384r1 and secp256r1, clients are not asked for certificates."""
    _self_test()
    context = _bare_context(True, HAN_GROUPS)
    module.tls_attach(context, identity.key_name, identity.chain_pem)
    return context


def han_client_context(*, anchor: x509.Certificate) -> ssl.SSLContext:
    """Make a client context that trusts one gateway's self-signed HAN certificate and compares the host name."""
    _self_test()
    context = _bare_context(False, HAN_GROUPS)
    context.load_verify_locations(cadata=pem_bundle((anchor,)).decode())
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


def require_parameters(tls: ssl.SSLObject | ssl.SSLSocket) -> None:
    """Demand that a finished handshake used a version and suite of the policy. Raises: SecurityFault tls.parameters."""
    cipher = tls.cipher()
    if tls.version() != "TLSv1.2" or cipher is None or cipher[0] not in TLS12_SUITES or tls.compression() is not None:
        raise SecurityFault("tls.parameters", f"{tls.version()} {cipher[0] if cipher else 'none'}")


def _bare_context(server: bool, groups: tuple[str, ...]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(":".join(TLS12_SUITES))
    context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION | ssl.OP_CIPHER_SERVER_PREFERENCE
    context.verify_flags |= ssl.VERIFY_X509_STRICT | NO_CHECK_TIME
    signatures = ":".join(TLS12_SIGNATURES).encode()
    _control(context, _SET_GROUPS, ":".join(groups).encode(), 1)
    _control(context, _SET_SIGNATURES, signatures, 1)
    _control(context, _SET_CLIENT_SIGNATURES, signatures, 1)
    _control(context, _SET_SESSION_CACHE_MODE, None, None)
    return context


@functools.cache
def _library() -> ctypes.CDLL:
    library = ctypes.CDLL(getattr(_ssl, "__file__", None))
    try:
        library.SSL_CTX_ctrl.restype = ctypes.c_long
        library.SSL_CTX_ctrl.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_long, ctypes.c_char_p]
        library.SSL_CTX_get_options.restype = ctypes.c_uint64
        library.SSL_CTX_get_options.argtypes = [ctypes.c_void_p]
    except AttributeError as problem:
        raise Unavailable("tls.capability", "SSL_CTX_ctrl can't be reached") from problem
    return library


def _control(context: ssl.SSLContext, command: int, text: bytes | None, expected: int | None) -> None:
    """Call SSL_CTX_ctrl on the pointer that follows the object's head.

    The options read through the pointer must be those that Python sees: this tells a wrong memory layout before anything is set.
    """
    pointer = ctypes.c_void_p.from_address(id(context) + object.__basicsize__).value
    if pointer is None or _library().SSL_CTX_get_options(pointer) & 0xFFFFFFFF != int(context.options) & 0xFFFFFFFF:
        raise Unavailable("tls.capability", "the context's memory layout is unknown")
    result = _library().SSL_CTX_ctrl(pointer, command, 0, text)
    if expected is not None and result != expected:
        raise Unavailable("tls.capability", (text or b"").decode())


@functools.cache
def _self_test() -> None:
    """Shake hands in memory once a group with an ephemeral certificate, and prove that no session is kept.

    Raises: Unavailable tls.capability.
    """
    for groups, curve in ((WAN_GROUPS, "brainpoolP256r1"), (HAN_GROUPS, "secp384r1"), (HAN_GROUPS, "secp256r1")):
        key, certificate = _ephemeral_certificate(curve)
        server, client = _bare_context(True, groups), _bare_context(False, groups)
        _attach(server, key, certificate)
        client.check_hostname = False
        client.load_verify_locations(cadata=pem_bundle((certificate,)).decode())
        client.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        try:
            # Both sides of the first handshake stay alive: a dropped one would take its session out of the cache.
            first = handshake_in_memory(server, client)
            second = handshake_in_memory(server, client, first[1].session)[1]
            require_parameters(second)
        except (ssl.SSLError, SecurityFault) as problem:
            raise Unavailable("tls.capability", f"{curve}: {problem}") from problem
        if second.session_reused:
            raise Unavailable("tls.capability", "sessions are resumed")


def handshake_in_memory(
    server: ssl.SSLContext, client: ssl.SSLContext, session: ssl.SSLSession | None = None
) -> tuple[ssl.SSLObject, ssl.SSLObject]:
    """Let two contexts shake hands without sockets; returns (server side, client side). Raises: ssl.SSLError."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    sides = (server.wrap_bio(to_server, to_client, server_side=True), client.wrap_bio(to_client, to_server, session=session))
    waiting = set(sides)
    for _ in range(8):
        for side in reversed(sides):
            if side in waiting:
                try:
                    side.do_handshake()
                    waiting.discard(side)
                except ssl.SSLWantReadError:
                    continue
    if waiting:
        raise ssl.SSLError("handshake makes no progress")
    return sides


def _ephemeral_certificate(curve: str) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    key = ec.generate_private_key(curve_named(curve))
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "self-test")])
    start, end = datetime(2015, 1, 1, tzinfo=UTC), datetime(2049, 1, 1, tzinfo=UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
    builder = builder.not_valid_before(start).not_valid_after(end)
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    builder = builder.add_extension(identifier, False)
    builder = builder.add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), False)
    return key, builder.sign(key, signature_hash(curve))


def _attach(context: ssl.SSLContext, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> None:
    handle = os.memfd_create("smgw-self-test", os.MFD_CLOEXEC)
    try:
        form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        os.write(handle, pem_bundle((certificate,)) + key.private_bytes(*form))
        context.load_cert_chain(f"/proc/self/fd/{handle}")
    finally:
        os.close(handle)

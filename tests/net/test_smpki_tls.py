"""Dialers and listeners over real sockets: who gets in, who does not, and what each side learns."""

import asyncio
import contextlib
import shutil
import socket
import ssl
import warnings
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from tests.pki_builders import DEVICE_ID, KEYS, NOW, Party, SetClock, SmallPki

from smgw.core.errors import CertificateRejected, SecurityFault, SmgwError, Unavailable
from smgw.net.smpki_tls import RECEIVED_AT_ONCE, Channel, client_ssl_context, dial, listen, peer_of, server_ssl_context
from smgw.pki.assembly import sign_certificate
from smgw.pki.chain import ValidatedCertificate
from smgw.pki.names import Role
from smgw.pki.requests import make_request_package
from smgw.pki.trust import TrustStore
from smgw.security.policy import TLS12_SUITES
from smgw.security.tls import TlsIdentity

with warnings.catch_warnings():
    # The library imports asyncore, which this Python announces to remove.
    warnings.simplefilter("ignore", DeprecationWarning)
    from tlslite.api import HandshakeSettings, TLSConnection
    from tlslite.errors import TLSError

SMGW = frozenset({Role.SMGW})
LIMIT_S = 60.0


@dataclass
class World:
    """Hold a PKI with a gateway and a participant."""

    pki: SmallPki
    gateway: Party
    participant: Party
    clock: SetClock = field(default_factory=SetClock)

    def at(self, **shift: float) -> "World":
        return replace(self, clock=SetClock(NOW + timedelta(**shift)))


@dataclass
class Listening:
    """Hold a listener and what happened at it."""

    port: int
    refused: asyncio.Queue[tuple[str, str]]
    peers: list[str]
    trust: TrustStore


@pytest.fixture(scope="module")
def shared_world(tmp_path_factory: pytest.TempPathFactory) -> World:
    pki = SmallPki.make(tmp_path_factory.mktemp("pki"))
    return World(pki, pki.party(Role.SMGW, DEVICE_ID), pki.party(Role.EMT, "Netz"))


@pytest.fixture
def world(shared_world: World) -> World:
    return replace(shared_world, clock=SetClock())


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, peer: ValidatedCertificate) -> None:
    writer.write(await reader.readline() + peer.common_name.encode() + b"\n")
    await writer.drain()


@contextlib.asynccontextmanager
async def listening(
    world: World, party: Party | None = None, trust: TrustStore | None = None, **options: object
) -> AsyncIterator[Listening]:
    state = Listening(0, asyncio.Queue(), [], trust or world.pki.trust())

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, peer: ValidatedCertificate) -> None:
        state.peers.append(peer.common_name)
        await answer(reader, writer, peer)

    own = party or world.participant
    settings: dict[str, object] = {"roles": SMGW, "on_refused": lambda code, address: state.refused.put_nowait((code, address)), **options}
    server = await listen(handler, "127.0.0.1", 0, module=own.module, identity=own.tls, trust=state.trust, clock=world.clock, **settings)
    state.port = server.sockets[0].getsockname()[1]
    async with server:
        yield state


async def call(world: World, port: int, party: Party | None = None, **options: object) -> Channel:
    own = party or world.gateway
    settings: dict[str, object] = {"pinned": world.participant.triple.tls, "trust": world.pki.gateway_trust(), **options}
    return await dial("127.0.0.1", port, module=own.module, identity=own.tls, clock=world.clock, timeout_s=LIMIT_S, **settings)


async def refusal_of(state: Listening) -> str:
    code, address = await asyncio.wait_for(state.refused.get(), LIMIT_S)
    assert address == "127.0.0.1"
    assert state.peers == []
    return code


async def gets_nothing(channel: Channel) -> bool:
    """Tell whether a peer that shook hands is cut off without an answer."""
    async with asyncio.timeout(LIMIT_S):
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            channel.writer.write(b"hello\n")
            await channel.writer.drain()
            return await channel.reader.read() == b""
    return True


async def wait_for_refusal(world: World, party: Party, state: Listening) -> str:
    """Call as a party whose own view of the listener is fine, and give the listener's reason for refusing it."""
    with contextlib.suppress(SecurityFault):
        async with await call(replace(world, clock=SetClock()), state.port, party) as channel:
            assert await gets_nothing(channel)
    return await refusal_of(state)


async def code_of(call_: object) -> str:
    with pytest.raises(SmgwError) as caught:
        await call_  # type: ignore[misc]
    return caught.value.code


# who gets in


@pytest.mark.req("WAN-01", "WAN-03", "SEC-03")
@pytest.mark.parametrize("pins", [True, False])
async def test_both_sides_know_each_other(world: World, pins: bool) -> None:
    options = {} if pins else {"pinned": None, "trust": world.pki.trust()}
    async with listening(world) as state, await call(world, state.port, **options) as channel:
        assert (channel.peer.common_name, channel.peer.role) == ("Netz.EMT", Role.EMT)
        channel.writer.write(b"hello\n")
        assert await channel.reader.read() == b"hello\nEBSI0012345678.SMGW\n"
        assert state.peers == ["EBSI0012345678.SMGW"]
        assert state.refused.empty()


async def test_the_callers_clock_counts_and_not_the_machines(tmp_path: Path) -> None:
    past = NOW.replace(year=2016)
    pki = SmallPki.make(tmp_path, now=past)
    world = World(pki, pki.party(Role.SMGW, DEVICE_ID, now=past), pki.party(Role.EMT, "Netz", now=past), SetClock(past))
    async with listening(world, trust=pki.trust(past)) as state, await call(world, state.port) as channel:
        assert channel.peer.common_name == "Netz.EMT"


# the dialer refuses


@pytest.mark.req("WAN-03")
async def test_another_certificate_than_the_pinned_one(world: World) -> None:
    other = world.pki.party(Role.EMT, "Andere")
    async with listening(world, other) as state:
        assert await code_of(call(world, state.port)) == "pki.not_pinned"
        assert state.peers == []


@pytest.mark.req("WAN-03")
async def test_even_a_new_certificate_of_the_pinned_partner_is_another_one(world: World) -> None:
    renewed = world.pki.party(Role.EMT, "Zweite")
    package = make_request_package(renewed.module, KEYS, Role.EMT, "Zweite")
    again = world.pki.sub.issue_triple(package, Role.EMT, now=NOW)
    async with listening(world, replace(renewed, triple=again)) as state:
        assert await code_of(call(world, state.port, pinned=renewed.triple.tls)) == "pki.not_pinned"


async def test_a_pinned_certificate_that_is_not_acceptable_stops_before_anything_is_sent(world: World) -> None:
    async with listening(world) as state:
        assert await code_of(call(world.at(days=731), state.port)) == "pki.expired"
        assert await code_of(call(world.at(days=-1), state.port)) == "pki.not_yet_valid"
        assert await code_of(call(world, state.port, roles=frozenset({Role.GWA}))) == "pki.role"
        assert await code_of(call(world, state.port, pinned=world.gateway.triple.tls)) == "pki.role"
        assert await code_of(call(world, state.port, pinned=world.participant.triple.sig)) == "pki.usage"
        assert state.refused.empty()


async def test_without_a_pin_standing_is_checked(tmp_path: Path) -> None:
    pki = SmallPki.make(tmp_path)
    world = World(pki, pki.party(Role.SMGW, DEVICE_ID), pki.party(Role.EMT, "Netz"))
    before = pki.trust()
    pki.sub.revoke(world.participant.triple.tls.serial_number, x509.ReasonFlags.key_compromise, NOW)
    async with listening(world) as state:
        assert await code_of(call(world, state.port, pinned=None, trust=pki.gateway_trust())) == "pki.crl_missing"
        assert await code_of(call(world.at(days=20), state.port, pinned=None, trust=before)) == "pki.crl_stale"
        assert await code_of(call(world, state.port, pinned=None, trust=pki.trust())) == "pki.revoked"


async def test_a_server_of_another_pki(world: World, tmp_path: Path) -> None:
    other = SmallPki.make(tmp_path)
    async with listening(world, other.party(Role.EMT, "Netz")) as state:
        assert await code_of(call(world, state.port, pinned=None, trust=world.pki.trust())) == "pki.unknown_issuer"


async def test_nobody_listens(world: World, unused_tcp_port: int) -> None:
    assert await code_of(call(world, unused_tcp_port)) == "net.unreachable"


async def test_a_server_that_stays_silent(world: World) -> None:
    done = asyncio.Event()

    async def silent(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await done.wait()
        writer.close()

    async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(Unavailable) as caught:
            own = world.gateway
            await dial(
                "127.0.0.1",
                port,
                module=own.module,
                identity=own.tls,
                trust=world.pki.gateway_trust(),
                clock=world.clock,
                pinned=world.participant.triple.tls,
                timeout_s=0.2,
            )
        assert caught.value.code == "net.timeout"
        done.set()


@pytest.mark.parametrize("reply", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"", bytes(100), b"\x15\x03\x03\x00\x02\x02\x28"])
async def test_a_server_that_speaks_no_tls(world: World, reply: bytes) -> None:
    async def odd(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(reply)
        writer.close()

    async with await asyncio.start_server(odd, "127.0.0.1", 0) as server:
        assert await code_of(call(world, server.sockets[0].getsockname()[1])) == "tls.handshake"


# the listener refuses


@pytest.mark.parametrize(("days", "code"), [(-2, "pki.not_yet_valid"), (735, "pki.expired"), (8, "pki.crl_stale")])
@pytest.mark.req("EMT-01")
async def test_a_client_at_another_time(world: World, days: float, code: str) -> None:
    async with listening(world.at(days=days)) as state:
        assert await wait_for_refusal(world, world.gateway, state) == code


async def test_a_client_of_the_wrong_role(world: World) -> None:
    async with listening(world) as state:
        assert await wait_for_refusal(world, world.participant, state) == "pki.role"


@pytest.mark.parametrize(
    ("reason", "code"), [(x509.ReasonFlags.superseded, "pki.revoked"), (x509.ReasonFlags.certificate_hold, "pki.suspended")]
)
async def test_a_revoked_client_is_refused_from_the_next_list_on(world: World, reason: x509.ReasonFlags, code: str) -> None:
    client = world.pki.party(Role.SMGW, f"EBSI00{len(code):08d}")
    async with listening(world) as state:
        async with await call(world, state.port, client) as channel:
            channel.writer.write(b"hello\n")
            assert await channel.reader.readline() == b"hello\n"
        state.peers.clear()
        world.pki.sub.revoke(client.triple.tls.serial_number, reason, NOW)
        state.trust.update_crl(world.pki.sub.crl(NOW), NOW)
        assert await wait_for_refusal(world, client, state) == code


async def test_a_client_of_another_pki(world: World, tmp_path: Path) -> None:
    other = SmallPki.make(tmp_path).party(Role.SMGW, DEVICE_ID)
    async with listening(world) as state:
        assert await wait_for_refusal(world, other, state) == "pki.unknown_issuer"


@pytest.mark.parametrize("kind", ["sig", "enc"])
async def test_a_client_with_another_certificate_of_its_triple(world: World, kind: str) -> None:
    identity = TlsIdentity(getattr(KEYS, kind), (getattr(world.gateway.triple, kind), world.pki.sub.certificate))
    async with listening(world) as state:
        with contextlib.suppress(SecurityFault):
            async with await call(world, state.port, _Holder(world.gateway, identity)) as channel:
                assert await gets_nothing(channel)
        assert await refusal_of(state) in ("pki.usage", "tls.handshake")


@dataclass
class _Holder:
    """Stand in for a party with a TLS identity of its own choice."""

    party: Party
    tls: TlsIdentity

    @property
    def module(self) -> object:
        return self.party.module


@pytest.mark.req("SEC-04")
async def test_a_client_on_p256(world: World) -> None:
    """The authority issues no such certificate, so it is made past its checks."""
    module, sub, model = world.pki.module, world.pki.sub.certificate, world.gateway.triple.tls
    if "P256" not in module.names():
        module.generate("P256", "secp256r1")
    builder = x509.CertificateBuilder().subject_name(model.subject).issuer_name(sub.subject).public_key(module.public_key("P256"))
    builder = builder.serial_number(5).not_valid_before(model.not_valid_before_utc).not_valid_after(model.not_valid_after_utc)
    for extension in model.extensions:
        if isinstance(extension.value, x509.SubjectKeyIdentifier):
            builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(module.public_key("P256")), False)
        else:
            builder = builder.add_extension(extension.value, extension.critical)
    certificate = sign_certificate(builder, module, "CA_SIG_Test")
    holder = _Holder(replace(world.gateway, module=module), TlsIdentity("P256", (certificate, sub)))
    async with listening(world) as state:
        async with await call(world, state.port, holder) as channel:
            assert await gets_nothing(channel)
        assert await refusal_of(state) == "pki.curve"


def foreign_context(change: Callable[[ssl.SSLContext], object]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ecdh_curve("brainpoolP256r1")
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ALL:@SECLEVEL=0")
    change(context)
    return context


def _versions(version: ssl.TLSVersion) -> Callable[[ssl.SSLContext], None]:
    def change(context: ssl.SSLContext) -> None:
        with pytest.warns(DeprecationWarning) if version < ssl.TLSVersion.TLSv1_2 else contextlib.nullcontext():
            context.minimum_version = version
            context.maximum_version = version

    return change


@pytest.mark.parametrize(
    ("change", "code"),
    [
        pytest.param(lambda context: None, "tls.no_certificate", id="no-certificate"),
        pytest.param(_versions(ssl.TLSVersion.TLSv1_1), "tls.handshake", id="tls-1.1"),
        pytest.param(_versions(ssl.TLSVersion.TLSv1_3), "tls.handshake", id="tls-1.3-only"),
        pytest.param(lambda context: context.set_ecdh_curve("prime256v1"), "tls.handshake", id="no-brainpool"),
        pytest.param(lambda context: context.set_ciphers("ECDHE-ECDSA-AES256-SHA"), "tls.handshake", id="cbc-sha1"),
        pytest.param(lambda context: context.set_ciphers("aRSA"), "tls.handshake", id="rsa"),
    ],
)
@pytest.mark.req("SEC-03")
async def test_a_client_that_offers_less(world: World, change: Callable[[ssl.SSLContext], object], code: str) -> None:
    context = foreign_context(change)
    async with listening(world) as state:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await asyncio.open_connection("127.0.0.1", state.port, ssl=context)
        assert await refusal_of(state) == code


@pytest.mark.parametrize("first", [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", bytes(2000), b"\x16\x03\x01\x00\x05hello", b""])
async def test_a_client_that_speaks_no_tls(world: World, first: bytes) -> None:
    async with listening(world) as state:
        reader, writer = await asyncio.open_connection("127.0.0.1", state.port)
        writer.write(first)
        writer.write_eof()
        with contextlib.suppress(ConnectionError):
            await asyncio.wait_for(reader.read(), LIMIT_S)
        assert await refusal_of(state) == "tls.handshake"
        writer.close()


async def test_a_client_that_stays_silent_is_dropped(world: World) -> None:
    async with listening(world, handshake_timeout_s=0.1) as state:
        reader, writer = await asyncio.open_connection("127.0.0.1", state.port)
        with contextlib.suppress(ConnectionError):
            assert await asyncio.wait_for(reader.read(), LIMIT_S) == b""
        assert await refusal_of(state) == "tls.handshake"
        writer.close()


async def test_more_connections_than_allowed(world: World) -> None:
    async with listening(world, max_connections=1) as state:
        async with await call(world, state.port) as first:
            assert await code_of(call(world, state.port)) == "tls.handshake"
            assert (await asyncio.wait_for(state.refused.get(), LIMIT_S))[0] == "tls.too_many"
            first.writer.write(b"still here\n")
            assert await first.reader.readline() == b"still here\n"
            await first.reader.read()
        async with await call(world, state.port) as second:
            second.writer.write(b"hello\n")
            assert await second.reader.readline() == b"hello\n"


@pytest.mark.req("WAN-09")
@pytest.mark.req("ADM-01")
async def test_an_idle_connection_costs_little_and_a_long_message_passes(world: World) -> None:
    async with listening(world) as state, await call(world, state.port) as channel:
        tls = channel.writer.transport._ssl_protocol  # type: ignore[attr-defined]
        assert len(tls._ssl_buffer) == RECEIVED_AT_ONCE
        line = bytes(5 * RECEIVED_AT_ONCE) + b"\n"
        channel.writer.write(line)
        assert await channel.reader.readline() == line


async def test_a_session_ends_when_its_time_is_over(world: World) -> None:
    async with listening(world, session_limit_s=0.05) as state, await call(world, state.port) as channel:
        with contextlib.suppress(ConnectionError):
            assert await asyncio.wait_for(channel.reader.read(), LIMIT_S) == b""
    async with listening(world) as state, await call(world, state.port, session_limit_s=0.05) as channel:
        with contextlib.suppress(ConnectionError):
            assert await asyncio.wait_for(channel.reader.read(), LIMIT_S) == b""


async def test_a_peer_that_keeps_silent_does_not_hold_up_a_stop(world: World) -> None:
    own, release, connected = world.participant, asyncio.Event(), asyncio.Event()

    async def handler(_: asyncio.StreamReader, writer: asyncio.StreamWriter, peer: ValidatedCertificate) -> None:
        transport = writer.transport
        assert isinstance(transport, asyncio.Transport)
        transport.pause_reading()
        await release.wait()
        transport.abort()

    server = await listen(
        handler, "127.0.0.1", 0, module=own.module, identity=own.tls, trust=world.pki.trust(), clock=world.clock, roles=SMGW
    )

    async def work() -> None:
        async with await call(world, server.sockets[0].getsockname()[1]) as channel:
            connected.set()
            await channel.reader.read()

    async with server:
        task = asyncio.create_task(work())
        await connected.wait()
        loop = asyncio.get_running_loop()
        started = loop.time()
        task.cancel()
        await asyncio.wait([task], timeout=LIMIT_S)
        assert task.cancelled()
        assert loop.time() - started < 5
        release.set()


async def test_a_handler_that_fails_closes_its_connection_only(world: World) -> None:
    own, seen = world.participant, []

    async def handler(reader: asyncio.StreamReader, _: asyncio.StreamWriter, peer: ValidatedCertificate) -> None:
        seen.append(peer.common_name)
        if len(seen) == 1:
            raise CertificateRejected("pki.role")

    problems: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: problems.append(context))
    server = await listen(
        handler, "127.0.0.1", 0, module=own.module, identity=own.tls, trust=world.pki.trust(), clock=world.clock, roles=SMGW
    )
    async with server:
        for _ in range(2):
            async with await call(world, server.sockets[0].getsockname()[1]) as channel:
                assert await gets_nothing(channel)
    assert len(seen) == 2
    assert len(problems) == 1


async def test_an_address_that_can_not_be_bound(world: World) -> None:
    own = world.participant
    with pytest.raises(Unavailable) as caught:
        await listen(answer, "192.0.2.1", 1, module=own.module, identity=own.tls, trust=world.pki.trust(), clock=world.clock, roles=SMGW)
    assert caught.value.code == "net.unreachable"


# HTTP servers and clients, foreign programs


@pytest.mark.req("EMT-01")
async def test_http_server_and_client_take_the_contexts(world: World) -> None:
    own, trust = world.participant, world.pki.trust()

    async def page(request: web.Request) -> web.Response:
        try:
            peer = peer_of(request.transport, trust=trust, clock=world.clock, roles=SMGW)
        except SecurityFault as fault:
            return web.Response(status=403, text=fault.code)
        return web.Response(text=peer.common_name)

    app = web.Application()
    app.router.add_get("/", page)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=server_ssl_context(module=own.module, identity=own.tls, trust=trust)).start()
        port = runner.addresses[0][1]
        async with aiohttp.ClientSession() as session:
            for party, expected in ((world.gateway, "EBSI0012345678.SMGW"), (world.participant, "pki.role")):
                context = client_ssl_context(
                    module=party.module,
                    identity=party.tls,
                    trust=world.pki.gateway_trust(),
                    clock=world.clock,
                    roles=frozenset({Role.EMT}),
                    pinned=own.triple.tls,
                )
                async with session.get(f"https://127.0.0.1:{port}/", ssl=context, headers={"Connection": "close"}) as response:
                    assert await response.text() == expected
    finally:
        await runner.cleanup()


def test_a_connection_without_tls_has_no_peer(world: World) -> None:
    with pytest.raises(SecurityFault) as caught:
        peer_of(None, trust=world.pki.trust(), clock=world.clock, roles=SMGW)
    assert caught.value.code == "tls.no_certificate"


def foreign_party(world: World, folder: Path) -> None:
    """Write `key` and `chain` of a gateway for a foreign program, which holds its own key: its certificate is made past the request."""
    key = ec.generate_private_key(ec.BrainpoolP256R1())
    sub, model = world.pki.sub.certificate, world.gateway.triple.tls
    builder = x509.CertificateBuilder().subject_name(model.subject).issuer_name(sub.subject).public_key(key.public_key())
    builder = builder.serial_number(9).not_valid_before(model.not_valid_before_utc).not_valid_after(model.not_valid_after_utc)
    for extension in model.extensions:
        builder = builder.add_extension(extension.value, extension.critical)
    certificate = sign_certificate(builder, world.pki.module, "CA_SIG_Test")
    pem = serialization.Encoding.PEM
    (folder / "key").write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    (folder / "chain").write_bytes(certificate.public_bytes(pem) + sub.public_bytes(pem))


@pytest.mark.skipif(shutil.which("openssl") is None, reason="the openssl program is not installed: apt-get install openssl")
@pytest.mark.parametrize("suite", TLS12_SUITES)
@pytest.mark.req("SEC-03")
async def test_openssl_as_a_foreign_client(world: World, tmp_path: Path, suite: str) -> None:
    foreign_party(world, tmp_path)
    async with listening(world) as state:
        program = await asyncio.create_subprocess_exec(
            *("openssl", "s_client", "-connect", f"127.0.0.1:{state.port}", "-tls1_2", "-groups", "brainpoolP256r1"),
            *("-cipher", suite, "-cert", "chain", "-key", "key", "-quiet", "-ign_eof"),
            cwd=tmp_path,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        output, _ = await asyncio.wait_for(program.communicate(b"hello\n"), LIMIT_S)
        assert output == b"hello\nEBSI0012345678.SMGW\n"


@pytest.mark.parametrize(
    ("curve", "cipher", "mac", "works"),
    [
        ("brainpoolP256r1", "aes128gcm", "aead", True),
        ("brainpoolP256r1", "aes256gcm", "aead", True),
        ("brainpoolP256r1", "aes128", "sha256", True),
        ("brainpoolP256r1", "aes256", "sha384", True),
        ("brainpoolP256r1", "aes128", "sha", False),
        ("x25519", "aes128gcm", "aead", False),
        ("secp521r1", "aes128gcm", "aead", False),
    ],
)
async def test_a_second_tls_library_as_client(world: World, curve: str, cipher: str, mac: str, works: bool) -> None:
    """It can't show a brainpool certificate, so it is let in without one to see which suites and groups are spoken."""
    context = server_ssl_context(module=world.participant.module, identity=world.participant.tls, trust=world.pki.trust())
    context.verify_mode = ssl.CERT_NONE

    async def hello(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello")
        writer.close()

    async with await asyncio.start_server(hello, "127.0.0.1", 0, ssl=context) as server:
        port = server.sockets[0].getsockname()[1]
        assert await asyncio.to_thread(_probe, port, curve, cipher, mac) == works


def _probe(port: int, curve: str, cipher: str, mac: str) -> bool:
    settings = HandshakeSettings()
    settings.minVersion = settings.maxVersion = (3, 3)
    settings.cipherNames, settings.macNames, settings.keyExchangeNames = [cipher], [mac], ["ecdhe_ecdsa"]
    settings.eccCurves, settings.keyShares = [curve], []
    with socket.create_connection(("127.0.0.1", port), 5) as raw:
        connection = TLSConnection(raw)
        try:
            connection.handshakeClientCert(settings=settings)
            return bytes(connection.read(5, 5)) == b"hello"
        except (TLSError, OSError, ValueError):
            return False

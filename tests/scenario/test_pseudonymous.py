"""What a recipient sees of messages under a pseudonym, octet by octet: nothing by which it could tell gateways apart.

Two gateways send through one relay, which is the administrator or another participant. What arrives is compared between them: what is not
random, and not the content itself, is the same for both.
"""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import combinations
from pathlib import Path
from typing import NamedTuple
from uuid import UUID, uuid4

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from tests.participant.participant_parts import (
    GATEWAY,
    METER,
    NAME,
    NOW,
    PARTICIPANT_KEYS,
    STRANGER,
    administrator,
    delivery,
    gateway,
    identity_folder,
    participant_folder,
    participant_triple,
    pki,
    reading,
    running,
)
from tests.scenario.test_passing_on import grid, partner, sending, service_point

from smgw.codec.cms import authenveloped
from smgw.codec.cms.signed import SignerClaim
from smgw.core.delivery import Delivery
from smgw.core.errors import PeerFault
from smgw.core.notices import ADMINISTRATOR
from smgw.core.profiles import CommunicationProfile
from smgw.core.reading import SignedReading
from smgw.net.clock import ManualClock
from smgw.net.http_server import Reply, serve_http
from smgw.net.identity import Identity, load_identity
from smgw.net.smpki_tls import listen
from smgw.participant.config import PassedOn
from smgw.participant.database import connect
from smgw.participant.registry import Registry
from smgw.pki.chain import ValidatedCertificate
from smgw.pki.names import Role
from smgw.pki.triple import CertificateTriple
from smgw.protocol.tunnel_http import Request
from smgw.security.content import key_identifier, open_content, verify_envelope

pytestmark = [pytest.mark.req("WAN-06", "ADM-08", "ADM-11", "SEC-03"), pytest.mark.timeout(120)]

PSEUDONYMS = {GATEWAY: "00c0ffee00d1ce", STRANGER: "a1b2c3d4e5f607"}


class Arrived(NamedTuple):
    """Hold one request as its recipient sees it."""

    address: str
    peer: bytes
    """The TLS certificate of whoever connected."""
    request: Request


@asynccontextmanager
async def observer(seen: list[Arrived]) -> AsyncIterator[int]:
    """Listen as the recipient, and write down all that there is to see; the port is given."""
    folder = identity_folder(Role.EMT, "test", PARTICIPANT_KEYS)
    pki().trust(NOW).save(folder / "trust")
    own, clock = load_identity(folder, PARTICIPANT_KEYS), ManualClock(NOW)

    async def serve(reader: "asyncio.StreamReader", writer: "asyncio.StreamWriter", peer: ValidatedCertificate) -> None:
        address = writer.get_extra_info("peername")[0]

        async def respond(request: Request) -> Reply:
            seen.append(Arrived(address, peer.certificate.public_bytes(Encoding.DER), request))
            return Reply(200, b"no receipt")

        await serve_http(reader, writer, respond, on_fault=lambda _: None)

    facts = {"module": own.module, "identity": own.tls, "trust": own.trust, "clock": clock, "roles": frozenset({Role.GWA, Role.EMT})}
    server = await listen(serve, "127.0.0.1", 0, **facts)  # type: ignore[arg-type]
    async with server:
        yield int(server.sockets[0].getsockname()[1])


def message(of: str, value: int) -> Delivery:
    """Make a message of one value under the pseudonym that stands for a gateway."""
    name, start = PSEUDONYMS[of], delivery().period_start
    values = (SignedReading(reading(start, value, meter_id=name), b"", 0),)
    return delivery(values, message_id=str(uuid4()), sender=name, meter_id=name, metering_point_id=name)


@asynccontextmanager
async def by_administrator(path: Path, profile: CommunicationProfile) -> AsyncIterator[tuple[Identity, CommunicationProfile]]:
    """Run the administrator as the relay of both gateways; gives who it is and how it is reached."""
    async with service_point(path, profile) as (books, service):
        triple = gateway(STRANGER).triple
        books.inventory.add_gateway(STRANGER, triple.tls, triple.sig, triple.enc, NOW, "test")
        books.inventory.put_profile(STRANGER, profile, NOW, "test")
        yield administrator(), service


@asynccontextmanager
async def by_participant(path: Path, profile: CommunicationProfile) -> AsyncIterator[tuple[Identity, CommunicationProfile]]:
    """Run another participant as the relay."""
    relay = participant_folder(path / "grid")
    for file in identity_folder(Role.EMT, "grid", PARTICIPANT_KEYS).iterdir():
        if file.is_file():
            (relay.path / file.name).write_bytes(file.read_bytes())
    target = PassedOn(profile.partner_id, profile.host, profile.port, profile.tls_certificate)
    relay.save(msgspec.structs.replace(relay.load(), name="grid1.sm", passes_on=(target,)))
    connection = connect(relay.store)
    Registry(connection).register(STRANGER, [METER], [])
    connection.close()
    own = grid()
    async with running(relay) as market:
        yield own, partner("grid1.sm", market.deliveries_port, own.triple)


async def sent_through(kind: str, path: Path) -> tuple[Identity, dict[str, list[Arrived]]]:
    """Have each gateway send two messages through a relay; gives the relay and what came to the recipient."""
    came: dict[str, list[Arrived]] = {}
    seen: list[Arrived] = []
    async with AsyncExitStack() as stack:
        port = await stack.enter_async_context(observer(seen))
        through = ADMINISTRATOR if kind == "administrator" else "grid1.sm"
        profile = partner(NAME, port, CertificateTriple(*participant_triple()), through=through)
        run = by_administrator if kind == "administrator" else by_participant
        relay, service = await stack.enter_async_context(run(path, profile))
        for name in PSEUDONYMS:
            folder = path / name
            folder.mkdir()
            own = stack.enter_context(sending(folder, service if kind == "administrator" else None, gateway(name)))
            for one in (profile,) if kind == "administrator" else (service, profile):
                own.journal.put_profile(one, b"", NOW)
            for value in (230, 231):
                own.queue(message(name, value))
                seen.clear()
                # Nobody confirms, so each attempt ends without success; what counts is what was seen.
                await own.pump.flush()
                came.setdefault(name, []).append(seen[0])
                for waiting in own.journal.pending(5):
                    own.journal.acknowledge(waiting.message_id, b"", NOW)
    return relay, came


def envelope_of(arrived: Arrived, relay: Identity) -> bytes:
    def signer(claim: SignerClaim) -> x509.Certificate:
        assert claim.certificate == relay.triple.sig
        assert claim.others == ()
        return relay.triple.sig

    return verify_envelope(arrived.request.body, signer=signer).content


def content_of(arrived: Arrived, relay: Identity) -> str:
    folder = identity_folder(Role.EMT, "test", PARTICIPANT_KEYS)
    own = load_identity(folder, PARTICIPANT_KEYS)
    opened = open_content(arrived.request.body, module=own.module, recipient=own.recipient, signer=lambda _claim: relay.triple.sig)
    return opened.content.decode()


def marks_of(name: str) -> dict[str, bytes]:
    """Give everything by which a gateway could be known."""
    own = gateway(name)
    found = {"device id": name.encode(), "meter": METER.encode(), "lower": name.lower().encode()}
    for use, certificate in own.triple._asdict().items():
        number = certificate.serial_number
        found |= {
            f"{use} certificate": certificate.public_bytes(Encoding.DER),
            f"{use} serial": number.to_bytes((number.bit_length() + 7) // 8, "big"),
            f"{use} key id": key_identifier(certificate),
            f"{use} key": certificate.public_key().public_numbers().x.to_bytes(32, "big"),  # type: ignore[union-attr]
        }
    return found


@pytest.mark.parametrize("kind", ["administrator", "participant"])
async def test_a_recipient_can_not_tell_which_gateway_a_message_is_from(tmp_path: Path, kind: str) -> None:
    relay, came = await sent_through(kind, tmp_path)
    for name, arrived in came.items():
        for one in arrived:
            said = b"\n".join(f"{key}: {value}".encode() for key, value in one.request.headers)
            whole = said + one.request.target.encode() + one.request.body + one.peer + content_of(one, relay).encode()
            for other in came:
                assert [mark for mark, octets in marks_of(other).items() if octets in whole] == [], f"of {name}"
            assert one.peer == relay.triple.tls.public_bytes(Encoding.DER)
            assert open_by_relay(one, relay)


def open_by_relay(arrived: Arrived, relay: Identity) -> bool:
    """Tell that the relay's own keys open nothing."""
    try:
        open_content(arrived.request.body, module=relay.module, recipient=relay.recipient, signer=lambda _claim: relay.triple.sig)
    except PeerFault as fault:
        return fault.code == "cms.recipient"
    return False


@pytest.mark.parametrize("kind", ["administrator", "participant"])
async def test_what_is_neither_random_nor_content_is_the_same_for_all_gateways(tmp_path: Path, kind: str) -> None:
    relay, came = await sent_through(kind, tmp_path)
    everything = [one for arrived in came.values() for one in arrived]
    assert len({outside(one) for one in everything}) == 1
    assert len({shape(envelope_of(one, relay)) for one in everything}) == 1
    assert len({skeleton(content_of(one, relay)) for one in everything}) == 1
    # What is random is new each time: nothing goes on from one message to the next.
    ids = [dict(one.request.headers)["x-cid"] for one in everything]
    assert all(UUID(text.removeprefix("uuid:")).version == 4 for text in ids)
    envelopes = [envelope_of(one, relay) for one in everything]
    for first, second in combinations(envelopes, 2):
        assert random_parts(first).isdisjoint(random_parts(second))


def outside(arrived: Arrived) -> tuple[object, ...]:
    """Give all of a request but its id and its body: address, certificate, target, and the header fields in their order."""
    fields = [(key, "" if key.lower() in ("x-cid", "content-length") else value) for key, value in arrived.request.headers]
    return arrived.address, arrived.peer, arrived.request.method, arrived.request.target, tuple(fields)


def shape(envelope: bytes) -> tuple[object, ...]:
    """Give what an envelope says besides random octets and the content: content type, recipients, algorithms."""
    read = authenveloped.read(envelope)
    keys = tuple(key._replace(point=b"", encrypted_key=b"") for key in read.wrapped_keys)
    return keys, read.cipher, read.content_type, len(read.iv), len(read.mac), read.aad


def random_parts(envelope: bytes) -> set[bytes]:
    """Give an envelope's random octets: ephemeral point, wrapped key, nonce and tag."""
    read = authenveloped.read(envelope)
    return {part for key in read.wrapped_keys for part in (key.point, key.encrypted_key)} | {read.iv, read.mac}


def skeleton(content: str) -> str:
    """Give a content without message id, pseudonym and value."""
    for name in PSEUDONYMS.values():
        content = content.replace(name, "PSEUDONYM")
    content = re.sub(r"<d:message_id>[^<]*", "<d:message_id>", content)
    return re.sub(r">23[01]<", "><", content)

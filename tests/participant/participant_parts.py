"""A participant with its test PKI, and gateways that deliver to it: all parts are the real ones."""

import asyncio
import hashlib
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from uuid import UUID

import msgspec
from cryptography import x509

from smgw.codec.delivery_xml import encode_delivery
from smgw.core.delivery import Delivery, reading_order
from smgw.core.instant import day_bounds
from smgw.core.obis import ACTIVE_ENERGY_EXPORT, ACTIVE_ENERGY_IMPORT, Obis
from smgw.core.reading import Reading, SignedReading
from smgw.core.status_word import GATEWAY_OK, METER_IDENTIFICATION
from smgw.gateway.store import sign_reading
from smgw.net.clock import ManualClock
from smgw.net.http_exchange import HttpClient, Streams
from smgw.net.identity import Identity, create_keys, install_certificates, load_identity
from smgw.net.smpki_tls import Channel, dial
from smgw.participant.config import ParticipantFolder, provision_participant
from smgw.participant.server import TARGET
from smgw.participant.service import run_participant
from smgw.pki.deployment import PkiFolder
from smgw.pki.names import Role
from smgw.pki.triple import ADMINISTRATOR_KEYS, GATEWAY_KEYS, PARTICIPANT_KEYS, KeyNames
from smgw.protocol.tunnel_http import Response
from smgw.security.content import seal, verify_encapsulated

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
DAY = date(2026, 11, 21)
QUARTER = timedelta(minutes=15)
NAME = "emt1.sm"
GATEWAY = "ESGW0000000001"
STRANGER = "ESGW0000000002"
REVOKED = "ESGW0000000003"
METER = "1SGW0010000001"
CONTRACT = "taf7-1.sm"
REGISTERS = (ACTIVE_ENERGY_IMPORT, ACTIVE_ENERGY_EXPORT)


@cache
def pki() -> PkiFolder:
    """Found one test PKI for the whole test process."""
    return PkiFolder.found(Path(mkdtemp(prefix="smgw-pki-")), now=NOW - timedelta(days=1), sub_name="Test")


@cache
def identity_folder(role: Role, name: str, keys: KeyNames) -> Path:
    """Give a role its certified keys."""
    folder = Path(mkdtemp(prefix="smgw-identity-"))
    install_certificates(folder, pki().issue(create_keys(folder, keys, role, name), role, now=NOW), [pki().sub().certificate])
    return folder


@cache
def gateway(name: str = GATEWAY) -> Identity:
    """Give a gateway's identity; the SIG certificate of `REVOKED` is revoked, its TLS certificate is not."""
    folder = identity_folder(Role.SMGW, name, GATEWAY_KEYS)
    pki().trust(NOW).save(folder / "trust")
    identity = load_identity(folder, GATEWAY_KEYS)
    if name == REVOKED:
        pki().sub().revoke(identity.triple.sig.serial_number, x509.ReasonFlags.key_compromise, NOW)
    return identity


@cache
def administrator() -> Identity:
    """Give an administrator's identity: a member of the PKI, in the wrong role."""
    folder = identity_folder(Role.GWA, "test", ADMINISTRATOR_KEYS)
    pki().trust(NOW).save(folder / "trust")
    return load_identity(folder, ADMINISTRATOR_KEYS)


def participant_folder(path: Path, **changes: object) -> ParticipantFolder:
    """Make a fresh participant in a folder; its keys are those of every test, its store is empty."""
    gateway(REVOKED)
    shutil.copytree(identity_folder(Role.EMT, "test", PARTICIPANT_KEYS), path, dirs_exist_ok=True)
    pki().trust(NOW).save(path / "trust")
    facts = {
        "name": NAME,
        "deliveries_port": 0,
        "api_port": 0,
        "crl_url": "",
        "gateway_id": GATEWAY,
        "meters": [METER],
        "contracts": [CONTRACT, "taf1-1.sm"],
    }
    provision_participant(path, **{**facts, **changes})  # type: ignore[arg-type]
    return ParticipantFolder(path)


@cache
def participant_triple() -> list[x509.Certificate]:
    """Give the participant's TLS, SIG and ENC certificates."""
    folder = identity_folder(Role.EMT, "test", PARTICIPANT_KEYS)
    pki().trust(NOW).save(folder / "trust")
    return list(load_identity(folder, PARTICIPANT_KEYS).triple)


def reading(target: datetime, raw: int | None, obis: Obis = ACTIVE_ENERGY_IMPORT, **changes: object) -> Reading:
    """Make an unmarked reading in 0.1 Wh."""
    whole = Reading(METER, obis, raw, -1, 30, target + timedelta(microseconds=250_000), target, GATEWAY_OK, METER_IDENTIFICATION)
    return msgspec.structs.replace(whole, **changes)


def signed(one: Reading, sequence: int, signer: str = GATEWAY) -> SignedReading:
    """Sign a reading with a gateway's key."""
    return SignedReading(one, sign_reading(gateway(signer).module, GATEWAY_KEYS.sig, one), sequence)


@cache
def day_readings(day: date = DAY) -> tuple[SignedReading, ...]:
    """Sign a whole day of both registers, opening boundary included."""
    opening, closing = day_bounds(day)
    count = int((closing - opening) / QUARTER)
    values = [
        signed(reading(opening + number * QUARTER, 10_000 + 7 * number * (column + 1), obis), 2 * number + column)
        for number in range(count + 1)
        for column, obis in enumerate(REGISTERS)
    ]
    return tuple(sorted(values, key=reading_order))


def delivery(readings: tuple[SignedReading, ...] | None = None, number: int = 1, **changes: object) -> Delivery:
    """Make a delivery of a few readings; `number` makes the message id."""
    opening, closing = day_bounds(DAY)
    if readings is None:
        readings = (signed(reading(opening + QUARTER, 10_007), 2), signed(reading(opening + 2 * QUARTER, 10_014), 4))
    whole = Delivery(
        message_id=str(UUID(int=number, version=4)),
        created_at=NOW,
        sender=GATEWAY,
        recipient=NAME,
        contract=CONTRACT,
        taf=7,
        metering_point_id="DE0001",
        period_start=opening,
        period_end=closing,
        meter_id=METER,
        readings=readings,
    )
    return msgspec.structs.replace(whole, **changes)


def sealed(
    whole: Delivery | bytes, *, signer: Identity | None = None, recipient: x509.Certificate | None = None, **options: object
) -> bytes:
    """Sign and encrypt a delivery (or any octets) for the participant."""
    identity = signer or gateway()
    body = whole if isinstance(whole, bytes) else encode_delivery(whole)
    recipient = recipient or participant_triple()[2]
    return seal(body, module=identity.module, signer=identity.signer, recipient=recipient, **options)  # type: ignore[arg-type]


@dataclass
class Market:
    """Hold a running participant."""

    folder: ParticipantFolder
    deliveries_port: int
    api_port: int
    clock: ManualClock

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.api_port}"

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.folder.operator_token()}"}

    @asynccontextmanager
    async def channel(self, identity: Identity | None = None) -> AsyncIterator[Channel]:
        """Connect as a gateway."""
        party = identity or gateway()
        channel = await dial(
            "127.0.0.1",
            self.deliveries_port,
            module=party.module,
            identity=party.tls,
            trust=party.trust,
            clock=self.clock,
            pinned=participant_triple()[0],
            timeout_s=10,
        )
        async with channel:
            yield channel

    @asynccontextmanager
    async def connection(self, identity: Identity | None = None) -> AsyncIterator[HttpClient]:
        """Connect as a gateway that asks over HTTP."""
        async with self.channel(identity) as channel:
            yield HttpClient(Streams(channel.reader, channel.writer), NAME)

    async def post(self, message: bytes, message_id: str, identity: Identity | None = None) -> Response:
        """Send one message over a connection of its own."""
        async with self.connection(identity) as client:
            return await client.request("POST", TARGET, headers(message_id), message)

    async def deliver(self, whole: Delivery, **options: object) -> Response:
        """Seal a delivery and send it."""
        return await self.post(sealed(whole, **options), whole.message_id)  # type: ignore[arg-type]


def headers(message_id: str) -> dict[str, str]:
    """Give the header fields of a delivery."""
    return {"Content-Type": "application/cms", "x-CID": f"uuid:{message_id}"}


def receipt_of(response: Response, message: bytes | None = None) -> dict[str, object]:
    """Verify a receipt as a gateway does."""
    content = verify_encapsulated(response.body, signer=lambda _claim: participant_triple()[1]).content
    facts = msgspec.json.decode(content, type=dict[str, object])
    if message is not None:
        assert facts["digest"] == hashlib.sha256(message).hexdigest()
    return facts


@asynccontextmanager
async def running(folder: ParticipantFolder) -> AsyncIterator[Market]:
    """Run a participant in this process until the block ends."""
    clock, stop = ManualClock(NOW), asyncio.Event()
    facts: asyncio.Future[dict[str, object]] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(run_participant(folder, clock, facts.set_result, stop))
    try:
        await asyncio.wait({task, facts}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            task.result()
        ports = facts.result()
        yield Market(folder, int(str(ports["deliveries_port"])), int(str(ports["api_port"])), clock)
    finally:
        stop.set()
        await task

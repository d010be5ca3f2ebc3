"""Bad input, and what it gets: a clear error with a code in the right log, no partial effect, and the service goes on."""

import asyncio
import resource
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from itertools import pairwise, product
from pathlib import Path

import httpx
import msgspec
import pytest
from cryptography import x509
from tests.gateway.gateway_parts import participant_identity
from tests.scenario.whole_gateway import FOUNDED, LINK, METER, PASSWORD, QUARTER, World, measuring, until

from smgw.administrator import lookout, management
from smgw.administrator.books import open_books
from smgw.administrator.config import AdministratorFolder
from smgw.administrator.service import run_administrator
from smgw.codec.delivery_xml import encode_delivery
from smgw.core.delivery import Delivery, reading_order
from smgw.core.errors import SmgwError
from smgw.core.identifiers import DeviceId
from smgw.core.log_event import Log
from smgw.core.obis import ACTIVE_ENERGY_IMPORT
from smgw.core.profiles import CommunicationProfile
from smgw.core.state import State
from smgw.gateway.config import GatewayFolder
from smgw.gateway.service import JOURNAL_PURPOSE, Gateway
from smgw.net import revocation
from smgw.net.clock import ManualClock, PacedClock
from smgw.net.http_exchange import HttpClient, Streams
from smgw.net.identity import load_identity, open_module
from smgw.net.pacemaker import Pacemaker
from smgw.net.pki_service import PkiService
from smgw.net.smpki_tls import dial
from smgw.participant.config import ParticipantFolder
from smgw.participant.server import TARGET
from smgw.participant.service import run_participant
from smgw.pki.names import Role
from smgw.pki.triple import ADMINISTRATOR_KEYS, PARTICIPANT_KEYS
from smgw.security.content import seal
from smgw.simulation.household import Household
from smgw.simulation.meters.port import MeterPort
from smgw.simulation.meters.sml_meter import SmlMeter
from smgw.simulation.processes import Processes, Running
from smgw.simulation.provisioning import DEFAULT_GATEWAY_ID, PARTNER_ID, hex_der
from smgw.storage.journal import Journal

pytestmark = pytest.mark.timeout(120)

Damage = Callable[[bytes, bytes], bytes]
"""Make of two telegrams what arrives."""

DAMAGES: dict[str, tuple[Damage, str]] = {
    "truncated": (lambda a, _: a[:-20], "sml.framing"),
    "mixed": (lambda a, b: a[: len(a) // 2] + b[len(b) // 2 :], "sml.transport_crc"),
    "restarted": (lambda a, b: a[: len(a) // 2] + b"\x1b\x1b\x1b\x1b\x01\x01\x01\x01" + a[8:40], "sml.framing"),
    "bit-flipped": (lambda a, _: a[:60] + bytes((a[60] ^ 0x10,)) + a[61:], "sml.transport_crc"),
}


@pytest.mark.req("LMN-02", "OPS-05")
async def test_truncated_mixed_restarted_and_bit_flipped_sml(tmp_path: Path) -> None:
    async with measuring(tmp_path) as world:
        for number, (damage, code) in enumerate(DAMAGES.values(), 1):
            moment = world.next_quarter()
            await world.move_to(moment)
            await world.feed(damage(world.meter.telegram(moment), world.meter.telegram(moment - QUARTER)))
            await world.move_to(moment + timedelta(seconds=2))
            await world.feed(world.meter.telegram(world.clock.now()))
            assert world.readings()[moment] == world.raw_at(world.clock.now()), code
            assert sum(world.gateway.rejected.values()) >= number
        assert {code for event, code in world.told() if event == "telegram_rejected"} == {code for _, code in DAMAGES.values()}
        await world.delivered()
        assert world.gateway.states.state is State.NORMAL
        assert None not in world.readings().values()


@pytest.mark.req("LMN-02")
async def test_no_bit_of_a_telegram_can_flip_unnoticed(tmp_path: Path) -> None:
    async with measuring(tmp_path) as world:
        moment = world.next_quarter()
        await world.move_to(moment)
        good = world.meter.telegram(moment)
        flipped = [good[:place] + bytes((good[place] ^ (1 << place % 8),)) + good[place + 1 :] for place in range(0, len(good), 7)]
        await world.feed(b"".join(flipped))
        assert moment not in world.readings()
        await world.feed(good)
        assert world.readings()[moment] == world.raw_at(moment)


@pytest.mark.req("LMN-03")
async def test_an_unknown_meter_is_counted_told_once_and_not_stored(tmp_path: Path) -> None:
    async with measuring(tmp_path) as world:
        stranger = SmlMeter(DeviceId.parse("1SGW0099999999"), Household("flat"))
        before = world.gateway.journal.count_readings()
        for _ in range(3):
            await world.feed(stranger.telegram(world.clock.now()))
        assert world.gateway.journal.count_readings() == before
        assert world.gateway.acquisition.unknown == {"1SGW0099999999": 3}
        assert [event for event, _ in world.told()].count("meter_unknown") == 1
        assert "meter_unknown" not in [event for event, _ in world.told(Log.CONSUMER)]
        moment = await world.quarter()
        assert world.readings()[moment] == world.raw_at(moment)


def start(folder: Path) -> None:
    Gateway(GatewayFolder(folder), ManualClock(FOUNDED))


def journal_under_another_key(gateway: Path, _: Path) -> None:
    for file in gateway.glob("journal.db*"):
        file.unlink()
    Journal.open(gateway / "journal.db", b"another key of 32 octets ......!").close()


@pytest.mark.req("SEC-01", "STATE-04")
@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda gateway, other: (gateway / "module.secret").write_bytes((other / "module.secret").read_bytes()), "module.locked"),
        (lambda gateway, other: (gateway / "module.smgwkeys").write_bytes((other / "module.smgwkeys").read_bytes()), "module.locked"),
        (journal_under_another_key, "journal.key"),
    ],
    ids=["module secret", "module of somebody else", "journal key"],
)
async def test_a_wrong_key_at_the_start_is_told_with_its_code_and_nothing_is_changed(
    tmp_path: Path, spoil: Callable[[Path, Path], object], code: str
) -> None:
    state = World(tmp_path / "data", FOUNDED)
    state.provision()
    state.port.close()
    folder = state.layout.gateway
    spoil(folder, state.layout.participant)
    before = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file() and path.suffix != ".lock"}
    if code == "journal.key":
        # A module that opens keeps books of its own.
        del before["module.smgwkeys"]
    with pytest.raises(SmgwError) as fault:
        start(folder)
    assert fault.value.code.startswith(code)
    assert fault.value.exit_code in (3, 5)
    assert {name: (folder / name).read_bytes() for name in before} == before


@pytest.mark.req("WAN-03", "WAN-05")
async def test_a_wrong_enc_key_is_refused_by_the_participant_and_the_message_waits_for_the_right_one(tmp_path: Path) -> None:
    async with measuring(tmp_path) as world:
        await world.delivered()
        right = next(p for p in world.gateway.journal.profiles("communication") if isinstance(p, CommunicationProfile))
        wrong = msgspec.structs.replace(right, enc_certificate=hex_der(participant_identity().triple.enc), version=2)
        world.order(wrong)
        await until(lambda: world.gateway.journal.profiles("communication") == [wrong], "profile")
        moment = await world.quarter()
        await until(world.refusals, "refusal")
        assert set(world.refusals()) == {"cms.recipient"}
        assert ("delivery_failed", "http.refused") in world.told()
        assert world.readings()[moment] == world.raw_at(moment)
        before = world.totals().deliveries
        world.order(msgspec.structs.replace(right, version=3))
        await until(lambda: world.gateway.journal.profiles("communication")[0].version == 3, "profile")
        await world.quarter()
        await world.delivered()
        assert world.totals().deliveries == before + 2


@pytest.mark.req("PKI-02", "WAN-03")
async def test_an_expired_certificate_ends_both_connections_and_measuring_goes_on(tmp_path: Path) -> None:
    expiry = min(certificate.not_valid_after_utc for certificate in World(tmp_path / "first", FOUNDED).triple(Role.EMT))
    async with measuring(tmp_path, expiry - timedelta(minutes=10)) as world:
        await world.delivered()
        await world.quarter()
        moment = await world.quarter()
        await until(lambda: ("peer_certificate_rejected", "pki.expired") in world.told(), "event")
        assert world.gateway.journal.pending(10)
        world.order(msgspec.structs.replace(world.gateway.journal.profiles("meter")[0], version=2))
        await until(lambda: world.diagnosed("gateway_refused"), "administrator's refusal")
        assert world.diagnosed("gateway_refused")[0] == "pki.expired"
        assert world.readings()[moment] == world.raw_at(moment)


@pytest.mark.req("PKI-02", "WAN-05")
async def test_a_revoked_gateway_is_refused_by_both_partners_until_it_is_released(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(revocation, "INTERVAL", 2 * QUARTER)
    async with measuring(tmp_path) as world:
        await world.delivered()
        serial = world.triple(Role.SMGW).tls.serial_number
        world.pki.sub().revoke(serial, x509.ReasonFlags.certificate_hold, world.clock.now())
        await world.move_to(world.clock.now() + 2 * QUARTER)
        moment = await world.quarter()
        assert "pki.suspended" in world.refusals()
        assert {event for event, _ in world.told()} & {"handshake_failed", "delivery_failed"}
        assert world.readings()[moment] == world.raw_at(moment)
        waiting = world.gateway.journal.pending(100)
        assert waiting
        world.order(msgspec.structs.replace(world.gateway.journal.profiles("meter")[0], version=2))
        await until(lambda: "pki.suspended" in world.diagnosed("gateway_refused"), "administrator's refusal")
        world.pki.sub().release(serial, world.clock.now())
        await world.move_to(world.clock.now() + 3 * QUARTER)
        await world.delivered()


@pytest.mark.req("PKI-02", "WAN-03")
async def test_a_wrong_role_gets_nothing_at_any_door(tmp_path: Path) -> None:
    async with measuring(tmp_path) as world:
        callers = (world.layout.administrator, ADMINISTRATOR_KEYS), (world.layout.participant, PARTICIPANT_KEYS)
        doors = (Role.GWA, world.system.ports.management), (Role.EMT, world.system.ports.deliveries)
        for (folder, keys), (server, port) in product(callers, doors):
            caller = load_identity(folder, keys)
            with suppress(SmgwError):
                channel = await dial(
                    "127.0.0.1", port, module=caller.module, identity=caller.tls, trust=caller.trust, clock=world.clock,
                    roles=frozenset({server}), pinned=world.triple(server).tls, timeout_s=10,
                )  # fmt: skip
                async with channel:
                    with suppress(ConnectionError):
                        assert await channel.reader.read() == b""
        assert world.diagnosed("connection_refused") == ["pki.role"] * 2
        await until(lambda: len(world.refusals()) == 2, "participant's refusals")
        assert world.refusals() == ["pki.role"] * 2
        await world.quarter()
        await world.delivered()


@pytest.mark.req("ADM-02", "PKI-02")
async def test_a_partner_of_a_wrong_role_is_refused_as_a_profile(tmp_path: Path) -> None:
    async with measuring(tmp_path) as world:
        right = next(p for p in world.gateway.journal.profiles("communication") if isinstance(p, CommunicationProfile))
        world.order(msgspec.structs.replace(right, tls_certificate=hex_der(world.triple(Role.GWA).tls), version=2))
        await until(lambda: ("command_rejected", "command.profile") in world.told(), "refusal")
        assert world.gateway.journal.profiles("communication") == [right]
        books = open_books(AdministratorFolder(world.layout.administrator).inventory)
        assert books.audit.newest(1)[0]["result"] == "command.profile"
        books.close()
        await world.quarter()
        await world.delivered()


@pytest.mark.req("EMT-01", "WAN-03")
async def test_a_replayed_or_altered_message_at_the_participant(tmp_path: Path) -> None:
    async with measuring(tmp_path) as world:
        await world.delivered()
        gateway, before = world.gateway.identity, world.totals()
        delivery = Delivery(
            "7e0a6f3e-2c74-4b3e-9a52-0f4f6d4f6a01", world.clock.now(), DEFAULT_GATEWAY_ID, PARTNER_ID, "taf7-1.sm", 7,
            "DE0001", FOUNDED, world.clock.now(), METER.meter_id,
            tuple(sorted(world.gateway.journal.readings(METER.meter_id), key=reading_order)),
        )  # fmt: skip

        def sealed(content: Delivery) -> bytes:
            body = encode_delivery(content)
            return seal(body, module=gateway.module, signer=gateway.signer, recipient=world.triple(Role.EMT).enc)

        async def post(document: bytes) -> int:
            async with await dial(
                "127.0.0.1", world.system.ports.deliveries, module=gateway.module, identity=gateway.tls, trust=gateway.trust,
                clock=world.clock, roles=frozenset({Role.EMT}), pinned=world.triple(Role.EMT).tls, timeout_s=10,
            ) as channel:  # fmt: skip
                client = HttpClient(Streams(channel.reader, channel.writer), PARTNER_ID)
                headers = {"Content-Type": "application/cms", "x-CID": f"uuid:{delivery.message_id}"}
                return (await client.request("POST", TARGET, headers, document)).status

        document = sealed(delivery)
        for place in (20, len(document) // 2, len(document) - 1):
            altered = document[:place] + bytes((document[place] ^ 1,)) + document[place + 1 :]
            assert await post(altered) == 400
        assert world.totals()._replace(rejected=0) == before._replace(rejected=0)
        assert await post(document) == 200
        assert await post(document) == 200
        assert await post(sealed(delivery)) == 200
        assert world.totals().deliveries == before.deliveries + 1
        changed = msgspec.structs.replace(delivery, metering_point_id="DE0002")
        assert await post(sealed(changed)) == 400
        await until(lambda: len(world.refusals()) == 4, "refusals")
        assert all(code.startswith("cms.") for code in world.refusals()[:3])
        assert world.refusals()[3] == "delivery.replayed"
        assert world.totals().deliveries == before.deliveries + 1
        await world.quarter()
        await world.delivered()
        assert world.totals().deliveries == before.deliveries + 2


@pytest.mark.req("CON-01")
async def test_a_wrong_password_at_the_han_is_refused_told_and_locked(tmp_path: Path) -> None:
    async with measuring(tmp_path) as world:
        root = f"https://127.0.0.1:{world.system.ports.han}/smgw/m2m"

        async def status(password: str) -> tuple[int, str]:
            async with httpx.AsyncClient(verify=False, auth=httpx.DigestAuth("consumer", password)) as client:
                reply = await client.get(root, follow_redirects=False)
                return reply.status_code, reply.text

        assert (await status(PASSWORD))[0] == 307
        for _ in range(5):
            code, text = await status("not the password")
            assert code == 401
            assert PASSWORD not in text and "Traceback" not in text
        events = [event for event, _ in world.told()]
        assert "login_failed" in events and "login_locked" in events
        assert (await status(PASSWORD))[0] == 401
        moment = await world.quarter()
        assert world.readings()[moment] == world.raw_at(moment)


@asynccontextmanager
async def gateway_process(path: Path, speed: float) -> AsyncIterator[tuple[World, Running]]:
    """Run administrator and participant here and the real gateway as a process of its own, all by a fast common clock."""
    state = World(path / "data", FOUNDED)
    state.provision()
    service, stop, up = PkiService(state.pki, state.clock), asyncio.Event(), list[object]()
    await service.start("127.0.0.1", state.system.ports.pki)
    processes = Processes(path / "log")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lookout, "LOOK_S", 0.05)
        patch.setattr(management, "OBSERVE_LOOKS", 1)
        async with Pacemaker(path / "clock", FOUNDED, speed) as pacemaker:
            clock = PacedClock(path / "clock")
            with pacemaker.hold():
                roles = [
                    asyncio.create_task(run_administrator(AdministratorFolder(state.layout.administrator), clock, up.append, stop)),
                    asyncio.create_task(run_participant(ParticipantFolder(state.layout.participant), clock, up.append, stop)),
                ]
                await until(lambda: len(up) == 2, "partners")
                words = ["gateway", "run", "--data", str(state.layout.gateway), "--clock", f"paced:{path / 'clock'}", "--stop-on-eof"]
                running = await processes.start("gateway", words)
                await until(lambda: state.port.has_reader, "gateway")
            sending = asyncio.create_task(MeterPort(state.meter, state.port, clock, LINK, timedelta(seconds=450)).run())
            try:
                yield state, running
            finally:
                sending.cancel()
                pacemaker_end = await processes.stop()
                await processes.kill()
                stop.set()
                await asyncio.gather(*roles, sending, return_exceptions=True)
                await service.close()
                state.port.close()
                clock.close()
        assert "gateway" in pacemaker_end, "the gateway didn't end in good order"


@pytest.mark.req("OPS-05", "MEAS-01", "STATE-01")
async def test_a_full_disk_while_writing_stops_measuring_is_told_and_loses_nothing(tmp_path: Path) -> None:
    async with gateway_process(tmp_path, speed=20_000) as (world, running):
        books = open_books(AdministratorFolder(world.layout.administrator).inventory)

        def state() -> str:
            return books.inventory.status(FOUNDED)[0].state

        await until(lambda: state() == State.NORMAL and world.totals().deliveries > 3, "normal operation")
        _, hard = resource.prlimit(running.process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(running.process.pid, resource.RLIMIT_FSIZE, (4096, hard))
        await until(lambda: state() == State.SECURE_APPLICATION, "secure state")
        resource.prlimit(running.process.pid, resource.RLIMIT_FSIZE, (hard, hard))
        await until(lambda: state() == State.NORMAL, "normal operation again")
        delivered = world.totals().deliveries
        await until(lambda: world.totals().deliveries > delivered + 3, "deliveries again")
        assert running.process.returncode is None
        books.close()
    key = open_module(world.layout.gateway).storage_key(JOURNAL_PURPOSE)
    with Journal.open_read_only(world.layout.gateway / "journal.db", key) as journal:
        journal.verify()
        series = [signed.reading for signed in journal.readings(METER.meter_id, [ACTIVE_ENERGY_IMPORT])][1:]
        told = [stored.entry.event for stored in journal.log(Log.SYSTEM)]
    assert [later.target_time - earlier.target_time for earlier, later in pairwise(series)] == [QUARTER] * (len(series) - 1)
    assert [reading.raw for reading in series] == [world.raw_at(reading.target_time) for reading in series]
    assert told.index("storage_full") < told.index("storage_available")

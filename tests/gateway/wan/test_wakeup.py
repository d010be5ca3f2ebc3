"""The wake-up receiver on a real socket: it calls for the administrator's packet alone, stores its time first, and never answers."""

import asyncio
import hashlib
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.gateway.gateway_parts import GATEWAY_ID, START, administrator_identity, gateway_identity
from tests.gateway.management_channel import Channel
from tests.gateway.wan.wan_parts import LIMIT_S, until

from smgw.codec.wakeup import ALGORITHM_OF_KEY_BITS, encode_packet, plain_signature, signed_part
from smgw.core.errors import Unavailable
from smgw.core.identifiers import DeviceId
from smgw.core.instant import ClockStatus
from smgw.core.log_event import Log
from smgw.gateway.clock import GatewayClock
from smgw.gateway.config import WakeUpConfig
from smgw.gateway.wan import wakeup as receiver_module
from smgw.gateway.wan.wakeup import ACCEPTED, WakeUpReceiver, WakeUpSettings
from smgw.net.clock import ManualClock
from smgw.protocol.time_sync import TimeMeasurement
from smgw.simulation.free_ports import free_port

pytestmark = pytest.mark.req("WAN-04")


class Bench:
    """Hold a receiver over a journal and a clock that is moved by hand."""

    def __init__(self, path: Path) -> None:
        self.channel = Channel(path / "journal.db")
        self.journal = self.channel.journal
        self.base = ManualClock(START)
        self.clock = GatewayClock(self.base)
        self.clock.apply(TimeMeasurement(timedelta(), timedelta()))
        self.calls = 0
        self.called = asyncio.Event()

    def call(self) -> None:
        self.calls += 1
        self.called.set()

    def receiver(self, config: WakeUpConfig | None = None) -> WakeUpReceiver:
        administrator = "test.GWA", administrator_identity().triple.sig
        device = DeviceId.parse(GATEWAY_ID)
        config = config or WakeUpConfig(host="127.0.0.1", port=0)
        return WakeUpReceiver(config, device, administrator, self.journal, self.channel.context.recorder, self.clock, self.call)

    def told(self) -> list[tuple[str, str]]:
        entries = self.journal.log(Log.SYSTEM)
        return [(stored.entry.event, stored.entry.parameters.get("code", "")) for stored in entries]

    def packet(self, offset_s: int = 0) -> bytes:
        return packet(int(self.clock.now().timestamp()) + offset_s)


def packet(seconds: int, recipient: str = GATEWAY_ID, *, foreign: bool = False) -> bytes:
    signer = gateway_identity() if foreign else administrator_identity()
    signed, algorithm = signed_part(DeviceId.parse(recipient), seconds), ALGORITHM_OF_KEY_BITS[256]
    digest = hashlib.sha256(signed).digest()
    return encode_packet(signed, algorithm, plain_signature(signer.module.sign_digest(signer.signer.key_name, digest), 32))


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    assert bench.clock.status is ClockStatus.VALID
    yield bench
    bench.journal.close()


@asynccontextmanager
async def listening(receiver: WakeUpReceiver) -> AsyncIterator[WakeUpReceiver]:
    task = asyncio.create_task(receiver.run())
    try:
        await listens(receiver)
        yield receiver
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def listens(receiver: WakeUpReceiver, port: int = 0) -> None:
    await until(lambda: receiver.port != 0 and port in (0, receiver.port))


def send(receiver: WakeUpReceiver, data: bytes) -> socket.socket:
    caller = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    caller.sendto(data, receiver.place)
    return caller


async def called(bench: Bench) -> None:
    async with asyncio.timeout(LIMIT_S):
        await bench.called.wait()
    bench.called.clear()


@pytest.mark.req("WAN-01")
@pytest.mark.step("2.2.2.3", "3.3.1", event="wake_up_accepted")
async def test_the_administrators_packet_calls_once_and_gets_no_answer(bench: Bench) -> None:
    async with listening(bench.receiver()) as receiver:
        with send(receiver, bench.packet()) as caller:
            await called(bench)
            caller.sendto(bench.packet(), receiver.place)
            caller.sendto(b"nonsense", receiver.place)
            await bench.base.advance_to(START + timedelta(seconds=2))
            caller.sendto(bench.packet(), receiver.place)
            await called(bench)
            caller.setblocking(False)
            with pytest.raises(BlockingIOError):
                caller.recv(1)
    assert bench.calls == 2
    assert receiver.woken_ms is not None
    assert receiver.facts() == {"port": 0, "accepted": 2, "refused": {"wakeup.rate": 1, "wakeup.length": 1}}
    assert bench.told() == [("wake_up_accepted", "")] * 2


async def test_the_time_is_stored_before_anybody_is_called(bench: Bench) -> None:
    stored: list[bytes | None] = []
    receiver = bench.receiver()
    receiver._call = lambda: stored.append(bench.journal.get_state(ACCEPTED))
    receiver.datagram_received(bench.packet(), None)
    assert stored == [str(int(START.timestamp())).encode()]


@pytest.mark.req("WAN-05")
@pytest.mark.step("2.2.2.3", event="wake_up_replayed")
async def test_what_was_accepted_stays_so_after_a_restart(bench: Bench) -> None:
    bench.receiver().datagram_received(bench.packet(), None)
    again = bench.receiver()
    again.datagram_received(bench.packet(), None)
    assert bench.calls == 1
    assert again.guard.refused == {"wakeup.replayed": 1}
    assert bench.told() == [("wake_up_accepted", ""), ("wake_up_replayed", "wakeup.replayed")]


async def test_a_full_disk_keeps_nobody_from_calling(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    receiver = bench.receiver()

    def refuse(*_: Any) -> None:
        raise Unavailable("journal.full")

    with monkeypatch.context() as full:
        full.setattr(type(bench.journal), "set_state", refuse)
        full.setattr(type(bench.journal), "append_log", refuse)
        receiver.datagram_received(bench.packet(), None)
        receiver.datagram_received(bench.packet(), None)
    assert bench.calls == 1


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (packet(int(START.timestamp()), "ESGW0000000002"), []),
        (packet(int(START.timestamp()))[:-1], []),
        (packet(int(START.timestamp()), foreign=True), [("wake_up_signature_invalid", "wakeup.signature")]),
        (packet(int(START.timestamp()) - 31), [("wake_up_out_of_time", "wakeup.time")]),
        (packet(int(START.timestamp()) + 31), [("wake_up_out_of_time", "wakeup.time")]),
    ],
    ids=["other recipient", "bad length", "signed by another", "too old", "future"],
)
@pytest.mark.step("2.2.2.3", event="wake_up_signature_invalid")
@pytest.mark.step("2.2.2.3", event="wake_up_out_of_time")
async def test_whoever_else_sends_calls_nobody(bench: Bench, data: bytes, told: list[tuple[str, str]]) -> None:
    bench.receiver().datagram_received(data, None)
    assert bench.calls == 0
    assert bench.told() == told


async def test_without_valid_time_nothing_is_accepted(bench: Bench) -> None:
    bench.clock = GatewayClock(bench.base)
    bench.receiver().datagram_received(bench.packet(), None)
    assert bench.calls == 0
    assert bench.told() == [("wake_up_out_of_time", "wakeup.clock")]


@pytest.mark.step("3.2.2", event="wake_up_configured")
async def test_the_administrator_sets_port_window_and_order(bench: Bench) -> None:
    port = free_port(socket.SOCK_DGRAM)
    receiver = bench.receiver()
    bench.channel.context = bench.channel.context._replace(wake_up_set=receiver.change)
    async with listening(receiver):
        answer = bench.channel.ask(bench.channel.command("PUT", "rts/wake-up", {"port": port, "window_s": 60, "timestamp_order": "auto"}))
        assert answer.status == 200
        await listens(receiver, port)
        send(receiver, bench.packet(-60)).close()
        await called(bench)
    assert ("wake_up_configured", "") in bench.told()
    assert bench.receiver().settings == WakeUpSettings(port, 60, "auto")


@pytest.mark.parametrize(
    "body", [None, {}, {"port": 0}, {"port": 1, "window_s": 4}, {"port": 1, "window_s": 301}, {"port": 1, "host": "x"}]
)
async def test_settings_that_can_not_be_are_refused(bench: Bench, body: object) -> None:
    answer = bench.channel.ask(bench.channel.command("PUT", "rts/wake-up", body))
    assert (answer.status, answer.code) == (400, "wakeup.settings")
    assert bench.journal.get_state(receiver_module.SETTINGS) is None


async def test_a_port_that_is_taken_is_tried_again(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receiver_module, "BIND_AGAIN_S", 0.001)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        receiver = bench.receiver(WakeUpConfig(host="127.0.0.1", port=other.getsockname()[1]))
        task = asyncio.create_task(receiver.run())
        for _ in range(20):
            await asyncio.sleep(0.001)
        assert receiver.place == ("", 0)
    await listens(receiver)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def test_without_an_address_there_is_no_receiver(bench: Bench) -> None:
    receiver = bench.receiver(WakeUpConfig())
    await receiver.run()
    assert receiver.place == ("", 0)


def test_the_settings_are_those_of_the_configuration_until_the_administrator_sets_others(bench: Bench) -> None:
    config = WakeUpConfig("127.0.0.1", 15100, 20, "big")
    assert msgspec.structs.asdict(bench.receiver(config).settings) == {"port": 15100, "window_s": 20, "timestamp_order": "big"}

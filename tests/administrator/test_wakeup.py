"""The wake-up service on real sockets: packets a gateway accepts, sent again until it calls back, counted for good."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.gateway.gateway_parts import GATEWAY_ID, START, administrator_identity

from smgw.administrator import wakeup
from smgw.administrator.audit import Audit
from smgw.administrator.store import Store
from smgw.administrator.wakeup import Address, Statistics, WakeUps, WakeUpService, percentile
from smgw.codec.wakeup import Order, decode_packet
from smgw.core.errors import DomainFault, SmgwError
from smgw.core.identifiers import DeviceId
from smgw.net.clock import ManualClock, SystemClock
from smgw.protocol.wakeup_guard import WakeUpGuard, WakeUpRules

pytestmark = pytest.mark.req("WAN-04", "ADM-04")
OTHER = "ESGW0000000002"


class Desk:
    """Hold the service over a store in a file."""

    def __init__(self, path: Path) -> None:
        self.store = Store(path)
        self.audit = Audit(self.store)
        self.book = WakeUps(self.store, self.audit)
        identity = administrator_identity()
        self.clock = ManualClock(START)
        self.service = WakeUpService(self.book, identity.module, identity.signer, self.clock)


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    monkeypatch.setattr(wakeup, "PAUSES_S", (0.02, 0.02, 0.02))
    desk = Desk(tmp_path / "inventory.db")
    yield desk
    desk.store.close()


@contextmanager
def receiver() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as gateway:
        gateway.bind(("127.0.0.1", 0))
        gateway.setblocking(False)
        yield gateway


def addressed(desk: Desk, gateway: socket.socket, device_id: str = GATEWAY_ID, order: Order = "little", *, on_wake_up: bool = True) -> None:
    address = Address("127.0.0.1", gateway.getsockname()[1], order, on_wake_up)
    desk.book.set_address(device_id, address, START, "user1")
    assert desk.book.address(device_id) == address


async def packet(gateway: socket.socket) -> bytes:
    async with asyncio.timeout(60):
        return await asyncio.get_running_loop().sock_recv(gateway, 200)


@pytest.mark.parametrize("order", ["little", "big"])
async def test_a_gateway_is_called_with_a_packet_that_it_accepts(desk: Desk, order: Order) -> None:
    with receiver() as gateway:
        addressed(desk, gateway, order=order)
        calling = asyncio.create_task(desk.service.call(GATEWAY_ID))
        data = await packet(gateway)
        assert desk.service.is_calling(GATEWAY_ID)
        with pytest.raises(DomainFault, match=r"^wakeup\.calling"):
            await desk.service.call(GATEWAY_ID)
        desk.service.answered(OTHER)
        desk.service.answered(GATEWAY_ID)
        waited_ms = await calling
    certificate = administrator_identity().triple.sig
    rules = WakeUpRules(
        DeviceId.parse(GATEWAY_ID).to_wake_up(),
        administrator_identity().module.public_key("GWA_WAN_SIG"),
        certificate.not_valid_before_utc,
        certificate.not_valid_after_utc,
        order=order,
    )
    assert WakeUpGuard(rules).judge(data, START, clock_valid=True).fault is None
    assert desk.book.statistics() == Statistics(1, 1, 1, 0, waited_ms, waited_ms)


async def test_packets_that_are_lost_are_sent_again_and_anew(desk: Desk) -> None:
    desk.service._clock = SystemClock()
    with receiver() as gateway:
        addressed(desk, gateway)
        calling = asyncio.create_task(desk.service.call(GATEWAY_ID))
        first, second = await packet(gateway), await packet(gateway)
        desk.service.answered(GATEWAY_ID)
        await calling
    assert first != second
    assert decode_packet(first).seconds("little") <= decode_packet(second).seconds("little")
    statistics = desk.book.statistics()
    assert (statistics.calls, statistics.packets, statistics.answered) == (1, 2, 1)


async def test_a_gateway_that_does_not_come_is_given_up(desk: Desk) -> None:
    with receiver() as gateway:
        addressed(desk, gateway)
        with pytest.raises(SmgwError, match=r"^wakeup\.no_call_back"):
            await desk.service.call(GATEWAY_ID)
    assert not desk.service.is_calling(GATEWAY_ID)
    assert desk.book.statistics() == Statistics(1, 3, 0, 1, 0, 0)


async def test_a_network_that_refuses_is_tried_again(desk: Desk) -> None:
    desk.book.set_address(GATEWAY_ID, Address("no.such.host.invalid", 1), START, "user1")
    with pytest.raises(SmgwError, match=r"^wakeup\.no_call_back"):
        await desk.service.call(GATEWAY_ID)
    assert desk.book.statistics().packets == 3


@pytest.mark.parametrize("address", [Address("", 1), Address("x" * 254, 1), Address("localhost", 0), Address("localhost", 65_536)])
def test_what_is_no_address_is_refused(desk: Desk, address: Address) -> None:
    with pytest.raises(DomainFault, match=r"^wakeup\.address"):
        desk.book.set_address(GATEWAY_ID, address, START, "user1")
    with pytest.raises(DomainFault, match=r"^wakeup\.address"):
        desk.book.address(GATEWAY_ID)


def test_an_address_is_audited_and_only_those_by_call_are_listed(desk: Desk) -> None:
    with receiver() as gateway:
        addressed(desk, gateway)
        addressed(desk, gateway, OTHER, on_wake_up=False)
    assert desk.book.by_call() == [GATEWAY_ID]
    assert (desk.book.is_by_call(GATEWAY_ID), desk.book.is_by_call(OTHER)) == (True, False)
    rows = desk.store.rows("SELECT actor, action, subject FROM audit ORDER BY id")
    assert ("user1", rows[0][1], GATEWAY_ID) == rows[0]
    assert rows[0][1].startswith("set wake-up address 127.0.0.1:")


def test_statistics_outlive_a_restart_and_a_call_cut_by_it_was_not_answered(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "inventory.db")
    for wait_ms in range(1, 101):
        desk.book.end(desk.book.begin(GATEWAY_ID, START), 2, wait_ms, "answered")
    desk.book.begin(GATEWAY_ID, START)
    desk.store.close()
    desk = Desk(tmp_path / "inventory.db")
    assert desk.book.statistics() == Statistics(101, 200, 100, 1, 50, 99)
    desk.store.close()


def test_only_so_many_calls_are_kept(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wakeup, "KEPT", 5)
    for _ in range(20):
        desk.book.end(desk.book.begin(GATEWAY_ID, START), 1, 1, "answered")
    assert desk.book.statistics().calls == 5


@pytest.mark.parametrize(("values", "p50", "p99"), [([], 0, 0), ([7], 7, 7), ([1, 2], 1, 2), (list(range(1, 201)), 100, 198)])
def test_percentiles_are_values_that_occurred(values: list[int], p50: int, p99: int) -> None:
    assert (percentile(values, 50), percentile(values, 99)) == (p50, p99)


async def test_whoever_is_waited_for_is_called_and_not_again_at_once(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wakeup, "PAUSES_S", (0.001,))
    looks = 0
    done = asyncio.Event()

    def waiting() -> list[str]:
        nonlocal looks
        looks += 1
        if looks == 30:
            done.set()
        return [GATEWAY_ID, OTHER]

    with receiver() as gateway:
        addressed(desk, gateway)
        running = asyncio.create_task(desk.service.run(waiting, look_s=0.001))
        async with asyncio.timeout(60):
            await done.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
    assert desk.book.statistics() == Statistics(1, 1, 0, 1, 0, 0)


async def test_packets_to_many_gateways_are_spread(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wakeup, "PAUSES_S", (0.0,))
    devices = [f"ESGW000000010{number}" for number in range(5)]
    with receiver() as gateway:
        for device_id in devices:
            addressed(desk, gateway, device_id)
        begin_s = asyncio.get_running_loop().time()
        await asyncio.gather(*(desk.service.call(device_id) for device_id in devices), return_exceptions=True)
    assert desk.service._next_packet_s >= begin_s + len(devices) / wakeup.PACKETS_PER_S
    assert asyncio.get_running_loop().time() >= begin_s + (len(devices) - 1) / wakeup.PACKETS_PER_S

"""The gateway's update as its task sees it: from the order to the judgement, what the logs are told, and a power cut at every write."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path

import pytest
from tests.codec.firmware_packages import CREATED, maker, package
from tests.gateway import update_parts
from tests.gateway.download_server import serving
from tests.gateway.gateway_parts import gateway_identity
from tests.gateway.update_parts import NEW, good_package, power_cut, program, slots_of
from tests.gateway.wan.wan_parts import administrator_config, until
from tests.storage.samples import KEY

from smgw.core.errors import DomainFault, PeerFault, Unavailable
from smgw.core.log_event import Log
from smgw.gateway import firmware as module
from smgw.gateway.clock import GatewayClock
from smgw.gateway.config import GatewayFolder
from smgw.gateway.firmware import ACTIVATION_ENDS, CONTACT_WITHIN, ORDER_ENDS, Firmware, Host, Parts
from smgw.gateway.firmware_model import SlotState
from smgw.gateway.firmware_record import Order, UpdateState, load_update, save_slots, save_update, with_slot
from smgw.gateway.logs import Recorder
from smgw.gateway.pending import Ended
from smgw.gateway.slot_program import verify_slot
from smgw.gateway.upkeep import LastTest
from smgw.net.clock import ManualClock
from smgw.storage.journal import Journal

pytestmark = pytest.mark.req("ADM-05")

EMERGENCY = package(program(), emergency=True)


class _Upkeep:
    """Hand out self-tests with the result that a test wants."""

    def __init__(self) -> None:
        self.wanted = asyncio.Event()
        self.tested = asyncio.Event()
        self.last_test: LastTest | None = None
        self.failed: tuple[str, ...] = ()

    async def run(self) -> None:
        while True:
            await self.wanted.wait()
            self.wanted.clear()
            self.last_test = LastTest(CREATED, ("program",), self.failed)
            self.tested.set()


class Bench:
    """Put an update between real parts; only the process that would start again is not there."""

    def __init__(self, path: Path) -> None:
        self.folder: GatewayFolder = update_parts.updated_folder(path / "gateway")
        self.package = path / "server.fw"
        self.package.write_bytes(good_package())
        self.journal = Journal.open(path / "journal.db", KEY)
        self.base = ManualClock(CREATED)
        self.clock = GatewayClock(self.base)
        self.upkeep = _Upkeep()
        self.restarts = 0
        self.watchdog: list[int] = []
        self.connected = True
        self.port = 1
        self.host: Host | None = Host(self.restart, self.watchdog.append)
        self.firmware = self.start()

    def restart(self) -> None:
        self.restarts += 1

    def start(self) -> Firmware:
        """Make the update's part as a start of the gateway does."""
        recorder = Recorder(self.journal, self.clock)
        self.firmware = Firmware(
            Parts(
                folder=self.folder,
                administrator=administrator_config(1),
                identity=gateway_identity(),
                journal=self.journal,
                recorder=recorder,
                clock=self.clock,
                upkeep=self.upkeep,  # type: ignore[arg-type]
                consumers=lambda: ["consumer1.sm"],
                connected=lambda: self.connected,
                host=self.host,
            )
        )
        return self.firmware

    def order(self, order_id: str = "order-1", version: str = NEW) -> Order:
        """Order what the server has."""
        octets = self.package.read_bytes()
        order = Order(version, hashlib.sha256(octets).hexdigest(), len(octets), "127.0.0.1", self.port, "/firmware/x")
        with self.journal.transaction():
            self.firmware.order(order, order_id)
        self.firmware.wake()
        return order

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Let the update's task and self-tests work, and the server serve."""
        async with serving(self.package, self.base) as server:
            self.port = server.port
            tasks = [asyncio.create_task(self.firmware.run()), asyncio.create_task(self.upkeep.run())]
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()
                for task in tasks:
                    with suppress(asyncio.CancelledError):
                        await task

    async def reach(self, state: UpdateState) -> None:
        await until(lambda: self.firmware.update.state is state)

    def told(self, log: Log = Log.SYSTEM) -> list[str]:
        owner = "consumer1.sm" if log is Log.CONSUMER else ""
        return [stored.entry.event for stored in self.journal.log(log, owner) if stored.entry.event.startswith("firmware")]

    def trial(self, **changes: object) -> None:
        """Start as the new version does, on trial in slot b."""
        save_slots(self.folder, with_slot(slots_of(self.folder), "b", SlotState.PENDING, CREATED, version=NEW, active="b"))
        update_parts.remember(self.folder, UpdateState.SELF_TEST, slot="b", attempts=1, **changes)
        self.start()


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setattr(module, "RESTART_PAUSE_S", 0.0)
    monkeypatch.setattr(module, "LOOK_S", 0.001)
    monkeypatch.setattr(module, "RETRY_FIRST_S", 0.001)
    monkeypatch.setattr(module, "RETRY_LAST_S", 0.01)
    return Bench(tmp_path)


@pytest.mark.step("3.3.3", event="firmware_ordered")
@pytest.mark.step("3.3.5", event="firmware_downloaded")
@pytest.mark.step("3.3.5", event="firmware_verified")
async def test_from_the_order_to_the_restart(bench: Bench) -> None:
    async with bench.running():
        bench.order()
        await bench.reach(UpdateState.VERIFIED)
        assert verify_slot(bench.folder, "b").version == NEW
        assert (slots_of(bench.folder).active, slots_of(bench.folder).waiting.version) == ("a", NEW)
        assert bench.told() == ["firmware_ordered", "firmware_downloaded", "firmware_verified"]
        assert bench.told(Log.CALIBRATION) == ["firmware_ordered", "firmware_verified"]
        assert bench.restarts == 0, "nothing is activated without a command"
        bench.firmware.activate(NEW)
        bench.firmware.wake()
        await until(lambda: bench.restarts == 1)
    assert load_update(bench.folder).state is UpdateState.ACTIVATION_PENDING


@pytest.mark.step("3.3.7", "3.5.7", event="firmware_activated")
@pytest.mark.step("3.4.1", event="firmware_not_certified")
async def test_a_version_that_passes_its_test_and_reaches_the_administrator_is_kept(bench: Bench) -> None:
    bench.trial(emergency=True)
    async with bench.running():
        await bench.reach(UpdateState.ACTIVE)
        await until(lambda: bool(bench.told()))
    assert slots_of(bench.folder).running.state is SlotState.GOOD
    for log in (Log.SYSTEM, Log.CALIBRATION, Log.CONSUMER):
        assert bench.told(log) == ["firmware_activated", "firmware_not_certified"]
    assert bench.watchdog == [module.JUDGED_WITHIN_S, 0]
    assert bench.restarts == 0


async def test_only_an_emergency_is_told_to_be_uncertified(bench: Bench) -> None:
    bench.trial()
    async with bench.running():
        await until(lambda: bench.told(Log.CONSUMER) == ["firmware_activated"])


@pytest.mark.step("3.3.7", event="firmware_rolled_back")
async def test_a_version_that_fails_its_self_test_is_given_up(bench: Bench) -> None:
    bench.trial()
    bench.upkeep.failed = ("self_test.clock", "journal.chain")
    async with bench.running():
        await until(lambda: bench.restarts == 1)
    update = load_update(bench.folder)
    assert (update.state, update.code, update.detail) == (UpdateState.ROLLED_BACK, "firmware.self_test", "journal.chain")
    assert (slots_of(bench.folder).active, slots_of(bench.folder).waiting.state) == ("a", SlotState.BAD)
    bench.start()
    async with bench.running():
        await until(lambda: bench.told(Log.CONSUMER) == ["firmware_rolled_back"])
    assert bench.told(Log.CALIBRATION) == ["firmware_rolled_back"]


async def test_circumstances_are_no_reason_to_give_up(bench: Bench) -> None:
    bench.trial()
    bench.upkeep.failed = tuple(module.CIRCUMSTANCES)
    async with bench.running():
        await bench.reach(UpdateState.ACTIVE)


async def test_a_version_that_never_reaches_the_administrator_is_given_up(bench: Bench) -> None:
    bench.trial()
    bench.connected = False
    async with bench.running():
        await until(lambda: bench.upkeep.tested.is_set())
        await bench.base.advance_to(CREATED + CONTACT_WITHIN - timedelta(seconds=1))
        assert bench.firmware.update.state is UpdateState.SELF_TEST
        await bench.base.advance_to(CREATED + CONTACT_WITHIN + timedelta(seconds=1))
        await until(lambda: bench.restarts == 1)
    assert load_update(bench.folder).code == "firmware.contact"


def test_a_version_whose_start_locks_the_gateway_is_given_up(bench: Bench) -> None:
    bench.trial()
    bench.firmware.abandon("firmware.self_test", "secure_state_boot")
    assert load_update(bench.folder).state is UpdateState.ROLLED_BACK
    assert bench.restarts == 1
    bench.start()
    bench.firmware.abandon("firmware.self_test", "the old version does not do that")
    assert bench.restarts == 1


@pytest.mark.parametrize(
    ("octets", "version", "code"),
    [
        (package(program(), by=maker("other")), NEW, "firmware.signer"),
        (package(program(version="0.0.1"), version="0.0.1", min_version="0.0.0"), "0.0.1", "firmware.downgrade"),
        (good_package(), "1.9.0", "firmware.not_ordered"),
        (good_package().replace(b"Name: smgw", b"Name: smgx"), NEW, "firmware.hash"),
        (b"no package", NEW, "firmware.structure"),
    ],
    ids=["signer", "downgrade", "another", "hash", "none"],
)
@pytest.mark.step("3.3.4", event="firmware_rejected")
async def test_what_is_not_acceptable_is_rejected_and_told(bench: Bench, octets: bytes, version: str, code: str) -> None:
    bench.package.write_bytes(octets)
    async with bench.running():
        bench.order(version=version)
        await bench.reach(UpdateState.REJECTED)
        await until(lambda: "firmware_rejected" in bench.told(Log.CALIBRATION))
    assert load_update(bench.folder).code == code
    assert not bench.folder.package.exists()
    assert slots_of(bench.folder).waiting.state is SlotState.EMPTY
    with pytest.raises(DomainFault, match=r"firmware\.state"):
        bench.firmware.activate(version)


async def test_a_file_with_another_hash_than_the_ordered_one_is_rejected(bench: Bench) -> None:
    async with bench.running():
        octets = bench.package.read_bytes()
        with bench.journal.transaction():
            bench.firmware.order(Order(NEW, "0" * 64, len(octets), "127.0.0.1", bench.port, "/x"), "order-1")
        bench.firmware.wake()
        await bench.reach(UpdateState.REJECTED)
    assert load_update(bench.folder).code == "firmware.hash"


async def test_a_server_that_is_away_is_asked_again(bench: Bench) -> None:
    async with bench.running():
        served, bench.port = bench.port, 1
        bench.order()
        await until(lambda: bench.firmware.facts()["code"] == "net.unreachable")
        bench.port = served
        bench.order("order-2")
        await bench.reach(UpdateState.VERIFIED)
    assert load_update(bench.folder).order_id == "order-1", "the same package from another place is the same order"


@pytest.mark.parametrize("writes", range(9))
async def test_a_power_cut_at_any_write_is_gone_on_from(bench: Bench, writes: int) -> None:
    """The task is killed where a write fails, and a new start goes on; the logs are told of each step once."""
    async with bench.running():
        with power_cut(writes), suppress(Unavailable):
            bench.order()
            await until(lambda: bench.firmware.facts()["code"] == "gateway.files" or bench.firmware.update.state is UpdateState.VERIFIED)
    bench.start()
    async with bench.running():
        bench.order()
        await bench.reach(UpdateState.VERIFIED)
        await until(lambda: bench.told() == ["firmware_ordered", "firmware_downloaded", "firmware_verified"])
    assert verify_slot(bench.folder, "b").version == NEW


async def test_a_cut_between_record_and_log_is_told_after_the_next_start(bench: Bench) -> None:
    update_parts.remember(bench.folder, UpdateState.ROLLED_BACK, code="firmware.attempts", slot="b")
    for _ in range(3):
        bench.start()
        async with bench.running():
            await until(lambda: bench.told() == ["firmware_rolled_back"])


def test_orders_that_do_not_fit(bench: Bench) -> None:
    order = bench.order()
    bench.package.write_bytes(EMERGENCY)
    with pytest.raises(DomainFault, match=r"firmware\.busy"):
        bench.order("order-2")
    assert bench.firmware.update.order == order
    bench.firmware.cancel()
    assert bench.firmware.update.code == "firmware.cancelled"
    bench.firmware.cancel()
    with pytest.raises(DomainFault, match=r"firmware\.same_version"):
        bench.order(version=str(bench.firmware.facts()["running"]))
    bench.folder.makers.unlink()
    with pytest.raises(PeerFault, match=r"firmware\.no_maker"):
        bench.order()
    assert bench.told() == ["firmware_ordered", "firmware_rejected"]


async def test_a_verified_version_may_be_replaced_by_another_order(bench: Bench) -> None:
    async with bench.running():
        bench.order()
        await bench.reach(UpdateState.VERIFIED)
        bench.package.write_bytes(EMERGENCY)
        bench.order("order-2")
        await until(lambda: bench.firmware.update.emergency)
        assert bench.firmware.update.state is UpdateState.VERIFIED


async def test_activation_is_idempotent_and_needs_a_process_of_its_own(bench: Bench) -> None:
    async with bench.running():
        bench.order()
        await bench.reach(UpdateState.VERIFIED)
        with pytest.raises(DomainFault, match=r"firmware\.state"):
            bench.firmware.activate("9.9.9")
    bench.host = None
    bench.start()
    with pytest.raises(DomainFault, match=r"firmware\.no_restart"):
        bench.firmware.activate(NEW)
    bench.host = Host(bench.restart, bench.watchdog.append)
    bench.start().activate(NEW)
    bench.firmware.activate(NEW)
    assert bench.firmware.update.state is UpdateState.ACTIVATION_PENDING
    with pytest.raises(DomainFault, match=r"firmware\.state"):
        bench.firmware.cancel()


async def _ends(bench: Bench, ends: dict[UpdateState, bool], order_id: str, begin: Callable[[], object] = lambda: None) -> Ended:
    """Give how what follows an order learns of its end, also when it asks again after a start."""
    told: list[Ended] = []
    async with bench.running():
        begin()
        bench.firmware.follow(ends, order_id, told.append)
        await until(lambda: len(told) == 1)
    bench.start()
    async with bench.running():
        bench.firmware.follow(ends, order_id, told.append)
        await until(lambda: len(told) == 2)
    assert (told[0].status, told[0].code) == (told[1].status, told[1].code)
    return told[0]


@pytest.mark.req("WAN-08")
async def test_an_order_has_ended_once_its_version_is_verified(bench: Bench) -> None:
    ended = await _ends(bench, ORDER_ENDS, "order-1", bench.order)
    assert (ended.status, ended.code) == (200, "")
    assert isinstance(ended.body, dict)
    assert (ended.body["version"], ended.body["state"]) == (NEW, "verified")


@pytest.mark.req("WAN-08")
async def test_an_order_has_failed_with_the_code_of_its_rejection(bench: Bench) -> None:
    bench.package.write_bytes(b"no package")
    ended = await _ends(bench, ORDER_ENDS, "order-1", bench.order)
    assert (ended.status, ended.code) == (500, "firmware.structure")


@pytest.mark.req("WAN-08")
async def test_an_activation_has_ended_when_the_new_version_was_judged(bench: Bench) -> None:
    bench.trial()
    ended = await _ends(bench, ACTIVATION_ENDS, bench.firmware.update.order_id)
    assert bench.firmware.update.state is UpdateState.ACTIVE
    assert (ended.status, ended.code) == (200, "")


@pytest.mark.req("WAN-08")
async def test_an_activation_has_failed_when_the_old_version_runs_again(bench: Bench) -> None:
    update_parts.remember(bench.folder, UpdateState.ROLLED_BACK, code="firmware.attempts", slot="b")
    bench.start()
    ended = await _ends(bench, ACTIVATION_ENDS, bench.firmware.update.order_id)
    assert (ended.status, ended.code) == (500, "firmware.attempts")


@pytest.mark.req("WAN-08")
async def test_an_order_that_another_one_replaced_is_told_as_interrupted(bench: Bench) -> None:
    ended = await _ends(bench, ORDER_ENDS, "order-1", lambda: bench.order("order-2"))
    assert (ended.status, ended.code) == (500, "command.interrupted")


def test_the_facts_hold_no_secret_and_tell_where_it_is(bench: Bench) -> None:
    assert bench.firmware.facts()["state"] == "idle"
    bench.order()
    facts = bench.firmware.facts()
    assert (facts["state"], facts["version"], facts["order_id"], facts["received"]) == ("ordered", NEW, "order-1", 0)
    save_update(bench.folder, load_update(bench.folder))

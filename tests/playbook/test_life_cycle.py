"""A gateway's whole life as a sequence: from the works to its end, with its administrator and the SM-PKI on the other side of the wire."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from tests.gateway.gateway_parts import all_profiles
from tests.playbook.life_system import P384, Site, site
from tests.playbook.life_world import DEVICE_ID, copy_of

from smgw.administrator.exchanges import DECOMMISSION, RENEWAL, Exchanges
from smgw.core.errors import DomainFault, IntegrityFault
from smgw.core.key_inventory import Place, compare
from smgw.core.life_cycle import Action, Mark, Phase
from smgw.core.log_event import Log
from smgw.gateway.commissioning import JOURNAL_PURPOSE
from smgw.gateway.lifecycle import LifeKeeper, load_record
from smgw.gateway.own_identity import own_identity, seal_of
from smgw.gateway.pending import PendingWork
from smgw.gateway.phases import KEPT, erase
from smgw.net.identity import TRIPLE_FILE, load_identity
from smgw.pki.triple import GATEWAY_KEYS
from smgw.security.module_inventory import take_inventory
from smgw.security.policy import curve_name
from smgw.storage.journal import Journal

pytestmark = pytest.mark.timeout(120)


def play(tmp_path: Path, act: Callable[[Site], Awaitable[None]]) -> None:
    """Run an act with a new gateway in the works."""

    async def run() -> None:
        async with site(tmp_path / "administrator", copy_of(tmp_path / "gateway")) as life:
            await act(life)

    asyncio.run(run())


async def operational(life: Site) -> None:
    """Install a gateway, start it and wait until it is at work."""
    life.install()
    life.start()
    await life.until(lambda: Mark.SELF_TEST in life.marks)


def logged(life: Site, log: Log = Log.SYSTEM) -> list[str]:
    """Read the events of a gateway that does not run."""
    module = own_identity(life.world.folder).module
    with Journal.open_read_only(life.world.folder.journal, module.storage_key(JOURNAL_PURPOSE)) as journal:
        return [stored.entry.event for stored in journal.log(log)]


@pytest.mark.req("LIFE-08", "LIFE-09", "LIFE-10")
@pytest.mark.step("2.3.3", event="certificate_changed")
def test_the_gateway_calls_is_personalised_and_begins_its_work(tmp_path: Path) -> None:
    async def act(life: Site) -> None:
        life.install()
        provisional = own_identity(life.world.folder).triple
        life.start()
        # gateway -> administrator: TLS with provisional keys; administrator -> gateway: AUT, new keys, certificates; channel closed.
        await life.until(lambda: life.phase is Phase.NORMAL_OPERATION)
        # gateway -> administrator: TLS with operational keys; time, then self-test.
        await life.until(lambda: Mark.SELF_TEST in life.marks)
        await life.stop()
        identity = load_identity(life.world.folder.path, GATEWAY_KEYS)
        assert compare(load_record(life.world.folder).life, take_inventory(identity.module).names, Place.MODULE) == []
        assert identity.triple != provisional and identity.former == (provisional.sig,)
        events = logged(life)
        order = ["channel_opened", "administrator_authenticated", "certificate_changed", "channel_closed", "phase_changed", "started"]
        places = [events.index(name, events.index("local_interface_disabled")) for name in order[:4]]
        assert places == sorted(places)
        closed = places[3]
        changes = [number for number, name in enumerate(events) if name == "phase_changed"]
        assert closed < changes[-1] < events.index("started") < events.index("time_synchronised") < events.index("self_test_passed")
        books = life.books()
        gateway = books.inventory.gateway(DEVICE_ID)
        books.close()
        assert gateway is not None and gateway.tls == identity.triple.tls

    play(tmp_path, act)


@pytest.mark.req("LIFE-09")
def test_profiles_come_after_the_self_test_and_by_themselves(tmp_path: Path) -> None:
    async def act(life: Site) -> None:
        life.install()
        books = life.books()
        for profile in all_profiles():
            books.inventory.put_profile(DEVICE_ID, profile, life.clock.now(), "operator")
        books.close()
        life.start()
        await life.until(lambda: sum(line.startswith("install ") for line in life.audit()) == len(all_profiles()))
        await life.stop()
        assert Mark.PROFILES in life.marks
        events = logged(life)
        assert events.index("self_test_passed") < events.index("profile_installed")
        assert events.count("profile_installed") == len(all_profiles())
        assert "command_rejected" not in events

    play(tmp_path, act)


@pytest.mark.req("SEC-04", "PKI-01")
@pytest.mark.step("3.2.2", event="algorithm_switched")
@pytest.mark.step("3.2.2", event="certificate_changed")
def test_keys_are_renewed_and_the_algorithm_is_switched_by_the_same_commands(tmp_path: Path) -> None:
    async def act(life: Site) -> None:
        await operational(life)
        first = load_identity(life.world.folder.path, GATEWAY_KEYS)
        life.order(RENEWAL, P384)
        await life.until(lambda: len(load_identity(life.world.folder.path, GATEWAY_KEYS).former) == 2)
        await life.until(lambda: not under_way(life))
        await life.stop()
        renewed = load_identity(life.world.folder.path, GATEWAY_KEYS)
        assert (renewed.tls.key_name, renewed.signer.key_name) == ("GW_WAN_TLS_G2", "GW_WAN_SIG_G2")
        assert curve_name(renewed.module.public_key("GW_WAN_SIG_G2")) == P384
        assert renewed.former[0] == first.triple.sig
        states = {key.name: key.state for key in take_inventory(renewed.module).keys}
        assert (states["GW_WAN_SIG"], states["GW_WAN_SIG_G2"]) == ("deactivated", "active")
        events = logged(life)
        switched = events.index("algorithm_switched")
        assert "certificate_changed" in events[switched - 4 : switched]
        assert compare(load_record(life.world.folder).life, take_inventory(renewed.module).names, Place.MODULE) == []
        # What the first keys sealed and signed still passes a start's checks.
        life.start()
        await life.until(lambda: any("han_port" in line for line in life.lines[-1:]))

    play(tmp_path, act)


def under_way(life: Site) -> bool:
    """Tell whether an exchange is under way at the administrator."""
    books = life.books()
    try:
        return Exchanges(books.store, books.audit, books.inventory).under_way(DEVICE_ID) is not None
    finally:
        books.close()


def waits(life: Site) -> bool:
    """Tell whether a command waits for the gateway."""
    books = life.books()
    try:
        return bool(books.jobs.waiting(DEVICE_ID))
    finally:
        books.close()


@pytest.mark.req("LIFE-08")
@pytest.mark.parametrize("lost", ["record", "answer"])
def test_a_power_cut_around_the_switch_is_made_good(tmp_path: Path, lost: str) -> None:
    """The triple's file is the switch; whether the record or only the answer was lost, both sides find together again."""

    async def act(life: Site) -> None:
        await operational(life)
        await life.kill()
        folder, record = life.world.folder, load_record(life.world.folder)
        if lost == "record":
            early = [mark for mark in record.marks if mark not in (Mark.OPERATIONAL_CERTIFICATES, Mark.TIME, Mark.SELF_TEST)]
            lost_record = msgspec.structs.replace(record, phase=Phase.PERSONALISATION, marks=tuple(early))
            folder.life.write_bytes(msgspec.json.encode(lost_record))
        else:
            # The administrator knows the old certificates still, and the new ones as issued.
            life.order(RENEWAL)
            books = life.books()
            gateway = books.inventory.gateway(DEVICE_ID)
            assert gateway is not None
            exchanges = Exchanges(books.store, books.audit, books.inventory)
            exchanges.issued(DEVICE_ID, (folder.path / TRIPLE_FILE).read_bytes(), life.clock.now(), "operator")
            seal, _ = seal_of(folder)
            books.inventory.add_gateway(DEVICE_ID, seal.tls, seal.sig, seal.enc, life.clock.now(), "operator")
            books.close()
        life.lines.clear()
        life.start()
        await life.until(lambda: any("han_port" in line for line in life.lines))
        await life.until(lambda: life.phase is Phase.NORMAL_OPERATION and not under_way(life))

    play(tmp_path, act)


@pytest.mark.req("LIFE-11")
def test_the_end_comes_after_its_notice_and_is_final(tmp_path: Path) -> None:
    async def act(life: Site) -> None:
        await operational(life)
        books = life.books()
        at = life.clock.now() + timedelta(hours=25)
        job = books.jobs.add(
            DEVICE_ID, "POST", "life/announce-end", {"at": at}, at=life.clock.now(), actor="operator", random=bytes(range(16))
        )
        books.close()
        await life.until(lambda: Mark.ANNOUNCED in life.marks)
        # Before the announced time the gateway refuses, and the refusal is in the audit trail.
        life.order(DECOMMISSION)
        await life.until(lambda: not under_way(life))
        assert life.phase is Phase.NORMAL_OPERATION
        await life.stop()
        assert job.device_id == DEVICE_ID
        assert "decommissioning_announced" in logged(life)
        await life.clock.advance_to(at + timedelta(minutes=1))
        life.start()
        life.order(DECOMMISSION)
        await life.until(lambda: life.phase is Phase.DECOMMISSIONED)
        await life.until(lambda: life.lines[-1].get("phase") == Phase.DECOMMISSIONED)
        await life.stop()
        assert {path.name for path in life.world.folder.path.iterdir()} <= KEPT
        assert "decommission: decommissioned" in life.audit()
        assert "decommission: lifecycle.notice" in life.audit()
        # It stays what it is, whatever is tried.
        life.lines.clear()
        life.start()
        await life.until(lambda: bool(life.lines))
        assert life.lines[0]["phase"] == Phase.DECOMMISSIONED
        await life.stop()

    play(tmp_path, act)


@pytest.mark.req("LIFE-11", "WAN-08")
def test_an_end_whose_command_was_answered_comes_also_when_the_power_was_cut_before_it_took_effect(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def act(life: Site) -> None:
        async def cut_in(order: Callable[[], object]) -> None:
            """Let a command be obeyed and answered, and nothing of what follows from it happen until the next start."""
            with monkeypatch.context() as patch:
                patch.setattr(PendingWork, "begin", lambda *_: None)
                order()
                await life.until(lambda: not under_way(life) and not waits(life))
                await life.stop()

        def announce() -> None:
            books = life.books()
            books.jobs.add(
                DEVICE_ID, "POST", "life/announce-end", {"at": at}, at=life.clock.now(), actor="operator", random=bytes(range(16))
            )
            books.close()

        await operational(life)
        at = life.clock.now() + timedelta(hours=25)
        await cut_in(announce)
        assert Mark.ANNOUNCED not in life.marks
        life.start()
        await life.until(lambda: Mark.ANNOUNCED in life.marks)
        await life.stop()
        assert logged(life).count("decommissioning_announced") == 1
        await life.clock.advance_to(at + timedelta(minutes=1))
        life.start()
        await cut_in(lambda: life.order(DECOMMISSION))
        assert life.phase is Phase.NORMAL_OPERATION
        life.start()
        await life.until(lambda: life.phase is Phase.DECOMMISSIONED)
        await life.until(lambda: life.lines[-1].get("phase") == Phase.DECOMMISSIONED)
        await life.stop()

    play(tmp_path, act)


@pytest.mark.req("LIFE-11")
def test_an_erasure_that_a_power_cut_interrupted_is_finished(tmp_path: Path) -> None:
    world = copy_of(tmp_path / "gateway")
    with pytest.raises(IntegrityFault, match=r"lifecycle\.record"):
        erase(world.keeper)
    world.keeper.close()
    text = world.folder.life.read_text().replace('"manufactured"', '"decommissioned"')
    world.folder.life.write_text(text)
    with LifeKeeper.open(world.folder, world.clock) as keeper:
        for _ in range(2):
            erase(keeper)
        with pytest.raises(DomainFault, match=r"lifecycle\.phase"):
            keeper.require(Action.IMPORT_ROOT)
    assert {path.name for path in world.folder.path.iterdir()} <= KEPT

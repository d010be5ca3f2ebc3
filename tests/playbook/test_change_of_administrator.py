"""The change of the administrator, step by step of table 5, between a gateway and two real administrators A and N.

N ──offer──▶ A ──infrastructure, sealed──▶ N          A ──announcement──▶ gateway ──calls──▶ N
N ──reads, compares, enters the result──▶ gateway     N ──wake-up packet──▶ gateway ──calls──▶ N, its administrator
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.gateway.gateway_parts import START, all_profiles, pki
from tests.playbook.life_system import P256, Site, site
from tests.playbook.life_world import DEVICE_ID, copy_of
from tests.playbook.test_life_cycle import logged

from smgw.administrator.books import Books, open_books
from smgw.administrator.config import AdministratorConfig, AdministratorFolder
from smgw.administrator.initial_configuration import AUTHENTICATION_FILE, Address, load_authentication, make_initial_configuration
from smgw.administrator.service import run_administrator
from smgw.administrator.succession import Change, open_infrastructure, pack_infrastructure, profiles_in, read_offer
from smgw.administrator.wakeup import Address as WakeUpAddress
from smgw.core.errors import DecodeFault, SecurityFault
from smgw.core.identifiers import DeviceId
from smgw.core.instant import utc_text
from smgw.core.log_event import Log
from smgw.gateway.config import WakeUpConfig
from smgw.net.identity import create_keys, install_certificates, load_identity, open_module
from smgw.pki.names import Role
from smgw.pki.parsing import load_certificate
from smgw.pki.requests import make_authentication_request
from smgw.pki.triple import ADMINISTRATOR_KEYS, AUTHENTICATION_KEY
from smgw.security.tls import pem_bundle
from smgw.simulation.free_ports import free_port

pytestmark = pytest.mark.timeout(180)
NEW = "new.GWA"
UNTIL = START + timedelta(minutes=10)


class Successor:
    """Hold the running new administrator."""

    def __init__(self, folder: AdministratorFolder, ports: dict[str, Any]) -> None:
        self.folder = folder
        self.ports = ports
        self.identity = load_identity(folder.path, ADMINISTRATOR_KEYS)

    def books(self) -> Books:
        return open_books(self.folder.inventory)

    def offer(self, **changes: Any) -> bytes:
        """2.3: send certificates and connection data to A."""
        address = Address("127.0.0.1", self.ports["management_port"], self.ports["time_port"], self.ports["service_port"], **changes)
        authentication = load_authentication(self.folder.path).certificate
        return make_initial_configuration(self.identity, authentication, address, DeviceId.parse(DEVICE_ID), START)

    def state(self) -> str:
        books = self.books()
        change = books.successions.change(DEVICE_ID)
        books.close()
        return change.state if change is not None else ""


@asynccontextmanager
async def successor(path: Path, life: Site) -> AsyncIterator[Successor]:
    """Run administrator N beside A, with the same SM-PKI and clock."""
    package = create_keys(path, ADMINISTRATOR_KEYS, Role.GWA, "new")
    install_certificates(path, pki().issue(package, Role.GWA, now=START), [pki().sub().certificate])
    module = open_module(path)
    module.generate(AUTHENTICATION_KEY, P256)
    request = make_authentication_request(module, AUTHENTICATION_KEY, Role.GWA, "new")
    (path / AUTHENTICATION_FILE).write_bytes(pem_bundle([pki().issue_authentication(request, now=START)]))
    pki().trust(START).save(path / "trust")
    folder = AdministratorFolder(path)
    folder.save(AdministratorConfig(name=NEW, crl_url=life.folder.load().crl_url))
    stop, ports = asyncio.Event(), asyncio.Queue[dict[str, object]]()
    running = asyncio.create_task(run_administrator(folder, life.clock, ports.put_nowait, stop))
    async with asyncio.timeout(60):
        made = Successor(folder, dict(await ports.get()))
    try:
        yield made
    finally:
        stop.set()
        await asyncio.wait((running,), timeout=60)


def hand_over(life: Site, new: Successor, *, forget: str = "", wake_up: int = 0) -> None:
    """2.2 to 2.6 on A's side, and N's entry of what A told about the gateway; `forget` names a profile that A does not tell of."""
    own, now = load_identity(life.folder.path, ADMINISTRATOR_KEYS), life.clock.now()
    offer = read_offer(new.offer(), own, now)
    books, theirs = life.books(), new.books()
    sealed = pack_infrastructure(DEVICE_ID, books.inventory, own, load_certificate(offer.content.enc_certificate), "test.GWA")
    told = open_infrastructure(sealed, new.identity, now)
    gateway = {use: load_certificate(der) for use, der in told.certificates.items()}
    theirs.inventory.add_gateway(DEVICE_ID, gateway["tls"], gateway["sig"], gateway["enc"], now, "operator")
    for profile in profiles_in(told):
        if forget not in msgspec.json.encode(profile).decode() or not forget:
            theirs.inventory.put_profile(DEVICE_ID, profile, now, "operator")
    if wake_up:
        theirs.wake_ups.set_address(DEVICE_ID, WakeUpAddress("127.0.0.1", wake_up, on_wake_up=False), now, "operator")
    change = Change(DEVICE_ID, "incoming", told.former, "expected", b"", utc_text(UNTIL), "", "")
    theirs.successions.begin(change, now, "operator")
    wanted = Change(DEVICE_ID, "outgoing", NEW, "wanted", offer.document, utc_text(UNTIL), "", "")
    books.successions.begin(wanted, now, "operator")
    books.close()
    theirs.close()


def outgoing(life: Site) -> str:
    books = life.books()
    change = books.successions.change(DEVICE_ID)
    books.close()
    return change.state if change is not None else ""


def play(tmp_path: Path, act: Callable[[Site, Successor], Awaitable[None]], wake_up: int = 0) -> None:
    async def run() -> None:
        async with site(tmp_path / "a", copy_of(tmp_path / "gateway")) as life:
            life.install()
            if wake_up:
                config = life.world.folder.load()
                place = WakeUpConfig(host="127.0.0.1", port=wake_up)
                life.world.folder.save(msgspec.structs.replace(config, wake_up=place))
            books = life.books()
            for profile in all_profiles():
                books.inventory.put_profile(DEVICE_ID, profile, life.clock.now(), "operator")
            books.close()
            life.start()
            await life.until(lambda: sum(line.startswith("install ") for line in life.audit()) == len(all_profiles()))
            async with successor(tmp_path / "n", life) as new:
                await act(life, new)

    asyncio.run(run())


@pytest.mark.req("ADM-12", "LOG-01", "WAN-04")
@pytest.mark.step("5.2.6", event="administrator_announced")
@pytest.mark.step("5.2.11", event="configuration_checked")
@pytest.mark.step("5.2.13", event="wake_up_accepted")
@pytest.mark.step("5.2.13", event="administrator_changed")
@pytest.mark.step("5.2.14", event="administrator_removed")
@pytest.mark.step("5.3.1", event="certificate_changed")
@pytest.mark.parametrize("by_call", [False, True], ids=["no receiver for a wake-up call", "by wake-up call"])
def test_a_gateway_changes_over_and_every_step_is_logged(tmp_path: Path, by_call: bool) -> None:
    port = free_port(socket.SOCK_DGRAM) if by_call else 0

    async def act(life: Site, new: Successor) -> None:
        hand_over(life, new, wake_up=port)
        await life.until(lambda: outgoing(life) == "announced")
        await life.until(lambda: new.state() == "taken")
        await life.stop()
        assert life.world.folder.load().administrator.name == NEW
        events = logged(life)
        order = [
            "administrator_announced",
            "configuration_checked",
            *(["wake_up_accepted"] if by_call else []),
            "administrator_changed",
            "administrator_removed",
        ]
        places = [events.index(name) for name in order]
        assert places == sorted(places)
        assert events[places[-1] - 4 : places[-1]] == ["certificate_changed"] * 4
        assert "administrator_changed" in logged(life, Log.CALIBRATION)
        module = open_module(life.world.folder.path)
        assert [name for name in module.files() if "NEXT" in name] == []  # type: ignore[attr-defined]

    play(tmp_path, act, port)


@pytest.mark.req("ADM-12")
@pytest.mark.step("5.2.11", event="administrator_change_aborted")
def test_a_gateway_that_is_not_as_promised_stays_with_its_administrator(tmp_path: Path) -> None:
    async def act(life: Site, new: Successor) -> None:
        hand_over(life, new, forget="emt1.sm")
        await life.until(lambda: new.state() == "refused")
        await life.until(lambda: outgoing(life) == "announced")
        await life.stop()
        assert life.world.folder.load().administrator.name == "test.GWA"
        events = logged(life)
        assert events.index("configuration_checked") < events.index("administrator_change_aborted")
        assert "administrator_changed" not in events

    play(tmp_path, act)


@pytest.mark.req("ADM-12")
@pytest.mark.step("5.2.9", event="administrator_change_failed")
def test_a_change_that_nobody_completes_is_given_up_in_time(tmp_path: Path) -> None:
    async def act(life: Site, new: Successor) -> None:
        own, now = load_identity(life.folder.path, ADMINISTRATOR_KEYS), life.clock.now()
        books = life.books()
        document = read_offer(new.offer(), own, now).document
        books.successions.begin(Change(DEVICE_ID, "outgoing", NEW, "wanted", document, utc_text(UNTIL), "", ""), now, "operator")
        books.close()
        await life.until(lambda: outgoing(life) == "announced")
        await life.clock.advance_to(UNTIL, patience_s=60)
        await life.stop()
        events = logged(life)
        assert events.index("administrator_change_failed") < events.index("administrator_change_aborted")
        assert life.world.folder.load().administrator.name == "test.GWA"

    play(tmp_path, act)


@pytest.mark.req("ADM-12", "PKI-02")
def test_an_offer_of_somebody_else_is_refused_by_the_old_administrator(tmp_path: Path) -> None:
    async def act(life: Site, new: Successor) -> None:
        own = load_identity(life.folder.path, ADMINISTRATOR_KEYS)
        document = new.offer()
        with pytest.raises((SecurityFault, DecodeFault)):
            read_offer(document[:-1] + bytes([document[-1] ^ 1]), own, START)
        books = life.books()
        sealed = pack_infrastructure(DEVICE_ID, books.inventory, own, new.identity.triple.enc, "other.GWA")
        books.close()
        with pytest.raises(SecurityFault, match=r"delivery\.sender"):
            open_infrastructure(sealed, new.identity, START)

    play(tmp_path, act)

"""The gateway's administrator and the SM-PKI around it, real and on loopback, with one clock that a test moves."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from tests.gateway.gateway_parts import START, pki
from tests.playbook.life_world import DEVICE_ID, SEAL_FIRST, TO_INSTALLATION, A, World, base64

from smgw.administrator.books import Books, open_books
from smgw.administrator.config import AdministratorConfig, AdministratorFolder
from smgw.administrator.exchanges import PERSONALISATION, Exchanges
from smgw.administrator.initial_configuration import AUTHENTICATION_FILE, Address, load_authentication, make_initial_configuration
from smgw.administrator.service import run_administrator
from smgw.core.identifiers import DeviceId
from smgw.core.life_cycle import Actor, Phase
from smgw.gateway.lifecycle import load_record
from smgw.gateway.own_identity import seal_of
from smgw.gateway.phases import run_phases, sign_installed_program
from smgw.net.clock import ManualClock
from smgw.net.identity import create_keys, install_certificates, load_identity, open_module
from smgw.net.pki_service import PkiService
from smgw.pki.names import Role
from smgw.pki.requests import make_authentication_request
from smgw.pki.triple import ADMINISTRATOR_KEYS, AUTHENTICATION_KEY
from smgw.security.tls import pem_bundle

LIMIT_S = 60.0
P256, P384 = "brainpoolP256r1", "brainpoolP384r1"


def make_administrator(path: Path) -> AdministratorFolder:
    """Make an administrator's folder with its four keys."""
    package = create_keys(path, ADMINISTRATOR_KEYS, Role.GWA, "test")
    install_certificates(path, pki().issue(package, Role.GWA, now=START), [pki().sub().certificate])
    module = open_module(path)
    module.generate(AUTHENTICATION_KEY, P256)
    request = make_authentication_request(module, AUTHENTICATION_KEY, Role.GWA, "test")
    (path / AUTHENTICATION_FILE).write_bytes(pem_bundle([pki().issue_authentication(request, now=START)]))
    pki().trust(START).save(path / "trust")
    return AdministratorFolder(path)


class Site:
    """Hold the running administrator, the SM-PKI and one gateway, which runs or not."""

    def __init__(self, world: World, folder: AdministratorFolder, clock: ManualClock, ports: dict[str, Any]) -> None:
        self.world = world
        self.folder = folder
        self.clock = clock
        self.ports = ports
        self.lines: list[dict[str, object]] = []
        self._stop = asyncio.Event()
        self._task: asyncio.Task[dict[str, object]] | None = None

    @property
    def phase(self) -> Phase:
        """Give the gateway's phase, as its folder says."""
        return load_record(self.world.folder).phase

    @property
    def marks(self) -> tuple[str, ...]:
        """Give what is done in the gateway's life."""
        return load_record(self.world.folder).marks

    def books(self) -> Books:
        """Open the administrator's books beside it."""
        return open_books(self.folder.inventory)

    def order(self, reason: str, curve: str = P256) -> None:
        """Let the administrator order new keys, or the end."""
        books = self.books()
        Exchanges(books.store, books.audit, books.inventory).order(DEVICE_ID, reason, curve, self.clock.now(), "operator")
        books.close()

    def audit(self) -> list[str]:
        """Give the administrator's audit trail as `action: result`, oldest first."""
        books = self.books()
        trail = [f"{entry.action}: {entry.result}" for entry, _ in books.audit.entries()]
        books.close()
        return trail

    def install(self) -> None:
        """Lead the gateway from the works to the end of its installation, for this administrator."""
        world = self.world
        world.through(*SEAL_FIRST)
        identity = load_identity(self.folder.path, ADMINISTRATOR_KEYS)
        address = Address("127.0.0.1", self.ports["management_port"], self.ports["time_port"], self.ports["service_port"])
        authentication = load_authentication(self.folder.path).certificate
        document = make_initial_configuration(identity, authentication, address, DeviceId.parse(DEVICE_ID), START)
        world.do(Actor.INTEGRATOR, A.LOAD_CONFIGURATION, document=base64(document))
        world.through(*TO_INSTALLATION[1:])
        sign_installed_program(world.folder, START)
        world.through(A.FINISH_INSTALLATION)
        world.keeper.close()
        triple, _ = seal_of(world.folder)
        books = self.books()
        books.inventory.add_gateway(DEVICE_ID, triple.tls, triple.sig, triple.enc, START, "operator")
        books.close()
        self.order(PERSONALISATION)

    def start(self) -> None:
        """Start the gateway."""
        self._stop.clear()
        self._task = asyncio.create_task(run_phases(self.world.folder, self.clock, self.lines.append, self._stop, listeners=lambda: ()))

    async def stop(self) -> None:
        """Stop it in good order."""
        self._stop.set()
        if self._task is not None:
            await self._task
        self._task = None

    async def kill(self) -> None:
        """Take its power."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))
        self._task = None

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for something, and fail with the gateway when it fails."""
        async with asyncio.timeout(LIMIT_S):
            while not condition():
                if self._task is not None and self._task.done():
                    self._task.result()
                await asyncio.sleep(0.01)


@asynccontextmanager
async def site(path: Path, world: World) -> AsyncIterator[Site]:
    """Run administrator and SM-PKI around a gateway that is in the works."""
    clock, stop, ports = ManualClock(START + timedelta(minutes=1)), asyncio.Event(), asyncio.Queue[dict[str, object]]()
    folder = make_administrator(path)
    async with AsyncExitStack() as stack:
        service = PkiService(pki(), clock)
        await service.start("127.0.0.1", 0)
        stack.push_async_callback(service.close)
        folder.save(AdministratorConfig(name="test.GWA", crl_url=f"http://127.0.0.1:{service.port}/pki/v1"))
        running = asyncio.create_task(run_administrator(folder, clock, ports.put_nowait, stop))
        async with asyncio.timeout(LIMIT_S):
            made = Site(world, folder, clock, dict(await ports.get()))
        try:
            yield made
        finally:
            await made.kill()
            stop.set()
            await asyncio.wait((running,), timeout=LIMIT_S)

"""A whole system in one process, over real TLS and a real terminal, with a clock that the test moves: for what goes wrong."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from smgw.administrator import lookout
from smgw.administrator.books import open_books
from smgw.administrator.config import AdministratorFolder
from smgw.administrator.service import run_administrator
from smgw.core.identifiers import DeviceId
from smgw.core.log_event import Log
from smgw.core.obis import ACTIVE_ENERGY_IMPORT
from smgw.core.profiles import Profile
from smgw.gateway.config import GatewayFolder, LinkConfig
from smgw.gateway.service import Gateway
from smgw.net.clock import ClockPort, ManualClock
from smgw.net.links import PtyPort, open_pty
from smgw.net.pki_service import PkiService
from smgw.participant.config import ParticipantFolder, provision_participant
from smgw.participant.database import connect_read_only
from smgw.participant.service import run_participant
from smgw.participant.store import ParticipantStore, Totals
from smgw.pki.names import Role
from smgw.pki.triple import CertificateTriple
from smgw.simulation.free_ports import free_ports
from smgw.simulation.household import Household
from smgw.simulation.meters.sml_meter import SmlMeter
from smgw.simulation.provisioning import (
    DEFAULT_GATEWAY_ID,
    PARTNER_ID,
    Layout,
    System,
    found_identities,
    open_pki,
    provision_administrator,
    provision_gateway,
    provision_makers,
    simulated_meter,
)

FOUNDED = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
QUARTER = timedelta(minutes=15)
LIMIT_S = 60.0
PASSWORD = "a password of the test"
METER = simulated_meter("household", 10_000_001, "BEZUG")
LINK = "household"


@cache
def founded() -> tuple[Path, dict[Role, CertificateTriple]]:
    """Found one test PKI with the three identities, and the makers of programs, for the whole test process."""
    folder = Path(mkdtemp(prefix="smgw-world-"))
    triples = found_identities(Layout(folder), DEFAULT_GATEWAY_ID, FOUNDED)
    provision_makers(Layout(folder), FOUNDED)
    return folder, triples


async def until(condition: Callable[[], object], what: str) -> None:
    """Wait until something has happened in another task, in bounded time."""
    for _ in range(int(LIMIT_S / 0.002)):
        if condition():
            return
        await asyncio.sleep(0.002)
    pytest.fail(f"never happened: {what}")


def place(task: "asyncio.Task[Any]") -> str:
    """Name the lines that a task waits at."""
    lines, awaited = [], cast("Any", task.get_coro())
    while (frame := getattr(awaited, "cr_frame", None)) is not None:
        lines.append(f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}")
        awaited = awaited.cr_await
    return " > ".join(lines)


class Shifted:
    """Show another clock's time shifted: that of a partner whose clock is wrong."""

    def __init__(self, base: ManualClock) -> None:
        self._base = base
        self.offset = timedelta()

    def now(self) -> datetime:
        """Give the shifted time."""
        return self._base.now() + self.offset

    async def sleep_until(self, moment: datetime) -> None:
        """Sleep until a moment of the shifted time."""
        await self._base.sleep_until(moment - self.offset)

    async def wait_until(self, moment: datetime | None, event: asyncio.Event) -> bool:
        """Wait for an event, or a moment of the shifted time."""
        return await self._base.wait_until(None if moment is None else moment - self.offset, event)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._base, name)


class World:
    """Hold the parts of a running system and the meter's end of its line."""

    def __init__(self, path: Path, now: datetime) -> None:
        model, triples = founded()
        self.identities = dict(triples)
        shutil.copytree(model, path, dirs_exist_ok=True)
        self.layout = Layout(path)
        self.now = now
        self.clock = ManualClock(now)
        self.administrators_clock = Shifted(self.clock)
        """What the gateway takes its time from."""
        self.pki = open_pki(self.layout, now)
        if now != FOUNDED:
            # Revocation lists of that time.
            found_identities(self.layout, DEFAULT_GATEWAY_ID, now)
        self.system = System(DEFAULT_GATEWAY_ID, now, free_ports(None), (METER,))
        self.meter = SmlMeter(DeviceId.parse(METER.meter_id), Household("prosumer"))
        self.port: PtyPort = open_pty(path / "meter.tty")
        self.diagnostics: list[Any] = []
        self.gateway: Gateway
        self.running: asyncio.Task[Any]
        """The gateway's work."""
        self.stop = asyncio.Event()
        self._ready: Callable[[dict[str, object]], None] = lambda _: None
        self._seen = 0

    def provision(self) -> None:
        """Write every role's folder, as the launcher does."""
        ports = self.system.ports
        triples = self.identities
        provision_administrator(self.layout, self.system, triples[Role.SMGW], triples[Role.EMT], PASSWORD, self.now)
        provision_participant(
            self.layout.participant,
            name=PARTNER_ID,
            deliveries_port=ports.deliveries,
            api_port=ports.participant,
            crl_url=f"http://127.0.0.1:{ports.pki}/pki/v1",
            gateway_id=DEFAULT_GATEWAY_ID,
            meters=[METER.meter_id],
            contracts=["taf7-1.sm", "taf1-1.sm"],
        )
        provision_gateway(self.layout, self.system, triples[Role.GWA], (LinkConfig(LINK, f"pty://{self.port.path}"),))

    async def start_gateway(self, ready: Callable[[dict[str, object]], None]) -> None:
        """Start the gateway."""
        self._ready = ready
        # All roles listen in this one process; the gateway's separation of its networks has tests of its own.
        self.gateway = Gateway(GatewayFolder(self.layout.gateway), self.clock, listeners=list)
        self.running = asyncio.create_task(self.gateway.run(ready, self.stop))
        await until(lambda: self.port.has_reader or self.running.done(), "gateway")

    async def power_cut(self) -> None:
        """End the gateway where it stands, and start it again."""
        self.running.cancel()
        await asyncio.wait((self.running,))
        await until(lambda: not self.port.has_reader, "the end of its line")
        await self.start_gateway(self._ready)

    def triple(self, role: Role) -> CertificateTriple:
        """Give a role's certificates."""
        return self.identities[role]

    def order(self, profile: Profile) -> None:
        """Let the administrator have a profile installed."""
        books = open_books(AdministratorFolder(self.layout.administrator).inventory)
        books.inventory.put_profile(DEFAULT_GATEWAY_ID, profile, self.clock.now(), "test")
        books.close()

    async def move_to(self, moment: datetime) -> None:
        """Move the time, and let everything happen that this causes."""
        try:
            await self.clock.advance_to(moment, patience_s=LIMIT_S)
        except TimeoutError:
            pytest.fail("time stands still; what runs:\n" + "\n".join(f"{task.get_name()}: {place(task)}" for task in asyncio.all_tasks()))

    async def feed(self, octets: bytes) -> None:
        """Send octets of the meter, and let everything happen that this causes."""
        taken = await self.port.write(octets)
        assert taken == len(octets)
        self.clock.sent(LINK, taken)
        await self.move_to(self.clock.now())

    async def quarter(self) -> datetime:
        """Move to the next quarter hour and send the telegram that decides it."""
        moment = self.next_quarter()
        await self.move_to(moment)
        await self.feed(self.meter.telegram(moment))
        return moment

    def next_quarter(self) -> datetime:
        """Give the next quarter hour after now."""
        start = self.clock.now().replace(minute=0, second=0, microsecond=0)
        return start + QUARTER * ((self.clock.now() - start) // QUARTER + 1)

    def raw_at(self, moment: datetime) -> int:
        """Give what the import register really showed at a moment."""
        return Household("prosumer").registers_at(moment)[ACTIVE_ENERGY_IMPORT]

    def readings(self) -> dict[datetime, int | None]:
        """Give the stored values of the import register by target time."""
        stored = self.gateway.journal.readings(METER.meter_id, [ACTIVE_ENERGY_IMPORT])
        return {signed.reading.target_time: signed.reading.raw for signed in stored}

    def told(self, log: Log = Log.SYSTEM) -> list[tuple[str, str]]:
        """List (event, code) of one of the gateway's logs."""
        owner = "consumer1.sm" if log is Log.CONSUMER else ""
        return [(stored.entry.event, stored.entry.parameters.get("code", "")) for stored in self.gateway.journal.log(log, owner)]

    def refusals(self) -> list[str]:
        """List the codes of what the participant refused."""
        with closing(connect_read_only(ParticipantFolder(self.layout.participant).store)) as connection:
            return [refusal.code for refusal in reversed(ParticipantStore(connection).refusals(100))]

    def totals(self) -> Totals:
        """Count what the participant has."""
        with closing(connect_read_only(ParticipantFolder(self.layout.participant).store)) as connection:
            return ParticipantStore(connection).totals()

    def diagnosed(self, event: str) -> list[str]:
        """List the codes of a kind of diagnostic line of administrator and participant."""
        return [str(line.get("code")) for line in self.diagnostics if line["event"] == event]

    async def delivered(self) -> None:
        """Wait until the participant has everything that the gateway has queued."""
        await until(lambda: self.gateway.journal.delivery_counts()[0] == self.gateway.journal.delivery_counts()[1], "delivery")


@asynccontextmanager
async def world(path: Path, now: datetime = FOUNDED, prepare: Callable[[World], None] = lambda _: None) -> AsyncIterator[World]:
    """Run a whole system, its first value taken; `prepare` may spoil something before it starts."""
    state = World(path / "data", now)
    state.provision()
    prepare(state)
    stop = state.stop
    service = PkiService(state.pki, state.clock)
    await service.start("127.0.0.1", state.system.ports.pki)
    with pytest.MonkeyPatch.context() as patch, capture_logs() as state.diagnostics:
        patch.setattr(lookout, "LOOK_S", 0.01)
        up: list[str] = []

        def ready(facts: dict[str, object]) -> None:
            up.append(str(facts.get("event", facts.get("role"))))

        theirs = cast("ClockPort", state.administrators_clock)
        tasks = [
            asyncio.create_task(run_administrator(AdministratorFolder(state.layout.administrator), theirs, ready, stop)),
            asyncio.create_task(run_participant(ParticipantFolder(state.layout.participant), state.clock, ready, stop)),
        ]
        await until(lambda: len(up) == 2 or any(task.done() for task in tasks), "partners")
        try:
            await state.start_gateway(ready)
            yield state
            assert not any(task.done() for task in (*tasks, state.running)), "a part of the system ended"
        finally:
            stop.set()
            async with asyncio.timeout(LIMIT_S):
                await asyncio.gather(*tasks, state.running)
            await service.close()
            state.port.close()


@asynccontextmanager
async def measuring(path: Path, now: datetime = FOUNDED) -> AsyncIterator[World]:
    """Run a whole system that has its profiles and its first value."""
    async with world(path, now) as state:
        await until(lambda: len(state.gateway.journal.profiles("evaluation")) == 2, "profiles")
        await state.move_to(now + timedelta(seconds=10))
        await state.feed(state.meter.telegram(state.clock.now()))
        yield state

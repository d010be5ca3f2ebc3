"""Many virtual gateways in one process: each with its own keys, journal, connections and meter; only the program is shared.

They are real gateways of the fleet in all that an administrator, a participant and a consumer can see; they save a process each.
Source: ADM-01; 50-headend-scale 1.
"""

import asyncio
import resource
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, suppress
from datetime import datetime, timedelta
from pathlib import Path
from threading import Lock
from time import monotonic, sleep
from typing import Generic, NamedTuple, TypeVar

import msgspec
import structlog

from smgw.administrator.books import Books, open_books
from smgw.administrator.config import AdministratorFolder
from smgw.core.errors import ConfigError, SmgwError, Unavailable
from smgw.core.identifiers import DeviceId
from smgw.core.profiles import EvaluationProfile, Profile, profile_key
from smgw.gateway.boot import sign_program
from smgw.gateway.config import AdministratorConfig, GatewayConfig, GatewayFolder, LinkConfig
from smgw.gateway.firmware_model import installed_files
from smgw.gateway.service import Gateway
from smgw.net.clock import ClockPort
from smgw.net.links import PtyPort, open_pty
from smgw.net.listeners import Listener, own_listeners
from smgw.participant.config import ParticipantFolder
from smgw.participant.database import connect
from smgw.participant.registry import Registry
from smgw.pki.deployment import PkiFolder
from smgw.pki.names import Role
from smgw.pki.triple import GATEWAY_KEYS, CertificateTriple
from smgw.simulation.household import Household
from smgw.simulation.meters.port import MeterPort
from smgw.simulation.meters.sml_meter import SmlMeter
from smgw.simulation.provisioning import (
    ACTOR,
    Layout,
    System,
    administrator_of,
    found_identity,
    open_pki,
    profiles_of,
    simulated_meter,
)

log = structlog.get_logger(__name__)

FIRST_NUMBER = 20_000_000
"""Serial number before the first virtual gateway's and its meter's."""
LINK = "household"
STARTS_AT_ONCE = 4
START_S = 10.0
"""So long a starting member holds up the next ones; an administrator that can't be reached holds up nobody for ever."""
SPREAD = 97
"""Meters send at so many different moments of an interval: in a street no two meters send together for long."""
LOOK_S = 1.0
"""Members that ask within so many seconds get the same look at what they share."""
WAITS, WAIT_S = 40, 0.2
"""So often, and so many seconds each time, is waited for a member that says that a port is its own."""
LIMIT = 2_000
"""Largest fleet of one process: so many connections administrator and participant take at once unless they are told otherwise."""
FILES = 12
"""Open files of a gateway at most: both ends of the meter's line, journal, lock, consumer's port, connections, the self-test's own."""
FILES_BESIDE = 200


class Member(NamedTuple):
    """Name one virtual gateway and its meter."""

    number: int

    @property
    def device_id(self) -> str:
        """Give the gateway's device id."""
        return str(DeviceId("E", "SGW", 0, FIRST_NUMBER + self.number))

    @property
    def meter_id(self) -> str:
        """Give its meter's id."""
        return str(DeviceId("1", "SGW", 0, FIRST_NUMBER + self.number))


def require_files(count: int) -> None:
    """Demand that the system allows as many open files as so many virtual gateways need. Raises: ConfigError simulation.files."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = FILES_BESIDE + count * FILES
    if count and resource.RLIM_INFINITY != most < needed:
        raise ConfigError("simulation.files", f"{count} need {needed}, the hard limit is {most}")


def members(count: int) -> Iterator[Member]:
    """List the members of a fleet."""
    return map(Member, range(1, count + 1))


class Surroundings(NamedTuple):
    """Hold what every member is made for."""

    system: System
    pki: PkiFolder
    administrator: AdministratorConfig
    participant: CertificateTriple
    password: str
    now: datetime


def member_profiles(member: Member, around: Surroundings) -> list[Profile]:
    """Make the profiles of one member: its meter with a meter-reading series and a monthly total, one partner, one consumer."""
    meter = simulated_meter("household", FIRST_NUMBER + member.number, "BEZUG")
    system = msgspec.structs.replace(around.system, gateway_id=member.device_id, meters=(meter,))
    point = f"DE{FIRST_NUMBER + member.number:031d}"
    made = profiles_of(system, around.participant, around.password)
    return [
        msgspec.structs.replace(profile, metering_point_id=point, delivery="daily" if profile.taf == 7 else "billing")
        if isinstance(profile, EvaluationProfile)
        else profile
        for profile in made
    ]


def found_member(folder: Path, member: Member, around: Surroundings) -> CertificateTriple:
    """Make one member's folder: keys, certificates, configuration, signed program; what exists is kept, its configuration is renewed."""
    place = folder / member.device_id
    triple = found_identity(place, GATEWAY_KEYS, Role.SMGW, member.device_id, around.pki, around.now)
    gateway = GatewayFolder(place)
    gateway.save(GatewayConfig(member.device_id, around.administrator, (LinkConfig(LINK, f"pty://{place / 'meter.tty'}"),)))
    sign_program(gateway, around.now)
    return triple


def enrol(member: Member, triple: CertificateTriple, around: Surroundings, books: Books, registry: Registry) -> None:
    """Enter a member with its profiles at the administrator, and at the participant; doing it twice changes nothing."""
    if books.inventory.gateway(member.device_id) is None:
        books.inventory.add_gateway(member.device_id, triple.tls, triple.sig, triple.enc, around.now, ACTOR)
    held = {profile_key(profile): profile.version for _, profile in books.inventory.profiles(member.device_id)}
    profiles = member_profiles(member, around)
    for profile in profiles:
        if held.get(profile_key(profile), 0) < profile.version:
            books.inventory.put_profile(member.device_id, profile, around.now, ACTOR)
    contracts = [profile.profile_id for profile in profiles if isinstance(profile, EvaluationProfile)]
    registry.register(member.device_id, [member.meter_id], contracts, period_s=around.system.period_s)


def found_fleet(layout: Layout, system: System, identities: Mapping[Role, CertificateTriple], password: str, now: datetime) -> None:
    """Make all virtual gateways of a system and enrol them; what exists is kept."""
    administrator = administrator_of(system, identities[Role.GWA])
    around = Surroundings(system, open_pki(layout, now), administrator, identities[Role.EMT], password, now)
    books = open_books(AdministratorFolder(layout.administrator).inventory)
    with closing(connect(ParticipantFolder(layout.participant).store)) as connection, closing(books):
        for member in members(system.fleet - 1):
            enrol(member, found_member(layout.fleet, member, around), around, books, Registry(connection))


def _line(place: Path) -> PtyPort:
    """Open a meter's line. Raises: Unavailable link.lost when the system has no more terminals or files."""
    try:
        return open_pty(place)
    except OSError as problem:
        raise Unavailable("link.lost", str(problem)) from problem


_T = TypeVar("_T")


class Shared(Generic[_T]):
    """Answer many threads that ask within a moment by looking once; each gets a look that is at most `LOOK_S` old.

    A thousand gateways of one process share its listening sockets and its program. Each still judges by itself what was found.
    """

    def __init__(self, look: Callable[[], _T]) -> None:
        self._look = look
        self._lock = Lock()
        self._seen: tuple[float, _T] | None = None

    def __call__(self) -> _T:
        """Give what is seen. Raises: as the look."""
        with self._lock:
            if self._seen is None or monotonic() >= self._seen[0] + LOOK_S:
                self._seen = monotonic(), self._look()
            return self._seen[1]


class Fleet:
    """Run the gateways of a folder."""

    def __init__(self, path: Path, clock: ClockPort, interval: timedelta) -> None:
        self._folders = [GatewayFolder(place) for place in sorted(path.iterdir()) if (place / "gateway.json").exists()]
        self._clock = clock
        self._interval = interval
        self._starting = asyncio.Semaphore(STARTS_AT_ONCE)
        self._gateways: dict[str, Gateway] = {}
        self._found = Shared(own_listeners)
        self._installed = Shared(installed_files)
        self.measuring = 0
        self.failed: dict[str, str] = {}

    async def run(self, ready: Callable[[dict[str, object]], None], stop: asyncio.Event) -> dict[str, object]:
        """Serve until the event is set; gives the counters of all together. A member that fails is told and does not end the others.

        Raises: ConfigError simulation.files.
        """
        require_files(len(self._folders))
        tasks = [asyncio.create_task(self._run_member(folder, stop), name=folder.path.name) for folder in self._folders]
        ready({"role": "fleet", "gateways": len(self._folders)})
        totals: dict[str, int] = {}
        for task in tasks:
            for name, value in (await task).items():
                totals[name] = totals.get(name, 0) + value
        return {"role": "fleet", "gateways": len(self._folders), "failed": len(self.failed), **totals}

    async def _run_member(self, folder: GatewayFolder, stop: asyncio.Event) -> dict[str, int]:
        name = folder.path.name
        up = asyncio.Event()
        try:
            await self._starting.acquire()
            asyncio.create_task(self._let_next(up), name=f"{name} starts")  # noqa: RUF006 - ends by itself, and nobody waits for it
            if stop.is_set():
                up.set()
                return {}
            line = _line(folder.path / "meter.tty")
            gateway = Gateway(folder, self._clock, listeners=lambda: self._listeners(name), installed=self._installed)
            self._gateways[name] = gateway
            meter = SmlMeter(DeviceId.parse("1" + name[1:]), Household("household", int(name[-8:])))
            port = MeterPort(
                meter, line, self._clock, f"{name}/{LINK}", self._interval, later=self._interval * (int(name[-8:]) % SPREAD) / SPREAD
            )
            sending = asyncio.create_task(port.run())
            try:
                counters = await gateway.run(lambda facts: self._note(facts, up), stop)
            finally:
                sending.cancel()
                with suppress(asyncio.CancelledError):
                    await sending
                line.close()
        except SmgwError as fault:
            up.set()
            self.failed[name] = fault.code
            log.error("member_failed", gateway=name, code=fault.code, detail=fault.detail)
            await stop.wait()
            return {}
        return {key: value for key, value in counters.items() if isinstance(value, int) and not isinstance(value, bool)}

    def _listeners(self, name: str) -> list[Listener]:
        """List what listens in this process, without what the other members listen on by intention.

        Called in a thread: a member that opens its door at this moment gets some time to say that it meant to.
        """
        own, found = self._gateways[name].places, self._found()
        strange = self._strange(found)
        for _ in range(WAITS):
            if not strange:
                return [listener for listener in found if listener.port in own]
            sleep(WAIT_S)
            strange = self._strange(strange)
        strange &= set(self._found())
        return [listener for listener in found if listener.port in own or listener in strange]

    def _strange(self, found: Iterable[Listener]) -> set[Listener]:
        """Give what listens on a port of which no member says at this moment that it is its own."""
        meant = set[int]().union(*(gateway.places for gateway in list(self._gateways.values())))
        return {listener for listener in found if listener.port not in meant}

    async def _let_next(self, up: asyncio.Event) -> None:
        """Let the next member start once one is up, or takes too long."""
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(START_S):
                    await up.wait()
        finally:
            self._starting.release()

    def _note(self, facts: dict[str, object], up: asyncio.Event) -> None:
        if facts.get("event") == "normal":
            up.set()
        if facts.get("event") == "measuring":
            self.measuring += 1
            if self.measuring == len(self._folders):
                log.info("fleet_measuring", gateways=self.measuring)

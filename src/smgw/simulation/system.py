"""A whole metering system on loopback: start its processes, keep them, stop them in order.

Each role is a process of its own that knows only its folder and the clock; this launcher knows them all and none of their secrets but the
consumer's password, which it shows to the user.
"""

import asyncio
import fcntl
import os
import secrets
import shutil
import tempfile
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import msgspec

from smgw.core.errors import ConfigError, Unavailable
from smgw.core.instant import local_day, local_midnight
from smgw.gateway.config import LinkConfig
from smgw.net.pacemaker import Pacemaker
from smgw.participant.config import provision_participant
from smgw.pki.names import Role
from smgw.security.files import write_durably
from smgw.simulation.discovery import meter_of_dump, meter_of_link
from smgw.simulation.fleet import found_fleet, require_files
from smgw.simulation.free_ports import free_ports
from smgw.simulation.processes import STOP_S, Processes
from smgw.simulation.provisioning import (
    CONSUMER_NAME,
    DEFAULT_GATEWAY_ID,
    PARTNER_ID,
    Layout,
    Meter,
    System,
    found_identities,
    provision_administrator,
    provision_gateway,
    simulated_meter,
)

FIRST_VALUE_S = 8.0
"""`ready` waits so long for a first value, then comes all the same: a mute meter must not hide the rest."""

POLL_S = 0.5
NOTE_S = 1.0
"""Simulated time is noted so often, in real seconds."""

LEAD = timedelta(minutes=10)
"""An accelerated system starts so long before the last local midnight, so that its first whole day begins soon."""

TELEGRAMS_PER_REAL_SECOND = 20
FLEET_INTERVAL_S = 60
MEMBER_STOP_S = 0.1
"""So much longer a fleet has to stop for each of its gateways."""
"""Pause between the telegrams of a virtual gateway's meter."""
INTERVALS_S = (2, 5, 10, 15, 30, 60, 90, 180, 300, 450, 900)


class Options(NamedTuple):
    """Hold what the user asked for."""

    data: Path
    meters: tuple[str, ...] = ()
    """Sources; empty: a household and a heat pump, or what the folder already has."""
    speed: float = 1.0
    interval_s: int | None = None
    """Seconds between telegrams of simulated and replayed meters; None suits the speed."""
    period_s: int | None = None
    """Register period; None is 900 s, or what the folder already has."""
    gateway_id: str = ""
    fleet: int | None = None
    """Gateways in all; None is one, or what the folder already has."""
    until_delivered: bool = False
    timeout_s: float | None = None
    faults: tuple[str, ...] = ()
    """Faults of simulated and replayed meters, `bitflip=0.01`."""


def telegram_interval_s(speed: float) -> int:
    """Give the pause between telegrams: two seconds as live meters, longer where simulated time runs faster."""
    return next((pause for pause in INTERVALS_S if pause * TELEGRAMS_PER_REAL_SECOND >= speed), INTERVALS_S[-1])


class Launcher:
    """Own the processes of one system."""

    def __init__(self, options: Options, tell: Callable[[dict[str, Any]], None], stop: asyncio.Event) -> None:
        self._options = options
        self._tell = tell
        self._stop = stop
        self._layout = Layout(options.data.resolve())
        self._processes = Processes(self._layout.path / "log")
        self._pacemaker: Pacemaker | None = None
        self._paused = ExitStack()

    async def run(self) -> dict[str, Any]:
        """Start, serve until stopped or delivered, stop; gives the summary. Raises: Unavailable up.* when something did not come up."""
        async with AsyncExitStack() as stack:
            try:
                self._layout.path.mkdir(parents=True, exist_ok=True, mode=0o700)
                stack.enter_context(_only_one(self._layout.path))
                runtime = _runtime_folder(self._layout.path, stack)
                system = await self._found()
            except OSError as problem:
                raise ConfigError("up.folder", f"{problem.filename or self._layout.path}: {problem.strerror}") from problem
            clock_spec = await self._start_clock(system, runtime, stack)
            stack.push_async_callback(self._processes.kill)
            try:
                if await self._unless_stopped(self._start_all(system, runtime, clock_spec)):
                    await self._serve(system)
                # Time stands still while the parts stop: no period may end that nobody measures any more.
                if self._pacemaker is not None:
                    stack.enter_context(self._pacemaker.hold())
                closing = await self._processes.stop()
            finally:
                self._save(system, simulated_until=self._now())
        return _summary(closing)

    async def _unless_stopped(self, start: Coroutine[Any, Any, None]) -> bool:
        """Start, but give up at once when the user stops; tells whether all was started."""
        starting, stopping = asyncio.create_task(start), asyncio.create_task(self._stop.wait())
        await asyncio.wait((starting, stopping), return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if starting.done():
            starting.result()
            return True
        starting.cancel()
        with suppress(asyncio.CancelledError):
            await starting
        return False

    def _now(self) -> datetime:
        return self._pacemaker.now() if self._pacemaker is not None else datetime.now(UTC)

    async def _note_time(self, system: System) -> None:
        """Keep on disk a time that simulation can't have passed before the next note, so that a killed launcher never goes back."""
        while self._pacemaker is not None:
            ahead = timedelta(seconds=min(2 * NOTE_S * self._options.speed, 86_400))
            self._save(system, simulated_until=self._now() + ahead)
            await asyncio.sleep(NOTE_S)

    def _save(self, system: System, **changes: Any) -> System:
        system = msgspec.structs.replace(system, **changes)
        write_durably(self._layout.state, msgspec.json.format(msgspec.json.encode(system), indent=2) + b"\n")
        return system

    async def _found(self) -> System:
        """Load the system of the folder, or found one; profiles get a higher version when ports or meters changed."""
        held = None
        if self._layout.state.exists():
            try:
                held = msgspec.json.decode(self._layout.state.read_bytes(), type=System)
            except (msgspec.MsgspecError, UnicodeDecodeError) as problem:
                raise ConfigError("up.state", str(problem)[:200]) from problem
        require_files((self._options.fleet or (held.fleet if held else 1)) - 1)
        self._heard = {meter.source for meter in held.meters} if held is not None else set[str]()
        start = self._start_time(held)
        meters = _with_removed(await self._meters(held), held, start)
        ports = free_ports(held.ports if held else None)
        if held is None:
            period_s = self._options.period_s or 900
            system = System(self._options.gateway_id or DEFAULT_GATEWAY_ID, start, ports, meters, period_s, fleet=self._options.fleet or 1)
        else:
            if self._options.gateway_id not in ("", held.gateway_id):
                raise ConfigError("up.gateway_id", f"the folder holds {held.gateway_id}")
            period_s = self._options.period_s or held.period_s
            changed = (ports.deliveries, meters, period_s) != (held.ports.deliveries, held.meters, held.period_s)
            system = msgspec.structs.replace(
                held,
                ports=ports,
                meters=meters,
                period_s=period_s,
                profile_version=held.profile_version + changed,
                fleet=self._options.fleet or held.fleet,
            )
        self._start = start
        identities = found_identities(self._layout, system.gateway_id, start)
        password = _password(self._layout.password)
        provision_administrator(self._layout, system, identities[Role.SMGW], identities[Role.EMT], password, start)
        provision_participant(
            self._layout.participant,
            name=PARTNER_ID,
            deliveries_port=ports.deliveries,
            api_port=ports.participant,
            crl_url=f"http://127.0.0.1:{ports.pki}/pki/v1",
            gateway_id=system.gateway_id,
            meters=[meter.meter_id for meter in meters],
            period_s=period_s,
            contracts=[f"taf{taf}-{index}.sm" for index in range(1, len(meters) + 1) for taf in (7, 1)],
        )
        self._administrator = identities[Role.GWA]
        await asyncio.to_thread(found_fleet, self._layout, system, identities, password, start)
        return self._save(system)

    def _start_time(self, held: System | None) -> datetime:
        now = datetime.now(UTC)
        if held is not None and held.simulated_until is not None and (held.simulated_until > now or self._options.speed != 1):
            return held.simulated_until
        return now if self._options.speed == 1 else local_midnight(local_day(now)) - LEAD

    async def _meters(self, held: System | None) -> tuple[Meter, ...]:
        if not self._options.meters:
            default = (simulated_meter("household", 10_000_001, "BEZUG"), simulated_meter("heat-pump", 10_000_002, "WÄRMEPUMPE"))
            return held.connected if held is not None else default
        found = []
        for index, source in enumerate(self._options.meters, start=1):
            name = f"meter{index}"
            kind, _, rest = source.partition(":")
            if kind == "sml":
                found.append(meter_of_dump(name, Path(rest)))
            elif source in ("sim:household", "sim:heat-pump"):
                label = "BEZUG" if index == 1 else f"BEZUG {index}"
                described = simulated_meter("household" if source == "sim:household" else "heat-pump", 10_000_000 + index, label)
                found.append(msgspec.structs.replace(described, name=name))
            else:
                found.append(await meter_of_link(name, source))
        if len({meter.meter_id for meter in found}) != len(found):
            raise ConfigError("up.meters", "one meter twice")
        return tuple(found)

    async def _start_clock(self, system: System, runtime: Path, stack: AsyncExitStack) -> str:
        """Take the computer's clock where simulated time is real time, else a pacemaker's."""
        if self._options.speed == 1 and self._start <= datetime.now(UTC):
            return "system"
        path = runtime / "clock"
        self._pacemaker = await stack.enter_async_context(Pacemaker(path, self._start, self._options.speed))
        self._paused.enter_context(self._pacemaker.hold())
        stack.callback(self._paused.close)
        return f"paced:{path}"

    async def _start_all(self, system: System, runtime: Path, clock_spec: str) -> None:
        layout, common = self._layout, ["--clock", clock_spec, "--stop-on-eof"]
        await asyncio.gather(
            self._processes.start("pki", ["pki", "serve", str(layout.pki), "--listen", f"127.0.0.1:{system.ports.pki}", *common]),
            self._processes.start("administrator", ["administrator", "run", "--data", str(layout.administrator), *common]),
            self._processes.start("participant", ["participant", "run", "--data", str(layout.participant), *common]),
        )
        links, starts = [], []
        interval = str(self._options.interval_s or telegram_interval_s(self._options.speed))
        for meter in system.connected:
            kind, _, rest = meter.source.partition(":")
            if kind not in ("sim", "sml"):
                links.append(LinkConfig(meter.name, meter.source))
                continue
            port = runtime / f"{meter.name}.tty"
            links.append(LinkConfig(meter.name, f"pty://{port}"))
            played = ["--played"] if meter.source in self._heard else []
            what = ["replay", rest, *played] if kind == "sml" else ["run", "--id", meter.meter_id, "--profile", _PROFILES[rest]]
            faults = [part for fault in self._options.faults for part in ("--fault", fault)]
            starts.append(
                self._processes.start(
                    meter.name, ["meter", *what, "--link", f"pty:{port}", "--interval", interval, "--name", meter.name, *faults, *common]
                )
            )
        await asyncio.gather(*starts)
        provision_gateway(layout, system, self._administrator, tuple(links))
        if system.fleet > 1:
            pause = str(self._options.interval_s or FLEET_INTERVAL_S)
            await self._processes.start(
                "fleet", ["fleet", "run", "--data", str(layout.fleet), "--interval", pause, *common], STOP_S + system.fleet * MEMBER_STOP_S
            )
        gateway = await self._processes.start("gateway", ["gateway", "run", "--data", str(layout.gateway), *common])
        self._paused.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(FIRST_VALUE_S):
                while (await gateway.lines.get()).get("event") != "measuring":
                    pass

    async def _serve(self, system: System) -> None:
        """Say that all is up, then wait: for the user, for a process that ends, for the delivered day, or for the time limit."""
        self._tell(self._ready_line(system))
        waits = [asyncio.create_task(self._stop.wait()), asyncio.create_task(self._processes.first_end())]
        notes = asyncio.create_task(self._note_time(system))
        if self._options.until_delivered:
            waits.append(asyncio.create_task(self._until_delivered(system)))
        try:
            done, _ = await asyncio.wait(waits, timeout=self._options.timeout_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (*waits, notes):
                task.cancel()
        if not done and self._options.until_delivered:
            raise Unavailable("up.not_delivered", f"after {self._options.timeout_s} s")
        ended = self._processes.ended()
        if ended and not self._stop.is_set():
            raise Unavailable("up.ended", f"{', '.join(ended)} ended; see {self._layout.path / 'log'}")

    def _ready_line(self, system: System) -> dict[str, Any]:
        return {
            "event": "ready",
            "gateway_id": system.gateway_id,
            "fleet": system.fleet,
            "consumer": {
                "url": f"https://127.0.0.1:{system.ports.han}",
                "user": CONSUMER_NAME,
                "password": _password(self._layout.password),
            },
            "participant": {
                "url": f"http://127.0.0.1:{system.ports.participant}",
                "token_file": str(self._layout.participant / "participant.token"),
            },
            "administrator": {
                "url": f"http://127.0.0.1:{system.ports.administrator}",
                "token_file": str(self._layout.administrator / "administrator.token"),
            },
            "data": str(self._layout.path),
        }

    async def _until_delivered(self, system: System) -> None:
        """Ask the participant until it holds a complete, verified day more than at the start, of a meter that is connected now."""
        token = (self._layout.participant / "participant.token").read_text().strip()
        address = f"http://127.0.0.1:{system.ports.participant}/api/v1/summary"
        connected = {meter.meter_id for meter in system.connected}
        before: set[str] | None = None
        async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as session:
            while True:
                async with session.get(address) as response:
                    days = (await response.json())["complete_days"]
                found = {f"{day['meter_id']} {day['obis']} {day['day']}" for day in days if day["meter_id"] in connected}
                before = found if before is None else before
                if found - before:
                    return
                await asyncio.sleep(POLL_S)


_PROFILES = {"household": "solar", "heat-pump": "heat-pump"}


@contextmanager
def _only_one(folder: Path) -> Iterator[None]:
    """Keep a second launcher out of the folder. Raises: Unavailable up.running."""
    handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as problem:
        raise Unavailable("up.running") from problem
    finally:
        os.close(handle)


def _runtime_folder(data: Path, stack: AsyncExitStack) -> Path:
    """Give a folder for sockets and terminals: in the data folder, or a temporary one where that path is too long for a socket."""
    folder = data / "run"
    if len(os.fsencode(folder)) > 80:
        folder = Path(tempfile.mkdtemp(prefix="smgw-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
    folder.mkdir(exist_ok=True, mode=0o700)
    return folder


def _with_removed(present: tuple[Meter, ...], held: System | None, now: datetime) -> tuple[Meter, ...]:
    """Keep the place of every meter the system ever had, since contracts are numbered by it; those no longer connected end now."""
    meters = {meter.meter_id: meter for meter in held.meters} if held is not None else {}
    for meter_id, meter in meters.items():
        if meter.removed_at is None:
            meters[meter_id] = msgspec.structs.replace(meter, removed_at=now)
    return tuple({**meters, **{meter.meter_id: meter for meter in present}}.values())


def _password(path: Path) -> str:
    """Give the consumer's password; it is made once and kept readable by its owner alone."""
    if not path.exists():
        write_durably(path, secrets.token_urlsafe(16).encode() + b"\n", 0o600)
    return path.read_text().strip()


def _summary(closing: dict[str, dict[str, Any]]) -> dict[str, Any]:
    gateway = closing.get("gateway", {})
    if not gateway and closing.keys() & {"participant", "administrator"}:
        raise Unavailable("up.ended", "the gateway did not stop in good order; see its log file")
    names = ("meters", "telegrams", "readings", "deliveries", "rejected", "log_entries")
    return {"event": "summary", **{name: gateway.get(name, 0) for name in names}}

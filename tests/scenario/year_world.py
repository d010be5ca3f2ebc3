"""One gateway with its meters, its administrator and two participants, moved through a year by a clock that nobody waits for.

Everything inside the gateway is the real thing: its folder, its encrypted journal, its start, its clock's discipline, its upkeep and its
outbox over mutual TLS. Played are the octets of the meters, the time server's clock and the passing of time.
"""

import asyncio
import heapq
import itertools
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from uuid import UUID

import msgspec
import pytest
from tests.scenario.year_contracts import DEVICES, GATEWAY_ID, PARTICIPANT, PORTAL, Device

from smgw.codec.command import Answer, Command, decode_answer, encode_command
from smgw.codec.sml import Body, GetListResponse, ListEntry, PublicCloseResponse, PublicOpenResponse, SmlMessage, encode_frame
from smgw.core.errors import CertificateRejected, Unavailable
from smgw.core.instant import microseconds, period_floor
from smgw.core.log_event import Log
from smgw.core.obis import ACTIVE_ENERGY_EXPORT, ACTIVE_ENERGY_IMPORT, Obis
from smgw.core.profiles import PROFILE_KINDS, CommunicationProfile, Profile, profile_key
from smgw.core.reading import SignedReading
from smgw.core.register import RegisterValue
from smgw.gateway import config, guard, self_test
from smgw.gateway.boot import sign_program
from smgw.gateway.config import GatewayFolder, RetentionRules
from smgw.gateway.firmware_model import installed_files
from smgw.gateway.separation import Networks
from smgw.gateway.service import Gateway
from smgw.gateway.wan.management import handle
from smgw.gateway.wan.time_service import TimeKeeper
from smgw.net.clock import ManualClock
from smgw.net.identity import Identity, load_identity
from smgw.net.smpki_tls import listen
from smgw.participant.database import connect
from smgw.participant.inbox import GATEWAYS, Inbox
from smgw.participant.registry import Registry
from smgw.participant.server import Endpoint
from smgw.participant.store import ParticipantStore
from smgw.pki.names import Role
from smgw.pki.triple import ADMINISTRATOR_KEYS, PARTICIPANT_KEYS
from smgw.protocol.clock_discipline import ClockEvent
from smgw.protocol.sml_stream import SmlFileReceived, SmlStream
from smgw.protocol.time_sync import reply
from smgw.security.content import open_content, seal
from smgw.simulation.household import Household
from smgw.simulation.meters.sml_meter import SmlMeter
from smgw.simulation.provisioning import Layout, Ports, System, found_identities, hex_der, open_pki, provision_gateway
from smgw.storage.journal import StoredLogEntry

RETENTION = RetentionRules(reading_months=2, weeks_after_billing=6, display_months=3, register_months=4, system_log_months=2)
"""Shorter than a gateway allows, so that a year sees what otherwise takes three."""

SYNCHRONISE = timedelta(hours=1)
_DEADLINE_AFTER = timedelta(seconds=12)
_SOON = timedelta(seconds=5)
_HOUR = timedelta(hours=1)


class PowerCut(BaseException):
    """End the gateway's process between two instructions."""


class Wires(Household):
    """A household whose import register can be made to show less than it should."""

    lowered = 0

    def registers_at(self, moment: datetime) -> dict[Obis, int]:
        """Give what the meter shows."""
        shown = super().registers_at(moment)
        return {**shown, ACTIVE_ENERGY_IMPORT: shown[ACTIVE_ENERGY_IMPORT] - self.lowered}


class PlayedMeter:
    """Make a device's telegrams, and remember every value that it ever sent."""

    def __init__(self, device: Device) -> None:
        self.device = device
        self.wires = Wires(device.household, seed=device.number % 100)
        self.sml = SmlMeter(device.device_id, self.wires)
        self.sent: dict[Obis, set[int]] = {}

    def telegram(self, moment: datetime) -> bytes:
        """Give the frame that the meter sends at a moment."""
        values = self.wires.registers_at(moment)
        if self.device.medium != "gas":
            for obis in (ACTIVE_ENERGY_IMPORT, ACTIVE_ENERGY_EXPORT):
                self.sent.setdefault(obis, set()).add(values[obis])
            return self.sml.telegram(moment)
        register = self.device.registers[0]
        volume = values[ACTIVE_ENERGY_IMPORT] // 1_000
        self.sent.setdefault(register.code, set()).add(volume)
        entry = ListEntry(bytes(register.code), unit=register.unit, scaler=-2, value=volume)
        bodies: tuple[Body, ...] = (
            PublicOpenResponse(req_file_id=b"gas", server_id=self.sml.server_id, sml_version=1),
            GetListResponse(self.sml.server_id, (entry,)),
            PublicCloseResponse(),
        )
        return encode_frame(SmlMessage(bytes((place,)), body) for place, body in enumerate(bodies))


class Partner:
    """Receive deliveries as a participant does, while it is not away."""

    def __init__(self, name: str, folder: Path, identity: Identity, clock: ManualClock) -> None:
        self.name, self.store_path = name, folder / f"{name}.db"
        self._identity, self._clock = identity, clock
        self._reading, self._writing = connect(self.store_path), connect(self.store_path)
        self.registry = Registry(self._reading)
        self._worker = ThreadPoolExecutor(1)
        inbox = Inbox(name, identity, self.registry, clock)
        self._endpoint = Endpoint(inbox, ParticipantStore(self._writing), self._worker, clock)
        self._server: asyncio.Server | None = None
        self.port = 0

    async def arrive(self) -> None:
        """Listen, always at the same port."""
        self._server = await listen(
            self._endpoint.serve,
            "127.0.0.1",
            self.port,
            module=self._identity.module,
            identity=self._identity.tls,
            trust=self._identity.trust,
            clock=self._clock,
            roles=GATEWAYS,
            on_refused=self._endpoint.note_refusal,
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def leave(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
            self._server = None

    def close(self) -> None:
        """Close the store."""
        self._worker.shutdown()
        self._reading.close()
        self._writing.close()


class Keeper(TimeKeeper):
    """Keep the gateway's time by a server whose packets take no way over a network."""

    true_time: Callable[[], datetime]
    reachable = True

    async def _measure(self) -> list[ClockEvent]:
        if not self.reachable:
            raise Unavailable("net.unreachable", "time server")
        now = self.true_time()
        asked = self._client.request(self._clock.now(), self._identity.module.random)
        valid = self._clock.status.value == "valid"
        return self._clock.apply(self._client.response(reply(asked, now, now), self._clock.now(), synchronised=valid))


class Skew:
    """Say by how much the gateway's own oscillator is wrong: each fault makes it run fast or slow for a while."""

    def __init__(self) -> None:
        self._faults: list[tuple[datetime, timedelta, timedelta]] = []

    def add(self, start: datetime, length: timedelta, amount: timedelta) -> None:
        """Let it gain an amount of time; a negative one must be shorter than the fault."""
        self._faults.append((start, length, amount))

    def base_time(self, moment: datetime) -> datetime:
        """Give what the oscillator has counted up to a moment."""
        shift = timedelta()
        for start, length, amount in self._faults:
            shift += amount * min(max((moment - start) / length, 0.0), 1.0)
        return moment + shift

    def moment_of(self, base_time: datetime, near: datetime) -> datetime:
        """Give the moment at which it has counted up to a base time."""
        low, high = near - _HOUR, near + 3 * _HOUR
        while high - low > timedelta(milliseconds=1):
            middle = low + (high - low) / 2
            low, high = (middle, high) if self.base_time(middle) < base_time else (low, middle)
        return high


class YearWorld:
    """Hold the parts and the agenda."""

    def __init__(self, folder: Path, founded: datetime) -> None:
        self.layout = Layout(folder)
        self.now = founded
        self.true_clock, self.base = ManualClock(founded), ManualClock(founded)
        self.runner = asyncio.Runner()
        self.skew = Skew()
        self.meters = {device.meter_id: PlayedMeter(device) for device in DEVICES}
        self.connected = {device.link: self.meters[device.meter_id] for device in DEVICES[:2] + DEVICES[3:]}
        self.streams = {link: SmlStream() for link in self.connected}
        self.mute: dict[str, Callable[[bytes], bytes | None]] = {}
        """Link -> what becomes of its regular telegrams."""
        self.readings: dict[int, SignedReading] = {}
        self.registers: list[RegisterValue] = []
        self.log: dict[tuple[Log, str], list[StoredLogEntry]] = {}
        self.cuts = 0
        self.starts = 0
        self.rejected = 0
        self.disk_full = False
        self._agenda: list[tuple[datetime, int, Callable[[], None]]] = []
        self._serial = itertools.count()
        self._plan = 0
        self._steps = 0
        self.gateway: Gateway | None = None
        self._found(founded)

    def _found(self, founded: datetime) -> None:
        triples = found_identities(self.layout, GATEWAY_ID, founded)
        ports = Ports(9, 9, 9, 9, 9, 9, 0)
        provision_gateway(self.layout, System(GATEWAY_ID, founded, ports, ()), triples[Role.GWA], ())
        place = GatewayFolder(self.layout.gateway)
        place.save(msgspec.structs.replace(place.load(), retention=RETENTION))
        self.administrator = load_identity(self.layout.administrator, ADMINISTRATOR_KEYS)
        self.pki = open_pki(self.layout, founded)
        self._participant = load_identity(self.layout.participant, PARTICIPANT_KEYS)
        self.partners = {name: Partner(name, self.layout.participant, self._participant, self.true_clock) for name in (PARTICIPANT, PORTAL)}
        for partner in self.partners.values():
            self.runner.run(partner.arrive())

    def partner_profile(self, partner: Partner) -> CommunicationProfile:
        """Tell the gateway where a participant is."""
        triple = self._participant.triple
        return CommunicationProfile(
            partner.name, "127.0.0.1", partner.port, *(hex_der(one) for one in (triple.tls, triple.sig, triple.enc))
        )

    # the gateway's life

    @property
    def up(self) -> Gateway:
        """Give the gateway, which must be running."""
        assert self.gateway is not None
        return self.gateway

    def boot(self) -> None:
        """Start the gateway's process."""
        folder = GatewayFolder(self.layout.gateway)
        sign_program(folder, self.now)
        self.gateway = gateway = Gateway(folder, self.base)
        gateway._boot()
        self.starts += 1
        self._steps = gateway.clock.steps
        self.keeper = Keeper(gateway.config.administrator, gateway.identity, gateway.clock, gateway.recorder, gateway.states)
        self.keeper.true_time = lambda: self.now
        self.streams = {link: SmlStream() for link in self.streams}
        self.rejected = 0
        self.runner.run(self.keeper._synchronise())
        self.replan()

    def stop(self) -> None:
        """End it in good order."""
        gateway = self.up
        gateway.recorder.note("stopped", subject=str(gateway.device_id))
        gateway._note_stop(b"1")
        gateway.guard.anchor()
        self.collect()
        gateway.journal.close()
        self.gateway = None

    def kill(self, snapshot: Path | None = None) -> None:
        """Let the power fail; what a snapshot of the journal holds is what the disk had at that moment."""
        journal = GatewayFolder(self.layout.gateway).journal
        self.up.journal.close()
        self.gateway = None
        if snapshot is not None:
            for name in (journal.name, f"{journal.name}-wal", f"{journal.name}-shm"):
                journal.with_name(name).unlink(missing_ok=True)
                if (snapshot / name).exists():
                    shutil.move(snapshot / name, journal.with_name(name))

    def snapshot(self) -> Path:
        """Copy the journal as it lies on the disk, an open transaction and all."""
        journal = GatewayFolder(self.layout.gateway).journal
        place = self.layout.path / "power-cut"
        place.mkdir(exist_ok=True)
        for name in (journal.name, f"{journal.name}-wal"):
            if journal.with_name(name).exists():
                shutil.copy(journal.with_name(name), place / name)
        return place

    # time

    def at(self, moment: datetime, action: Callable[[], None]) -> None:
        """Put something on the agenda."""
        heapq.heappush(self._agenda, (moment, next(self._serial), action))

    def every(self, first: datetime, pause: timedelta, action: Callable[[], None]) -> None:
        """Do something again and again."""

        def turn(moment: datetime) -> None:
            self.at(moment + pause, partial(turn, moment + pause))
            action()

        self.at(first, partial(turn, first))

    def run_until(self, end: datetime) -> None:
        """Let everything happen that is on the agenda up to a moment."""
        while self._agenda and self._agenda[0][0] <= end:
            moment, _, action = heapq.heappop(self._agenda)
            self.move_to(moment)
            action()
        self.move_to(end)

    def move_to(self, moment: datetime) -> None:
        """Move the time, and let the gateway's clock do what is due meanwhile."""
        self._set_time(max(moment, self.now))
        gateway = self.gateway
        if gateway is None:
            return
        deadline = gateway.clock.discipline.next_deadline()
        if deadline is not None and self.base.now() >= deadline:
            self.keeper._tell(gateway.clock.handle_timeout())
        self._close_periods()
        if gateway.clock.steps != self._steps:
            self._steps = gateway.clock.steps
            self.replan()
            for link in self.connected:
                self.at(self.now + _SOON, partial(self._send_once, link))

    def _set_time(self, moment: datetime) -> None:
        self.now = moment
        self.true_clock._us = microseconds(moment)
        self.base._us = max(self.base._us, microseconds(self.skew.base_time(moment)))

    def _close_periods(self) -> None:
        gateway = self.up
        due = gateway.acquisition.next_deadline()
        if due is not None and gateway._measures and gateway.clock.now() >= due:
            gateway.store.commit(gateway.acquisition.tick(gateway.clock.now(), gateway.clock.status))

    def replan(self) -> None:
        """Plan every meter's next telegram anew, because the gateway's clock was moved or has started."""
        self._plan += 1
        for link in self.connected:
            self._plan_telegram(link, self._plan)

    def _plan_telegram(self, link: str, plan: int) -> None:
        """Let the meter's next telegram be the one that comes just after the gateway's next period end: meters send every second."""
        period_s = self.connected[link].device.period_s
        if self.gateway is None:
            return
        gateway_now = self.gateway.clock.now()
        target = period_floor(gateway_now, period_s) + timedelta(seconds=period_s)
        late = timedelta(milliseconds=200 + (microseconds(target) // 900_000_000 * 7919 + len(link) * 613) % 2_500)
        base = self.base.now() + (target + late - gateway_now)
        moment = self.skew.moment_of(base, self.now)
        self.at(moment, partial(self._send_regularly, link, plan))
        self.at(moment + _DEADLINE_AFTER, lambda: None)

    def _send_regularly(self, link: str, plan: int) -> None:
        if plan != self._plan:
            return
        octets: bytes | None = self.connected[link].telegram(self.now)
        if octets is not None and link in self.mute:
            octets = self.mute[link](octets)
        if octets is not None:
            self.transmit(link, octets)
        if self.gateway is not None and plan == self._plan:
            self._plan_telegram(link, plan)

    def _send_once(self, link: str) -> None:
        if link not in self.mute:
            self.transmit(link, self.connected[link].telegram(self.now))

    def transmit(self, link: str, octets: bytes, captured: datetime | None = None) -> None:
        """Let octets arrive on a link."""
        gateway = self.gateway
        if gateway is None:
            return
        for event in self.streams[link].receive_data(octets):
            if isinstance(event, SmlFileReceived):
                gateway._on_file(event, link, captured or gateway.clock.now())
            else:
                self.rejected += 1
                gateway._on_reject(link, f"sml.{event.reason}")

    # what happens now and then

    def synchronise(self) -> None:
        """Ask the time server."""
        if self.gateway is not None:
            self.runner.run(self.keeper._synchronise())
            deadline = self.gateway.clock.discipline.next_deadline()
            if deadline is not None and deadline < self.base.now() + _HOUR:
                self.at(self.skew.moment_of(deadline, self.now), lambda: None)

    def upkeep(self) -> None:
        """Look at the limits and delete what may go."""
        if self.gateway is not None:
            self.collect()
            self.runner.run(self.up.guard.upkeep._tick())

    def self_test(self, *, complete: bool = False) -> None:
        """Test everything."""
        if self.gateway is not None:
            self.runner.run(self.up.guard.upkeep._test(complete=complete))

    def deliver(self) -> None:
        """Empty the outbox as far as the partners take it."""
        if self.gateway is None or self.disk_full:
            return
        for authority in self.pki.authorities:
            with suppress(CertificateRejected):
                self._participant.trust.update_crl(authority.crl(self.now), self.now)
        gateway = self.up

        async def flush() -> None:
            while await gateway.pump.flush() and gateway.pump.wake.is_set():
                gateway.pump.wake.clear()

        self.runner.run(flush())

    def collect(self) -> None:
        """Keep what the journal has got since the last time, before any of it may be deleted."""
        journal = self.up.journal
        for signed in journal.recent_readings(journal.count_readings() - len(self.readings)):
            self.readings[signed.sequence] = signed
        head = journal._database.head("registers", "")
        if head is not None:
            self.registers += journal.recent_registers(head.length - len(self.registers))
        for log in Log:
            for scope in journal.scopes(log):
                known = self.log.setdefault((log, scope), [])
                known += journal.log(log, scope, from_index=known[-1].index + 1 if known else 1)

    # the administrator

    def command(self, method: str, resource: str, body: object) -> Answer:
        """Send a command, signed and sealed; it must be obeyed."""
        gateway, identity = self.up, self.administrator
        command = Command(
            str(UUID(bytes=identity.module.random(16), version=4)),
            gateway.clock.now(),
            GATEWAY_ID,
            method,  # type: ignore[arg-type]
            f"/smgw/gwa/v1/{resource}",
            msgspec.Raw(msgspec.json.encode(body)),
        )
        document = seal(encode_command(command), module=identity.module, signer=identity.signer, recipient=gateway.identity.triple.enc)
        answer = handle(gateway._context(), document)
        opened = open_content(answer, module=identity.module, recipient=identity.recipient, signer=lambda _: gateway.identity.triple.sig)
        found = decode_answer(opened.content)
        if found.status >= 400:
            raise AssertionError(f"{resource}: {found.code} {bytes(found.body)!r}")
        return found

    def install(self, profile: Profile) -> None:
        """Have a profile installed."""
        kind = next(name for name, kind in PROFILE_KINDS.items() if isinstance(profile, kind))
        self.command("PUT", f"rts/{kind}/{profile_key(profile)}", profile)

    def close(self) -> None:
        """End everything."""
        if self.gateway is not None:
            self.stop()
        for partner in self.partners.values():
            self.runner.run(partner.leave())
            partner.close()
        self.runner.close()


@contextmanager
def year_world(folder: Path, founded: datetime) -> Iterator[YearWorld]:
    """Give a world whose gateway never ran. The program's files are looked at once: somebody may be working on them meanwhile."""
    files = installed_files()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(config, "_LEAST_RETENTION", {})
        patch.setattr(self_test, "installed_files", lambda: files)
        patch.setattr(guard, "running_files", lambda: files)
        patch.setattr("smgw.gateway.boot.running_files", lambda: files)
        # The participants listen in this one process; the separation of networks has tests of its own.
        patch.setattr(guard, "Networks", lambda *told, **asked: Networks(*told, **{**asked, "listeners": lambda: ()}))
        world = YearWorld(folder, founded)
        try:
            yield world
        finally:
            world.close()

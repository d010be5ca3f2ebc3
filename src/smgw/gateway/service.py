"""One gateway as a running whole: its parts are made here, once, and handed to each other; nothing is global.

The way of a reading: link reader -> acquisition -> reading store (journal, evaluation, outbox) -> delivery pump -> participant.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping
from contextlib import AsyncExitStack, suppress
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from smgw.core.errors import IntegrityFault, PeerFault, SecurityFault, Unavailable
from smgw.core.identifiers import DeviceId, meter_id_of
from smgw.core.instant import ClockStatus, parse_time, period_floor
from smgw.core.life_cycle import Mark
from smgw.core.profiles import EvaluationProfile, MeterProfile, Profile, profile_key
from smgw.core.state import Event as StateEvent
from smgw.core.state import Permission, State
from smgw.core.status_word import GATEWAY_OK, GatewayStatus
from smgw.gateway import boot
from smgw.gateway.acquisition import Acquisition, Event, Outcome, Record, comparable, record_of
from smgw.gateway.beginning import Beginning
from smgw.gateway.clock import GatewayClock
from smgw.gateway.config import GatewayConfig, GatewayFolder, LinkConfig
from smgw.gateway.contracts import contract_terms
from smgw.gateway.delivery import MAX_FORMER, Pump, Sender
from smgw.gateway.evaluation import Evaluation
from smgw.gateway.firmware import Firmware, Host
from smgw.gateway.firmware import Parts as FirmwareParts
from smgw.gateway.firmware_model import installed_files
from smgw.gateway.gpio import KernelLamps, drive_lamps
from smgw.gateway.guard import Guard
from smgw.gateway.han.journal_data import JournalData
from smgw.gateway.han.ports import GatewayInfo, WanCertificates
from smgw.gateway.han.server import RunningServer, start_consumer_server
from smgw.gateway.han.technician import Post, TechnicianInterface
from smgw.gateway.housing import housing_work
from smgw.gateway.key_desk import Desk, KeyDesk
from smgw.gateway.leds import LampInputs, LampName, Pattern, leds_of, patterns_of
from smgw.gateway.lifecycle import LifeKeeper
from smgw.gateway.live_values import LiveValues
from smgw.gateway.lmn.reader import LinkReader
from smgw.gateway.logs import Recorder
from smgw.gateway.notices import Notifier
from smgw.gateway.pending import PendingWork
from smgw.gateway.permitted import SwitchedServer, run_while_allowed
from smgw.gateway.states import StateKeeper
from smgw.gateway.store import ReadingStore
from smgw.gateway.succession import Parts as SuccessionParts
from smgw.gateway.succession import Successions
from smgw.gateway.technicians import Diagnosed
from smgw.gateway.wan.channel import ManagementChannel
from smgw.gateway.wan.context import Context
from smgw.gateway.wan.succession_channel import SuccessionChannel
from smgw.gateway.wan.time_service import TimeKeeper
from smgw.gateway.wan.wakeup import WakeUpReceiver
from smgw.gateway.ways import service_of
from smgw.gateway.wireless import Wireless
from smgw.gateway.works import Workers
from smgw.net.clock import ClockPort
from smgw.net.identity import Identity, load_identity
from smgw.net.listeners import Listener, own_listeners
from smgw.pki.parsing import load_certificate
from smgw.pki.self_signed import make_han_certificate
from smgw.pki.triple import GATEWAY_KEYS, read_certificates
from smgw.protocol.sml_stream import SmlFileReceived
from smgw.security.reading_signature import sign_reading
from smgw.security.tls import TlsIdentity, han_server_context
from smgw.storage.journal import Journal

HAN_KEY = "GW_HAN_TLS"
JOURNAL_PURPOSE = "journal"
FIRST_TIME_S = 10.0
"""Meters wait so long, in real seconds, for the first answer of the time server."""


class Gateway:
    """Join the parts of one gateway.

    Source: STATE-01, LMN-03, WAN-01, CON-01.
    """

    def __init__(
        self,
        folder: GatewayFolder,
        base_clock: ClockPort,
        host: Host | None = None,
        listeners: Callable[[], Iterable[Listener]] = own_listeners,
        keeper: LifeKeeper | None = None,
        installed: Callable[[], Mapping[str, str]] = installed_files,
    ) -> None:
        self._folder = folder
        self._life = keeper or LifeKeeper.beside(folder, base_clock)
        self.config: GatewayConfig = folder.load()
        self.identity: Identity = load_identity(folder.path, GATEWAY_KEYS)
        self.device_id = DeviceId.parse(self.config.device_id)
        self.journal = Journal.open(folder.journal, self.identity.module.storage_key(JOURNAL_PURPOSE))
        self._before = self.journal.delivery_counts()[1], self.journal.log_count()
        self.clock = GatewayClock(base_clock)
        self.recorder = Recorder(self.journal, self.clock)
        self.states = StateKeeper(self.recorder, self.clock)
        self._normal = asyncio.Event()
        """Set once Normal was reached."""
        self._over = asyncio.Event()
        """Set once this run must end: with new keys the gateway runs anew, decommissioned it does not."""
        self._dead = asyncio.Event()
        """Set once only a new start leads out of the state."""
        self.acquisition = Acquisition(lambda: self.clock.steps)
        self._wireless = Wireless(self.journal)
        self.files = 0
        """Well-formed SML files received since the start, of known and unknown meters."""
        self.rejected: dict[tuple[str, str], int] = {}
        self._admitted = asyncio.Event()
        self._measuring = asyncio.Event()
        self.states.watch(self._note_state)
        self._consumers = SwitchedServer(self._start_consumer_server, self.config.han_port)
        self.guard = Guard(
            folder,
            self.config,
            self.identity,
            journal=self.journal,
            open_journal=self._open_journal_beside,
            clock=self.clock,
            recorder=self.recorder,
            states=self.states,
            consumers=lambda: {profile.consumer_id for profile in self.evaluation_profiles()},
            han_port=lambda: self._consumers.port,
            wake_up=lambda: self.receiver.place,
            listeners=listeners,
            installed=installed,
            technician_port=lambda: self.technicians.port,
        )
        self.evaluation = Evaluation(self.journal, self.recorder, str(self.device_id), self.identity.module.random)
        self.live = LiveValues(
            self.journal, self.recorder, self.evaluation, lambda r: sign_reading(self.identity.module, self.identity.signer.key_name, r)
        )
        self.pump = Pump(
            Sender(
                self.identity.module,
                self.identity.tls,
                self.identity.signer,
                self.identity.trust,
                self.journal,
                self.recorder,
                self.clock,
                service_of(self.config.administrator),
                self.identity.former[:MAX_FORMER],
            )
        )
        notifier = Notifier(
            self.journal,
            str(self.device_id),
            self.identity.module.random,
            administrator=self.config.administrator.service_port > 0,
            queued=self.pump.wake.set,
        )
        self.recorder.tell_by(notifier.tell)
        self.store = ReadingStore(
            journal=self.journal,
            recorder=self.recorder,
            evaluation=self.evaluation,
            module=self.identity.module,
            key_name=self.identity.signer.key_name,
            clock=self.clock,
            evaluation_profiles=self.evaluation_profiles,
            state_event=self.states.handle,
            queued=self.pump.wake.set,
        )

        administrator = self.config.administrator
        self.beginning = Beginning(self._life, self.journal, self.clock, self.states, self.guard.upkeep)
        self.keys = self._key_desk()
        self.firmware = self._firmware(host)
        self.technicians = self._technicians()
        self.successions = self._successions()
        self.pending = PendingWork(self.journal, self.clock, str(self.device_id), administrator, self.pump.wake.set)
        self.pending.works = Workers(self.guard.upkeep, self.pump, self.firmware, self.keys, self.successions).works()
        self.channel = ManagementChannel(
            self._context(), administrator, self.identity, self.clock, self.recorder, lambda: self.clock.status is ClockStatus.VALID
        )
        self.receiver = WakeUpReceiver(
            self.config.wake_up,
            self.device_id,
            (administrator.name, load_certificate(bytes.fromhex(administrator.sig_certificate))),
            self.journal,
            self.recorder,
            self.clock,
            self.channel.call,
        )

    @property
    def places(self) -> frozenset[int]:
        """Give the ports that this gateway listens on by intention."""
        return frozenset({self._consumers.port, self.receiver.place[1], self.technicians.port})

    def evaluation_profiles(self) -> list[EvaluationProfile]:
        """Give all terms of all contracts."""
        return contract_terms(self.journal)

    async def run(self, ready: Callable[[dict[str, object]], None], stop: asyncio.Event) -> dict[str, object]:
        """Serve until the event is set; gives the closing counters.

        Raises: IntegrityFault boot.failed in the restart loop; ConfigError gateway.lamp for a lamp that is none.
        """
        async with AsyncExitStack() as stack:
            stack.callback(self.journal.close)
            outputs = KernelLamps({name: Path(folder) for name, folder in self.config.lamps.items()})
            self._boot()
            self._life.attach(self.journal)
            stack.callback(self._life.attach, None)
            if self.config.lamps:
                lamps = asyncio.create_task(drive_lamps(outputs, self._lamp_patterns))
                stack.callback(lamps.cancel)
            who: dict[str, object] = {"role": "gateway", "gateway_id": str(self.device_id)}
            if self.states.is_dead:
                self.firmware.abandon("firmware.self_test", str(self.states.state))
                ready({**who, "state": str(self.states.state)})
            else:
                await self._operate(lambda facts: ready({**who, **facts}), stop)
            if not self._over.is_set():
                await stop.wait()
            with suppress(IntegrityFault):
                self.recorder.note("stopped", subject=str(self.device_id))
            self._note_stop(b"1")
            self.guard.anchor()
            return self.counters()

    async def _operate(self, ready: Callable[[dict[str, object]], None], stop: asyncio.Event) -> None:
        """Do the work of a gateway until the event is set or its state allows no work any more."""
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self._consumers.close)
            han = await self._consumers.open()
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(work, name=name) for name, work in self._work()]
                ready({"han_port": han})
                tasks.append(group.create_task(self._announce(ready, self._measuring, "measuring")))
                tasks.append(group.create_task(self._announce(ready, self._normal, "normal")))
                ends = [asyncio.create_task(wait) for wait in (stop.wait(), self._dead.wait(), self._until_over())]
                try:
                    await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    for task in (*ends, *tasks):
                        task.cancel()

    async def _until_over(self) -> None:
        """Wait until this run must end and its last answer has left."""
        await self._over.wait()
        await self.channel.closed.wait()

    def _lamp_patterns(self, now_ms: int) -> dict[LampName, Pattern]:
        return patterns_of(self.states.state, self._lamp_inputs(), now_ms)

    def _note_stop(self, orderly: bytes) -> None:
        """Remember how the gateway ended; where that can't be written, the next start reports a disorderly end."""
        with suppress(Unavailable):
            self.journal.set_state("orderly_stop", orderly)

    async def _announce(self, ready: Callable[[dict[str, object]], None], event: asyncio.Event, name: str) -> None:
        await event.wait()
        ready({"event": name})

    def counters(self) -> dict[str, object]:
        """Count what happened since the start; no value is among it."""
        queued, acknowledged = self.journal.delivery_counts()
        acknowledged_before, entries_before = self._before
        return {
            "role": "gateway",
            "meters": sum(isinstance(profile, MeterProfile) and profile.active for profile in self.journal.profiles("meter")),
            "telegrams": self.files + sum(self.rejected.values()),
            "readings": self.store.readings,
            "deliveries": acknowledged - acknowledged_before,
            "waiting": queued - acknowledged,
            "rejected": sum(self.rejected.values()),
            "unknown_meters": len(self.acquisition.unknown),
            "log_entries": self.journal.log_count() - entries_before,
        }

    def _work(self) -> list[tuple[str, Coroutine[object, object, None]]]:
        keeper = TimeKeeper(self.config.administrator, self.identity, self.clock, self.recorder, self.states)
        return [
            ("pending", self.pending.run()),
            ("management", self.channel.run()),
            ("wake-up", self.receiver.run()),
            ("time", keeper.run()),
            ("periods", self._close_periods()),
            ("deliveries", run_while_allowed(self.states, Permission.DELIVER, self.pump.run)),
            (
                "notices",
                run_while_allowed(self.states, Permission.OBEY_ADMINISTRATOR, self.pump.run_for_administrator, unless=Permission.DELIVER),
            ),
            ("consumers", self._consumers.follow(self.states, Permission.SERVE_CONSUMER)),
            ("upkeep", self.guard.upkeep.run()),
            ("succession", self._succession_channel().run()),
            ("technicians", run_while_allowed(self.states, Permission.SERVE_CONSUMER, self.technicians.run)),
            ("beginning", self.beginning.run()),
            ("firmware", self.firmware.run()),
            *housing_work(self.config.housing_contact, self.journal, self.recorder, str(self.device_id)),
            *((f"link {link.name}", self._read(link, keeper.tried)) for link in self.config.links),
        ]

    async def _read(self, link: LinkConfig, time_tried: asyncio.Event) -> None:
        """Read a link, once the clock had its chance to become valid: a first value without valid time would be marked for no need."""
        with suppress(TimeoutError):
            async with asyncio.timeout(FIRST_TIME_S):
                await time_tried.wait()
        await LinkReader(link, self.clock, self.clock, self._on_file, self._on_reject, self._on_lost, self._on_telegram).run()

    def _boot(self) -> None:
        """Check program and store, log the start, and take up every meter where its series ended. Source: STATE-03, LOG-04."""
        self.guard.check_start()
        if self.states.is_dead:
            return
        if self.journal.get_state("orderly_stop") == b"0":
            self.recorder.note("power_returned", success=False)
        self._note_stop(b"0")
        self.recorder.note("started", subject=str(self.device_id), version=version("smgw"))
        self.recorder.note("special_functions", consumers={p.consumer_id for p in self.evaluation_profiles()})
        self.states.handle(StateEvent.BOOT_CHECKS_PASSED)
        self.guard.anchor()
        for profile in self.journal.profiles("meter"):
            self._install(profile)

    def _install(self, profile: Profile) -> None:
        self.beginning.profile_installed()
        self.live.refresh()
        if isinstance(profile, MeterProfile) and not profile.active:
            self.acquisition.dismiss(profile)
        elif isinstance(profile, MeterProfile):
            # What waits for the store belongs to the series that the meter continues.
            self.store.commit(Outcome([], []))
            last = {register.code: self.journal.last_reading(profile.meter_id, register.code) for register in profile.registers}
            newest = max((signed.reading.target_time for signed in last.values() if signed), default=None)
            amounts = {code: comparable(signed.reading) for code, signed in last.items() if signed}
            self.acquisition.admit(
                profile,
                period_floor(newest, profile.period_s) if newest is not None else None,
                {code: amount for code, amount in amounts.items() if amount is not None},
            )
        self._admitted.set()

    def _forget(self, profile: Profile) -> None:
        self.live.refresh()
        if isinstance(profile, MeterProfile):
            self.acquisition.dismiss(profile)
        self._admitted.set()

    def _on_file(self, event: SmlFileReceived, link: str, captured: datetime) -> None:
        record = record_of(event.messages, captured)
        if record is None:
            self._on_reject(link, "sml.semantic")
            return
        self._on_record(record, link)

    def _on_telegram(self, octets: bytes, link: str, captured: datetime) -> None:
        try:
            record = self._wireless.take(octets, captured)
        except PeerFault as fault:
            self._on_reject(link, fault.code)
        else:
            self._on_record(record, link)

    def _on_record(self, record: Record, link: str) -> None:
        self.files += 1
        if self._measures:
            self.store.commit(self.acquisition.receive(record, link, self.clock.status))
            if self.acquisition.telegrams:
                self._measuring.set()
            if self.acquisition.hears(record, link):
                self.beginning.heard(meter_id_of(record.server_id))
            if self.acquisition.hears(record, link) and self.live.take(record, self.clock.status, self.clock.now()):
                self.pump.wake.set()
            self._admitted.set()

    @property
    def _measures(self) -> bool:
        return self.states.allows(Permission.MEASURE) or self.states.storage_full

    def _on_reject(self, link: str, code: str) -> None:
        """Count, and log the 1st, 10th, 100th … of each kind and link, so that a bad head can't flood the log."""
        count = self.rejected[link, code] = self.rejected.get((link, code), 0) + 1
        if str(count).strip("0") == "1":
            self.store.commit(Outcome([], [Event("telegram_rejected", {"link": link, "code": code, "count": str(count)})]))

    def _on_lost(self, link: str, code: str) -> None:
        self.store.commit(Outcome([], [Event("link_lost", {"link": link, "code": code})]))

    async def _close_periods(self) -> None:
        while True:
            self._admitted.clear()
            due = await self.clock.wait_until(self.acquisition.next_deadline() if self._measures else None, self._admitted)
            if due and self._measures:
                self.store.commit(self.acquisition.tick(self.clock.now(), self.clock.status))

    async def _start_consumer_server(self, port: int) -> RunningServer:
        certificate = self._han_certificate()
        data = JournalData(
            self.journal,
            self.recorder,
            clock=self.clock,
            gateway_info=lambda: self._info(certificate),
            start_self_test=self.guard.upkeep.wanted.set,
            current=self.live.current,
        )
        return await start_consumer_server(
            data,
            host=self.config.han_host,
            port=port,
            ssl_context=han_server_context(module=self.identity.module, identity=TlsIdentity(HAN_KEY, (certificate,))),
            clock=self.clock,
            random=self.identity.module.random,
            digest_algorithm=self.config.han_digest,
        )

    def _han_certificate(self) -> x509.Certificate:
        path = self._folder.path / "han.pem"
        if not path.exists():
            certificate = make_han_certificate(self.identity.module, HAN_KEY, self.device_id, self.clock.now())
            self._folder.write(path, certificate.public_bytes(Encoding.PEM))
        return read_certificates(path.read_bytes())[0]

    def _open_journal_beside(self) -> Journal:
        return Journal.open_read_only(self._folder.journal, self.identity.module.storage_key(JOURNAL_PURPOSE))

    def _info(self, han: x509.Certificate) -> GatewayInfo:
        word = GATEWAY_OK if self.clock.status is ClockStatus.VALID else GATEWAY_OK | GatewayStatus.TIME_NOT_VALID
        last = self.pump.last_delivery
        issuer = self.identity.tls.chain[1]
        return GatewayInfo(
            device_id=self.device_id,
            firmware_version=version("smgw"),
            firmware_hash=self.guard.program_hash,
            gateway_status=int(word),
            state=self.states.state,
            time=self.clock.now(),
            clock_status=self.clock.status,
            leds=leds_of(self.states.state, self._lamp_inputs(), _now_ms()),
            last_delivery=parse_time(last) if last else None,
            han_certificate=han.public_bytes(Encoding.DER),
            wan_certificates=tuple(
                WanCertificates(signer.public_bytes(Encoding.DER), issuer.public_bytes(Encoding.DER)) for signer in self.identity.signers
            ),
        )

    def _lamp_inputs(self) -> LampInputs:
        channel = self.channel
        return LampInputs(
            ready=self._normal.is_set(),
            administrator="operational" if channel.connected else "connecting" if channel.dialling else "none",
            wired_meter=self.acquisition.telegrams > 0,
            time_set=self.clock.status is ClockStatus.VALID,
            woken_ms=self.receiver.woken_ms,
        )

    def _note_state(self) -> None:
        if self.states.state is State.NORMAL:
            self._normal.set()
        if self.states.is_dead:
            self._dead.set()
        self._admitted.set()

    def _key_desk(self) -> KeyDesk:
        desk = Desk(
            keeper=self._life,
            identity=self.identity,
            clock=self.clock,
            administrator=self.config.administrator.name,
            consumers=lambda: {profile.consumer_id for profile in self.evaluation_profiles()},
            hang_up=lambda: self.channel.break_up(),
        )
        return KeyDesk(desk, self._over.set)

    def _successions(self) -> Successions:
        def consumers() -> set[str]:
            return {profile.consumer_id for profile in self.evaluation_profiles()}

        def ended() -> None:
            self.channel.hang_up()
            self._over.set()

        parts = self._folder, str(self.device_id), self.identity, self.journal, self.recorder, self.clock
        return Successions(SuccessionParts(*parts, consumers, ended))

    def _succession_channel(self) -> SuccessionChannel:
        return SuccessionChannel(self.successions, self._context, self.receiver, self.identity, self.clock, self.recorder)

    def _technicians(self) -> TechnicianInterface:
        diagnosed = Diagnosed(str(self.device_id), self.journal, self.clock, self.identity.triple, self.facts, self.connections)
        config, recipient = self.config, load_certificate(bytes.fromhex(self.config.administrator.enc_certificate))
        place = config.han_host, config.technician_port
        return TechnicianInterface(Post(*place, self.identity, diagnosed, self.recorder, self.clock, lambda: recipient))

    def connections(self) -> dict[str, object]:
        """Tell which connections stand and what waits for whom, for diagnosis."""
        partners = map(profile_key, self.journal.profiles("communication"))
        return {
            "administrator": {"address": self.config.administrator.host, "connected": self.channel.connected},
            "last_delivery": self.pump.last_delivery or None,
            "waiting": {partner: self.journal.pending_count(partner) for partner in partners},
            "links": [{"name": link.name, "address": link.url} for link in self.config.links],
        }

    def _firmware(self, host: Host | None) -> Firmware:
        return Firmware(
            FirmwareParts(
                folder=self._folder,
                administrator=self.config.administrator,
                identity=self.identity,
                journal=self.journal,
                recorder=self.recorder,
                clock=self.clock,
                upkeep=self.guard.upkeep,
                consumers=lambda: {profile.consumer_id for profile in self.evaluation_profiles()},
                connected=lambda: self.channel.connected,
                host=host,
            )
        )

    def _context(self) -> Context:
        administrator = self.config.administrator
        return Context(
            gateway_id=str(self.device_id),
            module=self.identity.module,
            signer=self.identity.signer,
            recipient=self.identity.recipient,
            administrator_name=administrator.name,
            administrator_sig=load_certificate(bytes.fromhex(administrator.sig_certificate)),
            administrator_enc=load_certificate(bytes.fromhex(administrator.enc_certificate)),
            journal=self.journal,
            recorder=self.recorder,
            clock=self.clock,
            state=lambda: self.states.state,
            facts=self.facts,
            profile_installed=self._install,
            profile_deleted=self._forget,
            technicians_changed=self.technicians.changed.set,
            evaluation=self.evaluation,
            queued=self.pump.wake.set,
            pending=self.pending,
            firmware=self.firmware,
            wake_up_set=lambda settings: self.receiver.change(settings),
            limits_set=self.guard.look_at_limits,
            break_up=lambda: self.channel.break_up(),
            keys=self.keys,
            successions=self.successions,
            allows=self._life.require,
        )

    def facts(self) -> dict[str, object]:
        """Tell the administrator's monitoring how the gateway is; counters and states only (ADM-06, ADM-11)."""
        return {
            "state": str(self.states.state),
            "clock": str(self.clock.status),
            "firmware": version("smgw"),
            "program_hash": self.guard.program_hash,
            "unknown": self.acquisition.unknown,
            "update": self.firmware.facts(),
            **self.guard.facts(),
            "wake_up": self.receiver.facts(),
            "phase": self._life.phase,
            "begun": Mark.SELF_TEST in self._life.life.marks,
            **self.counters(),
        }


def _now_ms() -> int:
    return int(asyncio.get_running_loop().time() * 1_000)


async def run_gateway(
    folder: GatewayFolder,
    clock: ClockPort,
    ready: Callable[[dict[str, object]], None],
    stop: asyncio.Event,
    host: Host | None = None,
    listeners: Callable[[], Iterable[Listener]] = own_listeners,
    keeper: LifeKeeper | None = None,
) -> dict[str, object]:
    """Run the gateway of a folder until the event is set, or its keys or its life end; only with `host` can it change its program.

    Raises: IntegrityFault boot.failed, and what its parts can't be opened with.
    """
    try:
        gateway = Gateway(folder, clock, host, listeners, keeper)
    except (IntegrityFault, SecurityFault) as fault:
        # A journal that does not open is the gravest of what a start can find.
        boot.note_outcome(folder, boot.load_record(folder), fault.code)
        raise
    counters = await gateway.run(ready, stop)
    gateway.keys.retire()
    return counters

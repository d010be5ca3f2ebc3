"""Watch over one gateway: its start, its tests, its limits and what it deletes. Source: STATE-01, STATE-03, STATE-04, MEAS-04."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from importlib.metadata import version

import msgspec

from smgw.core.errors import IntegrityFault, Unavailable
from smgw.core.state import State
from smgw.gateway import boot, self_test
from smgw.gateway.clock import GatewayClock
from smgw.gateway.config import GatewayConfig, GatewayFolder
from smgw.gateway.firmware_model import program_hash, running_files
from smgw.gateway.journal_signature import journal_check, journal_signer
from smgw.gateway.limits import LimitWatch, full_stores
from smgw.gateway.logs import Recorder
from smgw.gateway.retention import Retention
from smgw.gateway.separation import Networks
from smgw.gateway.states import StateKeeper
from smgw.gateway.upkeep import Parts, Upkeep
from smgw.net.identity import Identity
from smgw.net.listeners import Listener
from smgw.storage.journal import Journal


class Guard:
    """Join what keeps a gateway honest about itself."""

    def __init__(
        self,
        folder: GatewayFolder,
        config: GatewayConfig,
        identity: Identity,
        *,
        journal: Journal,
        open_journal: Callable[[], Journal],
        clock: GatewayClock,
        recorder: Recorder,
        states: StateKeeper,
        consumers: Callable[[], Iterable[str]],
        han_port: Callable[[], int],
        wake_up: Callable[[], tuple[str, int]],
        listeners: Callable[[], Iterable[Listener]],
        installed: Callable[[], Mapping[str, str]],
        technician_port: Callable[[], int],
    ) -> None:
        self._folder = folder
        self._config = config
        self._identity = identity
        self._journal = journal
        self._open_journal = open_journal
        self._clock = clock
        self._states = states
        self._han_port = han_port
        self._wake_up = wake_up
        self._listeners = listeners
        self._installed = installed
        self._technician_port = technician_port
        self._record = boot.load_record(folder)
        self._files = running_files()
        self.program_hash = program_hash(self._files)
        signer = journal_signer(identity.module, identity.signer.key_name)
        journal.seal_by(signer, clock)
        self._limits = LimitWatch(journal, recorder, config.limits, states.handle)
        retention = Retention(journal, recorder, signer, config.retention, config.limits)
        self.upkeep = Upkeep(Parts(clock, recorder, states, self._limits, retention.run, self._subject, consumers, self._walked))

    def check_start(self) -> None:
        """Check what a start checks and set the state accordingly. Raises: IntegrityFault boot.failed in the restart loop."""
        now = self._clock.base.now()
        subject = boot.Subject(self._folder, self._identity, self._journal, self._record, self._files, version("smgw"), now)
        failures = boot.run_boot_checks(subject)
        codes = ", ".join(failure.code for failure in failures)
        self._record = boot.note_outcome(self._folder, self._record, codes)
        for failure in failures:
            # A damaged journal can't be told of its damage.
            with suppress(IntegrityFault):
                self._states.handle(failure.event, reason=f"{failure.code}: {failure.detail}")
        if self._states.state is State.RESTART_LOOP:
            raise IntegrityFault("boot.failed", f"{codes}; start {self._record.failures} in a row")
        if not failures:
            self.upkeep.fill = self._limits.check()

    def look_at_limits(self) -> None:
        """Compare the stores with their limits now, not only with the next quarter of an hour."""
        with suppress(Unavailable):
            self.upkeep.fill = self._limits.check()

    def _subject(self, complete: bool) -> self_test.Subject:
        config = self._config
        place = config.han_host, self._han_port(), config.wan_address, config.administrator.host
        return self_test.Subject(
            identity=self._identity,
            open_journal=self._open_journal,
            verify=self._verify_completely if complete else self._verify_recent,
            clock_status=self._clock.status,
            now=self._clock.now(),
            program_hash=self.program_hash,
            networks=Networks(*place, listeners=self._listeners, wake_up=self._wake_up(), technician_port=self._technician_port()),
            full=lambda journal: full_stores(journal, config.limits),
            installed=self._installed,
        )

    def _verify_completely(self, journal: Journal) -> None:
        boot.verify_completely(journal, self._identity)

    def _verify_recent(self, journal: Journal) -> None:
        journal.verify_recent(journal_check(self._identity.signers))

    def _walked(self, intact: bool) -> None:
        self._remember(msgspec.structs.replace(self._record, walk_owed=not intact))
        if intact:
            self.anchor()

    def anchor(self) -> None:
        """Seal the ends of all chains and remember outside the journal how far it reaches, so that a start notices when it was set back.

        Done after each start, at each stop and once a day; where the disk takes nothing, the state before stays remembered.
        """
        if self._states.is_dead:
            return
        with suppress(Unavailable, IntegrityFault):
            self._journal.seal_ends()
            if self._remember(boot.noting_seals(self._record, self._journal)):
                self._journal.set_state(boot.ANCHORED, b"1")

    def _remember(self, record: boot.BootRecord) -> bool:
        self._record = record
        try:
            boot.save_record(self._folder, record)
        except Unavailable:
            return False
        return True

    def facts(self) -> dict[str, object]:
        """Tell the administrator what holds, what the last self-test found and how full the stores are."""
        last = self.upkeep.last_test
        return {
            "alarms": [
                {"condition": str(alarm.condition), "since": alarm.since, "reason": alarm.reason} for alarm in self._states.alarms()
            ],
            "self_test": None if last is None else {"time": last.time, "checks": last.checks, "failed": last.failed},
            "fill_percent": self.upkeep.fill,
        }

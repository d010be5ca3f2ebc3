"""Keep where a gateway stands in its life, durably and readable before there is a journal.

The record is one file, replaced as a whole: an action counts once it is written. What an action has to tell is written with it and goes
into the journal as soon as there is one, each entry once. A gateway without a record that holds operational certificates was made before
records were kept: it is at work, and its local interface is off.
Source: LIFE-01, LIFE-06, LIFE-11.
"""

import fcntl
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from types import TracebackType
from typing import NamedTuple, Self

import msgspec

from smgw.core.errors import ConfigError, IntegrityFault, Unavailable
from smgw.core.identifiers import DeviceId
from smgw.core.instant import Clock
from smgw.core.life_cycle import OPERATIONAL, Action, Actor, Life, Mark, Phase, Rule, after, possible, step
from smgw.core.log_event import EVENTS, Log, LogEntry
from smgw.gateway.config import GatewayFolder
from smgw.gateway.local_pin import PinRecord
from smgw.net.identity import TRIPLE_FILE
from smgw.storage.journal import Journal

MAX_WAITING = 200
"""At most so many entries wait for the journal; of repeated refusals the first are kept."""
_WRITTEN = "life/entries"


class Tell(NamedTuple):
    """Name one event that an action has to tell, with its parameters."""

    event: str
    parameters: Mapping[str, object] = {}
    success: bool = True
    consumers: tuple[str, ...] = ()


class WaitingEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Hold one entry that the journal doesn't have yet."""

    number: int
    event: str
    time: datetime
    parameters: dict[str, str]
    success: bool = True
    consumers: tuple[str, ...] = ()


class LifeRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Hold what the file says."""

    device_id: str
    phase: Phase
    marks: tuple[Mark, ...] = ()
    pins: dict[Actor, PinRecord] = {}
    """Of who may open the local interface; none any more once it is switched off."""
    told: int = 0
    """Number of the last event told."""
    waiting: tuple[WaitingEntry, ...] = ()
    ends_at: datetime | None = None
    """Until when consumers can fetch what is stored, once the end was announced."""

    @property
    def life(self) -> Life:
        """Give phase and marks."""
        return Life(self.phase, frozenset(self.marks))


class LifeKeeper:
    """Hold the record of one gateway; one process at a time."""

    def __init__(self, folder: GatewayFolder, record: LifeRecord, clock: Clock, lock: int) -> None:
        self.folder = folder
        self._record = record
        self._clock = clock
        self._lock = lock
        self._journal: Journal | None = None

    @classmethod
    def create(cls, folder: GatewayFolder, device_id: DeviceId, pins: dict[Actor, PinRecord], clock: Clock) -> Self:
        """Begin the life of a gateway. Raises: ConfigError lifecycle.exists; Unavailable lifecycle.locked, gateway.files."""
        lock = _lock(folder)
        try:
            if folder.life.exists() or (folder.path / TRIPLE_FILE).exists():
                raise ConfigError("lifecycle.exists", folder.path.name)
            keeper = cls(folder, LifeRecord(str(device_id), Phase.MANUFACTURED), clock, lock)
            keeper._write(msgspec.structs.replace(keeper._record, pins=pins))
        except BaseException:
            os.close(lock)
            raise
        return keeper

    @classmethod
    def open(cls, folder: GatewayFolder, clock: Clock) -> Self:
        """Open the record for writing.

        Raises: ConfigError gateway.not_initialised; IntegrityFault lifecycle.record; Unavailable lifecycle.locked.
        """
        if not folder.path.is_dir():
            raise ConfigError("gateway.not_initialised", folder.path.name)
        lock = _lock(folder)
        try:
            return cls(folder, load_record(folder), clock, lock)
        except BaseException:
            os.close(lock)
            raise

    @classmethod
    def beside(cls, folder: GatewayFolder, clock: Clock) -> Self:
        """Take the record without keeping others from it, where whoever runs the gateway keeps none."""
        return cls(folder, load_record(folder), clock, -1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Let others work on the record; closing twice does nothing."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    @property
    def record(self) -> LifeRecord:
        """Give the record as it stands on the disk."""
        return self._record

    @property
    def life(self) -> Life:
        """Give phase and marks."""
        return self._record.life

    @property
    def phase(self) -> Phase:
        """Give the phase."""
        return self._record.phase

    def possible(self, *actors: Actor) -> list[Action]:
        """List what can be done now, by all or by some."""
        return possible(self.life, actors or Actor)

    def require(self, action: Action) -> Rule:
        """Give the rule that allows an action now. Raises: DomainFault lifecycle.phase, lifecycle.order."""
        return step(self.life, action)

    def done(self, action: Action, *tells: Tell, ends_at: datetime | None = None, drop_pins: bool = False) -> None:
        """Write that an action is done, with what it tells; what changes nothing and tells nothing writes nothing.

        Raises: DomainFault lifecycle.phase, lifecycle.order; Unavailable gateway.files, and then it is not done.
        """
        rule, before = self.require(action), self._record
        life = after(before.life, rule)
        if life.phase is not before.phase:
            tells = (*tells, Tell("phase_changed", {"before": before.phase, "after": life.phase}))
        changed = msgspec.structs.replace(
            before,
            phase=life.phase,
            marks=tuple(mark for mark in Mark if mark in life.marks),
            pins={} if drop_pins else before.pins,
            ends_at=ends_at or before.ends_at,
        )
        self._tell(changed, tells)

    def tell(self, *tells: Tell) -> None:
        """Write that something happened which changes nothing. Raises: Unavailable gateway.files."""
        self._tell(self._record, tells)

    def note_pin(self, actor: Actor, pin: PinRecord, *tells: Tell) -> None:
        """Write what became of a PIN. Raises: Unavailable gateway.files."""
        self._tell(msgspec.structs.replace(self._record, pins={**self._record.pins, actor: pin}), tells)

    def attach(self, journal: Journal | None) -> None:
        """From now on write entries to this journal, those that wait first."""
        self._journal = journal
        self._flush()

    def _tell(self, record: LifeRecord, tells: Iterable[Tell]) -> None:
        now, number = self._clock.now(), record.told
        waiting = list(record.waiting)
        for told in tells:
            if len(waiting) >= MAX_WAITING:
                break
            number += 1
            texts = {name: str(value) for name, value in told.parameters.items()}
            waiting.append(WaitingEntry(number, told.event, now, texts, told.success, told.consumers))
        self._write(msgspec.structs.replace(record, told=number, waiting=tuple(waiting)))
        self._flush()

    def _flush(self) -> None:
        """Append what waits to the journal, each entry once: the journal remembers the number of the last one in the same step."""
        journal, record = self._journal, self._record
        if journal is None or not record.waiting:
            return
        written = int(journal.get_state(_WRITTEN) or b"0")
        entries = [entry for waiting in record.waiting if waiting.number > written for entry in _entries(waiting)]
        with suppress(Unavailable):
            with journal.transaction():
                journal.append_log(entries)
                journal.set_state(_WRITTEN, str(record.waiting[-1].number).encode())
            self._write(msgspec.structs.replace(record, waiting=()))

    def _write(self, record: LifeRecord) -> None:
        if record != self._record or not self.folder.life.exists():
            self.folder.write(self.folder.life, msgspec.json.format(msgspec.json.encode(record), indent=2) + b"\n", 0o600)
            self._record = record


def load_record(folder: GatewayFolder) -> LifeRecord:
    """Read the record; see the head of this module for a gateway without one.

    Raises: ConfigError gateway.not_initialised, gateway.config, identity.missing; IntegrityFault lifecycle.record.
    """
    try:
        return msgspec.json.decode(folder.life.read_bytes(), type=LifeRecord)
    except FileNotFoundError:
        device_id = folder.load().device_id
        if not (folder.path / TRIPLE_FILE).exists():
            raise ConfigError("identity.missing", folder.path.name) from None
        return LifeRecord(device_id, OPERATIONAL.phase, tuple(mark for mark in Mark if mark in OPERATIONAL.marks))
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as problem:
        raise IntegrityFault("lifecycle.record", str(problem)[:200]) from problem


def _lock(folder: GatewayFolder) -> int:
    folder.path.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = os.open(folder.path / "life.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as problem:
        os.close(lock)
        raise Unavailable("lifecycle.locked", folder.path.name) from problem
    return lock


def _entries(waiting: WaitingEntry) -> list[LogEntry]:
    entries = []
    for log in EVENTS[waiting.event].logs:
        owners = waiting.consumers if log is Log.CONSUMER else ("",)
        entries += [LogEntry(log, waiting.event, waiting.time, waiting.success, "", owner, waiting.parameters) for owner in owners]
    return entries

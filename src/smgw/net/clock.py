"""Clocks that a process can sleep by: the system's, a shared simulated one, and one that a test moves by hand.

Simulated time jumps from wake-up to wake-up, and only when nothing is left to do at the present moment, so that no speed can shift a
reading to a wrong time. Every process keeps these rules:

* A task that `sleep_until` or `wait_until` woke is busy, and time stands still, until the task sleeps again or ends.
* Work that no such task does (a request served, a delivery under way, a queue's consumer) runs inside `with clock.hold()`.
* Whoever writes to a meter link calls `sent` before sleeping again; whoever reads calls `received` after the octets are processed,
  with the same link name. Time stands still while octets are under way.
* A process counts as idle only after `SETTLE_PASSES` quiet passes of its event loop, so handing work from task to task over futures,
  events and queues needs no hold as long as the receiving task takes its own hold before it waits for anything outside the loop.

All methods belong to the thread of the event loop. Source: architecture rule 4; OPS-05.
"""

import asyncio
import heapq
import itertools
import mmap
import os
import socket
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import msgspec

from smgw.core.errors import ConfigError, Unavailable
from smgw.core.instant import Clock, from_microseconds, microseconds

SETTLE_PASSES = 6
"""Quiet passes of the event loop before a process reports itself idle: an event that ends a wait needs four to reach its task."""

MESSAGE_LIMIT = 65_536
_LONGEST_NAP_S = 30.0


class ClockPort(Clock, Protocol):
    """Give the time and sleep by it; see the module for the rules that make simulated time safe."""

    async def sleep_until(self, moment: datetime) -> None:
        """Return once `now()` has reached `moment`; at once (after other ready tasks) when it already has."""

    async def wait_until(self, moment: datetime | None, event: asyncio.Event) -> bool:
        """Return False as soon as the event is set, or True once `moment` came without it; None waits for the event alone."""

    def hold(self) -> AbstractContextManager[None]:
        """Keep simulated time from moving while work in real time is under way."""

    def sent(self, link: str, octets: int) -> None:
        """Note octets written to a meter link."""

    def received(self, link: str, octets: int) -> None:
        """Note octets of a meter link that are read and fully processed."""

    def close(self) -> None:
        """Take no further part."""


class SystemClock:
    """Tell and sleep by the computer's clock; holds and octets do not matter to it."""

    def now(self) -> datetime:
        """Give the computer's time."""
        return datetime.now(UTC)

    async def sleep_until(self, moment: datetime) -> None:
        """Sleep in naps, so that a step of the computer's clock is noticed within 30 s."""
        await asyncio.sleep(0)
        await self.wait_until(moment, asyncio.Event())

    async def wait_until(self, moment: datetime | None, event: asyncio.Event) -> bool:
        """Wait in naps like `sleep_until`, or until the event."""
        if moment is None:
            await event.wait()
            return False
        while not event.is_set():
            left_s = (moment - self.now()).total_seconds()
            if left_s <= 0:
                return True
            with suppress(TimeoutError):
                async with asyncio.timeout(min(left_s, _LONGEST_NAP_S)):
                    await event.wait()
        return False

    def hold(self) -> AbstractContextManager[None]:
        """Do nothing: this time can't be held."""
        return nullcontext()

    def sent(self, link: str, octets: int) -> None:
        """Do nothing."""

    def received(self, link: str, octets: int) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


class SteadyClock(SystemClock):
    """Count on from the computer's time at the start: nobody sets this clock, whatever happens to the computer's."""

    def __init__(self) -> None:
        self._start = SystemClock.now(self)
        self._started_ns = _counter_ns()

    def now(self) -> datetime:
        """Give the time at the start and what has passed since, standstills of the computer too."""
        return self._start + timedelta(microseconds=(_counter_ns() - self._started_ns) // 1000)


def _counter_ns() -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def steady(clock: ClockPort) -> ClockPort:
    """Give a clock that only runs, for whoever corrects it by a time server of its own; simulated clocks are steady already."""
    return SteadyClock() if type(clock) is SystemClock else clock


class OctetLedger:
    """Balance octets sent and received for each meter link.

    The two sides' notes may arrive in either order, so a balance means something only once every process is idle. A negative balance is
    then the late receipt of octets that were written off, and is cleared.
    """

    def __init__(self) -> None:
        self._outstanding: dict[str, int] = {}

    def note(self, sent: dict[str, int], received: dict[str, int]) -> None:
        """Add both sides' octets."""
        for link, octets in sent.items():
            self._outstanding[link] = self._outstanding.get(link, 0) + octets
        for link, octets in received.items():
            self._outstanding[link] = self._outstanding.get(link, 0) - octets

    def settle(self) -> bool:
        """Tell whether nothing is under way; only to be asked while every process is idle."""
        under_way = {link: octets for link, octets in self._outstanding.items() if octets > 0}
        self._outstanding = under_way
        return not under_way

    def write_off(self, links: set[str] | None = None) -> None:
        """Forget what is under way, on all links or on some."""
        for link in list(self._outstanding) if links is None else links:
            self._outstanding.pop(link, None)


class _VirtualClock:
    """Keep sleepers, busy tasks and holds of one process; what moves the time is left to the two subclasses."""

    def __init__(self) -> None:
        self._sleepers: list[tuple[int, int, asyncio.Future[None], asyncio.Task[Any]]] = []
        self._serial = itertools.count()
        self._busy: set[asyncio.Task[Any]] = set()
        self._holds = 0
        self._quiet_passes = 0
        self._settling = False
        self._sent: dict[str, int] = {}
        self._received: dict[str, int] = {}
        self._loop: asyncio.AbstractEventLoop | None = None

    def now(self) -> datetime:
        """Give the simulated time."""
        return from_microseconds(self._now_us())

    async def sleep_until(self, moment: datetime) -> None:
        """Sleep; the calling task is busy from its wake-up on."""
        task = self._caller()
        if microseconds(moment) <= self._now_us():
            self._work(task)
            await asyncio.sleep(0)
            return
        alarm = self._set_alarm(moment, task)
        try:
            await alarm
        finally:
            self._changed()

    async def wait_until(self, moment: datetime | None, event: asyncio.Event) -> bool:
        """Wait; the calling task is busy afterwards, whatever ended the wait."""
        task = self._caller()
        if event.is_set() or (moment is not None and microseconds(moment) <= self._now_us()):
            self._work(task)
            await asyncio.sleep(0)
            return not event.is_set()
        alarm = self._set_alarm(moment, task)
        called = asyncio.ensure_future(event.wait())
        try:
            await asyncio.wait((alarm, called), return_when=asyncio.FIRST_COMPLETED)
            self._work(task)
            if alarm.done():
                alarm.result()
            return not event.is_set()
        finally:
            called.cancel()
            alarm.cancel()
            self._changed()

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Hold the time from here to the end of the block."""
        self._attach()
        self._holds += 1
        self._stirred()
        try:
            yield
        finally:
            self._holds -= 1
            self._changed()

    def sent(self, link: str, octets: int) -> None:
        """Note octets written."""
        self._attach()
        self._sent[link] = self._sent.get(link, 0) + octets
        self._changed()

    def received(self, link: str, octets: int) -> None:
        """Note octets processed."""
        self._attach()
        self._received[link] = self._received.get(link, 0) + octets
        self._changed()

    def _now_us(self) -> int:
        raise NotImplementedError

    def _stirred(self) -> None:
        """Learn that work began which no wake-up caused."""

    def _settled(self) -> None:
        """Learn that nothing is left to do at the present moment."""
        raise NotImplementedError

    def _attach(self) -> None:
        self._loop = asyncio.get_running_loop()

    def _caller(self) -> "asyncio.Task[Any]":
        self._attach()
        task = asyncio.current_task()
        assert task is not None, "only tasks sleep"
        return task

    def _set_alarm(self, moment: datetime | None, task: "asyncio.Task[Any]") -> "asyncio.Future[None]":
        alarm: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if moment is not None:
            heapq.heappush(self._sleepers, (microseconds(moment), next(self._serial), alarm, task))
        self._rest(task)
        return alarm

    def _next_wake(self) -> int | None:
        while self._sleepers and self._sleepers[0][2].done():
            heapq.heappop(self._sleepers)
        return self._sleepers[0][0] if self._sleepers else None

    def _wake_due(self, now_us: int) -> None:
        while self._sleepers and self._sleepers[0][0] <= now_us:
            _, _, alarm, task = heapq.heappop(self._sleepers)
            if not alarm.done():
                self._work(task)
                alarm.set_result(None)
        self._changed()

    def _work(self, task: "asyncio.Task[Any]") -> None:
        if task not in self._busy:
            self._busy.add(task)
            task.add_done_callback(self._rest)
            self._stirred()

    def _rest(self, task: "asyncio.Task[Any]") -> None:
        if task in self._busy:
            self._busy.discard(task)
            task.remove_done_callback(self._rest)
        self._changed()

    def _changed(self) -> None:
        self._quiet_passes = 0
        loop = self._loop
        if loop is None or loop.is_closed() or self._settling or self._busy or self._holds:
            return
        self._settling = True
        loop.call_soon(self._settle)

    def _settle(self) -> None:
        self._quiet_passes += 1
        if self._busy or self._holds:
            self._settling = False
        elif self._quiet_passes < SETTLE_PASSES and self._loop is not None:
            self._loop.call_soon(self._settle)
        else:
            self._settling = False
            self._settled()


class ManualClock(_VirtualClock):
    """Move time by hand, for tests in one process."""

    def __init__(self, start: datetime) -> None:
        super().__init__()
        self._us = microseconds(start)
        self._ledger = OctetLedger()
        self._idle = asyncio.Event()

    async def advance_to(self, moment: datetime, patience_s: float = 60.0) -> None:
        """Move to `moment`, stopping at each wake-up on the way until all it caused is done.

        Raises: TimeoutError when something stays busy, held or under way for `patience_s` of real time.
        """
        self._attach()
        target = microseconds(moment)
        while True:
            self._idle.clear()
            self._changed()
            async with asyncio.timeout(patience_s):
                await self._idle.wait()
            wake = self._next_wake()
            if wake is None or wake > target:
                break
            self._us = max(wake, self._us)
            self._wake_due(self._us)
        self._us = max(target, self._us)

    def close(self) -> None:
        """Do nothing."""

    def _now_us(self) -> int:
        return self._us

    def _settled(self) -> None:
        self._ledger.note(self._sent, self._received)
        self._sent, self._received = {}, {}
        if self._ledger.settle():
            self._idle.set()


class Report(msgspec.Struct, frozen=True, array_like=True):
    """Carry a process's state to the pacemaker, as one MessagePack array in one packet."""

    answers: int
    """Number of the last wake-up that the process took; 0 before the first."""
    busy: bool
    wake: int | None
    """Next wake-up wanted, microseconds since 1970."""
    sent: dict[str, int]
    """Octets since the last report."""
    received: dict[str, int]


def time_page(socket_path: Path) -> Path:
    """Give the file in which the pacemaker at a socket publishes the time: the same int64 twice, native byte order, microseconds."""
    return socket_path.with_name(socket_path.name + ".now")


class PacedClock(_VirtualClock):
    """Share a pacemaker's simulated time with other processes.

    Raises: Unavailable clock.lost when there is no pacemaker at the path, and in every sleeper when it goes away.
    """

    def __init__(self, socket_path: Path) -> None:
        super().__init__()
        self._path = socket_path
        self._socket: socket.socket | None = None
        self._lost = False
        self._answers = 0
        self._told_idle = False
        try:
            with time_page(socket_path).open("rb") as page:
                self._page = memoryview(mmap.mmap(page.fileno(), 16, prot=mmap.PROT_READ)).cast("q")
        except (OSError, ValueError) as problem:
            raise Unavailable("clock.lost", str(problem)) from problem

    def close(self) -> None:
        """Leave the pacemaker; what this process held or slept on no longer counts."""
        self._lost = True
        if self._socket is not None:
            if self._loop is not None and not self._loop.is_closed():
                self._loop.remove_reader(self._socket)
            self._socket.close()
            self._socket = None
        for _, _, alarm, _ in self._sleepers:
            if not alarm.done():
                alarm.set_exception(Unavailable("clock.lost"))
        self._sleepers.clear()

    def _now_us(self) -> int:
        while True:
            second, first = self._page[1], self._page[0]
            if first == second:
                return first

    def _attach(self) -> None:
        if self._lost:
            raise Unavailable("clock.lost", str(self._path))
        super()._attach()
        if self._socket is None:
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            try:
                connection.connect(os.fspath(self._path))
            except OSError as problem:
                connection.close()
                raise Unavailable("clock.lost", str(problem)) from problem
            connection.setblocking(False)
            self._socket = connection
            asyncio.get_running_loop().add_reader(connection, self._on_packet)

    def _on_packet(self) -> None:
        assert self._socket is not None
        try:
            packet = self._socket.recv(MESSAGE_LIMIT)
        except BlockingIOError:
            return
        except OSError:
            packet = b""
        if not packet:
            self.close()
            return
        self._answers = int.from_bytes(packet, "big")
        self._told_idle = False
        self._wake_due(self._now_us())

    def _stirred(self) -> None:
        if self._told_idle:
            self._told_idle = False
            self._report(busy=True)

    def _settled(self) -> None:
        self._told_idle = True
        self._report(busy=False)

    def _report(self, *, busy: bool) -> None:
        if self._socket is None:
            return
        report = Report(self._answers, busy, self._next_wake(), self._sent, self._received)
        self._sent, self._received = {}, {}
        try:
            self._socket.send(msgspec.msgpack.encode(report))
        except OSError:
            self.close()


def open_clock(spec: str) -> ClockPort:
    """Give the clock that an option names: `system`, or `paced:PATH` with the path of a pacemaker's socket.

    Raises: ConfigError clock.spec, Unavailable clock.lost.
    """
    kind, _, path = spec.partition(":")
    if spec == "system":
        return SystemClock()
    if kind == "paced" and path:
        return PacedClock(Path(path))
    raise ConfigError("clock.spec", spec[:80])

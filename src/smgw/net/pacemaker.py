"""The pacemaker: moves the simulated time that several processes share, never past anything still to be done.

It listens on a Unix socket (one packet a message) and publishes the time in a page of memory beside it, so that every process reads the
new time the instant it holds. See `smgw.net.clock` for the rules that the processes keep.
"""

import asyncio
import mmap
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import msgspec
import structlog

from smgw.core.errors import ConfigError
from smgw.core.instant import from_microseconds, microseconds
from smgw.net.clock import MESSAGE_LIMIT, OctetLedger, Report, time_page

_log = structlog.get_logger()
_CATCH_UP_S = 1.0
_report_decoder = msgspec.msgpack.Decoder(Report)


class _Client:
    """Remember what one process last said."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.number = 0
        self.busy = True
        self.excused = False
        self.wake: int | None = None
        self.links: set[str] = set()


class Pacemaker:
    """Advance shared time to the next wake-up once every process is idle and no octet is under way.

    `speed` is simulated seconds a real second (`math.inf`: as fast as the work allows); after falling behind at most one real second is
    caught up. What keeps time from moving for `patience_s` of real time is written off: time goes on and `forced` counts it.
    Use as an asynchronous context manager, or `open` and `close`.
    """

    def __init__(self, socket_path: Path, start: datetime, speed: float, patience_s: float = 20.0) -> None:
        if not speed > 0 or len(os.fsencode(socket_path)) > 100:
            raise ConfigError("clock.spec", f"speed {speed}, {socket_path}")
        self.forced = 0
        self.steps = 0
        self._path = socket_path
        self._us = microseconds(start)
        self._speed = speed
        self._patience_s = patience_s
        self._clients: dict[int, _Client] = {}
        self._ledger = OctetLedger()
        self._holds = 0
        self._timer: asyncio.TimerHandle | None = None
        self._blocked_since: float | None = None
        self._arrival = asyncio.Event()

    async def __aenter__(self) -> "Pacemaker":
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    async def open(self) -> None:
        """Create the socket and the page, both for the user alone; what an earlier run left at these paths is replaced."""
        self._loop = asyncio.get_running_loop()
        self._anchor = (self._loop.time(), self._us)
        for path in (self._path, time_page(self._path)):
            path.unlink(missing_ok=True)
        handle = os.open(time_page(self._path), os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        os.truncate(handle, 16)
        self._page = memoryview(mmap.mmap(handle, 16)).cast("q")
        os.close(handle)
        self._publish()
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._listener.bind(os.fspath(self._path))
        self._path.chmod(0o600)
        self._listener.listen(64)
        self._listener.setblocking(False)
        self._loop.add_reader(self._listener, self._on_connection)

    def close(self) -> None:
        """Stop the time for good and take socket and page away."""
        self._holds += 1
        self._cancel_timer()
        self._loop.remove_reader(self._listener)
        self._listener.close()
        for number in list(self._clients):
            self._drop(number)
        for path in (self._path, time_page(self._path)):
            path.unlink(missing_ok=True)

    def now(self) -> datetime:
        """Give the simulated time."""
        return from_microseconds(self._us)

    async def joined(self, processes: int) -> None:
        """Return once at least that many processes take part."""
        while len(self._clients) < processes:
            self._arrival.clear()
            await self._arrival.wait()

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Hold the time without limit, for example until every process of a system has started."""
        self._holds += 1
        try:
            yield
        finally:
            self._holds -= 1
            self._anchor = (self._loop.time(), self._us)
            self._blocked_since = None
            self._consider()

    def _publish(self) -> None:
        self._page[0] = self._us
        self._page[1] = self._us

    def _on_connection(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError:
            return
        connection.setblocking(False)
        self._clients[connection.fileno()] = _Client(connection)
        self._loop.add_reader(connection, self._on_report, connection.fileno())
        self._arrival.set()

    def _on_report(self, number: int) -> None:
        client = self._clients[number]
        try:
            packet = client.connection.recv(MESSAGE_LIMIT)
            report = _report_decoder.decode(packet) if packet else None
        except BlockingIOError:
            return
        except (OSError, msgspec.MsgspecError):
            report = None
        if report is None:
            self._drop(number)
        else:
            client.wake = report.wake
            client.busy = report.busy or report.answers != client.number
            client.excused = False
            client.links.update(report.sent, report.received)
            self._ledger.note(report.sent, report.received)
        self._consider()

    def _drop(self, number: int) -> None:
        client = self._clients.pop(number)
        self._loop.remove_reader(client.connection)
        client.connection.close()
        self._ledger.write_off(client.links)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _call_at(self, when: float) -> None:
        self._cancel_timer()
        self._timer = self._loop.call_at(when, self._consider)

    def _consider(self) -> None:
        """Advance if that is right now, else come back when it may be."""
        self._cancel_timer()
        wakes = [client.wake for client in self._clients.values() if client.wake is not None]
        if self._holds or not wakes:
            return
        target = max(self._us, min(wakes))
        real_now = self._loop.time()
        due = self._anchor[0] + (target - self._anchor[1]) / 1e6 / self._speed
        if due > real_now:
            self._call_at(due)
            return
        waited_for = [client for client in self._clients.values() if client.busy and not client.excused]
        if waited_for or not self._ledger.settle():
            self._be_patient(real_now, waited_for)
            return
        if real_now - due > _CATCH_UP_S:
            self._anchor = (real_now - _CATCH_UP_S, target)
        self._advance(target)

    def _be_patient(self, real_now: float, waited_for: list[_Client]) -> None:
        if self._blocked_since is None:
            self._blocked_since = real_now
        if real_now < self._blocked_since + self._patience_s:
            self._call_at(self._blocked_since + self._patience_s)
            return
        for client in waited_for:
            client.excused = True
        self._ledger.write_off()
        self._blocked_since = None
        self.forced += 1
        _log.warning("simulated time forced on", busy_processes=len(waited_for), forced=self.forced)
        self._consider()

    def _advance(self, target: int) -> None:
        self._us = target
        self._publish()
        self._blocked_since = None
        self.steps += 1
        for number, client in list(self._clients.items()):
            if client.wake is not None and client.wake <= target:
                client.number += 1
                client.busy, client.wake = True, None
                try:
                    client.connection.send(client.number.to_bytes(8, "big"))
                except OSError:
                    self._drop(number)
        self._consider()

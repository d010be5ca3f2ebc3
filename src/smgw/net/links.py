"""Links to meters: serial ports, pseudo terminals, TCP and recorded files behind one small interface.

| URL | opens |
| --- | --- |
| `serial:///dev/ttyUSB0?baud=9600&parity=N` | a serial port; also `bits` (7, 8) and `stop` (1, 2) |
| `pty:///path` | the terminal at a path, raw, without setting a speed |
| `tcp://host:port` | a TCP connection to a serial server or a simulated meter |
| `file:///path?pace=960` | a recorded dump; `pace` in octets a second, without it as fast as it is read |

Trying again after a loss is the gateway's decision, not the link's. Source: LMN-02; 10-lmn-meter-protocols 7.
"""

import asyncio
import errno
import os
import pty
import select
import termios
import tty
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final, NamedTuple, Protocol
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

import serial_asyncio_fast

from smgw.core.errors import ConfigError, Unavailable

CHUNK: Final = 4096
"""Octets that one read gives at most."""

_CONNECT_S = 10.0
_DRAIN_S = 2.0
_BAUD_RATES = (300, 600, 1200, 2400, 4800, 9600, 19_200, 38_400, 57_600, 115_200, 230_400, 460_800, 921_600)


class Link(Protocol):
    """Carry octets from and to one meter or bus."""

    async def read(self) -> bytes:
        """Give the next octets, 1 to `CHUNK`; empty at the end. Raises: Unavailable link.lost."""

    async def write(self, data: bytes) -> None:
        """Send octets and wait until the line takes them. Raises: Unavailable link.lost."""

    def close(self) -> None:
        """Let the line go; safe to call twice."""


async def open_link(url: str) -> Link:
    """Open the link that a URL names.

    Raises: ConfigError link.url when the URL is wrong, Unavailable link.lost when it can't be opened at present.
    """
    parts, options, kind = _read(url)
    try:
        return await kind.open(parts, options)
    except ValueError as problem:
        raise ConfigError("link.url", f"{problem}: {url[:80]!r}") from problem
    except (OSError, TimeoutError, termios.error) as problem:
        raise _lost(problem) from problem


def check_link_url(url: str) -> None:
    """Check a URL without opening its link. Raises: ConfigError link.url."""
    _read(url)


def _read(url: str) -> "tuple[SplitResult, dict[str, str], _Kind]":
    try:
        parts = urlsplit(url)
        options = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=True)) if parts.query else {}
        if parts.scheme not in _KINDS or parts.fragment or parts.username is not None:
            raise ValueError("not one of the forms")
        kind = _KINDS[parts.scheme]
        if unknown := set(options) - kind.options:
            raise ValueError(f"unknown option {', '.join(sorted(unknown))}")
        kind.check(parts, options)
    except ValueError as problem:
        raise ConfigError("link.url", f"{problem}: {url[:80]!r}") from problem
    return parts, options, kind


def _lost(problem: Exception) -> Unavailable:
    return Unavailable("link.lost", str(problem) or type(problem).__name__)


def _path(parts: SplitResult) -> str:
    path = unquote(parts.path)
    if parts.netloc or not path.startswith("/") or path == "/":
        raise ValueError("an absolute path is needed after the two slashes")
    return path


def _check_path(parts: SplitResult, _: dict[str, str]) -> None:
    if "\0" in _path(parts):
        raise ValueError("embedded null byte")


def _check_tcp(parts: SplitResult, _: dict[str, str]) -> None:
    if not parts.hostname or not parts.port or parts.path.strip("/"):
        raise ValueError("host and port are needed, and nothing more")


async def _open_tcp(parts: SplitResult, _: dict[str, str]) -> Link:
    async with asyncio.timeout(_CONNECT_S):
        return _StreamLink(*await asyncio.open_connection(parts.hostname, parts.port, limit=4 * CHUNK))


def _serial_options(options: dict[str, str]) -> tuple[int, str, int, int]:
    baud, parity = int(options.get("baud", "9600")), options.get("parity", "N")
    bits, stop = int(options.get("bits", "8")), int(options.get("stop", "1"))
    if baud not in _BAUD_RATES or parity not in ("N", "E", "O") or bits not in (7, 8) or stop not in (1, 2):
        raise ValueError("baud, parity, bits or stop out of range")
    return baud, parity, bits, stop


def _check_serial(parts: SplitResult, options: dict[str, str]) -> None:
    _serial_options(options)
    _check_path(parts, options)


async def _open_serial(parts: SplitResult, options: dict[str, str]) -> Link:
    baud, parity, bits, stop = _serial_options(options)
    path = _path(parts)
    reader, writer = await serial_asyncio_fast.open_serial_connection(
        limit=4 * CHUNK, url=path, baudrate=baud, bytesize=bits, parity=parity, stopbits=stop, exclusive=True
    )
    return _StreamLink(reader, writer)


async def _open_pty(parts: SplitResult, _: dict[str, str]) -> Link:
    handle = os.open(_path(parts), os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    try:
        tty.setraw(handle)
        # What came while nobody listened would be taken for fresh; a real line would not have kept it either.
        termios.tcflush(handle, termios.TCIFLUSH)
    except BaseException:
        os.close(handle)
        raise
    return _TerminalLink(handle)


def _check_file(parts: SplitResult, options: dict[str, str]) -> None:
    pace = int(options.get("pace", "0"))
    if pace < 0 or (pace == 0 and "pace" in options):
        raise ValueError("pace must be positive")
    _check_path(parts, options)


async def _open_file(parts: SplitResult, options: dict[str, str]) -> Link:
    return _FileLink(os.open(_path(parts), os.O_RDONLY), int(options.get("pace", "0")))


class _Kind(NamedTuple):
    options: frozenset[str]
    check: Callable[[SplitResult, dict[str, str]], None]
    """Raises ValueError for a wrong URL."""
    open: Callable[[SplitResult, dict[str, str]], Awaitable[Link]]
    """Raises OSError where it can't be opened now."""


_KINDS: dict[str, _Kind] = {
    "serial": _Kind(frozenset({"baud", "parity", "bits", "stop"}), _check_serial, _open_serial),
    "pty": _Kind(frozenset(), _check_path, _open_pty),
    "tcp": _Kind(frozenset(), _check_tcp, _open_tcp),
    "file": _Kind(frozenset({"pace"}), _check_file, _open_file),
}


class _StreamLink:
    """Read and write asyncio streams (TCP, serial)."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def read(self) -> bytes:
        try:
            return await self._reader.read(CHUNK)
        except OSError as problem:
            raise _lost(problem) from problem

    async def write(self, data: bytes) -> None:
        try:
            self._writer.write(data)
            await self._writer.drain()
        except OSError as problem:
            raise _lost(problem) from problem

    def close(self) -> None:
        self._writer.close()


class _Handle:
    """Own a file handle and wait for it without blocking the loop."""

    def __init__(self, handle: int) -> None:
        self._handle = handle
        self._waiters: set[asyncio.Future[None]] = set()

    async def _ready(self, *, write: bool) -> None:
        """Wait until the handle can be read or written, or is closed."""
        loop, handle = asyncio.get_running_loop(), self._handle
        waiter: asyncio.Future[None] = loop.create_future()
        self._waiters.add(waiter)
        add, remove = (loop.add_writer, loop.remove_writer) if write else (loop.add_reader, loop.remove_reader)
        add(handle, _wake, waiter)
        try:
            await waiter
        finally:
            self._waiters.discard(waiter)
            if self._handle >= 0:
                remove(handle)

    def close(self) -> None:
        """Close the handle; whoever waits for it sees the end."""
        if self._handle < 0:
            return
        for waiter in self._waiters:
            loop = waiter.get_loop()
            loop.remove_reader(self._handle)
            loop.remove_writer(self._handle)
            _wake(waiter)
        os.close(self._handle)
        self._handle = -1


def _wake(waiter: "asyncio.Future[None]") -> None:
    if not waiter.done():
        waiter.set_result(None)


class _TerminalLink(_Handle):
    """Read and write the slave side of a terminal."""

    async def read(self) -> bytes:
        while self._handle >= 0:
            try:
                return os.read(self._handle, CHUNK)
            except BlockingIOError:
                await self._ready(write=False)
            except OSError as problem:
                if problem.errno == errno.EIO:
                    break
                raise _lost(problem) from problem
        return b""

    async def write(self, data: bytes) -> None:
        while data:
            try:
                data = data[os.write(self._handle, data) :]
            except BlockingIOError:
                await self._ready(write=True)
            except OSError as problem:
                raise _lost(problem) from problem


class _FileLink(_Handle):
    """Read a recorded dump; what is written to it goes nowhere."""

    def __init__(self, handle: int, pace: int) -> None:
        super().__init__(handle)
        self._pace = pace

    async def read(self) -> bytes:
        octets = min(CHUNK, max(1, self._pace // 10)) if self._pace else CHUNK
        await asyncio.sleep(octets / self._pace if self._pace else 0)
        try:
            return os.read(self._handle, octets) if self._handle >= 0 else b""
        except OSError as problem:
            raise _lost(problem) from problem

    async def write(self, data: bytes) -> None:
        return None


def open_pty(link_path: Path) -> "PtyPort":
    """Make a raw terminal and name it by a symbolic link at `link_path`, replacing an older link there.

    Raises: ConfigError link.url when something that is no link stands at the path.
    """
    if link_path.exists() and not link_path.is_symlink():
        raise ConfigError("link.url", f"{link_path} exists and is no link")
    master, slave = pty.openpty()
    try:
        tty.setraw(slave)
        os.set_blocking(master, False)
        fresh = link_path.with_name(link_path.name + ".new")
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(os.ttyname(slave))
        fresh.replace(link_path)
    except BaseException:
        os.close(master)
        raise
    finally:
        os.close(slave)
    return PtyPort(master, link_path)


class PtyPort(_Handle):
    """Play the meter's end of a line for whoever opens the terminal at `path`.

    Like a real line it keeps nothing for a reader that is not there, and readers may come and go.
    """

    def __init__(self, master: int, path: Path) -> None:
        super().__init__(master)
        self.path = path
        self._terminal = path.readlink()
        self._poll = select.poll()
        self._poll.register(master, select.POLLOUT)

    @property
    def has_reader(self) -> bool:
        """Tell whether somebody has the terminal open."""
        return self._handle >= 0 and not any(events & select.POLLHUP for _, events in self._poll.poll(0))

    async def write(self, data: bytes) -> int:
        """Send octets; returns how many the line took: all, or fewer when nobody listens, the reader left or took nothing for 2 s."""
        taken = 0
        while taken < len(data) and self.has_reader:
            try:
                taken += os.write(self._handle, data[taken:])
            except BlockingIOError:
                try:
                    async with asyncio.timeout(_DRAIN_S):
                        await self._ready(write=True)
                except TimeoutError:
                    break
        return taken

    def close(self) -> None:
        """Hang up and take the name away."""
        if self._handle >= 0 and self.path.is_symlink() and self.path.readlink() == self._terminal:
            self.path.unlink()
        super().close()

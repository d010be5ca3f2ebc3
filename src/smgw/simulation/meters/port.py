"""The meter's end of a link: send telegrams at even moments of the clock, over a terminal or TCP, with faults where asked for."""

import asyncio
import random
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from smgw.core.errors import ConfigError
from smgw.core.instant import from_microseconds, microseconds
from smgw.net.clock import ClockPort
from smgw.net.links import open_pty

_DRAIN_S = 2.0


class Meter(Protocol):
    """Say what a meter sends at a moment."""

    def telegram(self, moment: datetime) -> bytes:
        """Give the octets to send."""


class MeterLine(Protocol):
    """Carry octets to whoever listens."""

    async def write(self, data: bytes) -> int:
        """Send octets; returns how many went out, counted for every listener."""

    def close(self) -> None:
        """Hang up."""


class TcpLine:
    """Serve a meter's octets to everybody who connects, as a serial server does."""

    def __init__(self, server: asyncio.Server, writers: set[asyncio.StreamWriter]) -> None:
        self._server = server
        self._writers = writers

    @property
    def port(self) -> int:
        """Give the TCP port listened on."""
        number: int = self._server.sockets[0].getsockname()[1]
        return number

    async def write(self, data: bytes) -> int:
        """Send to all; a listener that takes nothing for 2 s is dropped."""
        sent = 0
        for writer in list(self._writers):
            try:
                writer.write(data)
                async with asyncio.timeout(_DRAIN_S):
                    await writer.drain()
                sent += len(data)
            except (OSError, TimeoutError):
                self._writers.discard(writer)
                writer.transport.abort()
        return sent

    def close(self) -> None:
        """Stop listening and drop everybody."""
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()


async def open_tcp_line(host: str, port: int) -> TcpLine:
    """Listen on an address; port 0 takes a free one."""
    writers: set[asyncio.StreamWriter] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.add(writer)
        try:
            while await reader.read(4096):
                continue
        except OSError:
            pass
        finally:
            writers.discard(writer)
            writer.close()

    return TcpLine(await asyncio.start_server(serve, host, port), writers)


async def open_line(place: str) -> MeterLine:
    """Open the meter's end that an option names: `pty:PATH` or `tcp:HOST:PORT`. Raises: ConfigError link.url."""
    kind, _, rest = place.partition(":")
    host, _, port = rest.rpartition(":")
    try:
        if kind == "pty" and rest:
            return open_pty(Path(rest))
        if kind == "tcp" and host:
            return await open_tcp_line(host, int(port))
    except (OSError, ValueError, OverflowError) as problem:
        raise ConfigError("link.url", f"{place[:80]}: {problem}") from problem
    raise ConfigError("link.url", f"{place[:80]}: pty:PATH or tcp:HOST:PORT")


def _flip_bit(dice: random.Random, data: bytes) -> bytes:
    place = dice.randrange(len(data) * 8)
    return data[: place // 8] + bytes((data[place // 8] ^ 1 << place % 8,)) + data[place // 8 + 1 :]


FAULTS: dict[str, Callable[[random.Random, bytes], bytes]] = {
    "bitflip": _flip_bit,
    "cut": lambda dice, data: data[: dice.randrange(len(data))],
    "drop": lambda dice, data: b"",
    "noise": lambda dice, data: dice.randbytes(dice.randrange(1, 32)) + data,
    "twice": lambda dice, data: data + data,
}
"""Name of a fault -> what it makes of a telegram."""


class Faults:
    """Damage telegrams at random, the same way for the same seed.

    Each spec is `NAME=PROBABILITY`. Raises: ConfigError simulation.fault.
    """

    def __init__(self, specs: Sequence[str], seed: int) -> None:
        self._dice = random.Random(seed)  # noqa: S311 (a simulation, not a secret)
        self._rules: list[tuple[float, Callable[[random.Random, bytes], bytes]]] = []
        for spec in specs:
            name, _, share = spec.partition("=")
            try:
                probability = float(share)
            except ValueError:
                probability = -1.0
            if name not in FAULTS or not 0 <= probability <= 1:
                raise ConfigError("simulation.fault", f"{spec[:40]!r}: one of {', '.join(FAULTS)} = 0…1")
            self._rules.append((probability, FAULTS[name]))

    def apply(self, telegram: bytes) -> bytes:
        """Give the telegram as the line delivers it."""
        for probability, damage in self._rules:
            if telegram and self._dice.random() < probability:
                telegram = damage(self._dice, telegram)
        return telegram


class MeterPort:
    """Send a meter's telegrams on a line at each multiple of an interval, counted from 1970 UTC, and `later` by a part of it.

    `link` is the name under which the reading side accounts for the octets. Moments that pass while the line is busy are left out.
    Raises: ConfigError simulation.interval for an interval below 10 ms.
    """

    def __init__(
        self,
        meter: Meter,
        line: MeterLine,
        clock: ClockPort,
        link: str,
        interval: timedelta,
        faults: Faults | None = None,
        later: timedelta = timedelta(),
    ) -> None:
        if interval < timedelta(milliseconds=10):
            raise ConfigError("simulation.interval", str(interval))
        self.telegrams = 0
        self.octets = 0
        self._meter = meter
        self._line = line
        self._clock = clock
        self._link = link
        self._interval_us = interval // timedelta(microseconds=1)
        self._later_us = later // timedelta(microseconds=1)
        self._faults = faults

    async def run(self) -> None:
        """Send until cancelled."""
        while True:
            passed = (microseconds(self._clock.now()) - self._later_us) // self._interval_us
            await self._clock.sleep_until(from_microseconds((passed + 1) * self._interval_us + self._later_us))
            telegram = self._meter.telegram(self._clock.now())
            if self._faults is not None:
                telegram = self._faults.apply(telegram)
            taken = await self._line.write(telegram)
            self._clock.sent(self._link, taken)
            self.telegrams += 1
            self.octets += taken

"""A process of the pacemaker tests: it beats at a period and notes each moment it saw, as microseconds since 1970."""

import asyncio
import sys
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO

from smgw.core.instant import microseconds
from smgw.net.clock import open_clock


async def beat(spec: str, name: str, period_ms: int, count: int, log: BinaryIO) -> None:
    """Sleep `count` times, always to the next multiple of the period, and append `moment name` lines to a shared file."""
    clock = open_clock(spec)
    moment = clock.now()
    for _ in range(count):
        moment += timedelta(milliseconds=period_ms)
        await clock.sleep_until(moment)
        assert clock.now() == moment
        log.write(f"{microseconds(clock.now())} {name}\n".encode())
    clock.close()


if __name__ == "__main__":
    with Path(sys.argv[5]).open("ab", buffering=0) as shared:
        asyncio.run(beat(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), shared))

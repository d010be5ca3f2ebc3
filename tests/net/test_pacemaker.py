"""The shared simulated time: order across processes, pace, holds, octets under way, faults of a process."""

import asyncio
import math
import socket
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from smgw.core.errors import ConfigError, Unavailable
from smgw.core.instant import microseconds
from smgw.net.clock import ClockPort, open_clock, time_page
from smgw.net.pacemaker import Pacemaker

START = datetime(2026, 11, 21, tzinfo=UTC)
CHILD = Path(__file__).with_name("paced_process.py")
DYING = """
import asyncio, os, sys
from smgw.net.clock import open_clock

async def main():
    clock = open_clock(sys.argv[1])
    with clock.hold():
        clock.sent("line", 9)
        sys.stdin.read()
        os._exit(9)

asyncio.run(main())
"""


def after(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


async def passes() -> None:
    """Let the event loop run often enough for anything that could happen without new input."""
    for _ in range(100):
        await asyncio.sleep(0)


def join(pacemaker_path: Path) -> ClockPort:
    return open_clock(f"paced:{pacemaker_path}")


@pytest.mark.parametrize("speed", [0.0, -1.0, math.nan])
def test_an_impossible_speed_is_refused(tmp_path: Path, speed: float) -> None:
    with pytest.raises(ConfigError):
        Pacemaker(tmp_path / "clock", START, speed)
    with pytest.raises(ConfigError):
        Pacemaker(tmp_path / ("c" * 120), START, 1.0)


@pytest.mark.asyncio
async def test_thousands_of_steps_of_two_processes_stay_in_order(tmp_path: Path) -> None:
    log = tmp_path / "log"
    async with Pacemaker(tmp_path / "clock", START, math.inf) as pacemaker:
        with pacemaker.hold():
            children = [
                await asyncio.create_subprocess_exec(
                    sys.executable, str(CHILD), f"paced:{tmp_path / 'clock'}", name, str(period_ms), str(count), str(log)
                )
                for name, period_ms, count in (("a", 200, 3000), ("b", 300, 2000))
            ]
            await asyncio.wait_for(pacemaker.joined(2), 60)
        codes = await asyncio.wait_for(asyncio.gather(*(child.wait() for child in children)), 60)
        assert codes == [0, 0]
        assert pacemaker.forced == 0
        assert pacemaker.now() == after(600)
    start = microseconds(START)
    seen = [line.split() for line in log.read_text().splitlines()]
    assert [int(moment) for moment, _ in seen] == sorted(int(moment) for moment, _ in seen)
    assert [int(moment) - start for moment, name in seen if name == "a"] == [n * 200_000 for n in range(1, 3001)]
    assert [int(moment) - start for moment, name in seen if name == "b"] == [n * 300_000 for n in range(1, 2001)]


@pytest.mark.asyncio
async def test_time_goes_no_faster_than_its_speed(tmp_path: Path) -> None:
    loop = asyncio.get_running_loop()
    async with Pacemaker(tmp_path / "clock", START, 1000.0):
        clock = join(tmp_path / "clock")
        started = loop.time()
        for second in range(1, 101):
            await clock.sleep_until(after(second))
        assert loop.time() - started >= 0.099
        assert clock.now() == after(100)
        clock.close()


@pytest.mark.asyncio
async def test_octets_under_way_stop_the_time_for_everybody(tmp_path: Path) -> None:
    async with Pacemaker(tmp_path / "clock", START, math.inf) as pacemaker:
        meter, gateway = join(tmp_path / "clock"), join(tmp_path / "clock")
        line: asyncio.Queue[datetime] = asyncio.Queue()
        stamps: list[tuple[datetime, datetime]] = []

        async def send() -> None:
            for second in range(1, 51):
                await meter.sleep_until(after(second))
                line.put_nowait(meter.now())
                meter.sent("line", 300)

        async def receive() -> None:
            for _ in range(50):
                emitted = await line.get()
                await passes()
                gateway.received("line", 100)
                await passes()
                stamps.append((emitted, gateway.now()))
                gateway.received("line", 200)

        reader = asyncio.create_task(receive())
        with pacemaker.hold():
            sender = asyncio.create_task(send())
            await asyncio.sleep(0)
        await asyncio.wait_for(asyncio.gather(sender, reader), 60)
        assert stamps == [(after(second), after(second)) for second in range(1, 51)]
        assert pacemaker.forced == 0
        meter.close()
        gateway.close()


@pytest.mark.asyncio
async def test_a_hold_in_one_process_stops_another(tmp_path: Path) -> None:
    async with Pacemaker(tmp_path / "clock", START, math.inf) as pacemaker:
        one, other = join(tmp_path / "clock"), join(tmp_path / "clock")
        with pacemaker.hold():
            sleeper = asyncio.create_task(one.sleep_until(after(1)))
            await asyncio.sleep(0)
            delivery = other.hold()
            delivery.__enter__()
        await passes()
        assert not sleeper.done()
        assert other.now() == START
        delivery.__exit__(None, None, None)
        await asyncio.wait_for(sleeper, 60)
        with other.hold():
            again = asyncio.create_task(one.sleep_until(after(2)))
            await passes()
            assert not again.done()
        await asyncio.wait_for(again, 60)
        assert pacemaker.forced == 0
        one.close()
        other.close()


@pytest.mark.asyncio
async def test_a_process_that_never_rests_is_written_off_once(tmp_path: Path) -> None:
    async with Pacemaker(tmp_path / "clock", START, math.inf, patience_s=0.5) as pacemaker:
        clock, stuck = join(tmp_path / "clock"), join(tmp_path / "clock")
        with stuck.hold():
            stuck.sent("line", 9)
            for second in range(1, 21):
                await asyncio.wait_for(clock.sleep_until(after(second)), 60)
        assert pacemaker.forced == 1
        clock.close()
        stuck.close()


@pytest.mark.asyncio
async def test_lost_octets_are_written_off_once(tmp_path: Path) -> None:
    async with Pacemaker(tmp_path / "clock", START, math.inf, patience_s=0.5) as pacemaker:
        clock = join(tmp_path / "clock")
        clock.sent("line", 9)
        for second in range(1, 21):
            await asyncio.wait_for(clock.sleep_until(after(second)), 60)
        assert pacemaker.forced == 1
        clock.close()


@pytest.mark.asyncio
async def test_the_holds_and_octets_of_a_dead_process_disappear(tmp_path: Path) -> None:
    async with Pacemaker(tmp_path / "clock", START, math.inf) as pacemaker:
        clock = join(tmp_path / "clock")
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-c", DYING, f"paced:{tmp_path / 'clock'}", stdin=asyncio.subprocess.PIPE
        )
        await asyncio.wait_for(pacemaker.joined(1), 60)
        sleeper = asyncio.create_task(clock.sleep_until(after(1)))
        await passes()
        assert not sleeper.done()
        assert child.stdin is not None
        child.stdin.close()
        await asyncio.wait_for(sleeper, 60)
        assert await child.wait() == 9
        assert pacemaker.forced == 0
        clock.close()


@pytest.mark.asyncio
async def test_sleepers_learn_that_the_pacemaker_is_gone(tmp_path: Path) -> None:
    pacemaker = Pacemaker(tmp_path / "clock", START, 1.0)
    await pacemaker.open()
    clock = join(tmp_path / "clock")
    sleepers = [
        asyncio.create_task(clock.sleep_until(after(1000))),
        asyncio.create_task(clock.wait_until(after(1000), asyncio.Event())),
    ]
    await passes()
    pacemaker.close()
    for sleeper in sleepers:
        with pytest.raises(Unavailable) as fault:
            await asyncio.wait_for(sleeper, 60)
        assert fault.value.code == "clock.lost"
    with pytest.raises(Unavailable):
        clock.sent("line", 1)
    assert clock.now() == START
    assert not any(path.exists() for path in (tmp_path / "clock", time_page(tmp_path / "clock")))


@pytest.mark.asyncio
async def test_a_stranger_on_the_socket_does_no_harm(tmp_path: Path) -> None:
    async with Pacemaker(tmp_path / "clock", START, math.inf):
        clock = join(tmp_path / "clock")
        stranger = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        stranger.settimeout(60)
        stranger.connect(str(tmp_path / "clock"))
        stranger.send(b"hello")
        await asyncio.wait_for(clock.sleep_until(after(1)), 60)
        assert stranger.recv(1) == b""
        stranger.close()
        clock.close()

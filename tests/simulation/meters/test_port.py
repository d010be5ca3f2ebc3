"""A meter on its line: even moments, faults, and exact stamps at the reading side however fast simulated time runs."""

import asyncio
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from smgw.codec.sml import GetListResponse, SmlTime
from smgw.core.errors import ConfigError
from smgw.core.identifiers import DeviceId
from smgw.net.clock import ManualClock, open_clock
from smgw.net.links import open_link
from smgw.net.pacemaker import Pacemaker
from smgw.protocol.sml_stream import SmlFileReceived, SmlStream
from smgw.simulation.household import BEGIN, Household
from smgw.simulation.meters.port import FAULTS, Faults, MeterPort, TcpLine, open_line
from smgw.simulation.meters.sml_meter import SmlMeter

START = datetime(2026, 11, 21, 10, 0, 1, 500_000, tzinfo=UTC)
DEVICE_ID = DeviceId.parse("1SGW0010000001")


class Recorder:
    """Keep what is written, with its moment, and take `room` octets of each telegram; a deaf one receives none of them."""

    def __init__(self, clock: ManualClock, room: int = 3) -> None:
        self.deaf = False
        self.telegrams: list[tuple[datetime, bytes]] = []
        self._clock = clock
        self._room = room

    async def write(self, data: bytes) -> int:
        self.telegrams.append((self._clock.now(), data))
        if not self.deaf:
            self._clock.received("meter", self._room)
        return self._room

    def close(self) -> None:
        pass


class Stamp:
    """A meter whose telegram is the moment."""

    def telegram(self, moment: datetime) -> bytes:
        return moment.isoformat().encode()


async def until_heard_by(line: TcpLine, listeners: int) -> None:
    """Let the line learn of those who came or left; the kernel tells it a little later."""
    for _ in range(10_000):
        if await line.write(b"x") == listeners:
            return
        await asyncio.sleep(0)
    raise AssertionError(f"not {listeners} listeners")


@pytest.mark.parametrize("place", ["", "pty:", "tcp:", "tcp:1", "tcp:127.0.0.1:x", "tcp:127.0.0.1:99999", "serial:/dev/x", "pty:/absent/x"])
@pytest.mark.asyncio
async def test_a_wrong_place_is_refused(place: str) -> None:
    with pytest.raises(ConfigError) as fault:
        await open_line(place)
    assert fault.value.code == "link.url"


@pytest.mark.parametrize("spec", ["", "bitflip", "bitflip=", "bitflip=2", "bitflip=-1", "bitflip=nan", "fire=0.1"])
def test_a_wrong_fault_is_refused(spec: str) -> None:
    with pytest.raises(ConfigError) as fault:
        Faults([spec], 1)
    assert fault.value.code == "simulation.fault"


def test_an_interval_must_be_possible() -> None:
    clock = ManualClock(START)
    with pytest.raises(ConfigError) as fault:
        MeterPort(Stamp(), Recorder(clock), clock, "m", timedelta(milliseconds=9))
    assert fault.value.code == "simulation.interval"


@pytest.mark.parametrize("name", FAULTS)
def test_faults_damage_the_same_way_for_the_same_seed(name: str) -> None:
    telegram = bytes(range(100))
    damaged = [Faults([f"{name}=1"], seed).apply(telegram) for seed in (1, 1, 2)]
    assert damaged[0] == damaged[1]
    assert telegram not in (damaged[0], damaged[2])
    assert Faults([f"{name}=0"], 1).apply(telegram) == telegram
    assert Faults(["drop=1", f"{name}=1"], 1).apply(telegram) == b""


@pytest.mark.asyncio
async def test_telegrams_leave_at_even_moments_and_are_accounted_for() -> None:
    clock = ManualClock(START)
    line = Recorder(clock)
    port = MeterPort(Stamp(), line, clock, "meter", timedelta(seconds=2))
    task = asyncio.create_task(port.run())
    await asyncio.sleep(0)
    await clock.advance_to(START + timedelta(seconds=5))
    assert [moment for moment, _ in line.telegrams] == [START.replace(second=second, microsecond=0) for second in (2, 4, 6)]
    assert all(telegram == moment.isoformat().encode() for moment, telegram in line.telegrams)
    assert (port.telegrams, port.octets) == (3, 9)
    line.deaf = True
    with pytest.raises(TimeoutError):
        await clock.advance_to(START + timedelta(seconds=20), patience_s=0.05)
    assert clock.now() == START.replace(second=8, microsecond=0)
    task.cancel()


@pytest.mark.asyncio
async def test_tcp_listeners_all_hear_the_meter() -> None:
    line = await open_line("tcp:127.0.0.1:0")
    assert isinstance(line, TcpLine)
    assert await line.write(b"nobody") == 0
    links = [await open_link(f"tcp://127.0.0.1:{line.port}") for _ in range(2)]
    await until_heard_by(line, 2)
    assert await line.write(b"hello") == 10
    for link in links:
        heard = b""
        while not heard.endswith(b"hello"):
            heard += await asyncio.wait_for(link.read(), 60)
        assert heard.strip(b"x") == b"hello"
    links[0].close()
    await until_heard_by(line, 1)
    line.close()
    while await asyncio.wait_for(links[1].read(), 60):
        continue
    links[1].close()


@pytest.mark.req("MEAS-01", "OPS-05")
@pytest.mark.asyncio
async def test_each_telegram_is_stamped_at_its_emission_at_a_million_times_real_time(tmp_path: Path) -> None:
    """The meter is a process of its own; the reader here stamps with the shared clock what comes through a real terminal."""
    place, socket_path = tmp_path / "meter", tmp_path / "clock"
    async with Pacemaker(socket_path, START, 1e6) as pacemaker:
        with pacemaker.hold():
            meter = await asyncio.create_subprocess_exec(
                sys.executable, "-c", "from smgw.cli.meter import app; app()", "run", "--id", str(DEVICE_ID), "--link", f"pty:{place}",
                "--interval", "2", "--clock", f"paced:{socket_path}", "--name", "line", "--stop-on-eof",
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            )  # fmt: skip
            assert meter.stdin is not None
            assert meter.stdout is not None
            assert b'"ready"' in await asyncio.wait_for(meter.stdout.readline(), 60)
            link, clock = await open_link(f"pty://{place}"), open_clock(f"paced:{socket_path}")
            await asyncio.wait_for(pacemaker.joined(1), 60)
        stream, stamps = SmlStream(), list[tuple[datetime, int]]()
        while len(stamps) < 1500:
            data = await asyncio.wait_for(link.read(), 60)
            moment = clock.now()
            for event in stream.receive_data(data):
                assert isinstance(event, SmlFileReceived)
                body = event.messages[1].body
                assert isinstance(body, GetListResponse)
                assert isinstance(body.act_sensor_time, SmlTime)
                stamps.append((moment, body.act_sensor_time.seconds))
            clock.received("line", len(data))
        assert pacemaker.forced == 0
        meter.stdin.close()
        assert b'"stopped"' in await asyncio.wait_for(meter.stdout.readline(), 60)
        assert await asyncio.wait_for(meter.wait(), 60) == 0
        link.close()
        clock.close()
    first = START.replace(second=2, microsecond=0)
    assert [moment for moment, _ in stamps] == [first + timedelta(seconds=2 * number) for number in range(1500)]
    installed = datetime(BEGIN.year, BEGIN.month, BEGIN.day, tzinfo=UTC)
    assert all(moment == installed + timedelta(seconds=seconds) for moment, seconds in stamps)


def test_damage_never_passes_as_a_good_file() -> None:
    meter = SmlMeter(DEVICE_ID, Household("flat", 1))
    good = meter.telegram(START)
    for name in ("bitflip", "cut"):
        for seed in range(50):
            damaged = Faults([f"{name}=1"], seed).apply(good)
            assert not any(isinstance(event, SmlFileReceived) for event in SmlStream().receive_data(damaged))

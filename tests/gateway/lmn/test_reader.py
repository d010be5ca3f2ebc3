"""A meter link: octets to telegrams with the time of their first octet, and a link that comes back by itself."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.codec.sml.samples import METER_FRAME
from tests.gateway.gateway_parts import START

from smgw.gateway.config import LinkConfig
from smgw.gateway.lmn import reader as reader_module
from smgw.gateway.lmn.reader import ArrivalTimes, LinkReader
from smgw.net.clock import ManualClock
from smgw.net.links import PtyPort, open_pty
from smgw.protocol.sml_stream import SmlFileReceived

LIMIT_S = 60.0


class Bench:
    """Take what a reader tells."""

    def __init__(self, url: str) -> None:
        self.clock = ManualClock(START)
        self.files: asyncio.Queue[datetime] = asyncio.Queue()
        self.told: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
        self.reader = LinkReader(
            LinkConfig("optical", url),
            self.clock,
            self.clock,
            self._on_file,
            lambda link, code: self.told.put_nowait((link, code)),
            lambda link, code: self.told.put_nowait((link, code)),
        )

    def _on_file(self, event: SmlFileReceived, link: str, captured: datetime) -> None:
        assert link == "optical"
        self.files.put_nowait(captured)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.reader.run())
        try:
            async with asyncio.timeout(LIMIT_S):
                yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def heard(port: PtyPort, octets: bytes) -> None:
    """Send octets as soon as somebody listens."""
    for _ in range(10_000):
        if await port.write(octets):
            return
        await asyncio.sleep(0.001)
    pytest.fail("nobody opened the terminal")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader_module, "RECONNECT_FIRST", timedelta(milliseconds=1))


@pytest.mark.req("LMN-02")
async def test_a_link_that_can_t_be_opened_is_told_once_and_taken_when_it_comes(tmp_path: Path) -> None:
    bench = Bench(f"pty://{tmp_path / 'meter'}")
    async with bench.running():
        assert await bench.told.get() == ("optical", "link.lost")
        port = open_pty(tmp_path / "meter")
        await heard(port, METER_FRAME)
        await bench.files.get()
    port.close()
    assert bench.told.empty()


@pytest.mark.req("LMN-02")
async def test_a_wrong_url_is_told_with_its_code() -> None:
    bench = Bench("carrier-pigeon://roof")
    async with bench.running():
        assert await bench.told.get() == ("optical", "link.url")


@pytest.mark.req("LMN-02")
async def test_broken_telegrams_are_told_and_good_ones_between_them_taken(tmp_path: Path) -> None:
    dump = tmp_path / "dump.bin"
    good = METER_FRAME
    bad = bytearray(good)
    bad[40] ^= 1
    dump.write_bytes(b"noise" + good + bytes(bad) + good[:-20] + good + good[:30])
    bench = Bench(f"file://{dump}")
    async with bench.running():
        assert [await bench.told.get() for _ in range(3)] == [
            ("optical", "sml.transport_crc"),
            ("optical", "sml.framing"),
            ("optical", "sml.framing"),
        ]
        assert bench.files.qsize() == 2


@pytest.mark.req("LMN-02")
async def test_a_link_that_breaks_is_opened_again(tmp_path: Path) -> None:
    bench = Bench(f"pty://{tmp_path / 'meter'}")
    async with bench.running():
        for _ in range(2):
            port = open_pty(tmp_path / "meter")
            await heard(port, METER_FRAME)
            await bench.files.get()
            port.close()


@pytest.mark.req("MEAS-02")
async def test_a_telegram_carries_the_time_of_its_first_octet(tmp_path: Path) -> None:
    bench, octets = Bench(f"pty://{tmp_path / 'meter'}"), METER_FRAME
    port = open_pty(tmp_path / "meter")
    async with bench.running():
        await heard(port, b"noise")
        for index, part in enumerate((octets[:10], octets[10:50], octets[50:])):
            await bench.clock.advance_to(START + timedelta(seconds=index))
            bench.clock.sent("optical", await port.write(part))
        await bench.clock.advance_to(START + timedelta(seconds=9))
        assert await bench.files.get() == START
    port.close()


@given(st.lists(st.integers(1, 50), min_size=1, max_size=40), st.data())
def test_the_arrival_of_every_octet_is_known_until_a_later_one_is_asked_for(sizes: list[int], data: st.DataObject) -> None:
    arrivals, truth = ArrivalTimes(), []
    for second, size in enumerate(sizes):
        arrivals.note(size, START + timedelta(seconds=second))
        truth += [START + timedelta(seconds=second)] * size
    offsets = sorted(data.draw(st.lists(st.integers(0, len(truth) - 1), max_size=10)))
    assert [arrivals.of(offset) for offset in offsets] == [truth[offset] for offset in offsets]

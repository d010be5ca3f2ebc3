"""Lamps through the kernel's files, tried on a folder that looks like them."""

import asyncio
from itertools import pairwise
from pathlib import Path

import pytest

from smgw.core.errors import ConfigError
from smgw.gateway.gpio import KernelLamps, drive_lamps
from smgw.gateway.leds import LampName, Pattern

pytestmark = pytest.mark.req("STATE-02")


@pytest.fixture
def gpio(tmp_path: Path) -> Path:
    """Give a `/sys/class/gpio` with line 17 exported already."""
    folder = tmp_path / "gpio"
    (folder / "gpio17").mkdir(parents=True)
    for name in ("export", "gpio17/direction", "gpio17/value"):
        (folder / name).write_text("")
    return folder


@pytest.fixture
def led(tmp_path: Path) -> Path:
    """Give an LED of `/sys/class/leds`."""
    folder = tmp_path / "leds" / "power"
    folder.mkdir(parents=True)
    (folder / "brightness").write_text("1")
    return folder


def test_a_line_that_can_not_be_exported_is_refused(gpio: Path) -> None:
    with pytest.raises(ConfigError, match=r"gateway\.lamp: TLS"):
        KernelLamps({"TLS": gpio / "gpio4"})
    assert (gpio / "export").read_text() == "4"


@pytest.mark.parametrize("name", ["missing", "gpio", "gpiox"])
def test_what_is_no_output_is_refused(gpio: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=r"gateway\.lamp"):
        KernelLamps({"PWR": gpio / name})


def test_a_line_becomes_an_output_and_is_switched(gpio: Path) -> None:
    lamps = KernelLamps({"PWR": gpio / "gpio17"})
    assert (gpio / "gpio17/direction").read_text() == "low"
    for lit in (True, False, True):
        lamps.show("PWR", lit)
        assert (gpio / "gpio17/value").read_text() == str(int(lit))


def test_an_led_of_the_kernel_is_switched(led: Path) -> None:
    lamps = KernelLamps({"LMC": led})
    assert (led / "brightness").read_text() == "0"
    lamps.show("LMC", True)
    assert (led / "brightness").read_text() == "1"


def test_a_lamp_that_is_not_wired_is_left_out(led: Path) -> None:
    KernelLamps({"LMC": led}).show("wMT", True)


def test_an_output_that_is_gone_costs_nothing_else(led: Path, gpio: Path) -> None:
    lamps = KernelLamps({"LMC": led, "PWR": gpio / "gpio17"})
    (led / "brightness").unlink()
    led.rmdir()
    lamps.show("LMC", True)
    lamps.show("LMC", False)
    lamps.show("PWR", True)
    assert (gpio / "gpio17/value").read_text() == "1"


class Seen:
    """Note what was shown, and end the test after so many changes."""

    def __init__(self, most: int) -> None:
        self.changes: list[tuple[LampName, bool]] = []
        self.enough = asyncio.Event()
        self._most = most

    def show(self, name: LampName, lit: bool) -> None:
        self.changes.append((name, lit))
        if len(self.changes) >= self._most:
            self.enough.set()


async def test_a_driven_lamp_blinks_and_is_dark_at_the_end() -> None:
    seen = Seen(8)
    patterns: dict[LampName, Pattern] = {"PWR": "blink_50", "TLS": "on"}
    task = asyncio.create_task(drive_lamps(seen, lambda now_ms: patterns))
    async with asyncio.timeout(60):
        await seen.enough.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    power = [lit for name, lit in seen.changes if name == "PWR"]
    blinks = power[:-1]
    assert all(before is not after for before, after in pairwise(blinks))
    assert [lit for name, lit in seen.changes if name == "TLS"] == [True, False]
    assert power[-1] is False

"""Lamps of a real device: one output per lamp, written through the kernel's files.

Two kinds of output are known by their folder: a GPIO line (`/sys/class/gpio/gpio17`), which is made an output first, and an LED of the
kernel (`/sys/class/leds/NAME`). Source: STATE-02.
"""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

import structlog

from smgw.core.errors import ConfigError
from smgw.gateway.leds import STEP_MS, LampName, Pattern, is_lit

log = structlog.get_logger(__name__)


class LampOutput(Protocol):
    """Make one lamp shine or not."""

    def show(self, name: LampName, lit: bool) -> None:
        """Switch the lamp of that name; one that is not wired is left out."""


class KernelLamps:
    """Switch lamps through the files of `/sys`."""

    def __init__(self, folders: Mapping[LampName, Path]) -> None:
        """Take each lamp's folder. Raises: ConfigError gateway.lamp when it is no output that this process may write."""
        self._files = {name: _value_file(name, folder) for name, folder in folders.items()}

    def show(self, name: LampName, lit: bool) -> None:
        """Write 1 or 0; an output that is gone is told of and costs nothing else."""
        file = self._files.get(name)
        if file is None:
            return
        try:
            file.write_text("1" if lit else "0")
        except OSError as problem:
            log.warning("lamp_lost", lamp=name, problem=problem.strerror)
            del self._files[name]


def _value_file(name: LampName, folder: Path) -> Path:
    direction, value, brightness = folder / "direction", folder / "value", folder / "brightness"
    try:
        if brightness.is_file():
            brightness.write_text("0")
            return brightness
        if not folder.exists() and folder.name.removeprefix("gpio").isdecimal():
            (folder.parent / "export").write_text(folder.name.removeprefix("gpio"))
        # "low" makes the line an output and switches it off in one step.
        direction.write_text("low")
        value.write_text("0")
    except OSError as problem:
        raise ConfigError("gateway.lamp", f"{name}: {folder}: {problem.strerror}") from problem
    return value


async def drive_lamps(output: LampOutput, patterns: Callable[[int], Mapping[LampName, Pattern]]) -> None:
    """Show the patterns, in real time, until cancelled; `patterns` gives them for a moment in milliseconds of the loop's clock."""
    loop = asyncio.get_running_loop()
    shown: dict[LampName, bool] = {}
    try:
        while True:
            now_ms = int(loop.time() * 1_000)
            for name, pattern in patterns(now_ms).items():
                lit = is_lit(pattern, now_ms)
                if shown.get(name) is not lit:
                    output.show(name, lit)
                    shown[name] = lit
            await asyncio.sleep((STEP_MS - now_ms % STEP_MS) / 1_000)
    finally:
        for name in shown:
            output.show(name, False)

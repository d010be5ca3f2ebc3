"""What the system knows of our child processes."""

import os
from pathlib import Path

from smgw.core.errors import ConfigError

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def process_of(folder: Path) -> int:
    """Find the one among our children that has a folder in its command line. Raises: ConfigError where there is none or no /proc."""
    for entry in Path("/proc").glob("[0-9]*"):
        words = _read(entry / "cmdline").split("\0")
        if str(folder) in words and _stat(entry)[1:2] == [str(os.getpid())]:
            return int(entry.name)
    raise ConfigError("up.state", "no such process in /proc")


def _stat(entry: Path) -> list[str]:
    """Give the fields after the command's name: state, parent, …"""
    return _read(entry / "stat").rpartition(")")[2].split()


def cpu_s(process: int) -> float:
    """Give the CPU time of all threads, user and system."""
    fields = _stat(Path(f"/proc/{process}"))
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S


def memory_mb(process: int) -> dict[str, float]:
    """Give resident memory now (VmRSS) and at its peak (VmHWM), in 1,000,000 octets."""
    rows = (row.split() for row in _read(Path(f"/proc/{process}/status")).splitlines())
    return {row[0][:-1]: int(row[1]) * 1024 / 1e6 for row in rows if row[0] in ("VmRSS:", "VmHWM:")}


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""

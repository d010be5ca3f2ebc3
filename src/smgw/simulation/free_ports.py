"""Choose ports for parts that will listen a little later, in processes that first have to start.

The kernel hands out ports from a range of its own to everybody's connections and servers; one from there could be gone before its part
listens, so they are taken from below.
"""

import random
import socket
from contextlib import ExitStack
from pathlib import Path

from smgw.simulation.provisioning import Ports

LOWEST = 10_000
_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_TRIES = 200


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """Give one free port on loopback."""
    with ExitStack() as sockets:
        return _bound(sockets, kind, 0, frozenset())


def free_ports(held: Ports | None) -> Ports:
    """Keep the ports of the last start where they are free, and take free ones otherwise."""
    chosen: dict[str, int] = {}
    with ExitStack() as sockets:
        for name in Ports.__struct_fields__:
            wanted = 0 if held is None else getattr(held, name)
            chosen[name] = _bound(sockets, socket.SOCK_STREAM, wanted, frozenset(chosen.values()))
    return Ports(**chosen)


def _bound(sockets: ExitStack, kind: socket.SocketKind, wanted: int, taken: frozenset[int]) -> int:
    """Hold a port until the stack is closed: the wanted one, or another; the kernel's choice where none of many is free."""
    for port in (*([wanted] if wanted else []), *random.sample(range(LOWEST, _below()), _TRIES), 0):
        bound = socket.socket(socket.AF_INET, kind)
        if kind is socket.SOCK_STREAM:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            if port in taken:
                raise OSError
            bound.bind(("127.0.0.1", port))
        except (OSError, OverflowError):
            bound.close()
            continue
        sockets.enter_context(bound)
        return int(bound.getsockname()[1])
    raise OSError("no port is free")


def _below() -> int:
    """Give the first port that the kernel hands out by itself."""
    try:
        lowest = int(_RANGE.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        lowest = 0
    return lowest if lowest >= LOWEST + 10 * _TRIES else 32_768

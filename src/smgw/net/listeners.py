"""What this process listens on, and from where it would dial: facts of the kernel, not of a configuration.

Source: STATE-03, WAN-01, SEC-02.
"""

import ipaddress
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from smgw.core.errors import Unavailable

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_TABLES = ("tcp", "tcp6", "udp", "udp6")
_LISTENING = {"tcp": "0A", "tcp6": "0A", "udp": "07", "udp6": "07"}
"""Kernel's state of a socket that takes what nobody was asked for: TCP LISTEN, UDP not connected."""


class Listener(NamedTuple):
    """Hold one socket of this process that anyone who reaches it may talk to."""

    protocol: str
    """`tcp`, `tcp6`, `udp` or `udp6`."""
    address: Address
    port: int

    def __str__(self) -> str:
        return f"{self.protocol} {self.address} port {self.port}"

    def reaches(self, address: Address) -> bool:
        """Tell whether it can be talked to at an address: its own, or any when it is bound to all."""
        if self.address.is_unspecified:
            return self.protocol.endswith("6") or address.version == 4
        return plain(self.address) == plain(address)


def plain(address: Address) -> Address:
    """Give the IPv4 address inside an IPv6 one that maps it."""
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return address if mapped is None else mapped


def own_listeners(proc: Path = Path("/proc")) -> list[Listener]:
    """List the listening sockets of this process. Raises: Unavailable net.listeners when the kernel does not tell."""
    try:
        inodes = _own_inodes(proc / "self" / "fd")
        return sorted(listener for name in _TABLES for inode, listener in _table(proc / "self" / "net" / name, name) if inode in inodes)
    except (OSError, ValueError, IndexError) as problem:
        raise Unavailable("net.listeners", str(problem)) from problem


def _own_inodes(folder: Path) -> set[str]:
    inodes = set()
    place = f"{folder}/"
    # Thousands of connections are looked through here: `Path` takes six times as long.
    for name in os.listdir(folder):  # noqa: PTH208
        # A descriptor may be closed while the folder is read.
        with suppress(FileNotFoundError):
            target = os.readlink(place + name)  # noqa: PTH115
            if target.startswith("socket:["):
                inodes.add(target[8:-1])
    return inodes


def _table(path: Path, name: str) -> Iterator[tuple[str, Listener]]:
    if not path.exists() and name.endswith("6"):
        return
    for line in path.read_text().splitlines()[1:]:
        fields = line.split()
        if fields[3] == _LISTENING[name]:
            address, port = fields[1].split(":")
            yield fields[9], Listener(name, _address(address), int(port, 16))


def _address(text: str) -> Address:
    """Read an address as the kernel prints it: 32-bit words in hex, each a number in this machine's byte order."""
    words = [int(text[at : at + 8], 16) for at in range(0, len(text), 8)]
    return ipaddress.ip_address(b"".join(word.to_bytes(4, sys.byteorder) for word in words))


def addresses_of(host: str) -> set[Address]:
    """Give the addresses of a host name or address; none when it has none or can't be looked up."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return set()
    return {ipaddress.ip_address(str(address[0]).partition("%")[0]) for *_, address in found}


def departure(host: str) -> Address | None:
    """Give the address of this machine from which it would dial a host, without sending anything; None when there is no way."""
    for target in sorted(addresses_of(host), key=str):
        family = socket.AF_INET if target.version == 4 else socket.AF_INET6
        # Connecting a datagram socket only asks the kernel for its route.
        with suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((str(target), 9))
            return ipaddress.ip_address(str(probe.getsockname()[0]).partition("%")[0])
    return None

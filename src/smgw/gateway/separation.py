"""Are WAN and HAN separate? What the process really listens on, and from where it really dials, against what it was told.

Only the interfaces of consumer and technician may listen, at the HAN's own address, and the wake-up receiver at its own. Where the address
facing the WAN is configured, nothing but the latter may be reached there, and the way to the administrator has to begin there.
Source: STATE-03, SEC-02; handbook B-4.1, D-2.3.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from smgw.core.errors import DomainFault
from smgw.net.listeners import Address, Listener, addresses_of, departure, own_listeners, plain


class Networks(NamedTuple):
    """Hold what the gateway was told about its networks, and how the kernel is asked."""

    han_host: str
    han_port: int
    wan_address: str
    """Address facing the WAN; empty when it is not known, as on a single machine."""
    administrator_host: str
    listeners: Callable[[], Iterable[Listener]] = own_listeners
    departure: Callable[[str], Address | None] = departure
    wake_up: tuple[str, int] = ("", 0)
    """Address and port of the wake-up receiver; no address where there is none."""
    technician_port: int = 0
    """Port of the technician's interface at the HAN; 0 while it is closed."""


def check_separation(networks: Networks) -> None:
    """Raise DomainFault self_test.networks with what joins WAN and HAN; Unavailable net.listeners when the kernel does not tell."""
    own = addresses_of(networks.han_host)
    if not own:
        raise DomainFault("self_test.networks", f"{networks.han_host} is no address")
    meant = {Listener("tcp" if address.version == 4 else "tcp6", address, networks.han_port) for address in own}
    places = {(plain(address), port) for address in own for port in (networks.han_port, networks.technician_port)}
    wake_up_host, wake_up_port = networks.wake_up
    wake_ups = {(plain(address), wake_up_port) for address in addresses_of(wake_up_host)} if wake_up_host else set()
    found = sorted(meant.union(networks.listeners()))
    for listener in found:
        if listener.address.is_unspecified:
            raise DomainFault("self_test.networks", f"{listener} is open to all networks")
        if (plain(listener.address), listener.port) not in (wake_ups if listener.protocol.startswith("udp") else places):
            raise DomainFault("self_test.networks", f"{listener} is none of the interfaces of the HAN")
    for outside in addresses_of(networks.wan_address) if networks.wan_address else ():
        for listener in found:
            if listener.reaches(outside) and not listener.protocol.startswith("udp"):
                raise DomainFault("self_test.networks", f"{listener} can be reached from the WAN")
        leaving = networks.departure(networks.administrator_host)
        if leaving is not None and plain(leaving) != plain(outside):
            raise DomainFault("self_test.networks", f"the way to the administrator begins at {leaving}")

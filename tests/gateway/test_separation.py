"""WAN and HAN: everything that joins them is found, and the usual arrangements pass."""

import ipaddress
import socket

import pytest

from smgw.core.errors import DomainFault
from smgw.gateway.separation import Networks, check_separation
from smgw.net.listeners import Address, Listener, own_listeners

pytestmark = pytest.mark.req("STATE-03", "WAN-01", "SEC-02")

HAN, WAN, OTHER = "192.0.2.1", "198.51.100.7", "203.0.113.9"


def ip(text: str) -> Address:
    return ipaddress.ip_address(text)


def networks(*listeners: tuple[str, str, int], wan: str = WAN, han: str = HAN, departure: str | None = WAN) -> Networks:
    found = [Listener(protocol, ip(address), port) for protocol, address, port in listeners]
    return Networks(han, 443, wan, "gwa.example", lambda: found, lambda host: None if departure is None else ip(departure))


@pytest.mark.parametrize(
    ("arrangement", "detail"),
    [
        (networks(("tcp", "0.0.0.0", 443)), "open to all networks"),
        (networks(("tcp6", "::", 443)), "open to all networks"),
        (networks(("tcp", "0.0.0.0", 443), wan=""), "open to all networks"),
        (networks(han="0.0.0.0"), "open to all networks"),
        (networks(("tcp", WAN, 443)), "none of the interfaces of the HAN"),
        (networks(("tcp", HAN, 80)), "none of the interfaces of the HAN"),
        (networks(("udp", HAN, 443)), "none of the interfaces of the HAN"),
        (networks(("tcp", OTHER, 22), wan=""), "none of the interfaces of the HAN"),
        (networks(("udp", WAN, 15101))._replace(wake_up=(WAN, 15100)), "none of the interfaces of the HAN"),
        (networks(("tcp", WAN, 15100))._replace(wake_up=(WAN, 15100)), "none of the interfaces of the HAN"),
        (networks(("udp", "0.0.0.0", 15100))._replace(wake_up=(WAN, 15100)), "open to all networks"),
        (networks(han=WAN), "can be reached from the WAN"),
        (networks(("tcp", HAN, 443), wan=HAN), "can be reached from the WAN"),
        (networks(("tcp6", f"::ffff:{WAN}", 443), han=WAN), "can be reached from the WAN"),
        (networks(departure=HAN), f"begins at {HAN}"),
        (networks(departure=OTHER), f"begins at {OTHER}"),
        (networks(han="no.such.host.invalid"), "is no address"),
    ],
)
def test_whatever_joins_the_networks_is_found(arrangement: Networks, detail: str) -> None:
    with pytest.raises(DomainFault, match=r"self_test\.networks") as caught:
        check_separation(arrangement)
    assert detail in caught.value.detail


@pytest.mark.parametrize(
    "arrangement",
    [
        networks(("tcp", HAN, 443)),
        networks(("tcp6", f"::ffff:{HAN}", 443)),
        networks(),
        networks(("tcp", HAN, 443), wan=""),
        networks(("tcp", HAN, 443), departure=None),
        networks(("tcp", HAN, 443), ("udp", WAN, 15100))._replace(wake_up=(WAN, 15100)),
        networks(("tcp6", "2001:db8::1", 443), han="2001:db8::1"),
        networks(("tcp", "127.0.0.1", 443), han="127.0.0.1", wan=""),
    ],
)
def test_separate_networks_pass(arrangement: Networks) -> None:
    check_separation(arrangement)


def test_a_real_socket_too_much_is_found() -> None:
    with socket.create_server(("127.0.0.1", 0)) as han:
        meant = Networks("127.0.0.1", han.getsockname()[1], "", "127.0.0.1")
        if len(own_listeners()) > 1:
            pytest.skip("this process listens already")
        check_separation(meant)
        with socket.create_server(("127.0.0.1", 0)), pytest.raises(DomainFault, match="none of the interfaces of the HAN"):
            check_separation(meant)
        check_separation(meant)
        with pytest.raises(DomainFault, match="can be reached from the WAN"):
            check_separation(meant._replace(wan_address="127.0.0.1"))

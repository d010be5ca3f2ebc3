"""What the kernel says about this process's sockets, on the real kernel and on a folder that looks like it."""

import ipaddress
import socket
from contextlib import ExitStack
from pathlib import Path

import pytest

from smgw.core.errors import Unavailable
from smgw.net.listeners import Listener, addresses_of, departure, own_listeners, plain

pytestmark = pytest.mark.req("STATE-03", "WAN-01", "SEC-02")

LOOPBACK = ipaddress.ip_address("127.0.0.1")


def test_a_kernel_that_does_not_tell_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"net\.listeners"):
        own_listeners(tmp_path)


@pytest.mark.parametrize("row", ["rubbish", "0: 0100007F:00zz 0:0 0A a b c d e 7", "0: xy:0050 0:0 0A a b c d e 7"])
def test_tables_that_can_not_be_read_are_a_fault(tmp_path: Path, row: str) -> None:
    with pytest.raises(Unavailable, match=r"net\.listeners"):
        own_listeners(kernel(tmp_path, tcp=f"head\n{row}\n"))


def kernel(folder: Path, sockets: tuple[int, ...] = (7,), **tables: str) -> Path:
    """Make a `/proc` in which this process holds some sockets."""
    (folder / "self/fd").mkdir(parents=True)
    (folder / "self/net").mkdir()
    for number, inode in enumerate(sockets):
        (folder / f"self/fd/{number}").symlink_to(f"socket:[{inode}]")
    (folder / "self/fd/99").symlink_to("/dev/null")
    for name in ("tcp", "udp"):
        (folder / "self/net" / name).write_text(tables.get(name, "head\n"))
    for name in ("tcp6", "udp6"):
        if name in tables:
            (folder / "self/net" / name).write_text(tables[name])
    return folder


def line(address: str, state: str, inode: int) -> str:
    return f"   0: {address} 00000000:0000 {state} 00000000:00000000 00:00000000 00000000 0 0 {inode} 1 0000000000000000 100 0 0 10 0\n"


@pytest.mark.skipif(socket.htons(1) == 1, reason="the sample tables are of a little-endian machine")
def test_only_own_sockets_that_listen_are_listed(tmp_path: Path) -> None:
    proc = kernel(
        tmp_path,
        (7, 8, 9, 10, 11),
        tcp="head\n" + line("0100007F:1F90", "0A", 7) + line("0100007F:1F91", "01", 8) + line("0100007F:1F92", "0A", 1234),
        udp="head\n" + line("00000000:0035", "07", 9) + line("0100007F:0036", "01", 10),
        tcp6="head\n" + line("00000000000000000000000001000000:01BB", "0A", 11),
    )
    assert own_listeners(proc) == [
        Listener("tcp", LOOPBACK, 8080),
        Listener("tcp6", ipaddress.ip_address("::1"), 443),
        Listener("udp", ipaddress.ip_address("0.0.0.0"), 53),
    ]


def test_the_real_kernel_tells_of_every_kind_of_socket() -> None:
    before = set(own_listeners())
    with ExitStack() as stack:
        listening = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        everywhere = stack.enter_context(socket.create_server(("0.0.0.0", 0)))
        datagrams = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        datagrams.bind(("127.0.0.1", 0))
        client = stack.enter_context(socket.create_connection(listening.getsockname()))
        found = set(own_listeners()) - before
        assert found == {
            Listener("tcp", LOOPBACK, listening.getsockname()[1]),
            Listener("tcp", ipaddress.ip_address("0.0.0.0"), everywhere.getsockname()[1]),
            Listener("udp", LOOPBACK, datagrams.getsockname()[1]),
        }
        assert client.getsockname()[1] not in {one.port for one in found}
    assert set(own_listeners()) == before


@pytest.mark.parametrize(
    ("protocol", "bound", "asked", "reached"),
    [
        ("tcp", "127.0.0.1", "127.0.0.1", True),
        ("tcp", "127.0.0.1", "192.0.2.1", False),
        ("tcp", "0.0.0.0", "192.0.2.1", True),
        ("tcp", "0.0.0.0", "2001:db8::1", False),
        ("tcp6", "::", "192.0.2.1", True),
        ("tcp6", "::", "2001:db8::1", True),
        ("tcp6", "::ffff:192.0.2.1", "192.0.2.1", True),
        ("tcp6", "::1", "2001:db8::1", False),
    ],
)
def test_where_a_socket_can_be_reached(protocol: str, bound: str, asked: str, reached: bool) -> None:
    listener = Listener(protocol, ipaddress.ip_address(bound), 1)
    assert listener.reaches(ipaddress.ip_address(asked)) is reached


def test_an_ipv6_address_that_maps_an_ipv4_one_is_that_one() -> None:
    assert plain(ipaddress.ip_address("::ffff:192.0.2.1")) == ipaddress.ip_address("192.0.2.1")
    assert plain(ipaddress.ip_address("::1")) == ipaddress.ip_address("::1")


def test_a_host_that_has_no_address_gives_none() -> None:
    assert addresses_of("no.such.host.invalid") == set()
    assert departure("no.such.host.invalid") is None


def test_the_way_to_this_machine_begins_at_this_machine() -> None:
    assert addresses_of("127.0.0.1") == {LOOPBACK}
    assert departure("127.0.0.1") == LOOPBACK

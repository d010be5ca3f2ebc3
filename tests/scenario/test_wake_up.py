"""A gateway that opens its channel only on wake-up, and its administrator, both whole and over real UDP and TLS."""

import asyncio
import json
import socket
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from smgw.administrator import lookout, wakeup
from smgw.administrator.books import Books, open_books
from smgw.administrator.config import AdministratorFolder
from smgw.administrator.service import run_administrator
from smgw.administrator.wakeup import Address
from smgw.core.log_event import Log
from smgw.gateway.config import GatewayFolder
from smgw.gateway.service import Gateway
from smgw.net.clock import ManualClock
from smgw.net.pki_service import PkiService
from smgw.pki.names import Role
from smgw.simulation.free_ports import free_port, free_ports
from smgw.simulation.provisioning import (
    DEFAULT_GATEWAY_ID,
    Layout,
    System,
    found_identities,
    open_pki,
    provision_administrator,
    provision_gateway,
)

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
LIMIT_S = 60.0


async def until(condition: Callable[[], object], what: str) -> None:
    for _ in range(int(LIMIT_S / 0.005)):
        if condition():
            return
        await asyncio.sleep(0.005)
    pytest.fail(f"never happened: {what}")


def provisioned(layout: Layout, port: int) -> System:
    triples = found_identities(layout, DEFAULT_GATEWAY_ID, NOW)
    system = System(DEFAULT_GATEWAY_ID, NOW, free_ports(None), ())
    provision_administrator(layout, system, triples[Role.SMGW], triples[Role.EMT], "a password of the test", NOW)
    provision_gateway(layout, system, triples[Role.GWA], ())
    path = GatewayFolder(layout.gateway).config
    config = json.loads(path.read_bytes())
    config["administrator"]["connection"] = "on_wake_up"
    config["wake_up"] = {"host": "127.0.0.1", "port": port}
    path.write_text(json.dumps(config))
    return system


def job(books: Books, number: int) -> None:
    books.jobs.add(DEFAULT_GATEWAY_ID, "GET", "log/system/1", None, at=NOW, actor="test", random=bytes([number]) * 16)


def contacts(gateway: Gateway) -> list[str]:
    """List what the gateway's log tells of channels and calls."""
    events = [stored.entry.event for stored in gateway.journal.log(Log.SYSTEM)]
    return [event for event in events if event.startswith(("channel_", "wake_up_"))]


@pytest.mark.req("WAN-01", "WAN-04", "WAN-09", "ADM-04")
@pytest.mark.timeout(120)
async def test_a_gateway_comes_when_something_waits_for_it_and_goes_when_it_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lookout, "LOOK_S", 0.01)
    monkeypatch.setattr(wakeup, "NEXT_AFTER_S", 0.1)
    layout, clock, stop = Layout(tmp_path / "data"), ManualClock(NOW), asyncio.Event()
    port = free_port(socket.SOCK_DGRAM)
    system = provisioned(layout, port)
    pki = PkiService(open_pki(layout, NOW), clock)
    await pki.start("127.0.0.1", system.ports.pki)
    up: list[dict[str, object]] = []
    administrator = asyncio.create_task(run_administrator(AdministratorFolder(layout.administrator), clock, up.append, stop))
    await until(lambda: up or administrator.done(), "administrator")
    gateway = Gateway(GatewayFolder(layout.gateway), clock)
    running = asyncio.create_task(gateway.run(lambda _: None, stop))
    books = open_books(AdministratorFolder(layout.administrator).inventory)
    try:
        await until(lambda: gateway.journal.profiles("consumer") and gateway.channel.connected, "the call at the start")
        books.wake_ups.set_address(DEFAULT_GATEWAY_ID, Address("127.0.0.1", port), NOW, "test")
        job(books, 1)
        await until(lambda: contacts(gateway).count("channel_closed") == 1, "the end of the first channel")
        assert books.jobs.waiting(DEFAULT_GATEWAY_ID) == []
        job(books, 2)
        await until(lambda: contacts(gateway).count("channel_closed") == 2, "the end of the second channel")
        assert books.jobs.waiting(DEFAULT_GATEWAY_ID) == []
        assert contacts(gateway) == ["channel_opened", "channel_closed", "wake_up_accepted", "channel_opened", "channel_closed"]
        await until(lambda: books.wake_ups.statistics().answered == 1, "the statistics")
    finally:
        books.close()
        stop.set()
        async with asyncio.timeout(LIMIT_S):
            await asyncio.gather(administrator, running)
        await pki.close()

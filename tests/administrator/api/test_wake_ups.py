"""Addresses and calls over the REST interface."""

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from tests.administrator.interface_parts import add_user, make_desk, served
from tests.gateway.gateway_parts import GATEWAY_ID

from smgw.administrator import wakeup
from smgw.administrator.api.endpoints import Desk
from smgw.administrator.caller import Caller
from smgw.administrator.users import Role
from smgw.administrator.wakeup import WakeUpService

pytestmark = pytest.mark.req("WAN-04", "ADM-03", "ADM-13")
PATH = f"/gateways/{GATEWAY_ID}/wake-up"


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    monkeypatch.setattr(wakeup, "PAUSES_S", (0.05,))
    desk = make_desk(tmp_path / "gwa")
    office = desk.office
    caller = Caller(office.books, WakeUpService(office.books.wake_ups, office.module, office.signer, office.clock))
    yield desk._replace(office=office._replace(caller=caller))
    desk.books.close()


async def test_an_address_is_set_shown_and_ordered(desk: Desk) -> None:
    token = add_user(desk.books, "anna", Role.OPERATOR)
    async with served(desk) as caller:
        assert (await caller.ask("GET", PATH, token))[1]["error"] == "wakeup.address"
        assert (await caller.ask("POST", PATH, token))[1]["error"] == "wakeup.address"
        wanted = {"host": "gateway.example", "port": 15200, "timestamp_order": "big", "on_wake_up": False}
        assert await caller.ask("PUT", PATH, token, {**wanted, "set_gateway": True}) == (200, wanted)
        assert await caller.ask("GET", PATH, token) == (200, wanted)
        assert (await caller.ask("PUT", PATH, token, {"host": "", "port": 1}))[1]["error"] == "wakeup.address"
    job = desk.books.jobs.waiting(GATEWAY_ID)[-1]
    assert (job.method, job.resource, msgspec.json.decode(job.body)) == ("PUT", "rts/wake-up", {"port": 15200, "timestamp_order": "big"})


async def test_a_gateway_is_called_and_the_wait_is_counted(desk: Desk) -> None:
    token = add_user(desk.books, "anna", Role.OPERATOR)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as gateway:
        gateway.bind(("127.0.0.1", 0))
        gateway.setblocking(False)
        async with served(desk) as caller:
            await caller.ask("PUT", PATH, token, {"host": "127.0.0.1", "port": gateway.getsockname()[1]})
            asked = asyncio.create_task(caller.ask("POST", PATH, token))
            async with asyncio.timeout(60):
                await asyncio.get_running_loop().sock_recv(gateway, 200)
            assert desk.office.caller is not None
            desk.office.caller.service.answered(GATEWAY_ID)
            status, answer = await asked
            assert (status, answer["device_id"]) == (200, GATEWAY_ID)
            status, answer = await caller.ask("POST", PATH, token)
            assert (status, answer["error"]) == (503, "wakeup.no_call_back")
            with desk.books.inventory.connected(GATEWAY_ID):
                assert await caller.ask("POST", PATH, token) == (200, {"device_id": GATEWAY_ID, "waited_ms": 0})
            counted = (await caller.ask("GET", "/wake-ups", token))[1]
    assert (counted["calls"], counted["answered"], counted["given_up"]) == (2, 1, 1)

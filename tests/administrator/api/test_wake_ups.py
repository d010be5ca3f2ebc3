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

pytestmark = pytest.mark.req("WAN-04", "ADM-04", "ADM-13")
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
    token = add_user(desk.books, "user1", Role.OPERATOR)
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
    token = add_user(desk.books, "user1", Role.OPERATOR)
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


async def test_a_call_that_nobody_waits_for_is_made_at_the_next_look(desk: Desk) -> None:
    token = add_user(desk.books, "user1", Role.OPERATOR)
    assert desk.office.caller is not None
    service = desk.office.caller.service
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as gateway:
        gateway.bind(("127.0.0.1", 0))
        gateway.setblocking(False)
        calls = asyncio.create_task(service.run(list, look_s=0.01))
        async with served(desk) as caller:
            place = {"host": "127.0.0.1", "port": gateway.getsockname()[1]}
            await caller.ask("PUT", PATH, token, place)
            assert await caller.ask("POST", f"{PATH}?wait=false", token) == (200, {"device_id": GATEWAY_ID, "waited_ms": None})
            async with asyncio.timeout(10):
                await asyncio.get_running_loop().sock_recv(gateway, 200)
            status, state = await caller.ask("GET", f"{PATH}/calls", token)
            assert status == 200 and [one["state"] for one in state["calls"]] in (["calling"], ["given_up"])
        calls.cancel()


@pytest.mark.req("ADM-02")
async def test_under_four_eyes_an_address_waits_for_a_second_person(desk: Desk) -> None:
    desk = desk._replace(four_eyes=frozenset({"wake-up"}))
    tokens = [add_user(desk.books, name, Role.OPERATOR, Role.APPROVER) for name in ("user1", "op2")]
    wanted = {"host": "gateway.example", "port": 15200, "set_gateway": True}
    async with served(desk) as caller:
        status, proposal = await caller.ask("PUT", PATH, tokens[0], wanted)
        assert (status, proposal["kind"], proposal["deed"]) == (202, "wake-up", "wake-up")
        assert (await caller.ask("GET", PATH, tokens[0]))[1]["error"] == "wakeup.address"
        assert (await caller.ask("POST", f"/proposals/{proposal['id']}/approve", tokens[1]))[0] == 200
        assert (await caller.ask("GET", PATH, tokens[0]))[1]["port"] == 15200
    assert [(job.resource, job.created_by) for job in desk.books.jobs.waiting(GATEWAY_ID)] == [("rts/wake-up", "user1")]

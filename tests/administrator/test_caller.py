"""A gateway that comes only when called is called when something waits for it, and let go when nothing does."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from tests.administrator.administrator_parts import LIMIT_S, gateway_end
from tests.administrator.test_administrator_management import Bench
from tests.gateway.gateway_parts import GATEWAY_ID, START, gateway_identity, meter_profile, pki
from tests.gateway.wan.wan_parts import until

from smgw.administrator.caller import Caller
from smgw.administrator.management import serve_gateway
from smgw.administrator.wakeup import Address, WakeUpService
from smgw.pki.chain import CertificateUse, ValidatedCertificate
from smgw.pki.names import Role

pytestmark = pytest.mark.req("WAN-04", "ADM-04")


class Fleet(Bench):
    """Hold the bench with a caller and a gateway that comes when called."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        office = self.office
        service = WakeUpService(self.books.wake_ups, office.module, office.signer, office.clock)
        self.caller = Caller(self.books, service)
        self.office = office._replace(caller=self.caller)

    def by_call(self, on_wake_up: bool = True) -> None:
        self.books.wake_ups.set_address(GATEWAY_ID, Address("127.0.0.1", 9, on_wake_up=on_wake_up), START, "test")

    def job(self, resource: str) -> None:
        self.books.jobs.add(GATEWAY_ID, "GET", resource, None, at=START, actor="test", random=bytes(16))


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    fleet = Fleet(tmp_path)
    yield fleet
    fleet.close()


def peer() -> ValidatedCertificate:
    return (
        pki().trust(START).validate(gateway_identity().triple.tls, now=START, use=CertificateUse.TLS_CLIENT, roles=frozenset({Role.SMGW}))
    )


async def served(fleet: Fleet, stop: asyncio.Event) -> None:
    async with gateway_end(fleet.obey) as channel, asyncio.timeout(LIMIT_S):
        await serve_gateway(fleet.office, peer(), channel, stop, lambda: None)


async def test_the_channel_ends_once_the_work_is_done_and_nobody_is_called_for_nothing(fleet: Fleet) -> None:
    broken_up: list[None] = []
    fleet.commands.context = fleet.commands.context._replace(break_up=lambda: broken_up.append(None))
    fleet.note_all()
    assert fleet.caller.waiting() == []
    fleet.by_call()
    fleet.job("log/system/1")
    assert fleet.caller.waiting() == [GATEWAY_ID]
    await served(fleet, asyncio.Event())
    assert broken_up == [None]
    assert fleet.commands.installed
    assert fleet.books.jobs.waiting(GATEWAY_ID) == []
    assert fleet.caller.waiting() == []


async def test_new_work_is_a_reason_to_call(fleet: Fleet) -> None:
    fleet.note_all()
    fleet.by_call()
    await served(fleet, asyncio.Event())
    fleet.job("state")
    assert fleet.caller.waiting() == [GATEWAY_ID]
    with fleet.inventory.connected(GATEWAY_ID):
        assert fleet.caller.waiting() == []
    await served(fleet, asyncio.Event())
    assert fleet.caller.waiting() == []
    fleet.inventory.put_profile(GATEWAY_ID, msgspec.structs.replace(meter_profile(), version=2), START, "test")
    assert fleet.caller.waiting() == [GATEWAY_ID]
    await served(fleet, asyncio.Event())
    assert fleet.caller.waiting() == []


async def test_a_gateway_with_a_permanent_channel_is_not_let_go(fleet: Fleet) -> None:
    fleet.by_call(on_wake_up=False)
    stop = asyncio.Event()
    task = asyncio.create_task(served(fleet, stop))
    await until(lambda: fleet.inventory.status(START)[0].last_contact != "")
    assert not task.done()
    stop.set()
    await task
    assert fleet.caller.waiting() == []


async def test_a_call_ends_when_the_gateway_comes(fleet: Fleet) -> None:
    fleet.by_call()
    calling = asyncio.create_task(fleet.caller.service.call(GATEWAY_ID))
    await until(lambda: fleet.caller.service.is_calling(GATEWAY_ID))
    await served(fleet, asyncio.Event())
    assert await calling >= 0
    assert fleet.books.wake_ups.statistics().answered == 1

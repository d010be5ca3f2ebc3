"""One look serves all channels, and wakes those only that there is something new for."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.administrator.administrator_parts import LIMIT_S, add_gateway
from tests.gateway.gateway_parts import START, meter_profile

from smgw.administrator import lookout
from smgw.administrator.books import Books, open_books
from smgw.administrator.exchanges import RENEWAL, Exchanges
from smgw.administrator.lookout import Lookout, lookout_for
from smgw.core.errors import Unavailable

ONE, OTHER = "ESGW0000000001", "ESGW0000000002"

pytestmark = pytest.mark.req("ADM-01")


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookout, "LOOK_S", 0.001)


@pytest.fixture
def books(tmp_path: Path) -> Iterator[Books]:
    books = open_books(tmp_path / "inventory.db")
    for device_id in (ONE, OTHER):
        add_gateway(books.inventory, device_id)
    yield books
    books.close()


async def test_a_profile_and_a_job_wake_the_channels_of_their_gateway_once(books: Books) -> None:
    books.inventory.put_profile(OTHER, meter_profile(), START, "test")
    looking = lookout_for(books, None)
    with looking.watching(ONE) as first, looking.watching(ONE) as second, looking.watching(OTHER) as others:
        async with asyncio.timeout(LIMIT_S):
            books.inventory.put_profile(ONE, meter_profile(), START, "test")
            await asyncio.gather(first.wait(), second.wait())
            first.clear()
            books.jobs.add(OTHER, "GET", "state", None, at=START, actor="test", random=bytes(16))
            await others.wait()
            assert not first.is_set()


async def test_an_exchange_under_way_wakes_its_gateway_at_each_look(books: Books) -> None:
    exchanges = Exchanges(books.store, books.audit, books.inventory)
    exchanges.order(ONE, RENEWAL, "brainpoolP256r1", START, "test")
    looking = lookout_for(books, exchanges)
    with looking.watching(ONE) as news, looking.watching(OTHER) as others:
        async with asyncio.timeout(LIMIT_S):
            for _ in range(2):
                await news.wait()
                news.clear()
        assert not others.is_set()


async def test_a_store_that_cannot_be_read_wakes_all_and_ends_no_look() -> None:
    looks: list[None] = []

    def failing() -> list[str]:
        looks.append(None)
        raise Unavailable("administrator.store", "disk")

    with Lookout(failing).watching(ONE) as news:
        async with asyncio.timeout(LIMIT_S):
            for _ in range(2):
                await news.wait()
                news.clear()
    assert len(looks) >= 2


async def test_nobody_looks_when_no_channel_is_open() -> None:
    looking = Lookout()
    for _ in range(2):
        with looking.watching(ONE):
            assert [task.get_name() for task in asyncio.all_tasks()].count("lookout") == 1
        await asyncio.sleep(0)
        assert "lookout" not in [task.get_name() for task in asyncio.all_tasks()]

"""Commands whose work goes on after their answer, in a whole system over real TLS: each ends once, also after a power cut."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.scenario.whole_gateway import LIMIT_S, World, measuring, until

from smgw.administrator.books import open_books
from smgw.administrator.config import AdministratorFolder
from smgw.administrator.jobs import Job
from smgw.core.instant import utc_text
from smgw.core.notices import ADMINISTRATOR_RESULTS
from smgw.gateway.pending import PendingWork
from smgw.simulation.provisioning import DEFAULT_GATEWAY_ID, PARTNER_ID

pytestmark = [pytest.mark.req("WAN-08"), pytest.mark.timeout(300)]

_NUMBERS = count(1)
CONNECT = {"partner": PARTNER_ID, "ordered_by": PARTNER_ID}


class Jobs:
    """Order commands and look at what became of them, as an operator does beside the running administrator."""

    def __init__(self, world: World) -> None:
        self._world = world

    def order(self, resource: str, body: object = None) -> int:
        with self._books() as books:
            random = next(_NUMBERS).to_bytes(16, "big")
            return int(
                books.jobs.add(DEFAULT_GATEWAY_ID, "POST", resource, body, at=self._world.clock.now(), actor="op1", random=random).id
            )

    def job(self, number: int) -> Job:
        with self._books() as books:
            return books.jobs.job(number)

    def trail(self) -> list[str]:
        with self._books() as books:
            return [f"{entry['action']}: {entry['result']}" for entry in reversed(books.audit.newest(500)) if entry["actor"] == "op1"]

    async def reach(self, number: int, *states: str) -> Job:
        await until(lambda: self.job(number).state in states, f"{states} of {self.job(number)}")
        return self.job(number)

    @contextmanager
    def _books(self) -> Iterator[Any]:
        books = open_books(AdministratorFolder(self._world.layout.administrator).inventory)
        try:
            yield books
        finally:
            books.close()


def sent(world: World) -> int:
    return [event for event, _ in world.told()].count("result_sent")


async def test_self_test_and_connection_are_accepted_and_their_results_come_later(tmp_path: Path) -> None:
    async with measuring(tmp_path) as world:
        jobs = Jobs(world)
        tested, dialled, away = jobs.order("fas/self-test"), jobs.order("fas/connect", CONNECT), jobs.order("fas/connect", {**CONNECT})
        ended = await jobs.reach(tested, "done", "failed")
        assert (ended.state, ended.status, ended.code) == ("done", 200, ""), ended
        assert msgspec.json.decode(ended.result)["failed"] == []
        for number in (dialled, away):
            ended = await jobs.reach(number, "done", "failed")
            assert (ended.state, msgspec.json.decode(ended.result)) == ("done", {"partner": PARTNER_ID, "reached": True})
        await until(lambda: sent(world) == 3, "receipts")
        assert world.gateway.journal.pending(10, ADMINISTRATOR_RESULTS) == []
        assert jobs.trail().count("order POST fas/self-test: accepted") == 1
        assert jobs.trail().count("result of POST fas/self-test: done") == 1


async def test_a_partner_that_can_not_be_reached_is_told_with_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with measuring(tmp_path) as world:
        jobs = Jobs(world)
        gone = next(one for one in world.gateway.journal.profiles("communication"))
        world.order(msgspec.structs.replace(gone, port=1, version=gone.version + 1))
        await until(lambda: world.gateway.journal.profiles("communication")[0].version == gone.version + 1, "profile")
        ended = await jobs.reach(jobs.order("fas/connect", CONNECT), "done", "failed")
        assert (ended.state, ended.status, ended.code) == ("failed", 500, "net.unreachable")
        world.order(msgspec.structs.replace(gone, version=gone.version + 2))
        await world.delivered()


@pytest.mark.req("WAN-05", "STATE-03", "LIFE-11")
@pytest.mark.parametrize("answered", [True, False], ids=["after the answer", "before the answer"])
async def test_a_power_cut_between_commit_and_effect_is_caught_up_on_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, answered: bool
) -> None:
    """The effect never began: the gateway goes dark right after the transaction. The start begins it, and its result is told once."""
    async with measuring(tmp_path) as world:
        jobs, dark = Jobs(world), asyncio.Event()
        ends_at = world.clock.now() + timedelta(days=2)
        before = [event for event, _ in world.told()]

        def cut(*_: object) -> None:
            dark.set()
            if not answered:
                world.running.cancel()
                raise asyncio.CancelledError

        with monkeypatch.context() as patch:
            patch.setattr(PendingWork, "begin", cut)
            orders = ("fas/self-test", None), ("fas/connect", CONNECT), ("life/announce-end", {"at": utc_text(ends_at)})
            numbers = []
            for resource, body in orders:
                numbers.append(jobs.order(resource, body))
                if answered:
                    await jobs.reach(numbers[-1], "accepted", "done")
                else:
                    async with asyncio.timeout(LIMIT_S):
                        await dark.wait()
                    dark.clear()
                    await world.power_cut()
            if answered:
                assert [jobs.job(number).state for number in numbers] == ["accepted", "accepted", "done"]
                assert [event for event, _ in world.told()].count("channel_opened") == before.count("channel_opened")
        await world.power_cut()
        await world.move_to(world.clock.now() + timedelta(seconds=11))
        for number in numbers:
            ended = await jobs.reach(number, "done", "failed")
            assert ended.state == "done", ended
        await until(lambda: sent(world) == 2, "receipts")
        assert world.gateway.journal.pending(10, ADMINISTRATOR_RESULTS) == []
        assert world.gateway._life.record.ends_at == ends_at
        # Another start finds nothing left to do.
        await world.power_cut()
        await world.move_to(world.clock.now() + timedelta(seconds=11))
        await until(lambda: world.gateway.channel.connected, "the channel")
        events = [event for event, _ in world.told()]
        assert sent(world) == 2
        assert events.count("decommissioning_announced") == 1
        told = [line for line in jobs.trail() if line.startswith("result of")]
        assert sorted(told) == ["result of POST fas/connect: done", "result of POST fas/self-test: done"]

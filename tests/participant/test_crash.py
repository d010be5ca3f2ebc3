"""Power cuts and full disks: what was acknowledged is stored, what is stored is acknowledged in the end, and nothing is there twice."""

import asyncio
import os
import resource
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import msgspec
import pytest
from tests.participant.participant_parts import NOW, Market, day_readings, delivery, participant_folder, receipt_of, running, sealed

from smgw.core.errors import SmgwError
from smgw.net.clock import ManualClock
from smgw.participant.config import ParticipantFolder

ROOT = Path(__file__).resolve().parents[2]
NO_LIMIT = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)


@asynccontextmanager
async def process(folder: ParticipantFolder, *options: str) -> AsyncIterator[tuple[Market, asyncio.subprocess.Process]]:
    """Run a participant in a process of its own until the block ends."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT / "src"), str(ROOT)))}
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        str(ROOT / "tests/participant/participant_process.py"),
        str(folder.path),
        *options,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env=environment,
    )
    try:
        assert child.stdout is not None
        async with asyncio.timeout(60):
            facts = msgspec.json.decode(await child.stdout.readline(), type=dict[str, object])
        yield Market(folder, int(str(facts["deliveries_port"])), int(str(facts["api_port"])), ManualClock(NOW)), child
    finally:
        if child.returncode is None:
            child.terminate()
        async with asyncio.timeout(60):
            await child.communicate()


async def summary(market: Market) -> dict[str, int]:
    """Ask for the counters."""
    async with (
        aiohttp.ClientSession(headers=market.headers) as session,
        session.get(f"{market.address}/api/v1/summary") as response,
    ):
        facts = await response.json()
        return {name: facts[name] for name in ("deliveries", "readings", "rejected")}


@pytest.mark.req("WAN-05", "EMT-01", "OPS-05")
async def test_killed_between_commit_and_reply_the_repeated_message_has_one_effect(tmp_path: Path) -> None:
    folder = participant_folder(tmp_path)
    whole = delivery(day_readings(), number=1)
    message = sealed(whole)
    async with process(folder, "die") as (market, child):
        with pytest.raises(SmgwError):
            await market.post(message, whole.message_id)
        assert await child.wait() == -9
    async with running(folder) as market:
        before = await summary(market)
        assert before == {"deliveries": 1, "readings": 194, "rejected": 0}
        response = await market.post(message, whole.message_id)
        assert receipt_of(response, message)["values"] == 194
        assert await summary(market) == before


@pytest.mark.req("OPS-05", "EMT-01")
async def test_a_full_disk_refuses_for_now_and_stores_nothing(tmp_path: Path) -> None:
    folder = participant_folder(tmp_path)
    first, second = delivery(number=1), delivery(day_readings(), number=2)
    message = sealed(second)
    async with process(folder) as (market, child), aiohttp.ClientSession() as session:
        assert (await market.deliver(first)).status == 200
        before = await summary(market)
        resource.prlimit(child.pid, resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
        for _ in range(2):
            response = await market.post(message, second.message_id)
            assert (response.status, response.body) == (503, b'{"error": "unavailable"}')
            assert dict(response.headers)["retry-after"] == "30"
        assert await summary(market) == before
        async with session.get(f"{market.address}/readyz") as readiness:
            assert readiness.status == 503
        resource.prlimit(child.pid, resource.RLIMIT_FSIZE, NO_LIMIT)
        assert receipt_of(await market.post(message, second.message_id), message)["values"] == 194
        assert await summary(market) == {"deliveries": 2, "readings": 194, "rejected": 0}
        async with session.get(f"{market.address}/readyz") as readiness:
            assert readiness.status == 200

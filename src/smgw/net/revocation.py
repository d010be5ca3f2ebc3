"""Keep a trust store's revocation lists fresh: fetch at the start, then every quarter of a day of the given clock."""

import asyncio
from contextlib import AsyncExitStack, suppress
from datetime import timedelta

import structlog

from smgw.core.errors import SmgwError
from smgw.net.clock import ClockPort
from smgw.net.pki_service import refresh_revocation_lists
from smgw.pki.trust import TrustStore

log = structlog.get_logger(__name__)

INTERVAL = timedelta(hours=6)


async def keep_fresh(stack: AsyncExitStack, trust: TrustStore, address: str, clock: ClockPort) -> None:
    """Refresh once, then go on in the background until the stack closes; a failed refresh keeps the lists held and is reported.

    An empty address refreshes nothing: the lists of the trust folder then count until they are out of date.
    """
    if not address:
        return

    async def refresh() -> None:
        with clock.hold():
            try:
                newer = await refresh_revocation_lists(trust, address, clock)
            except SmgwError as fault:
                log.warning("revocation_lists_not_refreshed", code=fault.code, detail=fault.detail)
            else:
                log.info("revocation_lists_refreshed", newer=newer)

    async def repeat() -> None:
        while True:
            await clock.sleep_until(clock.now() + INTERVAL)
            await refresh()

    await refresh()
    task = asyncio.create_task(repeat())

    async def end() -> None:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    stack.push_async_callback(end)

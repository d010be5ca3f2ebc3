"""Look out for new work for all gateways at once, and wake the channels that it is for: a thousand open channels cost one look.

Source: ADM-01, ADM-02; 50-headend-scale 1.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import structlog

from smgw.administrator.books import Books
from smgw.administrator.exchanges import Exchanges
from smgw.core.errors import SmgwError

log = structlog.get_logger(__name__)

LOOK_S = 1.0
"""How often new work is looked for, in real seconds."""

Source = Callable[[], Iterable[str]]
"""Give the device ids of the gateways that there is something new for since the last call."""


class Lookout:
    """Look once a second while any channel is open."""

    def __init__(self, *sources: Source) -> None:
        self._sources = sources
        self._channels: dict[str, set[asyncio.Event]] = {}
        self._looking: asyncio.Task[None] | None = None

    @contextmanager
    def watching(self, device_id: str) -> Iterator[asyncio.Event]:
        """Give what is set whenever there may be something new for a gateway; whoever waits for it clears it."""
        news = asyncio.Event()
        self._channels.setdefault(device_id, set()).add(news)
        if self._looking is None:
            self._looking = asyncio.create_task(self._look(), name="lookout")
        try:
            yield news
        finally:
            self._channels[device_id].remove(news)
            if not self._channels[device_id]:
                del self._channels[device_id]
            if not self._channels:
                self._looking.cancel()
                self._looking = None

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                found = {device_id for source in self._sources for device_id in source()}
            except SmgwError as fault:
                # Each channel meets the fault by itself, and ends as it would have done.
                log.warning("lookout_failed", code=fault.code)
                found = set(self._channels)
            for device_id in found & self._channels.keys():
                for news in self._channels[device_id]:
                    news.set()


def lookout_for(books: Books, exchanges: Exchanges | None) -> Lookout:
    """Look out for profiles, jobs, exchanges of keys and changes of the administrator."""
    profiles = _Newest(books.inventory.noted_since, books.inventory.newest())
    jobs = _Newest(books.jobs.queued_since, books.jobs.revision())
    changes: list[Source] = [lambda: (change.device_id for change in books.successions.all())]
    if exchanges is not None:
        changes.append(lambda: (exchange.device_id for exchange in exchanges.listed()))
    return Lookout(profiles, jobs, *changes)


class _Newest:
    """Remember up to which row a table was looked at."""

    def __init__(self, rows_since: Callable[[int], list[tuple[int, str]]], seen: int) -> None:
        self._rows_since = rows_since
        self._seen = seen

    def __call__(self) -> set[str]:
        rows = self._rows_since(self._seen)
        self._seen = max((row for row, _ in rows), default=self._seen)
        return {device_id for _, device_id in rows}

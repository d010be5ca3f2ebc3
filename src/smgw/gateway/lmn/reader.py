"""Read one meter link: octets to records, with the time of each telegram's first octet, and reconnection when the link breaks."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from smgw.core.errors import SmgwError
from smgw.core.instant import Clock
from smgw.gateway.config import LinkConfig
from smgw.net.clock import ClockPort
from smgw.net.links import open_link
from smgw.protocol.oms_stream import OmsReceived, OmsRejected, OmsStream
from smgw.protocol.sml_stream import SmlEvent, SmlFileReceived, SmlStream

RECONNECT_FIRST = timedelta(seconds=1)
RECONNECT_LAST = timedelta(seconds=60)

FileHandler = Callable[[SmlFileReceived, str, datetime], None]
TelegramHandler = Callable[[bytes, str, datetime], None]
RejectHandler = Callable[[str, str], None]
"""Called with the link's name and the code of what was wrong."""


class ArrivalTimes:
    """Remember when octets of a stream arrived, to tell the time of a telegram's first octet (LMN, receive time stamp ≤ 500 ms)."""

    def __init__(self) -> None:
        self._marks: deque[tuple[int, datetime]] = deque(maxlen=4096)
        self._total = 0

    def note(self, octets: int, moment: datetime) -> None:
        """Note that so many octets arrived at `moment`."""
        self._marks.append((self._total, moment))
        self._total += octets

    def of(self, offset: int) -> datetime:
        """Give the arrival of the octet at a stream offset, and forget everything before it."""
        while len(self._marks) > 1 and self._marks[1][0] <= offset:
            self._marks.popleft()
        return self._marks[0][1]


class LinkReader:
    """Turn one link's octets into telegrams for the handlers."""

    def __init__(
        self,
        link: LinkConfig,
        clock: ClockPort,
        gateway_clock: Clock,
        on_file: FileHandler,
        on_reject: RejectHandler,
        on_lost: RejectHandler,
        on_telegram: TelegramHandler = lambda *_: None,
    ) -> None:
        self._link = link
        self._clock = clock
        self._gateway_clock = gateway_clock
        self._on_file = on_file
        self._on_reject = on_reject
        self._on_lost = on_lost
        self._on_telegram = on_telegram

    async def run(self) -> None:
        """Read until cancelled; a lost link is opened again, with growing pauses."""
        pause = RECONNECT_FIRST
        while True:
            try:
                await self._read()
                pause = RECONNECT_FIRST
            except SmgwError as fault:
                if pause == RECONNECT_FIRST:
                    self._on_lost(self._link.name, fault.code)
            # A port that is not there yet is a matter of real time, not of the simulation's.
            await asyncio.sleep(pause.total_seconds())
            pause = min(pause * 2, RECONNECT_LAST)

    async def _read(self) -> None:
        link = await open_link(self._link.url)
        stream: SmlStream | OmsStream = OmsStream() if self._link.protocol == "oms" else SmlStream()
        arrivals = ArrivalTimes()
        try:
            while data := await link.read():
                with self._clock.hold():
                    arrivals.note(len(data), self._gateway_clock.now())
                    self._handle(stream.receive_data(data), arrivals)
                    self._clock.received(self._link.name, len(data))
            self._handle(stream.receive_eof(), arrivals)
        finally:
            link.close()

    def _handle(self, events: Sequence[SmlEvent | OmsReceived | OmsRejected], arrivals: ArrivalTimes) -> None:
        for event in events:
            match event:
                case SmlFileReceived():
                    self._on_file(event, self._link.name, arrivals.of(event.offset))
                case OmsReceived():
                    self._on_telegram(event.octets, self._link.name, arrivals.of(event.offset))
                case _:
                    self._on_reject(self._link.name, f"{self._link.protocol}.{event.reason}")

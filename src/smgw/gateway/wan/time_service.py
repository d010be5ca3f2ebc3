"""Synchronise the gateway's clock with the administrator's time server over TLS, and tell what became of it.

Source: TIME-01, TIME-02; 20-wan-crypto-pki 1.8.
"""

import asyncio
from datetime import timedelta

from smgw.codec.ntp import PACKET_OCTETS
from smgw.core.errors import SmgwError, Unavailable
from smgw.core.instant import ClockStatus
from smgw.core.state import Event as StateEvent
from smgw.gateway.clock import GatewayClock
from smgw.gateway.config import AdministratorConfig
from smgw.gateway.logs import Recorder
from smgw.gateway.states import StateKeeper
from smgw.net.identity import Identity
from smgw.net.smpki_tls import dial
from smgw.pki.names import Role
from smgw.pki.parsing import load_certificate
from smgw.protocol.clock_discipline import ClockEvent
from smgw.protocol.time_sync import RESPONSE_TIMEOUT, TimeClient

POLL = timedelta(minutes=15)
JITTER_S = 60
RETRY = timedelta(minutes=1)
_STATE_EVENTS = {"clock_valid": StateEvent.CLOCK_VALID, "clock_invalid": StateEvent.CLOCK_INVALID}


class TimeKeeper:
    """Poll the time server every 15 min ± 60 s, or every minute while it can't be reached."""

    def __init__(
        self, administrator: AdministratorConfig, identity: Identity, clock: GatewayClock, recorder: Recorder, states: StateKeeper
    ) -> None:
        self._administrator = administrator
        self._identity = identity
        self._clock = clock
        self._recorder = recorder
        self._states = states
        self._client = TimeClient()
        self._failing = False
        self.tried = asyncio.Event()
        """Set after the first attempt, however it ended."""

    async def run(self) -> None:
        """Keep time until cancelled."""
        while True:
            next_poll = self._clock.base.now() + (self._pause() if await self._synchronise() else RETRY)
            self.tried.set()
            while (now := self._clock.base.now()) < next_poll:
                deadline = self._clock.discipline.next_deadline()
                await self._clock.base.sleep_until(next_poll if deadline is None else max(min(deadline, next_poll), now))
                self._tell(self._clock.handle_timeout())

    def _pause(self) -> timedelta:
        jitter_s = int.from_bytes(self._identity.module.random(2), "big") % (2 * JITTER_S + 1) - JITTER_S
        return POLL + timedelta(seconds=jitter_s)

    async def _synchronise(self) -> bool:
        try:
            with self._clock.hold():
                self._tell(await self._measure())
        except SmgwError as fault:
            if not self._failing:
                self._recorder.note("time_server_unreachable", success=False, code=fault.code)
            self._failing = True
            return False
        self._failing = False
        return True

    async def _measure(self) -> list[ClockEvent]:
        channel = await dial(
            self._administrator.host,
            self._administrator.time_port,
            module=self._identity.module,
            identity=self._identity.tls,
            trust=self._identity.trust,
            clock=self._clock,
            roles=frozenset({Role.GWA}),
            pinned=load_certificate(bytes.fromhex(self._administrator.tls_certificate)),
            timeout_s=10.0,
        )
        async with channel:
            channel.writer.write(self._client.request(self._clock.now(), self._identity.module.random))
            try:
                async with asyncio.timeout(RESPONSE_TIMEOUT.total_seconds()):
                    packet = await channel.reader.readexactly(PACKET_OCTETS)
            except (TimeoutError, asyncio.IncompleteReadError, OSError) as problem:
                raise Unavailable("net.timeout", "time server") from problem
            synchronised = self._clock.status is ClockStatus.VALID
            return self._clock.apply(self._client.response(packet, self._clock.now(), synchronised=synchronised))

    def _tell(self, events: list[ClockEvent]) -> None:
        for event in events:
            self._recorder.note_with(event.name, event.parameters)
            if event.name in _STATE_EVENTS:
                self._states.handle(_STATE_EVENTS[event.name])

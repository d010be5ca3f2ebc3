"""Call the administrator to be, and take its wake-up call: the work of a change of the administrator that runs beside everything else.

Source: ADM-12; TR-03109-1 Annex VI, table 5 steps 2.9 to 2.13.
"""

import asyncio
from collections.abc import Callable

from smgw.gateway.config import AdministratorConfig
from smgw.gateway.logs import Recorder
from smgw.gateway.succession import Stage, Successions
from smgw.gateway.wan.channel import ManagementChannel
from smgw.gateway.wan.context import Context
from smgw.gateway.wan.wakeup import WakeUpReceiver
from smgw.net.clock import ClockPort
from smgw.net.identity import Identity
from smgw.pki.parsing import load_certificate


class SuccessionChannel:
    """Hold the channel to an administrator to be while a change is under way."""

    def __init__(
        self,
        successions: Successions,
        context: Callable[[], Context],
        receiver: WakeUpReceiver,
        identity: Identity,
        clock: ClockPort,
        recorder: Recorder,
    ) -> None:
        self._successions = successions
        self._context = context
        self._receiver = receiver
        self._identity = identity
        self._clock = clock
        self._recorder = recorder

    async def run(self) -> None:
        """Work until cancelled; a takeover ends the run of the gateway."""
        successions = self._successions
        while not successions.complete():
            successions.changed.clear()
            held, successor = successions.current, successions.successor()
            self._receiver.expect(None)
            if held is None or successor is None or held.stage is Stage.TAKEN:
                await self._clock.wait_until(None, successions.changed)
                continue
            calling = None
            if held.stage is Stage.CHECKED and self._receiver.place[0]:
                certificate = load_certificate(bytes.fromhex(successor.sig_certificate))
                self._receiver.expect((successor.name, certificate, successions.take_over))
            else:
                calling = asyncio.create_task(self._channel(successor).run())
            try:
                if await self._clock.wait_until(held.until, successions.changed):
                    successions.expire()
            finally:
                if calling is not None:
                    calling.cancel()
                    await asyncio.wait((calling,))

    def _channel(self, successor: AdministratorConfig) -> ManagementChannel:
        """Make the channel on which the administrator to be examines the gateway."""
        context = self._context()._replace(
            administrator_name=successor.name,
            administrator_sig=load_certificate(bytes.fromhex(successor.sig_certificate)),
            administrator_enc=load_certificate(bytes.fromhex(successor.enc_certificate)),
            is_examiner=True,
            may_take_over=lambda: not self._receiver.place[0],
            keys=None,
            firmware=None,
            break_up=lambda: channel.break_up(),
        )
        channel = ManagementChannel(context, successor, self._identity, self._clock, self._recorder)
        return channel

"""Open the management channel by its plan: dial the administrator, answer its requests, dial again when the channel ends or somebody calls.

Source: WAN-01, WAN-04, WAN-08, WAN-09; 20-wan-crypto-pki 1.7.
"""

import asyncio
import os
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

from smgw.codec.cosem_message import COSEM_ROOT, COSEM_SEALED
from smgw.core.errors import PeerFault, SecurityFault, SmgwError, Unavailable
from smgw.gateway.config import AdministratorConfig
from smgw.gateway.logs import Recorder, partner_event
from smgw.gateway.wan.context import PREFIX, Context
from smgw.gateway.wan.cosem.endpoint import answer_cosem
from smgw.gateway.wan.management import handle
from smgw.gateway.wan.permission import status_of
from smgw.net.clock import ClockPort
from smgw.net.identity import Identity
from smgw.net.smpki_tls import Channel, dial
from smgw.pki.names import Role
from smgw.pki.parsing import load_certificate
from smgw.protocol.tunnel_http import Request, TunnelServer

COMMANDS = f"{PREFIX}commands"
CONTENT_TYPE = "application/cms"
REDIAL_FIRST_S = 1.0
REDIAL_LAST_S = 300.0
BLIND_CALL_S = 300.0
"""So often a gateway without valid time calls by itself."""
SESSION_LIMIT = timedelta(hours=48)
"""Source: 20-wan-crypto-pki 0, session of the WAN."""


class ManagementChannel:
    """Hold one channel to the administrator at a time.

    By the plan `permanent` it is opened again whenever it ended. By `on_wake_up` it is opened at the start, when somebody calls, again when
    it ended by a fault, and every five minutes of real time while the clock is not valid: wake-up packets can't be judged then.
    """

    def __init__(
        self,
        context: Context,
        administrator: AdministratorConfig,
        identity: Identity,
        clock: ClockPort,
        recorder: Recorder,
        clock_valid: Callable[[], bool] = lambda: True,
    ) -> None:
        self._context = context
        self._administrator = administrator
        self._identity = identity
        self._clock = clock
        self._recorder = recorder
        self._clock_valid = clock_valid
        self._called = asyncio.Event()
        self._breaking_up = False
        self._open: Channel | None = None
        self.connected = False
        self.closed = asyncio.Event()
        """Set while no channel is open."""
        self.closed.set()
        self.dialling = False

    def call(self) -> None:
        """Open the channel now; nothing happens when it is open and stays so."""
        if not self.connected or self._breaking_up:
            self._called.set()

    def break_up(self) -> None:
        """Close the open channel once the present request is answered."""
        self._breaking_up = self.connected

    def _is_breaking_up(self) -> bool:
        """Tell whether the channel is to be closed; asked anew after each wait."""
        return self._breaking_up

    def hang_up(self) -> None:
        """Close the open channel at once: whoever is at its other end has nothing to say any more."""
        self._breaking_up = self.connected
        if self._open is not None:
            self._open.writer.transport.abort()

    async def run(self) -> None:
        """Dial by the plan until cancelled; after a fault pauses double from one second to five minutes of real time.

        Each differs by up to a half: gateways that lost their administrator together do not come back together.
        """
        pause_s, told, wanted = REDIAL_FIRST_S, "", True
        while True:
            if not wanted and self._administrator.connection == "on_wake_up":
                await self._until_called()
            self._called.clear()
            wanted = True
            try:
                self.dialling = True
                try:
                    with self._clock.hold():
                        channel = await self._dial()
                finally:
                    self.dialling = False
                pause_s, told = REDIAL_FIRST_S, ""
                await self._serve(channel)
                wanted = False
            except SmgwError as fault:
                if fault.code != told:
                    otherwise = "handshake_failed" if isinstance(fault, SecurityFault | Unavailable) else "channel_closed"
                    event = partner_event(fault, otherwise)
                    self._recorder.note(event, success=False, partner=self._administrator.name, code=fault.code)
                told = fault.code
            # So that a fleet does not come back all at once; the module may be the very thing that is away.
            await self._called_within(pause_s * (0.5 + os.urandom(1)[0] / 255))
            pause_s = min(pause_s * 2, REDIAL_LAST_S)

    async def _until_called(self) -> None:
        while not await self._called_within(BLIND_CALL_S) and self._clock_valid():
            continue

    async def _called_within(self, limit_s: float) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                await self._called.wait()
        return self._called.is_set()

    async def _dial(self) -> Channel:
        return await dial(
            self._administrator.host,
            self._administrator.management_port,
            module=self._identity.module,
            identity=self._identity.tls,
            trust=self._identity.trust,
            clock=self._clock,
            roles=frozenset({Role.GWA}),
            pinned=load_certificate(bytes.fromhex(self._administrator.tls_certificate)),
            timeout_s=10.0,
        )

    async def _serve(self, channel: Channel) -> None:
        self.connected, self._breaking_up, self._open = True, False, channel
        self.closed.clear()
        self._recorder.note("channel_opened", partner=self._administrator.name)
        server = TunnelServer()
        limit = asyncio.create_task(self._clock.sleep_until(self._clock.now() + SESSION_LIMIT))
        try:
            while not (server.is_over or self._breaking_up) and (data := await _read_before(limit, channel)):
                if self._is_breaking_up():
                    # What came in the very moment in which somebody else became the administrator.
                    break
                with self._clock.hold():
                    for request in server.receive_data(data):
                        channel.writer.write(server.send_response(*self._answer(request)))
                    await channel.writer.drain()
        except PeerFault as fault:
            channel.writer.write(server.refuse(fault))
            raise
        except OSError as problem:
            raise Unavailable("http.no_answer", type(problem).__name__) from problem
        finally:
            limit.cancel()
            self.connected, self._open = False, None
            try:
                await channel.close()
            finally:
                self.closed.set()
            self._recorder.note("channel_closed", partner=self._administrator.name)

    def _answer(self, request: Request) -> tuple[int, list[tuple[str, str]], bytes]:
        """Answer one request; what is not a command of the administrator gets a constant refusal."""
        host = dict(request.headers).get("host", "")
        if host != f"{self._context.gateway_id.lower()}.sm":
            return 403, [], b""
        is_cosem = request.target.startswith(COSEM_ROOT)
        if request.target != COMMANDS and not is_cosem:
            return 404, [], b""
        if request.method != "POST" and not is_cosem:
            return 405, [], b""
        try:
            if is_cosem:
                status, document = answer_cosem(self._context, request)
                return status, [("Content-Type", COSEM_SEALED)], document
            return 200, [("Content-Type", CONTENT_TYPE)], handle(self._context, request.body)
        except PeerFault as fault:
            event = partner_event(fault, "command_rejected")
            self._recorder.note(event, success=False, partner=self._administrator.name, code=fault.code)
            return status_of(fault) if is_cosem else 400, [], b""
        except Unavailable:
            return 503, [], b""


async def _read_before(limit: "asyncio.Task[None]", channel: Channel) -> bytes:
    """Give what comes next; nothing at the end of the channel, or once the limit has come."""
    reading = asyncio.ensure_future(channel.reader.read(65_536))
    try:
        await asyncio.wait((reading, limit), return_when=asyncio.FIRST_COMPLETED)
        return reading.result() if reading.done() else b""
    finally:
        reading.cancel()

"""Keep the management channel open: dial the administrator, answer its requests, dial again when the channel ends.

Source: WAN-01, WAN-08, WAN-09.
"""

import asyncio
from datetime import timedelta

from smgw.core.errors import PeerFault, SecurityFault, SmgwError, Unavailable
from smgw.gateway.config import AdministratorConfig
from smgw.gateway.logs import Recorder, partner_event
from smgw.gateway.wan.context import PREFIX, Context
from smgw.gateway.wan.management import handle
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
SESSION_LIMIT = timedelta(hours=48)
"""Source: 20-wan-crypto-pki 0, session of the WAN."""


class ManagementChannel:
    """Hold one channel to the administrator at a time."""

    def __init__(
        self, context: Context, administrator: AdministratorConfig, identity: Identity, clock: ClockPort, recorder: Recorder
    ) -> None:
        self._context = context
        self._administrator = administrator
        self._identity = identity
        self._clock = clock
        self._recorder = recorder
        self.connected = False
        self.dialling = False

    async def run(self) -> None:
        """Dial until cancelled; pauses double from one second to five minutes of real time."""
        pause_s, told = REDIAL_FIRST_S, ""
        while True:
            try:
                self.dialling = True
                try:
                    with self._clock.hold():
                        channel = await self._dial()
                finally:
                    self.dialling = False
                pause_s, told = REDIAL_FIRST_S, ""
                await self._serve(channel)
            except SmgwError as fault:
                if fault.code != told:
                    otherwise = "handshake_failed" if isinstance(fault, SecurityFault | Unavailable) else "channel_closed"
                    event = partner_event(fault, otherwise)
                    self._recorder.note(event, success=False, partner=self._administrator.name, code=fault.code)
                told = fault.code
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, REDIAL_LAST_S)

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
        self.connected = True
        self._recorder.note("channel_opened", partner=self._administrator.name)
        server = TunnelServer()
        closes_at = self._clock.now() + SESSION_LIMIT
        try:
            while not server.is_over and self._clock.now() < closes_at and (data := await channel.reader.read(65_536)):
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
            self.connected = False
            await channel.close()
            self._recorder.note("channel_closed", partner=self._administrator.name)

    def _answer(self, request: Request) -> tuple[int, list[tuple[str, str]], bytes]:
        """Answer one request; what is not a command of the administrator gets a constant refusal."""
        host = dict(request.headers).get("host", "")
        if host != f"{self._context.gateway_id.lower()}.sm":
            return 403, [], b""
        if request.target != COMMANDS:
            return 404, [], b""
        if request.method != "POST":
            return 405, [], b""
        try:
            return 200, [("Content-Type", CONTENT_TYPE)], handle(self._context, request.body)
        except PeerFault as fault:
            event = partner_event(fault, "command_rejected")
            self._recorder.note(event, success=False, partner=self._administrator.name, code=fault.code)
            return 400, [], b""
        except Unavailable:
            return 503, [], b""

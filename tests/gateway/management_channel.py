"""Both ends of the management channel without the network between them."""

from pathlib import Path
from threading import Event
from uuid import uuid4

import msgspec
from tests.gateway.gateway_parts import GATEWAY_ID, START, administrator_identity, gateway_identity
from tests.gateway.wan.wan_parts import administrator_config

from smgw.codec.command import Answer, Command, decode_answer, encode_command
from smgw.core.log_event import Log
from smgw.core.profiles import PROFILE_KINDS, Profile, profile_key
from smgw.core.state import State
from smgw.gateway.evaluation import Evaluation
from smgw.gateway.logs import Recorder
from smgw.gateway.pending import End, PendingWork
from smgw.gateway.wan.context import Context
from smgw.gateway.wan.management import handle
from smgw.net.clock import ManualClock
from smgw.security.content import open_content, seal
from smgw.storage.journal import Journal


class Channel:
    """Hold both ends of the management channel without the network between them."""

    def __init__(self, path: Path) -> None:
        self.journal = Journal.open(path, bytes(32))
        self.clock = ManualClock(START)
        self.state = State.NORMAL
        self.installed: list[Profile] = []
        self.deleted: list[Profile] = []
        self.dialled: list[str] = []
        self.ends: dict[str, End] = {}
        """Work that was begun -> what tells of its end."""
        self.woken = Event()
        gateway, administrator = gateway_identity(), administrator_identity()
        self.context = Context(
            gateway_id=GATEWAY_ID,
            module=gateway.module,
            signer=gateway.signer,
            recipient=gateway.recipient,
            administrator_name="test.GWA",
            administrator_sig=administrator.triple.sig,
            administrator_enc=administrator.triple.enc,
            journal=self.journal,
            recorder=Recorder(self.journal, self.clock),
            clock=self.clock,
            state=lambda: self.state,
            facts=lambda: {"state": str(self.state)},
            profile_installed=self.installed.append,
            profile_deleted=self.deleted.append,
            evaluation=Evaluation(self.journal, Recorder(self.journal, self.clock), GATEWAY_ID, gateway.module.random),
            queued=self.woken.set,
            pending=self.pending_work(),
        )

    def pending_work(self) -> PendingWork:
        """Give what a start makes: it knows of the work what the journal does."""
        service = msgspec.structs.replace(administrator_config(4711), service_port=4712)
        pending = PendingWork(self.journal, self.clock, GATEWAY_ID, service, self.woken.set)
        pending.works = {"self-test": lambda _, end: self.ends.update({"self-test": end}), "connect": self._dial}
        return pending

    def _dial(self, partner: str, end: End) -> None:
        self.dialled.append(partner)
        self.ends[partner] = end

    def command(self, method: str, resource: str, body: object = None, **changes: object) -> Command:
        values = {
            "message_id": str(uuid4()),
            "created_at": START,
            "recipient": GATEWAY_ID,
            "method": method,
            "resource": f"/smgw/gwa/v1/{resource}",
            "body": msgspec.Raw(msgspec.json.encode(body)),
        }
        return Command(**{**values, **changes})  # type: ignore[arg-type]

    def sealed(self, command: Command) -> bytes:
        identity = administrator_identity()
        return seal(encode_command(command), module=identity.module, signer=identity.signer, recipient=gateway_identity().triple.enc)

    def ask(self, command: Command) -> Answer:
        identity = administrator_identity()
        document = handle(self.context, self.sealed(command))
        opened = open_content(
            document, module=identity.module, recipient=identity.recipient, signer=lambda _: gateway_identity().triple.sig
        )
        return decode_answer(opened.content)

    def put(self, profile: Profile) -> Answer:
        kind = next(name for name, kind in PROFILE_KINDS.items() if isinstance(profile, kind))
        return self.ask(self.command("PUT", f"rts/{kind}/{profile_key(profile)}", profile))

    def events(self, log: Log = Log.SYSTEM) -> list[str]:
        return [stored.entry.event for stored in self.journal.log(log, "consumer1.sm" if log is Log.CONSUMER else "")]

"""Who may command the gateway at which step of a change of the administrator: each command of each administrator, at each step.

The steps are those of table 5: before 2.6 nothing is known of the new one; from 2.6 it may look, and enter what it found (2.10, 2.11);
with 2.13 it is the administrator and the old one is nobody, though 2.14 has not removed it yet.
"""

from base64 import b64encode
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from tests.gateway.gateway_folder import founded_folder
from tests.gateway.gateway_parts import GATEWAY_ID, START, administrator_identity, consumer_profile, identity, pki
from tests.gateway.management_channel import Channel

from smgw.administrator.initial_configuration import Address, make_initial_configuration
from smgw.codec.command import Answer, Command, decode_answer, encode_command
from smgw.core.errors import SecurityFault
from smgw.core.identifiers import DeviceId
from smgw.gateway.config import WakeUpConfig
from smgw.gateway.succession import Announcement, CheckResult, Parts, Stage, Successions
from smgw.gateway.wan.context import Context
from smgw.gateway.wan.management import handle
from smgw.gateway.wan.succession_channel import SuccessionChannel
from smgw.gateway.wan.wakeup import WakeUpReceiver
from smgw.net.identity import Identity, load_identity
from smgw.pki.names import Role
from smgw.pki.requests import make_authentication_request
from smgw.pki.triple import ADMINISTRATOR_KEYS, AUTHENTICATION_KEY, GATEWAY_KEYS
from smgw.security.content import open_content, seal

pytestmark = [pytest.mark.req("ADM-12", "SEC-03"), pytest.mark.timeout(60)]

OLD, NEW = "test.GWA", "successor.GWA"
UNTIL = START + timedelta(hours=1)
LOOK, ADMINISTER = ("state", "profiles"), ("state", "profiles", "log", "install", "self-test")
COMMANDS: dict[str, tuple[str, str]] = {
    "state": ("GET", "state"),
    "profiles": ("GET", "rts/meter"),
    "log": ("GET", "log/system"),
    "install": ("PUT", "rts/consumer/consumer1.sm"),
    "self-test": ("POST", "fas/self-test"),
    "announce": ("POST", "fas/successor"),
    "withdraw": ("DELETE", "fas/successor"),
    "check": ("POST", "fas/configuration-check"),
    "take over": ("POST", "fas/take-over"),
    "remove": ("DELETE", f"rts/administrator/{OLD}"),
}
MAY: dict[tuple[str, str], tuple[str, ...]] = {
    ("1.4 nothing announced", OLD): (*ADMINISTER, "announce"),
    ("2.6 announced", OLD): (*ADMINISTER, "announce", "withdraw"),
    ("2.6 announced", NEW): (*LOOK, "check"),
    ("2.11 checked", OLD): (*ADMINISTER, "announce", "withdraw"),
    ("2.11 checked", NEW): (*LOOK,),
    ("2.11 refused", OLD): (*ADMINISTER, "announce"),
    ("2.13 taken over", OLD): (),
    ("2.13 taken over", NEW): (*ADMINISTER, "remove"),
    ("2.14 removed", OLD): (),
    ("2.14 removed", NEW): ADMINISTER,
}
"""Step and administrator -> all that it may command then; nobody can announce itself as its own successor."""


def successor() -> Identity:
    made = identity(Role.GWA, "successor", ADMINISTRATOR_KEYS)
    if AUTHENTICATION_KEY not in made.module.names():
        made.module.generate(AUTHENTICATION_KEY, "brainpoolP256r1")
    return made


def offer(of: Identity) -> bytes:
    request = make_authentication_request(of.module, AUTHENTICATION_KEY, Role.GWA, "successor")
    address = Address("127.0.0.1", 9, 9)
    return make_initial_configuration(of, pki().issue_authentication(request, now=START), address, DeviceId.parse(GATEWAY_ID), START)


class Desk:
    """Hold a gateway at one step of the change, as its channels ask it."""

    def __init__(self, path: Path, step: str, *, receiver: bool = True) -> None:
        folder = founded_folder(path / "gateway")
        config = folder.load()
        folder.save(msgspec.structs.replace(config, administrator=msgspec.structs.replace(config.administrator, name=OLD)))
        own = load_identity(folder.path, GATEWAY_KEYS)
        self.channel = Channel(path / "journal.db")
        base = self.channel.context
        self.ended = False
        parts = (folder, GATEWAY_ID, own, base.journal, base.recorder, base.clock)
        self.successions = Successions(Parts(*parts, tuple, self._end))  # type: ignore[arg-type]
        self._base = base._replace(successions=self.successions)
        base.pending.works = {"take-over": lambda *_: self.successions.take_over()}
        names = (OLD, administrator_identity().triple.sig)
        wake_up = WakeUpReceiver(
            WakeUpConfig("127.0.0.1"), DeviceId.parse(GATEWAY_ID), names, base.journal, base.recorder, self.channel.clock, self._end
        )
        wake_up.port = 9 if receiver else 0
        self._channels = SuccessionChannel(self.successions, lambda: self._base, wake_up, own, self.channel.clock, base.recorder)
        self._lead_to(step)

    def _end(self) -> None:
        self.ended = True

    def _lead_to(self, step: str) -> None:
        number = step.split(" ")[0]
        if number == "1.4":
            return
        self.successions.announce(OLD, Announcement(b64encode(offer(successor())).decode(), UNTIL))
        self.examiner = self._channels._channel(self.successions.successor())._context  # type: ignore[arg-type]
        if number != "2.6":
            self.successions.enter_check(NEW, CheckResult("refused" not in step, "another meter"))
        if number in ("2.13", "2.14"):
            self.successions.take_over()
            assert self.ended
        if number == "2.14":
            self.successions.remove_former(OLD)

    def context(self, name: str, step: str) -> Context:
        """Give what the channel of an administrator asks at this step."""
        number = step.split(" ")[0]
        if name == OLD and number != "2.14":
            # At 2.13 that of the run in which the takeover happens.
            return self._base
        if number in ("2.13", "2.14"):
            # The next run of the gateway, with the configuration that the takeover wrote.
            own = successor().triple
            return self._base._replace(administrator_name=NEW, administrator_sig=own.sig, administrator_enc=own.enc)
        return self.examiner

    def ask(self, context: Context, by: Identity, what: str) -> Answer:
        method, resource = COMMANDS[what]
        body = {
            "install": consumer_profile(),
            "announce": Announcement(b64encode(offer(successor())).decode(), UNTIL),
            "check": CheckResult(True),
        }.get(what)
        command: Command = self.channel.command(method, resource, body)
        recipient = self.channel.context.recipient.certificate
        document = seal(encode_command(command), module=by.module, signer=by.signer, recipient=recipient)
        reply = handle(context, document)
        signer = self.channel.context.signer.certificate
        return decode_answer(open_content(reply, module=by.module, recipient=by.recipient, signer=lambda _: signer).content)


def obeyed(path: Path, step: str, name: str, what: str, *, receiver: bool = True) -> bool:
    desk = Desk(path, step, receiver=receiver)
    by = administrator_identity() if name == OLD else successor()
    try:
        answer = desk.ask(desk.context(name, step), by, what)
    except SecurityFault as fault:
        assert fault.code in ("succession.former", "cms.signature", "cms.signer"), fault.code
        return False
    finally:
        desk.channel.journal.close()
    return answer.status < 300


@pytest.mark.parametrize(("step", "name"), MAY, ids=lambda value: value)
def test_each_administrator_may_do_at_each_step_what_the_table_says_and_nothing_else(tmp_path: Path, step: str, name: str) -> None:
    found = {what for number, what in enumerate(COMMANDS) if obeyed(tmp_path / str(number), step, name, what)}
    assert found == set(MAY[step, name])


@pytest.mark.parametrize("step", ["2.6 announced", "2.11 checked"])
@pytest.mark.parametrize("receiver", [True, False], ids=["wake-up calls can come", "no wake-up call can come"])
def test_only_after_its_check_and_only_without_a_receiver_the_new_one_takes_over_by_command(
    tmp_path: Path, step: str, receiver: bool
) -> None:
    desk = Desk(tmp_path, step, receiver=receiver)
    desk.ask(desk.context(NEW, step), successor(), "take over")
    held = desk.successions.current
    assert held is not None
    assert (held.stage is Stage.TAKEN) is desk.ended is (step == "2.11 checked" and not receiver)
    desk.channel.journal.close()

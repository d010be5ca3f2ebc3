"""Commands of the administrator: verified, obeyed once, answered sealed; everything else leaves nothing behind."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import msgspec
import pytest
from tests.gateway.gateway_parts import (
    GATEWAY_ID,
    START,
    administrator_identity,
    all_profiles,
    evaluation_profile,
    gateway_identity,
    meter_profile,
    participant_identity,
)

from smgw.codec.command import Answer, Command, decode_answer, encode_command
from smgw.core.errors import PeerFault, SecurityFault
from smgw.core.log_event import Log
from smgw.core.profiles import PROFILE_KINDS, Profile, profile_key
from smgw.core.state import State
from smgw.gateway.logs import Recorder
from smgw.gateway.wan.management import ANSWERS_KEPT, Context, handle
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
        )

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


@pytest.fixture
def channel(tmp_path: Path) -> Iterator[Channel]:
    channel = Channel(tmp_path / "journal.db")
    yield channel
    channel.journal.close()


@pytest.mark.req("ADM-02", "LIFE-09")
def test_profiles_are_installed_logged_and_take_effect(channel: Channel) -> None:
    assert [channel.put(profile).status for profile in all_profiles()] == [201] * 4
    assert channel.installed == all_profiles()
    assert channel.events() == ["profile_installed"] * 4
    assert channel.events(Log.CALIBRATION) == ["profile_installed"] * 4
    assert channel.events(Log.CONSUMER) == ["contract_changed"]
    assert msgspec.json.decode(channel.ask(channel.command("GET", "rts/meter")).body) == {"1SGW0010000001": 1}


@pytest.mark.req("WAN-08")
def test_a_repeated_command_is_answered_from_memory_and_not_obeyed_again(channel: Channel) -> None:
    command = channel.command("PUT", "rts/meter/1SGW0010000001", meter_profile())
    first, again = channel.ask(command), channel.ask(command)
    assert first == again
    assert channel.installed == [meter_profile()]


def test_kept_answers_are_bounded(channel: Channel) -> None:
    for version in range(1, ANSWERS_KEPT + 10):
        channel.put(meter_profile(version))
    kept = channel.journal.get_state("answers")
    assert kept is not None
    assert len(msgspec.json.decode(kept)) == ANSWERS_KEPT


@pytest.mark.req("ADM-02")
def test_a_profile_that_contradicts_others_is_refused_whole(channel: Channel) -> None:
    answer = channel.put(evaluation_profile())
    assert (answer.status, answer.code) == (409, "command.profile")
    assert channel.journal.profiles("evaluation") == []
    assert channel.installed == []
    assert channel.events() == ["command_rejected"]


@pytest.mark.req("ADM-02")
def test_an_older_version_is_refused(channel: Channel) -> None:
    channel.put(meter_profile(2))
    assert channel.put(meter_profile(1)).code == "profile.version"


@pytest.mark.parametrize(
    ("method", "resource", "body", "code"),
    [
        ("GET", "log/consumer", None, "command.resource"),
        ("DELETE", "rts/meter/1SGW0010000001", None, "command.resource"),
        ("GET", "nothing", None, "command.resource"),
        ("GET", "log/system/x", None, "command.resource"),
        ("PUT", "rts/meter/1SGW0010000001", {"meter_id": 1}, "command.profile"),
        ("PUT", "rts/meter/other", meter_profile(), "command.profile"),
    ],
)
@pytest.mark.req("ADM-11")
def test_what_is_not_offered_is_answered_with_a_code(channel: Channel, method: str, resource: str, body: object, code: str) -> None:
    answer = channel.ask(channel.command(method, resource, body))
    assert answer.status in (400, 404)
    assert answer.code == code


@pytest.mark.req("WAN-04")
@pytest.mark.parametrize(("offset", "code"), [(-timedelta(minutes=11), "command.age"), (timedelta(minutes=11), "command.age")])
def test_a_command_from_another_time_is_refused(channel: Channel, offset: timedelta, code: str) -> None:
    with pytest.raises(PeerFault, match=code):
        channel.ask(channel.command("GET", "state", created_at=START + offset))


def test_a_command_for_another_gateway_is_refused(channel: Channel) -> None:
    with pytest.raises(PeerFault, match=r"command\.recipient"):
        channel.ask(channel.command("GET", "state", recipient="ESGW0000000002"))


@pytest.mark.req("SEC-03")
def test_a_command_that_somebody_else_signed_is_refused(channel: Channel) -> None:
    stranger = participant_identity()
    content = encode_command(channel.command("PUT", "rts/meter/1SGW0010000001", meter_profile()))
    document = seal(content, module=stranger.module, signer=stranger.signer, recipient=gateway_identity().triple.enc)
    with pytest.raises(SecurityFault):
        handle(channel.context, document)
    assert channel.journal.profiles("meter") == []


@pytest.mark.req("SEC-03")
def test_an_altered_command_is_refused(channel: Channel) -> None:
    document = bytearray(channel.sealed(channel.command("PUT", "rts/meter/1SGW0010000001", meter_profile())))
    document[-70] ^= 1
    with pytest.raises(PeerFault):
        handle(channel.context, bytes(document))
    assert channel.journal.profiles("meter") == []


@pytest.mark.req("STATE-01")
def test_a_state_that_does_not_obey_says_so(channel: Channel) -> None:
    channel.state = State.SECURE_BOOT
    assert channel.ask(channel.command("GET", "state")).code == "state.refused"


@pytest.mark.req("LOG-01")
def test_the_system_log_can_be_read_in_pages(channel: Channel) -> None:
    for profile in all_profiles():
        channel.put(profile)
    page = msgspec.json.decode(channel.ask(channel.command("GET", "log/system/3")).body)
    assert [entry["index"] for entry in page] == [3, 4]
    assert page[0]["text"].startswith("consumer profile consumer1.sm")

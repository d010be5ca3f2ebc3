"""An announcement of a new administrator that is not right is refused and told, and changes nothing."""

from base64 import b64encode
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from tests.gateway.gateway_parts import START, administrator_identity, gateway_identity, participant_identity
from tests.gateway.wan.wan_parts import told
from tests.playbook.life_world import DEVICE_ID, configuration_file

from smgw.codec.cms import signed
from smgw.core.errors import DomainFault, PeerFault
from smgw.gateway.config import GatewayFolder
from smgw.gateway.logs import Recorder
from smgw.gateway.own_identity import der_of
from smgw.gateway.succession import LONGEST, Announcement, CheckResult, Parts, Successions
from smgw.net.clock import ManualClock
from smgw.security.content import sign_encapsulated
from smgw.storage.journal import Journal

UNTIL = START + timedelta(hours=1)


class Desk:
    def __init__(self, path: Path) -> None:
        self.journal = Journal.open(path / "journal.db", bytes(32))
        self.clock = ManualClock(START)
        self.ended = False
        parts = Parts(
            folder=GatewayFolder(path),
            device_id=DEVICE_ID,
            identity=gateway_identity(),
            journal=self.journal,
            recorder=Recorder(self.journal, self.clock),
            clock=self.clock,
            consumers=tuple,
            ended=self.end,
        )
        self.successions = Successions(parts)

    def end(self) -> None:
        self.ended = True

    def announce(self, document: bytes, until: timedelta = UNTIL - START) -> None:
        self.successions.announce("old.GWA", Announcement(b64encode(document).decode(), START + until))


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    desk.journal.close()


def forged() -> bytes:
    document = configuration_file()
    return document[:-8] + bytes([document[-8] ^ 1]) + document[-7:]


def by_somebody_else() -> bytes:
    other = participant_identity()
    return sign_encapsulated(content(), module=other.module, signer=other.signer)


def with_a_participants_certificate() -> bytes:
    own = administrator_identity()
    value = {**msgspec.json.decode(content()), "tls_certificate": b64encode(der_of(participant_identity().triple.tls)).decode()}
    return sign_encapsulated(msgspec.json.encode(value), module=own.module, signer=own.signer)


def content() -> bytes:
    made = signed.read(configuration_file()).encapsulated_content_info.content
    assert made is not None
    return made


@pytest.mark.req("ADM-12", "SEC-03")
@pytest.mark.parametrize(
    ("document", "code"),
    [
        (forged, "cms.signature"),
        (by_somebody_else, "cms.signature"),
        (with_a_participants_certificate, "pki.role"),
        (lambda: configuration_file("ESGW0000000043"), "initial_configuration.device"),
        (lambda: b"\x30\x00", "cms.structure"),
    ],
    ids=["forged", "signed by somebody else", "a certificate of another role", "for another gateway", "no message"],
)
@pytest.mark.step("5.2.7", "5.2.8", event="successor_rejected")
def test_an_announcement_that_does_not_hold_is_refused_and_told(desk: Desk, document: Callable[[], bytes], code: str) -> None:
    with pytest.raises(PeerFault) as fault:
        desk.announce(document())
    assert fault.value.code == code
    assert told(desk.journal) == [("successor_rejected", code)]
    assert desk.successions.current is None


@pytest.mark.req("ADM-12")
@pytest.mark.parametrize("until", [timedelta(0), -timedelta(days=1), LONGEST + timedelta(seconds=1)])
def test_a_change_has_a_time_within_which_it_ends(desk: Desk, until: timedelta) -> None:
    with pytest.raises(DomainFault, match=r"succession\.until"):
        desk.announce(configuration_file(), until)
    assert desk.successions.current is None


@pytest.mark.req("ADM-12", "SEC-03")
def test_out_of_its_order_no_step_of_a_change_does_anything(desk: Desk) -> None:
    for step in (
        lambda: desk.successions.enter_check("test.GWA", CheckResult(True)),
        lambda: desk.successions.withdraw("old.GWA"),
        lambda: desk.successions.remove_former("old.GWA"),
    ):
        with pytest.raises(DomainFault, match=r"succession\.none"):
            step()
    desk.announce(configuration_file())
    # Announced, but not checked: no call makes the new one the administrator, nor may it delete the old one.
    desk.successions.take_over()
    assert not desk.successions.complete() and not desk.ended
    with pytest.raises(DomainFault, match=r"succession\.none"):
        desk.successions.remove_former("old.GWA")
    assert [event for event, _ in told(desk.journal)] == ["administrator_announced"]

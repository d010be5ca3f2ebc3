"""An administrator with the right key and bad intentions, or a bad program: what it may not do has no effect."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from tests.gateway.gateway_parts import all_profiles, meter_profile
from tests.gateway.management_channel import Channel

from smgw.codec.command import COMMAND_LIMIT
from smgw.core.errors import DomainFault, LimitFault
from smgw.core.life_cycle import Action
from smgw.gateway.wan.management import handle


@pytest.fixture
def channel(tmp_path: Path) -> Iterator[Channel]:
    channel = Channel(tmp_path / "journal.db")
    yield channel
    channel.journal.close()


@pytest.mark.req("WAN-08")
def test_an_id_that_was_used_says_nothing_about_another_content(channel: Channel) -> None:
    first = channel.command("PUT", "rts/meter/1SGW0010000001", meter_profile())
    answer = channel.ask(first)
    assert answer.status == 201
    other = channel.command("PUT", "rts/meter/1SGW0010000001", meter_profile(7), message_id=first.message_id)
    assert channel.ask(other) == answer
    assert channel.journal.profiles("meter") == [meter_profile()]


@pytest.mark.req("ADM-02")
def test_one_version_has_one_content(channel: Channel) -> None:
    assert channel.put(meter_profile()).status == 201
    assert channel.put(msgspec.structs.replace(meter_profile(), active=False)).code == "profile.version"
    assert channel.journal.profiles("meter") == [meter_profile()]


@pytest.mark.req("WAN-08", "SEC-03")
def test_a_command_beyond_its_size_is_refused_whole(channel: Channel) -> None:
    for size, code in ((COMMAND_LIMIT, r"command\.size"), (COMMAND_LIMIT * 20, r"\.size")):
        document = channel.sealed(channel.command("PUT", "rts/meter/1SGW0010000001", "x" * size))
        with pytest.raises(LimitFault, match=code):
            handle(channel.context, document)
    assert channel.journal.profiles("meter") == [] and channel.installed == []


@pytest.mark.req("LIFE-01", "LIFE-09")
def test_what_belongs_to_another_phase_of_life_changes_nothing(channel: Channel) -> None:
    asked: list[Action] = []

    def never(action: Action) -> None:
        asked.append(action)
        raise DomainFault("lifecycle.phase", action)

    channel.context = channel.context._replace(allows=never)
    for profile in all_profiles():
        assert channel.put(profile).code == "lifecycle.phase"
    assert channel.ask(channel.command("DELETE", "rts/meter/1SGW0010000001")).code == "lifecycle.phase"
    assert channel.ask(channel.command("POST", "fas/connect", {"partner": "emt1.sm"})).code == "lifecycle.phase"
    assert channel.ask(channel.command("GET", "state")).status == 200
    assert set(asked) == {Action.INSTALL_PROFILE, Action.OBEY_ORDER}
    assert channel.installed == [] and channel.dialled == []
    assert [channel.journal.profiles(kind) for kind in ("meter", "communication", "consumer", "evaluation")] == [[]] * 4

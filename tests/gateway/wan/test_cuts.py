"""A command survives a cut of its channel at any octet: it is obeyed once, and asking again gives the answer that got lost."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.gateway.gateway_parts import GATEWAY_ID, administrator_identity, gateway_identity, meter_profile
from tests.gateway.management_channel import Channel

from smgw.codec.command import Answer, decode_answer
from smgw.core.errors import PeerFault
from smgw.gateway.wan.channel import COMMANDS, CONTENT_TYPE
from smgw.gateway.wan.management import handle
from smgw.protocol.tunnel_http import Response, TunnelClient, TunnelServer
from smgw.security.content import open_content

HOST = f"{GATEWAY_ID.lower()}.sm"
HEADERS = [("Content-Type", CONTENT_TYPE)]
METHODS_OF_THE_STORE = ("put_profile", "append_log", "set_state")


@pytest.fixture
def channel(tmp_path: Path) -> Iterator[Channel]:
    channel = Channel(tmp_path / "journal.db")
    yield channel
    channel.journal.close()


def _sealed(channel: Channel) -> bytes:
    return channel.sealed(channel.command("PUT", "rts/meter/1SGW0010000001", meter_profile()))


def _asked(document: bytes) -> tuple[TunnelClient, bytes]:
    client = TunnelClient(HOST)
    return client, client.send_request("POST", COMMANDS, HEADERS, document)


def _answered(channel: Channel, octets: bytes) -> bytes:
    """Give what the gateway sends on a new connection for these octets; nothing as long as they are not a whole request."""
    server = TunnelServer()
    return b"".join(server.send_response(200, HEADERS, handle(channel.context, one.body)) for one in server.receive_data(octets))


def _taken(client: TunnelClient, octets: bytes) -> Response | None:
    """Give the answer when the octets before the end of the connection are a whole one."""
    taken = client.receive_data(octets)
    if taken:
        return taken[0]
    if octets:
        with pytest.raises(PeerFault, match=r"^http\.malformed"):
            client.receive_eof()
    return None


def _opened(document: bytes) -> Answer:
    own = administrator_identity()
    content = open_content(document, module=own.module, recipient=own.recipient, signer=lambda _: gateway_identity().triple.sig).content
    return decode_answer(content)


@pytest.mark.req("WAN-08")
def test_a_request_cut_at_any_octet_leaves_nothing_and_is_obeyed_when_it_comes_whole(channel: Channel) -> None:
    document = _sealed(channel)
    client, request = _asked(document)
    for cut in range(len(request)):
        assert _answered(channel, request[:cut]) == b""
    assert channel.installed == []
    assert channel.events() == []
    assert channel.journal.get_state("obeyed") is None
    response = _taken(client, _answered(channel, request))
    assert response is not None
    assert _opened(response.body).status == 201
    assert channel.installed == [meter_profile()]


@pytest.mark.req("WAN-08")
def test_an_answer_cut_at_any_octet_is_given_again_and_the_command_obeyed_once(channel: Channel) -> None:
    document = _sealed(channel)
    client, request = _asked(document)
    first = _taken(client, _answered(channel, request))
    assert first is not None
    events, cut, again = channel.events(), 0, None
    while again is None:
        # The gateway can't know where its answer was cut, so one repetition serves the next 32 places.
        answer, end = _answered(channel, request), cut + 32
        while again is None and cut < end:
            again = _taken(_asked(document)[0], answer[:cut])
            cut += 1
    assert cut > len(first.body)
    assert _opened(again.body) == _opened(first.body)
    assert channel.installed == [meter_profile()]
    assert channel.events() == events


class PowerCut(BaseException):
    """Stand for the end of the process: nothing may catch it."""


@pytest.mark.req("WAN-08", "WAN-05")
def test_a_power_cut_at_any_step_of_the_store_leaves_nothing_and_the_repetition_obeys_once(
    channel: Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    document, journal, steps = _sealed(channel), channel.journal, 0
    real = {name: getattr(journal, name) for name in METHODS_OF_THE_STORE}
    limit = 0

    def cutting(name: str, *values: object, **named: object) -> object:
        nonlocal steps
        steps += 1
        if steps > limit:
            raise PowerCut
        return real[name](*values, **named)

    for name in METHODS_OF_THE_STORE:
        monkeypatch.setattr(journal, name, lambda *values, _name=name, **named: cutting(_name, *values, **named))
    while True:
        steps = 0
        try:
            answer = handle(channel.context, document)
            break
        except PowerCut:
            limit += 1
        assert channel.installed == []
        assert channel.events() == []
        assert journal.profiles("meter") == []
        assert journal.get_state("obeyed") is None
    assert limit >= len(METHODS_OF_THE_STORE)
    assert _opened(answer) == _opened(handle(channel.context, document))
    assert channel.installed == [meter_profile()]
    assert journal.verify()


@pytest.mark.req("WAN-08", "WAN-05")
def test_a_power_cut_between_the_commit_and_the_answer_keeps_the_command_obeyed(channel: Channel) -> None:
    def cut(_: object) -> None:
        raise PowerCut

    document = _sealed(channel)
    with pytest.raises(PowerCut):
        handle(channel.context._replace(profile_installed=cut), document)
    events = channel.events()
    assert _opened(handle(channel.context, document)).status == 201
    assert channel.events() == events
    assert len(channel.journal.profiles("meter")) == 1

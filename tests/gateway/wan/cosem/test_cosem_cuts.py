"""A COSEM command survives a cut of its channel at any octet and of the power at any step: it is obeyed whole and once, or not at all."""

import pytest
from tests.gateway.gateway_parts import all_profiles
from tests.gateway.wan.cosem.cosem_parts import GATEWAY, CosemChannel, told_as
from tests.gateway.wan.cosem.test_change import bundle_of, installed
from tests.gateway.wan.cosem.test_endpoint import HEADERS, HOST, opened
from tests.gateway.wan.test_cuts import METHODS_OF_THE_STORE, PowerCut

from smgw.codec.command import Command
from smgw.codec.cosem_elements import Container
from smgw.core.errors import PeerFault
from smgw.gateway.wan.cosem.endpoint import answer_cosem
from smgw.protocol.tunnel_http import Response, TunnelClient, TunnelServer

pytestmark = pytest.mark.req("WAN-08", "WAN-05")


def put_of_a_bundle(channel: CosemChannel) -> Command:
    return channel.cosem_command("PUT", "containers/start", bundle_of(all_profiles()))


def asked(command: Command, document: bytes) -> tuple[TunnelClient, bytes]:
    client = TunnelClient(HOST)
    return client, client.send_request(command.method, command.resource, list(HEADERS.items()), document)


def answered(channel: CosemChannel, octets: bytes) -> bytes:
    """Give what the gateway sends on a new connection for these octets; nothing as long as they are not a whole request."""
    server, out = TunnelServer(), b""
    for request in server.receive_data(octets):
        status, document = answer_cosem(channel.context, request)
        out += server.send_response(status, list(HEADERS.items()), document)
    return out


def taken(client: TunnelClient, octets: bytes) -> Response | None:
    found = client.receive_data(octets)
    if found:
        return found[0]
    if octets:
        with pytest.raises(PeerFault, match=r"^http\.malformed"):
            client.receive_eof()
    return None


def test_a_request_cut_at_any_octet_leaves_nothing_and_is_obeyed_when_it_comes_whole(channel: CosemChannel) -> None:
    command = put_of_a_bundle(channel)
    client, request = asked(command, channel.sealed(command))
    for cut in range(len(request)):
        assert answered(channel, request[:cut]) == b""
    assert installed(channel) == [] and channel.events() == []
    response = taken(client, answered(channel, request))
    assert response is not None and opened(response).status == 201
    assert len(installed(channel)) == 4


def test_an_answer_cut_at_any_octet_is_given_again_and_the_command_obeyed_once(channel: CosemChannel) -> None:
    command = put_of_a_bundle(channel)
    document = channel.sealed(command)
    request = asked(command, document)[1]
    first = taken(asked(command, document)[0], answered(channel, request))
    assert first is not None
    events, cut, again = channel.events(), 0, None
    while again is None:
        # The gateway can't know where its answer was cut, so one repetition serves the next 32 places.
        answer, end = answered(channel, request), cut + 32
        while again is None and cut < end:
            again = taken(asked(command, document)[0], answer[:cut])
            cut += 1
    assert cut > len(first.body)
    assert opened(again) == opened(first)
    assert len(channel.installed) == 4 and channel.events() == events


def test_a_power_cut_at_any_step_of_the_store_leaves_nothing_of_a_bundle(channel: CosemChannel, monkeypatch: pytest.MonkeyPatch) -> None:
    command, journal, steps, limit = put_of_a_bundle(channel), channel.journal, 0, 0
    request = asked(command, channel.sealed(command))[1]
    real = {name: getattr(journal, name) for name in METHODS_OF_THE_STORE}

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
            response = taken(asked(command, b"")[0], answered(channel, request))
            break
        except PowerCut:
            limit += 1
        assert installed(channel) == [] and channel.installed == []
        assert channel.events() == []
        assert journal.get_state("obeyed") is None and journal.get_state("cosem_containers") is None
    assert limit >= 4 * len(METHODS_OF_THE_STORE)
    assert response is not None and opened(response).status == 201
    assert len(installed(channel)) == 4 and len(channel.installed) == 4
    assert journal.verify()


def test_a_power_cut_between_the_commit_and_the_answer_keeps_the_bundle(channel: CosemChannel) -> None:
    def cut(_: object) -> None:
        raise PowerCut

    command = put_of_a_bundle(channel)
    request = asked(command, channel.sealed(command))[1]
    whole = channel.context
    channel.context = whole._replace(profile_installed=cut)
    with pytest.raises(PowerCut):
        answered(channel, request)
    channel.context = whole
    events = channel.events()
    response = taken(asked(command, b"")[0], answered(channel, request))
    assert response is not None and opened(response).status == 201
    assert channel.events() == events and len(installed(channel)) == 4


def test_a_deletion_that_is_repeated_is_answered_from_memory(channel: CosemChannel) -> None:
    profile = all_profiles()[0]
    name = "1-000000000001"
    channel.cosem("PUT", f"{GATEWAY}/containers/{name}", Container(name, (told_as(profile),)))
    command = channel.cosem_command("DELETE", f"{GATEWAY}/containers/{name}")
    request = asked(command, channel.sealed(command))[1]
    answers = [taken(asked(command, b"")[0], answered(channel, request)) for _ in range(2)]
    assert [answer and opened(answer).status for answer in answers] == [200, 200]
    assert channel.deleted == [profile]

"""COSEM over the real channel: what HTTP says must be what the sealed command says, and each refusal has its status."""

import pytest
from tests.gateway.gateway_parts import GATEWAY_ID, administrator_identity, gateway_identity, meter_profile, participant_identity
from tests.gateway.wan.cosem.cosem_parts import GATEWAY, SYSTEM_LOG, TASKS, CosemChannel, Told, address, told, told_as
from tests.gateway.wan.test_channel import running
from tests.gateway.wan.wan_parts import LIMIT_S, listening
from tests.gateway.wan.wan_parts import told as logged

from smgw.codec.command import Command, decode_answer, encode_command
from smgw.codec.cosem_elements import Listing, MethodCall
from smgw.codec.cosem_message import COSEM_SEALED
from smgw.codec.cosem_profiles import json_value
from smgw.gateway.wan import channel as channel_module
from smgw.net.http_exchange import HttpClient, Streams
from smgw.protocol.tunnel_http import Response
from smgw.security.content import open_content, seal

pytestmark = pytest.mark.req("WAN-08", "SEC-03")

HOST = f"{GATEWAY_ID.lower()}.sm"
HEADERS = {"Content-Type": COSEM_SEALED}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel_module, "REDIAL_FIRST_S", 0.001)


async def ask(session: Streams, method: str, target: str, body: bytes, headers: dict[str, str] | None = None, host: str = HOST) -> Response:
    return await HttpClient(session, host, timeout_s=LIMIT_S).request(method, target, HEADERS if headers is None else headers, body)


async def send(channel: CosemChannel, session: Streams, command: Command) -> Response:
    return await ask(session, command.method, command.resource, channel.sealed(command))


def opened(response: Response) -> Told:
    own = administrator_identity()
    content = open_content(response.body, module=own.module, recipient=own.recipient, signer=lambda _: gateway_identity().triple.sig)
    answer = decode_answer(content.content)
    assert answer.status == response.status
    assert dict(response.headers)["content-type"] == COSEM_SEALED
    return told(answer)


async def test_each_verb_is_a_request_of_its_own_with_the_status_of_the_sealed_answer(channel: CosemChannel) -> None:
    steps = [
        (channel.cosem_command("GET", "ldevs"), 200),
        (channel.cosem_command("PUT", address(meter_profile()), told_as(meter_profile())), 201),
        (channel.cosem_command("GET", "ldevs", range="bytes=0-9"), 206),
        (channel.cosem_command("POST", f"{TASKS}/methods/1", MethodCall()), 202),
        (channel.cosem_command("POST", f"{TASKS}/methods/2", MethodCall(json_value({"partner": "a", "ordered_by": "b"}))), 500),
        (channel.cosem_command("DELETE", address(meter_profile())), 409),
        (channel.cosem_command("GET", f"{GATEWAY}/objects/3-0100010800ff"), 404),
        (channel.cosem_command("DELETE", SYSTEM_LOG), 405),
        (channel.cosem_command("GET", "ldevs", accept="text/html"), 406),
        (channel.cosem_command("GET", "ldevs", range="bytes=99999-"), 416),
        (channel.cosem_command("PUT", address(meter_profile()), told_as(meter_profile(2)), range="bytes=0-1"), 501),
        (channel.cosem_command("POST", f"{TASKS}/methods/2", MethodCall(None)), 400),
    ]
    async with listening(channel.clock) as listener, running(channel, listener):
        session = await listener.session()
        assert [(opened(await send(channel, session, command)).status, status) for command, status in steps] == [
            (status, status) for _, status in steps
        ]
    assert channel.journal.profiles("meter") == [meter_profile()]


async def test_an_answer_is_xml_inside_the_seal(channel: CosemChannel) -> None:
    async with listening(channel.clock) as listener, running(channel, listener):
        answer = await send(channel, await listener.session(), channel.cosem_command("GET", "ldevs"))
        assert b"ldev" not in answer.body
        assert isinstance(opened(answer).document, Listing)


@pytest.mark.parametrize(
    ("method", "target", "changes", "status"),
    [
        ("GET", "/cosem/ldevs", {"host": "esgw0000000002.sm"}, 403),
        ("GET", "/cosem/nothing", {}, 404),
        ("GET", f"/cosem/{GATEWAY}/objects/3-0100010800FF", {}, 404),
        ("GET", "/cosem/ldevs?colour=1", {}, 400),
        ("POST", "/cosem/ldevs", {}, 405),
        ("PUT", f"/cosem/{TASKS}/methods/1", {}, 405),
        ("DELETE", f"/cosem/{SYSTEM_LOG}/attributes/2", {}, 405),
        ("GET", "/cosem/ldevs", {"headers": {**HEADERS, "Accept": "text/html"}}, 406),
        ("GET", "/cosem/ldevs", {"body": b""}, 411),
        ("GET", "/cosem/ldevs", {"headers": {}}, 415),
        ("GET", "/cosem/ldevs", {"headers": {"Content-Type": "application/cms"}}, 415),
        ("GET", "/cosem/ldevs", {"headers": {"Content-Type": COSEM_SEALED.partition(";")[0]}}, 415),
        ("GET", "/cosem/ldevs", {"headers": {**HEADERS, "Content-Encoding": "deflate"}}, 501),
        ("GET", "/cosem/ldevs/", {}, 400),
        ("GET", "/cosem/ldevs?q.depth=1", {}, 400),
        ("GET", "/cosem/containers", {}, 400),
        ("GET", "/cosem/ldevs", {"body": b"<cosem/>"}, 400),
    ],
)
async def test_what_http_alone_asks_for_is_refused_barely(
    channel: CosemChannel, method: str, target: str, changes: dict[str, object], status: int
) -> None:
    command = channel.cosem_command("GET", "ldevs")
    async with listening(channel.clock) as listener, running(channel, listener):
        session = await listener.session()
        request = {"body": channel.sealed(command), **changes}
        refused = await ask(session, method, target, **request)  # type: ignore[arg-type]
        assert (refused.status, refused.body) == (status, b"")
        assert opened(await send(channel, session, channel.cosem_command("GET", "ldevs"))).status == 200
    assert channel.installed == []


async def test_a_sealed_command_has_no_effect_at_another_address_or_by_another_method(channel: CosemChannel) -> None:
    put = channel.cosem_command("PUT", address(meter_profile()), told_as(meter_profile()))
    async with listening(channel.clock) as listener, running(channel, listener):
        session = await listener.session()
        for method, target in (
            ("GET", put.resource),
            ("DELETE", put.resource),
            ("PUT", f"{put.resource}/attributes/5"),
            ("PUT", "/cosem/containers/a"),
        ):
            refused = await ask(session, method, target, channel.sealed(put))
            assert (refused.status, refused.body) == (400, b"")
        assert channel.journal.profiles("meter") == []
        assert [code for _, code in logged(channel.journal) if code] == ["command.mismatch"] * 4
        assert opened(await send(channel, session, put)).status == 201


async def test_a_command_of_the_other_form_has_no_effect_here(channel: CosemChannel) -> None:
    command = channel.command("PUT", "rts/meter/1SGW0010000001", meter_profile())
    async with listening(channel.clock) as listener, running(channel, listener):
        session = await listener.session()
        for target in ("/cosem/ldevs", command.resource):
            refused = await ask(session, "GET" if "cosem" in target else "PUT", target, channel.sealed(command))
            assert refused.status in (400, 404) and refused.body == b""
    assert channel.journal.profiles("meter") == []


async def test_a_cosem_command_may_come_where_all_commands_come(channel: CosemChannel) -> None:
    answer = channel.ask(channel.cosem_command("GET", "ldevs"))
    assert told(answer).status == 200


async def test_a_replayed_request_is_answered_the_same_and_obeyed_once(channel: CosemChannel) -> None:
    put = channel.cosem_command("PUT", address(meter_profile()), told_as(meter_profile()))
    document = channel.sealed(put)
    async with listening(channel.clock) as listener, running(channel, listener):
        session = await listener.session()
        first, again = [opened(await ask(session, "PUT", put.resource, document)) for _ in range(2)]
    assert first == again and first.status == 201
    assert channel.installed == [meter_profile()]


async def test_somebody_else_s_signature_opens_nothing(channel: CosemChannel) -> None:
    put, other = channel.cosem_command("PUT", address(meter_profile()), told_as(meter_profile())), participant_identity()
    document = seal(encode_command(put), module=other.module, signer=other.signer, recipient=gateway_identity().triple.enc)
    async with listening(channel.clock) as listener, running(channel, listener):
        refused = await ask(await listener.session(), "PUT", put.resource, document)
    assert (refused.status, refused.body) == (400, b"")
    assert channel.installed == []


async def test_an_address_that_is_too_long_ends_the_channel(channel: CosemChannel) -> None:
    async with listening(channel.clock) as listener, running(channel, listener):
        session = await listener.session()
        session.writer.write(f"GET /cosem/{'a' * 4000} HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
        assert (await session.reader.read(12)) == b"HTTP/1.1 414"


async def test_a_long_address_is_taken(channel: CosemChannel) -> None:
    columns = ",".join(["{long-unsigned:8,octet-string:0000010000ff,integer:2,long-unsigned:0}"] * 30)
    resource = f"{SYSTEM_LOG}/attributes/2?sa.retrievecolumns=%5B{columns.replace('{', '%7B').replace('}', '%7D')}%5D"
    assert 400 < len(resource) < 4000
    async with listening(channel.clock) as listener, running(channel, listener):
        assert opened(await send(channel, await listener.session(), channel.cosem_command("GET", resource))).status == 200

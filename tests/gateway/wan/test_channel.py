"""The management channel over real TLS: only the configured administrator is served, and whatever it sends, the channel comes back."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Literal

import msgspec
import pytest
from tests.gateway.gateway_parts import GATEWAY_ID, START, gateway_identity, identity, meter_profile, participant_identity
from tests.gateway.management_channel import Channel as Commands
from tests.gateway.wan.wan_parts import LIMIT_S, Listener, administrator_config, listening, told, until

from smgw.codec.command import encode_command
from smgw.gateway.wan import channel as channel_module
from smgw.gateway.wan.channel import COMMANDS, ManagementChannel
from smgw.net.http_exchange import HttpClient, Streams
from smgw.pki.names import Role
from smgw.pki.triple import ADMINISTRATOR_KEYS
from smgw.protocol.tunnel_http import Response
from smgw.security.content import seal

HOST = f"{GATEWAY_ID.lower()}.sm"


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Commands]:
    monkeypatch.setattr(channel_module, "REDIAL_FIRST_S", 0.001)
    commands = Commands(tmp_path / "journal.db")
    yield commands
    commands.journal.close()


@asynccontextmanager
async def running(
    commands: Commands,
    listener: Listener,
    connection: Literal["permanent", "on_wake_up"] = "permanent",
    clock_valid: Callable[[], bool] = lambda: True,
) -> AsyncIterator[ManagementChannel]:
    administrator = msgspec.structs.replace(administrator_config(listener.port), connection=connection)
    context = commands.context._replace(break_up=lambda: channel.break_up())
    channel = ManagementChannel(context, administrator, gateway_identity(), commands.clock, context.recorder, clock_valid)
    task = asyncio.create_task(channel.run())
    try:
        yield channel
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def post(session: Streams, body: bytes, host: str = HOST, target: str = COMMANDS, method: str = "POST") -> Response:
    return await HttpClient(session, host, timeout_s=LIMIT_S).request(method, target, {"Content-Type": "application/cms"}, body)


@pytest.mark.req("WAN-03")
@pytest.mark.step("2.2.4", event="peer_not_configured")
async def test_another_administrator_than_the_configured_one_is_told_once_and_gets_nothing(commands: Commands) -> None:
    stranger = identity(Role.GWA, "stranger", ADMINISTRATOR_KEYS)
    async with listening(commands.clock, stranger) as listener, running(commands, listener) as channel:
        for _ in range(3):
            assert await listener.refusal() == "tls.handshake"
        assert not channel.connected
    assert listener.sessions.empty()
    assert told(commands.journal) == [("peer_not_configured", "pki.not_pinned")]


@pytest.mark.req("WAN-03")
async def test_an_expired_administrator_is_not_even_dialled(commands: Commands) -> None:
    await commands.clock.advance_to(START + timedelta(days=4000))
    async with listening(commands.clock) as listener, running(commands, listener):
        for _ in range(50):
            await asyncio.sleep(0)
    assert listener.sessions.empty() and listener.refused.empty()
    assert told(commands.journal) == [("peer_certificate_rejected", "pki.expired")]


async def test_an_administrator_that_is_away_is_told_once(commands: Commands) -> None:
    async with listening(commands.clock) as listener:
        pass
    async with running(commands, listener):
        for _ in range(200):
            await asyncio.sleep(0)
    assert told(commands.journal) == [("handshake_failed", "net.unreachable")]


@pytest.mark.req("WAN-08")
@pytest.mark.parametrize(
    ("changes", "status"),
    [({"host": "esgw0000000002.sm"}, 403), ({"host": "localhost"}, 403), ({"target": "/"}, 404), ({"method": "PUT"}, 405)],
)
async def test_what_is_no_call_of_the_interface_gets_its_status(commands: Commands, changes: dict[str, str], status: int) -> None:
    async with listening(commands.clock) as listener, running(commands, listener):
        session = await listener.session()
        assert (await post(session, b"", **changes)).status == status
        assert (await post(session, commands.sealed(commands.command("GET", "state")))).status == 200


@pytest.mark.req("WAN-08", "SEC-03")
@pytest.mark.parametrize(
    ("document", "event", "code"),
    [
        (lambda commands: b"", "command_rejected", "cms.structure"),
        (lambda commands: b"\x30\x80" + bytes(100), "command_rejected", "cms.structure"),
        (lambda commands: altered(commands), "content_signature_invalid", "cms.signature"),
        (lambda commands: for_somebody_else(commands), "content_unreadable", "cms.recipient"),
        (lambda commands: by_somebody_else(commands), "content_signature_invalid", "cms.signature"),
        (lambda commands: state_asked(commands, recipient="ESGW0000000002"), "command_rejected", "command.recipient"),
        (lambda commands: state_asked(commands, created_at=START - timedelta(hours=1)), "command_rejected", "command.age"),
    ],
    ids=["nothing", "no message", "altered", "for somebody else", "by somebody else", "to another gateway", "too old"],
)  # fmt: skip
@pytest.mark.step("2.2.4", event="content_signature_invalid")
@pytest.mark.step("2.2.4", event="content_unreadable")
@pytest.mark.step("3.2.2", event="command_rejected")
async def test_what_is_no_command_is_refused_barely_logged_with_its_code_and_the_channel_stands(
    commands: Commands, document: object, event: str, code: str
) -> None:
    assert callable(document)
    async with listening(commands.clock) as listener, running(commands, listener) as channel:
        session = await listener.session()
        refused = await post(session, document(commands))
        assert (refused.status, refused.body) == (400, b"")
        assert channel.connected
        assert (await post(session, commands.sealed(commands.command("GET", "state")))).status == 200
    assert told(commands.journal)[1][0] == event
    assert told(commands.journal)[1][1].startswith(code.split(".")[0])
    assert commands.installed == []


def altered(commands: Commands) -> bytes:
    document = bytearray(commands.sealed(commands.command("PUT", "rts/meter/1SGW0010000001", meter_profile())))
    document[-1] ^= 1
    return bytes(document)


def state_asked(commands: Commands, **changes: object) -> bytes:
    return commands.sealed(commands.command("GET", "state", **changes))


def for_somebody_else(commands: Commands) -> bytes:
    administrator, other = identity(Role.GWA, "test", ADMINISTRATOR_KEYS), participant_identity()
    content = encode_command(commands.command("GET", "state"))
    return seal(content, module=administrator.module, signer=administrator.signer, recipient=other.triple.enc)


def by_somebody_else(commands: Commands) -> bytes:
    other = participant_identity()
    content = encode_command(commands.command("GET", "state"))
    return seal(content, module=other.module, signer=other.signer, recipient=gateway_identity().triple.enc)


@pytest.mark.req("WAN-08")
async def test_what_is_no_http_ends_the_channel_and_it_comes_back(commands: Commands) -> None:
    async with listening(commands.clock) as listener, running(commands, listener):
        session = await listener.session()
        session.writer.write(b"nonsense\r\n\r\n")
        async with asyncio.timeout(LIMIT_S):
            assert (await session.reader.read()).startswith(b"HTTP/1.1 400 ")
        again = await listener.session()
        assert (await post(again, commands.sealed(commands.command("GET", "state")))).status == 200
    assert told(commands.journal)[:4] == [
        ("channel_opened", ""),
        ("channel_closed", ""),
        ("channel_closed", "http.malformed"),
        ("channel_opened", ""),
    ]


@pytest.mark.req("WAN-08")
@pytest.mark.step("2.3.3", "2.2.2.4", "3.3.2", "5.2.9", event="channel_opened")
@pytest.mark.step("3.3.6", event="channel_closed")
async def test_the_channel_is_opened_told_and_closed(commands: Commands) -> None:
    async with listening(commands.clock) as listener:
        async with running(commands, listener) as channel:
            session = await listener.session()
            answer = await post(session, commands.sealed(commands.command("GET", "state")))
            assert (answer.status, dict(answer.headers)["content-type"]) == (200, "application/cms")
            assert channel.connected
        assert not channel.connected
    events = [event for event, _ in told(commands.journal)]
    assert (events[0], events[-1]) == ("channel_opened", "channel_closed")


@pytest.mark.req("WAN-09")
async def test_a_session_ends_after_two_days_and_not_before(commands: Commands) -> None:
    async with listening(commands.clock) as listener, running(commands, listener) as channel:
        session = await listener.session()
        await post(session, commands.sealed(commands.command("GET", "state")))
        await commands.clock.advance_to(START + timedelta(hours=48) - timedelta(seconds=1))
        late = commands.command("GET", "state", created_at=commands.clock.now())
        assert (await post(session, commands.sealed(late))).status == 200
        await commands.clock.advance_to(START + timedelta(hours=48))
        await ended(session)
        assert await listener.session() is not session
        await until(lambda: channel.connected)


async def ended(session: Streams) -> None:
    async with asyncio.timeout(LIMIT_S):
        assert await session.reader.read() == b""


@pytest.mark.req("WAN-04", "WAN-09")
async def test_by_the_plan_on_wake_up_the_channel_stands_at_the_start_and_then_only_when_called(commands: Commands) -> None:
    async with listening(commands.clock) as listener, running(commands, listener, connection="on_wake_up") as channel:
        for _ in range(2):
            session = await listener.session()
            answer = await post(session, commands.sealed(commands.command("POST", "fas/break-up")))
            assert answer.status == 200
            await ended(session)
            await until(lambda: not channel.connected)
            for _ in range(200):
                await asyncio.sleep(0)
            assert listener.sessions.empty()
            channel.call()
        await listener.session()


@pytest.mark.req("WAN-09")
async def test_a_permanent_channel_comes_back_after_it_was_broken_up(commands: Commands) -> None:
    async with listening(commands.clock) as listener, running(commands, listener):
        session = await listener.session()
        assert (await post(session, commands.sealed(commands.command("POST", "fas/break-up")))).status == 200
        await ended(session)
        assert await listener.session() is not session


@pytest.mark.req("WAN-04")
async def test_a_call_while_the_channel_stands_changes_nothing(commands: Commands) -> None:
    async with listening(commands.clock) as listener, running(commands, listener, connection="on_wake_up") as channel:
        session = await listener.session()
        await until(lambda: channel.connected)
        channel.call()
        await post(session, commands.sealed(commands.command("POST", "fas/break-up")))
        await ended(session)
        for _ in range(200):
            await asyncio.sleep(0)
        assert listener.sessions.empty()


@pytest.mark.req("WAN-04")
async def test_a_channel_that_is_cut_comes_back_without_a_call(commands: Commands) -> None:
    async with listening(commands.clock) as listener, running(commands, listener, connection="on_wake_up"):
        session = await listener.session()
        session.writer.write(b"nonsense\r\n\r\n")
        assert await listener.session() is not session


@pytest.mark.req("WAN-04")
async def test_a_call_ends_the_pause_between_two_attempts(commands: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel_module, "REDIAL_FIRST_S", 3600.0)
    async with listening(commands.clock) as listener:
        pass
    async with running(commands, listener) as channel:
        await until(lambda: len(told(commands.journal)) == 1 and not channel.dialling)
        async with listening(commands.clock, port=listener.port) as again:
            channel.call()
            await again.session()


@pytest.mark.req("WAN-04", "TIME-02")
async def test_without_valid_time_the_gateway_calls_by_itself(commands: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel_module, "BLIND_CALL_S", 0.001)
    valid = [False]
    async with listening(commands.clock) as listener, running(commands, listener, "on_wake_up", lambda: valid[0]):
        for _ in range(2):
            session = await listener.session()
            await post(session, commands.sealed(commands.command("POST", "fas/break-up")))
        await listener.session()

"""Notifications: over real HTTP, SMTP and MQTT on loopback; nothing is lost, nothing comes twice, no channel holds up another."""

import asyncio
import hashlib
import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from email import message_from_bytes
from email.policy import default
from pathlib import Path

import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from tests.gateway.gateway_parts import GATEWAY_ID, START
from tests.gateway.wan.wan_parts import until
from tests.net.test_mqtt import Broker, listening

from smgw.administrator import notifications
from smgw.administrator.config import AdministratorConfig, AdministratorFolder, Mail, Mqtt, Webhook
from smgw.administrator.monitoring import Finding, Incident, Incidents
from smgw.administrator.notifications import Channel, Notifications, notify, require_usable, send, tell_due
from smgw.administrator.store import Store
from smgw.core.errors import ConfigError, SmgwError, Unavailable
from smgw.net.clock import ManualClock
from smgw.security.secret_file import create_secret

pytestmark = pytest.mark.req("ADM-06")

NAME = "test.GWA"
FULL = Finding(GATEWAY_ID, "storage", "readings 80", "81")


class Desk:
    """Hold a queue with incidents, and a clock."""

    def __init__(self, path: Path, *channels: str) -> None:
        self.path = path
        self.clock = ManualClock(START)
        self.channels = channels
        self.store = Store(path / "inventory.db")
        self.book = Notifications(self.store, Incidents(self.store))

    def settle(self, *findings: Finding) -> None:
        now = self.clock.now()

        def tell(incident: Incident) -> None:
            self.book.put(incident, self.channels, now)

        self.book.incidents.settle(findings, now, tell)

    async def tell(self, channel: Channel) -> int:
        return await tell_due(self.book, channel, NAME, self.path, self.clock)

    def states(self, incident: int = 1) -> list[tuple[str, str, str, int]]:
        return [(one.channel, one.what, one.state, one.attempts) for one in self.book.of(incident)]


class Receiver:
    """Take HTTP requests and answer with a status."""

    def __init__(self) -> None:
        self.status = 200
        self.requests: list[tuple[dict[str, str], bytes]] = []

    async def take(self, request: web.Request) -> web.Response:
        self.requests.append((dict(request.headers), await request.read()))
        return web.Response(status=self.status, headers={"Location": "/elsewhere"})


@asynccontextmanager
async def receiving(receiver: Receiver) -> AsyncIterator[str]:
    application = web.Application()
    application.router.add_post("/hook", receiver.take)
    async with TestServer(application) as server:
        yield str(server.make_url("/hook"))


async def test_a_webhook_is_told_of_beginning_and_end_signed(tmp_path: Path) -> None:
    desk, receiver = Desk(tmp_path, "ops"), Receiver()
    secret = create_secret(tmp_path / "hook.secret")
    async with receiving(receiver) as url:
        channel = Webhook("ops", url, "hook.secret")
        desk.settle(FULL)
        assert await desk.tell(channel) == 1
        assert await desk.tell(channel) == 0
        desk.settle()
        assert await desk.tell(channel) == 1
    (headers, body), (_, last) = receiver.requests
    assert headers["X-Smgw-Signature"] == "sha256=" + hmac.new(secret, body, hashlib.sha256).hexdigest()
    assert msgspec.json.decode(body) == {
        "id": "1-opened", "what": "opened", "administrator": NAME, "gateway": GATEWAY_ID, "rule": "storage", "severity": "warning",
        "subject": "readings 80", "text": "Store readings 80 %: 81 % in use", "openedAt": "2026-03-01T12:00:00Z", "closedAt": "",
    } | {"openedAt": desk.book.incidents.listed()[0].opened_at}  # fmt: skip
    assert msgspec.json.decode(last)["id"] == "1-closed"
    assert msgspec.json.decode(last)["closedAt"]
    assert desk.states() == [("ops", "opened", "told", 1), ("ops", "closed", "told", 1)]


@pytest.mark.parametrize("status", [302, 404, 500])
async def test_what_is_not_taken_comes_again_later_and_later(tmp_path: Path, status: int) -> None:
    desk, receiver = Desk(tmp_path, "ops"), Receiver()
    receiver.status = status
    async with receiving(receiver) as url:
        channel = Webhook("ops", url)
        desk.settle(FULL)
        assert await desk.tell(channel) == 0
        for pause_s in (30, 60, 120):
            await desk.clock.advance_to(desk.clock.now() + timedelta(seconds=pause_s - 1))
            assert await desk.tell(channel) == 0
            await desk.clock.advance_to(desk.clock.now() + timedelta(seconds=1))
            await desk.tell(channel)
        assert len(receiver.requests) == 4
        receiver.status = 204
        await desk.clock.advance_to(desk.clock.now() + timedelta(hours=1))
        assert await desk.tell(channel) == 1
    assert {msgspec.json.decode(body)["id"] for _, body in receiver.requests} == {"1-opened"}


async def test_nothing_is_lost_over_a_restart_and_after_a_week_it_is_given_up(tmp_path: Path) -> None:
    desk = Desk(tmp_path, "ops")
    channel = Webhook("ops", "http://127.0.0.1:9/hook")
    desk.settle(FULL)
    assert await desk.tell(channel) == 0
    desk.store.close()
    again = Desk(tmp_path, "ops")
    await again.clock.advance_to(START + timedelta(days=7))
    await again.tell(channel)
    assert again.states() == [("ops", "opened", "waiting", 2)]
    await again.clock.advance_to(START + timedelta(days=7, hours=2))
    await again.tell(channel)
    assert again.states() == [("ops", "opened", "given_up", 3)]
    await again.clock.advance_to(START + timedelta(days=9))
    assert again.book.due("ops", again.clock.now()) == []


async def test_a_channel_that_does_not_answer_holds_up_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notifications, "LOOK_S", 0.001)
    desk, receiver = Desk(tmp_path, "dead", "ops"), Receiver()
    async with receiving(receiver) as url:
        channels = (Webhook("dead", "http://127.0.0.1:9/"), Webhook("ops", url))
        tasks = [asyncio.create_task(notify(desk.book, one, NAME, tmp_path, desk.clock)) for one in channels]
        desk.settle(FULL)
        await until(lambda: len(receiver.requests) == 1)
        await until(lambda: desk.states() == [("dead", "opened", "waiting", 1), ("ops", "opened", "told", 1)])
        for task in tasks:
            task.cancel()


class MailServer:
    """Take mail by SMTP."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.mail = b""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers = {
            b"EHLO": b"250 here\r\n",
            b"MAIL": b"250 ok\r\n",
            b"RCPT": b"250 ok\r\n",
            b"DATA": b"354 go\r\n",
            b"QUIT": b"221 bye\r\n",
        }
        writer.write(b"220 here\r\n")
        while line := await reader.readline():
            self.lines.append(line.strip())
            verb = line[:4].upper()
            writer.write(answers.get(verb, b"502 no\r\n"))
            if verb == b"DATA":
                self.mail = await reader.readuntil(b"\r\n.\r\n")
                writer.write(b"250 taken\r\n")
        writer.close()


async def test_people_get_a_mail_in_their_language(tmp_path: Path) -> None:
    desk, server = Desk(tmp_path, "people"), MailServer()
    async with await asyncio.start_server(server.serve, "127.0.0.1", 0) as listener:
        host, port = listener.sockets[0].getsockname()
        channel = Mail("people", host, "gwa@example.org", ("a@example.org", "b@example.org"), port=port, starttls=False, language="de")
        desk.settle(FULL)
        assert await desk.tell(channel) == 1
    mail = message_from_bytes(server.mail, policy=default)
    assert mail["Subject"] == f"[{NAME}] Störung: {GATEWAY_ID} Speicher readings 80 %: 81 % belegt"
    assert mail["Message-ID"].startswith("<1-opened.")
    assert sum(line.upper().startswith(b"RCPT") for line in server.lines) == 2
    assert f"gateway: {GATEWAY_ID}" in mail.get_body().get_content()  # type: ignore[union-attr]


async def test_a_mail_server_without_starttls_gets_nothing(tmp_path: Path) -> None:
    desk, server = Desk(tmp_path, "people"), MailServer()
    async with await asyncio.start_server(server.serve, "127.0.0.1", 0) as listener:
        host, port = listener.sockets[0].getsockname()
        desk.settle(FULL)
        assert await desk.tell(Mail("people", host, "gwa@example.org", ("a@example.org",), port=port)) == 0
    assert server.mail == b""
    assert desk.states() == [("people", "opened", "waiting", 1)]


async def test_a_broker_gets_a_message(tmp_path: Path) -> None:
    desk, broker = Desk(tmp_path, "bus"), Broker(b"\x20\x02\x00\x00", b"\x40\x02\x00\x01")
    async with listening(broker) as (host, port):
        desk.settle(FULL)
        assert await desk.tell(Mqtt("bus", host, port, "fleet/incidents", tls=False)) == 1
        await broker.gone.wait()
    topic, payload = broker.packets[1].split(b"\x00\x01", 1)
    assert topic.endswith(b"fleet/incidents")
    assert msgspec.json.decode(payload)["rule"] == "storage"


async def test_no_password_goes_over_an_unprotected_line(tmp_path: Path) -> None:
    desk = Desk(tmp_path, "bus")
    desk.settle(FULL)
    (one,) = desk.book.of(1)
    told = notifications.document(NAME, desk.book.incidents.listed()[0], one)
    for channel in (
        Mqtt("bus", "127.0.0.1", 9, tls=False, user="u", password_file="p"),
        Mail("bus", "127.0.0.1", "a@example.org", ("b@example.org",), starttls=False, user="u", password_file="p"),
    ):
        with pytest.raises(ConfigError, match="protected connection"):
            await send(channel, told, tmp_path)
    with pytest.raises(ConfigError, match=r"secret\.missing"):
        await send(Webhook("bus", "http://127.0.0.1:9/", "missing"), told, tmp_path)
    with pytest.raises(ConfigError, match=r"missing\.pem"):
        await send(Webhook("bus", "https://127.0.0.1:9/", ca_file="missing.pem"), told, tmp_path)
    with pytest.raises(Unavailable, match=r"administrator\.notification"):
        await send(Webhook("bus", "http://127.0.0.1:9/"), told, tmp_path)


def test_channels_in_the_configuration(tmp_path: Path) -> None:
    folder = AdministratorFolder(tmp_path)
    channels = (Webhook("ops", "https://example.org/"), Mail("people", "h", "a@example.org", ("b@example.org",)), Mqtt("bus", "h"))
    folder.save(AdministratorConfig(NAME, notifications=channels))
    assert folder.load().notifications == channels
    require_usable(channels)
    for bad in ((channels[0], channels[0]), (Webhook("", "https://example.org/"),), (Webhook("x", "ftp://example.org/"),)):
        with pytest.raises(SmgwError, match=r"administrator\.config"):
            require_usable(bad)

"""Notifications over TLS: mail by STARTTLS and by TLS from the first octet, MQTT and webhooks; a server that is not the right one learns
nothing, neither password nor text."""

from collections.abc import Callable
from email import message_from_bytes
from email.policy import default
from pathlib import Path

import msgspec
import pytest
from aiohttp import web
from tests.administrator.test_notifications import FULL, Desk
from tests.administrator.tls_servers import REFUSED, Kind, MailServer, server_context, serving
from tests.gateway.gateway_parts import GATEWAY_ID
from tests.net.test_mqtt import Broker

from smgw.administrator.config import Mail, Mqtt, Webhook
from smgw.administrator.notifications import Channel
from smgw.security.secret_file import create_secret

pytestmark = pytest.mark.req("ADM-06", "SEC-03")

CONNECTED, TAKEN = b"\x20\x02\x00\x00", b"\x40\x02\x00\x01"


def mail(port: int, **changes: object) -> Mail:
    values = {"port": port, "user": "gwa", "password_file": "mail.secret", "ca_file": "ca.pem"}
    return Mail("people", "127.0.0.1", "gwa@example.org", ("duty@example.org",), **{**values, **changes})  # type: ignore[arg-type]


def desk_with_secret(path: Path, name: str) -> Desk:
    create_secret(path / "mail.secret")
    desk = Desk(path, name)
    desk.settle(FULL)
    return desk


@pytest.mark.parametrize("implicit", [False, True], ids=["starttls", "implicit tls"])
async def test_a_mail_goes_over_tls_with_the_log_in(tmp_path: Path, implicit: bool) -> None:
    desk, context = desk_with_secret(tmp_path, "people"), server_context(tmp_path)
    server = MailServer(None if implicit else context)
    async with serving(server.serve, context if implicit else None) as port:
        assert await desk.tell(mail(port, implicit_tls=implicit)) == 1
        desk.settle()
        assert await desk.tell(mail(port, implicit_tls=implicit)) == 1
    told, over = (message_from_bytes(one, policy=default) for one in server.mails)
    assert told["To"] == "duty@example.org"
    assert (told["Subject"].split("]")[1].split(":")[0], over["Subject"].split("]")[1].split(":")[0]) == (" Incident", " Over")
    assert f"gateway: {GATEWAY_ID}" in told.get_content()
    assert {line.upper().split()[0] for line in server.in_clear} == (set() if implicit else {b"EHLO", b"STARTTLS"})
    assert [line for line in server.protected if line.upper().startswith(b"AUTH")]


@pytest.mark.parametrize("kind", REFUSED)
@pytest.mark.parametrize("implicit", [False, True], ids=["starttls", "implicit tls"])
async def test_a_mail_server_with_a_wrong_certificate_gets_nothing(tmp_path: Path, kind: Kind, implicit: bool) -> None:
    desk, context = desk_with_secret(tmp_path, "people"), server_context(tmp_path, kind)
    server = MailServer(None if implicit else context)
    async with serving(server.serve, context if implicit else None) as port:
        assert await desk.tell(mail(port, implicit_tls=implicit)) == 0
    assert (server.mails, server.protected) == ([], [])
    assert {line.upper().split()[0] for line in server.in_clear} <= {b"EHLO", b"STARTTLS"}
    (one,) = desk.book.of(1)
    assert (one.state, one.code) == ("waiting", "administrator.notification")


async def test_a_server_that_is_spoken_to_in_the_wrong_way_gets_nothing(tmp_path: Path) -> None:
    desk, server = desk_with_secret(tmp_path, "people"), MailServer()
    server_context(tmp_path)
    async with serving(server.serve) as port:
        assert await desk.tell(mail(port, implicit_tls=True)) == 0
    assert server.mails == []
    assert desk.states() == [("people", "opened", "waiting", 1)]


async def test_a_broker_gets_its_message_and_the_log_in_over_tls(tmp_path: Path) -> None:
    desk, broker = desk_with_secret(tmp_path, "bus"), Broker(CONNECTED, TAKEN)
    async with serving(broker.serve, server_context(tmp_path)) as port:
        assert await desk.tell(Mqtt("bus", "127.0.0.1", port, user="gwa", password_file="mail.secret", ca_file="ca.pem")) == 1
        await broker.gone.wait()
    assert b"\x00\x03gwa" in broker.packets[0]
    assert msgspec.json.decode(broker.packets[1].split(b"\x00\x01", 1)[1])["gateway"] == GATEWAY_ID


def channel_to(kind: str) -> Callable[[int], Channel]:
    return {
        "broker": lambda port: Mqtt("bus", "127.0.0.1", port, user="gwa", password_file="mail.secret", ca_file="ca.pem"),
        "webhook": lambda port: Webhook("bus", f"https://127.0.0.1:{port}/hook", "mail.secret", "ca.pem"),
    }[kind]  # type: ignore[return-value]


@pytest.mark.parametrize("kind", REFUSED)
@pytest.mark.parametrize("to", ["broker", "webhook"])
async def test_whoever_shows_a_wrong_certificate_gets_nothing(tmp_path: Path, kind: Kind, to: str) -> None:
    desk, broker = desk_with_secret(tmp_path, "bus"), Broker(CONNECTED, TAKEN)
    async with serving(broker.serve, server_context(tmp_path, kind)) as port:
        assert await desk.tell(channel_to(to)(port)) == 0
    assert broker.packets == []
    (one,) = desk.book.of(1)
    assert (one.state, one.code) == ("waiting", "administrator.notification")


async def test_a_webhook_is_posted_over_tls(tmp_path: Path) -> None:
    desk, seen = desk_with_secret(tmp_path, "bus"), list[bytes]()

    async def take(request: web.Request) -> web.Response:
        seen.append(await request.read())
        return web.Response()

    application = web.Application()
    application.router.add_post("/hook", take)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=server_context(tmp_path))
    await site.start()
    port = runner.addresses[0][1]
    try:
        assert await desk.tell(channel_to("webhook")(port)) == 1
    finally:
        await runner.cleanup()
    assert [msgspec.json.decode(body)["id"] for body in seen] == ["1-opened"]

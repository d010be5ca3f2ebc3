"""Channels are added, tried and removed while the administrator runs; the configuration is always the same as what runs."""

import asyncio
import hashlib
import hmac
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from tests.administrator.interface_parts import add_user, make_desk, served
from tests.gateway.gateway_parts import GATEWAY_ID, METER_ID, START

from smgw.administrator.api.endpoints import Desk
from smgw.administrator.channels import MOST, Channels
from smgw.administrator.config import Webhook
from smgw.administrator.monitoring import Finding
from smgw.administrator.notifications import Channel
from smgw.administrator.users import Role
from smgw.core.notices import Notice

pytestmark = pytest.mark.req("ADM-06", "ADM-13")


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = make_desk(tmp_path / "gwa")
    yield desk
    desk.books.close()


async def test_a_channel_is_added_tried_and_removed(desk: Desk) -> None:
    got: list[tuple[bytes, str]] = []

    async def take(request: web.Request) -> web.Response:
        got.append((await request.read(), request.headers["X-Smgw-Signature"]))
        return web.Response(status=503 if len(got) > 1 else 204)

    app = web.Application()
    app.router.add_post("/hook", take)
    secret = desk.folder.path / "channel-hook.secret"
    secret.write_text("key")
    secret.chmod(0o600)
    token = add_user(desk.books, "op1", Role.OPERATOR)
    async with TestServer(app) as server, served(desk) as caller:
        url = str(server.make_url("/hook"))
        status, row = await caller.ask(
            "POST", "/notifications", token, {"kind": "webhook", "name": "ops", "url": url, "secret_file": "channel-hook.secret"}
        )
        assert (status, row["host"], row["protected"]) == (201, "127.0.0.1", True)
        assert [one.name for one in desk.folder.load().notifications] == ["ops"]
        assert await caller.ask("POST", "/notifications/ops/try", token) == (200, {"name": "ops", "taken": True})
        body, signature = got[0]
        assert b'"what":"test"' in body and signature == "sha256=" + hmac.new(b"key", body, hashlib.sha256).hexdigest()
        status, answer = await caller.ask("POST", "/notifications/ops/try", token)
        assert (status, answer["error"]) == (503, "administrator.notification")
        again = {"kind": "webhook", "name": "ops", "url": url}
        assert (await caller.ask("POST", "/notifications", token, again))[1]["error"] == "administrator.config"
        status, left = await caller.ask("DELETE", "/notifications/ops", token)
        assert (status, left["channels"]) == (200, []) and desk.folder.load().notifications == ()
        assert (await caller.ask("DELETE", "/notifications/ops", token))[0] == 404
    assert [entry["action"] for entry in desk.books.audit.newest(9, actor="op1")][:1] == ["remove notification channel ops"]


@pytest.mark.req("SEC-03")
@pytest.mark.parametrize(
    "file", ["administrator.token", "module.secret", "../channel", "channel/../module.secret", "/etc/passwd", "channel\n"]
)
async def test_no_other_file_of_the_folder_can_be_sent_to_a_server(desk: Desk, file: str) -> None:
    token = add_user(desk.books, "op1", Role.OPERATOR)
    mail = {"kind": "email", "name": "x", "host": "h", "sender": "a@b", "recipients": ["c@d"], "user": "u", "password_file": file}
    mqtt = {"kind": "mqtt", "name": "x", "host": "h", "user": "u", "password_file": file}
    hook = {"kind": "webhook", "name": "x", "url": "https://h", "secret_file": file}
    async with served(desk) as caller:
        for body in (mail, mqtt, hook, {**hook, "secret_file": "", "ca_file": file}):
            status, answer = await caller.ask("POST", "/notifications", token, body)
            assert (status, answer["error"]) == (400, "administrator.config")
    assert desk.channels.all() == ()


async def test_names_and_numbers_of_channels_are_bounded(desk: Desk) -> None:
    token = add_user(desk.books, "op1", Role.OPERATOR)
    async with served(desk) as caller:
        for name in ("", "a b", "x" * 41, "<b>", "ä"):
            body = {"kind": "webhook", "name": name, "url": "https://h"}
            assert (await caller.ask("POST", "/notifications", token, body))[1]["error"] == "administrator.config", name
    for number in range(MOST):
        desk.channels.add(Webhook(f"c{number}", "https://h"), START, "op1")
    with pytest.raises(Exception, match=r"at most 20"):
        desk.channels.add(Webhook("more", "https://h"), START, "op1")


async def test_what_runs_follows_what_is_set(desk: Desk) -> None:
    channels = Channels(desk.folder, desk.books.audit, (Webhook("first", "https://h"),))
    running: dict[str, asyncio.Event] = {}
    begun, ended = asyncio.Event(), asyncio.Event()

    async def tell(channel: Channel) -> None:
        running[channel.name] = asyncio.Event()
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            del running[channel.name]
            ended.set()

    task = asyncio.create_task(channels.run(tell))
    await begun.wait()
    begun.clear()
    channels.add(Webhook("second", "https://h"), START, "op1")
    await begun.wait()
    assert running.keys() == {"first", "second"}
    channels.remove("first", START, "op1")
    await ended.wait()
    assert running.keys() == {"second"}
    ended.clear()
    task.cancel()
    await ended.wait()
    assert running == {}


async def test_the_incident_of_a_notice_is_closed_by_hand_and_no_other(desk: Desk) -> None:
    books, token = desk.books, add_user(desk.books, "op1", Role.OPERATOR)
    desk.channels.add(Webhook("ops", "https://h"), START, "op1")
    books.alarms.accept(Notice("1", GATEWAY_ID, "meter_tamper", 1, "FATAL", START, METER_ID, True, {}), START)
    findings = [Finding(GATEWAY_ID, "alarm", f"meter_tamper/{METER_ID}", "x"), Finding(GATEWAY_ID, "clock", "", "invalid")]
    books.incidents.settle(findings, START)
    numbers = {one.rule: one.id for one in books.incidents.listed()}
    async with served(desk) as caller:
        status, answer = await caller.ask("POST", f"/incidents/{numbers['clock']}/close", token)
        assert (status, answer["error"]) == (409, "administrator.incident_lasts")
        for _ in range(2):
            status, view = await caller.ask("POST", f"/incidents/{numbers['alarm']}/close", token)
            assert status == 200 and view["incident"]["closed_at"]
            assert [(one["channel"], one["what"]) for one in view["notifications"]] == [("ops", "closed")]
        assert (await caller.ask("POST", "/incidents/99/close", token))[0] == 404
    assert books.alarms.pending() == [] and books.alarms.newest()[0].seen_by == "op1"
    assert books.incidents.settle([Finding(GATEWAY_ID, "clock", "", "invalid")], START) == (0, 0)

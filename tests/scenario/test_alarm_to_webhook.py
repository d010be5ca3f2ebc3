"""From what happens at a gateway to the people who are to know: event, notice, incident, webhook; over real TLS, HTTP and a real terminal.

meter ──telegram──▶ gateway ──notice──▶ administrator: rule, incident ──signed POST──▶ receiver
"""

import asyncio
import hashlib
import hmac
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
from aiohttp import web
from tests.scenario.whole_gateway import FOUNDED, METER, World, founded, until, world

from smgw.administrator import monitoring, notifications
from smgw.administrator.books import open_books
from smgw.administrator.config import AdministratorFolder, Webhook
from smgw.core.profiles import MeterProfile, RegisterProfile
from smgw.gateway.config import GatewayFolder, StorageLimits
from smgw.pki.names import Role
from smgw.security.secret_file import create_secret, load_secret
from smgw.simulation.free_ports import free_port
from smgw.simulation.provisioning import DEFAULT_GATEWAY_ID

pytestmark = [pytest.mark.req("ADM-06", "WAN-07", "LMN-06", "OPS-01"), pytest.mark.timeout(180)]

SECRET = "hook.secret"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the administrator look without waiting for real time."""
    for module, name in ((monitoring, "SHORTEST_LOOK_S"), (notifications, "LOOK_S")):
        monkeypatch.setattr(module, name, 0.01)
    monkeypatch.setattr(monitoring, "LOOK_S", 0.05)


class Post(NamedTuple):
    """Hold one request as it came."""

    headers: dict[str, str]
    body: bytes

    @property
    def told(self) -> dict[str, str]:
        return dict(msgspec.json.decode(self.body))


class Receiver:
    """Take webhooks on one port, which nobody listens on while the receiver is away."""

    def __init__(self) -> None:
        self.posts: list[Post] = []
        self.port = free_port()

    async def _take(self, request: web.Request) -> web.Response:
        self.posts.append(Post(dict(request.headers), await request.read()))
        return web.Response()

    @asynccontextmanager
    async def there(self) -> AsyncIterator[None]:
        """Listen."""
        application = web.Application()
        application.router.add_post("/incidents", self._take)
        runner = web.AppRunner(application)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", self.port).start()
        try:
            yield
        finally:
            await runner.cleanup()

    def told(self, rule: str) -> list[tuple[str, str, str]]:
        """List (id without number, subject, gateway) of what came of a rule."""
        found = [post.told for post in self.posts if post.told["rule"] == rule]
        return [(told["what"], told["subject"], told["gateway"]) for told in found]


def telling(receiver: Receiver, spoil: Callable[[World], None] = lambda _: None) -> Callable[[World], None]:
    def prepare(state: World) -> None:
        folder = AdministratorFolder(state.layout.administrator)
        create_secret(folder.path / SECRET)
        hook = Webhook("operations", f"http://127.0.0.1:{receiver.port}/incidents", SECRET)
        folder.save(msgspec.structs.replace(folder.load(), notifications=(hook,)))
        spoil(state)

    return prepare


@asynccontextmanager
async def measured(path: Path, prepare: Callable[[World], None], **times: Any) -> AsyncIterator[World]:
    """Run a whole system that has its profiles and its first value."""
    async with world(path, prepare=prepare, **times) as state:
        await until(lambda: len(state.gateway.journal.profiles("evaluation")) == 2, "profiles")
        await state.move_to(state.clock.now() + timedelta(seconds=10))
        await state.feed(state.meter.telegram(state.clock.now()))
        yield state


def incidents(state: World, *, only_open: bool = True) -> list[tuple[str, str]]:
    books = open_books(AdministratorFolder(state.layout.administrator).inventory)
    found = [(one.rule, one.subject) for one in books.incidents.listed(only_open=only_open)]
    books.close()
    return found


def acknowledge(state: World) -> None:
    """Have a person look at every alarm."""
    books = open_books(AdministratorFolder(state.layout.administrator).inventory)
    for alarm in books.alarms.newest(unseen=True):
        books.alarms.acknowledge(alarm.id, state.clock.now(), "user1")
    books.close()


async def test_a_tampered_meter_is_told_once_signed_and_whole_and_so_is_its_end(tmp_path: Path) -> None:
    receiver = Receiver()
    async with receiver.there(), measured(tmp_path, telling(receiver)) as state:
        state.meter.tampered = True
        await state.quarter()
        await state.quarter()
        subject = f"meter_tamper/{METER.meter_id}"
        await until(lambda: receiver.told("alarm"), "the alarm")
        acknowledge(state)
        await until(lambda: len(receiver.told("alarm")) == 2, "its end")
        await state.quarter()
        secret = load_secret(AdministratorFolder(state.layout.administrator).path / SECRET)
    assert receiver.told("alarm") == [(what, subject, DEFAULT_GATEWAY_ID) for what in ("opened", "closed")]
    first, last = (post for post in receiver.posts if post.told["rule"] == "alarm")
    for post in (first, last):
        assert post.headers["X-Smgw-Signature"] == "sha256=" + hmac.new(secret, post.body, hashlib.sha256).hexdigest()
        assert post.headers["X-Smgw-Id"] == post.told["id"]
        assert set(post.told) == {
            "id", "what", "administrator", "gateway", "rule", "severity", "subject", "text", "openedAt", "closedAt",
        }  # fmt: skip
    assert (first.told["severity"], first.told["closedAt"]) == ("error", "")
    assert first.told["id"].split("-")[0] == last.told["id"].split("-")[0]
    assert len({post.headers["X-Smgw-Id"] for post in receiver.posts}) == len(receiver.posts), "nothing came twice"


async def test_a_receiver_that_was_away_is_told_once_when_it_is_back(tmp_path: Path) -> None:
    receiver = Receiver()
    async with measured(tmp_path, telling(receiver)) as state:
        await state.quarter()
        # The meter falls silent: a quarter-hour without a value.
        await state.move_to(state.next_quarter() + timedelta(seconds=30))
        await until(lambda: any(rule == "alarm" for rule, _ in incidents(state)), "the incident")
        await until(lambda: "administrator.notification" in state.diagnosed("not_notified"), "an attempt in vain")
        await state.move_to(state.clock.now() + timedelta(minutes=20))
        assert receiver.posts == []
        async with receiver.there():
            await state.move_to(state.clock.now() + timedelta(hours=1, seconds=1))
            await until(lambda: receiver.told("alarm"), "the alarm")
            await state.move_to(state.clock.now() + timedelta(hours=2))
    assert receiver.told("alarm")[0] == ("opened", f"meter_lost/{METER.meter_id}", DEFAULT_GATEWAY_ID)
    assert len({post.headers["X-Smgw-Id"] for post in receiver.posts}) == len(receiver.posts), "nothing came twice"


def crowded(state: World) -> None:
    """Give a gateway so little room that some days fill it."""
    folder = GatewayFolder(state.layout.gateway)
    folder.save(msgspec.structs.replace(folder.load(), limits=StorageLimits(readings=1_000)))


async def test_a_store_that_fills_is_told_at_each_level_and_then_the_state(tmp_path: Path) -> None:
    receiver = Receiver()
    async with receiver.there(), measured(tmp_path, telling(receiver, crowded)) as state:
        (meter,) = (one for one in state.gateway.journal.profiles("meter") if isinstance(one, MeterProfile))
        more = tuple(RegisterProfile(f"1-0:1.8.{tariff}*255") for tariff in range(1, 10))
        state.order(msgspec.structs.replace(meter, registers=(*meter.registers, *more), version=meter.version + 1))
        await until(lambda: len(state.gateway.journal.profiles("meter")[0].registers) > len(more), "more registers")  # type: ignore[union-attr]
        for _ in range(40):
            # Nothing comes, so each quarter-hour is stored as missing.
            await state.move_to(state.clock.now() + timedelta(hours=2))
            await asyncio.sleep(0.05)
            if receiver.told("state"):
                break
        await until(lambda: len(receiver.told("storage")) >= 2 and receiver.told("state"), "store and state")
    assert [subject for what, subject, _ in receiver.told("storage")[:2]] == ["readings 80", "readings 95"]


async def test_a_gateway_that_stays_away_is_missed_and_is_back_when_it_calls(tmp_path: Path) -> None:
    receiver = Receiver()
    async with receiver.there(), measured(tmp_path, telling(receiver)) as state:
        await state.quarter()
        await until(lambda: state.gateway.channel.connected, "the channel")
        (line,) = (task for task in asyncio.all_tasks() if task.get_name() == "management")
        line.cancel()
        await until(lambda: not state.gateway.channel.connected, "the end of the channel")
        await state.move_to(state.clock.now() + timedelta(minutes=16))
        await until(lambda: receiver.told("silent"), "missed")
        again = asyncio.create_task(state.gateway.channel.run())
        await until(lambda: len(receiver.told("silent")) == 2, "back")
        again.cancel()
    assert receiver.told("silent") == [(what, "", DEFAULT_GATEWAY_ID) for what in ("opened", "closed")]


async def test_a_clock_that_can_not_be_trusted_is_told(tmp_path: Path) -> None:
    receiver, wanted = Receiver(), ("opened", "clock_invalid/", DEFAULT_GATEWAY_ID)
    async with receiver.there(), measured(tmp_path, telling(receiver)) as state:
        # Beyond what is slewed: the gateway distrusts its clock until it has followed.
        state.administrators_clock.offset = timedelta(seconds=990)
        for _ in range(60):
            await state.move_to(state.clock.now() + timedelta(minutes=1))
            await asyncio.sleep(0.02)
            if wanted in receiver.told("alarm"):
                break
        await until(lambda: wanted in receiver.told("alarm"), "the clock's alarm")
    assert wanted in receiver.told("alarm")


async def test_the_days_of_a_certificate_are_told_at_each_limit(tmp_path: Path) -> None:
    receiver = Receiver()
    end = founded()[1][Role.SMGW].tls.not_valid_after_utc
    assert end > FOUNDED + timedelta(days=90)
    async with receiver.there(), world(tmp_path, end - timedelta(days=6, hours=12), telling(receiver)):
        await until(lambda: len(receiver.told("certificate")) == 3, "three limits")
    assert sorted(receiver.told("certificate")) == [("opened", days, DEFAULT_GATEWAY_ID) for days in ("30", "7", "90")]

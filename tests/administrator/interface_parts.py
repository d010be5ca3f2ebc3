"""The administrator's interface over real books, and callers of every kind."""

import asyncio
import re
import threading
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any

from aiohttp import ClientSession, CookieJar
from aiohttp.test_utils import TestServer
from tests.administrator.administrator_parts import add_gateway, office
from tests.gateway.gateway_parts import GATEWAY_ID, START, administrator_identity, all_profiles

from smgw.administrator.api.endpoints import Desk
from smgw.administrator.app import make_app
from smgw.administrator.books import Books, open_books
from smgw.administrator.channels import Channels
from smgw.administrator.config import AdministratorConfig, AdministratorFolder
from smgw.administrator.users import Role, hash_password
from smgw.net.clock import ManualClock

TOKEN = "t" * 64
PASSWORD = "correct horse battery"
STRANGER = "ESGW0000000002"


@cache
def password_hash() -> bytes:
    """Hash the test password, at little cost."""
    return hash_password(PASSWORD, bytes(16), (4, 8, 1))


def make_desk(path: Path, *four_eyes: str) -> Desk:
    """Make an administrator's folder with one gateway and its profiles, and a desk over it."""
    folder = AdministratorFolder(path)
    folder.save(AdministratorConfig("test.GWA"))
    books = open_books(folder.inventory)
    add_gateway(books.inventory)
    for profile in all_profiles():
        books.inventory.put_profile(GATEWAY_ID, profile, START, "first installation")
    channels = Channels(folder, books.audit, ())
    return Desk(office(books, ManualClock(START)), folder, administrator_identity(), channels, frozenset(four_eyes))


def add_user(books: Books, name: str, *roles: Role) -> str:
    """Make a user with the test password; returns a token of it."""
    books.users.add(name, roles, password_hash(), START, "test")
    return books.users.add_token(name, "test", name.encode().ljust(32, b"-"), START)[1]


class Caller:
    """Ask one running interface."""

    def __init__(self, server: TestServer, session: ClientSession) -> None:
        self.server = server
        self.session = session

    async def ask(self, method: str, path: str, token: str = TOKEN, body: Any = None, **options: Any) -> tuple[int, Any]:
        """Ask the REST interface; gives status and answer."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        extra = {"json": body} if body is not None else {}
        async with self.session.request(method, f"/api/v1{path}", headers=headers, **extra, **options) as reply:
            if reply.content_type != "application/json":
                return reply.status, await reply.read()
            return reply.status, await reply.json()

    async def page(self, path: str, **options: Any) -> tuple[int, str]:
        """Open a page of the console."""
        async with self.session.get(path, allow_redirects=False, **options) as reply:
            return reply.status, await reply.text()

    async def send(self, path: str, fields: dict[str, Any] | Iterable[tuple[str, str]], **options: Any) -> tuple[int, str]:
        """Send a form; gives status and where it leads to, or what it shows."""
        async with self.session.post(path, data=fields, allow_redirects=False, **options) as reply:
            return reply.status, reply.headers.get("Location", "") or await reply.text()

    async def log_in(self, name: str = "", password: str = "") -> str:
        """Log in; returns the key that each form of the session needs."""
        status, where = await self.send("/login", {"name": name, "password": password or (PASSWORD if name else TOKEN)})
        assert (status, where) == (303, "/")
        _, page = await self.page("/account")
        found = re.search(r'name="form_key" value="([^"]+)"', page)
        assert found is not None
        return found[1]


@asynccontextmanager
async def served(desk: Desk) -> AsyncIterator[Caller]:
    """Serve a desk on loopback."""
    async with (
        TestServer(make_app(desk, TOKEN)) as server,
        ClientSession(server.make_url("/"), cookie_jar=CookieJar(unsafe=True)) as session,
    ):
        yield Caller(server, session)


class Thread:
    """Serve a desk from a thread of its own, for callers that block."""

    def __init__(self, path: Path, *four_eyes: str, prepare: Callable[[Desk], None] = lambda _: None) -> None:
        self._path = path
        self._four_eyes = four_eyes
        self._prepare = prepare
        self._ready, self._ending = threading.Event(), threading.Event()
        self.url = ""

    def __enter__(self) -> "Thread":
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))
        self._thread.start()
        assert self._ready.wait(60)
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join(60)

    async def _serve(self) -> None:
        desk = make_desk(self._path, *self._four_eyes)
        self._prepare(desk)
        desk.folder.token.write_text(TOKEN)
        async with TestServer(make_app(desk, TOKEN)) as server:
            self.url = str(server.make_url("/")).rstrip("/")
            self._ready.set()
            await asyncio.to_thread(self._ending.wait)
        desk.books.close()

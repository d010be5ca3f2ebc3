"""The operator's page and API: nothing without the token, never a consumer's secret, and a broken store is told as such."""

import stat
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import ClientSession
from aiohttp.test_utils import TestServer
from structlog.testing import capture_logs
from tests.administrator.administrator_parts import add_gateway, office
from tests.gateway.gateway_parts import GATEWAY_ID, START, all_profiles

from smgw.administrator.api import COOKIE, make_app, operator_token
from smgw.administrator.books import Books, open_books
from smgw.net.clock import ManualClock

TOKEN = "t" * 64
CLOSED = ["/api/v1/gateways", f"/api/v1/gateways/{GATEWAY_ID}/profiles", "/api/v1/audit", "/nowhere"]


@pytest.fixture
def books(tmp_path: Path) -> Iterator[Books]:
    books = open_books(tmp_path / "inventory.db")
    add_gateway(books.inventory)
    for profile in all_profiles():
        books.inventory.put_profile(GATEWAY_ID, profile, START, "<script>")
    yield books
    books.close()


@asynccontextmanager
async def operator(books: Books, token: str = TOKEN) -> AsyncIterator[ClientSession]:
    async with TestServer(make_app(office(books, ManualClock(START)), TOKEN)) as server:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        async with ClientSession(server.make_url("/"), headers=headers) as session:
            yield session


@pytest.mark.req("ADM-13")
@pytest.mark.parametrize("path", CLOSED)
@pytest.mark.parametrize("token", ["", "wrong", TOKEN[:-1], TOKEN + "t", "ÿ", "\udcff"])
async def test_nothing_is_shown_without_the_token(books: Books, path: str, token: str) -> None:
    async with operator(books, token) as session, session.get(path) as reply:
        assert reply.status == 401
        assert await reply.json() == {"error": "unauthorised"}


@pytest.mark.parametrize(("path", "status"), [("/nowhere", 404), ("/api/v1/gateways/X/profiles", 404)])
async def test_what_is_not_there_is_said_so(books: Books, path: str, status: int) -> None:
    async with operator(books) as session, session.get(path) as reply:
        assert reply.status == status
        assert "error" in await reply.json()


async def test_another_verb_and_a_large_form_are_refused(books: Books) -> None:
    async with operator(books) as session:
        async with session.delete("/api/v1/audit") as reply:
            assert reply.status == 405
        async with session.post("/login", data={"token": "x" * 10_000}) as reply:
            assert reply.status == 413


@pytest.mark.req("OPS-05")
async def test_a_store_that_fails_is_told_with_its_code(books: Books) -> None:
    with capture_logs() as logs:
        async with operator(books) as session:
            books.store._database.execute("DROP TABLE contact")
            async with session.get("/api/v1/gateways") as reply:
                assert reply.status == 503
                assert await reply.json() == {"error": "administrator.store"}
    assert [(entry["event"], entry["code"]) for entry in logs] == [("request_failed", "administrator.store")]


@pytest.mark.req("ADM-13")
async def test_the_page_opens_with_the_token_and_with_nothing_else(books: Books) -> None:
    async with operator(books, "") as session:
        async with session.get("/", allow_redirects=False) as reply:
            assert (reply.status, reply.headers["Location"]) == (303, "/login")
        async with session.post("/login", data={"token": "wrong"}) as reply:
            assert reply.status == 403
            assert COOKIE not in reply.cookies
        async with session.post("/login", data={"token": f" {TOKEN}\n"}, allow_redirects=False) as reply:
            assert reply.status == 303
            cookie = reply.cookies[COOKIE]
            assert cookie["httponly"] and cookie["samesite"] == "Strict"
        async with session.get("/", cookies={COOKIE: TOKEN}) as reply:
            page = await reply.text()
            assert reply.status == 200
            assert GATEWAY_ID in page
            assert "<script>" not in page
            assert reply.headers["Content-Security-Policy"].startswith("default-src 'none'")


@pytest.mark.req("ADM-11", "ADM-13")
async def test_a_consumer_s_log_in_digests_are_never_listed(books: Books) -> None:
    async with operator(books) as session, session.get(f"/api/v1/gateways/{GATEWAY_ID}/profiles") as reply:
        listed = await reply.json()
    assert [item["kind"] for item in listed] == ["communication", "meter", "evaluation"]
    assert "digest" not in str(listed)


async def test_health_and_style_are_open(books: Books) -> None:
    async with operator(books, "") as session:
        for path in ("/healthz", "/style.css", "/login"):
            async with session.get(path) as reply:
                assert reply.status == 200


@pytest.mark.req("ADM-13")
def test_the_token_is_made_once_and_is_its_owner_s_alone(tmp_path: Path) -> None:
    path = tmp_path / "administrator.token"
    assert operator_token(path, b"\x01\x02") == "0102"
    assert operator_token(path, b"\x03\x04") == "0102"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600

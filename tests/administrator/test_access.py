"""Who gets in and how long: another Host, forms from elsewhere, sessions that end, names that are locked."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.administrator.interface_parts import PASSWORD, TOKEN, Caller, add_user, make_desk, served
from tests.gateway.gateway_parts import GATEWAY_ID, START

from smgw.administrator.access import COOKIE, operator_token
from smgw.administrator.api.endpoints import Desk
from smgw.administrator.console.forms import FILES, FORMS
from smgw.administrator.sessions import IDLE_S, LOCK_S, SESSION_S, WRONG_PASSWORDS, Sessions
from smgw.administrator.users import Role, hash_password

NAMES = {
    "device_id": GATEWAY_ID, "kind": "meter", "profile_id": "1SGW0010000001", "log": "system", "number": "1", "name": "someone",
    "case": "C000001", "order": "00000000-0000-4000-8000-000000000001",
}  # fmt: skip
FORM_PATHS = [form.path.format_map(NAMES) for form in FORMS] + [path for path, _, _ in FILES]
PATHS = [*FORM_PATHS, "/logout", "/account/tokens", "/backup"]

FIELDS = {
    "order": "state", "name": "new-user", "password": PASSWORD, "purpose": "x", "passphrase": PASSWORD, "change": "off", "roles": "viewer",
}  # fmt: skip


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = make_desk(tmp_path / "gwa")
    add_user(desk.books, "op1", *Role)
    yield desk
    desk.books.close()


def counted(desk: Desk) -> tuple[int, ...]:
    """Count everything that a form could change."""
    tables = ("job", "profile", "proposal", "user", "user_token", "removed_profile")
    return tuple(desk.books.store.rows(f"SELECT count(*) FROM {table}")[0][0] for table in tables)


@pytest.mark.req("SEC-03")
@pytest.mark.parametrize("host", ["evil.invalid", "127.0.0.1.evil.invalid", "[::2]", "localhost.", ""])
async def test_another_host_name_reaches_nothing(desk: Desk, host: str) -> None:
    async with served(desk) as caller:
        assert (await caller.ask("GET", "/gateways"))[0] == 200
        for path in ("/", "/login", "/healthz", "/api/v1/gateways"):
            headers = {"Host": host, "Authorization": f"Bearer {TOKEN}"}
            async with caller.session.get(path, headers=headers, allow_redirects=False) as reply:
                assert reply.status in (400, 421), path
                assert GATEWAY_ID not in await reply.text()


@pytest.mark.req("SEC-03")
@pytest.mark.parametrize("forged", [{}, {"form_key": ""}, {"form_key": "guess"}], ids=["none", "empty", "wrong"])
async def test_a_form_without_the_key_of_its_session_does_nothing(desk: Desk, forged: dict[str, str]) -> None:
    async with served(desk) as caller:
        await caller.log_in("op1")
        before = counted(desk)
        for path in PATHS:
            status, page = await caller.send(path, {**FIELDS, **forged})
            assert (status, "administrator.form" in page) == (403, True), path
            assert counted(desk) == before, path
        assert (await caller.page("/"))[0] == 200


@pytest.mark.req("SEC-03")
async def test_a_form_that_a_foreign_page_sends_does_nothing_even_with_the_key(desk: Desk) -> None:
    async with served(desk) as caller:
        key = await caller.log_in("op1")
        before = counted(desk)
        for origin in ("http://evil.invalid", "null", f"http://127.0.0.1:{caller.server.port}.evil.invalid", "http://127.0.0.1:1"):
            status, _ = await caller.send(f"/gateways/{GATEWAY_ID}/jobs", {"form_key": key, "order": "state"}, headers={"Origin": origin})
            assert status == 403, origin
        assert counted(desk) == before
        own = f"http://127.0.0.1:{caller.server.port}"
        status, _ = await caller.send(f"/gateways/{GATEWAY_ID}/jobs", {"form_key": key, "order": "state"}, headers={"Origin": own})
        assert status == 303
        status, _ = await caller.send("/login", {"name": "op1", "password": PASSWORD}, headers={"Origin": "http://evil.invalid"})
        assert status == 403


@pytest.mark.req("ADM-13")
async def test_a_session_of_one_user_does_not_serve_another_s_forms(desk: Desk) -> None:
    add_user(desk.books, "eve", *Role)
    async with served(desk) as caller:
        foreign = await caller.log_in("eve")
        await caller.log_in("op1")
        status, _ = await caller.send(f"/gateways/{GATEWAY_ID}/jobs", {"form_key": foreign, "order": "state"})
        assert status == 403


@pytest.mark.req("ADM-13")
async def test_the_console_opens_with_a_session_and_with_nothing_else(desk: Desk) -> None:
    async with served(desk) as caller:
        for path in ("/", f"/gateways/{GATEWAY_ID}", "/audit", "/users", "/audit/export", "/nowhere"):
            async with caller.session.get(path, allow_redirects=False, headers={"Authorization": f"Bearer {TOKEN}"}) as reply:
                assert (reply.status, reply.headers["Location"], await reply.read()) == (303, "/login", b"")
        async with caller.session.post("/login", data={"name": "op1", "password": PASSWORD}, allow_redirects=False) as reply:
            cookie = reply.cookies[COOKIE]
            assert cookie["httponly"] and cookie["samesite"] == "Strict" and len(cookie.value) > 40
        async with caller.session.get("/") as reply:
            assert reply.status == 200
            assert reply.headers["Content-Security-Policy"].startswith("default-src 'none'")
            assert reply.headers["Cache-Control"] == "no-store"
        # The programs' interface does not listen to cookies, so no foreign page can use one there.
        assert (await caller.ask("GET", "/gateways", token=""))[0] == 401


@pytest.mark.req("ADM-13")
async def test_the_folder_s_token_logs_in_locally_and_approves_nothing(desk: Desk) -> None:
    async with served(desk) as caller:
        await caller.log_in()
        _, page = await caller.page("/account")
        assert "local" in page
        assert (await caller.ask("POST", "/proposals/1/approve"))[1]["error"] == "administrator.forbidden"


class Hands:
    """Move the time by which sessions are measured."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._offset = 0.0
        use = Sessions.use
        patch.setattr(Sessions, "use", lambda this, key, now_s: use(this, key, now_s + self._offset))

    def move(self, seconds: float) -> None:
        """Let time pass."""
        self._offset += seconds


@pytest.mark.req("ADM-13")
@pytest.mark.parametrize("seconds", [IDLE_S + 1, SESSION_S + 1])
async def test_a_session_ends_when_nobody_uses_it(desk: Desk, monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    async with served(desk) as caller:
        await caller.log_in("op1")
        with monkeypatch.context() as patch:
            clock = Hands(patch)
            clock.move(IDLE_S - 1)
            assert (await caller.page("/"))[0] == 200
            clock.move(seconds)
            assert (await caller.page("/"))[0] == 303


@pytest.mark.req("ADM-13")
async def test_log_out_a_new_password_and_switching_off_end_every_session(desk: Desk) -> None:
    async def ends(caller: Caller, deed: Any) -> None:
        await caller.log_in("op1")
        kept = {cookie.key: cookie.value for cookie in caller.session.cookie_jar}
        deed()
        async with caller.session.get("/", cookies=kept, allow_redirects=False) as reply:
            assert (reply.status, reply.headers["Location"]) == (303, "/login")

    users = desk.books.users
    stored = users.password_hash("op1")
    async with served(desk) as caller:
        key = await caller.log_in("op1")
        kept = {cookie.key: cookie.value for cookie in caller.session.cookie_jar}
        assert await caller.send("/logout", {"form_key": key}) == (303, "/login")
        async with caller.session.get("/", cookies=kept, allow_redirects=False) as reply:
            assert reply.status == 303
        await ends(caller, lambda: users.set_password("op1", stored, START, "test"))
        await ends(caller, lambda: users.set_active("op1", False, START, "test"))
        status, _ = await caller.send("/login", {"name": "op1", "password": PASSWORD})
        assert status == 403


@pytest.mark.req("ADM-13")
async def test_roles_count_from_the_next_request_on(desk: Desk) -> None:
    async with served(desk) as caller:
        await caller.log_in("op1")
        assert (await caller.page("/users"))[0] == 200
        desk.books.users.set_roles("op1", [Role.VIEWER], START, "test")
        assert (await caller.page("/users"))[0] == 403
        status, page = await caller.page("/")
        assert status == 200 and "/users" not in page


@pytest.mark.req("ADM-13", "ADM-10")
async def test_wrong_passwords_lock_a_name_for_a_while_and_are_audited(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    async with served(desk) as caller:
        for _ in range(WRONG_PASSWORDS):
            status, page = await caller.send("/login", {"name": "op1", "password": "wrong password"})
            assert status == 403
        status, locked = await caller.send("/login", {"name": "op1", "password": PASSWORD})
        assert (status, locked) == (403, page)
        results = [entry["result"] for entry in desk.books.audit.newest(WRONG_PASSWORDS, actor="op1")]
        assert results == ["locked"] + ["administrator.login"] * (WRONG_PASSWORDS - 1)
        await caller.log_in()
        with monkeypatch.context() as patch:
            locked = Sessions.is_locked
            patch.setattr(Sessions, "is_locked", lambda this, user, now_s: locked(this, user, now_s + LOCK_S + 1))
            await caller.log_in("op1")


async def test_an_unknown_name_looks_like_a_wrong_password_and_fills_no_trail(desk: Desk) -> None:
    async with served(desk) as caller:
        before = desk.books.audit.head()
        wrong = await caller.send("/login", {"name": "op1", "password": "wrong password"})
        after = desk.books.audit.head()
        unknown = await caller.send("/login", {"name": "nobody", "password": "wrong password"})
        assert wrong == unknown and wrong[0] == 403
        assert (after.length, desk.books.audit.head().length) == (before.length + 1, after.length)


async def test_a_large_log_in_form_is_refused(desk: Desk) -> None:
    async with served(desk) as caller:
        assert (await caller.send("/login", {"password": "x" * 10_000}))[0] == 413


@pytest.mark.req("ADM-13")
def test_the_token_is_made_once_and_is_its_owner_s_alone(tmp_path: Path) -> None:
    path = tmp_path / "administrator.token"
    assert operator_token(path, b"\x01\x02") == "0102"
    assert operator_token(path, b"\x03\x04") == "0102"
    assert path.stat().st_mode & 0o777 == 0o600


async def test_health_and_style_are_open(desk: Desk) -> None:
    async with served(desk) as caller:
        for path in ("/healthz", "/style.css", "/login", "/favicon.ico"):
            assert (await caller.page(path))[0] in (200, 204)


def test_a_hash_is_made_with_its_salt(tmp_path: Path) -> None:
    assert hash_password(PASSWORD, b"a" * 16) != hash_password(PASSWORD, b"b" * 16)

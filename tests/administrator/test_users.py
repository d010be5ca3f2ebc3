"""Users: names that stay, roles, hashes and tokens that can't be read back."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.administrator.interface_parts import PASSWORD, password_hash
from tests.gateway.gateway_parts import START

from smgw.administrator.books import Books, open_books
from smgw.administrator.users import LOCAL, LOCAL_USER, Role, hash_password, is_password
from smgw.core.errors import ConfigError, DomainFault

pytestmark = pytest.mark.req("ADM-13")
CHEAP = (4, 8, 1)


@pytest.fixture
def books(tmp_path: Path) -> Iterator[Books]:
    books = open_books(tmp_path / "inventory.db")
    books.users.add("op1", [Role.AUDITOR, Role.VIEWER, Role.VIEWER], password_hash(), START, "test")
    yield books
    books.close()


def test_a_user_has_roles_in_the_order_of_the_table(books: Books) -> None:
    assert books.users.user("op1").roles == (Role.VIEWER, Role.AUDITOR)
    assert books.users.set_roles("op1", [], START, "test").roles == ()
    assert [entry["action"] for entry in books.audit.newest(2)] == ["set roles none", "add user with roles viewer, auditor"]


@pytest.mark.parametrize(
    "name", ["op1", "", "a", "Ann", "op1 smith", "x" * 41, "-op1", "../x", "local", "system", "administrator", "ä" * 3]
)
def test_a_name_that_is_taken_reserved_or_odd_is_refused(books: Books, name: str) -> None:
    with pytest.raises(DomainFault, match=r"administrator\.user"):
        books.users.add(name, [], b"", START, "test")
    assert [user.name for user in books.users.users()] == ["op1"]


def test_a_name_is_never_given_to_anyone_else(books: Books) -> None:
    books.users.set_active("op1", False, START, "test")
    with pytest.raises(DomainFault, match="exists already"):
        books.users.add("op1", [], b"", START, "test")
    assert books.users.password_hash("op1") == b""


@pytest.mark.parametrize("password", ["", "short", "x" * 11, "x" * 201])
def test_a_password_has_a_length(password: str) -> None:
    with pytest.raises(ConfigError, match=r"administrator\.password"):
        hash_password(password, bytes(16), CHEAP)


def test_a_hash_fits_its_password_alone() -> None:
    stored = hash_password(PASSWORD, b"a" * 16, CHEAP)
    assert is_password(PASSWORD, stored)
    for wrong in (PASSWORD + " ", PASSWORD[:-1], PASSWORD.upper(), "", "\udcff", PASSWORD + "x" * 300):
        assert not is_password(wrong, stored)
    for other in (b"", stored[:-1], stored[:3] + b"b" * 16 + stored[19:], hash_password(PASSWORD + "x", b"a" * 16, CHEAP)):
        assert not is_password(PASSWORD, other)


def test_nothing_that_is_stored_is_a_password_or_a_token(books: Books) -> None:
    token, text = books.users.add_token("op1", "script", b"r" * 32, START)
    books.store.close()
    content = books.store.path.read_bytes() + b"".join(path.read_bytes() for path in books.store.path.parent.glob("*-wal"))
    assert PASSWORD.encode() not in content
    assert text.encode() not in content and b"r" * 32 not in content
    assert token.user == "op1"


def test_a_token_is_its_user_s_until_it_or_the_user_goes(books: Books) -> None:
    token, text = books.users.add_token("op1", "script", b"r" * 32, START)
    found = books.users.bearer(text)
    assert found is not None and found.name == "op1"
    books.users.add("op2", [], password_hash(), START, "test")
    with pytest.raises(DomainFault, match=r"administrator\.unknown_user"):
        books.users.remove_token("op2", token.id, START)
    books.users.remove_token("op1", token.id, START)
    assert books.users.bearer(text) is None
    _, text = books.users.add_token("op1", "script", b"s" * 32, START)
    books.users.set_active("op1", False, START, "test")
    books.users.set_active("op1", True, START, "test")
    assert books.users.bearer(text) is None
    assert books.users.tokens("op1") == []


def test_what_ends_sessions_is_counted(books: Books) -> None:
    before = books.users.user("op1").changed
    books.users.set_roles("op1", [Role.OPERATOR], START, "test")
    assert books.users.user("op1").changed == before
    books.users.set_password("op1", password_hash(), START, "test")
    books.users.set_active("op1", False, START, "test")
    assert books.users.user("op1").changed == before + 2


@pytest.mark.parametrize("deed", ["user", "set_roles", "set_active", "set_password", "add_token"])
def test_nobody_is_nobody(books: Books, deed: str) -> None:
    calls = {
        "user": lambda: books.users.user("eve"),
        "set_roles": lambda: books.users.set_roles("eve", [], START, "test"),
        "set_active": lambda: books.users.set_active("eve", True, START, "test"),
        "set_password": lambda: books.users.set_password("eve", b"", START, "test"),
        "add_token": lambda: books.users.add_token("eve", "x", bytes(32), START),
    }
    length = books.audit.head().length
    with pytest.raises(DomainFault, match=r"administrator\.unknown_user"):
        calls[deed]()
    assert books.audit.head().length == length


def test_the_folder_s_token_never_approves() -> None:
    assert LOCAL_USER.name == LOCAL
    assert set(LOCAL_USER.roles) == set(Role) - {Role.APPROVER}

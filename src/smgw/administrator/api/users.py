"""Users and roles; and what each user may do for themselves. Source: ADM-10, ADM-13."""

import asyncio
from typing import Annotated

import msgspec

from smgw.administrator.api.endpoints import ANYONE, MANAGING_USERS, Call, Endpoint
from smgw.administrator.users import LOCAL, Role, Token, User, hash_password, is_password
from smgw.core.errors import DomainFault, SecurityFault

Password = Annotated[str, msgspec.Meta(max_length=200)]
Name = Annotated[str, msgspec.Meta(max_length=40)]
SALT_OCTETS = 16
TOKEN_OCTETS = 32


class UserRow(msgspec.Struct, frozen=True):
    """Show one user."""

    name: str
    roles: tuple[Role, ...]
    active: bool
    created_at: str


class NewUser(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Make a user."""

    name: Name
    password: Password
    roles: tuple[Role, ...] = ()


class UserChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Change a user; what is not given stays."""

    roles: tuple[Role, ...] | None = None
    active: bool | None = None
    password: Password | None = None


class PasswordChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Change the own password."""

    old: Password
    new: Password


class NewToken(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Make a token for a program."""

    purpose: Annotated[str, msgspec.Meta(min_length=1, max_length=80)]


class MadeToken(msgspec.Struct, frozen=True):
    """Give a token, this once."""

    id: int
    token: str


def user_row(user: User) -> UserRow:
    """Show a user."""
    return UserRow(user.name, user.roles, user.active, user.created_at)


def users(call: Call) -> list[UserRow]:
    """List all users."""
    return [user_row(user) for user in call.books.users.users()]


async def _hashed(call: Call, password: str) -> bytes:
    return await asyncio.to_thread(hash_password, password, call.desk.random(SALT_OCTETS))


async def add_user(call: Call) -> UserRow:
    """Make a user. Raises: ConfigError administrator.password, DomainFault administrator.user."""
    password = await _hashed(call, call.body.password)
    return user_row(call.books.users.add(call.body.name, call.body.roles, password, call.now, call.user.name))


async def change_user(call: Call) -> UserRow:
    """Change a user. Raises: ConfigError administrator.password, DomainFault administrator.unknown_user."""
    name, change, book = call.path["name"], call.body, call.books.users
    book.user(name)
    password = None if change.password is None else await _hashed(call, change.password)
    with call.books.store.write():
        if change.roles is not None:
            book.set_roles(name, change.roles, call.now, call.user.name)
        if password is not None:
            book.set_password(name, password, call.now, call.user.name)
        if change.active is not None and change.active != book.user(name).active:
            book.set_active(name, change.active, call.now, call.user.name)
    return user_row(book.user(name))


def me(call: Call) -> UserRow:
    """Tell who asks."""
    return user_row(call.user)


def _require_person(call: Call) -> None:
    if call.user.name == LOCAL:
        raise DomainFault("administrator.user", "the folder's token is nobody's; log in as a user")


async def change_password(call: Call) -> UserRow:
    """Change the own password. Raises: SecurityFault administrator.login, ConfigError administrator.password."""
    _require_person(call)
    if not await asyncio.to_thread(is_password, call.body.old, call.books.users.password_hash(call.user.name)):
        raise SecurityFault("administrator.login", call.user.name)
    call.books.users.set_password(call.user.name, await _hashed(call, call.body.new), call.now, call.user.name)
    return user_row(call.user)


def tokens(call: Call) -> list[Token]:
    """List the own tokens."""
    return call.books.users.tokens(call.user.name)


def add_token(call: Call) -> MadeToken:
    """Make a token that may do what its user may."""
    _require_person(call)
    token, text = call.books.users.add_token(call.user.name, call.body.purpose, call.desk.random(TOKEN_OCTETS), call.now)
    return MadeToken(token.id, text)


def remove_token(call: Call) -> list[Token]:
    """Take back an own token."""
    call.books.users.remove_token(call.user.name, call.number(), call.now)
    return call.books.users.tokens(call.user.name)


ENDPOINTS = (
    Endpoint("GET", "/users", MANAGING_USERS, users, "List the users", list[UserRow]),
    Endpoint("POST", "/users", MANAGING_USERS, add_user, "Make a user", UserRow, NewUser, status=201),
    Endpoint("PUT", "/users/{name}", MANAGING_USERS, change_user, "Change roles, password or switch a user on or off", UserRow, UserChange),
    Endpoint("GET", "/me", ANYONE, me, "Show who I am", UserRow),
    Endpoint("PUT", "/me/password", ANYONE, change_password, "Change my password", UserRow, PasswordChange),
    Endpoint("GET", "/me/tokens", ANYONE, tokens, "List my tokens", list[Token]),
    Endpoint("POST", "/me/tokens", ANYONE, add_token, "Make a token for a program of mine", MadeToken, NewToken, status=201),
    Endpoint("DELETE", "/me/tokens/{number}", ANYONE, remove_token, "Take back a token of mine", list[Token]),
)

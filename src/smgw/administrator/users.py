"""The administrator's users: who may do what. Passwords are kept as scrypt hashes, tokens as SHA-256 of 32 random octets.

A user is never deleted, only switched off, so that a name in the audit trail means one person for ever. Source: ADM-10, ADM-13.
"""

import hashlib
import hmac
import re
from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum

import msgspec

from smgw.administrator.audit import Audit
from smgw.administrator.store import Store
from smgw.core.errors import ConfigError, DomainFault
from smgw.core.instant import utc_text


class Role(StrEnum):
    """Name what a user may be allowed."""

    VIEWER = "viewer"
    """See gateways, profiles, jobs, logs."""
    OPERATOR = "operator"
    """Order and configure."""
    AUDITOR = "auditor"
    """Read and export the audit trail."""
    APPROVER = "approver"
    """Decide what others have proposed."""
    USER_MANAGER = "user-manager"
    """Make users, give roles, set passwords."""
    KEEPER = "keeper"
    """Take backups; they hold the keys."""


LOCAL = "local"
"""Who acts with the token of the folder; whoever may read it has every role but the approver's, for approving takes a second person."""

_RESERVED = frozenset({LOCAL, "administrator", "system"})
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{1,39}")
PASSWORD_LENGTHS = range(12, 201)
COST = (14, 8, 5)
"""Of scrypt: logarithm of the rounds, block size, parallel lanes; each hash says which it was made with."""
_MEMORY = 64 << 20
_SALT = 16
_SCHEMA = """
CREATE TABLE IF NOT EXISTS user (
  name TEXT PRIMARY KEY, password BLOB NOT NULL, roles TEXT NOT NULL, active INTEGER NOT NULL, created_at TEXT NOT NULL,
  changed INTEGER NOT NULL DEFAULT 1
) STRICT;
CREATE TABLE IF NOT EXISTS user_token (
  id INTEGER PRIMARY KEY, user TEXT NOT NULL REFERENCES user(name), purpose TEXT NOT NULL, hash BLOB NOT NULL UNIQUE,
  created_at TEXT NOT NULL
) STRICT;
"""
_ALL = "SELECT name, roles, active, created_at, changed FROM user ORDER BY name"
_ONE = "SELECT name, roles, active, created_at, changed FROM user WHERE name=?"


class User(msgspec.Struct, frozen=True):
    """Hold one user."""

    name: str
    roles: tuple[Role, ...]
    active: bool = True
    created_at: str = ""
    changed: int = 1
    """Counts password changes and switching off: a session begun before one of them is over."""


class Token(msgspec.Struct, frozen=True):
    """Describe a token of a user; the token itself is shown once, when it is made."""

    id: int
    user: str
    purpose: str
    created_at: str


LOCAL_USER = User(LOCAL, tuple(role for role in Role if role is not Role.APPROVER))


def hash_password(password: str, salt: bytes, cost: tuple[int, int, int] = COST) -> bytes:
    """Give cost, salt (16 octets) and scrypt hash of a password. Takes a tenth of a second. Raises: ConfigError administrator.password."""
    if len(password) not in PASSWORD_LENGTHS:
        raise ConfigError("administrator.password", f"{len(password)} characters")
    return bytes(cost) + salt + _scrypt(password, salt, *cost)


def is_password(password: str, stored: bytes) -> bool:
    """Compare a password with a stored hash; it takes its time for a user that is not known (empty hash), too."""
    cost, salt, digest = tuple(stored[:3]) or COST, stored[3 : 3 + _SALT] or bytes(_SALT), stored[3 + _SALT :]
    computed = _scrypt(password[: PASSWORD_LENGTHS.stop], salt, *cost)
    return hmac.compare_digest(computed, digest) and bool(stored)


def _scrypt(password: str, salt: bytes, log2_n: int, block: int, parallel: int) -> bytes:
    octets = password.encode(errors="surrogatepass")
    return hashlib.scrypt(octets, salt=salt, n=1 << log2_n, r=block, p=parallel, maxmem=_MEMORY, dklen=32)


class Users:
    """Keep users, their roles and tokens."""

    def __init__(self, store: Store, audit: Audit) -> None:
        self._store = store
        self._audit = audit
        store.install(_SCHEMA)

    def add(self, name: str, roles: Iterable[Role], password: bytes, at: datetime, actor: str) -> User:
        """Make a user; `password` is the hash. Raises: DomainFault administrator.user."""
        wanted = _ordered(roles)
        if not _NAME.fullmatch(name) or name in _RESERVED:
            raise DomainFault("administrator.user", "a name has 2 to 40 characters: a-z, 0-9, dot, hyphen, underscore")
        with self._store.write() as database:
            if database.execute("SELECT 1 FROM user WHERE name=?", (name,)).fetchone():
                raise DomainFault("administrator.user", f"{name} exists already")
            database.execute("INSERT INTO user VALUES (?,?,?,1,?,1)", (name, password, msgspec.json.encode(wanted).decode(), utc_text(at)))
            self._audit.note(at, actor, f"add user with roles {', '.join(wanted) or 'none'}", name, "done")
        return self.user(name)

    def set_roles(self, name: str, roles: Iterable[Role], at: datetime, actor: str) -> User:
        """Give a user other roles, from the next request on. Raises: DomainFault administrator.unknown_user."""
        wanted = _ordered(roles)
        with self._store.write() as database:
            self.user(name)
            database.execute("UPDATE user SET roles=? WHERE name=?", (msgspec.json.encode(wanted).decode(), name))
            self._audit.note(at, actor, f"set roles {', '.join(wanted) or 'none'}", name, "done")
        return self.user(name)

    def set_active(self, name: str, active: bool, at: datetime, actor: str) -> User:
        """Switch a user on or off; off ends the sessions, and tokens are gone for good. Raises: DomainFault administrator.unknown_user."""
        with self._store.write() as database:
            self.user(name)
            database.execute("UPDATE user SET active=?, changed=changed+1 WHERE name=?", (int(active), name))
            if not active:
                database.execute("DELETE FROM user_token WHERE user=?", (name,))
            self._audit.note(at, actor, "switch user on" if active else "switch user off", name, "done")
        return self.user(name)

    def set_password(self, name: str, password: bytes, at: datetime, actor: str) -> None:
        """Change the password; sessions of the user end. Raises: DomainFault administrator.unknown_user."""
        with self._store.write() as database:
            self.user(name)
            database.execute("UPDATE user SET password=?, changed=changed+1 WHERE name=?", (password, name))
            self._audit.note(at, actor, "set password", name, "done")

    def users(self) -> list[User]:
        """List all users by name."""
        return [_user(row) for row in self._store.rows(_ALL)]

    def user(self, name: str) -> User:
        """Give one user. Raises: DomainFault administrator.unknown_user."""
        rows = self._store.rows(_ONE, (name,))
        if not rows:
            raise DomainFault("administrator.unknown_user", name[:40])
        return _user(rows[0])

    def password_hash(self, name: str) -> bytes:
        """Give the hash of an active user's password; empty for anybody else."""
        rows = self._store.rows("SELECT password FROM user WHERE name=? AND active=1", (name,))
        return bytes(rows[0][0]) if rows else b""

    def add_token(self, name: str, purpose: str, random: bytes, at: datetime) -> tuple[Token, str]:
        """Make a token for programs of a user from 32 random octets; gives it once. Raises: DomainFault administrator.unknown_user."""
        text = f"smgw_{random.hex()}"
        with self._store.write() as database:
            self.user(name)
            cursor = database.execute(
                "INSERT INTO user_token (user, purpose, hash, created_at) VALUES (?,?,?,?)", (name, purpose, _digest(text), utc_text(at))
            )
            self._audit.note(at, name, "make token", purpose, "done")
        return Token(cursor.lastrowid or 0, name, purpose, utc_text(at)), text

    def remove_token(self, name: str, number: int, at: datetime) -> None:
        """Take back a token of a user. Raises: DomainFault administrator.unknown_user when it has no such token."""
        with self._store.write() as database:
            if not database.execute("DELETE FROM user_token WHERE id=? AND user=?", (number, name)).rowcount:
                raise DomainFault("administrator.unknown_user", f"no token {number}")
            self._audit.note(at, name, "remove token", str(number), "done")

    def tokens(self, name: str) -> list[Token]:
        """List the tokens of a user."""
        return [
            Token(*row)
            for row in self._store.rows("SELECT id, user, purpose, created_at FROM user_token WHERE user=? ORDER BY id", (name,))
        ]

    def bearer(self, token: str) -> User | None:
        """Give the active user whose token this is."""
        sql = "SELECT u.name, u.roles, u.active, u.created_at, u.changed FROM user u JOIN user_token t ON t.user=u.name WHERE t.hash=?"
        rows = self._store.rows(sql, (_digest(token),))
        return _user(rows[0]) if rows and rows[0][2] else None


def _digest(token: str) -> bytes:
    # Headers may hold octets that are no text; they come as lone surrogates.
    return hashlib.sha256(token.encode(errors="surrogatepass")).digest()


def _ordered(roles: Iterable[Role]) -> list[Role]:
    wanted = frozenset(roles)
    return [role for role in Role if role in wanted]


def _user(row: tuple[object, ...]) -> User:
    name, roles, active, created_at, changed = row
    return User(str(name), msgspec.json.decode(str(roles), type=tuple[Role, ...]), bool(active), str(created_at), int(str(changed)))

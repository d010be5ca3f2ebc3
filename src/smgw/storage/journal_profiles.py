"""The journal's profiles: every version ever installed, with the signed document it came in, in one hash chain."""

from datetime import datetime

import msgspec

from smgw.core.errors import DomainFault, UsageError
from smgw.core.instant import microseconds
from smgw.core.profiles import PROFILE_KINDS, Profile, profile_key
from smgw.storage.database import Database, Row

PROFILES = "profiles"
WALK_PROFILES = (
    "SELECT '', sequence, hash, kind, profile_id, version, installed_at, body, document FROM profiles WHERE sequence > ? ORDER BY sequence"
)

_ENCODER = msgspec.json.Encoder(order="deterministic")
_KIND_OF = {kind: name for name, kind in PROFILE_KINDS.items()}


def _canonical(kind: str, profile_id: str, version: int, installed_at: int, body: bytes, document: bytes) -> bytes:
    head = _ENCODER.encode([kind, profile_id, version, installed_at, len(body)])
    return head + b"\0" + body + document


def canonical_profile_row(row: Row) -> bytes:
    """Give the hashed octets of a row of `WALK_PROFILES` from its fourth column on: a JSON head, a zero octet, profile, document.

    Raises: ValueError when its columns disagree.
    """
    kind, profile_id, version, installed_at, body, document = row
    profile = _decode(kind, body)
    if (profile_key(profile), profile.version) != (profile_id, version):
        raise ValueError("columns and profile disagree")
    return _canonical(kind, profile_id, version, installed_at, body, document)


def _decode(kind: str, body: bytes) -> Profile:
    profile: Profile = msgspec.json.decode(body, type=PROFILE_KINDS[kind])
    return profile


def put_profile(database: Database, profile: Profile, document: bytes, installed_at: datetime) -> None:
    """Install a new version; the stored version with the same document does nothing. Raises: DomainFault profile.version."""
    kind, profile_id = _KIND_OF[type(profile)], profile_key(profile)
    with database.transaction():
        newest = _newest(database, kind, profile_id)
        if newest is not None:
            version, stored = newest
            if profile.version == version and document == stored:
                return
            if profile.version <= version:
                raise DomainFault("profile.version", f"{kind} {profile_id}: {profile.version} after {version}")
        body = _ENCODER.encode(profile)
        columns = (kind, profile_id, profile.version, microseconds(installed_at), body, document)
        head = database.advance(PROFILES, "", _canonical(*columns))
        database.execute("INSERT INTO profiles VALUES (?, ?, ?, ?, ?, ?, ?, ?)", (head.length, *columns, head.digest))


def _newest(database: Database, kind: str, profile_id: str) -> tuple[int, bytes] | None:
    query = "SELECT version, document FROM profiles WHERE kind = ? AND profile_id = ? ORDER BY version DESC LIMIT 1"
    row = database.row(query, (kind, profile_id))
    return None if row is None else (row[0], row[1])


def delete_profile(database: Database, kind: str, profile_id: str) -> None:
    """Let a profile hold no more; all its versions stay in the chain, and a higher one can be installed.

    Raises: DomainFault profile.unknown.
    """
    with database.transaction():
        newest = _newest(database, kind, profile_id)
        if newest is None or profile_id not in {profile_key(profile) for profile in select_profiles(database, kind)}:
            raise DomainFault("profile.unknown", f"{kind[:20]} {profile_id[:64]}")
        key = f"deleted/{kind}/{profile_id}"
        database.execute(
            "INSERT INTO state VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value", (key, str(newest[0]).encode())
        )


_HELD = (
    "version > coalesce((SELECT CAST(CAST(value AS TEXT) AS INTEGER) FROM state WHERE key = 'deleted/' || kind || '/' || profile_id), 0)"
)
"""Versions after the deletion, if there was one."""


def select_profiles(database: Database, kind: str) -> list[Profile]:
    """Read the newest version of each profile of a kind, sorted by id. Raises: UsageError journal.profile_kind."""
    if kind not in PROFILE_KINDS:
        raise UsageError("journal.profile_kind", kind)
    query = f"SELECT body, max(version) FROM profiles WHERE kind = ? AND {_HELD} GROUP BY profile_id ORDER BY profile_id"  # noqa: S608
    return [_decode(kind, body) for body, _ in database.rows(query, (kind,))]


def select_profile_history(database: Database, kind: str) -> list[Profile]:
    """Read every version of each profile of a kind, sorted by id and version. Raises: UsageError journal.profile_kind."""
    if kind not in PROFILE_KINDS:
        raise UsageError("journal.profile_kind", kind)
    query = f"SELECT body FROM profiles WHERE kind = ? AND {_HELD} ORDER BY profile_id, version"  # noqa: S608
    return [_decode(kind, body) for (body,) in database.rows(query, (kind,))]


def profile_document(database: Database, kind: str, profile_id: str) -> bytes | None:
    """Read the signed document of the newest version."""
    newest = _newest(database, kind, profile_id)
    return None if newest is None else newest[1]

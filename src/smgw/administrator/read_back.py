"""Read a gateway's profiles back and compare them with those that it shall hold; and remember why it took one not.

A gateway tells of each profile its version and the digest of its content, of a consumer's too: no content comes back, so none is shown.
Source: ADM-02, ADM-11; 20-wan-crypto-pki 9.1.
"""

from datetime import datetime
from typing import Literal, NamedTuple

import msgspec

from smgw.administrator.inventory import Inventory
from smgw.administrator.store import Store
from smgw.core.errors import DecodeFault
from smgw.core.instant import utc_text
from smgw.core.profiles import PROFILE_KINDS, Profile, profile_digest, profile_key

RESOURCE = "rts/profiles"
"""What is asked of the gateway."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS profile_refusal (
  device_id TEXT NOT NULL, kind TEXT NOT NULL, id TEXT NOT NULL, version INTEGER NOT NULL, code TEXT NOT NULL, at TEXT NOT NULL,
  PRIMARY KEY (device_id, kind, id)
) STRICT;
"""

Finding = Literal["same", "missing", "refused", "older", "newer", "another", "unexpected"]


class Held(msgspec.Struct, frozen=True):
    """Hold what a gateway tells of one profile."""

    version: int
    sha256: str


class Compared(msgspec.Struct, frozen=True):
    """Say of one profile what was found."""

    kind: str
    id: str
    wanted: int
    """Version that the gateway shall hold; 0: none."""
    held: int
    """Version that it holds; 0: none."""
    finding: Finding
    code: str
    """Why the gateway refused it."""


class Refusal(NamedTuple):
    """Hold why a version of a profile was not taken."""

    version: int
    code: str
    at: str


class ProfileRefusals:
    """Keep of each profile the last refusal, until the gateway takes it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        store.install(_SCHEMA)

    def note(self, device_id: str, profile: Profile, code: str, at: datetime) -> None:
        """Note what a gateway answered to a profile; an empty code says that it took it."""
        kind = next(name for name, kind in PROFILE_KINDS.items() if isinstance(profile, kind))
        with self._store.write() as database:
            if code:
                row = (device_id, kind, profile_key(profile), profile.version, code, utc_text(at))
                database.execute("INSERT OR REPLACE INTO profile_refusal VALUES (?,?,?,?,?,?)", row)
            else:
                database.execute(
                    "DELETE FROM profile_refusal WHERE device_id=? AND kind=? AND id=?", (device_id, kind, profile_key(profile))
                )

    def of(self, device_id: str) -> dict[tuple[str, str], Refusal]:
        """Give what a gateway refused: kind and id -> why."""
        rows = self._store.rows("SELECT kind, id, version, code, at FROM profile_refusal WHERE device_id=?", (device_id,))
        return {(kind, profile_id): Refusal(version, code, at) for kind, profile_id, version, code, at in rows}


def read_held(body: bytes) -> dict[str, dict[str, Held]]:
    """Read what a gateway tells: kind -> id -> version and digest. Raises: DecodeFault command.structure."""
    try:
        return msgspec.json.decode(body, type=dict[str, dict[str, Held]])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as problem:
        raise DecodeFault("command.structure", "body of an answer") from problem


def compare(
    inventory: Inventory, device_id: str, held: dict[str, dict[str, Held]], refusals: dict[tuple[str, str], Refusal]
) -> list[Compared]:
    """Compare what a gateway holds with what it shall hold, in the order of kinds, then of ids."""
    wanted = {(kind, profile_key(profile)): profile for kind, profile in inventory.profiles(device_id)}
    found = {(kind, name): one for kind in PROFILE_KINDS for name, one in held.get(kind, {}).items()}
    order = list(PROFILE_KINDS)
    keys = sorted(wanted.keys() | found.keys(), key=lambda key: (order.index(key[0]), key[1]))
    return [_judge(key, wanted.get(key), found.get(key), refusals.get(key)) for key in keys]


def _judge(key: tuple[str, str], wanted: Profile | None, held: Held | None, refusal: Refusal | None) -> Compared:
    version = wanted.version if wanted is not None else 0
    if wanted is None:
        finding: Finding = "unexpected"
    elif held is not None and held.version == version:
        finding = "same" if held.sha256 == profile_digest(wanted) else "another"
    elif held is not None and held.version > version:
        finding = "newer"
    elif refusal is not None and refusal.version == version:
        finding = "refused"
    else:
        finding = "missing" if held is None else "older"
    code = refusal.code if finding == "refused" and refusal is not None else ""
    return Compared(*key, version, held.version if held is not None else 0, finding, code)

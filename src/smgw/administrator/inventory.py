"""The administrator's inventory: gateways, the profiles each shall hold, contacts.

No consumption value has a place here.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import lru_cache

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from smgw.administrator.audit import Audit
from smgw.administrator.store import Store
from smgw.core.errors import DomainFault
from smgw.core.instant import utc_text
from smgw.core.profiles import PROFILE_KINDS, Profile, profile_key
from smgw.pki.parsing import load_certificate

_SCHEMA = """
CREATE TABLE IF NOT EXISTS gateway (
  device_id TEXT PRIMARY KEY, tls BLOB NOT NULL, sig BLOB NOT NULL, enc BLOB NOT NULL, added_at TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS profile (
  device_id TEXT NOT NULL REFERENCES gateway(device_id), kind TEXT NOT NULL, id TEXT NOT NULL, version INTEGER NOT NULL,
  body BLOB NOT NULL, created_at TEXT NOT NULL, PRIMARY KEY (device_id, kind, id, version)
) STRICT;
CREATE TABLE IF NOT EXISTS removed_profile (
  device_id TEXT NOT NULL, kind TEXT NOT NULL, id TEXT NOT NULL, version INTEGER NOT NULL, PRIMARY KEY (device_id, kind, id)
) STRICT;
CREATE TABLE IF NOT EXISTS contact (
  device_id TEXT PRIMARY KEY, last_contact TEXT NOT NULL, state TEXT NOT NULL, facts BLOB NOT NULL
) STRICT;
"""

_HELD = (
    "FROM profile p WHERE device_id=? AND version=(SELECT max(version) FROM profile q WHERE q.device_id=p.device_id AND q.kind=p.kind "
    "AND q.id=p.id) AND NOT EXISTS (SELECT 1 FROM removed_profile r WHERE r.device_id=p.device_id AND r.kind=p.kind AND r.id=p.id "
    "AND r.version>=p.version)"
)
_PROFILES = f"SELECT kind, body {_HELD} ORDER BY id"
_FLEET = (
    "SELECT g.device_id, g.tls, g.sig, g.enc, coalesce(c.last_contact, ''), coalesce(c.state, 'unknown'), coalesce(c.facts, x'7b7d'), "
    "(SELECT count(DISTINCT kind || '/' || id) FROM profile p WHERE p.device_id=g.device_id) - "
    "(SELECT count(*) FROM removed_profile r WHERE r.device_id=g.device_id AND NOT EXISTS (SELECT 1 FROM profile p "
    "WHERE p.device_id=r.device_id AND p.kind=r.kind AND p.id=r.id AND p.version>r.version)) "
    "FROM gateway g LEFT JOIN contact c ON c.device_id=g.device_id WHERE ?='' OR g.device_id=? ORDER BY g.device_id"
)


class Gateway(msgspec.Struct, frozen=True):
    """Hold one gateway's certificates."""

    device_id: str
    tls: x509.Certificate
    sig: x509.Certificate
    enc: x509.Certificate


class GatewayStatus(msgspec.Struct, frozen=True):
    """Hold what the fleet list shows of one gateway."""

    device_id: str
    last_contact: str
    state: str
    profiles: int
    certificate_days_left: int
    facts: msgspec.Raw


class Inventory:
    """Keep the fleet: certificates, profiles to hold, last contacts. Source: ADM-01, ADM-02, ADM-11."""

    def __init__(self, store: Store, audit: Audit) -> None:
        self._store = store
        self._audit = audit
        self._channels: Counter[str] = Counter()
        store.install(_SCHEMA)

    @contextmanager
    def connected(self, device_id: str) -> Iterator[None]:
        """Count a gateway as reachable while its channel is open."""
        self._channels[device_id] += 1
        try:
            yield
        finally:
            self._channels[device_id] -= 1

    def channels(self) -> int:
        """Count the gateways that were reachable at least once since the start: nearly all of these are."""
        return len(self._channels)

    def is_connected(self, device_id: str) -> bool:
        """Tell whether a gateway's channel is open now."""
        return self._channels[device_id] > 0

    def add_gateway(
        self, device_id: str, tls: x509.Certificate, sig: x509.Certificate, enc: x509.Certificate, at: datetime, actor: str
    ) -> None:
        """Add a gateway, or exchange its certificates."""
        blobs = [certificate.public_bytes(Encoding.DER) for certificate in (tls, sig, enc)]
        with self._store.write() as database:
            database.execute(
                "INSERT INTO gateway VALUES (?,?,?,?,?) ON CONFLICT(device_id) "
                "DO UPDATE SET tls=excluded.tls, sig=excluded.sig, enc=excluded.enc",
                (device_id, *blobs, utc_text(at)),
            )
            self._audit.note(at, actor, "add gateway", device_id, "done")

    def gateways(self) -> list[str]:
        """List device ids, sorted."""
        return [device_id for (device_id,) in self._store.rows("SELECT device_id FROM gateway ORDER BY device_id")]

    def gateway(self, device_id: str) -> Gateway | None:
        """Give one gateway's certificates."""
        rows = self._store.rows("SELECT tls, sig, enc FROM gateway WHERE device_id=?", (device_id,))
        return Gateway(device_id, *map(load_certificate, rows[0])) if rows else None

    def put_profile(self, device_id: str, profile: Profile, at: datetime, actor: str) -> None:
        """Note the profile a gateway shall hold; a profile that was removed may come back with a higher version.

        Raises: DomainFault administrator.unknown_gateway, and profile.version unless its version is higher than the last one's.
        """
        if self.gateway(device_id) is None:
            raise DomainFault("administrator.unknown_gateway", device_id)
        kind = next(name for name, kind in PROFILE_KINDS.items() if isinstance(profile, kind))
        with self._store.write() as database:
            last = database.execute(
                "SELECT max(version) FROM profile WHERE device_id=? AND kind=? AND id=?", (device_id, kind, profile_key(profile))
            ).fetchone()[0]
            if last is not None and last >= profile.version:
                raise DomainFault("profile.version", f"{profile_key(profile)} has version {last}")
            database.execute(
                "INSERT INTO profile VALUES (?,?,?,?,?,?)",
                (device_id, kind, profile_key(profile), profile.version, msgspec.json.encode(profile), utc_text(at)),
            )
            self._audit.note(at, actor, f"put {kind} profile version {profile.version}", f"{device_id}/{profile_key(profile)}", "done")

    def profiles(self, device_id: str) -> list[tuple[str, Profile]]:
        """Give the newest version of each profile a gateway shall hold, in the order in which they must be installed."""
        rows = self._store.rows(_PROFILES, (device_id,))
        order = ("communication", "meter", "consumer", "evaluation")
        found: list[tuple[str, Profile]] = [(kind, msgspec.json.decode(body, type=PROFILE_KINDS[kind])) for kind, body in rows]
        return sorted(found, key=lambda item: order.index(item[0]))

    def remove_profile(self, device_id: str, kind: str, profile_id: str, at: datetime, actor: str) -> None:
        """Note that a gateway shall no longer hold a profile. Raises: DomainFault administrator.unknown_profile."""
        with self._store.write() as database:
            held = {(name, profile_key(profile)): profile.version for name, profile in self.profiles(device_id)}
            if (kind, profile_id) not in held:
                raise DomainFault("administrator.unknown_profile", f"{kind} {profile_id}")
            database.execute(
                "INSERT OR REPLACE INTO removed_profile VALUES (?,?,?,?)", (device_id, kind, profile_id, held[kind, profile_id])
            )
            self._audit.note(at, actor, f"remove {kind} profile", f"{device_id}/{profile_id}", "done")

    def revision(self, device_id: str = "") -> int:
        """Count the profile versions ever noted, or those of one gateway: a change means that there is something to send."""
        if device_id:
            return int(self._store.rows("SELECT count(*) FROM profile WHERE device_id=?", (device_id,))[0][0])
        return int(self._store.rows("SELECT count(*) FROM profile")[0][0])

    def newest(self) -> int:
        """Give the number of the profile version that was noted last."""
        return int(self._store.rows("SELECT coalesce(max(rowid), 0) FROM profile")[0][0])

    def noted_since(self, number: int) -> list[tuple[int, str]]:
        """Give number and gateway of each profile version that was noted after one."""
        return self._store.rows("SELECT rowid, device_id FROM profile WHERE rowid > ?", (number,))

    def facts(self, device_id: str) -> bytes:
        """Give what a gateway last reported about itself, as JSON."""
        rows = self._store.rows("SELECT facts FROM contact WHERE device_id=?", (device_id,))
        return bytes(rows[0][0]) if rows else b"{}"

    def note_contact(self, device_id: str, at: datetime, state: str, facts: bytes) -> None:
        """Keep the newest contact and the facts that the gateway reported about itself."""
        with self._store.write() as database:
            database.execute(
                "INSERT INTO contact VALUES (?,?,?,?) ON CONFLICT(device_id) DO UPDATE SET last_contact=excluded.last_contact, "
                "state=excluded.state, facts=excluded.facts",
                (device_id, utc_text(at), state, facts),
            )

    def status(self, now: datetime, device_id: str = "") -> list[GatewayStatus]:
        """List the fleet as it was last seen, or one gateway of it."""
        return [
            GatewayStatus(device, last, state, profiles, (min(map(_end, (tls, sig, enc))) - now).days, msgspec.Raw(facts))
            for device, tls, sig, enc, last, state, facts, profiles in self._store.rows(_FLEET, (device_id, device_id))
        ]


@lru_cache(maxsize=16_384)
def _end(certificate: bytes) -> datetime:
    """Give the end of a certificate's validity; a fleet's certificates are asked for at each look at its list."""
    return load_certificate(certificate).not_valid_after_utc

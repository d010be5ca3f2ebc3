"""The exchanges of gateways' keys that are under way: what was ordered, and which certificates a gateway is to get.

New certificates are noted before they are sent. The gateway decides when they count, by calling with them; until then it is known by the
old ones, and the exchange goes on where it broke off.
Source: LIFE-08; PKI-01; SEC-04.
"""

from datetime import datetime
from typing import NamedTuple

from cryptography import x509

from smgw.administrator.audit import Audit
from smgw.administrator.inventory import Inventory
from smgw.administrator.store import Store
from smgw.core.errors import DomainFault
from smgw.core.instant import utc_text
from smgw.pki.triple import CertificateTriple, read_certificates, triple_of

_SCHEMA = """
CREATE TABLE IF NOT EXISTS exchange (
  device_id TEXT PRIMARY KEY, reason TEXT NOT NULL, curve TEXT NOT NULL, ordered_at TEXT NOT NULL, ordered_by TEXT NOT NULL,
  certificates BLOB NOT NULL DEFAULT x''
) STRICT;
"""

PERSONALISATION, RENEWAL, DECOMMISSION = "personalisation", "renewal", "decommission"


class Exchange(NamedTuple):
    """Hold one exchange, in the order of the table's columns."""

    device_id: str
    reason: str
    curve: str
    ordered_at: str
    ordered_by: str
    certificates: bytes
    """PEM of the three and their issuer's; empty while they are not issued."""

    @property
    def triple(self) -> CertificateTriple | None:
        """Give the new certificates."""
        return triple_of(read_certificates(self.certificates)[:3]) if self.certificates else None


class Exchanges:
    """Keep at most one exchange a gateway; a gateway's end is kept here, too, for it needs the same authentication."""

    def __init__(self, store: Store, audit: Audit, inventory: Inventory) -> None:
        self._store = store
        self._audit = audit
        self._inventory = inventory
        store.install(_SCHEMA)

    def order(self, device_id: str, reason: str, curve: str, at: datetime, actor: str) -> None:
        """Order new keys; one exchange that is under way stays as it is. Raises: DomainFault administrator.unknown_gateway."""
        if self._inventory.gateway(device_id) is None:
            raise DomainFault("administrator.unknown_gateway", device_id)
        with self._store.write() as database:
            cursor = database.execute(
                "INSERT INTO exchange (device_id, reason, curve, ordered_at, ordered_by) VALUES (?,?,?,?,?) ON CONFLICT DO NOTHING",
                (device_id, reason, curve, utc_text(at), actor),
            )
            what = "order the end" if reason == DECOMMISSION else f"order new keys ({reason}, {curve})"
            self._audit.note(at, actor, what, device_id, "ordered" if cursor.rowcount else "under way")

    def under_way(self, device_id: str) -> Exchange | None:
        """Give the exchange of one gateway."""
        rows = self._store.rows("SELECT * FROM exchange WHERE device_id=?", (device_id,))
        return Exchange(*rows[0]) if rows else None

    def listed(self) -> list[Exchange]:
        """Give all that are under way."""
        return [Exchange(*row) for row in self._store.rows("SELECT * FROM exchange ORDER BY device_id")]

    def issued(self, device_id: str, certificates: bytes, at: datetime, actor: str) -> None:
        """Note the certificates that were issued, before they are sent."""
        with self._store.write() as database:
            database.execute("UPDATE exchange SET certificates=? WHERE device_id=?", (certificates, device_id))
            self._audit.note(at, actor, "certificates issued", device_id, "done")

    def begin_again(self, device_id: str) -> None:
        """Forget certificates that are not for the keys that the gateway holds."""
        with self._store.write() as database:
            database.execute("UPDATE exchange SET certificates=x'' WHERE device_id=?", (device_id,))

    def end(self, device_id: str, result: str, at: datetime, actor: str) -> None:
        """Note how a gateway's end went; refused, it may be ordered anew."""
        with self._store.write() as database:
            database.execute("DELETE FROM exchange WHERE device_id=? AND reason=?", (device_id, DECOMMISSION))
            self._audit.note(at, actor, "decommission", device_id, result)

    def settle(self, device_id: str, shown: x509.Certificate, at: datetime, actor: str) -> bool:
        """Take the new certificates for the gateway's once it calls with them; tells whether it did."""
        exchange = self.under_way(device_id)
        triple = None if exchange is None else exchange.triple
        if exchange is None or triple is None or triple.tls != shown:
            return False
        with self._store.write() as database:
            self._inventory.add_gateway(device_id, triple.tls, triple.sig, triple.enc, at, actor)
            database.execute("DELETE FROM exchange WHERE device_id=?", (device_id,))
            self._audit.note(at, actor, f"new keys in force ({exchange.reason})", device_id, "done")
        return True

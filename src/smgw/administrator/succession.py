"""The change of the administrator from both sides: hand gateways over, and take gateways over.

Outgoing: the new administrator's offer is checked against the revocation lists, the gateway's infrastructure goes to it sealed, and the
gateway gets the announcement. Incoming: the gateway that calls is compared with what was promised, told the result, called by a wake-up
packet, and once it has changed over, freed of the old administrator.
Source: ADM-12; TR-03109-1 Annex VI, table 5.
"""

from base64 import b64encode
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from smgw.administrator.alarms import Alarm
from smgw.administrator.audit import Audit
from smgw.administrator.inventory import Inventory
from smgw.administrator.store import Store
from smgw.codec.initial_configuration import InitialConfiguration, decode_initial_configuration
from smgw.core.errors import DecodeFault, DomainFault, SecurityFault
from smgw.core.instant import parse_time, utc_text
from smgw.core.profiles import PROFILE_KINDS, Profile, profile_digest, profile_key
from smgw.net.identity import Identity
from smgw.pki.chain import CertificateUse
from smgw.pki.names import Role
from smgw.pki.parsing import load_certificate
from smgw.security.content import SignerClaim, open_content, seal, verify_encapsulated

_SCHEMA = """
CREATE TABLE IF NOT EXISTS succession (
  device_id TEXT PRIMARY KEY, side TEXT NOT NULL CHECK (side IN ('outgoing', 'incoming')), other TEXT NOT NULL, state TEXT NOT NULL,
  document BLOB NOT NULL, until TEXT NOT NULL, changed_at TEXT NOT NULL, finding TEXT NOT NULL DEFAULT ''
) STRICT;
"""
_ADMINISTRATORS = frozenset({Role.GWA})
_USES: dict[str, CertificateUse] = {
    "tls_certificate": CertificateUse.TLS_SERVER,
    "sig_certificate": CertificateUse.SIG,
    "enc_certificate": CertificateUse.ENC,
}

SHORTEST, LONGEST = timedelta(minutes=5), timedelta(days=14)
"""So long from now on a change may take."""

State = Literal["wanted", "announced", "unwanted", "withdrawn", "expected", "refused", "checked", "taken", "handed_over", "aborted"]
WITHDRAWN: dict[State, State] = {"wanted": "withdrawn", "announced": "unwanted", "expected": "refused"}
"""State of a change -> the one that gives it up; from `unwanted` the gateway is told."""


class Change(msgspec.Struct, frozen=True):
    """Hold one change, in the order of the table's columns."""

    device_id: str
    side: Literal["outgoing", "incoming"]
    other: str
    """Name of the other administrator."""
    state: State
    document: bytes
    """The new administrator's offer."""
    until: str
    changed_at: str
    finding: str


class Infrastructure(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Tell the new administrator what a gateway is and holds."""

    device_id: str
    certificates: dict[Literal["tls", "sig", "enc"], bytes]
    """DER."""
    profiles: tuple[tuple[str, msgspec.Raw], ...]
    """Kind and profile, in the order of installation."""
    former: str


class Successions:
    """Keep the changes."""

    def __init__(self, store: Store, audit: Audit) -> None:
        self._store = store
        self._audit = audit
        store.install(_SCHEMA)

    def change(self, device_id: str) -> Change | None:
        """Give a gateway's change."""
        rows = self._store.rows("SELECT * FROM succession WHERE device_id=?", (device_id,))
        return Change(*rows[0]) if rows else None

    def known(self, device_id: str) -> Change:
        """Give a gateway's change. Raises: DomainFault succession.none."""
        held = self.change(device_id)
        if held is None:
            raise DomainFault("succession.none", device_id[:40])
        return held

    def all(self) -> list[Change]:
        """List the changes by gateway."""
        return [Change(*row) for row in self._store.rows("SELECT * FROM succession ORDER BY device_id")]

    def given_away(self) -> frozenset[str]:
        """List the gateways that another administrator has confirmed to be its own."""
        rows = self._store.rows("SELECT device_id FROM succession WHERE side='outgoing' AND state='handed_over'")
        return frozenset(device_id for (device_id,) in rows)

    def to_be_called(self) -> list[str]:
        """List the gateways that wait for our wake-up call to change over."""
        return [
            device_id for (device_id,) in self._store.rows("SELECT device_id FROM succession WHERE side='incoming' AND state='checked'")
        ]

    def begin(self, change: Change, at: datetime, actor: str) -> None:
        """Note a change; one that has ended gives way. Raises: DomainFault succession.under_way."""
        held = self.change(change.device_id)
        if held is not None and held.state not in ("withdrawn", "refused", "taken", "handed_over", "aborted"):
            raise DomainFault("succession.under_way", held.state)
        with self._store.write() as database:
            database.execute(
                "INSERT OR REPLACE INTO succession VALUES (?,?,?,?,?,?,?,?)",
                (change.device_id, change.side, change.other, change.state, change.document, change.until, utc_text(at), ""),
            )
            self._audit.note(
                at, actor, f"change of administrator, {change.side}: {change.state}", f"{change.device_id}/{change.other}", "done"
            )

    def told(self, alarm: Alarm, at: datetime) -> None:
        """Note that a gateway gave a change up by itself: it told its old administrator, who may announce the new one again."""
        held = self.change(alarm.device_id)
        if alarm.event == "administrator_change_aborted" and held is not None and held.state in ("announced", "unwanted"):
            self.move(alarm.device_id, "aborted", at, "gateway")

    def move(self, device_id: str, state: State, at: datetime, actor: str, finding: str = "") -> None:
        """Note the next state. Raises: DomainFault succession.none."""
        held = self.known(device_id)
        with self._store.write() as database:
            database.execute(
                "UPDATE succession SET state=?, changed_at=?, finding=? WHERE device_id=?", (state, utc_text(at), finding, device_id)
            )
            self._audit.note(at, actor, _deed(held.side, state), f"{device_id}/{held.other}", finding or "done")


def _deed(side: str, state: str) -> str:
    return f"change of administrator, {side}: {state}"


class Offer(NamedTuple):
    """Hold a verified offer of the administrator to be."""

    content: InitialConfiguration
    document: bytes


def read_offer(document: bytes, identity: Identity, now: datetime) -> Offer:
    """Verify an offer: its signature, and each certificate with the revocation lists.

    Raises: CertificateRejected; SecurityFault cms.signature, delivery.sender; DecodeFault.
    """

    def signer(claim: SignerClaim) -> x509.Certificate:
        if claim.certificate is None:
            raise SecurityFault("delivery.sender", "no certificate")
        return identity.trust.validate(claim.certificate, now=now, use=CertificateUse.SIG, roles=_ADMINISTRATORS).certificate

    opened = verify_encapsulated(document, signer=signer)
    content = decode_initial_configuration(opened.content)
    for name, use in _USES.items():
        certificate = load_certificate(getattr(content, name))
        valid = identity.trust.validate(certificate, now=now, use=use, roles=_ADMINISTRATORS)
        if valid.common_name != content.administrator:
            raise SecurityFault("delivery.sender", valid.common_name)
    if content.sig_certificate != opened.signer_certificate.public_bytes(Encoding.DER):
        raise SecurityFault("delivery.sender", "signed by another certificate than the offer's")
    return Offer(content, document)


def require_deadline(until: str, now: datetime) -> str:
    """Give the time until which a change has to be complete, in UTC. Raises: DomainFault succession.until, PeerFault for no time."""
    moment = parse_time(until)
    if not SHORTEST <= moment - now <= LONGEST:
        raise DomainFault("succession.until", until[:40])
    return utc_text(moment)


def announcement_of(change: Change) -> dict[str, object]:
    """Give the body of the command that announces the new administrator to the gateway."""
    return {"document": b64encode(change.document).decode(), "until": change.until}


def pack_infrastructure(device_id: str, inventory: Inventory, identity: Identity, recipient: x509.Certificate, name: str) -> bytes:
    """Seal what the new administrator has to know of a gateway. Raises: DomainFault administrator.unknown_gateway."""
    gateway = inventory.gateway(device_id)
    if gateway is None:
        raise DomainFault("administrator.unknown_gateway", device_id)
    content = Infrastructure(
        device_id,
        {"tls": _der(gateway.tls), "sig": _der(gateway.sig), "enc": _der(gateway.enc)},
        tuple((kind, msgspec.Raw(msgspec.json.encode(profile))) for kind, profile in inventory.profiles(device_id)),
        name,
    )
    return seal(msgspec.json.encode(content), module=identity.module, signer=identity.signer, recipient=recipient)


def open_infrastructure(document: bytes, identity: Identity, now: datetime) -> Infrastructure:
    """Open what the old administrator sealed for us. Raises: PeerFault of the content protection; DecodeFault succession.structure."""
    names: list[str] = []

    def signer(claim: SignerClaim) -> x509.Certificate:
        if claim.certificate is None:
            raise SecurityFault("delivery.sender", "no certificate")
        valid = identity.trust.validate(claim.certificate, now=now, use=CertificateUse.SIG, roles=_ADMINISTRATORS)
        names.append(valid.common_name)
        return valid.certificate

    opened = open_content(document, module=identity.module, recipient=identity.recipient, signer=signer)
    try:
        content = msgspec.json.decode(opened.content, type=Infrastructure)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as problem:
        raise DecodeFault("succession.structure", "infrastructure") from problem
    if content.former != names[0]:
        raise SecurityFault("delivery.sender", content.former[:64])
    return content


def profiles_in(content: Infrastructure) -> list[Profile]:
    """Read the profiles of an infrastructure, in their order. Raises: DecodeFault succession.structure."""
    try:
        return [msgspec.json.decode(body, type=PROFILE_KINDS[kind]) for kind, body in content.profiles]
    except (msgspec.MsgspecError, KeyError) as problem:
        raise DecodeFault("succession.structure", "profile") from problem


def compare(promised: Mapping[str, Mapping[str, str]], held: Mapping[str, Mapping[str, str]]) -> str:
    """Compare two sets of profiles, each kind -> id -> digest; gives the first difference in words, or nothing."""
    for kind in PROFILE_KINDS:
        ours, theirs = promised.get(kind, {}), held.get(kind, {})
        for name in sorted(ours.keys() | theirs.keys()):
            if name not in theirs:
                return f"{kind} {name} is missing"
            if name not in ours:
                return f"{kind} {name} was not promised"
            if ours[name] != theirs[name]:
                return f"{kind} {name} is another"
    return ""


def digests(inventory: Inventory, device_id: str) -> dict[str, dict[str, str]]:
    """Give what a gateway should hold as kind -> id -> digest."""
    found: dict[str, dict[str, str]] = {kind: {} for kind in PROFILE_KINDS}
    for kind, profile in inventory.profiles(device_id):
        found[kind][profile_key(profile)] = profile_digest(profile)
    return found


def _der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)

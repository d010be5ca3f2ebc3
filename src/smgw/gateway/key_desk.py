"""Where the administrator exchanges a gateway's keys and ends its life: every step of the table that needs its AUT key.

The same steps serve personalisation, renewal and the change of algorithm: authenticate, have new keys made on board, take the signed
request package, bring the certificates. The triple's file is what decides which keys are in force; all before it can be done again.
What was signed before stays verifiable: the former SIG certificate is kept.
Source: LIFE-08, LIFE-11; SEC-04; TR-03109-1 Annex VI, 2.3.3.
"""

from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import NamedTuple

from cryptography import x509

from smgw.core.errors import DomainFault, IntegrityFault, SecurityFault, SmgwError, UsageError
from smgw.core.instant import Clock, utc_text
from smgw.core.key_inventory import generation_suffix, split_generation
from smgw.core.life_cycle import Action, Mark, Phase
from smgw.gateway.certificate_check import check_own_triple
from smgw.gateway.config import GatewayFolder
from smgw.gateway.lifecycle import LifeKeeper, Tell
from smgw.gateway.own_identity import keep_former
from smgw.net.identity import ISSUERS_FILE, TRIPLE_FILE, Identity
from smgw.pki.authorised import sign_package
from smgw.pki.names import Role
from smgw.pki.requests import make_request_package
from smgw.pki.triple import GATEWAY_KEYS, CertificateTriple, KeyNames, read_certificates
from smgw.security.key_guard import KeyGuard, KeyState
from smgw.security.module_inventory import take_inventory
from smgw.security.octet_signature import elliptic_keys
from smgw.security.policy import curve_name
from smgw.security.tls import pem_bundle

NOTICE = timedelta(hours=24)
"""The end of a gateway is announced at least so long before: consumers fetch and keep what is theirs."""


class Desk(NamedTuple):
    """Hold what the key desk works with."""

    keeper: LifeKeeper
    identity: Identity
    clock: Clock
    administrator: str
    consumers: Callable[[], Iterable[str]]
    """Whose logs tell of the gateway's end."""
    hang_up: Callable[[], None]
    """Closes the management channel once the present command is answered."""


class KeyDesk:
    """Serve one administrator in one run of the gateway; with new keys the gateway runs anew."""

    def __init__(self, desk: Desk, ended: Callable[[], None]) -> None:
        """Take what it works with; `ended` is called when this run must end for what was decided here."""
        self._desk = desk
        self._ended = ended
        self._replaced: list[str] = []

    @property
    def _module(self) -> KeyGuard:
        module = self._desk.identity.module
        if not isinstance(module, KeyGuard):
            raise DomainFault("lifecycle.unguarded")
        return module

    @property
    def _folder(self) -> GatewayFolder:
        return self._desk.keeper.folder

    @property
    def _personalising(self) -> bool:
        return self._desk.keeper.phase is Phase.PERSONALISATION

    def standing(self) -> dict[str, object]:
        """Tell phase, what is done, and the keys with their certificates; no secret is among it."""
        keeper, inventory = self._desk.keeper, take_inventory(self._desk.identity.module)
        keys = [
            {"name": key.name, "curve": key.curve, "fingerprint": key.fingerprint, "generation": key.generation, "state": key.state}
            for key in inventory.keys
        ]
        return {
            "phase": keeper.phase,
            "done": list(keeper.record.marks),
            "ends_at": keeper.record.ends_at,
            "module": inventory.state,
            "keys": keys,
            "certificates": {
                kind: {"serial": f"{one.serial_number:x}", "until": utc_text(one.not_valid_after_utc)}
                for kind, one in zip(("TLS", "SIG", "ENC"), self._desk.identity.triple, strict=True)
            },
        }

    def challenge(self) -> bytes:
        """Give what the administrator has to sign. Raises: DomainFault lifecycle.phase, lifecycle.unguarded."""
        self._desk.keeper.require(Action.AUTHENTICATE)
        return self._module.challenge()

    def authenticate(self, challenge: bytes, signature: bytes) -> Tell:
        """Judge the signature; gives what is to be told. Raises: SecurityFault module.authentication."""
        self._desk.keeper.require(Action.AUTHENTICATE)
        self._module.authenticate_admin(challenge, signature)
        return Tell("administrator_authenticated", {"partner": self._desk.administrator})

    def prepare(self, curve: str) -> tuple[bytes, list[Tell]]:
        """Make the next generation of keys, or take the one that waits for its certificates; gives the signed request package.

        Raises: SecurityFault module.authentication_needed, pki.curve; DomainFault lifecycle.phase.
        """
        desk, module = self._desk, self._module
        desk.keeper.require(Action.MAKE_OPERATIONAL_KEYS if self._personalising else Action.RENEW_KEYS)
        if not module.authenticated:
            raise SecurityFault("module.authentication_needed")
        names, tells = self._waiting(), list[Tell]()
        if names is not None and any(curve_name(module.public_key(name)) != curve for name in names):
            for name in names:
                module.destroy(name)
            names = None
        if names is None:
            names = KeyNames(*module.prepare_generation("GW_WAN", curve, desk.clock.now().year))
            tells = [self._tell(use, f"key made on {curve}") for use in ("TLS", "SIG", "ENC")]
        package = make_request_package(module, names, Role.SMGW, desk.keeper.record.device_id)
        signed = sign_package(package, module=module, signer=desk.identity.signer)
        return signed, tells

    def keys_made(self) -> None:
        """Note in the gateway's life that operational keys are made; a renewal notes nothing."""
        if self._personalising:
            self._desk.keeper.done(Action.MAKE_OPERATIONAL_KEYS)

    def install(self, certificates: bytes) -> Callable[[], None]:
        """Check certificates for the prepared keys and put them into force; gives what completes it once the answer is safe.

        Raises: SecurityFault module.authentication_needed; CertificateRejected, DecodeFault; PeerFault lifecycle.seal.
        """
        desk, module = self._desk, self._module
        action = Action.INSTALL_OPERATIONAL_CERTIFICATES if self._personalising else Action.INSTALL_RENEWED_CERTIFICATES
        desk.keeper.require(action)
        if not module.authenticated:
            raise SecurityFault("module.authentication_needed")
        names = self._waiting() or self._newest()
        if names is None:
            raise DomainFault("lifecycle.order", "keys are made first")
        triple, issuers = check_own_triple(
            certificates, module, names, desk.keeper.record.device_id, desk.clock.now(), anchors=desk.identity.trust.anchors
        )
        old = (desk.identity.tls.key_name, desk.identity.signer.key_name, desk.identity.recipient.key_name)
        if desk.identity.triple != triple:
            self._put_in_force(triple, issuers, names)
            self._replaced = list(old)

        def complete() -> None:
            facts = [self._tell(use, "installed") for use in ("TLS", "SIG", "ENC")]
            desk.keeper.done(action, *facts, *self._algorithm_changed(triple))
            desk.hang_up()
            self._ended()

        return complete

    def _put_in_force(self, triple: CertificateTriple, issuers: list[x509.Certificate], names: KeyNames) -> None:
        """Write the triple last: its file is the switch."""
        folder, desk = self._folder, self._desk
        keep_former(folder, desk.identity.triple.sig)
        known = list(desk.identity.tls.chain[1:])
        chain = [*issuers, *(one for one in known if one not in issuers)]
        folder.write(folder.path / ISSUERS_FILE, pem_bundle(chain))
        self._module.activate(names)
        folder.write(folder.path / TRIPLE_FILE, triple.to_pem())

    def _algorithm_changed(self, triple: CertificateTriple) -> list[Tell]:
        curves = [curve_name(key) for key in elliptic_keys([self._desk.identity.triple.sig, triple.sig])]
        return [Tell("algorithm_switched", {"algorithm": curves[1]})] if curves[0] != curves[1] else []

    def retire(self) -> None:
        """Deactivate the keys that were replaced, once nothing of this run uses them any more."""
        # Without the administrator, after a power cut, they stay until the next exchange; nothing is certified for them any more.
        with suppress(SecurityFault, UsageError):
            if self._replaced:
                self._module.deactivate(self._replaced)

    def announce(self, ends_at: datetime) -> None:
        """Announce the gateway's end to administrator and consumers.

        Raises: DomainFault lifecycle.phase, lifecycle.notice for less than 24 hours.
        """
        desk = self._desk
        desk.keeper.require(Action.ANNOUNCE_END)
        if ends_at < desk.clock.now() + NOTICE:
            raise DomainFault("lifecycle.notice", utc_text(ends_at))

    def announced(self, ends_at: datetime) -> None:
        """Write the announcement, once."""
        desk = self._desk
        if desk.keeper.record.ends_at == ends_at:
            return
        facts = {"partner": desk.administrator, "at": utc_text(ends_at)}
        tell = Tell("decommissioning_announced", facts, consumers=tuple(desk.consumers()))
        desk.keeper.done(Action.ANNOUNCE_END, tell, ends_at=ends_at)

    def decommission(self) -> None:
        """Decide the end, which `decommissioned` makes final once the answer is safe.

        Raises: DomainFault lifecycle.phase, lifecycle.order, lifecycle.notice before the announced time; SecurityFault
        module.authentication_needed.
        """
        desk = self._desk
        desk.keeper.require(Action.DECOMMISSION)
        ends_at = desk.keeper.record.ends_at
        if ends_at is None or desk.clock.now() < ends_at:
            raise DomainFault("lifecycle.notice", "" if ends_at is None else utc_text(ends_at))
        if not self._module.authenticated:
            raise SecurityFault("module.authentication_needed")

    def decommissioned(self) -> None:
        """Make the end final, and end this run."""
        desk = self._desk
        tell = Tell("decommissioned", {"partner": desk.administrator}, consumers=tuple(desk.consumers()))
        desk.keeper.done(Action.DECOMMISSION, tell)
        desk.hang_up()
        self._ended()

    def _tell(self, use: str, change: str) -> Tell:
        return Tell("certificate_changed", {"use": use, "owner": self._desk.keeper.record.device_id, "change": change})

    def _newest(self) -> KeyNames | None:
        held = self._module.names()
        numbers = [split_generation(name)[1] for name in held if split_generation(name)[0] in GATEWAY_KEYS]
        if not numbers:
            return None
        names = KeyNames(*(stem + generation_suffix(max(numbers)) for stem in GATEWAY_KEYS))
        return names if set(names) <= set(held) else None

    def _waiting(self) -> KeyNames | None:
        """Name the generation that was made and has no certificates yet."""
        names = self._newest()
        used = self._desk.identity.signer.key_name
        if names is None or names.sig == used or any(self._module.key_state(name) is not KeyState.PREPARED for name in names):
            return None
        return names


def is_personalised(folder: GatewayFolder) -> bool:
    """Tell whether operational certificates are in force, whatever the record says yet."""
    with suppress(SmgwError, OSError):
        return len(read_certificates((folder.path / TRIPLE_FILE).read_bytes())) == 3
    return False


def require_record(keeper: LifeKeeper) -> None:
    """Bring a record up to what a power cut kept it from saying. Raises: IntegrityFault lifecycle.record when both contradict."""
    if keeper.phase is Phase.PERSONALISATION and is_personalised(keeper.folder):
        if Mark.OPERATIONAL_KEYS not in keeper.life.marks:
            keeper.done(Action.MAKE_OPERATIONAL_KEYS)
        if Mark.OPERATIONAL_CERTIFICATES not in keeper.life.marks:
            keeper.done(Action.INSTALL_OPERATIONAL_CERTIFICATES)
    elif keeper.phase is Phase.NORMAL_OPERATION and not is_personalised(keeper.folder):
        raise IntegrityFault("lifecycle.record", "operational, without operational certificates")

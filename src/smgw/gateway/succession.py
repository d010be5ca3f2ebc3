"""The change of the administrator: the old one announces the new one, who checks, proves itself by a wake-up call and takes over.

Until the new administrator takes over, the old one is the administrator, whatever goes wrong on the way; from then on it is not. The
announcement is the new administrator's own signed configuration, carried by a command of the old one. Measurement goes on throughout.
Source: ADM-12; TR-03109-1 Annex VI, chapter 7 and table 5.
"""

import asyncio
from base64 import b64decode
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, NamedTuple

import msgspec

from smgw.core.errors import DomainFault, PeerFault, SecurityFault, SmgwError
from smgw.gateway.config import AdministratorConfig, GatewayFolder
from smgw.gateway.initial_configuration import VerifiedConfiguration, verify_initial_configuration
from smgw.gateway.logs import Recorder
from smgw.gateway.own_identity import der_of
from smgw.net.clock import ClockPort
from smgw.net.identity import Identity
from smgw.pki.trust import TrustStore
from smgw.security.key_guard import KeyGuard
from smgw.storage.journal import Journal

STATE = "succession"
LONGEST = timedelta(days=14)
SHORTEST = timedelta(minutes=5)


class Stage(StrEnum):
    """Name how far a change is."""

    ANNOUNCED = "announced"
    """The gateway calls the new administrator, who may only read and enter the result of its check."""
    CHECKED = "checked"
    """The check found nothing wrong: the next wake-up call of the new administrator makes it the administrator."""
    TAKEN = "taken"
    """The new administrator has taken over; the old one's data is still to be deleted."""


class Succession(msgspec.Struct, frozen=True):
    """Remember a change that is under way."""

    document: bytes
    stage: Stage
    until: datetime
    """Without a takeover until then, the change is given up."""
    former: str
    """Name of the old administrator."""


class Announcement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Announce the new administrator."""

    document: Annotated[str, msgspec.Meta(max_length=200_000)]
    """Its signed configuration for this gateway, CMS SignedData in base64."""
    until: datetime


class CheckResult(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Enter what the new administrator's check found."""

    accepted: bool
    finding: Annotated[str, msgspec.Meta(max_length=200)] = ""


class Parts(NamedTuple):
    """Hold what a change works on."""

    folder: GatewayFolder
    device_id: str
    identity: Identity
    journal: Journal
    recorder: Recorder
    clock: ClockPort
    consumers: Callable[[], Iterable[str]]
    ended: Callable[[], None]
    """Ends this run of the gateway; the next one begins with the new administrator."""


def current(journal: Journal) -> Succession | None:
    """Give the change that is under way, if there is one."""
    stored = journal.get_state(STATE)
    return msgspec.json.decode(stored, type=Succession | None) if stored is not None else None


class Successions:
    """Lead a change of the administrator."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self.changed = asyncio.Event()
        """Set whenever the stage has changed."""

    @property
    def current(self) -> Succession | None:
        """Give the change that is under way."""
        return current(self._parts.journal)

    def is_former(self, name: str) -> bool:
        """Tell whether somebody else has taken over from this administrator, whatever the configuration still says."""
        succession = self.current
        return succession is not None and succession.stage is Stage.TAKEN and succession.former == name

    def successor(self) -> AdministratorConfig | None:
        """Describe the new administrator of the change that is under way."""
        succession = self.current
        return None if succession is None else self._config_of(self._verified(succession.document))

    def announce(self, by: str, announcement: Announcement) -> None:
        """Verify and store an announcement; joins an open transaction. A module under rules takes the keys to be, too.

        Raises: DomainFault succession.under_way, succession.until; SecurityFault module.authentication_needed; what the verification
        raises, after `successor_rejected` is logged.
        """
        parts, now = self._parts, self._parts.clock.now()
        held = self.current
        if held is not None and held.stage is Stage.TAKEN:
            raise DomainFault("succession.under_way", held.stage)
        if announcement.until.tzinfo is None or not now + SHORTEST <= announcement.until <= now + LONGEST:
            raise DomainFault("succession.until")
        try:
            document = b64decode(announcement.document, validate=True)
            found = self._verified(document)
            if found.content.administrator == by:
                raise DomainFault("succession.same", by)
        except ValueError as problem:
            raise PeerFault("command.body", "document") from problem
        except (PeerFault, DomainFault) as fault:
            parts.recorder.record("successor_rejected", subject=by, success=False, successor="", code=fault.code)
            raise
        module = parts.identity.module
        if isinstance(module, KeyGuard):
            if not module.authenticated:
                raise SecurityFault("module.authentication_needed")
            module.stage_successor({str(use): der for use, der in found.content.certificates.items()}, [der_of(one) for one in found.chain])
        self._store(Succession(document, Stage.ANNOUNCED, announcement.until, by))
        parts.recorder.record("administrator_announced", subject=by, partner=by, successor=found.content.administrator)

    def withdraw(self, by: str) -> None:
        """Give a change up on the old administrator's word. Joins an open transaction. Raises: DomainFault succession.none."""
        succession = self._require(Stage.ANNOUNCED, Stage.CHECKED)
        self._abort(succession, by)

    def enter_check(self, by: str, result: CheckResult) -> None:
        """Enter the new administrator's result; a negative one ends the change. Joins an open transaction.

        Raises: DomainFault succession.none.
        """
        succession = self._require(Stage.ANNOUNCED)
        words = "accepted" if result.accepted else f"refused: {result.finding or 'no reason given'}"
        self._parts.recorder.record("configuration_checked", subject=by, success=result.accepted, partner=by, result=words)
        if result.accepted:
            self._store(msgspec.structs.replace(succession, stage=Stage.CHECKED))
        else:
            self._abort(succession, succession.former)

    def take_over(self) -> None:
        """Make the new administrator the administrator; nothing happens unless its check was entered.

        The journal decides; what follows from it is done again after a power cut.
        """
        succession = self.current
        if succession is None or succession.stage is not Stage.CHECKED:
            return
        parts, name = self._parts, self._verified(succession.document).content.administrator
        with parts.journal.transaction():
            self._store(msgspec.structs.replace(succession, stage=Stage.TAKEN))
            parts.recorder.record("administrator_changed", consumers=parts.consumers(), subject=name, partner=name)
        self.complete()

    def complete(self) -> bool:
        """Bring configuration, trust and module up to a takeover that the journal holds; tells whether anything was left to do."""
        succession = self.current
        if succession is None or succession.stage is not Stage.TAKEN:
            return False
        parts, found = self._parts, self._verified(succession.document)
        config = parts.folder.load()
        successor = self._config_of(found)
        if isinstance(parts.identity.module, KeyGuard):
            parts.identity.module.take_successor()
        if config.administrator == successor:
            return False
        trust = parts.identity.trust
        known = [one for one in found.chain if one not in trust.intermediates]
        TrustStore(trust.anchors, (*trust.intermediates, *known)).save(parts.folder.trust)
        parts.folder.save(msgspec.structs.replace(config, administrator=successor))
        parts.ended()
        return True

    def remove_former(self, name: str) -> None:
        """Delete what is left of the old administrator; joins an open transaction. Raises: DomainFault succession.none."""
        succession = self._require(Stage.TAKEN)
        if succession.former != name:
            raise DomainFault("succession.none", name[:64])
        self._parts.journal.set_state(STATE, b"null")
        recorder = self._parts.recorder
        for use in ("TLS", "SIG", "ENC", "AUT"):
            recorder.record("certificate_changed", subject=name, use=use, owner=name, change="deleted")
        recorder.record("administrator_removed", subject=name, partner=name)

    def expire(self) -> None:
        """Give up a change whose time is over: the old administrator stays."""
        succession = self.current
        if succession is None or succession.stage is Stage.TAKEN or self._parts.clock.now() < succession.until:
            return
        name = self._name(succession)
        with self._parts.journal.transaction():
            self._parts.recorder.record("administrator_change_failed", subject=name, success=False, successor=name, code="succession.until")
            self._abort(succession, succession.former)

    def _abort(self, succession: Succession, by: str) -> None:
        parts = self._parts
        if isinstance(parts.identity.module, KeyGuard):
            parts.identity.module.drop_successor()
        parts.journal.set_state(STATE, b"null")
        parts.recorder.record("administrator_change_aborted", subject=by, successor=self._name(succession), partner=by)
        self.changed.set()

    def _name(self, succession: Succession) -> str:
        with suppress(SmgwError):
            return self._verified(succession.document).content.administrator
        return ""

    def _require(self, *stages: Stage) -> Succession:
        succession = self.current
        if succession is None or succession.stage not in stages:
            raise DomainFault("succession.none", "" if succession is None else succession.stage)
        return succession

    def _store(self, succession: Succession) -> None:
        self._parts.journal.set_state(STATE, msgspec.json.encode(succession))
        self.changed.set()

    def _verified(self, document: bytes) -> VerifiedConfiguration:
        parts = self._parts
        return verify_initial_configuration(document, parts.identity.trust.anchors[0], parts.device_id, parts.clock.now())

    def _config_of(self, found: VerifiedConfiguration) -> AdministratorConfig:
        content, present = found.content, self._parts.folder.load().administrator
        return AdministratorConfig(
            name=content.administrator,
            host=content.host,
            management_port=content.management_port,
            time_port=content.time_port,
            tls_certificate=content.tls_certificate.hex(),
            sig_certificate=content.sig_certificate.hex(),
            enc_certificate=content.enc_certificate.hex(),
            aut_certificate=content.aut_certificate.hex(),
            service_port=content.service_port,
            connection=present.connection,
        )

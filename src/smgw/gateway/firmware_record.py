"""What a gateway remembers of its firmware update, outside the journal: the starter has no key and must read it.

Every step is written with full sync before the next begins, so that a start after a power cut goes on where the last one ended. Which
program starts stands in `slots.json` alone; where the two files differ after a cut, `settled` lets this one follow.
Source: ADM-05; 20-wan-crypto-pki 1.9.
"""

from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import msgspec

from smgw.codec.firmware_package import PACKAGE_LIMIT
from smgw.core.errors import DomainFault, IntegrityFault
from smgw.gateway.config import GatewayFolder
from smgw.gateway.firmware_model import Slot, Slots, SlotState

SlotName = Literal["a", "b"]

_T = TypeVar("_T")


class UpdateState(StrEnum):
    """Say how far an update is."""

    IDLE = "idle"
    """None was ever ordered."""
    ORDERED = "ordered"
    """The package is being downloaded."""
    DOWNLOADED = "downloaded"
    VERIFIED = "verified"
    """The new version lies in the inactive slot."""
    ACTIVATION_PENDING = "activation_pending"
    """The next start is into the new version."""
    SELF_TEST = "self_test"
    """The new version runs on trial."""
    ACTIVE = "active"
    ROLLED_BACK = "rolled_back"
    """The old version runs again."""
    REJECTED = "rejected"
    """The package was not acceptable; nothing was changed."""


NEXT: dict[UpdateState, frozenset[UpdateState]] = {
    UpdateState.IDLE: frozenset({UpdateState.ORDERED}),
    UpdateState.ORDERED: frozenset({UpdateState.DOWNLOADED, UpdateState.REJECTED}),
    UpdateState.DOWNLOADED: frozenset({UpdateState.VERIFIED, UpdateState.REJECTED}),
    UpdateState.VERIFIED: frozenset({UpdateState.ACTIVATION_PENDING, UpdateState.ORDERED, UpdateState.REJECTED}),
    UpdateState.ACTIVATION_PENDING: frozenset({UpdateState.SELF_TEST, UpdateState.ROLLED_BACK}),
    UpdateState.SELF_TEST: frozenset({UpdateState.ACTIVE, UpdateState.ROLLED_BACK}),
    UpdateState.ACTIVE: frozenset({UpdateState.ORDERED}),
    UpdateState.ROLLED_BACK: frozenset({UpdateState.ORDERED}),
    UpdateState.REJECTED: frozenset({UpdateState.ORDERED}),
}
"""State -> what may follow."""


class Order(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Hold what the administrator ordered; its signature is the command's."""

    version: Annotated[str, msgspec.Meta(max_length=100)]
    sha256: Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{64}\Z")]
    """Of the whole package."""
    size: Annotated[int, msgspec.Meta(gt=0, le=PACKAGE_LIMIT)]
    host: Annotated[str, msgspec.Meta(min_length=1, max_length=253)]
    port: Annotated[int, msgspec.Meta(gt=0, lt=65_536)]
    path: Annotated[str, msgspec.Meta(pattern=r"\A/[A-Za-z0-9/._-]{1,200}\Z")]


class Update(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Hold one update."""

    state: UpdateState = UpdateState.IDLE
    since: datetime | None = None
    order_id: str = ""
    """Id of the command that ordered it."""
    order: Order | None = None
    received: int = 0
    """Octets of the package that are safe on the disk."""
    before: str = ""
    """The version that ran."""
    slot: SlotName | None = None
    """Where the new version lies, once verified."""
    emergency: bool = False
    """Whether the package says that it is not yet certified."""
    attempts: int = 0
    """How often the new version was started on trial."""
    code: str = ""
    """Why it was rejected or given up."""
    detail: str = ""

    @property
    def version(self) -> str:
        """Give the version that was ordered."""
        return self.order.version if self.order else ""

    @property
    def is_over(self) -> bool:
        """Tell whether nothing of it is left to do."""
        return self.state in (UpdateState.IDLE, UpdateState.ACTIVE, UpdateState.ROLLED_BACK, UpdateState.REJECTED)

    def moved(self, state: UpdateState, now: datetime, **changes: object) -> "Update":
        """Give the update in its next state. Raises: DomainFault firmware.state for a step that the table does not hold."""
        if state not in NEXT[self.state]:
            raise DomainFault("firmware.state", f"{self.state} to {state}")
        return msgspec.structs.replace(self, state=state, since=now, **changes)


def load_update(folder: GatewayFolder) -> Update:
    """Read what is remembered; a gateway without the file never had an update. Raises: IntegrityFault boot.files."""
    return _load(folder.update, Update) or Update()


def load_slots(folder: GatewayFolder) -> Slots | None:
    """Read the slots; None before the first installation. Raises: IntegrityFault boot.files."""
    return _load(folder.slots, Slots)


def _load(path: Path, kind: type[_T]) -> _T | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except FileNotFoundError:
        return None
    except OSError as problem:
        raise IntegrityFault("boot.files", f"{path.name}: {problem.strerror}") from problem
    except (msgspec.MsgspecError, UnicodeDecodeError) as problem:
        raise IntegrityFault("boot.files", f"{path.name}: {str(problem)[:100]}") from problem


def save_update(folder: GatewayFolder, update: Update) -> None:
    """Write it durably. Raises: Unavailable gateway.files."""
    folder.write(folder.update, msgspec.json.format(msgspec.json.encode(update), indent=1) + b"\n")


def save_slots(folder: GatewayFolder, slots: Slots) -> None:
    """Write it durably. Raises: Unavailable gateway.files."""
    folder.write(folder.slots, msgspec.json.encode(slots) + b"\n")


def give_up(folder: GatewayFolder, update: Update, slots: Slots, now: datetime, code: str, detail: str = "") -> Update:
    """Go back to the version before: note the reason, then turn the slots, then close the record. Raises: Unavailable gateway.files."""
    save_update(folder, msgspec.structs.replace(update, code=code, detail=detail[:200]))
    if update.slot is not None:
        save_slots(folder, with_slot(slots, update.slot, SlotState.BAD, now, active=other(update.slot)))
    update = update.moved(UpdateState.ROLLED_BACK, now, code=code, detail=detail[:200])
    save_update(folder, update)
    return update


def other(slot: SlotName) -> SlotName:
    """Give the name of the other slot."""
    return "b" if slot == "a" else "a"


def with_slot(
    slots: Slots, name: SlotName, state: SlotState, now: datetime, *, version: str | None = None, active: SlotName | None = None
) -> Slots:
    """Give the slots with one of them in another state, and perhaps another one active."""
    held = slots.a if name == "a" else slots.b
    slot = Slot(held.version if version is None else version, state, now)
    return Slots(active or slots.active, slot, slots.b) if name == "a" else Slots(active or slots.active, slots.a, slot)


def settled(folder: GatewayFolder, update: Update, slots: Slots, now: datetime) -> Update:
    """Let the record follow the slots where a power cut came between the two. Raises: Unavailable gateway.files."""
    if update.state is not UpdateState.SELF_TEST or update.slot is None:
        return update
    if slots.active != update.slot:
        update = update.moved(UpdateState.ROLLED_BACK, now, code=update.code or "firmware.attempts")
    elif slots.running.state is SlotState.GOOD:
        update = update.moved(UpdateState.ACTIVE, now)
    else:
        return update
    save_update(folder, update)
    return update

"""What administrators say to a gateway that changes its administrator. Source: ADM-12; TR-03109-1 Annex VI, table 5."""

from datetime import datetime
from typing import Protocol, TypeVar

import msgspec
import structlog

from smgw.administrator.inventory import Inventory
from smgw.administrator.personalisation import KeyOffice, authenticate
from smgw.administrator.succession import Change, State, Successions, announcement_of, compare, digests
from smgw.codec.command import Answer
from smgw.core.errors import DecodeFault, PeerFault
from smgw.core.profiles import PROFILE_KINDS

log = structlog.get_logger(__name__)
ACTOR = "administrator"
_T = TypeVar("_T")


class Session(Protocol):
    """Speak to one gateway."""

    async def command(self, method: str, resource: str, body: object = None, command_id: str = "") -> Answer:
        """Send one command and give its verified answer."""


class _Held(msgspec.Struct):
    version: int
    sha256: str


async def announce(session: Session, change: Change, book: Successions, keys: KeyOffice | None, now: datetime) -> None:
    """Have the gateway take the new administrator's offer; a module under rules wants our AUT key first."""
    answer = await session.command("POST", "fas/successor", announcement_of(change))
    if answer.code == "module.authentication_needed" and keys is not None:
        await authenticate(session, keys)
        answer = await session.command("POST", "fas/successor", announcement_of(change))
    state: State = "announced" if answer.status == 201 else "withdrawn"
    book.move(change.device_id, state, now, ACTOR, answer.code)
    log.info("successor_announced", gateway=change.device_id, successor=change.other, code=answer.code)


async def withdraw(session: Session, change: Change, book: Successions, now: datetime) -> None:
    """Have the gateway give the change up."""
    answer = await session.command("DELETE", "fas/successor")
    book.move(change.device_id, "withdrawn", now, ACTOR, answer.code)


async def take_in(session: Session, change: Change, book: Successions, inventory: Inventory, now: datetime) -> bool:
    """Lead the takeover of a gateway on; tells whether it is ours now."""
    if change.state == "expected":
        finding = compare(digests(inventory, change.device_id), await _read(session))
        result = {"accepted": not finding, "finding": finding[:200]}
        _good(await session.command("POST", "fas/configuration-check", result))
        book.move(change.device_id, "refused" if finding else "checked", now, ACTOR, finding)
        log.info("gateway_examined", gateway=change.device_id, finding=finding)
        return False
    # Only a gateway that can receive no wake-up call takes this order instead, on its next call.
    answer = await session.command("DELETE", f"rts/administrator/{change.other}")
    if answer.status != 200:
        await session.command("POST", "fas/take-over")
        return False
    book.move(change.device_id, "taken", now, ACTOR)
    log.info("gateway_taken_over", gateway=change.device_id, former=change.other)
    return True


async def _read(session: Session) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for kind in PROFILE_KINDS:
        names = _body(_good(await session.command("GET", f"rts/{kind}")), dict[str, int])
        found[kind] = {name: _body(_good(await session.command("GET", f"rts/{kind}/{name}")), _Held).sha256 for name in names}
    return found


def _good(answer: Answer) -> Answer:
    if answer.status != 200:
        raise PeerFault("http.refused", f"{answer.status} {answer.code}")
    return answer


def _body(answer: Answer, kind: type[_T]) -> _T:
    try:
        return msgspec.json.decode(answer.body, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as problem:
        raise DecodeFault("command.structure", "body of an answer") from problem

"""What commands of the administrator work on, and what they end in.

Source: WAN-08; 20-wan-crypto-pki 1.2, 1.6.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Literal, NamedTuple, TypeVar

import msgspec
from cryptography import x509

from smgw.codec.command import Command
from smgw.core.errors import PeerFault
from smgw.core.instant import Clock
from smgw.core.life_cycle import Action
from smgw.core.profiles import Profile
from smgw.core.state import State
from smgw.gateway.evaluation import Evaluation
from smgw.gateway.firmware import Firmware
from smgw.gateway.key_desk import KeyDesk
from smgw.gateway.logs import Recorder
from smgw.gateway.pending import Pending, PendingWork
from smgw.gateway.succession import Successions
from smgw.gateway.wan.wakeup import WakeUpSettings
from smgw.security.content import Credential
from smgw.security.module import SecurityModule
from smgw.storage.journal import Journal

PREFIX = "/smgw/gwa/v1/"
Method = Literal["GET", "PUT", "POST", "DELETE"]

_T = TypeVar("_T")


def _nothing(*_: object) -> None:
    """Do nothing, where a part of the gateway is not there."""


class Context(NamedTuple):
    """Hold what commands work on."""

    gateway_id: str
    module: SecurityModule
    signer: Credential
    recipient: Credential
    administrator_name: str
    administrator_sig: x509.Certificate
    administrator_enc: x509.Certificate
    journal: Journal
    recorder: Recorder
    clock: Clock
    state: Callable[[], State]
    facts: Callable[[], dict[str, object]]
    """What monitoring shows: state, clock, links, counters. Never a reading (ADM-11)."""
    profile_installed: Callable[[Profile], None]
    evaluation: Evaluation
    queued: Callable[[], None]
    """Wakes the delivery of what an order has put into the outbox."""
    pending: PendingWork
    """Keeps what goes on after its answer."""
    profile_deleted: Callable[[Profile], None] = _nothing
    technicians_changed: Callable[[], None] = _nothing
    """Opens or closes the technicians' interface as the administrator ordered."""
    successions: Successions | None = None
    is_examiner: bool = False
    """Whether this is the channel of an administrator to be."""
    may_take_over: Callable[[], bool] = lambda: False
    """Tells whether a takeover needs no wake-up call, because nothing could receive it."""
    wake_up_set: Callable[[WakeUpSettings], None] = _nothing
    """Lets the wake-up receiver go on with what the administrator set."""
    limits_set: Callable[[], None] = _nothing
    """Looks at once at the stores, by the limits that the administrator set."""
    firmware: Firmware | None = None
    break_up: Callable[[], None] = _nothing
    """Closes the management channel once the present command is answered."""
    keys: KeyDesk | None = None
    allows: Callable[[Action], object] = _nothing
    """Raises DomainFault lifecycle.phase, lifecycle.order for what the gateway's phase of life does not allow."""


class Outcome(NamedTuple):
    """Hold the result of one command."""

    status: int
    body: object = None
    code: str = ""
    after: Callable[[], None] | None = None
    """What takes effect in the running gateway once the transaction has committed; a start finds it in the store by itself."""
    pending: Pending | None = None
    """Work that goes on after the answer, and after a power cut; with status 202 its result is told under the command's id."""


class Call(NamedTuple):
    """Hold one verified command as a route gets it."""

    command: Command
    words: tuple[str, ...]
    """The first two words of the resource, which chose the route."""
    rest: tuple[str, ...]
    """The words after them."""
    document: bytes
    """The command as it came: signed and sealed."""
    now: datetime

    def read(self, kind: type[_T]) -> _T:
        """Read the body of a command whose resource has no further words. Raises: PeerFault command.body, command.resource."""
        self.require_no_rest()
        try:
            return msgspec.json.decode(self.command.body, type=kind)
        except msgspec.MsgspecError as problem:
            raise PeerFault("command.body", str(problem)[:200]) from problem

    def require_no_rest(self) -> None:
        """Raise PeerFault command.resource when the resource has more words than the route knows."""
        if self.rest:
            raise PeerFault("command.resource", "no further part")


Route = Callable[[Context, Call], Outcome]
Routes = dict[tuple[str, ...], Route]
"""(method, first word, second word if the route has one) -> what is done."""

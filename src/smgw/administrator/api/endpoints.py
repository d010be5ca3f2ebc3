"""What an endpoint is: one row that routing, roles and the OpenAPI document are made from.

Source: ADM-13.
"""

import inspect
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, NamedTuple

import msgspec

from smgw.administrator.approvals import Proposal
from smgw.administrator.books import Books
from smgw.administrator.channels import Channels
from smgw.administrator.config import AdministratorFolder
from smgw.administrator.cosem import holds_secret, is_cosem
from smgw.administrator.management import Office
from smgw.administrator.users import Role, User
from smgw.core.errors import PeerFault, SecurityFault
from smgw.net.identity import Identity

SEEING = frozenset({Role.VIEWER, Role.OPERATOR, Role.AUDITOR, Role.APPROVER})
"""Whoever works with gateways may see them."""
OPERATING = frozenset({Role.OPERATOR})
AUDITING = frozenset({Role.AUDITOR})
APPROVING = frozenset({Role.APPROVER})
MANAGING_USERS = frozenset({Role.USER_MANAGER})
KEEPING = frozenset({Role.KEEPER})
ANYONE = frozenset(Role)
"""Every user, even one without a role."""

Limit = Annotated[int, msgspec.Meta(ge=1, le=1_000)]
Number = Annotated[int, msgspec.Meta(ge=0, le=1 << 53)]
ShortText = Annotated[str, msgspec.Meta(max_length=200)]


class Desk(NamedTuple):
    """Hold what the interface works on."""

    office: Office
    folder: AdministratorFolder
    identity: Identity
    channels: Channels
    four_eyes: frozenset[str] = frozenset()
    """Kinds of deeds that wait for a second person."""

    @property
    def books(self) -> Books:
        """Give the books."""
        return self.office.books

    def random(self, count: int) -> bytes:
        """Give random octets of the security module."""
        return self.office.module.random(count)


class Call(NamedTuple):
    """Hold one request as its handler gets it: checked against the row of the table."""

    desk: Desk
    user: User
    path: dict[str, str]
    query: Any = None
    body: Any = None

    @property
    def books(self) -> Books:
        """Give the books."""
        return self.desk.office.books

    @property
    def now(self) -> datetime:
        """Give the time."""
        return self.desk.office.clock.now()

    def number(self, name: str = "number") -> int:
        """Give a number in the path. Raises: PeerFault administrator.not_found."""
        text = self.path[name]
        if not (text.isascii() and text.isdigit() and len(text) < 16):
            raise PeerFault("administrator.not_found", name)
        return int(text)


class Endpoint(NamedTuple):
    """Describe one endpoint below `/api/v1`."""

    method: str
    path: str
    roles: frozenset[Role]
    """Any of these suffices."""
    handler: Callable[[Call], Any]
    """Gives what the answer holds, or something to wait for that does."""
    summary: str
    answer: Any = None
    """Type of the answer; bytes are given as they are."""
    body: Any = None
    query: Any = None
    status: int = 200
    media: str = "application/json"
    may_propose: bool = False
    """Under four eyes the answer is 202 and a proposal."""


class ProposalRow(msgspec.Struct, frozen=True):
    """Show one proposal."""

    id: int
    kind: str
    deed: str
    device_id: str
    summary: str
    state: str
    proposed_at: str
    proposed_by: str
    decided_at: str
    decided_by: str
    request: msgspec.Raw
    """What is asked for, without any consumer's profile: its log-in digests are worth a password."""


def proposal_row(proposal: Proposal) -> ProposalRow:
    """Show a proposal without secrets: a consumer's log-in digests are password-equivalent."""
    values = {name: getattr(proposal, name) for name in ProposalRow.__struct_fields__}
    return ProposalRow(**values | {"request": _shown(proposal)})


def _shown(proposal: Proposal) -> msgspec.Raw:
    if proposal.deed == "profile" and msgspec.json.decode(proposal.request)["kind"] == "consumer":
        return msgspec.Raw(b"null")
    if proposal.deed == "intake":
        request = msgspec.json.decode(proposal.request)
        shown = [(kind, None if kind == "consumer" else profile) for kind, profile in request["profiles"]]
        return msgspec.Raw(msgspec.json.encode({**request, "profiles": shown}))
    if proposal.deed == "job":
        request = msgspec.json.decode(proposal.request)
        if is_cosem(request["resource"]) and holds_secret(request["resource"], str(request["body"])):
            return msgspec.Raw(msgspec.json.encode({**request, "body": None}))
    return proposal.request


def require_role(endpoint: Endpoint, user: User) -> None:
    """Refuse who may not. Raises: SecurityFault administrator.forbidden."""
    if endpoint.roles != ANYONE:
        require_any(endpoint.roles, user, endpoint.summary)


def require_any(roles: frozenset[Role], user: User, deed: str) -> None:
    """Demand one of the roles. Raises: SecurityFault administrator.forbidden."""
    if not roles.intersection(user.roles):
        raise SecurityFault("administrator.forbidden", deed)


def admit(endpoint: Endpoint, call: Call) -> None:
    """Let only those further who may; a refusal of something that would have changed something is audited.

    Raises: SecurityFault administrator.forbidden.
    """
    try:
        require_role(endpoint, call.user)
    except SecurityFault as fault:
        if endpoint.method != "GET":
            call.books.audit.note(call.now, call.user.name, f"{endpoint.method} {endpoint.path}", "/".join(call.path.values()), fault.code)
        raise


async def obey(endpoint: Endpoint, call: Call) -> Any:
    """Do what an endpoint does, for whom `admit` has let in."""
    result = endpoint.handler(call)
    return await result if inspect.isawaitable(result) else result

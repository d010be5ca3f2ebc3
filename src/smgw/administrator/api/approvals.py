"""Four eyes: what waits for a second person. Source: ADM-02, ADM-10."""

import msgspec

from smgw.administrator.api.endpoints import APPROVING, OPERATING, SEEING, Call, Endpoint, ProposalRow, proposal_row
from smgw.administrator.api.submit import hand_of
from smgw.administrator.orders import perform
from smgw.administrator.users import Role
from smgw.core.errors import SecurityFault


class ProposalQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Choose proposals, newest first."""

    waiting: bool = False


def proposals(call: Call) -> list[ProposalRow]:
    """List proposals."""
    return [proposal_row(proposal) for proposal in call.books.approvals.proposals(waiting=call.query.waiting)]


def decide(call: Call, number: int, *, approved: bool) -> None:
    """Decide on a proposal. Raises: as `Approvals.decide`."""
    hand = hand_of(call)
    call.books.approvals.decide(number, approved, call.now, call.user.name, lambda proposal: perform(hand, proposal))


def approve(call: Call) -> ProposalRow:
    """Let a proposal happen. Raises: DomainFault administrator.own_proposal, administrator.unknown_proposal, and what the deed raises."""
    number = call.number()
    decide(call, number, approved=True)
    return proposal_row(call.books.approvals.proposal(number))


def reject(call: Call) -> ProposalRow:
    """Turn a proposal down, or take back one's own.

    Raises: SecurityFault administrator.forbidden for an operator who did not propose it, DomainFault administrator.unknown_proposal.
    """
    number = call.number()
    if Role.APPROVER not in call.user.roles and call.books.approvals.proposal(number).proposed_by != call.user.name:
        raise SecurityFault("administrator.forbidden", "reject")
    decide(call, number, approved=False)
    return proposal_row(call.books.approvals.proposal(number))


ENDPOINTS = (
    Endpoint("GET", "/proposals", SEEING, proposals, "List proposals", list[ProposalRow], query=ProposalQuery),
    Endpoint("POST", "/proposals/{number}/approve", APPROVING, approve, "Let a proposal happen", ProposalRow),
    Endpoint("POST", "/proposals/{number}/reject", APPROVING | OPERATING, reject, "Turn a proposal down, or take it back", ProposalRow),
)

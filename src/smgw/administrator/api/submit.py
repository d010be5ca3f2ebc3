"""One way from a request to a deed: at once, or as a proposal that waits for a second person. Source: ADM-02, ADM-10."""

from typing import Any

from smgw.administrator.api.endpoints import Call, ProposalRow, proposal_row
from smgw.administrator.approvals import Proposal
from smgw.administrator.orders import Hand
from smgw.administrator.orders import submit as do_or_propose


def hand_of(call: Call) -> Hand:
    """Give what a deed of this caller is done with."""
    return Hand(call.books, call.user.name, call.now, call.desk.random)


def submit(call: Call, deed: str, summary: str, order: object) -> Any | ProposalRow:
    """Do a deed of the table `DEEDS`, or propose it where one of its kinds is under four eyes."""
    done = do_or_propose(hand_of(call), call.desk.four_eyes, deed, summary, order)
    return proposal_row(done) if isinstance(done, Proposal) else done

"""One way from a request to a deed: at once, or as a proposal that waits for a second person. Source: ADM-02, ADM-10."""

from typing import Any

from smgw.administrator.api.endpoints import Call, ProposalRow, proposal_row
from smgw.administrator.orders import DEEDS, Hand


def hand_of(call: Call) -> Hand:
    """Give what a deed of this caller is done with."""
    return Hand(call.books, call.user.name, call.now, call.desk.random)


def submit(call: Call, kind: str, deed: str, summary: str, device_id: str, order: object) -> Any | ProposalRow:
    """Do a deed of the table `DEEDS`, or propose it where its kind is under four eyes."""
    if kind in call.desk.four_eyes:
        return proposal_row(call.books.approvals.propose(kind, deed, device_id, summary, order, at=call.now, actor=call.user.name))
    return DEEDS[deed][1](hand_of(call), order)

"""What users have done to gateways: at once, or as a proposal where the configuration wants a second person.

Source: ADM-02, ADM-10.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Literal, NamedTuple

import msgspec

from smgw.administrator.approvals import Proposal
from smgw.administrator.books import Books
from smgw.administrator.campaigns import Campaign, Plan
from smgw.administrator.exchanges import Exchange
from smgw.administrator.jobs import Job
from smgw.administrator.succession import Change
from smgw.core.profiles import PROFILE_KINDS

Method = Literal["GET", "PUT", "POST", "DELETE"]


class JobOrder(msgspec.Struct, frozen=True):
    """Ask for one command to be sent."""

    device_id: str
    method: Method
    resource: str
    body: Any = None


class ExchangeOrder(msgspec.Struct, frozen=True):
    """Ask for new keys of a gateway, or for its end."""

    device_id: str
    reason: str
    curve: str


class ProfileOrder(msgspec.Struct, frozen=True):
    """Ask for one profile to be held."""

    device_id: str
    kind: str
    profile: dict[str, Any]


class RemovalOrder(msgspec.Struct, frozen=True):
    """Ask for one profile to be deleted."""

    device_id: str
    kind: str
    id: str


class CampaignOrder(msgspec.Struct, frozen=True):
    """Ask for a firmware campaign."""

    version: str
    plan: Plan


class SuccessionOrder(msgspec.Struct, frozen=True):
    """Ask for a change of a gateway's administrator."""

    device_id: str
    side: Literal["outgoing", "incoming"]
    other: str
    document: bytes
    """The new administrator's verified offer; empty on its own side."""
    until: str


class Hand(NamedTuple):
    """Hold what a deed is done with."""

    books: Books
    actor: str
    now: datetime
    random: Callable[[int], bytes]


def add_job(hand: Hand, order: JobOrder) -> Job:
    """Queue a command."""
    return hand.books.jobs.add(
        order.device_id, order.method, order.resource, order.body, at=hand.now, actor=hand.actor, random=hand.random(16)
    )


def order_exchange(hand: Hand, order: ExchangeOrder) -> Exchange:
    """Order new keys or the end; one that is under way stays as it is. Raises: as `Exchanges.order`."""
    hand.books.exchanges.order(order.device_id, order.reason, order.curve, hand.now, hand.actor)
    exchange = hand.books.exchanges.under_way(order.device_id)
    assert exchange is not None
    return exchange


def put_profile(hand: Hand, order: ProfileOrder) -> None:
    """Note a profile; the gateway gets it as soon as its channel is open. Raises: as `Inventory.put_profile`."""
    profile = msgspec.convert(order.profile, type=PROFILE_KINDS[order.kind])
    hand.books.inventory.put_profile(order.device_id, profile, hand.now, hand.actor)


def remove_profile(hand: Hand, order: RemovalOrder) -> Job:
    """Note that a profile shall not be held, and order its deletion. Raises: as `Inventory.remove_profile`."""
    with hand.books.store.write():
        hand.books.inventory.remove_profile(order.device_id, order.kind, order.id, hand.now, hand.actor)
        return add_job(hand, JobOrder(order.device_id, "DELETE", f"rts/{order.kind}/{order.id}"))


def begin_campaign(hand: Hand, order: CampaignOrder) -> Campaign:
    """Begin a firmware campaign. Raises: as `Campaigns.create`."""
    return hand.books.campaigns.create(order.version, order.plan, hand.now, hand.actor)


def begin_succession(hand: Hand, order: SuccessionOrder) -> Change:
    """Begin a change of the administrator. Raises: as `Successions.begin`."""
    state: Literal["wanted", "expected"] = "wanted" if order.side == "outgoing" else "expected"
    change = Change(order.device_id, order.side, order.other, state, order.document, order.until, "", "")
    hand.books.successions.begin(change, hand.now, hand.actor)
    return change


DEEDS: dict[str, tuple[Any, Callable[[Hand, Any], Any]]] = {
    "job": (JobOrder, add_job),
    "exchange": (ExchangeOrder, order_exchange),
    "profile": (ProfileOrder, put_profile),
    "removal": (RemovalOrder, remove_profile),
    "campaign": (CampaignOrder, begin_campaign),
    "succession": (SuccessionOrder, begin_succession),
}
"""Name of a deed that can be proposed -> form of its request, and what is done once it is approved."""


def perform(hand: Hand, proposal: Proposal) -> Any:
    """Do what was proposed, in the name of whoever proposed it."""
    form, deed = DEEDS[proposal.deed]
    return deed(hand._replace(actor=proposal.proposed_by), msgspec.json.decode(proposal.request, type=form))

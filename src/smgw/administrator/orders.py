"""What users have done to gateways: at once, or as a proposal where the configuration wants a second person.

Source: ADM-02, ADM-10.
"""

from collections.abc import Callable, Collection
from datetime import datetime
from typing import Any, Literal, NamedTuple

import msgspec
from cryptography.hazmat.primitives.serialization import Encoding

from smgw.administrator.approvals import Proposal, kind_of
from smgw.administrator.books import Books
from smgw.administrator.campaigns import Campaign, Plan
from smgw.administrator.cosem import is_cosem
from smgw.administrator.cosem import kinds_of as cosem_kinds
from smgw.administrator.enrolment import require_new
from smgw.administrator.exchanges import DECOMMISSION, PERSONALISATION, Exchange
from smgw.administrator.jobs import Job
from smgw.administrator.market_orders import HeldOrder
from smgw.administrator.succession import WITHDRAWN, Change, State, require_deadline
from smgw.administrator.wakeup import Address
from smgw.core.errors import DomainFault
from smgw.core.profiles import PROFILE_KINDS, Profile, profile_key
from smgw.pki.parsing import load_certificate
from smgw.pki.triple import CertificateTriple

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
    """Ask for a gateway to be handed over to another administrator."""

    device_id: str
    other: str
    document: bytes
    """The new administrator's verified offer."""
    until: str


class IntakeOrder(msgspec.Struct, frozen=True):
    """Ask for a gateway to be taken over from another administrator."""

    device_id: str
    other: str
    until: str
    certificates: dict[Literal["tls", "sig", "enc"], bytes]
    """DER."""
    profiles: tuple[tuple[str, msgspec.Raw], ...]
    """Kind and profile, in the order of installation."""
    wake_up: Address | None = None


class WithdrawalOrder(msgspec.Struct, frozen=True):
    """Ask for a change of the administrator to be given up."""

    device_id: str


class WakeUpOrder(msgspec.Struct, frozen=True):
    """Ask for a gateway to be called elsewhere."""

    device_id: str
    address: Address
    set_gateway: bool = False


class EnrolmentOrder(msgspec.Struct, frozen=True):
    """Ask for a new gateway to be taken into the inventory and personalised."""

    device_id: str
    certificates: dict[Literal["tls", "sig", "enc"], bytes]
    """DER, of the seal."""
    curve: str


def seal_of(triple: CertificateTriple) -> dict[Literal["tls", "sig", "enc"], bytes]:
    """Give the certificates of an enrolment."""
    names: tuple[Literal["tls", "sig", "enc"], ...] = ("tls", "sig", "enc")
    return {name: getattr(triple, name).public_bytes(Encoding.DER) for name in names}


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
    """Begin to hand a gateway over. Raises: DomainFault succession.until, under_way, administrator.unknown_gateway."""
    if hand.books.inventory.gateway(order.device_id) is None:
        raise DomainFault("administrator.unknown_gateway", order.device_id[:40])
    change = Change(order.device_id, "outgoing", order.other, "wanted", order.document, order.until, "", "")
    return _begin(hand, change)


def begin_intake(hand: Hand, order: IntakeOrder) -> Change:
    """Enter gateway and profiles as promised, and expect the gateway; a profile that is held in that version already stays.

    Raises: DomainFault succession.until, under_way, wakeup.address.
    """
    books, tls, sig, enc = hand.books, *(load_certificate(order.certificates[use]) for use in ("tls", "sig", "enc"))
    with books.store.write():
        books.inventory.add_gateway(order.device_id, tls, sig, enc, hand.now, hand.actor)
        held = {(kind, profile_key(one)): one.version for kind, one in books.inventory.profiles(order.device_id)}
        for kind, body in order.profiles:
            profile: Profile = msgspec.json.decode(body, type=PROFILE_KINDS[kind])
            if held.get((kind, profile_key(profile)), 0) < profile.version:
                books.inventory.put_profile(order.device_id, profile, hand.now, hand.actor)
        if order.wake_up is not None:
            books.wake_ups.set_address(order.device_id, order.wake_up, hand.now, hand.actor)
        return _begin(hand, Change(order.device_id, "incoming", order.other, "expected", b"", order.until, "", ""))


def _begin(hand: Hand, change: Change) -> Change:
    require_deadline(change.until, hand.now)
    hand.books.successions.begin(change, hand.now, hand.actor)
    return hand.books.successions.known(change.device_id)


def withdraw_succession(hand: Hand, order: WithdrawalOrder) -> Change:
    """Give a change up; everything stays as it was. Raises: DomainFault succession.none."""
    held = hand.books.successions.known(order.device_id)
    state: State | None = WITHDRAWN.get(held.state)
    if state is None:
        raise DomainFault("succession.none", held.state)
    hand.books.successions.move(order.device_id, state, hand.now, hand.actor)
    return hand.books.successions.known(order.device_id)


def confirm_succession(hand: Hand, device_id: str) -> Change:
    """Note that the new administrator has confirmed that the gateway is its own. Raises: DomainFault succession.none."""
    held = hand.books.successions.known(device_id)
    if (held.side, held.state) != ("outgoing", "announced"):
        raise DomainFault("succession.none", held.state)
    hand.books.successions.move(device_id, "handed_over", hand.now, hand.actor)
    return hand.books.successions.known(device_id)


def set_wake_up(hand: Hand, order: WakeUpOrder) -> Address:
    """Note where a gateway is called, and order the gateway to listen there where that is wanted. Raises: DomainFault wakeup.address."""
    with hand.books.store.write():
        hand.books.wake_ups.set_address(order.device_id, order.address, hand.now, hand.actor)
        if order.set_gateway:
            settings = {"port": order.address.port, "timestamp_order": order.address.timestamp_order}
            add_job(hand, JobOrder(order.device_id, "PUT", "rts/wake-up", settings))
    return order.address


def enrol(hand: Hand, order: EnrolmentOrder) -> Exchange:
    """Take a new gateway in by its seal certificates; it is personalised as soon as it calls. Raises: as `require_new`."""
    tls, sig, enc = (load_certificate(order.certificates[use]) for use in ("tls", "sig", "enc"))
    require_new(hand.books.inventory, hand.books.exchanges, order.device_id)
    with hand.books.store.write():
        hand.books.inventory.add_gateway(order.device_id, tls, sig, enc, hand.now, hand.actor)
        return order_exchange(hand, ExchangeOrder(order.device_id, PERSONALISATION, order.curve))


def obey_participant(hand: Hand, order: HeldOrder) -> Job:
    """Let a participant's order happen. Raises: DomainFault order.not_permitted if the profiles permit it no longer."""
    return hand.books.market_orders.obey(order, at=hand.now, actor=hand.actor, random=hand.random(16))


def kinds_of_job(order: JobOrder) -> tuple[str, ...]:
    """Name what a command is about, in either of its forms."""
    return cosem_kinds(order.method, order.resource) if is_cosem(order.resource) else (kind_of(order.method, order.resource),)


class Deed(NamedTuple):
    """Say what can be done or proposed: the form of its request, the doing, and what a configuration may put under four eyes about it."""

    form: Any
    do: Callable[[Hand, Any], Any]
    kinds: Callable[[Any], tuple[str, ...]]
    """Any of these under four eyes makes it a proposal."""


DEEDS: dict[str, Deed] = {
    "job": Deed(JobOrder, add_job, kinds_of_job),
    "exchange": Deed(ExchangeOrder, order_exchange, lambda order: ("decommission" if order.reason == DECOMMISSION else "keys",)),
    "enrolment": Deed(EnrolmentOrder, enrol, lambda _: ("keys",)),
    "profile": Deed(ProfileOrder, put_profile, lambda _: ("profile",)),
    "removal": Deed(RemovalOrder, remove_profile, lambda _: ("profile",)),
    "campaign": Deed(CampaignOrder, begin_campaign, lambda _: ("firmware",)),
    "succession": Deed(SuccessionOrder, begin_succession, lambda _: ("change",)),
    # What another administrator promises brings keys and profiles along, and where the gateway is called.
    "intake": Deed(IntakeOrder, begin_intake, lambda order: ("change", "profile", "keys", *(("wake-up",) if order.wake_up else ()))),
    "withdrawal": Deed(WithdrawalOrder, withdraw_succession, lambda _: ("change",)),
    "wake-up": Deed(WakeUpOrder, set_wake_up, lambda _: ("wake-up",)),
    "market-order": Deed(HeldOrder, obey_participant, lambda _: ("order",)),
}
"""Name of a deed that can be proposed -> what it is. Whatever a user orders goes through `submit` with a row of this table."""


def submit(hand: Hand, four_eyes: Collection[str], deed: str, summary: str, order: Any) -> Any | Proposal:
    """Do a deed, or propose it where one of its kinds is under four eyes; `summary` puts it in words. Raises: what the deed raises."""
    row = DEEDS[deed]
    kind = next((kind for kind in row.kinds(order) if kind in four_eyes), "")
    if kind:
        device_id = getattr(order, "device_id", "")
        return hand.books.approvals.propose(kind, deed, device_id, summary, order, at=hand.now, actor=hand.actor)
    return row.do(hand, order)


def perform(hand: Hand, proposal: Proposal) -> Any:
    """Do what was proposed, in the name of whoever proposed it."""
    deed = DEEDS[proposal.deed]
    return deed.do(hand._replace(actor=proposal.proposed_by), msgspec.json.decode(proposal.request, type=deed.form))

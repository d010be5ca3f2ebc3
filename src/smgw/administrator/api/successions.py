"""Changes of a gateway's administrator: handed over to another one, or taken over from one. Source: ADM-12, ADM-13."""

from typing import Annotated, Literal

import msgspec

from smgw.administrator.api.endpoints import OPERATING, SEEING, Call, Endpoint, ProposalRow, ShortText
from smgw.administrator.api.gateways import status_of
from smgw.administrator.api.submit import hand_of, submit
from smgw.administrator.orders import WithdrawalOrder, confirm_succession
from smgw.administrator.succession import Change, State
from smgw.administrator.succession_desk import Party, summary_of
from smgw.administrator.wakeup import Address
from smgw.core.identifiers import DeviceId

CMS = "application/cms"
Document = Annotated[bytes, msgspec.Meta(min_length=1, max_length=192 << 10)]
Time = Annotated[str, msgspec.Meta(min_length=1, max_length=40)]


class NewOffer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Make an offer."""

    host: ShortText = ""
    """Where gateways reach this administrator; its own address when left out."""


class Telling(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Tell the new administrator of a gateway."""

    offer: Document
    """The new administrator's offer, Base64."""


class Handover(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Announce the new administrator."""

    offer: Document
    """The new administrator's offer, Base64."""
    until: Time
    """Until when the change has to be complete, five minutes to 14 days from now."""


class Intake(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Expect a gateway."""

    infrastructure: Document
    """What the old administrator told of it, Base64."""
    until: Time
    wake_up: Address | None = None
    """Where it takes wake-up packets."""


class SuccessionRow(msgspec.Struct, frozen=True):
    """Show one change."""

    device_id: str
    side: Literal["outgoing", "incoming"]
    other: str
    """Name of the other administrator."""
    state: State
    until: str
    changed_at: str
    finding: str
    """Why it was refused, or what the gateway answered."""


def succession_row(change: Change) -> SuccessionRow:
    """Show a change."""
    return SuccessionRow(**{name: getattr(change, name) for name in SuccessionRow.__struct_fields__})


def party_of(call: Call) -> Party:
    """Give what this administrator takes part with."""
    return Party(call.desk.folder, call.desk.folder.load(), call.desk.identity, call.now)


def _answer(done: Change | ProposalRow) -> SuccessionRow | ProposalRow:
    return done if isinstance(done, ProposalRow) else succession_row(done)


def successions(call: Call) -> list[SuccessionRow]:
    """List the changes."""
    return [succession_row(change) for change in call.books.successions.all()]


def succession(call: Call) -> SuccessionRow:
    """Show a gateway's change. Raises: DomainFault succession.none."""
    return succession_row(call.books.successions.known(call.path["device_id"]))


def offer(call: Call) -> bytes:
    """Make the offer for a gateway that is not ours yet. Raises: PeerFault value.device_id, ConfigError administrator.*."""
    device_id = str(DeviceId.parse(call.path["device_id"]))
    document = party_of(call).offer(device_id, call.body.host)
    call.books.audit.note(call.now, call.user.name, "offer to administer", device_id, "done")
    return document


def tell(call: Call) -> bytes:
    """Tell the administrator that made an offer what the gateway is and holds, sealed for it alone."""
    return party_of(call).tell(call.books, call.body.offer, status_of(call).device_id, call.user.name)


def hand_over(call: Call) -> SuccessionRow | ProposalRow:
    """Announce the new administrator to the gateway, as soon as its channel is open, or propose it."""
    order = party_of(call).handover(call.books, call.body.offer, status_of(call).device_id, call.body.until)
    return _answer(submit(call, "succession", summary_of(order), order))


def take_over(call: Call) -> SuccessionRow | ProposalRow:
    """Expect a gateway that another administrator told of, or propose it."""
    order = party_of(call).intake(call.body.infrastructure, call.body.until, call.body.wake_up)
    return _answer(submit(call, "intake", summary_of(order), order))


def withdraw(call: Call) -> SuccessionRow | ProposalRow:
    """Give a change up, or propose it. Raises: DomainFault succession.none."""
    device_id = call.books.successions.known(call.path["device_id"]).device_id
    return _answer(submit(call, "withdrawal", "give the change of administrator up", WithdrawalOrder(device_id)))


def confirm(call: Call) -> SuccessionRow:
    """Note that the new administrator has confirmed. Raises: DomainFault succession.none."""
    return succession_row(confirm_succession(hand_of(call), call.path["device_id"]))


_ONE = "/gateways/{device_id}/succession"

ENDPOINTS = (
    Endpoint("GET", "/successions", SEEING, successions, "List changes of the administrator", list[SuccessionRow]),
    Endpoint(
        "POST", "/successions", OPERATING, take_over, "Take a gateway over", SuccessionRow, Intake, status=201, may_propose=True
    ),
    Endpoint("GET", _ONE, SEEING, succession, "Show a gateway's change of the administrator", SuccessionRow),
    Endpoint(
        "POST", _ONE, OPERATING, hand_over, "Hand a gateway over: announce its new administrator", SuccessionRow, Handover,
        status=201, may_propose=True,
    ),
    Endpoint("DELETE", _ONE, OPERATING, withdraw, "Give a change of the administrator up", SuccessionRow, may_propose=True),
    Endpoint("POST", f"{_ONE}/confirm", OPERATING, confirm, "Note that the new administrator has confirmed", SuccessionRow),
    Endpoint("POST", f"{_ONE}/offer", OPERATING, offer, "Offer to administer a gateway", bytes, NewOffer, media=CMS),
    Endpoint(
        "POST", f"{_ONE}/infrastructure", OPERATING, tell, "Tell the new administrator of a gateway", bytes, Telling, media=CMS
    ),
)  # fmt: skip

"""Releases of firmware and the campaigns that bring them to the fleet. Source: ADM-05."""

from typing import Annotated

import msgspec

from smgw.administrator.api.endpoints import OPERATING, SEEING, Call, Endpoint, Number, ProposalRow, ShortText
from smgw.administrator.api.submit import submit
from smgw.administrator.campaigns import Campaign, Member, Plan
from smgw.administrator.orders import CampaignOrder
from smgw.administrator.releases import Certified, Release
from smgw.codec.firmware_package import PACKAGE_LIMIT

Sha256 = Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{64}\Z")]
PIECE_LIMIT = 128 << 10


class Piece(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Send one piece of a package."""

    sha256: Sha256
    """Of the whole package."""
    at: Annotated[int, msgspec.Meta(ge=0, le=PACKAGE_LIMIT)]
    octets: Annotated[bytes, msgspec.Meta(max_length=PIECE_LIMIT)]
    """Base64."""


class Received(msgspec.Struct, frozen=True):
    """Say how much of a package there is."""

    received: int


class Upload(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Name a package whose pieces have all been sent."""

    sha256: Sha256


class CertifiedList(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Hold rows of the list of certified versions."""

    rows: Annotated[tuple[Certified, ...], msgspec.Meta(max_length=1_000)]


class NewCampaign(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Begin a campaign."""

    version: ShortText
    plan: Plan = Plan()


class CampaignRow(msgspec.Struct, frozen=True):
    """Show one campaign."""

    id: int
    version: str
    state: str
    stage: int
    """The present one, from 1 on."""
    stages: list[dict[str, int]]
    """Gateways of each stage by state."""
    plan: Plan
    reached_at: str
    created_at: str
    created_by: str
    code: str


class MembersQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Choose gateways of a campaign."""

    stage: Number = 0
    """From 1 on; 0 is every stage."""


def campaign_row(call: Call, campaign: Campaign) -> CampaignRow:
    """Show a campaign with its progress."""
    progress = [{str(state): count for state, count in one.counts.items()} for one in call.books.campaigns.progress(campaign.id)]
    names = ("id", "version", "plan", "reached_at", "created_at", "created_by", "code")
    values = {name: getattr(campaign, name) for name in names}
    return CampaignRow(**values, state=str(campaign.state), stage=campaign.stage + 1, stages=progress)


def releases(call: Call) -> list[Release]:
    """List the releases."""
    return call.books.releases.all()


def receive(call: Call) -> Received:
    """Take one piece of a package."""
    piece: Piece = call.body
    return Received(call.books.releases.receive(piece.sha256, piece.at, piece.octets))


def take(call: Call) -> Release:
    """Verify a package and take it as a release."""
    upload: Upload = call.body
    return call.books.releases.take(upload.sha256, call.now, call.user.name)


def certify(call: Call) -> list[Release]:
    """Take rows of the list of certified versions."""
    call.books.releases.certify(call.body.rows, call.now, call.user.name)
    return call.books.releases.all()


def campaigns(call: Call) -> list[CampaignRow]:
    """List the campaigns."""
    return [campaign_row(call, campaign) for campaign in call.books.campaigns.all()]


def campaign(call: Call) -> CampaignRow:
    """Show one campaign."""
    return campaign_row(call, call.books.campaigns.campaign(call.number()))


def members(call: Call) -> list[Member]:
    """List the gateways of a campaign."""
    stage: int = call.query.stage
    number = call.books.campaigns.campaign(call.number()).id
    return call.books.campaigns.members(number, stage - 1 if stage else None)


def begin(call: Call) -> CampaignRow | ProposalRow:
    """Begin a campaign, or propose it."""
    wanted: NewCampaign = call.body
    call.books.releases.offered(wanted.version)
    done = submit(call, "campaign", f"begin firmware campaign {wanted.version}", CampaignOrder(wanted.version, wanted.plan))
    return done if isinstance(done, ProposalRow) else campaign_row(call, done)


def pause(call: Call) -> CampaignRow:
    """Let a campaign begin nothing new."""
    return campaign_row(call, call.books.campaigns.pause(call.number(), call.now, call.user.name))


def resume(call: Call) -> CampaignRow:
    """Let a campaign go on."""
    return campaign_row(call, call.books.campaigns.resume(call.number(), call.now, call.user.name))


def abort(call: Call) -> CampaignRow:
    """End a campaign for good."""
    return campaign_row(call, call.books.campaigns.abort(call.number(), call.now, call.user.name, call.desk.random))


_ONE = "/firmware/campaigns/{number}"

ENDPOINTS = (
    Endpoint("GET", "/firmware/releases", SEEING, releases, "List the releases of firmware", list[Release]),
    Endpoint("POST", "/firmware/uploads", OPERATING, receive, "Send a piece of a firmware package", Received, Piece),
    Endpoint("POST", "/firmware/releases", OPERATING, take, "Verify an uploaded package and take it", Release, Upload, status=201),
    Endpoint("POST", "/firmware/certified", OPERATING, certify, "Note certified versions of firmware", list[Release], CertifiedList),
    Endpoint("GET", "/firmware/campaigns", SEEING, campaigns, "List the firmware campaigns", list[CampaignRow]),
    Endpoint(
        "POST", "/firmware/campaigns", OPERATING, begin, "Begin a firmware campaign", CampaignRow, NewCampaign, status=201, may_propose=True
    ),
    Endpoint("GET", _ONE, SEEING, campaign, "Show a firmware campaign", CampaignRow),
    Endpoint("GET", f"{_ONE}/gateways", SEEING, members, "List the gateways of a firmware campaign", list[Member], query=MembersQuery),
    Endpoint("POST", f"{_ONE}/pause", OPERATING, pause, "Let a firmware campaign begin nothing new", CampaignRow),
    Endpoint("POST", f"{_ONE}/resume", OPERATING, resume, "Let a firmware campaign go on", CampaignRow),
    Endpoint("POST", f"{_ONE}/abort", OPERATING, abort, "End a firmware campaign for good", CampaignRow),
)

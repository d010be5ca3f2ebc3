"""Bring a release to the fleet in stages: a few gateways first, then more, and no further when something goes wrong.

A campaign puts every gateway of its plan into a stage when it is made. The next stage begins when enough of the present one run the new
version and have done so for a while; too many failures stop the campaign, and gateways that have not activated yet get it taken back.
Source: ADM-05; 20-wan-crypto-pki 1.9.
"""

import asyncio
import hashlib
from collections.abc import Callable
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, NamedTuple

import msgspec
import structlog

from smgw.administrator.audit import Audit
from smgw.administrator.inventory import Inventory
from smgw.administrator.jobs import NO_RESULT, Job, Jobs
from smgw.administrator.releases import PATH, Release, Releases
from smgw.administrator.store import Store
from smgw.core.errors import DomainFault, SmgwError
from smgw.core.instant import parse_time, utc_text
from smgw.net.clock import ClockPort

_SCHEMA = """
CREATE TABLE IF NOT EXISTS campaign (
  id INTEGER PRIMARY KEY, version TEXT NOT NULL, plan BLOB NOT NULL, state TEXT NOT NULL, stage INTEGER NOT NULL, reached_at TEXT NOT NULL,
  created_at TEXT NOT NULL, created_by TEXT NOT NULL, code TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS campaign_gateway (
  campaign INTEGER NOT NULL REFERENCES campaign(id), device_id TEXT NOT NULL, stage INTEGER NOT NULL, state TEXT NOT NULL,
  job INTEGER NOT NULL, order_id TEXT NOT NULL, code TEXT NOT NULL, changed_at TEXT NOT NULL, PRIMARY KEY (campaign, device_id)
) STRICT;
CREATE INDEX IF NOT EXISTS campaign_gateway_by_state ON campaign_gateway (campaign, stage, state);
"""

_Percent = Annotated[int, msgspec.Meta(ge=0, le=100)]


class CampaignState(StrEnum):
    """Say what a campaign does."""

    RUNNING = "running"
    PAUSED = "paused"
    """By a person: what is under way goes on, nothing new begins."""
    STOPPED = "stopped"
    """By itself, because too many gateways failed."""
    ABORTED = "aborted"
    """By a person, for good."""
    FINISHED = "finished"


class GatewayState(StrEnum):
    """Say how far one gateway is."""

    WAITING = "waiting"
    ORDERED = "ordered"
    ACTIVATING = "activating"
    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"
    """The campaign ended before its turn."""


ENDED = (GatewayState.DONE, GatewayState.FAILED, GatewayState.SKIPPED)


class Plan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Say who gets a release when, and when to stop."""

    stages: Annotated[tuple[_Percent | tuple[str, ...], ...], msgspec.Meta(min_length=1, max_length=20)] = (1, 10, 100)
    """Each the share of the fleet that has the release after it, in percent, or a list of device ids."""
    success_percent: _Percent = 95
    """So many of a stage must run the new version before the next begins."""
    soak_s: Annotated[int, msgspec.Meta(ge=0, le=30 * 86_400)] = 3_600
    """So long they must have done so."""
    failure_percent: _Percent = 5
    """More failures of a stage than this stop the campaign."""
    patience_s: Annotated[int, msgspec.Meta(ge=60, le=365 * 86_400)] = 7 * 86_400
    """A gateway that is not done so long after its order counts as failed."""


class Member(msgspec.Struct, frozen=True):
    """Hold one gateway of a campaign."""

    device_id: str
    stage: int
    state: GatewayState
    job: int
    order_id: str
    code: str
    changed_at: str


class Campaign(msgspec.Struct, frozen=True):
    """Hold one campaign."""

    id: int
    version: str
    plan: Plan
    state: CampaignState
    stage: int
    """Index of the present stage."""
    reached_at: str
    """When enough of the present stage were done; empty before."""
    created_at: str
    created_by: str
    code: str
    """Why it stopped."""


class Progress(NamedTuple):
    """Count a stage's gateways by state."""

    counts: dict[GatewayState, int]

    @property
    def total(self) -> int:
        """Count all."""
        return sum(self.counts.values())

    def share_exceeds(self, state: GatewayState, percent: int) -> bool:
        """Tell whether more than a share of the stage is in a state."""
        return self.counts.get(state, 0) * 100 > percent * self.total

    def reaches(self, percent: int) -> bool:
        """Tell whether so many are done."""
        return self.counts.get(GatewayState.DONE, 0) * 100 >= percent * self.total

    @property
    def is_over(self) -> bool:
        """Tell whether every gateway has ended."""
        return sum(self.counts.get(state, 0) for state in ENDED) == self.total


class Campaigns:
    """Keep the campaigns, and take them further step by step; `random` gives so many random octets, for command ids."""

    def __init__(self, store: Store, audit: Audit, inventory: Inventory, jobs: Jobs, releases: Releases) -> None:
        self._store = store
        self._audit = audit
        self._inventory = inventory
        self._jobs = jobs
        self._releases = releases
        store.install(_SCHEMA)

    # ---------------------------------------------------------------------------------------------------------- people

    def create(self, version: str, plan: Plan, at: datetime, actor: str) -> Campaign:
        """Begin a campaign. Raises: DomainFault administrator.campaign, administrator.not_certified, administrator.unknown_*."""
        self._releases.offered(version)
        if any(campaign.state in (CampaignState.RUNNING, CampaignState.PAUSED) for campaign in self.all()):
            raise DomainFault("administrator.campaign", "another one is under way")
        members = stages_of(plan, self._inventory.gateways(), version)
        with self._store.write() as database:
            cursor = database.execute(
                "INSERT INTO campaign (version, plan, state, stage, reached_at, created_at, created_by, code) VALUES (?,?,?,0,'',?,?,'')",
                (version, msgspec.json.encode(plan), CampaignState.RUNNING, utc_text(at), actor),
            )
            database.executemany(
                "INSERT INTO campaign_gateway VALUES (?,?,?,?,0,'','',?)",
                [(cursor.lastrowid, device, stage, GatewayState.WAITING, utc_text(at)) for device, stage in members.items()],
            )
            self._audit.note(at, actor, "begin firmware campaign", version, f"{len(members)} gateways")
        return self.campaign(int(cursor.lastrowid or 0))

    def pause(self, campaign_id: int, at: datetime, actor: str) -> Campaign:
        """Begin nothing new. Raises: DomainFault administrator.campaign."""
        return self._turn(campaign_id, CampaignState.PAUSED, (CampaignState.RUNNING,), at, actor)

    def resume(self, campaign_id: int, at: datetime, actor: str) -> Campaign:
        """Go on. Raises: DomainFault administrator.campaign."""
        return self._turn(campaign_id, CampaignState.RUNNING, (CampaignState.PAUSED,), at, actor)

    def abort(self, campaign_id: int, at: datetime, actor: str, random: Callable[[int], bytes]) -> Campaign:
        """End it for good; gateways that have not activated get their order taken back. Raises: DomainFault administrator.campaign."""
        with self._store.write():
            campaign = self._turn(campaign_id, CampaignState.ABORTED, (CampaignState.RUNNING, CampaignState.PAUSED), at, actor)
            self._take_back(campaign, at, random)
        return campaign

    def _turn(
        self, campaign_id: int, state: CampaignState, allowed: tuple[CampaignState, ...], at: datetime, actor: str, code: str = ""
    ) -> Campaign:
        campaign = self.campaign(campaign_id)
        if campaign.state not in allowed:
            raise DomainFault("administrator.campaign", f"it is {campaign.state}")
        with self._store.write() as database:
            database.execute("UPDATE campaign SET state=?, code=? WHERE id=?", (state, code, campaign_id))
            self._audit.note(at, actor, f"firmware campaign {state}", campaign.version, code or "done")
        return self.campaign(campaign_id)

    def all(self) -> list[Campaign]:
        """List the campaigns, newest first."""
        return [_campaign(row) for row in self._store.rows(f"SELECT {_COLUMNS} FROM campaign ORDER BY id DESC")]  # noqa: S608

    def campaign(self, campaign_id: int) -> Campaign:
        """Give one campaign. Raises: DomainFault administrator.unknown_campaign."""
        rows = self._store.rows(f"SELECT {_COLUMNS} FROM campaign WHERE id=?", (campaign_id,))  # noqa: S608
        if not rows:
            raise DomainFault("administrator.unknown_campaign", str(campaign_id))
        return _campaign(rows[0])

    def members(self, campaign_id: int, stage: int | None = None) -> list[Member]:
        """List a campaign's gateways by stage and device id, or those of one stage."""
        rows = self._store.rows(
            "SELECT device_id, stage, state, job, order_id, code, changed_at FROM campaign_gateway "
            "WHERE campaign=? AND (? IS NULL OR stage=?) ORDER BY stage, device_id",
            (campaign_id, stage, stage),
        )
        return [Member(device, number, GatewayState(state), *rest) for device, number, state, *rest in rows]

    def progress(self, campaign_id: int) -> list[Progress]:
        """Count the gateways of each stage."""
        rows = self._store.rows("SELECT stage, state, count(*) FROM campaign_gateway WHERE campaign=? GROUP BY 1, 2", (campaign_id,))
        stages = len(self.campaign(campaign_id).plan.stages)
        return [Progress({GatewayState(state): count for number, state, count in rows if number == stage}) for stage in range(stages)]

    # ------------------------------------------------------------------------------------------------------------ work

    def step(self, at: datetime, place: tuple[str, int], random: Callable[[int], bytes]) -> None:
        """Look what the gateways did, and take each campaign as far as it goes now."""
        for campaign in self.all():
            if campaign.state is CampaignState.RUNNING or campaign.state is CampaignState.PAUSED:
                with self._store.write():
                    self._step(campaign, at, place, random)

    def _step(self, campaign: Campaign, at: datetime, place: tuple[str, int], random: Callable[[int], bytes]) -> None:
        release = self._releases.release(campaign.version)
        begins = campaign.state is CampaignState.RUNNING
        for member in self.members(campaign.id, campaign.stage):
            if member.state is GatewayState.WAITING and begins:
                body = {"version": release.version, "sha256": release.sha256, "size": release.size}
                where = {"host": place[0], "port": place[1], "path": PATH + release.sha256}
                job = self._command(member, "firmware/order", {**body, **where}, at, campaign, random)
                self._note(campaign, member, GatewayState.ORDERED, at, job=job.id, order_id=job.command_id)
            elif member.state in (GatewayState.ORDERED, GatewayState.ACTIVATING):
                self._follow(campaign, member, release, at, random, begins=begins)
        if begins:
            self._judge(campaign, at, random)

    def _follow(
        self, campaign: Campaign, member: Member, release: Release, at: datetime, random: Callable[[int], bytes], *, begins: bool
    ) -> None:
        """Take one gateway further by what became of its command and by what it reports of itself."""
        job = self._jobs.job(member.job)
        update = _reported(self._inventory.facts(member.device_id))
        if update.running == release.version and update.state in ("active", "idle", "rejected"):
            self._note(campaign, member, GatewayState.DONE, at)
        elif job.state in ("failed", "cancelled") and job.code != NO_RESULT:
            same = job.code == "firmware.same_version"
            self._note(campaign, member, GatewayState.DONE if same else GatewayState.FAILED, at, code="" if same else job.code or job.state)
        elif update.sha256 == release.sha256 and update.state in ("rejected", "rolled_back") and update.order_id == _order_id(job, member):
            self._note(campaign, member, GatewayState.FAILED, at, code=update.code)
        elif member.state is GatewayState.ORDERED and update.sha256 == release.sha256 and update.state == "verified":
            if begins:
                activation = self._command(member, "firmware/activate", {"version": release.version}, at, campaign, random)
                self._note(campaign, member, GatewayState.ACTIVATING, at, job=activation.id)
        elif at - parse_time(member.changed_at) > timedelta(seconds=campaign.plan.patience_s):
            self._note(campaign, member, GatewayState.FAILED, at, code="administrator.no_answer")

    def _judge(self, campaign: Campaign, at: datetime, random: Callable[[int], bytes]) -> None:
        plan, progress = campaign.plan, self.progress(campaign.id)[campaign.stage]
        too_few = progress.is_over and not progress.reaches(plan.success_percent)
        if too_few or progress.share_exceeds(GatewayState.FAILED, plan.failure_percent):
            code = "administrator.too_many_failures"
            self._turn(campaign.id, CampaignState.STOPPED, (CampaignState.RUNNING,), at, campaign.created_by, code)
            self._take_back(campaign, at, random)
            log.error("campaign_stopped", campaign=campaign.id, version=campaign.version, stage=campaign.stage + 1)
            return
        last = campaign.stage == len(plan.stages) - 1
        if not progress.reaches(plan.success_percent) or (last and not progress.is_over):
            return
        soak = timedelta(seconds=plan.soak_s if progress.total else 0)
        with self._store.write() as database:
            if not campaign.reached_at:
                database.execute("UPDATE campaign SET reached_at=? WHERE id=?", (utc_text(at), campaign.id))
            elif at - parse_time(campaign.reached_at) < soak:
                return
            elif last:
                self._turn(campaign.id, CampaignState.FINISHED, (CampaignState.RUNNING,), at, campaign.created_by)
            else:
                database.execute("UPDATE campaign SET stage=stage+1, reached_at='' WHERE id=?", (campaign.id,))
                self._audit.note(at, campaign.created_by, "next stage of firmware campaign", campaign.version, str(campaign.stage + 1))

    def _take_back(self, campaign: Campaign, at: datetime, random: Callable[[int], bytes]) -> None:
        for member in self.members(campaign.id):
            if member.state is GatewayState.ORDERED:
                if self._jobs.job(member.job).state == "waiting":
                    self._jobs.cancel(member.job, at, campaign.created_by)
                else:
                    self._command(member, "firmware/cancel", None, at, campaign, random)
            if member.state in (GatewayState.WAITING, GatewayState.ORDERED):
                self._note(campaign, member, GatewayState.SKIPPED, at)

    def _command(
        self, member: Member, resource: str, body: object, at: datetime, campaign: Campaign, random: Callable[[int], bytes]
    ) -> Job:
        return self._jobs.add(member.device_id, "POST", resource, body, at=at, actor=campaign.created_by, random=random(16))

    def _note(
        self, campaign: Campaign, member: Member, state: GatewayState, at: datetime, *, job: int = 0, order_id: str = "", code: str = ""
    ) -> None:
        with self._store.write() as database:
            database.execute(
                "UPDATE campaign_gateway SET state=?, job=?, order_id=?, code=?, changed_at=? WHERE campaign=? AND device_id=?",
                (state, job or member.job, order_id or member.order_id, code, utc_text(at), campaign.id, member.device_id),
            )


LOOK_S = 1.0
"""How often campaigns are taken further, in real seconds."""

log = structlog.get_logger(__name__)


async def conduct(campaigns: Campaigns, clock: ClockPort, random: Callable[[int], bytes], place: tuple[str, int]) -> None:
    """Take the campaigns further until cancelled; `place` is where gateways fetch firmware."""
    while True:
        try:
            with clock.hold():
                campaigns.step(clock.now(), place, random)
        except SmgwError as fault:
            # What goes wrong with the books must not end the campaigns for good.
            log.error("campaigns_wait", code=fault.code, detail=fault.detail)
        await asyncio.sleep(LOOK_S)


_COLUMNS = ", ".join(Campaign.__struct_fields__)


def _campaign(row: tuple[object, ...]) -> Campaign:
    values = dict(zip(Campaign.__struct_fields__, row, strict=True))
    plan = values["plan"]
    assert isinstance(plan, bytes)
    return msgspec.convert({**values, "plan": msgspec.json.decode(plan)}, Campaign)


class _Reported(msgspec.Struct, frozen=True):
    """Read what a gateway tells of its update, see `smgw.gateway.firmware`."""

    running: str = ""
    state: str = ""
    order_id: str = ""
    sha256: str = ""
    code: str = ""


class _Facts(msgspec.Struct, frozen=True):
    update: _Reported = _Reported()


def _reported(facts: bytes) -> _Reported:
    try:
        return msgspec.json.decode(facts, type=_Facts).update
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        # What a gateway reports is its own word; whatever can't be read says nothing.
        return _Reported()


def _order_id(job: Job, member: Member) -> str:
    """Give the id under which the gateway knows the order: an older one where it had the same order already."""
    try:
        return msgspec.json.decode(job.result, type=_Reported).order_id or member.order_id
    except msgspec.MsgspecError:
        return member.order_id


def stages_of(plan: Plan, fleet: list[str], salt: str) -> dict[str, int]:
    """Put gateways into stages; shares are taken in an order that differs from release to release, so that not always the same go first.

    Raises: DomainFault administrator.campaign for shares that do not rise, unknown gateways, or a stage without one.
    """
    order = sorted(fleet, key=lambda device: hashlib.sha256(f"{salt}/{device}".encode()).digest())
    known, stages, before = set(fleet), dict[str, int](), 0
    for number, stage in enumerate(plan.stages):
        if isinstance(stage, tuple):
            unknown = sorted(set(stage) - known)
            if unknown:
                raise DomainFault("administrator.campaign", f"unknown gateway {unknown[0][:20]}")
            chosen = list(stage)
        elif stage <= before:
            raise DomainFault("administrator.campaign", f"stage {number + 1}: {stage} % is no more than before")
        else:
            before = stage
            chosen = order[: -(-len(order) * stage // 100)]
        for device in chosen:
            stages.setdefault(device, number)
    if not stages:
        raise DomainFault("administrator.campaign", "no gateway is in it")
    return stages

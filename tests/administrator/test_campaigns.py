"""Campaigns: a release goes to few gateways first, waits, goes on, and stops where too many fail."""

import asyncio
import itertools
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from tests.administrator.administrator_parts import add_gateway
from tests.codec.firmware_packages import CREATED, maker, package
from tests.gateway.wan.wan_parts import until

from smgw.administrator import campaigns
from smgw.administrator.audit import Audit
from smgw.administrator.campaigns import Campaigns, CampaignState, GatewayState, Plan, Progress, conduct, stages_of
from smgw.administrator.inventory import Inventory
from smgw.administrator.jobs import Job, Jobs
from smgw.administrator.releases import Certified, Releases
from smgw.administrator.store import Store
from smgw.codec.command import Answer
from smgw.core.errors import DomainFault, Unavailable
from smgw.net.clock import ManualClock

pytestmark = pytest.mark.req("ADM-05")

FLEET = [f"ESGW{number:010d}" for number in range(1, 21)]
PLAN = Plan(stages=(5, 50, 100), soak_s=600, patience_s=3_600)
NEW = "1.2.0"
PLACE = ("127.0.0.1", 15_105)


class Fleet:
    """Hold an administrator's books and twenty gateways that do what a test says."""

    def __init__(self, path: Path) -> None:
        (path / "makers.pem").write_bytes(maker().root.public_bytes(Encoding.PEM))
        self.store = Store(path / "inventory.db")
        audit = Audit(self.store)
        self.inventory = Inventory(self.store, audit)
        self.jobs = Jobs(self.store, audit)
        self.releases = Releases(self.store, audit, path)
        self.campaigns = Campaigns(self.store, audit, self.inventory, self.jobs, self.releases)
        self.now = CREATED
        self.random = itertools.count(1)
        with self.store.write():
            for device in FLEET:
                add_gateway(self.inventory, device)
        self.release = self.releases.upload(package(), CREATED, "user1")
        self.releases.certify([Certified(self.release.manifest_sha256, "BSI-DSZ-CC-0001-2026")], CREATED, "user1")

    def octets(self, count: int) -> bytes:
        return next(self.random).to_bytes(count, "big")

    def step(self, minutes: int = 0) -> None:
        self.now += timedelta(minutes=minutes)
        self.campaigns.step(self.now, PLACE, self.octets)

    def waiting(self) -> dict[str, Job]:
        return {device: job for device in FLEET for job in self.jobs.waiting(device)}

    def report(self, device: str, **update: object) -> None:
        facts = {"state": "normal", "update": {"running": "0.1.0", "sha256": self.release.sha256, **update}}
        self.inventory.note_contact(device, self.now, "normal", msgspec.json.encode(facts))

    def answer(self, job: Job, status: int = 202, code: str = "", **result: object) -> None:
        body = msgspec.Raw(msgspec.json.encode({"order_id": job.command_id} | result))
        self.jobs.end(job, Answer(job.command_id, self.now, job.device_id, status, code, body), self.now)

    def obey(self, outcome: Callable[[str], dict[str, Any]] = lambda _: {"state": "active", "running": NEW}) -> int:
        """Let every gateway with an order carry it out; `outcome` is what it reports of an activation."""
        jobs = self.waiting()
        for device, job in jobs.items():
            order = next(one for one in self.jobs.of(device) if one.resource == "firmware/order")
            self.answer(job, order_id=order.command_id)
            if job.resource == "firmware/order":
                self.report(device, state="verified", order_id=order.command_id)
            elif job.resource == "firmware/activate":
                self.report(device, order_id=order.command_id, **outcome(device))
        return len(jobs)

    def states(self, campaign: int) -> list[dict[GatewayState, int]]:
        return [progress.counts for progress in self.campaigns.progress(campaign)]


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    return Fleet(tmp_path)


def test_a_good_release_reaches_everybody_stage_by_stage(fleet: Fleet) -> None:
    campaign = fleet.campaigns.create(NEW, PLAN, fleet.now, "user1")
    sizes = []
    for _ in range(3):
        fleet.step()
        orders = fleet.waiting()
        sizes.append(len(orders))
        order = msgspec.json.decode(next(iter(orders.values())).body)
        assert order == {
            "version": NEW, "sha256": fleet.release.sha256, "size": fleet.release.size, "host": PLACE[0], "port": PLACE[1],
            "path": f"/firmware/{fleet.release.sha256}",
        }  # fmt: skip
        fleet.obey()
        fleet.step()
        assert {job.resource for job in fleet.waiting().values()} == {"firmware/activate"}
        fleet.obey()
        fleet.step(1)
        fleet.step(9)
        assert fleet.waiting() == {}, "the next stage waits until the present one has run for a while"
        fleet.step(1)
    assert sizes == [1, 9, 10]
    assert fleet.campaigns.campaign(campaign.id).state is CampaignState.FINISHED
    assert fleet.states(campaign.id) == [{GatewayState.DONE: 1}, {GatewayState.DONE: 9}, {GatewayState.DONE: 10}]
    fleet.step(60)
    assert fleet.waiting() == {}


def test_a_bad_release_stops_at_the_first_stage(fleet: Fleet) -> None:
    campaign = fleet.campaigns.create(NEW, PLAN, fleet.now, "user1")
    fleet.step()
    fleet.obey()
    fleet.step()
    fleet.obey(lambda _: {"state": "rolled_back", "code": "firmware.self_test"})
    fleet.step()
    stopped = fleet.campaigns.campaign(campaign.id)
    assert (stopped.state, stopped.code, stopped.stage) == (CampaignState.STOPPED, "administrator.too_many_failures", 0)
    assert fleet.states(campaign.id) == [{GatewayState.FAILED: 1}, {GatewayState.SKIPPED: 9}, {GatewayState.SKIPPED: 10}]
    (failed,) = fleet.campaigns.members(campaign.id, 0)
    assert failed.code == "firmware.self_test"
    for _ in range(5):
        fleet.step(600)
    assert fleet.waiting() == {}
    assert sum(len(fleet.jobs.of(device)) for device in FLEET) == 2


def test_gateways_that_have_not_activated_get_it_taken_back(fleet: Fleet) -> None:
    first, second, third = FLEET[:3]
    campaign = fleet.campaigns.create(NEW, Plan(stages=((first, second, third),)), fleet.now, "user1")
    fleet.step()
    jobs = fleet.waiting()
    fleet.answer(jobs[first], 409, "firmware.busy")
    fleet.answer(jobs[second])
    fleet.step()
    assert fleet.campaigns.campaign(campaign.id).state is CampaignState.STOPPED
    states = {member.device_id: (member.state, member.code) for member in fleet.campaigns.members(campaign.id)}
    assert states == {first: (GatewayState.FAILED, "firmware.busy"), second: (GatewayState.SKIPPED, ""), third: (GatewayState.SKIPPED, "")}
    assert {device: job.resource for device, job in fleet.waiting().items()} == {second: "firmware/cancel"}
    assert fleet.jobs.job(jobs[third].id).state == "cancelled"


def test_failures_within_the_threshold_hold_nobody_up(fleet: Fleet) -> None:
    campaign = fleet.campaigns.create(NEW, Plan(stages=(100,), soak_s=0, success_percent=90, failure_percent=10), fleet.now, "user1")
    fleet.step()
    fleet.obey()
    fleet.step()
    fleet.obey(
        lambda device: {"state": "rolled_back", "code": "firmware.contact"} if device in FLEET[:2] else {"state": "active", "running": NEW}
    )
    for _ in range(3):
        fleet.step()
    assert fleet.campaigns.campaign(campaign.id).state is CampaignState.FINISHED
    assert fleet.states(campaign.id) == [{GatewayState.DONE: 18, GatewayState.FAILED: 2}]


def test_too_few_successes_stop_it_though_few_failed(fleet: Fleet) -> None:
    campaign = fleet.campaigns.create(NEW, Plan(stages=(100,), success_percent=100, failure_percent=50), fleet.now, "user1")
    fleet.step()
    fleet.obey()
    fleet.step()
    fleet.obey(lambda device: {"state": "rolled_back"} if device == FLEET[0] else {"state": "active", "running": NEW})
    fleet.step()
    assert fleet.campaigns.campaign(campaign.id).state is CampaignState.STOPPED


def test_a_silent_gateway_counts_as_failed_in_the_end(fleet: Fleet) -> None:
    campaign = fleet.campaigns.create(NEW, PLAN, fleet.now, "user1")
    fleet.step()
    fleet.step(59)
    assert fleet.campaigns.members(campaign.id, 0)[0].state is GatewayState.ORDERED
    fleet.step(2)
    assert fleet.campaigns.members(campaign.id, 0)[0].code == "administrator.no_answer"


def test_a_gateway_that_has_the_version_already_is_done(fleet: Fleet) -> None:
    campaign = fleet.campaigns.create(NEW, Plan(stages=(tuple(FLEET[:2]),), soak_s=0), fleet.now, "user1")
    fleet.step()
    jobs = fleet.waiting()
    fleet.answer(jobs[FLEET[0]], 409, "firmware.same_version")
    fleet.report(FLEET[1], state="idle", running=NEW, sha256="")
    for _ in range(3):
        fleet.step()
    assert fleet.campaigns.campaign(campaign.id).state is CampaignState.FINISHED


def test_what_a_gateway_reported_of_an_older_order_does_not_count(fleet: Fleet) -> None:
    campaign = fleet.campaigns.create(NEW, PLAN, fleet.now, "user1")
    fleet.step()
    ((device, job),) = fleet.waiting().items()
    fleet.report(device, state="rolled_back", code="firmware.contact", order_id="an older one")
    fleet.answer(job)
    fleet.step()
    assert fleet.campaigns.members(campaign.id, 0)[0].state is GatewayState.ORDERED


def test_what_can_not_be_read_says_nothing(fleet: Fleet) -> None:
    campaign = fleet.campaigns.create(NEW, PLAN, fleet.now, "user1")
    fleet.step()
    ((device, job),) = fleet.waiting().items()
    fleet.answer(job)
    for octets in (b"", b"[]", b"\xff", b'{"update":{"state":7}}', b'{"update":null}'):
        fleet.inventory.note_contact(device, fleet.now, "normal", octets)
        fleet.step()
    assert fleet.campaigns.members(campaign.id, 0)[0].state is GatewayState.ORDERED


def test_a_pause_begins_nothing_new_and_forgets_nothing(fleet: Fleet) -> None:
    campaign = fleet.campaigns.create(NEW, PLAN, fleet.now, "user1")
    fleet.step()
    fleet.campaigns.pause(campaign.id, fleet.now, "user2")
    fleet.obey()
    fleet.step(30)
    assert fleet.waiting() == {}
    with pytest.raises(DomainFault, match="it is paused"):
        fleet.campaigns.pause(campaign.id, fleet.now, "user2")
    fleet.campaigns.resume(campaign.id, fleet.now, "user2")
    fleet.step()
    assert [job.resource for job in fleet.waiting().values()] == ["firmware/activate"]


def test_an_aborted_campaign_is_over(fleet: Fleet) -> None:
    campaign = fleet.campaigns.create(NEW, PLAN, fleet.now, "user1")
    fleet.step()
    aborted = fleet.campaigns.abort(campaign.id, fleet.now, "user2", fleet.octets)
    assert aborted.state is CampaignState.ABORTED
    assert fleet.waiting() == {}
    fleet.step(600)
    assert fleet.waiting() == {}
    for turn in (fleet.campaigns.pause, fleet.campaigns.resume):
        with pytest.raises(DomainFault, match=r"administrator\.campaign"):
            turn(campaign.id, fleet.now, "user2")
    assert fleet.campaigns.create(NEW, PLAN, fleet.now, "user1").state is CampaignState.RUNNING


async def test_trouble_with_the_books_does_not_end_the_work(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(campaigns, "LOOK_S", 0.001)
    campaign = fleet.campaigns.create(NEW, PLAN, fleet.now, "user1")
    troubles = [Unavailable("administrator.store"), DomainFault("administrator.unknown_job")]
    step = fleet.campaigns.step

    def troubled(*arguments: Any) -> None:
        if troubles:
            raise troubles.pop()
        step(*arguments)

    monkeypatch.setattr(fleet.campaigns, "step", troubled)
    task = asyncio.create_task(conduct(fleet.campaigns, ManualClock(CREATED), fleet.octets, PLACE))
    await until(lambda: bool(fleet.waiting()))
    task.cancel()
    assert fleet.campaigns.members(campaign.id, 0)[0].state is GatewayState.ORDERED


def test_what_may_not_begin(fleet: Fleet) -> None:
    other = fleet.releases.upload(package(version="1.3.0"), CREATED, "user1")
    for version, plan, code in (
        (other.version, PLAN, "administrator.not_certified"),
        ("9.9.9", PLAN, "administrator.unknown_release"),
        (NEW, Plan(stages=(10, 10)), "no more than before"),
        (NEW, Plan(stages=(("ESGW9999999999",),)), "unknown gateway"),
        (NEW, Plan(stages=((),)), "no gateway"),
    ):
        with pytest.raises(DomainFault, match=code):
            fleet.campaigns.create(version, plan, fleet.now, "user1")
    fleet.campaigns.create(NEW, PLAN, fleet.now, "user1")
    with pytest.raises(DomainFault, match="another one"):
        fleet.campaigns.create(NEW, PLAN, fleet.now, "user1")
    with pytest.raises(DomainFault, match=r"administrator\.unknown_campaign"):
        fleet.campaigns.campaign(99)


def test_every_action_of_a_person_stands_in_the_audit_trail(fleet: Fleet) -> None:
    campaign = fleet.campaigns.create(NEW, PLAN, fleet.now, "user1")
    fleet.campaigns.pause(campaign.id, fleet.now, "user2")
    fleet.campaigns.abort(campaign.id, fleet.now, "user3", fleet.octets)
    trail = [(entry["actor"], entry["action"]) for entry in Audit(fleet.store).newest(3)]
    assert trail[::-1] == [
        ("user1", "begin firmware campaign"),
        ("user2", "firmware campaign paused"),
        ("user3", "firmware campaign aborted"),
    ]


def test_shares_are_cumulative_and_differ_from_release_to_release() -> None:
    stages = stages_of(Plan(stages=(1, 10, 100)), FLEET, "1.2.0")
    assert sorted(stages) == FLEET
    assert [list(stages.values()).count(number) for number in range(3)] == [1, 1, 18]
    firsts = {next(iter(stages_of(Plan(stages=(1,)), FLEET, f"1.2.{number}"))) for number in range(20)}
    assert len(firsts) > 5


def test_a_stage_without_gateways_is_passed_at_once() -> None:
    assert Progress({}).is_over
    assert Progress({}).reaches(100)
    assert not Progress({}).share_exceeds(GatewayState.FAILED, 0)


def test_plans_have_bounds() -> None:
    for plan in ({"stages": []}, {"stages": [101]}, {"soak_s": -1}, {"patience_s": 0}, {"failure_percent": 200}, {"more": 1}):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(plan, Plan)
    assert msgspec.convert({"stages": [["ESGW0000000001"], 50, 100]}, Plan).stages == (("ESGW0000000001",), 50, 100)


def test_times_are_those_of_the_clock(fleet: Fleet) -> None:
    campaign = fleet.campaigns.create(NEW, PLAN, datetime(2026, 5, 1, tzinfo=CREATED.tzinfo), "user1")
    assert campaign.created_at.startswith("2026-05-01")

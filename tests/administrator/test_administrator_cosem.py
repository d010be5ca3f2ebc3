"""COSEM commands from the administrator: over a gateway's real objects, and what they mean for the inventory."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
from tests.administrator.administrator_parts import gateway_end
from tests.administrator.test_administrator_management import Bench, answer, peer
from tests.gateway.gateway_parts import (
    GATEWAY_ID,
    START,
    all_profiles,
    communication_profile,
    consumer_profile,
    evaluation_profile,
    meter_profile,
)
from tests.gateway.wan.cosem.cosem_parts import GATEWAY, METER, TASKS, CosemChannel, address, told_as
from tests.gateway.wan.cosem.test_change import bundle_of

from smgw.administrator.cosem import check_order, cosem, holds_secret, kinds_of
from smgw.administrator.jobs import Job
from smgw.administrator.management import GatewaySession, known_gateway
from smgw.administrator.orders import JobOrder, kinds_of_job
from smgw.codec.cosem_elements import Attribute, Document, Listing, MethodCall, encode_document
from smgw.codec.cosem_message import CosemRequest
from smgw.codec.cosem_profiles import CONTENT, json_value
from smgw.core.errors import DecodeFault, DomainFault, PeerFault, SmgwError
from smgw.gateway.wan.cosem.endpoint import answer_cosem
from smgw.gateway.wan.management import handle
from smgw.protocol.tunnel_http import Request

pytestmark = pytest.mark.req("WAN-08", "ADM-02")

_IDS = iter(range(1, 10_000))


class CosemBench(Bench):
    """Hold an inventory and a gateway that takes commands in both forms."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.commands = CosemChannel(folder / "cosem.db")
        self.asked: list[tuple[str, str]] = []

    def obey(self, request: Request) -> tuple[int, bytes]:
        self.asked.append((request.method, request.target))
        if request.target.startswith("/cosem/"):
            return answer_cosem(self.commands.context, request)
        return 200, handle(self.commands.context, request.body)

    def queue(self, method: str, resource: str, document: Document | None = None) -> Job:
        xml = "" if document is None else encode_document(document).decode()
        body, random = CosemRequest(xml), next(_IDS).to_bytes(16, "big")
        return self.books.jobs.add(GATEWAY_ID, method, f"/cosem/{resource}", body, at=START, actor="op1", random=random)

    def held(self) -> dict[str, int]:
        return {type(profile).__name__: profile.version for _, profile in self.inventory.profiles(GATEWAY_ID)}


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[CosemBench]:
    bench = CosemBench(tmp_path)
    yield bench
    bench.close()


@asynccontextmanager
async def session(bench: CosemBench) -> AsyncIterator[GatewaySession]:
    async with gateway_end(bench.obey) as streams:
        yield GatewaySession(bench.office, known_gateway(bench.inventory, peer()), streams)


async def test_a_gateway_is_asked_at_its_own_addresses_by_the_verbs_of_http(bench: CosemBench) -> None:
    async with session(bench) as gateway:
        listed = await cosem(gateway, "GET", "/cosem/ldevs")
        xml = encode_document(told_as(meter_profile())).decode()
        put = await cosem(gateway, "PUT", f"/cosem/{address(meter_profile())}", CosemRequest(xml))
        part = await cosem(gateway, "GET", "/cosem/ldevs", CosemRequest(range="bytes=0-4"))
        refused = await cosem(gateway, "GET", "/cosem/ldevs/nobody.sm")
    assert isinstance(listed.document, Listing) and (listed.status, listed.code) == (200, "")
    assert (put.status, put.document) == (201, None)
    assert (part.status, part.xml, part.range[:10], part.document) == (206, "<?xml", "bytes 0-4/", None)
    assert (refused.status, refused.code) == (404, "command.resource")
    assert bench.asked[1] == ("PUT", f"/cosem/{address(meter_profile())}")
    assert bench.commands.journal.profiles("meter") == [meter_profile()]


async def test_a_job_at_a_cosem_address_waits_and_ends_like_every_other(bench: CosemBench) -> None:
    jobs = [
        bench.queue("GET", "ldevs"),
        bench.queue("POST", f"{TASKS}/methods/1", MethodCall()),
        bench.queue("GET", "ldevs/nobody.sm"),
        bench.queue("POST", f"{TASKS}/methods/2", MethodCall(json_value({"partner": "a", "ordered_by": "b"}))),
    ]
    async with session(bench) as gateway:
        assert await gateway.work_off() == 4
        assert await gateway.work_off() == 0
    ended = [bench.books.jobs.job(job.id) for job in jobs]
    assert [(job.status, job.code) for job in ended] == [(200, ""), (202, ""), (404, "command.resource"), (500, "profile.unknown")]
    assert b"ldevs" in bytes(ended[0].result) and b"methodResponseStatus>1<" in bytes(ended[3].result)


async def test_a_profile_put_as_an_object_is_one_that_the_gateway_shall_hold(bench: CosemBench) -> None:
    for profile in all_profiles():
        bench.queue("PUT", address(profile), told_as(profile))
    bench.queue("PUT", f"{address(meter_profile())}/attributes/{CONTENT}", Attribute(CONTENT, json_value(meter_profile(2))))
    async with session(bench) as gateway:
        await gateway.work_off()
        assert await gateway.reconcile() == 0
    assert bench.held() == {"CommunicationProfile": 1, "MeterProfile": 2, "ConsumerProfile": 1, "EvaluationProfile": 1}


async def test_a_bundle_is_noted_whole_and_its_deletion_too(bench: CosemBench) -> None:
    some = [communication_profile(), consumer_profile()]
    bench.queue("PUT", "containers/night", bundle_of(some, "night"))
    async with session(bench) as gateway:
        await gateway.work_off()
        assert bench.held() == {"CommunicationProfile": 1, "ConsumerProfile": 1}
        bench.queue("DELETE", "containers/night")
        await gateway.work_off()
        assert bench.held() == {}
        assert await gateway.reconcile() == 0
    assert bench.commands.journal.profiles("consumer") == []


async def test_a_deleted_object_or_device_is_not_installed_again(bench: CosemBench) -> None:
    bench.note_all()
    async with session(bench) as gateway:
        await gateway.reconcile()
        bench.commands.journal.put_profile(evaluation_profile(valid_to=START, version=2), b"", START)
        bench.commands.journal.put_profile(msgspec.structs.replace(meter_profile(2), active=False), b"", START)
        bench.queue("DELETE", METER)
        bench.queue("DELETE", address(consumer_profile()))
        await gateway.work_off()
        assert bench.held() == {"CommunicationProfile": 1}
        assert await gateway.reconcile() == 0
    assert bench.commands.journal.profiles("meter") == []


async def test_what_a_gateway_refused_changes_nothing_here(bench: CosemBench) -> None:
    bench.note_all()
    bench.queue("DELETE", address(consumer_profile()))
    bench.queue("PUT", address(evaluation_profile()), told_as(evaluation_profile(version=3, recipients=("emt9.sm",))))
    async with session(bench) as gateway:
        await gateway.reconcile()
        await gateway.work_off()
    assert bench.held() == {"CommunicationProfile": 1, "MeterProfile": 1, "ConsumerProfile": 1, "EvaluationProfile": 1}
    assert [job.state for job in bench.books.jobs.of(GATEWAY_ID)] == ["failed", "failed"]


@pytest.mark.parametrize(("status", "body"), [(404, b""), (200, b""), (200, b"thanks")])
async def test_a_bare_answer_counts_for_nothing(bench: CosemBench, status: int, body: bytes) -> None:
    async with gateway_end(lambda _: (status, body)) as streams:
        gateway = GatewaySession(bench.office, known_gateway(bench.inventory, peer()), streams)
        with pytest.raises(PeerFault):
            await cosem(gateway, "GET", "/cosem/ldevs")


@pytest.mark.req("SEC-03")
async def test_http_can_not_say_another_status_than_the_sealed_answer(bench: CosemBench) -> None:
    def lying(request: Request) -> tuple[int, bytes]:
        return 201, answer_cosem(bench.commands.context, request).document

    async with gateway_end(lying) as streams:
        gateway = GatewaySession(bench.office, known_gateway(bench.inventory, peer()), streams)
        with pytest.raises(PeerFault, match=r"command\.mismatch"):
            await cosem(gateway, "GET", "/cosem/ldevs")


@pytest.mark.req("SEC-03")
async def test_an_answer_to_another_command_counts_for_nothing(bench: CosemBench) -> None:
    async with gateway_end(answer()) as streams:
        gateway = GatewaySession(bench.office, known_gateway(bench.inventory, peer()), streams)
        with pytest.raises(PeerFault, match=r"command\.recipient"):
            await cosem(gateway, "GET", "/cosem/ldevs")


# before it is sent


@pytest.mark.req("ADM-10")
@pytest.mark.parametrize(
    ("method", "resource", "kinds"),
    [
        ("GET", address(meter_profile()), ()),
        ("PUT", address(meter_profile()), ("profile",)),
        ("PUT", f"{address(evaluation_profile(10))}/attributes/5", ("profile",)),
        ("DELETE", address(consumer_profile()), ("profile",)),
        ("PUT", METER, ("profile", "wake-up")),
        ("DELETE", METER, ("profile", "wake-up")),
        ("PUT", "containers/a", ("profile", "wake-up")),
        ("PUT", f"{GATEWAY}/containers/32811-0080060000ff", ("profile", "wake-up")),
        ("PUT", f"{GATEWAY}/objects/32806-0080040000ff", ("wake-up",)),
        ("POST", f"{GATEWAY}/objects/32810-0080050000ff/methods/1", ("firmware",)),
        ("POST", f"{GATEWAY}/objects/32811-0080060000ff/methods/1", ("keys",)),
        ("POST", f"{GATEWAY}/objects/32812-0080070000ff/methods/1", ("change",)),
        ("POST", f"{GATEWAY}/objects/32813-0080080000ff/methods/2", ("decommission",)),
        ("POST", f"{TASKS}/methods/1", ()),
    ],
)
def test_what_needs_a_second_person_needs_it_in_this_form_too(method: str, resource: str, kinds: tuple[str, ...]) -> None:
    assert kinds_of(method, f"/cosem/{resource}") == kinds
    assert kinds_of_job(JobOrder(GATEWAY_ID, method, f"/cosem/{resource}")) == kinds  # type: ignore[arg-type]


def test_a_consumers_profile_is_known_for_a_secret() -> None:
    xml = encode_document(told_as(consumer_profile())).decode()
    assert holds_secret(f"/cosem/{address(consumer_profile())}", "") and holds_secret("/cosem/containers/a", xml)
    assert not holds_secret("/cosem/containers/a", encode_document(told_as(meter_profile())).decode())


def xml_of(document: Document) -> str:
    return encode_document(document).decode()


@pytest.mark.parametrize(
    ("method", "resource", "xml", "code"),
    [
        ("POST", "ldevs", "", "cosem.verb"),
        ("GET", "nothing", "", "command.resource"),
        ("GET", "ldevs?colour=1", "", "command.structure"),
        ("GET", "ldevs", "<a/>", "cosem.content"),
        ("DELETE", address(meter_profile()), "<a/>", "cosem.content"),
        ("PUT", address(meter_profile()), "", "xml.structure"),
        ("PUT", address(meter_profile()), xml_of(told_as(meter_profile())._replace(version=2)), "command.profile"),
        ("PUT", address(meter_profile()), xml_of(told_as(meter_profile())), "profile.version"),
        ("PUT", address(evaluation_profile()), xml_of(told_as(evaluation_profile(version=2, recipients=("no.sm",)))), "command.profile"),
        ("PUT", "containers/start", xml_of(bundle_of([meter_profile(2), consumer_profile()])), "profile.version"),
    ],
)
def test_what_the_gateway_would_refuse_is_not_even_queued(bench: CosemBench, method: str, resource: str, xml: str, code: str) -> None:
    bench.note_all()
    with pytest.raises(SmgwError) as fault:
        check_order(bench.inventory, GATEWAY_ID, method, f"/cosem/{resource}", xml, START)
    assert fault.value.code == code
    assert isinstance(fault.value, PeerFault | DecodeFault | DomainFault)


def test_a_whole_bundle_is_checked_in_its_order(bench: CosemBench) -> None:
    check_order(bench.inventory, GATEWAY_ID, "PUT", "/cosem/containers/start", xml_of(bundle_of([*reversed(all_profiles())])), START)
    twice = bundle_of([communication_profile(), meter_profile()])
    assert twice.devices is not None
    check_order(bench.inventory, GATEWAY_ID, "PUT", "/cosem/containers/start", xml_of(twice), START)

"""COSEM commands over the REST interface: ordered, proposed, answered."""

from pathlib import Path

import msgspec
import pytest
from tests.administrator.interface_parts import add_user, make_desk, served
from tests.gateway.gateway_parts import GATEWAY_ID, START, consumer_profile, meter_profile
from tests.gateway.wan.cosem.cosem_parts import TASKS, address, told_as

from smgw.administrator.users import Role
from smgw.codec.command import Answer
from smgw.codec.cosem_elements import MethodCall, encode_document
from smgw.core.profiles import Profile

pytestmark = pytest.mark.req("WAN-08", "ADM-13")

WHERE = f"/gateways/{GATEWAY_ID}/cosem"


def wanted(method: str, resource: str, xml: str = "", **more: str) -> dict[str, str]:
    return {"method": method, "address": f"/cosem/{resource}", "xml": xml, **more}


async def test_a_command_is_queued_and_its_answer_shown(tmp_path: Path) -> None:
    desk = make_desk(tmp_path)
    async with served(desk) as caller:
        status, job = await caller.ask("POST", WHERE, body=wanted("GET", "ldevs?q.depth=1", range="bytes=0-3"))
        assert (status, job["state"], job["resource"]) == (201, "waiting", "/cosem/ldevs?q.depth=1")
        status, before = await caller.ask("GET", f"/cosem/{job['id']}")
        assert (status, before["xml"], before["job"]["state"]) == (200, "", "waiting")
        (held,) = desk.books.jobs.waiting(GATEWAY_ID)
        assert msgspec.json.decode(held.body) == {"range": "bytes=0-3"}
        body = msgspec.Raw(b'{"xml":"<?xm","range":"bytes 0-3/99"}')
        desk.books.jobs.end(held, Answer(held.command_id, START, GATEWAY_ID, 206, body=body), START)
        status, shown = await caller.ask("GET", f"/cosem/{job['id']}")
        assert (shown["xml"], shown["range"], shown["job"]["status"]) == ("<?xm", "bytes 0-3/99", 206)
    desk.books.close()


async def test_a_result_that_came_later_has_no_xml(tmp_path: Path) -> None:
    desk = make_desk(tmp_path)
    async with served(desk) as caller:
        call = encode_document(MethodCall()).decode()
        _, job = await caller.ask("POST", WHERE, body=wanted("POST", f"{TASKS}/methods/1", call))
        (held,) = desk.books.jobs.waiting(GATEWAY_ID)
        desk.books.jobs.end(held, Answer(held.command_id, START, GATEWAY_ID, 200, body=msgspec.Raw(b'{"failed":[]}')), START)
        _, shown = await caller.ask("GET", f"/cosem/{job['id']}")
        assert (shown["xml"], shown["job"]["result"]) == ("", {"failed": []})
    desk.books.close()


@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        ({"method": "GET"}, 400, "administrator.request"),
        ({"method": "HEAD", "address": "/cosem/ldevs"}, 400, "administrator.request"),
        ({"method": "GET", "address": "ldevs"}, 400, "administrator.request"),
        ({"method": "GET", "address": "/cosem/a b"}, 400, "administrator.request"),
        ({"method": "GET", "address": "/cosem/" + "a" * 4000}, 400, "administrator.request"),
        ({"method": "GET", "address": "/cosem/nothing"}, 400, "command.resource"),
        ({"method": "POST", "address": "/cosem/ldevs"}, 400, "cosem.verb"),
        ({"method": "PUT", "address": f"/cosem/{address(meter_profile())}", "xml": "<a>"}, 400, "xml.structure"),
        ({"method": "PUT", "address": f"/cosem/{address(meter_profile())}", "xml": "x" * ((1 << 19) + 1)}, 413, "administrator.request"),
    ],
)
async def test_what_can_not_be_sent_is_refused_at_once(tmp_path: Path, body: dict[str, str], status: int, error: str) -> None:
    desk = make_desk(tmp_path)
    async with served(desk) as caller:
        got, answer = await caller.ask("POST", WHERE, body=body)
        assert (got, answer["error"]) == (status, error)
        assert desk.books.jobs.waiting(GATEWAY_ID) == []
    desk.books.close()


async def test_a_job_of_the_other_form_is_none_here_and_the_other_way_round(tmp_path: Path) -> None:
    desk = make_desk(tmp_path)
    async with served(desk) as caller:
        _, job = await caller.ask("POST", f"/gateways/{GATEWAY_ID}/jobs", body={"method": "GET", "resource": "state"})
        status, answer = await caller.ask("GET", f"/cosem/{job['id']}")
        assert (status, answer["error"]) == (404, "administrator.unknown_job")
        status, answer = await caller.ask("POST", f"/gateways/{GATEWAY_ID}/jobs", body={"method": "GET", "resource": "/cosem/ldevs"})
        assert (status, answer["error"]) == (400, "administrator.request")
    desk.books.close()


@pytest.mark.req("ADM-10")
@pytest.mark.parametrize(("profile", "is_shown"), [(meter_profile(2), True), (consumer_profile(), False)])
async def test_what_is_under_four_eyes_waits_for_a_second_person(tmp_path: Path, profile: Profile, is_shown: bool) -> None:
    desk = make_desk(tmp_path, "profile")
    newer = msgspec.structs.replace(profile, version=2)
    xml = encode_document(told_as(newer)).decode()
    async with served(desk) as caller:
        approver = add_user(desk.books, "op2", Role.APPROVER, Role.VIEWER)
        status, proposal = await caller.ask("POST", WHERE, body=wanted("PUT", address(newer), xml))
        assert (status, proposal["kind"], proposal["state"]) == (202, "profile", "waiting")
        assert proposal["request"]["body"] == ({"xml": xml} if is_shown else None)
        assert desk.books.jobs.waiting(GATEWAY_ID) == []
        status, _ = await caller.ask("POST", f"/proposals/{proposal['id']}/approve", approver)
        assert status == 200
        (job,) = desk.books.jobs.waiting(GATEWAY_ID)
        assert msgspec.json.decode(job.body) == {"xml": xml}
        status, _ = await caller.ask("POST", WHERE, body=wanted("GET", address(newer)))
        assert status == 201
    desk.books.close()


@pytest.mark.req("ADM-10")
async def test_only_operators_order(tmp_path: Path) -> None:
    desk = make_desk(tmp_path)
    viewer = add_user(desk.books, "eve", Role.VIEWER)
    async with served(desk) as caller:
        status, answer = await caller.ask("POST", WHERE, viewer, wanted("GET", "ldevs"))
        assert (status, answer["error"]) == (403, "administrator.forbidden")
    desk.books.close()

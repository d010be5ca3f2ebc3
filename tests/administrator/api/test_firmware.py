"""Releases and campaigns over the REST interface: uploaded in pieces, certified, begun with a second person, watched and ended."""

import base64
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from tests.administrator.interface_parts import Caller, add_user, make_desk, served
from tests.codec.firmware_packages import maker, package
from tests.gateway.gateway_parts import GATEWAY_ID

from smgw.administrator.api.endpoints import Desk
from smgw.administrator.releases import PARTS_LIMIT
from smgw.administrator.users import Role

pytestmark = pytest.mark.req("ADM-05", "ADM-13")

PACKAGE = package(notes="less noise")
SHA256 = hashlib.sha256(PACKAGE).hexdigest()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = make_desk(tmp_path / "gwa", "firmware")
    (tmp_path / "gwa" / "makers.pem").write_bytes(maker().root.public_bytes(Encoding.PEM))
    yield desk
    desk.books.close()


async def send(caller: Caller, token: str, octets: bytes, sha256: str = "", size: int = 1_500) -> tuple[int, Any]:
    """Send a package in pieces and have it taken."""
    sha256 = sha256 or hashlib.sha256(octets).hexdigest()
    for at in range(0, len(octets), size):
        body = {"sha256": sha256, "at": at, "octets": base64.b64encode(octets[at : at + size]).decode()}
        status, answer = await caller.ask("POST", "/firmware/uploads", token, body)
        assert (status, answer) == (200, {"received": min(at + size, len(octets))})
    return await caller.ask("POST", "/firmware/releases", token, {"sha256": sha256})


async def test_from_the_upload_to_the_end_of_a_campaign(desk: Desk) -> None:
    user1, user2 = add_user(desk.books, "user1", Role.OPERATOR), add_user(desk.books, "user2", Role.APPROVER)
    async with served(desk) as caller:
        status, release = await send(caller, user1, PACKAGE)
        assert (status, release["version"], release["notes"], release["certificate"]) == (201, "1.2.0", "less noise", "")
        wanted = {"version": "1.2.0", "plan": {"stages": [[GATEWAY_ID], 100], "soak_s": 60}}
        assert (await caller.ask("POST", "/firmware/campaigns", user1, wanted))[1]["error"] == "administrator.not_certified"
        rows = {"rows": [{"manifest_sha256": release["manifest_sha256"], "certificate": "BSI-DSZ-CC-0001-2026"}]}
        status, (release,) = await caller.ask("POST", "/firmware/certified", user1, rows)
        assert (status, release["certificate"]) == (200, "BSI-DSZ-CC-0001-2026")
        status, proposal = await caller.ask("POST", "/firmware/campaigns", user1, wanted)
        assert (status, proposal["kind"]) == (202, "firmware")
        assert (await caller.ask("GET", "/firmware/campaigns", user2))[1] == []
        status, _ = await caller.ask("POST", f"/proposals/{proposal['id']}/approve", user2, {})
        assert status == 200
        _, (campaign,) = await caller.ask("GET", "/firmware/campaigns", user2)
        assert (campaign["state"], campaign["stage"], campaign["created_by"]) == ("running", 1, "user1")
        assert campaign["stages"] == [{"waiting": 1}, {}]
        one = f"/firmware/campaigns/{campaign['id']}"
        assert (await caller.ask("GET", f"{one}/gateways", user2))[1][0]["device_id"] == GATEWAY_ID
        assert (await caller.ask("GET", f"{one}/gateways", user2, params={"stage": 2}))[1] == []
        for turn, state in (("pause", "paused"), ("resume", "running"), ("abort", "aborted")):
            assert (await caller.ask("POST", f"{one}/{turn}", user1, {}))[1]["state"] == state
            assert (await caller.ask("GET", one, user2))[1]["state"] == state
        assert (await caller.ask("POST", f"{one}/resume", user1, {}))[1]["error"] == "administrator.campaign"


async def test_an_upload_goes_on_where_it_was(desk: Desk) -> None:
    user1 = add_user(desk.books, "user1", Role.OPERATOR)

    def piece(at: int, octets: bytes) -> dict[str, object]:
        return {"sha256": SHA256, "at": at, "octets": base64.b64encode(octets).decode()}

    async with served(desk) as caller:
        assert (await caller.ask("POST", "/firmware/uploads", user1, piece(0, PACKAGE[:100])))[1] == {"received": 100}
        for at in (0, 50, 500):
            assert (await caller.ask("POST", "/firmware/uploads", user1, piece(at, b"x")))[1] == {"received": 100}
        assert (await caller.ask("POST", "/firmware/uploads", user1, piece(100, PACKAGE[100:])))[1] == {"received": len(PACKAGE)}
        assert (await caller.ask("POST", "/firmware/releases", user1, {"sha256": SHA256}))[0] == 201


async def test_what_is_not_what_it_says_is_not_taken(desk: Desk) -> None:
    user1 = add_user(desk.books, "user1", Role.OPERATOR)
    async with served(desk) as caller:
        assert (await send(caller, user1, PACKAGE, sha256="0" * 64))[1]["error"] == "firmware.hash"
        assert (await send(caller, user1, package(by=maker("other"))))[1]["error"] == "firmware.signer"
        assert (await caller.ask("POST", "/firmware/releases", user1, {"sha256": SHA256}))[1]["error"] == "administrator.request"
        for body in ({"sha256": "../x", "at": 0, "octets": ""}, {"sha256": SHA256, "at": -1, "octets": ""}, {"sha256": SHA256, "at": 0}):
            assert (await caller.ask("POST", "/firmware/uploads", user1, body))[1]["error"] == "administrator.request"
        assert (await caller.ask("GET", "/firmware/releases", user1))[1] == []


async def test_unfinished_uploads_are_bounded(desk: Desk) -> None:
    user1 = add_user(desk.books, "user1", Role.OPERATOR)
    async with served(desk) as caller:
        answers = []
        for number in range(PARTS_LIMIT + 1):
            body = {"sha256": f"{number:064x}", "at": 0, "octets": "AAAA"}
            answers.append((await caller.ask("POST", "/firmware/uploads", user1, body))[1])
        assert answers[:-1] == [{"received": 3}] * PARTS_LIMIT
        assert answers[-1]["error"] == "firmware.size"


async def test_only_operators_turn_anything(desk: Desk) -> None:
    vera = add_user(desk.books, "vera", Role.VIEWER)
    async with served(desk) as caller:
        assert (await caller.ask("GET", "/firmware/releases", vera))[0] == 200
        for path, body in (
            ("/firmware/uploads", {"sha256": SHA256, "at": 0, "octets": ""}),
            ("/firmware/releases", {"sha256": SHA256}),
            ("/firmware/certified", {"rows": []}),
            ("/firmware/campaigns", {"version": "1.2.0"}),
            ("/firmware/campaigns/1/abort", {}),
        ):
            assert (await caller.ask("POST", path, vera, body))[0] == 403

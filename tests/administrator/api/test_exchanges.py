"""New keys and ends over the interface: by the crypto policy, one at a time."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.administrator.interface_parts import make_desk, served
from tests.gateway.gateway_parts import GATEWAY_ID

from smgw.administrator.api.endpoints import Desk

pytestmark = pytest.mark.req("ADM-03")
HERE = f"/gateways/{GATEWAY_ID}/exchange"


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = make_desk(tmp_path / "gwa")
    yield desk
    desk.books.close()


async def test_new_keys_are_ordered_once(desk: Desk) -> None:
    async with served(desk) as caller:
        status, row = await caller.ask("POST", HERE, body={"reason": "renewal", "curve": "brainpoolP384r1"})
        assert (status, row["curve"], row["issued"]) == (202, "brainpoolP384r1", False)
        status, again = await caller.ask("POST", HERE, body={"reason": "renewal"})
        assert (status, again) == (202, row)
        assert (await caller.ask("GET", "/exchanges"))[1] == [row]
    assert [entry["result"] for entry in desk.books.audit.newest(2)] == ["under way", "ordered"]


@pytest.mark.parametrize(("reason", "curve"), [("renewal", "secp112r1"), ("renewal", "x" * 41), ("whim", "")])
async def test_what_the_policy_does_not_know_is_refused(desk: Desk, reason: str, curve: str) -> None:
    async with served(desk) as caller:
        status, answer = await caller.ask("POST", HERE, body={"reason": reason, "curve": curve})
        assert (status, answer["error"]) in ((409, "pki.curve"), (400, "administrator.request"))
        status, answer = await caller.ask("POST", "/gateways/ESGW0000000099/exchange", body={"reason": "renewal"})
        assert (status, answer["error"]) == (404, "administrator.unknown_gateway")
    assert desk.books.exchanges.listed() == []

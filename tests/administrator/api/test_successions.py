"""Changes of the administrator over the REST interface, with documents that another administrator of the same PKI really made."""

from base64 import b64decode, b64encode
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from tests.administrator.four_eyes_parts import LEFT, NEW, UNTIL, infrastructure, offer, other_administrator, prepare, seal
from tests.administrator.interface_parts import add_user, make_desk, served
from tests.gateway.gateway_parts import GATEWAY_ID, START, all_profiles, consumer_profile

from smgw.administrator.api.endpoints import Desk
from smgw.administrator.initial_configuration import AUTHENTICATION_FILE
from smgw.administrator.succession import open_infrastructure, read_offer
from smgw.administrator.users import Role
from smgw.core.instant import utc_text
from smgw.core.profiles import ConsumerProfile
from smgw.security.tls import pem_bundle

pytestmark = pytest.mark.req("ADM-12", "ADM-13")
PATH = f"/gateways/{GATEWAY_ID}/succession"


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = make_desk(tmp_path / "gwa")
    prepare(desk)
    yield desk
    desk.books.close()


async def test_a_gateway_is_handed_over_and_the_change_given_up(desk: Desk) -> None:
    token, document = add_user(desk.books, "op1", Role.OPERATOR), offer()
    async with served(desk) as caller:
        assert (await caller.ask("GET", PATH, token))[1]["error"] == "succession.none"
        status, change = await caller.ask("POST", PATH, token, {"offer": document, "until": UNTIL})
        assert (status, change["side"], change["state"], change["other"]) == (201, "outgoing", "wanted", "other.GWA")
        assert await caller.ask("GET", PATH, token) == (200, change)
        assert change in (await caller.ask("GET", "/successions", token))[1]
        assert (await caller.ask("POST", PATH, token, {"offer": document, "until": UNTIL}))[1]["error"] == "succession.under_way"
        assert (await caller.ask("POST", f"{PATH}/confirm", token))[1]["error"] == "succession.none"
        assert (await caller.ask("DELETE", PATH, token))[1]["state"] == "withdrawn"
        assert (await caller.ask("DELETE", PATH, token))[1]["error"] == "succession.none"
        assert (await caller.ask("POST", f"/gateways/{LEFT}/succession/confirm", token))[1]["state"] == "handed_over"
    assert desk.books.audit.newest(1)[0]["actor"] == "op1"


async def test_what_does_not_fit_begins_nothing(desk: Desk) -> None:
    token, document = add_user(desk.books, "op1", Role.OPERATOR), offer()
    forged = bytearray(b64decode(document))
    forged[-1] ^= 1
    cases = [
        (document, utc_text(START), "succession.until"),
        (document, utc_text(START + timedelta(days=20)), "succession.until"),
        (document, "soon", "value.time"),
        (offer("ESGW0000000099"), UNTIL, "succession.none"),
        (b64encode(bytes(forged)).decode(), UNTIL, "cms.signature"),
        ("AAAA", UNTIL, "cms.structure"),
    ]
    async with served(desk) as caller:
        for body, until, code in cases:
            status, answer = await caller.ask("POST", PATH, token, {"offer": body, "until": until})
            assert (status in (400, 403, 409), answer["error"]) == (True, code)
        status, answer = await caller.ask("POST", "/successions", token, {"infrastructure": document, "until": UNTIL})
        assert status in (400, 403)
    assert desk.books.successions.change(GATEWAY_ID) is None


async def test_a_gateway_is_taken_over_with_what_was_told_of_it(desk: Desk) -> None:
    token, told = add_user(desk.books, "op1", Role.OPERATOR), infrastructure(desk.books)
    with desk.books.store.write() as database:
        database.execute("DELETE FROM profile")
    wake_up = {"host": "gateway.invalid", "port": 15_100, "on_wake_up": False}
    async with served(desk) as caller:
        status, change = await caller.ask("POST", "/successions", token, {"infrastructure": told, "until": UNTIL, "wake_up": wake_up})
    assert (status, change["side"], change["state"], change["other"]) == (201, "incoming", "expected", "other.GWA")
    assert len(desk.books.inventory.profiles(GATEWAY_ID)) == len(all_profiles())
    assert desk.books.wake_ups.address(GATEWAY_ID).port == 15_100


async def test_the_documents_that_go_out_are_read_by_the_other_side(desk: Desk) -> None:
    token, other = add_user(desk.books, "op1", Role.OPERATOR), other_administrator()
    desk.folder.save(msgspec.structs.replace(desk.folder.load(), management_port=15_101, time_port=15_102))
    (desk.folder.path / AUTHENTICATION_FILE).write_bytes(pem_bundle([desk.identity.triple.sig]))
    async with served(desk) as caller:
        status, made = await caller.ask("POST", f"/gateways/{NEW}/succession/offer", token, {"host": "gwa.invalid"})
        assert (status, read_offer(made, other, START).content.host) == (200, "gwa.invalid")
        status, told = await caller.ask("POST", f"{PATH}/infrastructure", token, {"offer": offer()})
        assert status == 200 and open_infrastructure(told, other, START).device_id == GATEWAY_ID
        assert (await caller.ask("POST", "/gateways/x/succession/offer", token, {}))[1]["error"] == "value.device_id"


@pytest.mark.req("ADM-02", "ADM-10")
async def test_a_takeover_that_waits_shows_no_consumer_s_digest_and_happens_once_it_is_approved(desk: Desk) -> None:
    desk = desk._replace(four_eyes=frozenset({"change"}))
    held = consumer_profile()
    digests = [value for value in msgspec.to_builtins(held).values() if isinstance(value, str) and len(value) >= 32]
    assert digests and isinstance(held, ConsumerProfile)
    tokens = [add_user(desk.books, name, Role.OPERATOR, Role.APPROVER) for name in ("op1", "op2")]
    async with served(desk) as caller:
        body = {"infrastructure": infrastructure(desk.books), "until": UNTIL}
        status, proposal = await caller.ask("POST", "/successions", tokens[0], body)
        assert (status, proposal["deed"], proposal["state"]) == (202, "intake", "waiting")
        await caller.log_in("op2")
        texts = [str(proposal), str((await caller.ask("GET", "/proposals", tokens[1]))[1]), (await caller.page("/proposals"))[1]]
        assert not any(digest in text for digest in digests for text in texts)
        assert "meter" in texts[0]
        status, decided = await caller.ask("POST", f"/proposals/{proposal['id']}/approve", tokens[1])
        assert (status, decided["state"]) == (200, "approved")
    change = desk.books.successions.known(GATEWAY_ID)
    assert (change.state, change.side) == ("expected", "incoming")


@pytest.mark.req("LIFE-08")
async def test_a_new_gateway_is_enrolled_by_its_seal(desk: Desk) -> None:
    token = add_user(desk.books, "op1", Role.OPERATOR)
    async with served(desk) as caller:
        status, exchange = await caller.ask("POST", "/gateways", token, {"seal": seal()})
        assert (status, exchange["device_id"], exchange["reason"]) == (202, NEW, "personalisation")
        for wrong, error in (("x", 400), (pem_bundle(list(other_administrator().triple)).decode(), 403)):
            assert (await caller.ask("POST", "/gateways", token, {"seal": wrong}))[0] == error
    assert desk.books.inventory.gateway(NEW) is not None

"""A market participant's orders, from its request over the administrator to the gateway and its values, over real TLS.

participant ──sealed order, mutual TLS──▶ administrator ──command──▶ gateway ──sealed values──▶ participant
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.scenario.whole_gateway import METER, World, measuring, until
from typer.testing import CliRunner

from smgw.administrator.books import Books, open_books
from smgw.administrator.config import AdministratorFolder
from smgw.cli.participant import app
from smgw.codec.market_order import CONTENT_TYPE, TARGET, MarketOrder
from smgw.core.errors import DecodeFault, PeerFault, SmgwError
from smgw.core.log_event import Log
from smgw.core.profiles import EvaluationProfile
from smgw.net.http_exchange import HttpClient, Streams
from smgw.net.identity import TRUST_FOLDER, Identity, create_keys, install_certificates, load_identity
from smgw.net.smpki_tls import dial
from smgw.participant.config import ParticipantFolder
from smgw.participant.database import connect
from smgw.participant.orders import Administrator, order_state, place_order
from smgw.participant.registry import Registry
from smgw.pki.names import Role
from smgw.pki.triple import PARTICIPANT_KEYS
from smgw.security.content import seal
from smgw.simulation.provisioning import DEFAULT_GATEWAY_ID

pytestmark = pytest.mark.req("ADM-09", "WAN-06")

BEFORE_MIDNIGHT = datetime(2026, 3, 1, 22, 50, tzinfo=UTC)
DAY = date(2026, 3, 2)
CONTRACT = "taf6-1.sm"


def order(number: int = 1, **changes: Any) -> MarketOrder:
    order_id = f"00000000-0000-4000-8000-{number:012d}"
    return MarketOrder(**{"order_id": order_id, "gateway": DEFAULT_GATEWAY_ID, "kind": "connect"} | changes)


def read_out(number: int = 1, **changes: Any) -> MarketOrder:
    return order(number, **{"kind": "read-out", "contract": CONTRACT, "first": DAY, "last": DAY, "reason": "move"} | changes)


def contract(world: World, **changes: Any) -> EvaluationProfile:
    taf7 = next(one for one in world.gateway.journal.profiles("evaluation") if isinstance(one, EvaluationProfile) and one.taf == 7)
    return msgspec.structs.replace(taf7, **{"profile_id": CONTRACT, "taf": 6} | changes)


def own(world: World) -> Identity:
    return load_identity(world.layout.participant, PARTICIPANT_KEYS)


def stranger(world: World) -> Identity:
    folder = world.layout.path / "stranger"
    package = create_keys(folder, PARTICIPANT_KEYS, Role.EMT, "stranger")
    install_certificates(folder, world.pki.issue(package, Role.EMT, now=world.now), [world.pki.sub().certificate])
    world.pki.trust(world.now).save(folder / TRUST_FOLDER)
    return load_identity(folder, PARTICIPANT_KEYS)


def administrator(world: World) -> Administrator:
    return Administrator("127.0.0.1", world.system.ports.service, world.triple(Role.GWA))


def books_of(world: World) -> Books:
    return open_books(AdministratorFolder(world.layout.administrator).inventory)


async def place(world: World, wanted: MarketOrder, who: Identity | None = None) -> Any:
    with world.clock.hold():
        return await place_order(who or own(world), administrator(world), wanted, world.clock)


async def state(world: World, wanted: MarketOrder, who: Identity | None = None) -> Any:
    with world.clock.hold():
        return await order_state(who or own(world), administrator(world), wanted.order_id, world.clock)


async def obeyed(world: World, wanted: MarketOrder) -> None:
    with closing(books_of(world)) as books:
        kept = books.market_orders.order(wanted.order_id)
        assert kept is not None
        await until(lambda: books.jobs.job(kept.job).state not in ("waiting", "accepted"), "the gateway's result")


@asynccontextmanager
async def with_contract(path: Path, **changes: Any) -> AsyncIterator[World]:
    """Run a system whose household has a contract for read-outs, over a midnight."""
    async with measuring(path, BEFORE_MIDNIGHT) as world:
        with closing(connect(ParticipantFolder(world.layout.participant).store)) as connection:
            Registry(connection).register(DEFAULT_GATEWAY_ID, [METER.meter_id], [CONTRACT])
        world.order(contract(world, **changes))
        await until(lambda: len(world.gateway.journal.profiles("evaluation")) == 3, "contract")
        yield world


@pytest.mark.step("2.2.3.5", event="read_out_ordered")
async def test_a_read_out_brings_values_to_the_recipient_and_tells_the_consumer_who_asked(tmp_path: Path) -> None:
    async with with_contract(tmp_path) as world:
        await world.quarter()
        await world.delivered()
        before, wanted = world.totals().deliveries, read_out()
        accepted = await place(world, wanted)
        assert accepted.state in ("waiting", "done")
        assert await place(world, wanted) in (accepted, await state(world, wanted)), "the same order once more is the same"
        await obeyed(world, wanted)
        done = await state(world, wanted)
        assert (done.state, done.code) == ("done", "")
        await world.delivered()
        assert world.totals().deliveries == before + 1
        assert world.told(Log.CONSUMER).count(("read_out_ordered", "")) == 1
        with closing(books_of(world)) as books:
            (entry,) = [entry for entry in books.audit.newest() if entry["action"].startswith("order of a participant")]
            assert (entry["action"], entry["result"]) == (f"order of a participant: read-out {CONTRACT}", "accepted")
            assert len(books.market_orders.newest(DEFAULT_GATEWAY_ID)) == 1


@pytest.mark.step("2.2.2.5", event="connection_ordered")
async def test_a_connection_is_ordered_and_made(tmp_path: Path) -> None:
    async with measuring(tmp_path) as world:
        await place(world, order())
        await obeyed(world, order())
        assert (await state(world, order())).state == "done"
        assert ("connection_ordered", "") in world.told()


async def test_what_is_not_permitted_is_refused_and_audited(tmp_path: Path) -> None:
    async with with_contract(tmp_path, recipients=()) as world:
        other, jobs_before = stranger(world), 0
        with closing(books_of(world)) as books:
            jobs_before = len(books.jobs.of(DEFAULT_GATEWAY_ID))
        refused: list[tuple[MarketOrder, Identity | None]] = [
            (order(), other),
            (read_out(), None),
            (read_out(contract="taf7-1.sm"), None),
            (order(gateway="ESGW0000000099"), None),
        ]
        for wanted, who in refused:
            with pytest.raises(PeerFault, match=r"http\.refused"):
                await place(world, wanted, who)
        with closing(books_of(world)) as books:
            assert len(books.jobs.of(DEFAULT_GATEWAY_ID)) == jobs_before
            entries = [(one["actor"], one["result"]) for one in books.audit.newest() if one["action"] == "order of a participant"]
        names = [other.triple.common_name, own(world).triple.common_name]
        assert sorted(entries) == sorted((name, "order.not_permitted") for name in names), "each once a minute"


async def test_nobody_learns_of_anothers_orders_or_takes_their_place(tmp_path: Path) -> None:
    async with measuring(tmp_path) as world:
        other = stranger(world)
        await place(world, order())
        for wanted, who in ((order(), other), (order(2), None)):
            with pytest.raises(PeerFault, match="status 404"):
                await state(world, wanted, who)
        with pytest.raises(PeerFault, match=r"http\.refused"):
            await place(world, order(1, kind="read-out", contract="taf7-1.sm", first=DAY, last=DAY, reason="move"))
        # The participant's connection, but another's signature; then nonsense.
        mine, enc = own(world), world.triple(Role.GWA).enc
        forged = seal(msgspec.json.encode(order(3)), module=other.module, signer=other.signer, recipient=enc)
        nonsense = seal(b'{"kind": "connect"}', module=mine.module, signer=mine.signer, recipient=enc)
        for body in (forged, nonsense, b"", b"\x30\x80"):
            assert await status(world, mine, "POST", TARGET, body) == 400
        assert await status(world, mine, "PUT", TARGET) == 405
        assert await status(world, mine, "GET", f"{TARGET}/../x") == 404
        assert await status(world, mine, "POST", "/smgw/gwa/v1/notices") == 404
        with closing(books_of(world)) as books:
            results = [one["result"] for one in books.audit.newest() if one["action"] == "order of a participant"]
            assert books.market_orders.order(order(3).order_id) is None
        assert set(results) == {"order.sender", "order.structure", "order.not_permitted", "cms.structure"}


async def status(world: World, who: Identity, method: str, target: str, body: bytes = b"") -> int:
    place, roles = administrator(world), frozenset({Role.GWA})
    channel = await dial(
        place.host, place.port, module=who.module, identity=who.tls, trust=who.trust, clock=world.clock, roles=roles, timeout_s=30
    )
    async with channel:
        client = HttpClient(Streams(channel.reader, channel.writer), "administrator")
        return (await client.request(method, target, {"Content-Type": CONTENT_TYPE}, body)).status


@pytest.mark.parametrize("changes", [{"contract": "", "first": DAY}, {"kind": "connect"}, {"reason": None}, {"order_id": "1"}])
async def test_an_order_that_is_not_complete_does_not_leave_the_house(tmp_path: Path, changes: dict[str, Any]) -> None:
    world = World(tmp_path, BEFORE_MIDNIGHT)
    try:
        with pytest.raises(DecodeFault, match=r"order\.structure"):
            await place(world, read_out(**changes))
        with pytest.raises(SmgwError, match=r"net\."):
            await place(world, read_out())
    finally:
        world.port.close()


async def test_orders_are_typed(tmp_path: Path) -> None:
    async with measuring(tmp_path, datetime.now(UTC).replace(microsecond=0)) as world:
        options = ["--data", str(world.layout.participant), "--administrator", f"127.0.0.1:{world.system.ports.service}"]
        options += ["--certificates", str(world.layout.administrator / "triple.pem"), "--json"]

        async def typed(*words: str, code: int = 0) -> Any:
            with world.clock.hold():
                result = await asyncio.to_thread(CliRunner().invoke, app, ["order", *words, *options])
            assert result.exit_code == code, result.output
            return msgspec.json.decode(result.stdout.splitlines()[0])

        placed = await typed("connect", DEFAULT_GATEWAY_ID)
        await obeyed(world, order(order_id=placed["orderId"]))
        assert (await typed("show", placed["orderId"]))["state"] == "done"
        assert (await typed("connect", DEFAULT_GATEWAY_ID, "--id", placed["orderId"]))["state"] == "done"
        days = ("--first", "2026-03-02", "--last", "2026-03-02")
        refused = await typed("read-out", DEFAULT_GATEWAY_ID, "taf7-1.sm", *days, "--reason", "move", code=4)
        assert refused["code"] == "http.refused"
        wrong = await typed("read-out", DEFAULT_GATEWAY_ID, "taf7-1.sm", *days, "--reason", "curiosity", code=4)
        assert wrong["code"] == "order.structure"
        options[5] = str(tmp_path / "missing.pem")
        assert (await typed("connect", DEFAULT_GATEWAY_ID, code=3))["code"] == "pki.file"

"""Deliveries over real TLS: what is refused leaves no trace but its refusal, what is accepted has exactly one effect."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio
from tests.participant.participant_parts import (
    CONTRACT,
    DAY,
    GATEWAY,
    METER,
    NOW,
    QUARTER,
    REGISTERS,
    REVOKED,
    STRANGER,
    Market,
    administrator,
    day_readings,
    delivery,
    gateway,
    headers,
    participant_folder,
    reading,
    receipt_of,
    running,
    sealed,
    signed,
)

from smgw.core.delivery import Delivery
from smgw.core.errors import SmgwError
from smgw.core.instant import day_bounds
from smgw.core.register import RegisterValue
from smgw.core.status_word import GATEWAY_OK
from smgw.net.identity import Identity
from smgw.participant.database import connect
from smgw.participant.inbox import MAX_CONTENT_OCTETS
from smgw.participant.registry import Registry
from smgw.participant.server import TARGET
from smgw.participant.store import ParticipantStore, Refusal, Totals
from smgw.protocol.tunnel_http import BODY_LIMIT

pytestmark = pytest.mark.asyncio(loop_scope="module")

START = day_bounds(DAY)[0]
REJECTED = b'{"error": "rejected"}'


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def market(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Market]:
    """Run one participant for the whole file: it must go on after everything that is done to it."""
    folder = participant_folder(tmp_path_factory.mktemp("participant"))
    with closing(connect(folder.store)) as connection:
        Registry(connection).register(REVOKED, ["1SGW0010000009"], [CONTRACT])
    async with running(folder) as market:
        yield market


class Books:
    """Look into the participant's store from outside."""

    def __init__(self, market: Market) -> None:
        self._connection = connect(market.folder.store)
        self.store = ParticipantStore(self._connection)

    def __enter__(self) -> "Books":
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def state(self) -> tuple[Totals, int]:
        (rows,) = self._connection.execute("SELECT count(*) FROM day_series").fetchone()
        return self.store.totals(), rows

    async def refusal_after(self, number: int) -> Refusal:
        """Wait for the refusal that follows another: it is written after the reply is sent."""
        async with asyncio.timeout(60):
            while True:
                found = self.store.refusals(1)
                if found and found[0].number > number:
                    return found[0]
                await asyncio.sleep(0.01)


# -- refused ----------------------------------------------------------------------------------------------------------------------------

Case = tuple[bytes, str, Identity | None]


def _with(whole: Delivery, **options: object) -> Case:
    return sealed(whole, **options), whole.message_id, None  # type: ignore[arg-type]


def _altered() -> Case:
    whole = delivery(number=101)
    message = bytearray(sealed(whole))
    message[len(message) // 2] ^= 1
    return bytes(message), whole.message_id, None


def _truncated() -> Case:
    whole = delivery(number=102)
    return sealed(whole)[:-20], whole.message_id, None


def _altered_reading() -> Case:
    good = signed(reading(START + QUARTER, 1_000), 2)
    return _with(delivery((msgspec.structs.replace(good, reading=msgspec.structs.replace(good.reading, raw=1_001)),), 103))


def _reading_of_another_gateway() -> Case:
    return _with(delivery((signed(reading(START + QUARTER, 1_000), 2, STRANGER),), 104))


def _long_signature() -> Case:
    good = signed(reading(START + QUARTER, 1_000), 2)
    return _with(delivery((msgspec.structs.replace(good, signature=bytes(96)),), 105))


def _register(**changes: object) -> RegisterValue:
    whole = RegisterValue(
        profile_id="taf1-1.sm",
        taf=1,
        obis=REGISTERS[0],
        raw=10_007,
        scaler=-1,
        unit=30,
        period_start=START - timedelta(days=30),
        period_end=START,
        gateway_status=GATEWAY_OK,
        inputs=(2,),
        created_at=NOW,
    )
    return msgspec.structs.replace(whole, **changes)


CASES: dict[str, tuple[Callable[[], Case], str, int]] = {
    "altered message": (_altered, "cms.", 400),
    "truncated message": (_truncated, "cms.structure", 400),
    "no message": (lambda: (b"", "", None), "cms.structure", 400),
    "encrypted for another": (lambda: _with(delivery(number=110), recipient=gateway().triple.enc), "cms.", 400),
    "no certificate": (lambda: _with(delivery(number=111), include_certificate=False), "delivery.sender", 400),
    "signed by another gateway": (lambda: _with(delivery(number=112), signer=gateway(STRANGER)), "delivery.sender", 400),
    "signed in another role": (lambda: _with(delivery(number=113), signer=administrator()), "pki.role", 400),
    "signer revoked": (
        lambda: (sealed(delivery(number=114, sender=REVOKED), signer=gateway(REVOKED)), delivery(number=114).message_id, gateway(REVOKED)),
        "pki.revoked",
        400,
    ),
    "gateway not registered": (
        lambda: (
            sealed(delivery(number=115, sender=STRANGER), signer=gateway(STRANGER)),
            delivery(number=115).message_id,
            gateway(STRANGER),
        ),
        "delivery.unknown_gateway",
        400,
    ),
    "another sender named": (lambda: _with(delivery(number=116, sender=STRANGER)), "delivery.sender", 400),
    "another recipient named": (lambda: _with(delivery(number=117, recipient="emt2.sm")), "delivery.recipient", 400),
    "meter not assigned": (lambda: _with(delivery((), number=118, meter_id="1SGW0010000002")), "delivery.unknown_meter", 400),
    "meter of another gateway": (lambda: _with(delivery((), number=119, meter_id="1SGW0010000009")), "delivery.unknown_meter", 400),
    "contract not assigned": (lambda: _with(delivery(number=120, contract="taf7-9.sm")), "delivery.unknown_meter", 400),
    "another id in the header": (lambda: (sealed(delivery(number=121)), delivery(number=122).message_id, None), "delivery.message_id", 400),
    "no id in the header": (lambda: (sealed(delivery(number=123)), "", None), "delivery.message_id", 400),
    "altered reading": (_altered_reading, "delivery.reading_signature", 400),
    "reading of another gateway": (_reading_of_another_gateway, "delivery.reading_signature", 400),
    "signature of another length": (_long_signature, "delivery.reading_signature", 400),
    "reading outside the period": (
        lambda: _with(delivery((signed(reading(START - QUARTER, 1_000), 2),), 124)),
        "delivery.content",
        400,
    ),
    "time before this century": (lambda: _with(delivery((), 125, period_start=datetime(1, 1, 1, tzinfo=UTC))), "delivery.content", 400),
    "register of another contract": (
        lambda: _with(delivery((), 126, contract="taf1-1.sm", taf=1, registers=(_register(profile_id=CONTRACT),))),
        "delivery.content",
        400,
    ),
    "another format": (lambda: (sealed(b"<html/>"), "", None), "xml.structure", 400),
    "document type declared": (lambda: (sealed(b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>"), "", None), "xml.structure", 400),
    "decompression bomb": (lambda: (sealed(b" " * (MAX_CONTENT_OCTETS + 1), compress=True), "", None), "cms.", 413),
}


@pytest.mark.req("EMT-01", "SEC-03")
@pytest.mark.parametrize("name", CASES)
async def test_a_refused_message_has_no_effect(market: Market, name: str) -> None:
    make, code, status = CASES[name]
    message, message_id, identity = make()
    with Books(market) as books:
        before, rows = books.state()
        response = await market.post(message, message_id, identity)
        assert (response.status, response.body) == (status, REJECTED)
        refusal = await books.refusal_after(before.rejected)
        assert refusal.code.startswith(code)
        assert refusal.peer.endswith(".SMGW")
        assert books.state() == (before._replace(rejected=before.rejected + 1), rows)
    again = delivery((), number=999)
    assert (await market.deliver(again)).status == 200


@pytest.mark.req("EMT-01")
async def test_no_altered_octet_is_accepted(market: Market) -> None:
    whole = delivery(number=130)
    message = sealed(whole)
    with Books(market) as books:
        before = books.state()[0].deliveries
        async with market.connection() as client:
            for position in range(0, len(message), 41):
                altered = bytearray(message)
                altered[position] ^= 1 << position % 8
                response = await client.request("POST", TARGET, headers(whole.message_id), bytes(altered))
                assert (response.status, response.body) == (400, REJECTED), position
        assert books.state()[0].deliveries == before


@pytest.mark.req("EMT-01")
async def test_a_message_id_is_never_used_for_another_content(market: Market) -> None:
    first = delivery((signed(reading(START + 3 * QUARTER, 10_021), 6),), number=131)
    other = delivery((signed(reading(START + 3 * QUARTER, 10_022), 6),), number=131)
    assert (await market.deliver(first)).status == 200
    with Books(market) as books:
        before, rows = books.state()
        response = await market.deliver(other)
        assert (response.status, response.body) == (400, REJECTED)
        assert (await books.refusal_after(before.rejected)).code == "delivery.replayed"
        assert books.state() == (before._replace(rejected=before.rejected + 1), rows)


async def test_a_body_over_the_limit_is_refused_before_it_is_read(market: Market) -> None:
    with Books(market) as books:
        before = books.state()[0].rejected
        async with market.channel() as channel:
            length = BODY_LIMIT + 1
            channel.writer.write(f"POST {TARGET} HTTP/1.1\r\nHost: emt1.sm\r\nContent-Length: {length}\r\n\r\n".encode() + bytes(length))
            assert (await channel.reader.readline()).startswith(b"HTTP/1.1 413 ")
        assert (await books.refusal_after(before)).code == "http.body_size"


@pytest.mark.req("WAN-03")
async def test_a_peer_in_another_role_gets_no_connection(market: Market) -> None:
    with Books(market) as books:
        before = books.state()[0].rejected
        with pytest.raises(SmgwError):
            await market.post(sealed(delivery(number=132), signer=administrator()), "", administrator())
        assert (await books.refusal_after(before)).code == "pki.role"


@pytest.mark.parametrize(
    ("method", "target", "content_type", "status"),
    [("POST", "/other", "application/cms", 404), ("GET", TARGET, "application/cms", 405), ("POST", TARGET, "application/json", 415)],
)
async def test_other_requests_get_their_status(market: Market, method: str, target: str, content_type: str, status: int) -> None:
    async with market.connection() as client:
        response = await client.request(method, target, {"Content-Type": content_type}, b"")
        assert response.status == status
        whole = delivery((), number=133)
        assert (await client.request("POST", TARGET, headers(whole.message_id), sealed(whole))).status == 200


async def test_an_open_connection_does_not_outlive_the_revocation_lists(tmp_path: Path) -> None:
    async with running(participant_folder(tmp_path)) as market, market.connection() as client:
        whole = delivery(number=1)
        message = sealed(whole)
        assert (await client.request("POST", TARGET, headers(whole.message_id), message)).status == 200
        await market.clock.advance_to(NOW + timedelta(days=40))
        response = await client.request("POST", TARGET, headers(whole.message_id), message)
        assert (response.status, response.body) == (400, REJECTED)
        with Books(market) as books:
            assert (await books.refusal_after(0)).code == "pki.crl_stale"


@pytest.mark.req("EMT-01")
async def test_a_gateway_beyond_the_limit_is_refused_and_hurts_no_other(tmp_path: Path) -> None:
    folder = participant_folder(tmp_path)
    folder.save(msgspec.structs.replace(folder.load(), max_gateways=1))
    async with running(folder) as market:
        async with market.connection() as client:
            with pytest.raises(SmgwError):
                await market.deliver(delivery(number=2))
            whole = delivery(number=1)
            assert (await client.request("POST", TARGET, headers(whole.message_id), sealed(whole))).status == 200
        with Books(market) as books:
            assert (await books.refusal_after(0)).code == "tls.too_many"


async def test_a_store_that_cannot_be_read_refuses_for_now(tmp_path: Path) -> None:
    async with running(participant_folder(tmp_path)) as market:
        with closing(connect(market.folder.store)) as connection:
            connection.execute("ALTER TABLE gateway_contract RENAME TO gone")
            assert (await market.deliver(delivery())).status == 503
            connection.execute("ALTER TABLE gone RENAME TO gateway_contract")
            assert (await market.deliver(delivery())).status == 200


# -- accepted ---------------------------------------------------------------------------------------------------------------------------


@pytest.mark.req("EMT-01", "WAN-05")
async def test_the_same_message_twice_has_one_effect(tmp_path: Path) -> None:
    async with running(participant_folder(tmp_path)) as market:
        whole = delivery(day_readings(), number=7)
        message, sealed_anew = sealed(whole), sealed(whole)
        first, second, third = [await market.post(octets, whole.message_id) for octets in (message, message, sealed_anew)]
        facts = receipt_of(first, message)
        assert facts == {
            "messageId": whole.message_id,
            "digest": hashlib.sha256(message).hexdigest(),
            "storedAt": "2026-11-22T12:00:00Z",
            "values": 194,
        }
        assert receipt_of(second, message) == facts
        assert receipt_of(third, sealed_anew)["storedAt"] == facts["storedAt"]
        with Books(market) as books:
            assert books.state()[0] == Totals(deliveries=1, readings=194, rejected=0)
            (entry,) = books.store.inbox(10)
            assert (entry.sender, entry.signer, entry.contract, entry.meter_id) == (GATEWAY, f"{GATEWAY}.SMGW", CONTRACT, METER)
            assert books.store.message(entry.number) == message
            for obis in REGISTERS:
                status = books.store.series.status(METER, obis, DAY)
                assert (status.valid, status.complete) == (96, True)


@pytest.mark.req("EMT-01")
async def test_values_come_out_as_the_meter_sent_them(tmp_path: Path) -> None:
    async with running(participant_folder(tmp_path)) as market:
        whole = delivery(day_readings(), number=8)
        assert (await market.deliver(whole)).status == 200
        with Books(market) as books:
            for obis in REGISTERS:
                sent = [one for one in whole.readings if one.reading.obis == obis]
                kept = [effective.value for effective in books.store.series.day(METER, obis, DAY)]
                assert [(v.target_time, v.raw, v.scaler, v.unit, v.capture_time, v.gateway_status, v.sequence) for v in kept] == [
                    (r.target_time, r.raw, r.scaler, r.unit, r.capture_time, r.gateway_status, one.sequence)
                    for one in sent
                    for r in (one.reading,)
                ]


@pytest.mark.req("EMT-02")
async def test_a_contradicting_value_is_found_and_overwrites_nothing(tmp_path: Path) -> None:
    async with running(participant_folder(tmp_path)) as market:
        target = START + QUARTER
        for number, raw in ((1, 10_007), (2, 10_008)):
            assert (await market.deliver(delivery((signed(reading(target, raw), number),), number))).status == 200
        with Books(market) as books:
            (finding,) = books.store.findings(10)
            assert (finding.kind, finding.meter_id, finding.target, finding.revision) == ("contradiction", METER, target, 1)
            (effective,) = books.store.series.day(METER, REGISTERS[0], DAY)
            assert (effective.value.raw, effective.contradicted) == (10_008, True)
            assert books.store.series.status(METER, REGISTERS[0], DAY).contradicted == 1


@pytest.mark.req("TAF-24")
async def test_register_values_are_kept_once_for_each_statement(tmp_path: Path) -> None:
    async with running(participant_folder(tmp_path)) as market:
        contract = {"contract": "taf1-1.sm", "taf": 1, "readings": ()}
        for number, values in enumerate(([_register(raw=None)], [_register(raw=None), _register(created_at=NOW + QUARTER)]), 1):
            assert (await market.deliver(delivery(number=number, registers=tuple(values), **contract))).status == 200
        with Books(market) as books:
            assert sorted(row.quantity is None for row in books.store.registers(METER, 10)) == [False, True]


async def test_many_messages_at_once_are_each_stored_once(tmp_path: Path) -> None:
    async with running(participant_folder(tmp_path)) as market:
        wholes = [delivery((signed(reading(START + number * QUARTER, 10_000 + number), number),), number) for number in range(1, 9)]
        replies = await asyncio.gather(*(market.deliver(whole) for whole in (*wholes, *wholes)))
        assert {reply.status for reply in replies} == {200}
        with Books(market) as books:
            assert books.state()[0] == Totals(deliveries=8, readings=8, rejected=0)

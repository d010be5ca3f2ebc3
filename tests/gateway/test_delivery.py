"""The outbox against a partner over real TLS: kept until a receipt proves that the message is stored."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from tests.gateway.connections import Connections
from tests.gateway.gateway_parts import (
    GATEWAY_ID,
    METER_ID,
    START,
    administrator_identity,
    communication_profile,
    consumer_profile,
    evaluation_profile,
    gateway_identity,
    meter_profile,
    participant_identity,
)

from smgw.codec.delivery_xml import decode_delivery, encode_delivery
from smgw.core.delivery import Delivery
from smgw.core.errors import DecodeFault, SecurityFault
from smgw.core.log_event import Log, LogEntry
from smgw.core.notices import ADMINISTRATOR
from smgw.gateway.delivery import REFUSALS_IN_ORDER, RETRY_LAST, TO_ADMINISTRATOR, Pump, Sender, check_receipt, retry_delay
from smgw.gateway.logs import Recorder
from smgw.gateway.notices import Notifier
from smgw.net.clock import ManualClock
from smgw.net.http_server import Reply, serve_http
from smgw.net.smpki_tls import listen
from smgw.pki.chain import ValidatedCertificate
from smgw.pki.names import Role
from smgw.protocol.tunnel_http import Request
from smgw.security.content import open_content, sign_encapsulated
from smgw.simulation.provisioning import hex_der
from smgw.storage.journal import Journal, OutboxMessage

MESSAGE_ID = "7e0a6f3e-2c74-4b3e-9a52-0f4f6d4f6a01"
Answer = Callable[[Request], Reply]


def receipt_for(document: bytes, message_id: str = MESSAGE_ID) -> bytes:
    """Sign a receipt as the participant does."""
    identity = participant_identity()
    content = json.dumps({"messageId": message_id, "digest": hashlib.sha256(document).hexdigest(), "storedAt": "", "values": 1}).encode()
    return sign_encapsulated(content, module=identity.module, signer=identity.signer)


def delivery(message_id: str = MESSAGE_ID) -> Delivery:
    return Delivery(message_id, START, GATEWAY_ID, "emt1.sm", "taf7-1.sm", 7, "DE0001", START, START, METER_ID)


class Bench:
    """Hold a pump over a real journal and a partner that answers as told."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.clock = ManualClock(START)
        self.requests: list[Request] = []
        identity = gateway_identity()
        recorder = Recorder(journal, self.clock)
        self.sender = Sender(identity.module, identity.tls, identity.signer, identity.trust, journal, recorder, self.clock)
        self.pump = Pump(self.sender)

    @asynccontextmanager
    async def partner(self, answer: Answer) -> AsyncIterator[int]:
        identity = participant_identity()

        async def respond(request: Request) -> Reply:
            self.requests.append(request)
            return answer(request)

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: ValidatedCertificate) -> None:
            await serve_http(reader, writer, respond, on_fault=pytest.fail)

        connections = Connections()
        server = await listen(
            connections.watched(serve),
            "127.0.0.1",
            0,
            module=identity.module,
            identity=identity.tls,
            trust=identity.trust,
            clock=self.clock,
            roles=frozenset({Role.SMGW}),
        )
        async with connections.closing(server):
            port: int = server.sockets[0].getsockname()[1]
            for profile in (communication_profile(port), meter_profile(), consumer_profile(), evaluation_profile()):
                self.journal.put_profile(profile, b"", START)
            yield port

    def queue(self, message_id: str = MESSAGE_ID) -> None:
        body = encode_delivery(delivery(message_id))
        self.journal.enqueue(OutboxMessage(message_id, "emt1.sm", "taf7-1.sm", body, START))

    def events(self, log: Log = Log.SYSTEM) -> list[str]:
        return [stored.entry.event for stored in self.journal.log(log, "consumer1.sm" if log is Log.CONSUMER else "")]

    def attempts(self) -> list[tuple[int, str]]:
        return [(message.attempts, message.last_code) for message in self.journal.pending(10)]


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    with Journal.open(tmp_path / "journal.db", bytes(32)) as journal:
        yield Bench(journal)


def opened_by_participant(document: bytes) -> Delivery:
    identity = participant_identity()
    opened = open_content(document, module=identity.module, recipient=identity.recipient, signer=lambda _: gateway_identity().triple.sig)
    return decode_delivery(opened.content)


@pytest.mark.req("WAN-03", "WAN-05", "LOG-03")
async def test_a_message_leaves_the_outbox_when_its_receipt_is_verified(bench: Bench) -> None:
    async with bench.partner(lambda request: Reply(200, receipt_for(request.body))):
        bench.queue()
        assert await bench.pump.flush()
    assert bench.journal.delivery_counts() == (1, 1)
    assert opened_by_participant(bench.requests[0].body) == delivery()
    assert dict(bench.requests[0].headers)["x-cid"] == f"uuid:{MESSAGE_ID}"
    assert bench.events() == ["dispatched", "acknowledged"]
    assert bench.events(Log.CONSUMER) == ["dispatched", "acknowledged"]
    assert bench.pump.last_delivery == "2026-03-01T12:00:00Z"


@pytest.mark.req("WAN-04", "LOG-01")
@pytest.mark.step("2.2.2.6", event="channel_opened")
async def test_an_ordered_connection_is_told_though_nothing_waits(bench: Bench) -> None:
    codes: list[str] = []
    async with bench.partner(lambda request: Reply(200, receipt_for(request.body))):
        bench.pump.connect("emt1.sm", codes.append)
        assert await bench.pump.flush()
    assert codes == [""]
    assert bench.events() == ["channel_opened"]
    assert bench.requests == []


@pytest.mark.req("WAN-05")
@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (lambda _: Reply(503), "http.refused"),
        (lambda _: Reply(400), "http.refused"),
        (lambda _: Reply(200, b"thanks"), "cms.structure"),
        (lambda _: Reply(200, receipt_for(b"another message")), "delivery.receipt"),
        (lambda request: Reply(200, receipt_for(request.body, "0e0a6f3e-2c74-4b3e-9a52-0f4f6d4f6a01")), "delivery.receipt"),
    ],
    ids=["unavailable", "rejected", "no receipt", "receipt for other octets", "receipt for another message"],
)
async def test_without_a_receipt_the_message_stays(bench: Bench, answer: Answer, code: str) -> None:
    async with bench.partner(answer):
        bench.queue()
        assert not await bench.pump.flush()
    assert bench.attempts() == [(1, code)]
    assert bench.events() == ["dispatched", "delivery_failed"]
    assert bench.events(Log.CONSUMER) == ["dispatched", "delivery_failed"]


@pytest.mark.req("LOG-03")
@pytest.mark.step("2.2.1", "2.2.3.6", "2.3.1.1", "2.3.1.2", "2.3.1.4", "2.3.2.1", event="dispatched")
@pytest.mark.step("2.3.1.4", event="acknowledged")
@pytest.mark.step("2.3.1.5", event="delivery_failed")
async def test_the_consumer_sees_what_left_to_whom_and_how_each_dispatch_ended(bench: Bench) -> None:
    refusals = 12

    def answer(request: Request) -> Reply:
        nonlocal refusals
        refusals -= 1
        return Reply(503) if refusals >= 0 else Reply(200, receipt_for(request.body))

    async with bench.partner(answer):
        bench.queue()
        for _ in range(12):
            assert not await bench.pump.flush()
        assert await bench.pump.flush()
    entries = [stored.entry for stored in bench.journal.log(Log.CONSUMER, "consumer1.sm")]
    assert [(entry.event, entry.success) for entry in entries] == [
        ("dispatched", True),
        ("delivery_failed", False),
        ("delivery_failed", False),
        ("acknowledged", True),
    ]
    assert entries[0].text("en") == f"0 values of taf7-1.sm sent to emt1.sm, message {MESSAGE_ID}"
    assert entries[1].text("de") == f"Nachricht {MESSAGE_ID} an emt1.sm nicht zugestellt: http.refused"
    assert all(entry.parameters["message"] == MESSAGE_ID and entry.parameters["partner"] == "emt1.sm" for entry in entries)


@pytest.mark.req("LOG-03")
async def test_a_forged_receipt_is_a_failed_dispatch_for_the_consumer(bench: Bench) -> None:
    identity = administrator_identity()
    forged = sign_encapsulated(b"{}", module=identity.module, signer=identity.signer)
    async with bench.partner(lambda _: Reply(200, forged)):
        bench.queue()
        assert not await bench.pump.flush()
    assert bench.events(Log.CONSUMER) == ["dispatched", "delivery_failed"]
    assert set(bench.events()) == {"dispatched", "content_signature_invalid", "delivery_failed"}


@pytest.mark.req("LOG-03")
async def test_the_first_result_of_a_dispatch_is_told_also_after_many_vain_calls(bench: Bench) -> None:
    async with bench.partner(lambda _: Reply(503)):
        bench.queue()
        for _ in range(3):
            bench.journal.note_attempt(MESSAGE_ID, "net.unreachable", START)
        assert not await bench.pump.flush()
    assert bench.events(Log.CONSUMER) == ["dispatched", "delivery_failed"]


@pytest.mark.req("LOG-03", "CON-03")
@pytest.mark.step("2.2.1", "2.3.1.5", event="handshake_failed")
async def test_what_did_not_leave_and_what_is_another_consumers_is_not_in_the_log(bench: Bench) -> None:
    second = "0e0a6f3e-2c74-4b3e-9a52-0f4f6d4f6a02"

    def answer(request: Request) -> Reply:
        message_id = dict(request.headers)["x-cid"].removeprefix("uuid:")
        return Reply(200, receipt_for(request.body, message_id)) if message_id == MESSAGE_ID else Reply(503)

    async with bench.partner(answer) as port:
        bench.journal.put_profile(consumer_profile("consumer2.sm", "other"), b"", START)
        bench.journal.put_profile(evaluation_profile(profile_id="taf7-2.sm", consumer_id="consumer2.sm"), b"", START)
        bench.queue()
        theirs = encode_delivery(msgspec.structs.replace(delivery(second), contract="taf7-2.sm"))
        bench.journal.enqueue(OutboxMessage(second, "emt1.sm", "taf7-2.sm", theirs, START))
        assert not await bench.pump.flush()
        away = msgspec.structs.replace(communication_profile(port), partner_id="emt9.sm", port=1)
        bench.journal.put_profile(away, b"", START)
        bench.journal.enqueue(OutboxMessage("3" + second[1:], "emt9.sm", "taf7-2.sm", theirs, START))
        assert not await bench.pump.flush()
    assert bench.events(Log.CONSUMER) == ["dispatched", "acknowledged"]
    others = [stored.entry for stored in bench.journal.log(Log.CONSUMER, "consumer2.sm")]
    assert [entry.event for entry in others] == ["dispatched", "delivery_failed"]
    assert {entry.parameters["message"] for entry in others} == {second}
    assert bench.events().count("handshake_failed") == 1
    assert {(message.message_id, message.attempts > 0) for message in bench.journal.pending(10)} == {
        (second, True),
        ("3" + second[1:], True),
    }


@pytest.mark.req("WAN-03")
@pytest.mark.step("2.2.4", event="peer_certificate_rejected")
async def test_a_partner_that_is_not_the_configured_one_gets_nothing(bench: Bench) -> None:
    async with bench.partner(lambda request: Reply(200, receipt_for(request.body))) as port:
        triple = administrator_identity().triple
        other = msgspec.structs.replace(communication_profile(port), tls_certificate=hex_der(triple.tls), version=2)
        bench.journal.put_profile(other, b"", START)
        bench.queue()
        assert not await bench.pump.flush()
    assert bench.requests == []
    assert bench.attempts()[0][1].startswith("pki.")
    assert bench.events() == ["peer_certificate_rejected"]


@pytest.mark.req("WAN-05")
async def test_a_partner_that_is_away_is_tried_again_after_a_pause(bench: Bench) -> None:
    down = True

    def answer(request: Request) -> Reply:
        return Reply(503) if down else Reply(200, receipt_for(request.body))

    async with bench.partner(answer):
        bench.queue()
        assert not await bench.pump.flush()
        down = False
        assert await bench.pump.flush()
    assert bench.journal.delivery_counts() == (1, 1)


@pytest.mark.req("STATE-01", "WAN-07")
async def test_the_administrator_is_told_also_where_nothing_may_be_delivered(bench: Bench) -> None:
    service = msgspec.structs.replace(communication_profile(9), partner_id=ADMINISTRATOR)
    pump = Pump(bench.sender._replace(service=service))
    async with bench.partner(lambda _: pytest.fail("nothing may be delivered")):
        bench.queue()
        notifier = Notifier(bench.journal, str(GATEWAY_ID), bench.sender.module.random, administrator=True, queued=pump.wake.set)
        notifier.tell(LogEntry(Log.SYSTEM, "readings_full", START, False, "", "", {"store": "readings"}))
        assert not await pump.flush(TO_ADMINISTRATOR)
    assert [message.attempts for message in bench.journal.pending(1, ADMINISTRATOR)] == [1]
    assert [message.attempts for message in bench.journal.pending(1, "emt1.sm")] == [0]


@pytest.mark.req("WAN-05")
async def test_messages_keep_their_order(bench: Bench) -> None:
    ids = [f"{number:08x}-2c74-4b3e-9a52-0f4f6d4f6a01" for number in range(5)]

    def answer(request: Request) -> Reply:
        return Reply(200, receipt_for(request.body, dict(request.headers)["x-cid"].removeprefix("uuid:")))

    async with bench.partner(answer):
        for message_id in ids:
            bench.queue(message_id)
        assert await bench.pump.flush()
    assert bench.journal.delivery_counts() == (5, 5)
    assert [dict(request.headers)["x-cid"] for request in bench.requests] == [f"uuid:{message_id}" for message_id in ids]


@pytest.mark.req("WAN-05")
async def test_a_message_that_is_refused_for_good_does_not_hold_up_the_others(bench: Bench) -> None:
    ids = [f"{number:08x}-2c74-4b3e-9a52-0f4f6d4f6a01" for number in range(3)]

    def answer(request: Request) -> Reply:
        message_id = dict(request.headers)["x-cid"].removeprefix("uuid:")
        return Reply(400) if message_id == ids[0] else Reply(200, receipt_for(request.body, message_id))

    async with bench.partner(answer):
        for message_id in ids:
            bench.queue(message_id)
        for _ in range(REFUSALS_IN_ORDER):
            assert not await bench.pump.flush()
            assert bench.journal.delivery_counts() == (3, 0)
        assert not await bench.pump.flush()
    assert bench.journal.delivery_counts() == (3, 2)
    assert [message.message_id for message in bench.journal.pending(10)] == ids[:1]


def test_pauses_double_up_to_a_quarter_of_an_hour() -> None:
    assert [retry_delay(attempts) for attempts in (0, 1, 2)] == [timedelta(seconds=seconds) for seconds in (2, 4, 8)]
    assert retry_delay(100) == RETRY_LAST


def test_a_receipt_that_somebody_else_signed_is_refused() -> None:
    identity = administrator_identity()
    forged = sign_encapsulated(b"{}", module=identity.module, signer=identity.signer)
    with pytest.raises(SecurityFault):
        check_receipt(forged, MESSAGE_ID, b"", participant_identity().triple.sig)


def test_a_receipt_of_another_form_is_refused() -> None:
    identity = participant_identity()
    signed = sign_encapsulated(b"[]", module=identity.module, signer=identity.signer)
    with pytest.raises(DecodeFault, match=r"delivery\.receipt"):
        check_receipt(signed, MESSAGE_ID, b"", identity.triple.sig)

"""Results over real TLS: posted where the command wanted them, under its id, until the administrator's receipt proves them stored."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import msgspec
import pytest
from tests.gateway.connections import Connections
from tests.gateway.gateway_parts import (
    GATEWAY_ID,
    START,
    administrator_identity,
    communication_profile,
    gateway_identity,
    participant_identity,
)
from tests.gateway.wan.wan_parts import administrator_config

from smgw.codec.notice import encode_notice
from smgw.codec.result import RESULTS, Result, decode_result, encode_result
from smgw.core.log_event import Log
from smgw.core.notices import ADMINISTRATOR, ADMINISTRATOR_RESULTS, Notice
from smgw.gateway.delivery import Pump, Sender
from smgw.gateway.logs import Recorder
from smgw.gateway.ways import service_of
from smgw.net.clock import ManualClock
from smgw.net.http_server import Reply, serve_http
from smgw.net.identity import Identity
from smgw.net.smpki_tls import listen
from smgw.pki.chain import ValidatedCertificate
from smgw.pki.names import Role
from smgw.protocol.tunnel_http import Request
from smgw.security.content import open_content, sign_encapsulated
from smgw.storage.journal import Journal, OutboxMessage

pytestmark = [pytest.mark.req("WAN-05", "WAN-08")]

COMMAND = "7e0a6f3e-2c74-4b3e-9a52-0f4f6d4f6a01"
NOTICE = "0e0a6f3e-2c74-4b3e-9a52-0f4f6d4f6a02"


def receipt(request: Request, by: Identity | None = None) -> Reply:
    own = by or administrator_identity()
    message_id = dict(request.headers)["x-cid"].removeprefix("uuid:")
    content = json.dumps({"messageId": message_id, "digest": hashlib.sha256(request.body).hexdigest(), "storedAt": ""}).encode()
    return Reply(200, sign_encapsulated(content, module=own.module, signer=own.signer))


class Bench:
    """Hold a pump over a real journal, and an administrator's service point that answers as told."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.clock = ManualClock(START)
        self.requests: list[Request] = []
        self.answer: Callable[[Request], Reply] = receipt
        self.most: int | None = None
        """So many octets of a request are read; then the connection breaks."""
        self.pump: Pump

    @asynccontextmanager
    async def administrator(self) -> AsyncIterator[None]:
        own, gateway = administrator_identity(), gateway_identity()

        async def respond(request: Request) -> Reply:
            self.requests.append(request)
            return self.answer(request)

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: ValidatedCertificate) -> None:
            if self.most is None:
                await serve_http(reader, writer, respond, on_fault=pytest.fail)
                return
            with suppress(asyncio.IncompleteReadError, ConnectionError):
                await reader.readexactly(self.most)
            writer.transport.abort()

        connections = Connections()
        server = await listen(
            connections.watched(serve), "127.0.0.1", 0, module=own.module, identity=own.tls, trust=own.trust, clock=self.clock,
            roles=frozenset({Role.SMGW}),
        )  # fmt: skip
        config = msgspec.structs.replace(administrator_config(1), service_port=server.sockets[0].getsockname()[1])
        recorder = Recorder(self.journal, self.clock)
        self.pump = Pump(
            Sender(gateway.module, gateway.tls, gateway.signer, gateway.trust, self.journal, recorder, self.clock, service_of(config))
        )
        async with connections.closing(server):
            yield

    def queue(self, contact: str = RESULTS) -> None:
        result = Result(COMMAND, GATEWAY_ID, 200, "", msgspec.Raw(b"null"), START, START, contact)
        self.journal.enqueue(OutboxMessage(COMMAND, ADMINISTRATOR_RESULTS, "", encode_result(result), START))

    def events(self) -> list[str]:
        return [stored.entry.event for stored in self.journal.log(Log.SYSTEM)]


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    with Journal.open(tmp_path / "journal.db", bytes(32)) as journal:
        yield Bench(journal)


@pytest.mark.parametrize("contact", [RESULTS, f"{RESULTS}/fleet-7"])
async def test_a_result_goes_under_its_commands_id_to_where_it_is_wanted(bench: Bench, contact: str) -> None:
    async with bench.administrator():
        bench.queue(contact)
        assert await bench.pump.flush()
        assert await bench.pump.flush()
    (request,) = bench.requests
    assert (request.method, request.target, dict(request.headers)["x-cid"]) == ("POST", contact, f"uuid:{COMMAND}")
    own = administrator_identity()
    opened = open_content(request.body, module=own.module, recipient=own.recipient, signer=lambda _: gateway_identity().triple.sig)
    assert decode_result(opened.content).message_id == COMMAND
    assert bench.journal.delivery_counts() == (1, 1)
    assert bench.events() == ["result_sent"]
    entry = bench.journal.log(Log.SYSTEM)[0].entry
    assert entry.text("en") == f"Result of command {COMMAND} sent to administrator-results"


@pytest.mark.parametrize(
    "answer",
    [lambda _: Reply(400), lambda _: Reply(503), lambda _: Reply(200, b"ok"), lambda request: receipt(request, participant_identity())],
    ids=["refused", "unavailable", "no receipt", "somebody else's receipt"],
)
async def test_without_the_administrators_receipt_a_result_stays_and_holds_up_no_notice(
    bench: Bench, answer: Callable[[Request], Reply]
) -> None:
    bench.answer = lambda request: answer(request) if request.target == RESULTS else receipt(request)
    notice = Notice(NOTICE, GATEWAY_ID, "meter_lost", 1802, "WARNING", START, "", success=False, parameters={})
    async with bench.administrator():
        bench.queue()
        bench.journal.enqueue(OutboxMessage(NOTICE, ADMINISTRATOR, "", encode_notice(notice), START))
        assert not await bench.pump.flush()
        assert [message.message_id for message in bench.journal.pending(10)] == [COMMAND]
        bench.answer = receipt
        assert await bench.pump.flush()
    assert bench.journal.pending(10) == []
    assert bench.events().count("result_sent") == 1


@pytest.mark.timeout(120)
async def test_a_post_that_breaks_off_anywhere_is_made_again_until_it_is_confirmed_once(bench: Bench) -> None:
    async with bench.administrator():
        bench.queue()
        bench.answer = lambda _: Reply(503)
        assert not await bench.pump.flush()
        for most in range(0, len(bench.requests.pop().body), 61):
            bench.most = most
            assert not await bench.pump.flush()
            assert [message.message_id for message in bench.journal.pending(10)] == [COMMAND]
        bench.most, bench.answer = None, receipt
        assert await bench.pump.flush()
    assert len(bench.requests) == 1
    assert bench.journal.delivery_counts() == (1, 1)
    assert bench.events().count("result_sent") == 1


async def test_who_was_deleted_before_it_could_be_dialled_is_told_as_unknown(bench: Bench) -> None:
    async with bench.administrator():
        codes: list[str] = []
        bench.pump.connect("nobody.sm", codes.append)
        assert await bench.pump.flush()
        assert await bench.pump.flush()
    assert codes == ["profile.unknown"]


async def test_whoever_ordered_a_connection_learns_whether_it_stood(bench: Bench) -> None:
    codes: list[str] = []
    async with bench.administrator():
        bench.journal.put_profile(communication_profile(1), b"", START)
        bench.pump.connect("emt1.sm", codes.append)
        bench.pump.connect("emt1.sm", codes.append)
        await bench.pump.flush()
        await bench.pump.flush()
    assert codes == ["net.unreachable"] * 2

"""Results of commands that took longer: who may tell them, of which job, once; and a cut at any octet of the post or its receipt."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import msgspec
import pytest
from structlog.testing import capture_logs
from tests.administrator.administrator_parts import LIMIT_S, add_gateway, hang_up
from tests.gateway.gateway_parts import GATEWAY_ID, START, administrator_identity, gateway_identity, participant_identity, pki

from smgw.administrator.books import Books, open_books
from smgw.administrator.jobs import NO_RESULT, RESULT_WITHIN, Job
from smgw.administrator.service_point import ServicePoint
from smgw.codec.command import Answer, decode_answer, encode_answer
from smgw.codec.result import RESULT_LIMIT, RESULTS, Result, decode_result, encode_result
from smgw.core.errors import DecodeFault, LimitFault, PeerFault, SmgwError, Unavailable
from smgw.gateway.delivery import check_receipt
from smgw.net.clock import ManualClock
from smgw.net.http_exchange import HttpClient, Streams
from smgw.net.identity import Identity
from smgw.pki.chain import CertificateUse, ValidatedCertificate
from smgw.pki.names import Role
from smgw.protocol.tunnel_http import Response, TunnelClient
from smgw.security.content import seal

pytestmark = pytest.mark.req("WAN-08")

OTHER = "ESGW0000000002"


class Desk:
    """Hold an administrator's service point, and a job that its gateway has accepted."""

    def __init__(self, path: Path) -> None:
        self.books: Books = open_books(path / "inventory.db")
        self.clock = ManualClock(START)
        add_gateway(self.books.inventory)
        self.point = ServicePoint(administrator_identity(), self.books, self.clock)
        self.peer: ValidatedCertificate = (
            pki()
            .trust(START)
            .validate(gateway_identity().triple.tls, now=START, use=CertificateUse.TLS_CLIENT, roles=frozenset({Role.SMGW}))
        )
        self.job = self.accepted(1)

    def accepted(self, number: int, device_id: str = GATEWAY_ID) -> Job:
        jobs = self.books.jobs
        job = jobs.add(device_id, "POST", "fas/self-test", None, at=START, actor="op1", random=bytes(15) + bytes([number]))
        jobs.accept(job, Answer(job.command_id, START, device_id, 202), START)
        return jobs.job(job.id)

    def state(self) -> tuple[str, str, bytes]:
        job = self.books.jobs.job(self.job.id)
        return job.state, job.code, bytes(job.result)

    def result(self, **changes: object) -> Result:
        values = {
            "message_id": self.job.command_id, "device": GATEWAY_ID, "status": 200, "code": "", "body": msgspec.Raw(b'{"failed":[]}'),
            "accepted_at": START, "ended_at": START,
        }  # fmt: skip
        return Result(**{**values, **changes})  # type: ignore[arg-type]

    async def post(
        self, document: bytes, message_id: str = "", target: str = RESULTS, method: str = "POST", client: HttpClient | None = None
    ) -> Response:
        headers = {"Content-Type": "application/cms", "x-CID": f"uuid:{message_id or self.job.command_id}"}
        if client is not None:
            return await client.request(method, target, headers, document)
        async with self.connection() as streams:
            return await HttpClient(streams, "administrator").request(method, target, headers, document)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Streams]:
        """Connect as the gateway, once TLS has said that it is."""

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                await self.point.serve(reader, writer, self.peer)
            finally:
                await hang_up(writer)
                gone.set()

        gone = asyncio.Event()
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server, asyncio.timeout(LIMIT_S):
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
            try:
                yield Streams(reader, writer)
            finally:
                await hang_up(writer)
                await gone.wait()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    desk.books.close()


def sealed(content: bytes, by: Identity | None = None, recipient: Identity | None = None) -> bytes:
    by = by or gateway_identity()
    enc = (recipient or administrator_identity()).triple.enc
    return seal(content, module=by.module, signer=by.signer, recipient=enc)


@pytest.mark.req("ADM-02", "ADM-10")
@pytest.mark.parametrize(("status", "code", "state"), [(200, "", "done"), (500, "self_test.clock", "failed")])
async def test_a_result_ends_its_job_and_a_signed_receipt_says_so(desk: Desk, status: int, code: str, state: str) -> None:
    document = sealed(encode_result(desk.result(status=status, code=code)))
    response = await desk.post(document)
    assert response.status == 200
    receipt = check_receipt(response.body, desk.job.command_id, document, administrator_identity().triple.sig)
    assert receipt.digest == hashlib.sha256(document).hexdigest()
    assert desk.state() == (state, code, b'{"failed":[]}')
    assert desk.books.audit.newest()[0]["result"] == (code or "done")


async def test_below_the_usual_address_a_result_is_taken_as_well(desk: Desk) -> None:
    assert (await desk.post(sealed(encode_result(desk.result(contact=f"{RESULTS}/x"))), target=f"{RESULTS}/x")).status == 200
    assert desk.state()[0] == "done"


async def test_a_replayed_result_is_confirmed_and_counts_for_nothing(desk: Desk) -> None:
    document = sealed(encode_result(desk.result()))
    assert (await desk.post(document)).status == 200
    ended, trail = desk.books.jobs.job(desk.job.id), len(desk.books.audit.newest(100))
    assert (await desk.post(document)).status == 200
    assert (await desk.post(sealed(encode_result(desk.result(status=500, code="self_test.keys"))))).status == 200
    assert desk.books.jobs.job(desk.job.id) == ended
    assert len(desk.books.audit.newest(100)) == trail


async def test_a_result_of_an_unknown_command_is_confirmed_so_that_its_gateway_can_forget_it(desk: Desk) -> None:
    unknown = "00000000-0000-4000-8000-0000000000ff"
    response = await desk.post(sealed(encode_result(desk.result(message_id=unknown))), unknown)
    assert response.status == 200
    assert desk.books.jobs.job(desk.job.id) == desk.job


async def test_a_late_result_counts_after_all(desk: Desk) -> None:
    assert desk.books.jobs.give_up(START + 2 * RESULT_WITHIN) == [desk.job]
    assert desk.state()[:2] == ("failed", NO_RESULT)
    assert (await desk.post(sealed(encode_result(desk.result())))).status == 200
    assert desk.state()[:2] == ("done", "")


@pytest.mark.req("WAN-03", "SEC-01")
@pytest.mark.parametrize(
    ("document", "code"),
    [
        (lambda desk: sealed(encode_result(desk.result()), by=participant_identity()), "cms.signature"),
        (lambda desk: sealed(encode_result(desk.result()), by=administrator_identity()), "cms.signature"),
        (lambda desk: sealed(encode_result(desk.result()), recipient=participant_identity()), "cms.recipient"),
        (lambda desk: sealed(encode_result(desk.result(device=OTHER))), "delivery.sender"),
        (lambda desk: sealed(encode_result(desk.result(message_id="00000000-0000-4000-8000-000000000009"))), "delivery.message_id"),
        (lambda desk: sealed(b"{}"), "result.structure"),
        (lambda desk: sealed(encode_result(desk.result()).replace(b'"status":200', b'"status":200,"more":1')), "result.structure"),
        (lambda desk: sealed(encode_result(desk.result(body=msgspec.Raw(b'"' + b"x" * RESULT_LIMIT + b'"')))), "result.size"),
        (lambda desk: encode_result(desk.result()), "cms.structure"),
        (lambda desk: sealed(encode_result(desk.result()))[:-1] + b"\0", None),
    ],
    ids=[
        "another's signature", "our own signature", "for somebody else", "of another gateway", "another command in the header",
        "no result", "a field too many", "too large", "not sealed", "spoilt",
    ],
)  # fmt: skip
async def test_what_is_not_this_gateways_result_of_this_job_changes_nothing(desk: Desk, document: object, code: str | None) -> None:
    with capture_logs() as logs:
        response = await desk.post(document(desk))  # type: ignore[operator]
    assert (response.status, response.body) == (400, b'{"error": "rejected"}')
    refused = [line["code"] for line in logs if line["event"] == "service_refused"]
    assert len(refused) == 1
    assert code is None or refused[0].startswith(code), refused
    assert desk.books.jobs.job(desk.job.id) == desk.job


@pytest.mark.req("WAN-03")
async def test_a_gateway_can_not_end_the_job_of_another(desk: Desk) -> None:
    theirs = desk.accepted(2, OTHER)
    with capture_logs() as logs:
        response = await desk.post(sealed(encode_result(desk.result(message_id=theirs.command_id))), theirs.command_id)
    assert response.status == 400
    assert [line["code"] for line in logs if line["event"] == "service_refused"] == ["delivery.sender"]
    assert desk.books.jobs.job(theirs.id) == theirs


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [("GET", RESULTS, 405), ("PUT", RESULTS, 405), ("POST", f"{RESULTS}x", 404), ("POST", "/smgw/gwa/v1/jobs", 404)],
)
async def test_nothing_else_is_there(desk: Desk, method: str, target: str, status: int) -> None:
    assert (await desk.post(sealed(encode_result(desk.result())), target=target, method=method)).status == status
    assert desk.books.jobs.job(desk.job.id) == desk.job


@pytest.mark.req("WAN-05")
@pytest.mark.timeout(120)
async def test_a_result_cut_at_any_octet_changes_nothing_and_is_taken_when_it_comes_whole(desk: Desk) -> None:
    document = sealed(encode_result(desk.result()))
    headers = [("Content-Type", "application/cms"), ("x-CID", f"uuid:{desk.job.command_id}")]
    request = TunnelClient("administrator").send_request("POST", RESULTS, headers, document)
    for cut in range(len(request)):
        async with desk.connection() as streams:
            streams.writer.write(request[:cut])
            streams.writer.write_eof()
            # To a request that was cut there's no receipt, whatever else is answered.
            assert b" 200 " not in await streams.reader.read()
    assert desk.books.jobs.job(desk.job.id) == desk.job
    assert (await desk.post(document)).status == 200
    assert desk.state()[0] == "done"


@pytest.mark.req("WAN-05")
async def test_a_receipt_cut_at_any_octet_is_none_and_the_repetition_is_confirmed(desk: Desk) -> None:
    document = sealed(encode_result(desk.result()))
    headers = [("Content-Type", "application/cms"), ("x-CID", f"uuid:{desk.job.command_id}")]
    async with desk.connection() as streams:
        streams.writer.write(TunnelClient("administrator").send_request("POST", RESULTS, headers, document))
        streams.writer.write_eof()
        answer = await streams.reader.read()
    assert desk.state()[0] == "done"

    def receipt(octets: bytes) -> bytes | None:
        client = TunnelClient("administrator")
        client.send_request("POST", RESULTS, headers, document)
        with suppress(PeerFault, Unavailable):
            for response in client.receive_data(octets):
                return response.body
        return None

    assert all(receipt(answer[:cut]) is None for cut in range(len(answer)))
    whole = receipt(answer)
    assert whole is not None
    assert check_receipt(whole, desk.job.command_id, document, administrator_identity().triple.sig)
    again = await desk.post(document)
    assert check_receipt(again.body, desk.job.command_id, document, administrator_identity().triple.sig)


@pytest.mark.req("OPS-05")
async def test_a_result_that_the_books_do_not_take_comes_again(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    document = sealed(encode_result(desk.result()))
    with monkeypatch.context() as patch:
        patch.setattr(desk.books.jobs, "conclude", _full)
        assert (await desk.post(document)).status == 503
    assert desk.books.jobs.job(desk.job.id) == desk.job
    assert (await desk.post(document)).status == 200


def _full(*_: object) -> bool:
    raise Unavailable("administrator.store")


@pytest.mark.parametrize(
    "change",
    [
        {"status": 100},
        {"status": 600},
        {"message_id": "x"},
        {"device": "x" * 21},
        {"code": "x" * 81},
        {"accepted_at": START.replace(tzinfo=None)},
    ],
)
def test_what_a_result_may_hold_is_bounded(desk: Desk, change: dict[str, object]) -> None:
    with pytest.raises(DecodeFault, match=r"result\.structure"):
        decode_result(encode_result(desk.result(**change)))


@pytest.mark.req("SEC-01")
@pytest.mark.parametrize("body", [b'"\xff"', b'{"a": "\xed\xa0\x80"}', b"1e999", b"[1,", b'"\\ud800"', b"[" * 5_000 + b"]" * 5_000])
def test_what_a_gateway_lets_us_keep_is_json_through_and_through(desk: Desk, body: bytes) -> None:
    """It is shown undecoded to whoever lists the commands; octets that are no text would spoil the whole list."""
    for content, read, code in (
        (encode_result(desk.result(body=msgspec.Raw(body))), decode_result, r"result\.structure"),
        (encode_answer(Answer(desk.job.command_id, START, GATEWAY_ID, 200, body=msgspec.Raw(body))), decode_answer, r"command\.structure"),
    ):
        with pytest.raises(DecodeFault, match=code):
            read(content)


def test_a_result_is_read_as_it_was_written(desk: Desk) -> None:
    told = desk.result(status=500, code="self_test.clock", contact=f"{RESULTS}/x")
    assert encode_result(decode_result(encode_result(told))) == encode_result(told)
    with pytest.raises(LimitFault, match=r"result\.size"):
        decode_result(b" " * (RESULT_LIMIT + 1))
    for octets in (b"", b"null", b"[", b"\xff", b"[" * 9_999):
        with pytest.raises(SmgwError, match=r"result\.structure"):
            decode_result(octets)

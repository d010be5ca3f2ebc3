"""The administrator's end of the channel: only what this gateway signed for this command counts."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from structlog.testing import capture_logs
from tests.administrator.administrator_parts import LIMIT_S, add_gateway, gateway_end, hang_up, office
from tests.gateway.gateway_parts import (
    GATEWAY_ID,
    START,
    administrator_identity,
    all_profiles,
    evaluation_profile,
    gateway_identity,
    participant_identity,
    pki,
)
from tests.gateway.management_channel import Channel as Commands

from smgw.administrator.books import open_books
from smgw.administrator.jobs import ATTEMPTS
from smgw.administrator.management import GatewaySession, known_gateway, serve_gateway
from smgw.codec.command import Answer, encode_answer
from smgw.core.errors import CertificateRejected, PeerFault, SecurityFault, SmgwError, Unavailable
from smgw.core.profiles import PROFILE_KINDS
from smgw.gateway.wan.management import handle
from smgw.net.http_exchange import RESPONSE_TIMEOUT_S, Streams
from smgw.net.identity import Identity
from smgw.pki.chain import CertificateUse, ValidatedCertificate
from smgw.pki.names import Role
from smgw.protocol.tunnel_http import Request
from smgw.security.content import seal


class Bench:
    """Hold an inventory and a gateway's real command handling behind it."""

    def __init__(self, folder: Path) -> None:
        self.commands = Commands(folder / "journal.db")
        self.books = open_books(folder / "inventory.db")
        self.inventory = self.books.inventory
        add_gateway(self.inventory)
        self.office = office(self.books, self.commands.clock)
        self.documents: list[bytes] = []

    def obey(self, request: Request) -> tuple[int, bytes]:
        self.documents.append(request.body)
        return 200, handle(self.commands.context, request.body)

    def note_all(self) -> None:
        for profile in all_profiles():
            self.inventory.put_profile(GATEWAY_ID, profile, START, "test")

    def close(self) -> None:
        self.books.close()
        self.commands.journal.close()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.close()


def peer() -> ValidatedCertificate:
    return (
        pki().trust(START).validate(gateway_identity().triple.tls, now=START, use=CertificateUse.TLS_CLIENT, roles=frozenset({Role.SMGW}))
    )


def answer(
    status: int = 200, body: bytes = b"{}", signer: Identity | None = None, **changes: object
) -> Callable[[Request], tuple[int, bytes]]:
    """Answer every request with the same sealed answer, by the gateway or by somebody else."""
    values = {"message_id": "7e0a6f3e-2c74-4b3e-9a52-0f4f6d4f6a01", "created_at": START, "sender": GATEWAY_ID, "status": status, **changes}
    content = encode_answer(Answer(**values, body=msgspec.Raw(body)))  # type: ignore[arg-type]
    own = signer or gateway_identity()
    document = seal(content, module=own.module, signer=own.signer, recipient=administrator_identity().triple.enc)
    return lambda _: (200, document)


async def fault_of(bench: Bench, respond: Callable[[Request], tuple[int, bytes]]) -> SmgwError:
    gateway = known_gateway(bench.inventory, peer())
    async with gateway_end(respond) as streams:
        with pytest.raises(SmgwError) as fault:
            await GatewaySession(bench.office, gateway, streams).observe()
    assert bench.inventory.status(START)[0].last_contact == ""
    return fault.value


@pytest.mark.req("WAN-08", "SEC-03")
@pytest.mark.parametrize(
    ("respond", "code"),
    [
        (lambda _: (503, b""), "http.refused"),
        (lambda _: (400, b""), "http.refused"),
        (lambda _: (200, b"thanks"), "cms.structure"),
        (answer(signer=participant_identity()), "cms.signature"),
        (answer(), "command.recipient"),
        (answer(sender="ESGW0000000002"), "command.recipient"),
    ],
    ids=["unavailable", "refused", "no message", "signed by somebody else", "answer to another command", "answer of another gateway"],
)
async def test_what_is_no_answer_of_this_gateway_to_this_command_counts_for_nothing(
    bench: Bench, respond: Callable[[Request], tuple[int, bytes]], code: str
) -> None:
    assert (await fault_of(bench, respond)).code == code


@pytest.mark.parametrize("body", [b"[]", b"7", b'"x"', b"null"])
async def test_a_body_of_another_form_is_the_gateway_s_fault(bench: Bench, body: bytes) -> None:
    ids = iter(["7e0a6f3e2c744b3e9a520f4f6d4f6a01"] * 9)
    forged = bench.office._replace(module=_Fixed(bench.office.module, ids))
    gateway = known_gateway(bench.inventory, peer())
    async with gateway_end(answer(body=body)) as streams:
        with pytest.raises(PeerFault, match=r"command\.structure"):
            await GatewaySession(forged, gateway, streams).observe()


class _Fixed:
    """Give known octets where a message id is made, so that an answer can be written beforehand."""

    def __init__(self, module: object, ids: Iterator[str]) -> None:
        self._module = module
        self._ids = ids

    def random(self, count: int) -> bytes:
        return bytes.fromhex(next(self._ids)) if count == 16 else bytes(count)

    def __getattr__(self, name: str) -> object:
        return getattr(self._module, name)


@pytest.mark.req("ADM-01")
def test_a_gateway_that_is_not_in_the_inventory_is_refused(tmp_path: Path) -> None:
    books = open_books(tmp_path / "inventory.db")
    with pytest.raises(SecurityFault, match=r"administrator\.unknown_gateway"):
        known_gateway(books.inventory, peer())
    books.close()


@pytest.mark.req("WAN-03")
def test_a_gateway_that_shows_another_certificate_than_the_one_on_file_is_refused(bench: Bench) -> None:
    triple = gateway_identity().triple
    bench.inventory.add_gateway(GATEWAY_ID, triple.sig, triple.sig, triple.enc, START, "test")
    with pytest.raises(CertificateRejected, match=r"pki\.not_pinned"):
        known_gateway(bench.inventory, peer())


@pytest.mark.req("ADM-02")
async def test_a_gateway_is_brought_to_its_profiles_once(bench: Bench) -> None:
    bench.note_all()
    async with gateway_end(bench.obey) as streams:
        session = GatewaySession(bench.office, known_gateway(bench.inventory, peer()), streams)
        assert await session.reconcile() == 4
        assert await session.reconcile() == 0
    assert bench.commands.installed == all_profiles()
    assert [entry["result"] for entry in bench.books.audit.newest(4)] == ["done"] * 4


@pytest.mark.req("WAN-08", "ADM-10")
async def test_a_waiting_job_is_sent_once_and_a_repetition_gives_the_answer_that_was_lost(bench: Bench) -> None:
    job = bench.books.jobs.add(GATEWAY_ID, "GET", "rts/meter", None, at=START, actor="op1", random=bytes(16))
    async with gateway_end(bench.obey) as streams:
        session = GatewaySession(bench.office, known_gateway(bench.inventory, peer()), streams)
        lost = await session.command(job.method, job.resource, job.body, job.command_id)
        assert await session.work_off() == 1
        assert await session.work_off() == 0
    ended = bench.books.jobs.job(job.id)
    assert (ended.state, ended.result) == ("done", lost.body)


@pytest.mark.req("ADM-02", "ADM-10")
async def test_a_profile_that_the_gateway_refuses_is_audited_and_stops_no_other(bench: Bench) -> None:
    bench.note_all()
    bench.inventory.put_profile(GATEWAY_ID, evaluation_profile(profile_id="taf7-2.sm", registers=("1-0:99.0.0*255",)), START, "test")
    async with gateway_end(bench.obey) as streams:
        await GatewaySession(bench.office, known_gateway(bench.inventory, peer()), streams).reconcile()
    assert len(bench.commands.installed) == 4
    results = {entry["subject"]: entry["result"] for entry in bench.books.audit.newest(5)}
    assert results[f"{GATEWAY_ID}/taf7-2.sm"] == "command.profile"


@pytest.mark.req("ADM-06", "ADM-11")
async def test_the_fleet_list_shows_what_the_gateway_reports(bench: Bench) -> None:
    async with gateway_end(bench.obey) as streams:
        await GatewaySession(bench.office, known_gateway(bench.inventory, peer()), streams).observe()
    (status,) = bench.inventory.status(START)
    assert (status.state, status.last_contact) == ("normal", "2026-03-01T12:00:00Z")


@pytest.mark.req("WAN-08")
async def test_serving_ends_at_once_when_told_and_tells_who_was_there(bench: Bench) -> None:
    stop, served = asyncio.Event(), asyncio.Event()
    bench.note_all()

    def obey(request: Request) -> tuple[int, bytes]:
        reply = bench.obey(request)
        if len(bench.documents) == 2 * len(PROFILE_KINDS) + 1:
            served.set()
        return reply

    async with gateway_end(obey) as streams, asyncio.timeout(LIMIT_S):
        with capture_logs() as logs:
            serving = asyncio.create_task(serve_gateway(bench.office, peer(), streams, stop, lambda: None))
            await served.wait()
            stop.set()
            await serving
    assert [entry["event"] for entry in logs] == ["gateway_connected", *["profile_sent"] * 4]


@pytest.mark.req("PKI-02")
async def test_a_gateway_that_loses_its_standing_gets_no_further_command(bench: Bench) -> None:
    def revoked() -> None:
        raise CertificateRejected("pki.revoked", GATEWAY_ID)

    bench.note_all()
    async with gateway_end(bench.obey) as streams, asyncio.timeout(LIMIT_S):
        with capture_logs() as logs:
            await serve_gateway(bench.office, peer(), streams, asyncio.Event(), revoked)
    assert bench.documents == []
    assert (logs[-1]["event"], logs[-1]["code"], logs[-1]["log_level"]) == ("gateway_refused", "pki.revoked", "warning")


async def test_a_gateway_that_goes_away_is_noted_without_alarm(bench: Bench) -> None:
    async with gateway_end(bench.obey) as streams, asyncio.timeout(LIMIT_S):
        streams.writer.close()
        with capture_logs() as logs:
            await serve_gateway(bench.office, peer(), streams, asyncio.Event(), lambda: None)
    assert (logs[-1]["event"], logs[-1]["code"], logs[-1]["log_level"]) == ("gateway_disconnected", "http.no_answer", "info")


@pytest.mark.req("WAN-08", "ADM-10")
async def test_a_job_that_the_gateway_always_refuses_holds_up_the_others_three_times_only(bench: Bench) -> None:
    poison = bench.books.jobs.add(GATEWAY_ID, "POST", "fas/poison", {}, at=START, actor="op1", random=bytes(16))
    good = bench.books.jobs.add(GATEWAY_ID, "GET", "rts/meter", None, at=START, actor="op1", random=b"\x01" * 16)
    sent: list[str] = []

    def obey(request: Request) -> tuple[int, bytes]:
        sent.append(dict(request.headers)["x-cid"].removeprefix("uuid:"))
        return (400, b"") if sent[-1] == poison.command_id else bench.obey(request)

    gateway = known_gateway(bench.inventory, peer())
    with capture_logs() as logs:
        for _ in range(ATTEMPTS):
            async with gateway_end(obey) as streams:
                with pytest.raises(PeerFault, match=r"http\.refused"):
                    await GatewaySession(bench.office, gateway, streams).work_off()
        async with gateway_end(obey) as streams:
            assert await GatewaySession(bench.office, gateway, streams).work_off() == 1
    assert sent == [poison.command_id] * ATTEMPTS + [good.command_id]
    assert [bench.books.jobs.job(job.id).state for job in (poison, good)] == ["failed", "done"]
    assert [entry["failed"] for entry in logs if entry["event"] == "job_refused"] == [False, False, True]


@pytest.mark.req("WAN-08")
async def test_a_command_that_takes_longer_is_under_way_until_its_result_comes(bench: Bench) -> None:
    job = bench.books.jobs.add(GATEWAY_ID, "POST", "fas/self-test", None, at=START, actor="op1", random=bytes(16))
    async with gateway_end(bench.obey) as streams:
        session = GatewaySession(bench.office, known_gateway(bench.inventory, peer()), streams)
        assert await session.work_off() == 1
        assert bench.books.jobs.job(job.id).state == "accepted"
        assert await session.work_off() == 0
    assert len(bench.documents) == 1


@pytest.mark.req("WAN-08", "WAN-03")
@pytest.mark.parametrize(
    ("contact", "code"), [("/smgw/gwa/v1/results/fleet-7", ""), ("https://evil.example/smgw/gwa/v1/results", "command.contact")]
)
async def test_a_command_may_name_where_its_result_is_wanted_among_our_own_addresses(bench: Bench, contact: str, code: str) -> None:
    asked: list[str] = []

    def obey(request: Request) -> tuple[int, bytes]:
        asked.append(dict(request.headers)["x-contacturi"])
        return bench.obey(request)

    async with gateway_end(obey) as streams:
        session = GatewaySession(bench.office, known_gateway(bench.inventory, peer()), streams)
        told = await session.command("POST", "fas/self-test", contact=contact)
    assert (told.status, told.code) == ((400 if code else 202), code)
    assert asked == [contact]


@pytest.mark.req("WAN-08")
async def test_a_gateway_that_does_not_answer_in_twenty_seconds_is_let_go_and_its_command_comes_again(bench: Bench) -> None:
    job = bench.books.jobs.add(GATEWAY_ID, "GET", "state", None, at=START, actor="op1", random=bytes(16))
    over = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await over.wait()
        await hang_up(writer)

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    async with server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
        session = GatewaySession(bench.office, known_gateway(bench.inventory, peer()), Streams(reader, writer))
        assert session._client._timeout_s == RESPONSE_TIMEOUT_S == 20.0
        session._client._timeout_s = 0.01
        with pytest.raises(Unavailable, match=r"http\.no_answer"):
            await session.work_off()
        over.set()
        await hang_up(writer)
    # No answer is no refusal: nothing is counted against the command.
    assert bench.books.jobs.job(job.id) == job

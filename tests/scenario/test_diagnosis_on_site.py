"""A technician on site, from the administrator's instruction to the report, over the real interfaces of a whole system.

administrator ──admits for a case──▶ gateway ◀──reads, mutual TLS── technician ──sealed diagnosis, report──▶ administrator
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from tests.scenario.whole_gateway import FOUNDED, World, measuring, until

from smgw.administrator.books import open_books
from smgw.administrator.config import AdministratorFolder
from smgw.cli.technician import KEYS, READ, SUBMIT
from smgw.codec.diagnosis import Submission, decode_receipt
from smgw.core.errors import SmgwError
from smgw.core.log_event import Log
from smgw.gateway.technicians import Admission
from smgw.net.http_exchange import HttpClient, Streams
from smgw.net.identity import TRUST_FOLDER, Identity, create_keys, install_certificates, load_identity
from smgw.net.smpki_tls import dial
from smgw.pki.names import Role
from smgw.security.content import verify_encapsulated
from smgw.simulation.provisioning import DEFAULT_GATEWAY_ID, hex_der


def technician(world: World, name: str = "service") -> Identity:
    folder = world.layout.path / name
    package = create_keys(folder, KEYS, Role.TECHNICIAN, name)
    install_certificates(folder, world.pki.issue(package, Role.TECHNICIAN, now=FOUNDED), [world.pki.sub().certificate])
    world.pki.trust(FOUNDED).save(folder / TRUST_FOLDER)
    return load_identity(folder, KEYS)


async def admitted(world: World, who: Identity, hours: int = 2) -> str:
    """Open a case and let the gateway know; gives the number of the case."""
    now = world.clock.now()
    books = open_books(AdministratorFolder(world.layout.administrator).inventory)
    until_ = now + timedelta(hours=hours)
    fingerprint = who.triple.tls.fingerprint(SHA256()).hex()
    case = books.cases.open(DEFAULT_GATEWAY_ID, who.triple.common_name, fingerprint, "no contact", until=until_, at=now, actor="op1")
    order = Admission(case.number, hex_der(who.triple.tls), until_)
    job = books.jobs.add(DEFAULT_GATEWAY_ID, "POST", "fas/technician", order, at=now, actor="op1", random=bytes(15) + b"\x01")
    await until(lambda: books.jobs.job(job.id).state not in ("waiting", "accepted"), "order")
    assert books.jobs.job(job.id).code == ""
    books.close()
    await until(lambda: world.gateway.technicians.port, "interface")
    return case.number


@asynccontextmanager
async def session(world: World, who: Identity, port: Callable[[], int] | None = None, role: Role = Role.SMGW) -> AsyncIterator[HttpClient]:
    number = port() if port is not None else world.gateway.technicians.port
    channel = await dial(
        "127.0.0.1",
        number,
        module=who.module,
        identity=who.tls,
        trust=who.trust,
        clock=world.clock,
        roles=frozenset({role}),
        timeout_s=30,
    )
    async with channel:
        yield HttpClient(Streams(channel.reader, channel.writer), "gateway")


async def get(client: HttpClient, what: str) -> bytes:
    response = await client.request("GET", READ + what, {}, b"")
    assert response.status == 200, what
    return response.body


@pytest.mark.req("DIAG-01", "DIAG-02", "LOG-01")
@pytest.mark.step("4.2.1", event="technician_admitted")
@pytest.mark.step("4.2.3", event="technician_connected")
@pytest.mark.step("4.2.6", event="diagnosis_read")
@pytest.mark.step("4.2.7", event="technician_left")
async def test_a_technician_reads_reports_and_leaves_no_value_behind(tmp_path: Path) -> None:
    async with measuring(tmp_path) as world:
        await world.quarter()
        who = technician(world)
        assert world.gateway.technicians.port == 0
        case = await admitted(world, who)
        async with session(world, who) as client:
            read = {what: await get(client, what) for what in ("state", "meters", "certificates", "connections", "log", "diagnosis")}
            for method, target, status in (("PUT", "state", 405), ("GET", "readings", 404), ("GET", "log/x", 400), ("GET", "log-off", 405)):
                assert (await client.request(method, READ + target, {}, b"")).status == status
            assert (await client.request("POST", f"{READ}log-off", {}, b"")).status == 204
        shown = b"".join(part for what, part in read.items() if what != "diagnosis")
        assert msgspec.json.decode(read["meters"])[0]["meter"] == "1SGW0010000001"
        assert {row["owner"] for row in msgspec.json.decode(read["certificates"])} == {"gateway", "emt1.sm"}
        assert {"channel_opened", "technician_admitted"} <= {row["event"] for row in msgspec.json.decode(read["log"])}
        for value in world.readings().values():
            assert str(value).encode() not in shown
        assert b"consumer1" not in shown
        submission = msgspec.json.encode(Submission(case, "seal intact", read["diagnosis"]))
        async with session(world, who, lambda: world.system.ports.service, Role.GWA) as client:
            for _ in range(2):
                response = await client.request("POST", SUBMIT, {"Content-Type": "application/json"}, submission)
                assert response.status == 200
        signer = world.triple(Role.GWA).sig
        assert decode_receipt(verify_encapsulated(response.body, signer=lambda _: signer).content).case == case
        books = open_books(AdministratorFolder(world.layout.administrator).inventory)
        held = books.cases.case(case)
        assert (held.state, held.report, held.technician) == ("reported", "seal intact", "service.SRV")
        assert held.diagnosis is not None
        assert msgspec.json.decode(held.diagnosis)["gateway"] == DEFAULT_GATEWAY_ID
        assert books.cases.close(case, keep_diagnosis=False, at=FOUNDED, actor="op1").diagnosis is None
        books.close()
        told = [event for event, _ in world.told() if "technician" in event or event == "diagnosis_read"]
        assert told == ["technician_admitted", "technician_connected", *["diagnosis_read"] * 6, "technician_left"]
        await world.delivered()


@pytest.mark.req("DIAG-01", "SEC-03")
@pytest.mark.step("4.2.5", event="technician_rejected")
async def test_only_the_admitted_technician_gets_in_and_only_while_admitted(tmp_path: Path) -> None:
    async with measuring(tmp_path) as world:
        who, stranger = technician(world), technician(world, "stranger")
        await admitted(world, who, hours=1)
        port = world.gateway.technicians.port
        with pytest.raises(SmgwError):
            async with session(world, stranger) as client:
                await get(client, "state")
        await until(lambda: ("technician_rejected", "pki.not_pinned") in world.told(), "refusal")
        async with session(world, who) as client:
            await get(client, "state")
            await world.move_to(world.clock.now() + timedelta(hours=1))
            await until(lambda: world.gateway.technicians.port == 0, "end of the admission")
            with pytest.raises(SmgwError):
                await get(client, "state")
        with pytest.raises(SmgwError):
            async with session(world, who, lambda: port) as client:
                await get(client, "state")
        left = [stored.entry for stored in world.gateway.journal.log(Log.SYSTEM) if stored.entry.event == "technician_left"]
        assert [entry.success for entry in left] == [False]
        await world.delivered()

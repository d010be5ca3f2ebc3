"""The administrator as a whole over loopback: who gets in, who does not and why, and that it ends when told."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from structlog.testing import capture_logs
from tests.administrator.administrator_parts import LIMIT_S, add_gateway
from tests.gateway.gateway_parts import GATEWAY_ID, START, gateway_identity, participant_identity, pki

from smgw.administrator.backup import make_backup, restore_backup
from smgw.administrator.books import open_books
from smgw.administrator.config import AdministratorConfig, AdministratorFolder
from smgw.administrator.service import run_administrator
from smgw.core.errors import ConfigError, IntegrityFault, SmgwError
from smgw.net.clock import ManualClock
from smgw.net.identity import Identity, create_keys, install_certificates, load_identity
from smgw.net.smpki_tls import Channel, dial
from smgw.pki.names import Role
from smgw.pki.triple import ADMINISTRATOR_KEYS, GATEWAY_KEYS
from smgw.protocol.time_sync import TimeClient

STRANGER = "ESGW0000000077"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> AdministratorFolder:
    """Make an administrator that knows one gateway."""
    folder = AdministratorFolder(tmp_path_factory.mktemp("gwa"))
    package = create_keys(folder.path, ADMINISTRATOR_KEYS, Role.GWA, "test")
    install_certificates(folder.path, pki().issue(package, Role.GWA, now=START), [pki().sub().certificate])
    pki().trust(START).save(folder.trust)
    folder.save(AdministratorConfig("test.GWA"))
    books = open_books(folder.inventory)
    add_gateway(books.inventory)
    books.close()
    return folder


class Running:
    """Hold a running administrator's ports, and what it counted once it has ended."""

    def __init__(self, identity: Identity, clock: ManualClock) -> None:
        self.facts: dict[str, Any] = {}
        self.counters: dict[str, Any] = {}
        self.identity = identity
        self.clock = clock

    async def call(self, caller: Identity, port: str = "management_port") -> Channel:
        """Dial as somebody; the administrator's certificate is pinned, as a gateway does."""
        return await dial(
            "127.0.0.1",
            self.facts[port],
            module=caller.module,
            identity=caller.tls,
            trust=caller.trust,
            clock=ManualClock(START),
            roles=frozenset({Role.GWA}),
            pinned=self.identity.triple.tls,
            timeout_s=LIMIT_S,
        )


@asynccontextmanager
async def running(folder: AdministratorFolder, now: datetime = START) -> AsyncIterator[Running]:
    pki().trust(now).save(folder.trust)
    clock, ready, stop = ManualClock(now), asyncio.Event(), asyncio.Event()
    state = Running(load_identity(folder.path, ADMINISTRATOR_KEYS), clock)

    def tell(facts: dict[str, object]) -> None:
        state.facts = facts
        ready.set()

    task = asyncio.create_task(run_administrator(folder, clock, tell, stop))
    async with asyncio.timeout(LIMIT_S):
        await asyncio.wait([task, asyncio.create_task(ready.wait())], return_when=asyncio.FIRST_COMPLETED)
        yield state
        stop.set()
        state.counters = await task


def new_identity(path: Path, role: Role, device_id: str) -> Identity:
    package = create_keys(path, GATEWAY_KEYS, role, device_id)
    install_certificates(path, pki().issue(package, role, now=START), [pki().sub().certificate])
    pki().trust(START).save(path / "trust")
    return load_identity(path, GATEWAY_KEYS)


async def ends(channel: Channel) -> bytes:
    """Read until the administrator closes."""
    async with channel, asyncio.timeout(LIMIT_S):
        try:
            return await channel.reader.read()
        except ConnectionError:
            return b""


async def refused(state: Running, caller: Identity, port: str) -> None:
    """Dial and see nothing but the end of the connection, during the handshake or after it."""
    try:
        assert await ends(await state.call(caller, port)) == b""
    except SmgwError as fault:
        assert fault.code == "tls.handshake"


async def test_an_administrator_that_is_not_configured_does_not_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"administrator\.config"):
        await run_administrator(AdministratorFolder(tmp_path), ManualClock(START), lambda _: None, asyncio.Event())


async def test_an_administrator_without_certificates_does_not_start(tmp_path: Path) -> None:
    folder = AdministratorFolder(tmp_path)
    folder.save(AdministratorConfig("test.GWA"))
    with pytest.raises(ConfigError, match=r"identity\.missing"):
        await run_administrator(folder, ManualClock(START), lambda _: None, asyncio.Event())


async def test_a_damaged_inventory_stops_the_start(folder: AdministratorFolder) -> None:
    whole = folder.inventory.read_bytes()
    folder.inventory.write_bytes(b"x" * 5000)
    try:
        with pytest.raises(IntegrityFault, match=r"administrator\.damaged"):
            await run_administrator(folder, ManualClock(START), lambda _: None, asyncio.Event())
    finally:
        folder.inventory.write_bytes(whole)


@pytest.mark.req("WAN-03", "PKI-02")
@pytest.mark.parametrize("port", ["management_port", "time_port"])
async def test_a_participant_is_refused_at_both_doors(folder: AdministratorFolder, port: str) -> None:
    with capture_logs() as logs:
        async with running(folder) as state:
            await refused(state, participant_identity(), port)
    assert [(entry["event"], entry["code"]) for entry in logs] == [("connection_refused", "pki.role")]
    assert state.counters["refused"] == 1


@pytest.mark.req("WAN-03", "PKI-02")
async def test_an_expired_gateway_is_refused(folder: AdministratorFolder) -> None:
    late = gateway_identity().triple.tls.not_valid_after_utc + timedelta(seconds=1)
    with capture_logs() as logs:
        async with running(folder, late) as state:
            await refused(state, gateway_identity(), "management_port")
    assert ("connection_refused", "pki.expired") in [(entry["event"], entry.get("code")) for entry in logs]


@pytest.mark.req("PKI-02")
async def test_a_revoked_gateway_is_refused_once_the_list_says_so(folder: AdministratorFolder, tmp_path: Path) -> None:
    revoked = new_identity(tmp_path / "gateway", Role.SMGW, "ESGW0000000066")
    pki().sub().revoke(revoked.triple.tls.serial_number, x509.ReasonFlags.key_compromise, START)
    with capture_logs() as logs:
        async with running(folder, START + timedelta(minutes=1)) as state:
            await refused(state, revoked, "management_port")
    assert [(entry["event"], entry["code"]) for entry in logs] == [("connection_refused", "pki.revoked")]


@pytest.mark.req("ADM-01")
async def test_a_gateway_that_nobody_entered_is_let_go_and_logged(folder: AdministratorFolder, tmp_path: Path) -> None:
    stranger = new_identity(tmp_path / "gateway", Role.SMGW, STRANGER)
    with capture_logs() as logs:
        async with running(folder) as state:
            assert await ends(await state.call(stranger)) == b""
    assert [(entry["event"], entry["code"], entry["gateway"]) for entry in logs] == [
        ("gateway_refused", "administrator.unknown_gateway", STRANGER)
    ]


@pytest.mark.req("ADM-06", "WAN-08")
async def test_the_gateway_of_the_inventory_is_asked_over_its_own_connection(folder: AdministratorFolder) -> None:
    with capture_logs() as logs:
        async with running(folder) as state:
            channel = await state.call(gateway_identity())
            head = await channel.reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"POST /smgw/gwa/v1/commands HTTP/1.1\r\n")
            assert f"Host: {GATEWAY_ID.lower()}.sm".encode() in head
            await channel.close()
    assert [entry["event"] for entry in logs] == ["gateway_connected", "gateway_disconnected"]


@pytest.mark.req("ADM-07")
async def test_time_is_served_to_gateways(folder: AdministratorFolder) -> None:
    async with running(folder) as state, await state.call(gateway_identity(), "time_port") as channel:
        client = TimeClient()
        channel.writer.write(client.request(START, bytes))
        measured = client.response(await channel.reader.readexactly(48), START, synchronised=False)
    assert measured.offset == timedelta()
    assert state.counters == {"role": "administrator", "audit_head": state.facts["audit_head"], "refused": 0}


@pytest.mark.req("OPS-03")
async def test_an_administrator_goes_on_from_its_backup(folder: AdministratorFolder, tmp_path: Path) -> None:
    again, phrase = AdministratorFolder(tmp_path / "again"), "a phrase for the backup"
    async with running(folder) as state:
        data = await asyncio.to_thread(make_backup, folder, phrase, START)
    restore_backup(data, phrase, again, START)
    with capture_logs() as logs:
        async with running(again) as state:
            channel = await state.call(gateway_identity())
            assert (await channel.reader.readuntil(b"\r\n\r\n")).startswith(b"POST /smgw/gwa/v1/commands")
            await channel.close()
    assert [entry["event"] for entry in logs] == ["gateway_connected", "gateway_disconnected"]

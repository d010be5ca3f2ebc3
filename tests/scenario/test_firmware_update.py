"""A gateway's program is really exchanged: order, download, activation, trial, judgement; and it comes back by itself from a bad one."""

import asyncio
import hashlib
import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from smgw.administrator import management
from smgw.administrator.books import Books, open_books
from smgw.administrator.campaigns import CampaignState, Plan
from smgw.administrator.config import AdministratorFolder
from smgw.administrator.releases import Certified
from smgw.administrator.service import run_administrator
from smgw.cli.firmware import program_files
from smgw.cli.journal import open_gateway_journal
from smgw.codec.firmware_package import FORMAT, HARDWARE_CLASS, PRODUCT, FirmwareManifest, encode_manifest, write_package
from smgw.core.log_event import Log, LogEntry
from smgw.core.obis import ACTIVE_ENERGY_IMPORT
from smgw.core.reading import Reading
from smgw.core.register import RegisterValue
from smgw.core.status_word import GATEWAY_OK, METER_IDENTIFICATION
from smgw.gateway.config import GatewayFolder
from smgw.gateway.firmware_model import SlotState
from smgw.gateway.firmware_record import UpdateState, load_slots, load_update
from smgw.net.clock import SystemClock
from smgw.net.identity import open_module
from smgw.pki.maker import sign_manifest
from smgw.pki.names import Role
from smgw.pki.triple import GATEWAY_KEYS
from smgw.security.octet_signature import key_id
from smgw.security.reading_signature import sign_reading
from smgw.simulation.free_ports import free_ports
from smgw.simulation.provisioning import (
    CONSUMER_ID,
    DEFAULT_GATEWAY_ID,
    Layout,
    System,
    found_identities,
    provision_administrator,
    provision_gateway,
    simulated_meter,
)
from smgw.storage.journal import Journal

pytestmark = [pytest.mark.system, pytest.mark.req("ADM-05"), pytest.mark.timeout(480)]

LIMIT_S = 200.0
PLAN = Plan(stages=(100,), soak_s=0, success_percent=100, failure_percent=0)
BAD, GOOD = "90.0.0", "90.1.0"
METER = "1SGW0010000001"


def found(path: Path) -> Layout:
    """Found a system of one gateway without a meter, whose administrator has the revocation lists on its disk."""
    now, layout = datetime.now(UTC), Layout(path)
    identities = found_identities(layout, DEFAULT_GATEWAY_ID, now)
    system = System(DEFAULT_GATEWAY_ID, now, free_ports(None), (simulated_meter("household", 10_000_001, "BEZUG"),))
    provision_administrator(layout, system, identities[Role.SMGW], identities[Role.EMT], "a password of the test", now)
    administrator = AdministratorFolder(layout.administrator)
    administrator.save(msgspec.structs.replace(administrator.load(), crl_url=""))
    provision_gateway(layout, system, identities[Role.GWA], ())
    return layout


def packed(layout: Layout, version: str, changes: dict[str, bytes]) -> bytes:
    """Pack the present program as another version, some of its files changed."""
    files = program_files(None, version) | changes
    manifest = encode_manifest(
        FirmwareManifest(
            format=FORMAT,
            name=PRODUCT,
            version=version,
            min_version="0.0.0",
            hardware_class=HARDWARE_CLASS,
            created=datetime.now(UTC),
            files={path: hashlib.sha256(content).hexdigest() for path, content in files.items()},
        )
    )
    return b"".join(write_package(manifest, sign_manifest(layout.maker, manifest), sorted(files.items())))


@contextmanager
def books(layout: Layout) -> Iterator[Books]:
    """Open the administrator's books beside it."""
    held = open_books(AdministratorFolder(layout.administrator).inventory)
    try:
        yield held
    finally:
        held.close()


def begin(layout: Layout, octets: bytes) -> int:
    """Upload a release, certify it and begin its campaign."""
    with books(layout) as held:
        now = datetime.now(UTC)
        release = held.releases.upload(octets, now, "user1")
        held.releases.certify([Certified(release.manifest_sha256, "BSI-DSZ-CC-0001-2026")], now, "user1")
        return held.campaigns.create(release.version, PLAN, now, "user1").id


async def end_of(layout: Layout, campaign: int, gateway: "asyncio.subprocess.Process") -> CampaignState:
    """Wait until a campaign ended."""
    async with asyncio.timeout(LIMIT_S):
        while True:
            assert gateway.returncode is None, "the gateway ended"
            with books(layout) as held:
                state = held.campaigns.campaign(campaign).state
            if state is not CampaignState.RUNNING:
                return state
            await asyncio.sleep(0.2)


async def results(layout: Layout, count: int) -> list[tuple[str, str, str]]:
    """Wait until so many commands have told how their work ended, also that which a restart came between; oldest first."""
    async with asyncio.timeout(LIMIT_S):
        while True:
            with books(layout) as held:
                jobs = held.jobs.of(DEFAULT_GATEWAY_ID)
            ended = [(job.resource, job.state, job.code) for job in reversed(jobs) if job.accepted_at and job.ended_at]
            if len(ended) >= count:
                return ended
            await asyncio.sleep(0.2)


@asynccontextmanager
async def running(layout: Layout) -> AsyncIterator["asyncio.subprocess.Process"]:
    """Run the administrator here and the gateway as a process of its own."""
    stop, up = asyncio.Event(), asyncio.Event()
    administrator = asyncio.create_task(
        run_administrator(AdministratorFolder(layout.administrator), SystemClock(), lambda _: up.set(), stop)
    )
    await asyncio.wait([administrator, asyncio.create_task(up.wait())], return_when=asyncio.FIRST_COMPLETED)
    with (layout.path / "gateway.log").open("wb") as log:
        gateway = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "smgw", "gateway", "run", "--data", str(layout.gateway),
            stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        try:
            yield gateway
        finally:
            gateway.terminate()
            async with asyncio.timeout(60):
                assert await gateway.wait() == 0
            stop.set()
            await administrator


def untouched(folder: GatewayFolder) -> dict[str, bytes]:
    """Give what an update may not change: keys, certificates, trust, configuration, and the profiles in the journal."""
    names = [path for path in folder.path.rglob("*") if path.is_file() and path.parts[len(folder.path.parts)] not in CHANGING]
    files = {str(path.relative_to(folder.path)): path.read_bytes() for path in names}
    with open_gateway_journal(folder.path) as journal:
        for kind in ("meter", "communication", "evaluation", "consumer"):
            files[f"profiles/{kind}"] = msgspec.json.encode(journal.profiles(kind))
    # The module's file changes with each session: it counts the attempts at its PIN.
    module = open_module(folder.path)
    for name in module.names():
        files[f"keys/{name}"] = key_id(module.public_key(name))
    return files


def measured(folder: GatewayFolder) -> None:
    """Let a gateway have measured for a day: readings, a value of a billing period, and log entries, all before the update."""
    module, start = open_module(folder.path), datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(days=1)
    with Journal.open(folder.journal, module.storage_key("journal")) as journal:
        for number in range(90):
            at = start + number * timedelta(minutes=15)
            one = Reading(METER, ACTIVE_ENERGY_IMPORT, 10_000 + number, -1, 30, at, at, GATEWAY_OK, METER_IDENTIFICATION)
            journal.append_readings([(one, sign_reading(module, GATEWAY_KEYS.sig, one))])
        total = RegisterValue("taf1-1.sm", 1, ACTIVE_ENERGY_IMPORT, 89, -1, 30, start, start + timedelta(days=1), GATEWAY_OK, (1, 2), start)
        journal.append_registers([total])
        facts = {"contract": "taf1-1.sm", "id": "taf1-1.sm", "version": "1", "kind": "evaluation"}
        journal.append_log([LogEntry(Log.CONSUMER, "contract_changed", start, True, "", CONSUMER_ID, facts)])


def data(folder: GatewayFolder) -> dict[str, list[object]]:
    """Give what was measured, booked and logged, in its order; the journal's chains must hold."""
    with open_gateway_journal(folder.path) as journal:
        journal.verify()
        found: dict[str, list[object]] = {
            "readings": list(journal.readings(METER, [ACTIVE_ENERGY_IMPORT])),
            "registers": list(journal.registers("taf1-1.sm")),
        }
        for log in Log:
            found[f"{log} log"] = [stored.entry for stored in journal.log(log, CONSUMER_ID if log is Log.CONSUMER else "")]
    return found


CHANGING = (
    "slots",
    "slots.json",
    "firmware.json",
    "journal.db",
    "journal.db-wal",
    "journal.db-shm",
    "boot.json",
    "han.pem",
    "module.smgwkeys",
    "life.json",
)


def told(folder: GatewayFolder, log: Log) -> list[str]:
    """List what a log was told of updates, in German."""
    with open_gateway_journal(folder.path) as journal:
        entries = journal.log(log, CONSUMER_ID if log is Log.CONSUMER else "")
        return [stored.entry.text("de") for stored in entries if stored.entry.event.startswith("firmware")]


def command_line(gateway: "asyncio.subprocess.Process") -> list[str]:
    return Path(f"/proc/{gateway.pid}/cmdline").read_text().split("\0")


async def profiles_held(folder: GatewayFolder) -> None:
    async with asyncio.timeout(LIMIT_S):
        while True:
            if folder.journal.exists():
                with open_gateway_journal(folder.path) as journal:
                    if len(journal.profiles("evaluation")) == 2:
                        return
            await asyncio.sleep(0.2)


async def test_a_bad_release_is_given_up_and_a_good_one_runs_with_all_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(management, "OBSERVE_LOOKS", 1)
    layout = found(tmp_path)
    folder = GatewayFolder(layout.gateway)
    # The bad one starts, and is locked by the checks of its start; the good one is this program under another version.
    spoilt = b"def installed_files(): return {}\n"
    measured(folder)
    async with running(layout) as gateway:
        await profiles_held(folder)
        before, held_before = untouched(folder), data(folder)
        assert all(held_before.values())
        source = program_files(None, BAD)["smgw/gateway/firmware_model.py"]
        bad = begin(layout, packed(layout, BAD, {"smgw/gateway/firmware_model.py": source + b"\n\n" + spoilt}))
        assert await end_of(layout, bad, gateway) is CampaignState.STOPPED
        assert load_update(folder).state is UpdateState.ROLLED_BACK
        assert "--slot" not in command_line(gateway)
        pid = gateway.pid
        good = begin(layout, packed(layout, GOOD, {}))
        assert await end_of(layout, good, gateway) is CampaignState.FINISHED
        assert "--slot" in command_line(gateway)
        assert gateway.pid == pid
        with books(layout) as held:
            facts = msgspec.json.decode(held.inventory.facts(DEFAULT_GATEWAY_ID))
            failed = held.campaigns.members(bad)[0]
        assert (facts["firmware"], facts["update"]["state"], facts["state"]) == (GOOD, "active", facts["state"])
        assert failed.code.startswith("firmware.")
        assert await results(layout, 4) == [
            ("firmware/order", "done", ""), ("firmware/activate", "failed", failed.code),
            ("firmware/order", "done", ""), ("firmware/activate", "done", ""),
        ]  # fmt: skip
    slots = load_slots(folder)
    assert slots is not None
    assert (slots.active, slots.running.version, slots.running.state) == ("b", GOOD, SlotState.GOOD)
    assert untouched(folder) == before
    for name, values in data(folder).items():
        assert values[: len(held_before[name])] == held_before[name], f"{name} were touched"
    logs = {log: told(folder, log) for log in Log}
    assert [text.split()[1] for text in logs[Log.CONSUMER]] == [BAD, GOOD]
    assert logs[Log.CONSUMER][1].startswith(f"Firmware {GOOD} aktiviert")
    assert len(logs[Log.CALIBRATION]) == 6
    assert len(logs[Log.SYSTEM]) == 8
    assert os.getpid() != pid

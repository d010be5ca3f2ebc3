"""A gateway whose journal was cut, swapped or set back between two runs: it says so, works no further, and mends nothing."""

import asyncio
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import NamedTuple

import pytest
from tests.gateway.gateway_folder import gateway_folder
from tests.gateway.gateway_parts import START
from tests.storage.samples import signed

from smgw.core.errors import IntegrityFault, SmgwError
from smgw.core.log_event import Log
from smgw.gateway.boot import load_record
from smgw.gateway.config import GatewayFolder
from smgw.gateway.service import JOURNAL_PURPOSE, Gateway
from smgw.net.clock import ManualClock
from smgw.net.identity import open_module
from smgw.storage.journal import Journal
from smgw.storage.journal_export import EXPORTED

pytestmark = [pytest.mark.req("LOG-02", "STATE-01", "SEC-01"), pytest.mark.timeout(120)]

PAGE = 4096


async def run_once(folder: GatewayFolder, first: int, count: int) -> None:
    """Start a whole gateway without partners, let it store some readings, and stop it in good order."""
    gateway = Gateway(folder, ManualClock(START), listeners=list)
    ready, stop = asyncio.Event(), asyncio.Event()
    running = asyncio.create_task(gateway.run(lambda _: ready.set(), stop))
    started = asyncio.create_task(ready.wait())
    await asyncio.wait({running, started}, return_when=asyncio.FIRST_COMPLETED)
    if ready.is_set():
        gateway.journal.append_readings([signed(number) for number in range(first, first + count)])
    started.cancel()
    stop.set()
    await running


def journal(folder: GatewayFolder) -> Journal:
    return Journal.open_read_only(folder.journal, open_module(folder.path).storage_key(JOURNAL_PURPOSE))


def told(folder: GatewayFolder) -> list[str]:
    with journal(folder) as found:
        return [stored.entry.event for stored in found.log(Log.SYSTEM)]


class Lives(NamedTuple):
    """Hold the folder of a gateway after its first and after its second run."""

    first: Path
    second: Path
    stranger: Path
    """Another gateway's, after a run."""


@cache
def lives() -> Lives:
    """Run a gateway twice, with less between the stops than a seal of its own would need."""
    found = Lives(*(Path(mkdtemp(prefix="smgw-lives-")) / name for name in Lives._fields))
    gateway_folder(found.first)
    asyncio.run(run_once(GatewayFolder(found.first), 1, 20))
    shutil.copytree(found.first, found.second)
    asyncio.run(run_once(GatewayFolder(found.second), 21, 20))
    shutil.copytree(found.first, found.stranger)
    (found.stranger / "journal.db").unlink()
    with Journal.open(found.stranger / "journal.db", bytes(32)) as other:
        other.append_readings([signed(number) for number in range(200)])
    return found


Spoil = Callable[[GatewayFolder], object]


def shortened(share: float) -> Spoil:
    """Keep only a part of the file, whole pages of it."""

    def spoil(folder: GatewayFolder) -> None:
        data = folder.journal.read_bytes()
        folder.journal.write_bytes(data[: int(len(data) * share) // PAGE * PAGE])

    return spoil


def without_the_last_octets(folder: GatewayFolder) -> None:
    folder.journal.write_bytes(folder.journal.read_bytes()[:-100])


def two_pages_swapped(folder: GatewayFolder) -> None:
    data = folder.journal.read_bytes()
    pages = [data[at : at + PAGE] for at in range(0, len(data), PAGE)]
    pages[-1], pages[-2] = pages[-2], pages[-1]
    folder.journal.write_bytes(b"".join(pages))


def another_gateways(folder: GatewayFolder) -> None:
    shutil.copy(lives().stranger / "journal.db", folder.journal)


def set_back(folder: GatewayFolder) -> None:
    shutil.copy(lives().first / "journal.db", folder.journal)


def set_back_and_forgotten(folder: GatewayFolder) -> None:
    set_back(folder)
    folder.boot.unlink()


def forgotten(folder: GatewayFolder) -> None:
    folder.boot.write_bytes(b"")


def gone(folder: GatewayFolder) -> None:
    folder.journal.unlink()


@pytest.fixture
def folder(tmp_path: Path) -> GatewayFolder:
    return GatewayFolder(shutil.copytree(lives().second, tmp_path / "gateway"))


@pytest.mark.parametrize(
    ("spoil", "codes"),
    [
        (shortened(0.5), {"journal.damaged", "journal.key", "boot.failed"}),
        (shortened(0.0), {"boot.failed"}),
        (without_the_last_octets, {"journal.damaged", "boot.failed"}),
        (two_pages_swapped, {"journal.damaged", "boot.failed"}),
        (another_gateways, {"journal.key"}),
        (set_back, {"boot.failed"}),
        (set_back_and_forgotten, {"boot.failed"}),
        (forgotten, {"boot.failed"}),
        (gone, {"boot.failed"}),
    ],
)
async def test_a_journal_that_is_not_the_one_that_was_left_keeps_the_gateway_from_working(
    folder: GatewayFolder, spoil: Spoil, codes: set[str]
) -> None:
    spoil(folder)
    before = folder.journal.read_bytes() if folder.journal.exists() else b""
    with pytest.raises(SmgwError) as fault:
        await run_once(folder, 41, 20)
    assert fault.value.code in codes
    assert fault.value.exit_code == 5
    if fault.value.code != "boot.failed":
        assert folder.journal.read_bytes() == before
        return
    assert load_record(folder).failures == 1
    assert load_record(folder).codes
    # Nothing heals by trying again.
    with pytest.raises(SmgwError) as fault:
        await run_once(folder, 41, 20)
    assert fault.value.code == "boot.failed"
    assert load_record(folder).failures == 2


@pytest.mark.parametrize("spoil", [set_back, set_back_and_forgotten, forgotten])
async def test_a_journal_that_was_set_back_is_named_told_and_left_as_it_is(folder: GatewayFolder, spoil: Spoil) -> None:
    spoil(folder)
    with journal(folder) as found:
        readings = found.count_readings()
    for _ in range(2):
        with pytest.raises(SmgwError) as fault:
            await run_once(folder, 41, 20)
        assert "boot.set_back" in fault.value.detail
    assert told(folder)[-1] == "boot_failed"
    assert told(folder).count("boot_failed") == 2
    with journal(folder) as found:
        assert found.count_readings() == readings
        found.verify()


def test_no_single_page_of_before_can_be_put_back_unnoticed(folder: GatewayFolder) -> None:
    """Its own check value is good; but either the chains break, or it holds nothing that a chain is about."""
    old, new = ((life / "journal.db").read_bytes() for life in (lives().first, lives().second))
    changed = [at for at in range(PAGE, min(len(old), len(new)), PAGE) if old[at : at + PAGE] != new[at : at + PAGE]]
    with journal(folder) as found:
        whole = b"".join(found.export(EXPORTED))
    broken = 0
    for at in changed:
        folder.journal.write_bytes(new[:at] + old[at : at + PAGE] + new[at + PAGE :])
        try:
            with journal(folder) as found:
                found.verify()
                assert b"".join(found.export(EXPORTED)) == whole
        except IntegrityFault:
            broken += 1
    assert len(changed) > 5
    assert broken > len(changed) // 2


async def test_what_was_left_in_good_order_goes_on(folder: GatewayFolder) -> None:
    """Also after a power cut: what was stored after the last stop is more than what is remembered, never less."""
    await run_once(folder, 41, 20)
    remembered = load_record(folder)
    with Journal.open(folder.journal, open_module(folder.path).storage_key(JOURNAL_PURPOSE)) as found:
        found.append_readings([signed(number) for number in range(61, 90)])
    await run_once(folder, 90, 5)
    assert load_record(folder).seals > remembered.seals > 0
    with journal(folder) as found:
        found.verify()
        assert found.count_readings() == 94

"""A gateway that measures goes on measuring while its administrator changes, or does not: no reading is missed, doubled or kept back.

Each step of table 5 of the annex is followed by a quarter-hour, and the takeover itself, at which the gateway begins a new run, lies on the
boundary between two. What each of the three sides logs of each step stands in a table.
"""

import asyncio
import socket
from collections.abc import Callable, Coroutine
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
from tests.gateway.gateway_parts import METER_ID, all_profiles
from tests.playbook.change_play import LINK, OLD, QUARTER, UNTIL, Market, Play, market
from tests.playbook.life_system import Site, site
from tests.playbook.life_world import DEVICE_ID, copy_of
from tests.playbook.test_change_of_administrator import NEW, successor

from smgw.administrator import lookout
from smgw.administrator.books import Books
from smgw.core.log_event import Log
from smgw.core.obis import ACTIVE_ENERGY_EXPORT, ACTIVE_ENERGY_IMPORT, Obis
from smgw.core.reading import Reading
from smgw.core.status_word import GATEWAY_OK
from smgw.gateway.commissioning import JOURNAL_PURPOSE
from smgw.gateway.config import LinkConfig, WakeUpConfig
from smgw.gateway.own_identity import own_identity
from smgw.net.links import open_pty
from smgw.simulation.free_ports import free_port
from smgw.simulation.household import Household
from smgw.storage.journal import Journal

pytestmark = [pytest.mark.timeout(480), pytest.mark.req("ADM-12", "MEAS-01", "WAN-05", "LOG-01")]

REGISTERS = (ACTIVE_ENERGY_IMPORT, ACTIVE_ENERGY_EXPORT)


async def complete(act: Play) -> None:
    """2.1 to 2.14, with a quarter-hour after each step that takes time."""
    life = act.life
    act.announce()
    await life.until(lambda: act.old() == "announced")
    await act.quarter()
    assert await act.obeys(life)

    await act.over_the_boundary(act.expect, lambda: act.incoming() == "taken")
    await act.quarter()
    assert await act.obeys(act.new)
    assert not await act.obeys(life, waits_s=3)


async def refused(act: Play) -> None:
    """2.11 with a negative result."""
    act.announce()
    await act.life.until(lambda: act.old() == "announced")
    await act.quarter()
    await act.over_the_boundary(lambda: act.expect(forget="emt1.sm"), lambda: act.old() == "aborted")
    await act.quarter()


async def timed_out(act: Play) -> None:
    """2.9 without an answer of the new administrator."""
    act.announce()
    await act.life.until(lambda: act.old() == "announced")
    while act.life.clock.now() < UNTIL:
        await act.quarter()
    await act.life.until(lambda: act.old() == "aborted")
    await act.quarter()


async def withdrawn(act: Play) -> None:
    """The old administrator changes its mind after 2.9."""
    act.announce()
    await act.life.until(lambda: act.old() == "announced")
    await act.quarter()
    await act.over_the_boundary(act.withdraw, lambda: act.old() == "withdrawn")
    await act.quarter()


Course = Callable[[Play], Coroutine[None, None, None]]


def entries(life: Site) -> list[str]:
    """Read the system log of a gateway that does not run as `event by whom: result`."""
    module = own_identity(life.world.folder).module
    with Journal.open_read_only(life.world.folder.journal, module.storage_key(JOURNAL_PURPOSE)) as journal:
        told = [stored.entry for stored in journal.log(Log.SYSTEM)]
    return [f"{entry.event} {entry.subject or entry.parameters.get('partner', '')}: {'good' if entry.success else 'bad'}" for entry in told]


def stored(life: Site) -> dict[Obis, list[Reading]]:
    module = own_identity(life.world.folder).module
    with Journal.open_read_only(life.world.folder.journal, module.storage_key(JOURNAL_PURPOSE)) as journal:
        return {code: [signed.reading for signed in journal.readings(METER_ID, [code])] for code in REGISTERS}


def trail(books: Books) -> list[str]:
    found = [f"{entry.action}: {entry.result}" for entry, _ in books.audit.entries()]
    books.close()
    return found


GATEWAY, A, N = "the gateway's system log", "the old administrator's audit trail", "the new administrator's audit trail"
OUT, IN = "change of administrator, outgoing", "change of administrator, incoming"
OPENED: tuple[tuple[str, str, str], ...] = (
    ("2.6", A, f"{OUT}: wanted: done"),
    ("2.6", GATEWAY, f"administrator_announced {OLD}: good"),
    ("2.6", A, f"{OUT}: announced: done"),
)
EXAMINED = (
    ("2.2", N, f"{IN}: expected: done"),
    ("2.9", GATEWAY, f"channel_opened {NEW}: good"),
    ("2.10", GATEWAY, f"administrator_read {NEW}: good"),
)
LOGGED: dict[str, tuple[tuple[str, str, str], ...]] = {
    "complete": (
        *OPENED,
        *EXAMINED,
        ("2.11", GATEWAY, f"configuration_checked {NEW}: good"),
        ("2.11", N, f"{IN}: checked: done"),
        ("2.13", GATEWAY, f"administrator_changed {NEW}: good"),
        ("3.1", GATEWAY, f"certificate_changed {OLD}: good"),
        ("2.14", GATEWAY, f"administrator_removed {OLD}: good"),
        ("2.14", N, f"{IN}: taken: done"),
    ),
    "refused": (
        *OPENED,
        *EXAMINED,
        ("2.11", GATEWAY, f"configuration_checked {NEW}: bad"),
        ("2.11", GATEWAY, f"administrator_change_aborted {OLD}: good"),
        ("2.11", N, f"{IN}: refused: communication emt1.sm was not promised"),
        ("2.11", A, f"{OUT}: aborted: done"),
    ),
    "timed_out": (
        *OPENED,
        ("2.9", GATEWAY, f"administrator_change_failed {NEW}: bad"),
        ("2.9", GATEWAY, f"administrator_change_aborted {OLD}: good"),
        ("2.9", A, f"{OUT}: aborted: done"),
    ),
    "withdrawn": (
        *OPENED,
        ("2.9", A, f"{OUT}: unwanted: done"),
        ("2.9", GATEWAY, f"administrator_change_aborted {OLD}: good"),
        ("2.9", A, f"{OUT}: withdrawn: done"),
    ),
}
"""Course -> step of table 5, whose log, and what stands there; of one log in this order."""


def require_logged(course: str, logs: dict[str, list[str]]) -> None:
    at = dict.fromkeys(logs, 0)
    for step, side, entry in LOGGED[course]:
        assert entry in logs[side][at[side] :], f"step {step} is not in {side}: {entry}"
        at[side] = logs[side].index(entry, at[side]) + 1


@pytest.mark.parametrize(
    ("course", "calls"),
    [(complete, False), (complete, True), (refused, False), (timed_out, False), (withdrawn, False)],
    ids=["complete by order", "complete by wake-up call", "refused", "timed out", "withdrawn"],
)
def test_no_reading_is_missed_doubled_or_kept_back(tmp_path: Path, course: Course, calls: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookout, "LOOK_S", 0.05)
    port = free_port(socket.SOCK_DGRAM) if calls else 0
    ends: list[datetime] = []
    logs: dict[str, list[str]] = {}

    async def run() -> tuple[Site, Market]:
        async with site(tmp_path / "a", copy_of(tmp_path / "gateway")) as life, market(tmp_path / "emt", life) as partner:
            line = open_pty(tmp_path / "meter.tty")
            life.install()
            config = life.world.folder.load()
            place = WakeUpConfig(host="127.0.0.1", port=port) if calls else config.wake_up
            links = (LinkConfig(LINK, f"pty://{line.path}"),)
            life.world.folder.save(msgspec.structs.replace(config, wake_up=place, links=links))
            books = life.books()
            for profile in (partner.profile(), *all_profiles()[1:]):
                books.inventory.put_profile(DEVICE_ID, profile, life.clock.now(), "operator")
            books.close()
            life.start()
            await life.until(lambda: sum(entry.startswith("install ") for entry in life.audit()) == len(all_profiles()))
            async with successor(tmp_path / "n", life) as new:
                act = Play(life, new, line, port)
                await act.feed()
                await act.quarter()
                await course(act)
                ends.extend(act.ends)
                await life.until(lambda: partner.count() >= len(REGISTERS) * (len(ends) + 1))
                await life.stop()
                logs.update({GATEWAY: entries(life), A: trail(life.books()), N: trail(new.books())})
            line.close()
            return life, partner

    life, partner = asyncio.run(run())
    values = stored(life)
    for code in REGISTERS:
        assert [reading.target_time for reading in values[code]][1:] == ends, "one value at the end of each quarter-hour"
        assert ends == [ends[0] + number * QUARTER for number in range(len(ends))]
        assert all(reading.gateway_status == GATEWAY_OK for reading in values[code])
        assert all(reading.raw == Household("prosumer").registers_at(reading.capture_time)[code] for reading in values[code])
        arrived = [reading for reading in partner.delivered() if reading.obis == code]
        assert arrived == values[code], "each value was delivered once, in order"
        used = [later.raw - earlier.raw for earlier, later in pairwise(arrived)]  # type: ignore[operator]
        assert sum(used) == values[code][-1].raw - values[code][0].raw  # type: ignore[operator]
    require_logged(course.__name__, logs)

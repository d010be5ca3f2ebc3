"""The self-test: each check finds what it is for, and none of them holds up the work of the gateway."""

import asyncio
import ipaddress
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from tests.gateway.gateway_parts import START, administrator_identity, all_profiles, gateway_identity

from smgw.core.instant import ClockStatus
from smgw.core.state import Event
from smgw.gateway.firmware_model import installed_files, program_hash
from smgw.gateway.self_test import CHECKS, Check, Subject, run_checks
from smgw.gateway.separation import Networks
from smgw.net.listeners import Listener
from smgw.storage.database import Database
from smgw.storage.journal import Journal

KEY = bytes(32)
SEPARATE = Networks("127.0.0.1", 443, "", "127.0.0.1", list)
JOINED = SEPARATE._replace(listeners=lambda: [Listener("tcp", ipaddress.ip_address("0.0.0.0"), 443)])


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    """Give a journal that a writer holds open, as in a running gateway."""
    with filled(tmp_path / "journal.db"):
        yield tmp_path / "journal.db"


def filled(path: Path) -> Journal:
    journal = Journal.open(path, KEY)
    for profile in all_profiles():
        journal.put_profile(profile, b"", START)
    return journal


def walk(journal: Journal) -> None:
    journal.verify()


def sound(path: Path) -> Subject:
    return Subject(
        gateway_identity(),
        lambda: Journal.open_read_only(path, KEY),
        walk,
        ClockStatus.VALID,
        START,
        program_hash(installed_files()),
        SEPARATE,
        lambda journal: [],
    )


def wrong_keys(subject: Subject) -> Subject:
    mixed = administrator_identity()._replace(triple=gateway_identity().triple)
    return subject._replace(identity=mixed)


async def failed(subject: Subject) -> dict[str, str]:
    return {check.name: check.code for check in await run_checks(subject) if check.code}


@pytest.mark.req("STATE-03")
@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda s: s._replace(program_hash="0" * 64), {"program": "self_test.program"}),
        (wrong_keys, {"keys": "self_test.keys"}),
        (lambda s: s._replace(now=START + timedelta(days=4000)), {"certificates": "self_test.certificates"}),
        (lambda s: s._replace(now=START - timedelta(days=1)), {"certificates": "self_test.certificates"}),
        (lambda s: s._replace(clock_status=ClockStatus.INVALID), {"clock": "self_test.clock"}),
        (lambda s: s._replace(clock_status=ClockStatus.UNSET), {"clock": "self_test.clock"}),
        (lambda s: s._replace(networks=JOINED), {"networks": "self_test.networks"}),
        (lambda s: s._replace(full=lambda journal: ["system log"]), {"limits": "self_test.limits"}),
    ],
    ids=[
        "program changed",
        "keys of somebody else",
        "certificates expired",
        "certificates not yet valid",
        "time lost",
        "time never known",
        "networks joined",
        "a full store",
    ],
)
async def test_each_check_finds_what_it_is_for_and_nothing_else(
    path: Path, change: Callable[[Subject], Subject], expected: dict[str, str]
) -> None:
    assert await failed(change(sound(path))) == expected


@pytest.mark.req("STATE-03", "STATE-04")
@pytest.mark.parametrize(
    ("change", "code"),
    [("DROP TRIGGER profiles_no_update", "journal.schema"), ("UPDATE heads SET length = length + 1", "journal.chain")],
    ids=["a rule taken away", "a row taken away"],
)
async def test_a_changed_store_is_found(tmp_path: Path, change: str, code: str) -> None:
    path = tmp_path / "journal.db"
    filled(path).close()
    database = Database.open(path, KEY)
    database.connection.execute(change)
    database.close()
    assert await failed(sound(path)) == {"store": code}


@pytest.mark.req("STATE-03")
async def test_a_missing_store_fails_what_needs_it_and_the_others_are_still_made(tmp_path: Path) -> None:
    results = await run_checks(sound(tmp_path / "absent.db"))
    assert [check.name for check in results] == [name for name, _ in CHECKS]
    assert [(check.name, check.code, check.event) for check in results if check.code] == [
        ("store", "journal.missing", None),
        ("limits", "journal.missing", None),
    ]


@pytest.mark.req("STATE-01", "STATE-03")
async def test_only_what_was_found_to_be_broken_changes_the_state(tmp_path: Path, path: Path) -> None:
    results = {check.name: check for check in await run_checks(sound(path))}
    assert results["networks"] == Check("networks", event=Event.NETWORKS_SEPARATE)
    assert {check.event for name, check in results.items() if name != "networks"} == {None}
    (joined,) = await run_checks(sound(path)._replace(networks=JOINED), frozenset({"networks"}))
    assert (joined.event, joined.detail) == (Event.NETWORKS_JOINED, "tcp 0.0.0.0 port 443 is open to all networks")
    broken = tmp_path / "broken.db"
    filled(broken).close()
    database = Database.open(broken, KEY)
    database.connection.execute("UPDATE heads SET length = length + 1")
    database.close()
    (store,) = await run_checks(sound(broken), frozenset({"store"}))
    assert store.event is Event.INTEGRITY_LOST


@pytest.mark.req("STATE-03")
async def test_a_sound_gateway_passes_while_its_loop_goes_on(path: Path) -> None:
    turns = 0

    async def work() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    worker = asyncio.create_task(work())
    assert await failed(sound(path)) == {}
    worker.cancel()
    assert turns > 10

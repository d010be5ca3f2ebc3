"""A fleet in one process: every member is enrolled once, and one that fails ends no other."""

import asyncio
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import count
from pathlib import Path
from shutil import copytree
from tempfile import mkdtemp
from threading import Event
from typing import NamedTuple

import pytest

from smgw.administrator.books import open_books
from smgw.administrator.config import AdministratorFolder
from smgw.core.errors import Unavailable
from smgw.core.profiles import EvaluationProfile
from smgw.net.clock import ManualClock
from smgw.participant.config import ParticipantFolder, provision_participant
from smgw.participant.database import connect
from smgw.participant.registry import Registry
from smgw.simulation.fleet import Fleet, Member, Shared, found_fleet
from smgw.simulation.provisioning import DEFAULT_GATEWAY_ID, PARTNER_ID, Layout, Ports, System, found_identities

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SYSTEM = System(DEFAULT_GATEWAY_ID, START, Ports(1, 2, 3, 4, 5, 6, 7, 8), (), fleet=3)
FIRST, SECOND = Member(1), Member(2)


@cache
def founded() -> Path:
    layout = Layout(Path(mkdtemp(prefix="smgw-fleet-")))
    identities = found_identities(layout, DEFAULT_GATEWAY_ID, START)
    place = {"name": PARTNER_ID, "deliveries_port": 5, "api_port": 6, "crl_url": "", "gateway_id": DEFAULT_GATEWAY_ID}
    provision_participant(layout.participant, **place, meters=[], contracts=[])  # type: ignore[arg-type]
    for _ in range(2):
        found_fleet(layout, SYSTEM, identities, "secret", START)
    return layout.path


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    copytree(founded(), tmp_path / "system")
    return Layout(tmp_path / "system")


@pytest.mark.req("ADM-01")
def test_every_member_has_its_own_keys_meter_and_contracts_and_is_enrolled_once(layout: Layout) -> None:
    with closing(open_books(AdministratorFolder(layout.administrator).inventory)) as books:
        assert books.inventory.gateways() == [FIRST.device_id, SECOND.device_id]
        assert books.inventory.revision() == 2 * 5
        gateways = [books.inventory.gateway(member.device_id) for member in (FIRST, SECOND)]
        assert len({gateway.sig.public_key().public_numbers() for gateway in gateways if gateway}) == 2  # type: ignore[union-attr]
        contracts = [p for _, p in books.inventory.profiles(SECOND.device_id) if isinstance(p, EvaluationProfile)]
    assert {(contract.taf, contract.meter_id) for contract in contracts} == {(7, SECOND.meter_id), (1, SECOND.meter_id)}
    with closing(connect(ParticipantFolder(layout.participant).store)) as connection:
        assert [(meter.gateway_id, meter.meter_id) for meter in Registry(connection).meters()] == [
            (member.device_id, member.meter_id) for member in (FIRST, SECOND)
        ]


@pytest.mark.req("OPS-05")
async def test_a_member_that_fails_is_told_and_ends_no_other(layout: Layout) -> None:
    (layout.fleet / FIRST.device_id / "gateway.json").write_text("{}")
    fleet, stop = Fleet(layout.fleet, ManualClock(START), timedelta(seconds=60)), asyncio.Event()
    task = asyncio.create_task(fleet.run(lambda _: None, stop))
    for _ in range(10_000):
        if fleet.failed and (layout.fleet / SECOND.device_id / "han.pem").exists():
            break
        await asyncio.sleep(0.001)
    assert not task.done()
    stop.set()
    counters = await task
    assert fleet.failed == {FIRST.device_id: "gateway.config"}
    assert (counters["gateways"], counters["failed"]) == (2, 1)
    assert counters["log_entries"]


def test_threads_that_ask_within_a_moment_share_one_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("smgw.simulation.fleet.LOOK_S", 3600.0)
    looks: list[int] = []
    inside, go_on = Event(), Event()

    def look() -> int:
        looks.append(len(looks))
        inside.set()
        go_on.wait(60)
        return looks[-1]

    shared = Shared(look)
    with ThreadPoolExecutor(4) as threads:
        asked = [threads.submit(shared) for _ in range(4)]
        inside.wait(60)
        go_on.set()
        assert [answer.result(60) for answer in asked] == [0, 0, 0, 0]


@pytest.mark.req("STATE-03")
def test_a_look_is_not_taken_for_the_present_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("smgw.simulation.fleet.LOOK_S", 0.0)
    found = iter(range(9))
    shared = Shared(lambda: next(found))
    assert [shared(), shared()] == [0, 1]


@pytest.mark.req("STATE-03")
def test_a_look_that_failed_is_nobody_s_answer() -> None:
    answers = iter((Unavailable("net.listeners"), 7))

    def look() -> int:
        answer = next(answers)
        if isinstance(answer, Unavailable):
            raise answer
        return answer

    shared = Shared(look)
    with pytest.raises(Unavailable):
        shared()
    assert shared() == 7


@pytest.fixture
def door() -> Iterator[socket.socket]:
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        opened.listen()
        yield opened


class Said(NamedTuple):
    """Stand for a gateway that says on which ports it listens."""

    places: frozenset[int]


@pytest.mark.req("STATE-03")
@pytest.mark.parametrize("whose", ["own", "another", "nobody", "another, said later"])
def test_a_member_sees_its_own_doors_and_nobody_s(tmp_path: Path, door: socket.socket, whose: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("smgw.simulation.fleet.LOOK_S", 0.0)
    monkeypatch.setattr("smgw.simulation.fleet.WAIT_S", 0.0)
    port = door.getsockname()[1]
    fleet = Fleet(tmp_path, ManualClock(START), timedelta(seconds=60))
    said = {"own": Said(frozenset({port if whose == "own" else 0})), "another": Said(frozenset({port if whose == "another" else 0}))}
    asked = count()

    def gateways() -> dict[str, Said]:
        # Asked for the fourth time, the other one says that it meant to.
        return said | ({"another": Said(frozenset({port}))} if whose == "another, said later" and next(asked) > 2 else {})

    monkeypatch.setattr(Fleet, "_gateways", property(lambda _: gateways(), lambda *_: None), raising=False)
    assert [listener.port for listener in fleet._listeners("own")].count(port) == (whose in ("own", "nobody"))

"""The launcher's decisions: what can't be started is refused before anything runs, and what is kept from the last start."""

import asyncio
import fcntl
import os
import socket
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from tests.codec.sml.samples import METER_FRAME

from smgw.core.errors import SmgwError
from smgw.simulation.free_ports import free_ports
from smgw.simulation.provisioning import Layout, Ports, System, simulated_meter
from smgw.simulation.system import INTERVALS_S, Launcher, Options, _password, _summary, telegram_interval_s


async def refusal(data: Path, **options: object) -> str:
    with pytest.raises(SmgwError) as fault:
        await Launcher(Options(data=data, **options), lambda _: None, asyncio.Event()).run()  # type: ignore[arg-type]
    return fault.value.code


def dump(path: Path) -> str:
    path.write_bytes(METER_FRAME)
    return f"sml:{path}"


async def test_a_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.write_text("a letter")
    assert await refusal(path) == "up.folder"
    assert path.read_text() == "a letter"


async def test_a_folder_that_another_launcher_holds_is_refused(tmp_path: Path) -> None:
    handle = os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(handle, fcntl.LOCK_EX)
    assert await refusal(tmp_path) == "up.running"
    os.close(handle)


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff\xff", b'{"gateway_id": 1}'])
async def test_a_system_file_that_can_t_be_read_is_refused_and_kept(tmp_path: Path, content: bytes) -> None:
    Layout(tmp_path).state.write_bytes(content)
    assert await refusal(tmp_path) == "up.state"
    assert Layout(tmp_path).state.read_bytes() == content


async def test_another_gateway_than_the_one_held_is_refused(tmp_path: Path) -> None:
    meter = simulated_meter("household", 10_000_001, "BEZUG")
    held = System("ESGW0000000001", datetime(2026, 1, 1, tzinfo=UTC), Ports(1, 2, 3, 4, 5, 6, 7), (meter,))
    Layout(tmp_path).state.write_bytes(msgspec.json.encode(held))
    assert await refusal(tmp_path, gateway_id="ESGW0000000002") == "up.gateway_id"


async def test_one_meter_twice_is_refused(tmp_path: Path) -> None:
    first, second = dump(tmp_path / "a.bin"), dump(tmp_path / "b.bin")
    assert await refusal(tmp_path / "data", meters=(first, second)) == "up.meters"


@pytest.mark.parametrize(("source", "code"), [("sml:/nowhere.bin", "simulation.dump"), ("roof:pigeon", "link.url"), ("", "link.url")])
async def test_a_meter_that_can_t_be_found_is_refused(tmp_path: Path, source: str, code: str) -> None:
    assert await refusal(tmp_path, meters=(source,)) == code


def test_telegrams_come_as_often_as_a_fast_simulation_can_take_them() -> None:
    assert [telegram_interval_s(speed) for speed in (0.1, 1, 40, 41, 20_000, 1e6)] == [2, 2, 2, 5, 900, 900]
    assert all(900 % interval == 0 for interval in INTERVALS_S)


def test_ports_are_kept_while_they_are_free_and_replaced_when_not() -> None:
    chosen = free_ports(None)
    values = msgspec.structs.astuple(chosen)
    assert all(10_000 <= port < 32_768 for port in values), "not from what the kernel hands out to anybody"
    assert len(set(values)) == len(values)
    assert free_ports(chosen) == chosen
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", chosen.han))
        taken.listen()
        again = free_ports(chosen)
    assert again.han != chosen.han
    assert again.pki == chosen.pki
    assert 0 < free_ports(msgspec.structs.replace(chosen, pki=99_999)).pki < 65_536


def test_the_password_is_made_once_and_is_its_owner_s_alone(tmp_path: Path) -> None:
    path = tmp_path / "consumer.password"
    password = _password(path)
    assert len(password) >= 20
    assert _password(path) == password
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_summary_counts_what_the_gateway_told_and_nothing_it_did_not() -> None:
    assert _summary({}) == {
        "event": "summary", "meters": 0, "telegrams": 0, "readings": 0, "deliveries": 0, "rejected": 0, "log_entries": 0,
    }  # fmt: skip
    told = {"gateway": {"meters": 2, "readings": 9, "secret": 1}}
    assert _summary(told)["readings"] == 9
    assert "secret" not in _summary(told)


def test_an_accelerated_system_starts_shortly_before_a_local_midnight(tmp_path: Path) -> None:
    start = Launcher(Options(data=tmp_path, speed=100), lambda _: None, asyncio.Event())._start_time(None)
    assert start < datetime.now(UTC)
    assert (start + timedelta(minutes=10)).minute == 0

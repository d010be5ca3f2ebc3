"""Finding out what a meter sends: nothing usable is said so, and what is found fits the real captures."""

import asyncio
from pathlib import Path

import pytest
from tests.codec.sml.samples import METER_FRAME, SERVER_ID
from tests.shared import shared_files

from smgw.core.errors import ConfigError, SmgwError, Unavailable
from smgw.core.identifiers import meter_id_of
from smgw.net.links import open_pty
from smgw.simulation import discovery
from smgw.simulation.discovery import meter_of_dump, meter_of_link


def refusal(path: Path) -> str:
    with pytest.raises(ConfigError) as fault:
        meter_of_dump("meter1", path)
    return fault.value.code


def test_a_dump_that_is_not_there_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path / "nothing.bin") == "simulation.dump"
    assert refusal(tmp_path) == "simulation.dump"


@pytest.mark.parametrize("octets", [b"", b"noise" * 100, METER_FRAME[:-5], b"\x1b" * 5000], ids=["empty", "noise", "cut", "escapes"])
def test_a_dump_without_a_meter_is_refused(tmp_path: Path, octets: bytes) -> None:
    path = tmp_path / "dump.bin"
    path.write_bytes(octets)
    assert refusal(path) == "simulation.no_meter"


async def test_a_link_that_can_t_be_opened_is_refused() -> None:
    with pytest.raises(SmgwError) as fault:
        await meter_of_link("meter1", "pty:///nowhere/meter")
    assert isinstance(fault.value, Unavailable)


async def test_a_silent_link_is_no_meter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(discovery, "LISTEN_S", 0.02)
    port = open_pty(tmp_path / "meter")
    with pytest.raises(ConfigError, match=r"simulation\.no_meter"):
        await meter_of_link("meter1", f"pty://{tmp_path / 'meter'}")
    port.close()


@pytest.mark.req("LMN-02")
async def test_a_live_meter_is_described_by_its_first_telegram(tmp_path: Path) -> None:
    port = open_pty(tmp_path / "meter")
    finding = asyncio.create_task(meter_of_link("meter1", f"pty://{tmp_path / 'meter'}"))
    for _ in range(10_000):
        if finding.done():
            break
        await port.write(METER_FRAME)
        await asyncio.sleep(0.001)
    meter = await finding
    port.close()
    assert (meter.name, meter.server_id, meter.meter_id) == ("meter1", SERVER_ID.hex(), meter_id_of(SERVER_ID))


@pytest.mark.req("LMN-02")
def test_the_energy_registers_of_a_dump_are_taken_in_order(tmp_path: Path) -> None:
    path = tmp_path / "dump.bin"
    path.write_bytes(b"noise" + METER_FRAME + METER_FRAME[:30])
    meter = meter_of_dump("meter1", path)
    assert meter.source == f"sml:{path}"
    assert [register.obis for register in meter.registers] == ["1-0:1.8.0*255", "1-0:2.8.0*255"]


@pytest.mark.shared
@pytest.mark.req("LMN-02")
@pytest.mark.parametrize("path", shared_files("sml", "*.bin"), ids=lambda path: path.stem)
def test_each_real_capture_has_a_meter_with_registers(path: Path) -> None:
    meter = meter_of_dump("meter1", path)
    assert bytes.fromhex(meter.server_id)
    assert 1 <= len(meter.registers) <= 20
    assert len({register.code for register in meter.registers}) == len(meter.registers)

"""Meters of gas, water, heat and cold: registers of their sector that never decrease, in telegrams that the parser takes."""

from datetime import UTC, datetime, timedelta

import pytest

from smgw.core.errors import ConfigError
from smgw.core.identifiers import DeviceId, server_id_of
from smgw.protocol.sml_stream import SmlStream
from smgw.simulation.meters.sector_meter import SECTORS, SectorMeter

pytestmark = pytest.mark.req("LMN-01", "LMN-07")
START = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.mark.parametrize("digit", SECTORS)
def test_a_register_counts_its_day_and_never_decreases(digit: str) -> None:
    meter = SectorMeter(DeviceId.parse(f"{digit}SGW0010000001"))
    values = [meter.value_at(START + timedelta(minutes=20) * number) for number in range(73)]
    assert values == sorted(values)
    assert values[-1] - values[0] == SECTORS[digit].by_day


@pytest.mark.parametrize("digit", SECTORS)
def test_its_telegram_holds_the_register(digit: str) -> None:
    device = DeviceId.parse(f"{digit}SGW0010000001")
    meter = SectorMeter(device)
    octets = meter.telegram(START)
    assert octets.count(server_id_of(device)) >= 2
    assert octets.count(bytes(SECTORS[digit].register)) == 1
    assert SmlStream().receive_data(octets)


def test_electricity_is_another_meter_s() -> None:
    with pytest.raises(ConfigError, match=r"simulation\.profile"):
        SectorMeter(DeviceId.parse("1SGW0010000001"))

"""Load profiles from what a participant stored: whole local days, gaps without value, the factor on derived values alone."""

from contextlib import closing
from pathlib import Path

import pytest
from tests.participant.participant_parts import DAY, GATEWAY, METER, NOW, day_readings, delivery

from smgw.core.errors import DomainFault
from smgw.core.obis import ACTIVE_ENERGY_IMPORT
from smgw.core.status_word import GatewayStatus
from smgw.participant.database import connect
from smgw.participant.load import day_load
from smgw.participant.records import MeterRecord
from smgw.participant.store import Arrival, ParticipantStore

RECORD = MeterRecord(METER, GATEWAY, 900, [])

pytestmark = pytest.mark.req("MEAS-05")


def test_a_missing_reading_leaves_two_periods_without_value(tmp_path: Path) -> None:
    lost = [signed for signed in day_readings() if signed.reading.obis == ACTIVE_ENERGY_IMPORT][10]
    readings = [signed for signed in day_readings() if signed != lost]
    with closing(connect(tmp_path / "store.db")) as connection:
        store = ParticipantStore(connection)
        store.accept(Arrival(delivery(readings), b"message", b"digest", f"{GATEWAY}.SMGW", b"", NOW))
        loads = day_load(store, RECORD, ACTIVE_ENERGY_IMPORT, DAY)
        raised = day_load(store, RECORD, ACTIVE_ENERGY_IMPORT, DAY, 40)
        without = [load for load in loads if load.energy is None]
        assert len(loads) >= 92 and len(without) == 2
        assert all(load.gateway_status & GatewayStatus.NO_VALUE for load in without)
        for plain, more in zip(loads, raised, strict=True):
            assert (plain.energy is None) == (more.energy is None)
            assert plain.energy is None or more.energy == plain.energy._replace(raw=40 * plain.energy.raw)
        with pytest.raises(DomainFault, match=r"tariff\.rules"):
            day_load(store, RECORD, ACTIVE_ENERGY_IMPORT, DAY, 0)
        with pytest.raises(DomainFault, match=r"tariff\.power"):
            day_load(store, RECORD._replace(period_s=7000), ACTIVE_ENERGY_IMPORT, DAY)

"""What of the beginning of normal operation is noted, each once and for good."""

from pathlib import Path

import pytest
from tests.gateway.gateway_folder import gateway_folder
from tests.gateway.gateway_parts import METER_ID, START

from smgw.core.life_cycle import Mark
from smgw.core.log_event import Log
from smgw.gateway.lifecycle import LifeKeeper, LifeRecord
from smgw.gateway.service import Gateway
from smgw.net.clock import ManualClock

pytestmark = pytest.mark.req("LIFE-09")


@pytest.mark.step("2.3.4", event="meter_paired")
def test_a_meter_is_paired_with_its_first_accepted_record_and_once(tmp_path: Path) -> None:
    folder, clock = gateway_folder(tmp_path / "gateway"), ManualClock(START)
    for _ in range(2):
        with LifeKeeper.open(folder, clock) as keeper:
            gateway = Gateway(folder, clock, keeper=keeper)
            with gateway.journal as journal:
                keeper.attach(journal)
                gateway.beginning.heard(METER_ID)
                gateway.beginning.heard(METER_ID)
                events = [stored.entry.event for stored in journal.log(Log.CALIBRATION)]
        assert events.count("meter_paired") == 1


def test_before_a_profile_no_meter_is_paired(tmp_path: Path) -> None:
    folder, clock = gateway_folder(tmp_path / "gateway"), ManualClock(START)
    marks = tuple(mark for mark in Mark if mark not in (Mark.PROFILES, Mark.METERS, Mark.ANNOUNCED))
    with LifeKeeper.open(folder, clock) as keeper:
        record = LifeRecord(keeper.record.device_id, keeper.phase, marks)
        keeper._write(record)
        gateway = Gateway(folder, clock, keeper=keeper)
        with gateway.journal as journal:
            keeper.attach(journal)
            gateway.beginning.heard(METER_ID)
            assert Mark.METERS not in keeper.life.marks
            gateway.beginning.profile_installed()
            gateway.beginning.heard("1SGW0010000002")
            assert {Mark.PROFILES, Mark.METERS} <= keeper.life.marks
            assert journal.log(Log.SYSTEM)[-1].entry.parameters == {"meter": "1SGW0010000002"}

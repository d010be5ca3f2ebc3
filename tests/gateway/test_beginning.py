"""Beginning normal operation: a meter is paired once, with its first accepted record, whatever starts lie between."""

from pathlib import Path
from typing import Any, cast

import pytest
from tests.gateway.gateway_folder import gateway_folder
from tests.gateway.gateway_parts import METER_ID, START

from smgw.core.life_cycle import Mark
from smgw.core.log_event import Log
from smgw.gateway.beginning import Beginning
from smgw.gateway.clock import GatewayClock
from smgw.gateway.lifecycle import LifeKeeper, LifeRecord
from smgw.gateway.logs import Recorder
from smgw.gateway.service import Gateway
from smgw.gateway.states import StateKeeper
from smgw.net.clock import ManualClock
from smgw.storage.journal import Journal


@pytest.mark.req("LIFE-09")
@pytest.mark.step("2.3.4", event="meter_paired")
def test_a_meter_is_paired_once_with_its_first_record(tmp_path: Path) -> None:
    folder, clock = gateway_folder(tmp_path / "gateway"), GatewayClock(ManualClock(START))
    with Journal.open(tmp_path / "journal.db", bytes(32)) as journal, LifeKeeper.beside(folder, clock) as keeper:
        keeper.attach(journal)
        states = StateKeeper(Recorder(journal, clock), clock)
        for _ in range(2):
            beginning = Beginning(keeper, journal, clock, states, upkeep=cast("Any", None))
            beginning.heard(METER_ID)
            beginning.heard(METER_ID)
        told = [stored.entry for stored in journal.log(Log.SYSTEM)]
        assert [(entry.event, entry.parameters["meter"]) for entry in told] == [("meter_paired", METER_ID)]
        assert [stored.entry.event for stored in journal.log(Log.CALIBRATION)] == ["meter_paired"]


@pytest.mark.req("LIFE-09")
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

"""`smgw up --fleet N` shows a living fleet: every gateway reachable, in normal operation, with its own profiles."""

import sqlite3
import subprocess
import time
from contextlib import closing, suppress
from pathlib import Path

import pytest
from tests.scenario.system_process import get_json, system

pytestmark = [pytest.mark.system, pytest.mark.timeout(480)]

WITHIN_S = 120.0


@pytest.mark.req("ADM-01", "OPS-01")
def test_all_gateways_of_a_fleet_come_to_life_and_stop_in_good_order(tmp_path: Path) -> None:
    with system(tmp_path / "data", "--fleet", "3", "--interval", "1", "--meter", "sim:household") as running:
        assert running.ready["fleet"] == 3
        administrator = running.ready["administrator"]
        limit, found = time.monotonic() + WITHIN_S, []
        while time.monotonic() < limit:
            found = get_json(f"{administrator['url']}/api/v1/gateways", administrator["token_file"])["gateways"]
            if all(gateway["state"] == "normal" and gateway["reachable"] for gateway in found):
                break
            with suppress(subprocess.TimeoutExpired):
                running.process.wait(0.2)
        assert [(one["device_id"], one["state"], one["reachable"]) for one in found] == [
            (device_id, "normal", True) for device_id in ("ESGW0000000001", "ESGW0020000001", "ESGW0020000002")
        ]
        assert [one["profiles"] for one in found[1:]] == [5, 5]
        running.stop()
    with closing(sqlite3.connect(tmp_path / "data" / "administrator" / "inventory.db")) as database:
        alarms = {event for (event,) in database.execute("SELECT event FROM alarm WHERE level <> 'INFO'")}
    assert not alarms & {"networks_joined", "power_returned", "integrity_lost"}

"""The whole system as separate processes: the first complete way of a reading, tried from outside."""

import json
import os
import signal
import subprocess
import sys
from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import requests
import urllib3
from requests.auth import HTTPDigestAuth
from tests.scenario.system_process import RunningSystem, get_json, system
from tests.shared import shared_path

from smgw.cli.decode_sml import run as decode_sml

pytestmark = [pytest.mark.system, pytest.mark.filterwarnings("ignore::urllib3.exceptions.InsecureRequestWarning"), pytest.mark.timeout(480)]
urllib3.disable_warnings()

FAST = ("--speed", "20000", "--timeout", "180")
CAPTURES = ["EMH_mME40-AE6AKF0K0", "ISKRA_MT691_eHZ-MS2020", "DrNeuhaus_SMARTY_ix-130"]


def call(running: RunningSystem, **request: object) -> Any:
    """Make one M2M call with a client of our own choosing, redirect and all."""
    session = requests.Session()
    session.auth = HTTPDigestAuth(*running.credentials)
    root = session.get(f"{running.consumer_url}/smgw/m2m", verify=False, allow_redirects=False, timeout=60)
    assert root.status_code == 307
    answer = session.post(running.consumer_url + root.headers["Location"], json=request, verify=False, timeout=60)
    assert answer.status_code == 200, answer.text
    return answer.json()[str(request["method"])]


def last_readings(running: RunningSystem) -> dict[str, Decimal]:
    """Give the newest stored value of each register in its unit, from the consumer interface."""
    contracts = call(running, method="user-info")["usage-points"]
    contract = next(contract for contract in contracts if contract["taf-number"] == "7")["usage-point-id"]
    channels = call(running, method="usage-point-info", **{"usage-point-id": contract, "database": "origin"})["databases"][0]["channels"]
    scalers = {channel["obis"]: int(channel["scaler"]) for channel in channels}
    found = call(running, method="readings", database="origin", **{"usage-point-id": contract, "last-reading": True})
    newest = {channel["obis"]: int(channel["readings"][0]["value"]) for channel in found["channels"]}
    return {printed(obis): exact(value, scalers[obis]) for obis, value in newest.items()}


def verified_journal(data: Path) -> dict[str, Any]:
    """Verify the gateway's journal with the command."""
    command = [sys.executable, "-m", "smgw", "journal", "verify", "--data", str(data / "gateway"), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


@pytest.mark.req("OPS-01", "EMT-01", "WAN-05", "LOG-02")
def test_a_day_is_delivered_verified_and_continued(tmp_path: Path) -> None:
    with system(tmp_path / "data", *FAST, "--until", "delivered") as running:
        ready = running.ready
        assert set(ready) == {"event", "gateway_id", "consumer", "participant", "administrator", "data", "fleet"}
        summary = running.finish()
    assert summary["event"] == "summary"
    assert summary["meters"] == 2
    assert summary["rejected"] == 0
    assert summary["readings"] >= 3 * 96
    assert summary["deliveries"] >= 96
    assert summary["telegrams"] >= 2 * 96
    assert summary["log_entries"] > 0
    verified_journal(running.data)
    with system(tmp_path / "data", *FAST) as again:
        assert again.ready["gateway_id"] == ready["gateway_id"]
        assert again.ready["consumer"]["password"] == ready["consumer"]["password"]
        state = get_json(f"{again.ready['administrator']['url']}/api/v1/gateways", again.ready["administrator"]["token_file"])
        assert [gateway["device_id"] for gateway in state["gateways"]] == [ready["gateway_id"]]
        days = get_json(f"{again.ready['participant']['url']}/api/v1/summary", again.ready["participant"]["token_file"])["complete_days"]
        assert days
        later = again.stop()
    assert later["meters"] == summary["meters"]
    verified_journal(running.data)


@pytest.mark.shared
@pytest.mark.req("LMN-02", "MEAS-01", "CON-02")
@pytest.mark.parametrize("name", CAPTURES)
def test_a_real_capture_shows_its_true_values_everywhere(tmp_path: Path, name: str) -> None:
    dump = shared_path("sml", f"{name}.bin")
    with system(tmp_path / "data", "--meter", f"sml:{dump}", *FAST) as running:
        shown = last_readings(running)
        wait_for_deliveries(running, 1)
        participant = running.ready["participant"]
        (meter,) = get_json(f"{participant['url']}/api/v1/meters", participant["token_file"])
        delivered = {register["obis"]: Decimal(register["last"]["value"]) for register in meter["registers"]}
        running.stop()
    true = true_values(dump)
    assert set(shown) == set(delivered) == set(true)
    for obis, value in [*shown.items(), *delivered.items()]:
        assert value in true[obis], obis


def true_values(dump: Path) -> dict[str, set[Decimal]]:
    """Give every value that each energy register has in the capture, by our own decoder (which is held against two others elsewhere)."""
    out = StringIO()
    decode_sml(dump.read_bytes(), as_json=True, out=out)
    values: dict[str, set[Decimal]] = {}
    for file in map(json.loads, out.getvalue().splitlines()):
        for entry in file["entries"] if file["ok"] else ():
            if entry["unit"] == 30:
                values.setdefault(entry["obis"], set()).add(exact(entry["value"], entry["scaler"]))
    return values


def exact(value: int, scaler: int) -> Decimal:
    """Give a value in its unit."""
    return Decimal(value).scaleb(scaler)


def printed(obis_hex: str) -> str:
    """Write an OBIS code of the consumer interface as people do."""
    a, b, c, d, e, f = bytes.fromhex(obis_hex)
    return f"{a}-{b}:{c}.{d}.{e}*{f}"


@pytest.mark.req("OPS-05")
def test_killing_the_gateway_ends_the_system_and_loses_nothing(tmp_path: Path) -> None:
    with system(tmp_path / "data", *FAST) as running:
        wait_for_deliveries(running, 20)
        gateway = gateway_process(running)
        os.kill(gateway, signal.SIGKILL)
        _, err = running.process.communicate(timeout=60)
        assert running.process.returncode == 6
        assert "up.ended" in err
    verified_journal(running.data)
    with system(tmp_path / "data", *FAST, "--until", "delivered") as again:
        summary = again.finish()
        assert summary["readings"] > 0
    report = verified_journal(running.data)
    assert report


def wait_for_deliveries(running: RunningSystem, count: int) -> None:
    """Ask the participant until so many deliveries are stored."""
    participant = running.ready["participant"]
    for _ in range(10_000):
        if get_json(f"{participant['url']}/api/v1/summary", participant["token_file"])["deliveries"] >= count:
            return
    pytest.fail(f"fewer than {count} deliveries")


def gateway_process(running: RunningSystem) -> int:
    """Find the gateway among the children of the launcher."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (entry / "stat").exists():
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
            words = (entry / "cmdline").read_bytes().split(b"\0")
            if int(fields[1]) == running.process.pid and b"gateway" in words:
                return int(entry.name)
    pytest.fail("no gateway process")

"""`smgw participant`: register, list, export and run, as a user types them."""

import asyncio
import csv
import io
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest
import structlog
from tests.participant.participant_parts import DAY, GATEWAY, METER, NOW, day_readings, delivery, participant_folder
from typer.testing import CliRunner

from smgw.cli import app
from smgw.participant.config import ParticipantFolder
from smgw.participant.database import connect, connect_read_only
from smgw.participant.registry import Registry
from smgw.participant.store import Arrival, ParticipantStore


def run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["participant", *arguments], env={"NO_COLOR": "1", "COLUMNS": "200"})
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture(autouse=True)
def plain_diagnostics() -> Iterator[None]:
    """Undo what running a role configured: its stream ends with the test."""
    yield
    structlog.reset_defaults()


@pytest.fixture
def folder(tmp_path: Path) -> ParticipantFolder:
    folder = participant_folder(tmp_path)
    with closing(connect(folder.store)) as connection:
        ParticipantStore(connection).accept(Arrival(delivery(day_readings()), b"message", b"digest", f"{GATEWAY}.SMGW", b"", NOW))
    return folder


@pytest.mark.parametrize(
    "command", [("list",), ("export", "--meter", METER, "--day", str(DAY)), ("register", "--gateway", GATEWAY), ("run",)]
)
def test_a_folder_without_participant_is_refused(tmp_path: Path, command: tuple[str, ...]) -> None:
    code, out, _ = run(*command, "--data", str(tmp_path / "none"))
    assert (code, out) == (3, "")
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("--gateway", "gateway"),
        ("--gateway", "esgw0000000001"),
        ("--gateway", GATEWAY, "--contract", "TAF 7"),
        ("--gateway", GATEWAY, "--meter", ""),
    ],
)
def test_what_is_no_id_is_not_registered(folder: ParticipantFolder, arguments: tuple[str, ...]) -> None:
    code, _, err = run("register", "--data", str(folder.path), *arguments)
    assert (code, "participant.register" in err) == (2, True)


def test_unknown_meters_have_no_export(folder: ParticipantFolder) -> None:
    code, out, err = run("export", "--data", str(folder.path), "--meter", "1SGW0010000009", "--day", str(DAY))
    assert (code, out, "participant.no_meter" in err) == (3, "", True)


def test_register_moves_a_meter_and_adds_a_contract(folder: ParticipantFolder) -> None:
    new = "ESGW0000000007"
    code, *_ = run(
        "register", "--data", str(folder.path), "--gateway", new, "--meter", METER, "--contract", "taf7-4.sm", "--period", "3600"
    )
    assert code == 0
    with closing(connect_read_only(folder.store)) as connection:
        registry = Registry(connection)
        registry.require_assignment(new, METER, "taf7-4.sm")
        meter = registry.meter(METER)
        assert meter is not None and (meter.gateway_id, meter.period_s) == (new, 3600)


def test_list_shows_the_last_values(folder: ParticipantFolder) -> None:
    code, out, _ = run("list", "--data", str(folder.path), "--json")
    assert code == 0
    importing, exporting = json.loads(out)
    assert (importing["meter_id"], importing["obis"], importing["value"]) == (METER, "1-0:1.8.0*255", "1067.2 Wh")
    assert (exporting["target_time"], exporting["complete_days"]) == ("2026-11-22T00:00:00+01:00", 1)
    code, out, _ = run("list", "--data", str(folder.path))
    assert code == 0 and METER in out and "1067.2 Wh" in out


def test_export_prints_csv(folder: ParticipantFolder) -> None:
    code, out, _ = run("export", "--data", str(folder.path), "--meter", METER, "--day", str(DAY))
    rows = list(csv.DictReader(io.StringIO(out)))
    assert (code, len(rows)) == (0, 194)
    assert rows[0]["value"] == "1000.0" and rows[-1]["target_time_local"] == "2026-11-22T00:00:00+01:00"


@pytest.mark.parametrize("end", ["signal", "end of input"])
def test_run_says_when_it_is_ready_and_stops_in_good_order(tmp_path: Path, end: str) -> None:
    folder = participant_folder(tmp_path)
    command = [sys.executable, "-m", "smgw", "participant", "run", "--data", str(folder.path), "--stop-on-eof"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None and process.stdin is not None
        ready = json.loads(process.stdout.readline())
        assert (ready["event"], ready["role"]) == ("ready", "participant")
        asyncio.run(_reachable(ready["api_port"], ready["deliveries_port"]))
        if end == "signal":
            process.send_signal(signal.SIGTERM)
        else:
            process.stdin.close()
        assert json.loads(process.stdout.readline()) == {
            "event": "stopped",
            "role": "participant",
            "deliveries": 0,
            "readings": 0,
            "rejected": 0,
        }
        assert process.wait(60) == 0


async def _reachable(*ports: int) -> None:
    for port in ports:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.close()
        await writer.wait_closed()


@pytest.mark.req("MEAS-05")
def test_a_load_profile_has_the_factor_applied_and_the_readings_do_not(folder: ParticipantFolder) -> None:
    arguments = ("--data", str(folder.path), "--meter", METER, "--day", str(DAY))
    rows: dict[int, list[dict[str, str]]] = {}
    for factor in (1, 40):
        code, out, _ = run("load-profile", *arguments, "--factor", str(factor))
        assert code == 0
        rows[factor] = list(csv.DictReader(io.StringIO(out)))
    readings = list(csv.DictReader(io.StringIO(run("export", *arguments, "--obis", "1-0:1.8.0*255")[1])))
    assert len(rows[1]) == len(readings) - 1 >= 92
    for plain, raised, before, after in zip(rows[1], rows[40], readings, readings[1:], strict=False):
        energy = Decimal(after["value"]) - Decimal(before["value"])
        assert (Decimal(plain["energy"]), Decimal(plain["power"]), plain["power_unit"]) == (energy, 4 * energy, "W")
        assert (Decimal(raised["energy"]), Decimal(raised["power"])) == (40 * energy, 160 * energy)
        assert plain["end_utc"] == after["target_time_utc"]
    code, out, err = run("load-profile", "--data", str(folder.path), "--meter", "1SGW0010000009", "--day", str(DAY))
    assert (code, out, "participant.no_meter" in err) == (3, "", True)

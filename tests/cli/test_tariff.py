"""`smgw tariff` as a user calls it; the examples of the project are run as their first lines say."""

import csv
import io
import json
import shlex
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from tests.shared import shared_path
from typer.testing import CliRunner

from smgw.cli import COMMANDS
from smgw.cli.tariff import app

RUNNER = CliRunner()
EXAMPLES = sorted((Path(__file__).resolve().parents[2] / "examples" / "tariffs").glob("*.toml"))
HEAD = "meter_id,obis,target_time,value,scaler,unit,status\n"
SERIES = 'tariff_use_case = 7\nname = "t.sm"\nregisters = ["1-0:1.8.0*255"]\nstart = 2026-11-04\nend = 2026-11-05\n'
ROW = "1SGW0010000001,1-0:1.8.0*255,2026-11-04T00:00:00+01:00,1234,-1,Wh,\n"


def _invoke(*arguments: str, text: str = "") -> Result:
    return RUNNER.invoke(app, list(arguments), input=text)


def _run(folder: Path, profile: str, readings: str, *options: str) -> Result:
    (folder / "profile.toml").write_text(profile)
    (folder / "readings.csv").write_text(readings)
    return _invoke("run", str(folder / "profile.toml"), str(folder / "readings.csv"), *options)


def _json(result: Result) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Make each table of readings that an example asks for, once: its command -> file."""
    folder = tmp_path_factory.mktemp("readings")
    made = {}
    for command in {_command(example) for example in EXAMPLES}:
        result = _invoke(*shlex.split(command))
        assert result.exit_code == 0, result.output
        made[command] = folder / f"{len(made)}.csv"
        made[command].write_text(result.stdout)
    return made


def _command(example: Path) -> str:
    (line,) = (line for line in example.read_text().splitlines() if line.startswith("# Readings for it: smgw tariff "))
    command, _, name = line.removeprefix("# Readings for it: smgw tariff ").partition(" > ")
    assert name == "readings.csv"
    return command


@pytest.mark.parametrize(
    ("profile", "readings", "code", "exit_code", "detail"),
    [
        ("tariff_use_case = 15\n", HEAD + ROW, "tariff.profile", 3, "tariff_use_case"),
        (SERIES + "colour = 1\n", HEAD + ROW, "tariff.profile", 3, "colour"),
        (SERIES, "", "readings.header", 4, ""),
        (SERIES, HEAD + ROW + "x,y\n", "readings.row", 4, "line 3"),
        (SERIES, HEAD + ROW + ROW.replace("+01:00", ""), "readings.row", 4, "line 3: target_time"),
        (SERIES, HEAD, "tariff.no_readings", 1, "1-0:1.8.0*255"),
        (SERIES, HEAD + ROW + ROW.replace("1SGW001", "1SGW002"), "tariff.meter", 1, "1SGW0020000001"),
        (SERIES, "<UsagePoints>", "trudi.structure", 4, ""),
        (SERIES, "  <a>", "trudi.structure", 4, ""),
        (SERIES.replace("= 7", "= 1"), HEAD + ROW, "tariff.billing_period", 1, ""),
    ],
)
def test_what_can_not_be_used_is_named_and_nothing_is_printed(
    tmp_path: Path, profile: str, readings: str, code: str, exit_code: int, detail: str
) -> None:
    result = _run(tmp_path, profile, readings)
    assert (result.exit_code, result.stdout) == (exit_code, "")
    assert f"[{code}]" in result.stderr
    assert detail in result.stderr
    as_json = _run(tmp_path, profile, readings, "--json")
    assert as_json.exit_code == exit_code
    assert json.loads(as_json.stdout)["error"] == code


def test_files_that_are_not_there(tmp_path: Path) -> None:
    for arguments in (("run", "/absent.toml", "-"), ("run", str(EXAMPLES[0]), str(tmp_path))):
        result = _invoke(*arguments)
        assert result.exit_code == 3
        assert "[readings.file]" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["example", "--household", "castle"], "simulation.profile"),
        (["example", "--register", "1-0:3.8.0*255"], "value.obis"),
        (["example", "--period", "61"], "tariff.raster"),
        (["show", "15"], "tariff.use_case"),
        (["show", "0", "--json"], "tariff.use_case"),
    ],
)
def test_wrong_options_are_named(arguments: list[str], code: str) -> None:
    result = _invoke(*arguments)
    assert result.exit_code != 0
    assert f"[{code}]" in result.stderr
    assert HEAD not in result.stdout


@pytest.mark.parametrize("number", range(1, 15))
def test_there_is_an_example_of_each_use_case(number: int) -> None:
    named = [example for example in EXAMPLES if example.name.startswith(f"taf{number:02}-")]
    assert len(named) == 1
    assert f"tariff_use_case = {number}\n" in named[0].read_text()


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.stem)
def test_each_example_runs_and_explains_itself(example: Path, tables: dict[str, Path]) -> None:
    readings = str(tables[_command(example)])
    whole = _json(_invoke("run", str(example), readings, "--json"))
    number = int(example.name[3:5])
    assert whole["tariff_use_case"] == number
    assert whole["bookings_total"] == len(whole["bookings"]) > 0
    assert set(whole) == {"tariff_use_case", "period", "meter_id", "registers", "bookings", "bookings_total", "findings"}
    for register in whole["registers"]:
        assert {"obis", "tariff", "value", "scaler", "unit"} <= set(register)
    if number in (2, 3, 4, 5):
        by_stage = {register["tariff"]: register["value"] for register in whole["registers"]}
        assert by_stage[0] == sum(value for stage, value in by_stage.items() if stage)
        for stage, value in by_stage.items():
            booked = [booking["value"] for booking in whole["bookings"] if stage in (0, booking["stage"])]
            assert value == sum(booked)
    assert all(booking["why"] for booking in whole["bookings"])


def test_bookings_and_findings_are_readable(tmp_path: Path) -> None:
    rows = [ROW.replace("00:00:00", f"{n // 4:02}:{n % 4 * 15:02}:00").replace("1234", str(1234 + n)) for n in range(96) if n != 30]
    late = ROW.replace("11-04", "11-05").replace("1234", "1330")
    rules = '[rules]\nstages = [1, 2]\nweek = ["a", "a", "a", "a", "a", "a", "a"]\ndays = { a = { "07:30" = 2, "21:00" = 1 } }\n'
    result = _run(tmp_path, SERIES.replace("= 7", "= 2") + rules, HEAD + "".join([*rows, late, rows[3]]))
    assert result.exit_code == 0
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert "TAF 2, Time-variable tariffs: meter 1SGW0010000001, 2026-11-04 00:00 to 2026-11-05 00:00 (Europe/Berlin)" in lines
    booked = "2026-11-04 07:15 2026-11-04 07:45 1-0:1.8.63*255 0.2 Wh 63 error register: no usable reading tells the stages apart"
    assert booked in lines
    assert "2026-11-04 00:00 2026-11-05 00:00 1-0:1.8.2*255 5.3 Wh" in lines
    assert "1-0:1.8.0*255: 1 ends of register periods have no reading [missing]" in lines
    assert "1-0:1.8.0*255: 1 readings repeat a time; the first usable one counts [repeated]" in lines


def test_bookings_can_be_limited(tmp_path: Path) -> None:
    few = _run(tmp_path, SERIES, HEAD + ROW, "--limit", "3")
    assert few.stdout.count("nothing is stored") == 3
    assert "93 bookings more; --limit 0 shows all." in few.stdout
    assert _run(tmp_path, SERIES, HEAD + ROW).stdout.count("nothing is stored") == 50
    assert _run(tmp_path, SERIES, HEAD + ROW, "--limit", "0").stdout.count("nothing is stored") == 96
    limited = _json(_run(tmp_path, SERIES, HEAD + ROW, "--json", "--limit", "2"))
    assert (len(limited["bookings"]), limited["bookings_total"]) == (2, 96)
    assert limited["bookings"] == _json(_run(tmp_path, SERIES, HEAD + ROW, "--json"))["bookings"][:2]


def test_what_a_profile_says_does_not_steer_the_terminal(tmp_path: Path) -> None:
    action = '[[actions]]\nat = 2026-11-04T00:05:00+01:00\ndevice = "\\u001b[2J"\naction = "on"\nordered_by = "g.sm"\n'
    result = _run(tmp_path, SERIES.replace("= 7", "= 11") + action, HEAD + ROW)
    assert result.exit_code == 0
    assert "\x1b" not in result.stdout
    assert "\ufffd[2J: on, ordered by g.sm" in result.stdout


def test_readings_may_come_from_standard_input(tmp_path: Path) -> None:
    (tmp_path / "profile.toml").write_text(SERIES)
    result = _invoke("run", str(tmp_path / "profile.toml"), "-", "--json", text=HEAD + ROW.replace("00:00:00", "00:15:00"))
    assert _json(result)["bookings"][0]["value"] == 1234


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "start", "days", "amounts"),
    [
        ("result_single_day", date(2017, 11, 4), 1, (360, 600, 0)),
        ("result_single_day_dst_march", date(2017, 3, 26), 1, (320, 600, 0)),
        ("result_single_day_dst_oct", date(2017, 10, 29), 1, (360, 600, 0)),
        ("result_single_day_1_missing_period_at_tariff_switch", date(2017, 11, 4), 1, (350, 590, 20)),
        ("result_single_day_2h_PTBstatus3", date(2017, 11, 4), 1, (310, 560, 90)),
        ("result_3_days", date(2017, 11, 4), 3, (1160, 1800, 0)),
        ("result_1_month_period_1hour", date(2017, 11, 1), 30, (2700, 4500, 0)),
    ],
)
@pytest.mark.req("TAF-22", "TAF-02")
def test_a_read_out_gives_the_transparency_tools_results(
    tmp_path: Path, name: str, start: date, days: int, amounts: tuple[int, int, int]
) -> None:
    end = date.fromordinal(start.toordinal() + days)
    rules = '[rules]\nstages = [1, 2]\nweek = ["a", "a", "a", "a", "a", "a", "a"]\ndays = { a = { "06:00" = 2, "21:00" = 1 } }\n'
    profile = f'tariff_use_case = 2\nname = "t.sm"\nregisters = ["1-0:1.8.0*255"]\nstart = {start}\nend = {end}\n{rules}'
    (tmp_path / "profile.toml").write_text(profile)
    result = _json(_invoke("run", str(tmp_path / "profile.toml"), str(shared_path("trudi", "taf2", f"{name}.xml")), "--json"))
    by_stage = {register["tariff"]: register["value"] for register in result["registers"]}
    assert (by_stage[1], by_stage[2], by_stage[63], by_stage[0]) == (*amounts, sum(amounts))


@pytest.mark.req("TAF-01", "TAF-14")
def test_list_and_show() -> None:
    listed = _invoke("list")
    assert [line.split()[0] for line in listed.stdout.splitlines()[3:17]] == [str(number) for number in range(1, 15)]
    cases = _json(_invoke("list", "--json"))
    assert [case["number"] for case in cases] == list(range(1, 15))
    for case in cases:
        shown = _invoke("show", str(case["number"]))
        assert shown.exit_code == 0
        assert f"TAF {case['number']}: {case['en']} (German: {case['de']})" in shown.stdout
        assert {**case, "profile": _json(_invoke("show", str(case["number"]), "--json"))["profile"]}["profile"]
        assert "tariff_use_case" in shown.stdout


def test_the_command_is_in_the_table() -> None:
    assert COMMANDS["tariff"] == "Evaluate a tariff use case on readings of your own."


@pytest.mark.parametrize(
    ("options", "rows", "last"),
    [
        (("--days", "1"), 97, "2026-01-01T23:00:00Z"),
        (("--days", "1", "--period", "3600", "--register", "1-0:1.8.0*255", "--register", "1-0:16.7.0*255"), 50, "2026-01-01T23:00:00Z"),
        (("--period", "86400"), 366, "2026-12-31T23:00:00Z"),
        (("--days", "9999", "--period", "86400"), 366, "2026-12-31T23:00:00Z"),
        (("--year", "2028", "--period", "86400"), 367, "2028-12-31T23:00:00Z"),
    ],
)
def test_example_readings_are_the_same_each_time(options: tuple[str, ...], rows: int, last: str) -> None:
    first, second = _invoke("example", *options), _invoke("example", *options)
    assert first.stdout == second.stdout
    table = list(csv.DictReader(io.StringIO(first.stdout)))
    assert (len(table), table[-1]["target_time"]) == (rows, last)
    assert first.stdout != _invoke("example", *options, "--seed", "2").stdout

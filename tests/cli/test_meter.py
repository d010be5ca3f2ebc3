"""`smgw meter` as a user calls it."""

import asyncio
import sys
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from smgw.cli.meter import app
from smgw.core.identifiers import DeviceId
from smgw.net.links import open_link
from smgw.simulation.household import Household
from smgw.simulation.meters.sml_meter import SmlMeter

RUNNER = CliRunner()


@pytest.mark.parametrize(
    ("arguments", "code", "exit_code"),
    [
        (["run", "--id", "nonsense", "--link", "pty:/tmp/x"], "value.device_id", 3),
        (["run", "--id", "1SGW0010000001", "--link", "pty:/tmp/x", "--profile", "castle"], "simulation.profile", 3),
        (["replay", "/absent/dump", "--link", "pty:/tmp/x"], "simulation.dump", 3),
    ],
)
def test_wrong_arguments_say_what_to_do(arguments: list[str], code: str, exit_code: int) -> None:
    result = RUNNER.invoke(app, arguments)
    assert result.exit_code == exit_code
    assert f"[{code}]" in result.stderr
    assert result.stdout == ""


def test_an_empty_dump_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    result = RUNNER.invoke(app, ["replay", str(tmp_path / "empty"), "--link", "pty:/tmp/x"])
    assert result.exit_code == 3
    assert "[simulation.dump]" in result.stderr


@pytest.mark.req("LMN-02")
@pytest.mark.asyncio
async def test_a_dump_is_replayed_once_and_then_its_last_file_until_standard_input_ends(tmp_path: Path) -> None:
    meter = SmlMeter(DeviceId.parse("1SGW0010000001"), Household("flat", 1))
    frames = [meter.telegram(datetime(2026, 11, 21, hour, tzinfo=UTC)) for hour in range(2)]
    (tmp_path / "dump").write_bytes(b"\xff\x00" + b"".join(frames))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", "from smgw.cli.meter import app; app()", "replay", str(tmp_path / "dump"),
        "--link", f"pty:{tmp_path}/line", "--interval", "0.1", "--stop-on-eof",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    ready = msgspec.json.decode(await asyncio.wait_for(process.stdout.readline(), 60))
    assert ready == {"event": "ready", "meter": "dump", "link": f"pty:{tmp_path}/line"}
    link = await open_link(f"pty://{tmp_path}/line")
    heard = b""
    while heard.count(frames[1]) < 3:
        heard += await asyncio.wait_for(link.read(), 60)
    # Whoever opens a line drops what came before: on a busy machine, the first of what is sent.
    assert heard in b"\xff\x00" + frames[0] + frames[1] * 1000
    process.stdin.close()
    stopped = msgspec.json.decode(await asyncio.wait_for(process.stdout.readline(), 60))
    assert stopped["event"] == "stopped"
    assert stopped["telegrams"] >= 4
    assert await asyncio.wait_for(process.wait(), 60) == 0
    link.close()
    assert not (tmp_path / "line").is_symlink()
